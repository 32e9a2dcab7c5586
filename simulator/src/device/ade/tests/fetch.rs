//! How the profile is fetched: MachineInfo, web views, refusals.

use super::*;
use crate::encode::base64;
use crate::pki::cms::Signed;
use crate::pki::device_ca::{Signing, Style};
use crate::plists::{Dictionary, Keys, decode};

const JSON: &str = "application/json";

/// MachineInfo in a message whose signature is right.
fn opened(message: &[u8]) -> (Dictionary, Signed) {
    let signed = Signed::parse(message).unwrap();
    signed.verify(signed.signer_certificate().unwrap(), None).unwrap();
    (decode(signed.content.as_ref().unwrap()).unwrap(), signed)
}

#[tokio::test]
async fn machine_info_is_posted_as_each_system_writes_and_signs_it() {
    let scene = Scene::new().await;
    for (kind, version, certificates, update, psso) in [
        (Kind::IPhone, "18.1", 2, true, false),
        (Kind::IPhone, "16.7", 2, false, false),
        (Kind::Mac, "15.1", 1, true, false),
        (Kind::Mac, "26.0", 1, true, true),
        (Kind::AppleTV, "18.1", 2, false, false),
    ] {
        let mut device = scene.device(kind).await;
        device.hardware.os_version = version.into();
        scene.boot(&mut device).await.unwrap();
        let visit = scene.script.visits.lock().unwrap().pop().unwrap();
        assert_eq!((&*visit.method, &*visit.path), ("POST", "/ade"));
        assert_eq!(visit.headers["content-type"], "application/pkcs7-signature");
        let (info, signed) = opened(&visit.body);
        assert_eq!(signed.certificates.len(), certificates);
        assert_eq!(
            info.string("SERIAL").unwrap(),
            Some(device.hardware.serial_number.clone())
        );
        assert_eq!(info.contains_key("OS_VERSION"), version != "16.7");
        assert_eq!(info.contains_key("MDM_CAN_REQUEST_SOFTWARE_UPDATE"), update);
        assert_eq!(info.contains_key("MDM_CAN_REQUEST_PSSO_CONFIG"), psso);
        assert_eq!(info.contains_key("IMEI"), kind == Kind::IPhone);
    }
}

#[tokio::test]
async fn machine_info_is_signed_as_told() {
    let scene = Scene::new().await;
    let mut phone = scene.device(Kind::IPhone).await;
    let options = BootOptions {
        signing: Some(Signing {
            style: Style::Ecdsa,
            intermediate: false,
            ..Signing::of(Kind::IPhone)
        }),
        ..BootOptions::default()
    };
    scene.boot_with(&mut phone, &options).await.unwrap();
    let visit = scene.script.visits.lock().unwrap().pop().unwrap();
    assert_eq!(opened(&visit.body).1.certificates.len(), 1);
}

#[tokio::test]
async fn a_required_update_is_reported_or_made() {
    let scene = Scene::new().await;
    let body = r#"{"code":"com.apple.softwareupdate.required","message":"Update first.",
        "details":{"OSVersion":"18.3","BuildVersion":"22D60"}}"#;
    scene.page(Page::new(403, JSON, body));
    let mut phone = scene.device(Kind::IPhone).await;
    let booted = scene.boot(&mut phone).await.unwrap();
    let Outcome::UpdateRequired(update) = booted.outcome else {
        panic!("{booted:?}");
    };
    assert_eq!(
        (&*update.os_version, update.build_version.as_deref()),
        ("18.3", Some("22D60"))
    );
    assert_eq!(booted.messages, ["Update first."]);
    assert!(!phone.is_enrolled());

    let options = BootOptions {
        updates: true,
        ..BootOptions::default()
    };
    scene.page(Page::new(403, JSON, body));
    let booted = scene.boot_with(&mut phone, &options).await.unwrap();
    assert_eq!(
        (booted.is_enrolled(), booted.updates),
        (true, vec!["18.3".to_string()])
    );
    assert_eq!(phone.hardware.build_version, "22D60");

    // A system that can't do it takes it for any refusal.
    scene.page(Page::new(403, JSON, body));
    let mut tv = scene.device(Kind::AppleTV).await;
    let booted = scene.boot_with(&mut tv, &options).await.unwrap();
    assert!(matches!(
        booted.outcome,
        Outcome::Refused(Refusal { status: 403, .. })
    ));
}

#[tokio::test]
async fn platform_sso_is_reported_where_it_is_known() {
    let scene = Scene::new().await;
    let body = r#"{"code":"com.apple.psso.required","details":{"AuthURL":"https://a"}}"#;
    for (version, known) in [("26.0", true), ("15.1", false)] {
        scene.page(Page::new(403, JSON, body));
        let mut mac = scene.device(Kind::Mac).await;
        mac.hardware.os_version = version.into();
        let booted = scene.boot(&mut mac).await.unwrap();
        assert_eq!(matches!(booted.outcome, Outcome::PssoRequired(_)), known);
    }
}

