//! `russet ca`, and the resource behind it.

use russet_sim::Kind;

use super::{DONE, Place, REFUSED};

#[tokio::test]
async fn the_authority_shows_itself_and_what_it_has_issued() {
    let place = Place::development().await;
    let server = place.serve().await;
    let phone = server.enrolled(&place, Kind::IPhone).await;
    let mac = server.enrolled(&place, Kind::Mac).await;

    let shown = place.run(&["ca", "show"]).await.ended(DONE).out;
    assert!(
        shown.contains("CN=Russet Device CA") && shown.contains("valid until"),
        "{shown}"
    );
    let pem = place.run(&["ca", "show", "--pem"]).await.ended(DONE).out;
    assert_eq!(pem, std::fs::read_to_string(place.path("device-ca.pem")).unwrap());

    let issued = place.run(&["ca", "issued"]).await.ended(DONE).out;
    assert_eq!(issued.lines().count(), 3, "{issued}");
    for device in [&phone, &mac] {
        assert!(issued.contains(&device.hardware.udid), "{issued}");
    }
    let serial = &phone.hardware.serial_number;
    let one = place
        .run(&["--json", "ca", "issued", "--device", serial])
        .await
        .ended(DONE)
        .json();
    let one = &one["certificates"][0];
    assert_eq!(one["state"], "used");
    assert_eq!(one["enrollment_id"], phone.hardware.udid.as_str());
    let fingerprint = phone.identity().unwrap().fingerprint().unwrap();
    assert_eq!(one["fingerprint"].as_str().unwrap().to_uppercase(), fingerprint);
    place
        .run(&["ca", "issued", "--device", "nobody"])
        .await
        .ended(REFUSED);
    server.stop().await;
}
