//! `russet push-cert`: from the request to the certificate in service, with the server running and without.

use std::fs;

use openssl::{
    hash::MessageDigest,
    sign::Verifier,
    x509::{X509, X509Req},
};
use russet::{clock::Clock, protocol::time::Timestamp};
use russet_sim::{Kind, pki::identity::Identity, plists};
use serde_json::Value;

use super::{DONE, FAILED, PROBLEM, Place, REFUSED, USAGE};
use crate::support::{
    portal::{PushLeaf, new_topic, serial},
    shared_key,
};

fn now() -> Timestamp {
    Clock::system().now()
}

impl Place {
    /// Writes a file beside the data directory; its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn push_certificates(&self) -> Vec<Value> {
        let shown = self
            .run(&["--json", "push-cert", "show"])
            .await
            .ended(DONE)
            .json();
        shown["push_certificates"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_with_the_server_running_and_without() {
    let place = Place::development().await;
    let topic = place.push_certificates().await[0]["topic"]
        .as_str()
        .unwrap()
        .to_owned();
    for running in [false, true] {
        let server = if running { Some(place.serve().await) } else { None };
        let out = place.file("request.csr", "");
        let said = place
            .run(&["push-cert", "renew", "--out", &out])
            .await
            .ended(DONE);
        let account = if running {
            "the Apple Account mdm@example.com"
        } else {
            "was not noted here"
        };
        for part in ["1. ", "2. ", &topic, "\"Renew\", never \"Create\"", account, &out] {
            assert!(said.out.contains(part), "{part}: {said:?}");
        }
        let csr = fs::read_to_string(&out).unwrap();
        let waiting = place.run(&["push-cert", "show"]).await.ended(DONE);
        assert!(waiting.out.contains("A request for a renewal of"), "{waiting:?}");

        let pem = PushLeaf::new(&topic, now()).answer(&csr);
        let file = place.file("MDM_certificate.pem", &pem);
        let import = ["push-cert", "import", &file, "--apple-id", "mdm@example.com"];
        let said = place.run(&import).await.ended(DONE);
        assert!(said.err.is_empty(), "{said:?}");
        let shown = place.run(&["push-cert", "show"]).await.ended(DONE).out;
        for line in [
            format!("Subject ID (topic)     {topic}"),
            "Status                 active".into(),
            "Days until expiration  365".into(),
            "Apple ID               mdm@example.com".into(),
            format!("Serial number          {}", serial(&pem)),
            "Enrolled devices       0".into(),
        ] {
            assert!(shown.contains(&line), "{line}: {shown}");
        }
        assert!(
            shown.contains("Expiration  ") && shown.contains("Last updated  "),
            "{shown}"
        );
        assert!(!shown.contains("waits since"), "{shown}");
        if let Some(server) = server {
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn p1_a_request_is_written_in_the_form_that_is_asked_for() {
    let place = Place::development().await;
    let said = place.run(&["push-cert", "csr"]).await.ended(DONE);
    let pem = said.out.clone();
    assert!(
        pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"),
        "{said:?}"
    );
    assert!(pem.ends_with("-----END CERTIFICATE REQUEST-----\n"), "{said:?}");
    assert!(
        said.err.contains("1. ") && said.err.contains("identity.apple.com/pushcert"),
        "{said:?}"
    );
    let request = X509Req::from_pem(pem.as_bytes()).unwrap();
    let out = place.file("request.der", "");
    place
        .run(&["push-cert", "csr", "--format", "der", "--out", &out])
        .await
        .ended(DONE);
    assert_eq!(fs::read(&out).unwrap(), request.to_der().unwrap());
    let json = place
        .run(&["--json", "push-cert", "csr"])
        .await
        .ended(DONE)
        .json();
    assert_eq!(
        (&json["csr"], &json["signed_request"]),
        (&pem.into(), &Value::Null)
    );
    let said = place
        .run(&["push-cert", "csr", "--format", "signed"])
        .await
        .ended(FAILED);
    assert!(said.err.contains("code: no_vendor"), "{said:?}");
    let nowhere = place.folder.path().join("no/such/folder");
    let nowhere = ["push-cert", "csr", "--out", nowhere.to_str().unwrap()];
    place.run(&nowhere).await.ended(FAILED);
}

#[tokio::test]
async fn with_a_vendor_certificate_the_request_is_signed_as_apples_portal_takes_it() {
    let place = Place::development().await;
    let key = shared_key();
    let vendor = Identity::self_signed_as(&key, "Vendor", 30).unwrap();
    let certificate = vendor.certificate.to_pem().unwrap();
    fs::write(place.path("vendor.pem"), &certificate).unwrap();
    let key_file = place.path("vendor-key.pem");
    fs::write(&key_file, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let variables = [
        ("RUSSET_PUSH__VENDOR_CERTIFICATE", "vendor.pem"),
        ("RUSSET_PUSH__VENDOR_KEY", "vendor-key.pem"),
    ];
    // The key is the vendor's most precious thing.
    super::say({
        let mut command = std::process::Command::new("chmod");
        command.arg("644").arg(&key_file);
        command
    })
    .await
    .ended(DONE);
    let said = place
        .run_with(&["push-cert", "csr"], &variables)
        .await
        .ended(REFUSED);
    assert!(
        said.err.contains("push_vendor_unusable") && said.err.contains("chmod 600"),
        "{said:?}"
    );
    let doctor = place.run_with(&["doctor"], &variables).await.ended(DONE);
    assert!(
        doctor
            .out
            .contains("[warn] the MDM vendor's certificate can't sign"),
        "{doctor:?}"
    );

    super::say({
        let mut command = std::process::Command::new("chmod");
        command.arg("600").arg(&key_file);
        command
    })
    .await
    .ended(DONE);
    let said = place
        .run_with(&["push-cert", "csr"], &variables)
        .await
        .ended(DONE);
    let xml = openssl::base64::decode_block(said.out.trim()).unwrap();
    let request = plists::decode(&xml).unwrap();
    let text = |key: &str| request[key].as_string().unwrap();
    let csr = openssl::base64::decode_block(text("PushCertRequestCSR")).unwrap();
    X509Req::from_der(&csr).unwrap();
    let signature = openssl::base64::decode_block(text("PushCertSignature")).unwrap();
    let chain = X509::stack_from_pem(text("PushCertCertificateChain").as_bytes()).unwrap();
    let signer = chain[0].public_key().unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &signer).unwrap();
    assert!(verifier.verify_oneshot(&signature, &csr).unwrap());
    let pem = place
        .run_with(&["push-cert", "csr", "--format", "pem"], &variables)
        .await
        .ended(DONE);
    assert_eq!(
        X509Req::from_pem(pem.out.as_bytes()).unwrap().to_der().unwrap(),
        csr
    );
    let doctor = place.run_with(&["doctor"], &variables).await.ended(DONE);
    assert!(
        doctor.out.contains("vendor's certificate can sign requests"),
        "{doctor:?}"
    );
    let half = [("RUSSET_PUSH__VENDOR_KEY", "vendor-key.pem")];
    let said = place.run_with(&["config", "check"], &half).await.ended(FAILED);
    assert!(said.err.contains("push.vendor_key"), "{said:?}");
}

#[tokio::test]
async fn p7_another_topic_is_refused_until_the_flag_says_that_it_is_meant() {
    let place = Place::development().await;
    let server = place.serve().await;
    server.enrolled(&place, Kind::IPhone).await;
    let topic = new_topic();
    let (certificate, key) = PushLeaf::new(&topic, now()).with_key();
    let (certificate, key) = (
        place.file("new.pem", certificate.trim_end()),
        place.file("new.key", &key),
    );
    let import = ["push-cert", "import", &certificate, &key];
    let said = place.run(&import).await.ended(REFUSED);
    assert!(
        said.err.contains("code: push_topic_changed") && said.err.contains("1 device is enrolled"),
        "{said:?}"
    );
    let forced = [&import[..], &["--replace-topic"]].concat();
    let said = place.run(&forced).await.ended(DONE);
    assert!(said.err.starts_with("warning: 1 device is enrolled"), "{said:?}");
    assert!(said.out.contains("For new enrollments    yes"), "{said:?}");
    let both = place.push_certificates().await;
    assert_eq!((both.len(), &both[0]["topic"]), (2, &topic.clone().into()));

    // With two, a renewal has to say which.
    let said = place.run(&["push-cert", "renew"]).await.ended(USAGE);
    assert!(said.err.contains(&topic), "{said:?}");
    place.run(&["push-cert", "renew", &topic]).await.ended(DONE);
    let one = place.run(&["push-cert", "show", &topic]).await.ended(DONE);
    assert_eq!(one.out.matches("Status").count(), 1, "{one:?}");
    server.stop().await;
}

#[tokio::test]
async fn what_can_not_be_done_is_named() {
    let place = Place::development().await;
    let said = place.run(&["push-cert", "test"]).await.ended(REFUSED);
    assert!(said.err.contains("code: no_push_service"), "{said:?}");
    let said = place
        .run(&["push-cert", "test", "--enrollment", "UNKNOWN"])
        .await
        .ended(REFUSED);
    assert!(said.err.contains("code: enrollment_unknown"), "{said:?}");
    let said = place
        .run(&["push-cert", "show", "com.apple.mgmt.x"])
        .await
        .ended(REFUSED);
    assert!(said.err.contains("code: push_certificate_unknown"), "{said:?}");
    place.run(&["push-cert", "import"]).await.ended(USAGE);
    place
        .run(&["push-cert", "import", "/no/such/file"])
        .await
        .ended(USAGE);
    let file = place.file("nothing.pem", "nothing");
    let said = place.run(&["push-cert", "import", &file]).await.ended(REFUSED);
    assert!(said.err.contains("code: bad_certificate_file"), "{said:?}");

    let bare = Place::empty();
    bare.run(&["init", "--domain", "mdm.example.com"])
        .await
        .ended(DONE);
    let said = bare.run(&["push-cert", "renew"]).await.ended(FAILED);
    assert!(said.err.contains("code: no_push_certificate"), "{said:?}");
    let said = bare.run(&["push-cert", "show"]).await.ended(DONE);
    assert!(said.out.contains("russet push-cert csr"), "{said:?}");
}

#[tokio::test]
async fn p5_doctor_speaks_of_a_certificate_that_expires_soon() {
    let place = Place::development().await;
    let topic = place.push_certificates().await[0]["topic"]
        .as_str()
        .unwrap()
        .to_owned();
    for (days, code, mark) in [(20, DONE, "[warn]"), (5, PROBLEM, "[FAIL]")] {
        let mut leaf = PushLeaf::new(&topic, now());
        leaf.not_after = now().plus(std::time::Duration::from_secs(days * 86_400));
        let (certificate, key) = leaf.with_key();
        let file = place.file("short.pem", &(certificate + &key));
        place.run(&["push-cert", "import", &file]).await.ended(DONE);
        let said = place.run(&["doctor"]).await.ended(code);
        let line = said
            .out
            .lines()
            .find(|line| line.contains("the push certificate"));
        let line = line.unwrap_or_else(|| panic!("{said:?}"));
        assert!(
            line.starts_with(mark) && line.contains(&format!("in {days} days")),
            "{line}"
        );
        assert!(said.out.contains("russet push-cert renew"), "{said:?}");
    }
}
