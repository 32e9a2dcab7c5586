//! K-A1 to K-A5 and K-A8: those who are not what they say.

use std::time::Duration;

use axum::http::Method;
use russet_sim::{Kind, Request, pki::identity::Identity};
use serde_json::json;

use super::{Boxed, Estate, code, device_authority, post, token};
use crate::support::{certificates::Leaf, eventually, fingerprint, receiver::Receiver, shared_key};

/// What nobody who is refused may learn.
fn tells_nothing(text: &str) {
    for word in [
        "com.apple.mgmt",
        "Challenge",
        "Russet",
        "scep",
        "hq",
        "ServerURL",
        "PayloadContent",
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test]
async fn k_a1_what_no_apple_device_signed_is_refused_and_told_nothing() {
    let estate = Estate::start().await;
    let honest = estate.device(Kind::IPhone, None).await;
    let url = estate.url();
    let plain = russet_sim::plists::encode(&honest.device.machine_info()).unwrap();
    let itself = Identity::self_signed(&shared_key()).unwrap();
    // The name of the CA that is trusted, and another key.
    let namesake = Leaf::SOUND.issued_by(&device_authority("Test Device CA"));
    let mut tampered = honest.message();
    let serial = honest.device.hardware.serial_number.as_bytes();
    let at = tampered
        .windows(serial.len())
        .position(|part| part == serial)
        .unwrap();
    tampered[at] = if tampered[at] == b'X' { b'Y' } else { b'X' };
    for (what, message) in [
        ("nothing", Vec::new()),
        ("no CMS", plain.clone()),
        ("self-signed", itself.signed_data(&plain).unwrap()),
        ("another CA", namesake.signed_data(&plain).unwrap()),
        ("tampered", tampered),
        ("no plist", honest.built_in.signed_data(b"hello").unwrap()),
        (
            "no serial",
            honest.message_with(|info| drop(info.remove("SERIAL"))),
        ),
        ("no UDID", honest.message_with(|info| drop(info.remove("UDID")))),
    ] {
        let refused = post(&estate.server, &url, message).await;
        assert_eq!(refused.status, 403, "{what}");
        assert_eq!(code(&refused), "machine_info_refused", "{what}");
        tells_nothing(&String::from_utf8_lossy(&refused.body));
        assert!(!refused.headers.contains_key("www-authenticate"));
    }
    assert!(estate.server.enrollments().await.is_empty());
}

#[tokio::test]
async fn k_a1_a_message_holds_sixty_four_kibibytes() {
    let estate = Estate::start().await;
    let huge = vec![0x30; 64 * 1024 + 1];
    let refused = post(&estate.server, &estate.url(), huge).await;
    assert_eq!((refused.status, code(&refused).as_str()), (413, "body_too_large"));
}

/// K-A2: whatever is wrong with a serial number, the answer is the same, byte for byte but for the date.
#[tokio::test]
async fn k_a2_unknown_anothers_and_released_devices_get_one_answer() {
    let estate = Estate::start().await;
    let other = token(&estate.server, "other").await;
    let unknown = Boxed::new(estate.server.device(Kind::IPhone));
    let anothers = Boxed::new(estate.server.device(Kind::IPhone));
    estate.assign(&other, &anothers.device, None).await;
    let released = estate.device(Kind::IPhone, None).await;
    estate.release(&released.device).await;

    let mut answers = Vec::new();
    for boxed in [&unknown, &anothers, &released] {
        let refused = post(&estate.server, &estate.url(), boxed.message()).await;
        assert_eq!((refused.status, code(&refused).as_str()), (403, "unassigned"));
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        tells_nothing(&text);
        let mut headers: Vec<_> = refused
            .headers
            .iter()
            .filter(|(name, _)| *name != "date" && *name != "x-request-id")
            .collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        answers.push(format!("{headers:?} {text}"));
        assert_eq!(estate.refusal(&boxed.device).await["code"], "unassigned");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

/// K-A3: what a device sent once opens nothing for whoever has kept it, as long as the device is enrolled by it.
#[tokio::test]
async fn k_a3_a_message_that_was_kept_does_not_take_an_enrollment_over() {
    let estate = Estate::start().await;
    let mut boxed = estate.device(Kind::IPhone, None).await;
    let kept = boxed.message();
    boxed.boot(&estate.url()).await.unwrap();
    let before = estate.enrollment(&boxed.device).await;
    // At once it is the device that repeats itself; what it gets changes nothing until it is used.
    assert_eq!(
        post(&estate.server, &estate.url(), kept.clone()).await.status,
        200
    );
    for wait in [3600, 86_400] {
        estate.server.clock.advance(Duration::from_secs(wait));
        let refused = post(&estate.server, &estate.url(), boxed.message()).await;
        assert_eq!(
            (refused.status, code(&refused).as_str()),
            (403, "machine_info_replayed")
        );
    }
    assert_eq!(
        estate.enrollment(&boxed.device).await["identity"],
        before["identity"]
    );
    assert_eq!(
        estate.refusal(&boxed.device).await["code"],
        "machine_info_replayed"
    );

    let path = format!("/v1/enrollments/{}/allow-reenroll", boxed.device.hardware.udid);
    estate.server.ask(Method::POST, &path, Vec::new()).await;
    assert_eq!(
        post(&estate.server, &estate.url(), boxed.message()).await.status,
        200
    );
}

/// K-A4: numbers can't be tried out, from one address; whoever is honest comes in as soon as the address may again.
#[tokio::test]
async fn k_a4_trying_serial_numbers_ends_in_429_and_one_event() {
    let estate = Estate::start().await;
    let receiver = Receiver::start().await;
    let hook = json!({ "name": "h", "url": receiver.url("/"), "topics": ["russet.ade_refused"] });
    estate
        .server
        .ask(Method::POST, "/v1/hooks", hook.to_string())
        .await;
    let mut honest = estate.device(Kind::IPhone, None).await;
    let attacker = Boxed::new(estate.server.device(Kind::IPhone));
    let url = estate.url();
    let mut refusals = (0, 0);
    for number in 0..30 {
        let message = attacker.message_with(|info| {
            info.insert("SERIAL".into(), format!("GUESS{number}").into());
        });
        let refused = post(&estate.server, &url, message).await;
        match refused.status {
            403 => refusals.0 += 1,
            429 => {
                refusals.1 += 1;
                let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=60).contains(&wait));
                assert_eq!(code(&refused), "too_many_refusals");
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(refusals, (20, 10));
    // What a stranger says of its address changes nothing.
    let request = Request::new(Method::POST, &url).body(attacker.message());
    let request = request.header("x-forwarded-for", "192.0.2.7").unwrap();
    let answer = estate.server.client().send(request, None).await.unwrap();
    assert_eq!(answer.status, 429);

    estate.server.clock.advance(Duration::from_secs(60));
    honest.boot(&url).await.expect("an honest device gets in");
    eventually("the event", async || {
        let events = receiver.received();
        let refused: u64 = events
            .iter()
            .map(|event| event.json()["russet_event"]["count"].as_u64().unwrap())
            .sum();
        assert!(events.len() <= 2, "one event for many");
        refused == 20
    })
    .await;
}

/// K-A5: a second enrollment with the number of a device that is alive leaves it alone until it is complete.
#[tokio::test]
async fn k_a5_the_old_identity_works_until_the_new_enrollment_is_complete() {
    let estate = Estate::start().await;
    let mut boxed = estate.device(Kind::Mac, None).await;
    boxed.boot(&estate.url()).await.unwrap();
    let before = estate.enrollment(&boxed.device).await;
    let mut rogue = estate.server.twin(&boxed.device);
    let profile = boxed.fetch(&estate.url()).await;
    let payload = crate::support::scep_payload(&profile);
    let options = russet_sim::scep::ScepOptions::default();
    let mut client = estate.server.client();
    let identity = russet_sim::scep::enrol(&mut client, &payload, &shared_key(), &options, None).await;
    rogue.set_identity(identity.unwrap());
    rogue.authenticate().await.unwrap();
    let shown = estate.enrollment(&boxed.device).await;
    assert_eq!(shown["identity"], before["identity"]);
    assert_eq!(
        shown["pending"]["identity"],
        *fingerprint(rogue.identity().unwrap())
    );
    boxed.device.connect().await.expect("the old identity works");
}

/// K-A8: the address holds a secret; whatever is not quite it leads nowhere.
#[tokio::test]
async fn k_a8_an_address_can_t_be_guessed() {
    let estate = Estate::start().await;
    let boxed = estate.device(Kind::IPhone, None).await;
    let url = estate.url();
    let (beginning, secret) = url.rsplit_once('/').unwrap();
    assert!(secret.split_once('-').unwrap().1.len() * 4 >= 128);
    let mut almost = secret.to_owned();
    let last = almost.pop().unwrap();
    almost.push(if last == '0' { '1' } else { '0' });
    for guess in [&almost, "hq", "1", "1-", "%ff", &estate.token.name] {
        let refused = post(&estate.server, &format!("{beginning}/{guess}"), boxed.message()).await;
        assert_eq!(
            (refused.status, code(&refused).as_str()),
            (404, "not_found"),
            "{guess}"
        );
    }
    assert_eq!(post(&estate.server, &url, boxed.message()).await.status, 200);
}

/// An enrolled device has no business here, and nobody is told that it is not known.
#[tokio::test]
async fn the_door_never_unenrolls_and_other_methods_are_told_so() {
    let estate = Estate::start().await;
    for method in [Method::PUT, Method::DELETE] {
        let request = Request::new(method, &estate.url());
        let answer = estate.server.client().send(request, None).await.unwrap();
        assert_eq!(answer.status, 405);
    }
    let refused = post(&estate.server, &estate.url(), Vec::new()).await;
    assert!(!String::from_utf8_lossy(&refused.body).contains("com.apple.unrecognized.device"));
}