#[tokio::test]
async fn basic_credentials_are_given_when_asked_for() {
    let scene = Scene::new().await;
    let challenge = || Page::new(401, "text/plain", "").header("www-authenticate", "Basic realm=\"x\"");
    scene.page(challenge());
    let mut phone = scene.device(Kind::IPhone).await;
    let booted = scene.boot(&mut phone).await.unwrap();
    assert!(matches!(
        booted.outcome,
        Outcome::Refused(Refusal { status: 401, .. })
    ));
    scene.page(challenge());
    assert!(
        scene
            .boot_with(&mut phone, &Scene::login())
            .await
            .unwrap()
            .is_enrolled()
    );
    let visit = scene.script.visits.lock().unwrap().pop().unwrap();
    let expected = format!("Basic {}", base64("ada@example.com:p&ss wörd".as_bytes()));
    assert_eq!(visit.headers["authorization"], expected);
    phone.wipe();
    scene.page(challenge());
    scene.page(challenge());
    let booted = scene.boot_with(&mut phone, &Scene::login()).await.unwrap();
    assert!(matches!(
        booted.outcome,
        Outcome::Refused(Refusal { status: 401, .. })
    ));
}

async fn web_scene() -> Scene {
    let mut scene = Scene::new().await;
    let url = format!("http://{}/ade/web", scene.script.address);
    scene.set(json!({ "configuration_web_url": url }));
    scene
}

const FORM: &str = r#"<html><form method="post" action="login?step=2"><input type="hidden" name="csrf" value="c1">
    <input name="username" type="email"><input name="password" type="password"><button>Go</button></form>"#;

#[tokio::test]
async fn a_web_view_logs_in_and_ends_with_the_profile() {
    let scene = web_scene().await;
    scene.page(
        Page::new(302, "text/html", "")
            .header("location", "/ade/start")
            .header("set-cookie", "a=1; Path=/"),
    );
    scene.page(Page::new(200, "text/html; charset=utf-8", FORM).header("set-cookie", "b=2; HttpOnly"));
    scene.page(Page::new(303, "text/html", "").header("location", "/ade/done"));
    let mut phone = scene.device(Kind::IPhone).await;
    assert!(
        scene
            .boot_with(&mut phone, &Scene::login())
            .await
            .unwrap()
            .is_enrolled()
    );
    let visits = scene.script.visits.lock().unwrap();
    let story: Vec<_> = visits
        .iter()
        .map(|visit| format!("{} {}", visit.method, visit.path))
        .collect();
    assert_eq!(
        story,
        [
            "GET /ade/web",
            "GET /ade/start",
            "POST /ade/login?step=2",
            "GET /ade/done"
        ]
    );
    let info = visits[0].headers["x-apple-aspen-deviceinfo"].to_str().unwrap();
    opened(&openssl::base64::decode_block(info).unwrap());
    assert!(
        visits[1..]
            .iter()
            .all(|visit| !visit.headers.contains_key("x-apple-aspen-deviceinfo"))
    );
    assert_eq!(visits[1].headers["cookie"], "a=1");
    assert_eq!(visits[3].headers["cookie"], "a=1; b=2");
    assert_eq!(
        visits[2].body,
        "csrf=c1&username=ada%40example.com&password=p%26ss%20w%C3%B6rd"
    );
}

#[tokio::test]
async fn a_web_view_gives_up_on_wrong_credentials_and_on_foreign_profiles() {
    let scene = web_scene().await;
    let mut phone = scene.device(Kind::IPhone).await;
    for (pages, options) in [(1, BootOptions::default()), (2, Scene::login())] {
        (0..pages).for_each(|_| scene.page(Page::new(200, "text/html", FORM)));
        let booted = scene.boot_with(&mut phone, &options).await.unwrap();
        assert!(matches!(booted.outcome, Outcome::Refused(_)), "{booted:?}");
    }
    let elsewhere = format!("http://localhost:{}/ade", scene.script.address.port());
    scene.page(Page::new(302, "text/html", "").header("location", &elsewhere));
    let error = scene.boot(&mut phone).await.unwrap_err();
    assert!(
        error.to_string().contains("the profile came from localhost"),
        "{error}"
    );
}

#[tokio::test]
async fn e4_an_old_system_posts_machine_info_though_there_is_a_web_page() {
    let scene = web_scene().await;
    let mut phone = scene.device(Kind::IPhone).await;
    phone.hardware.os_version = "12.5".into();
    assert!(scene.boot(&mut phone).await.unwrap().is_enrolled());
    assert_eq!(scene.script.visits.lock().unwrap()[0].method, "POST");
}

#[tokio::test]
async fn only_the_anchors_of_the_profile_are_trusted_for_its_url() {
    let scene = Scene::new().await;
    let tls = FakeAbm::start(Settings::default()).await.unwrap();
    let der = openssl::x509::X509::from_pem(tls.anchor())
        .unwrap()
        .to_der()
        .unwrap();
    let mut own = scene;
    own.set(json!({ "url": format!("{}/ade", tls.url()), "anchor_certs": [base64(&der)] }));
    let mut phone = own.device(Kind::IPhone).await;
    let booted = own.boot(&mut phone).await.unwrap();
    assert!(
        matches!(booted.outcome, Outcome::Refused(Refusal { status: 404, .. })),
        "{booted:?}"
    );
    let other = own.factory.pem().unwrap();
    let der = openssl::x509::X509::from_pem(&other).unwrap().to_der().unwrap();
    own.set(json!({ "anchor_certs": [base64(&der)] }));
    own.assign(&phone).await;
    phone.client = Client::trusting(tls.anchor()).unwrap();
    assert!(own.boot(&mut phone).await.is_err());
}
