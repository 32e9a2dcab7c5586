//! Hundreds of thousands of devices are cheap.

use serde_json::json;

use super::*;
use crate::clock::Stopwatch;

#[tokio::test]
async fn two_hundred_thousand_devices_are_bought_paged_and_assigned() {
    let (abm, bought, mut dep) = stocked(200_000).await;
    let uuid = dep.define().await;
    let mut cursor = None;
    let watch = Stopwatch::start();
    let mut told = 0;
    for _ in 0..20 {
        let page = dep
            .post("/server/devices", json!({ "limit": 1000, "cursor": cursor }))
            .await
            .json();
        told += page["devices"].as_array().unwrap().len();
        cursor = page["cursor"].as_str().map(String::from);
    }
    assert_eq!(told, 20_000);
    // In a debug build, the test's own reading of the pages included.
    assert!(watch.elapsed() < Duration::from_secs(20), "{:?}", watch.elapsed());
    for serials in bought[..5000].chunks(1000) {
        dep.assign(&uuid, serials).await;
    }
    assert_eq!(abm.portal().count_with_profile("hq", Some(&uuid)).unwrap(), 5000);
}
