//! `russet report`.

use russet_sim::{Interruption, Kind, Stage, Then};
use serde_json::Value;

use super::{DONE, Place, REFUSED};

#[tokio::test]
async fn g12_failures_are_found_by_what_the_api_finds_them_by_and_shown_one_by_one() {
    let place = Place::development().await;
    let server = place.serve().await;
    let mut mac = place.device(Kind::Mac);
    mac.options.interruption = Some(Interruption {
        after: Stage::Authenticate,
        then: Then::Cancel,
    });
    let url = mac.bound_url(&format!("{}/enroll", server.fact("device")));
    mac.enroll(&url).await.expect_err("it stops");
    let serial = mac.hardware.serial_number.clone();

    let found = async |report: &str, filters: &[&str]| -> usize {
        let answer = place
            .run(&[&["--json", "report", report], filters].concat())
            .await
            .ended(DONE)
            .json();
        let rows = answer.get("failures").or(answer.get("enrollments"));
        rows.and_then(Value::as_array).unwrap().len()
    };
    for (filters, rows) in [
        (&[][..], 1),
        (&["--serial", &serial], 1),
        (&["--serial", "OTHER"], 0),
        (&["--method", "manual"], 1),
        (&["--method", "ade"], 0),
        (
            &["--from", "2020-01-01T00:00:00Z", "--to", "2999-01-01T00:00:00Z"],
            1,
        ),
        (&["--from", "2999-01-01T00:00:00Z"], 0),
        (&["--to", "2020-01-01T00:00:00Z"], 0),
        (&["--code", "user_cancelled", "--platform", "macos"], 1),
    ] {
        assert_eq!(found("failures", filters).await, rows, "{filters:?}");
    }
    assert_eq!(found("incomplete", &["--serial", "OTHER"]).await, 0);
    assert_eq!(found("active", &["--method", "manual"]).await, 0);

    let list = place.run(&["report", "failures"]).await.ended(DONE).out;
    let row = list.lines().find(|line| line.contains(&serial)).unwrap();
    let id = row.split_whitespace().next().unwrap();
    let shown = place.run(&["report", "failure", id]).await.ended(DONE);
    for part in ["code: user_cancelled", "step: ", &format!("serial: {serial}")] {
        assert!(shown.out.contains(part), "{part}: {shown:?}");
    }
    let unknown = place.run(&["report", "failure", "999999"]).await.ended(REFUSED);
    assert!(unknown.err.contains("code: attempt_unknown"), "{unknown:?}");
    server.stop().await;
}
