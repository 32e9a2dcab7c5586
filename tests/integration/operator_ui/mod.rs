//! The operators' console, over HTTP and in a browser.

mod actions;
mod browser;
mod confined;
mod forms;
mod holds;
mod jobs;
mod pages;
mod refusals;
mod users;
mod wrong_forms;

use std::collections::BTreeMap;

use axum::http::Method;
use russet::{
    protocol::ids::{CommandUuid, EnrollmentId, EnrollmentKind, SerialNumber},
    storage::{
        AdeTokenRecord, Change, DeviceFacts, EnrollmentRecord, EnrollmentState, ErrorItem, HeldItem,
        HeldKind, HeldOrigin, HeldState, HoldChange, HoldRecord, HoldRule, HoldStage, HoldTerms, NewCommand,
        OnTimeout, Report, ReportStatus, Ruling,
    },
};
use russet_sim::{Client, Request, encode::base64};
use scraper::{ElementRef, Html, Selector};

use crate::support::TestServer;

/// What nobody may be able to run in an operator's browser.
const HOSTILE: &str = "<script>alert('x')</script>";

/// A page as it came.
struct Visit {
    path: String,
    status: u16,
    headers: BTreeMap<String, String>,
    text: String,
}

impl Visit {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn html(&self) -> Html {
        Html::parse_document(&self.text)
    }
}

/// A request of a browser that has this key, with a form if there is one.
async fn request(
    server: &TestServer,
    key: Option<&str>,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    form: &str,
) -> Visit {
    let url = format!("http://{}{path}", server.operator_authority);
    let mut request = Request::new(method.clone(), &url);
    if let Some(key) = key {
        let basic = format!("Basic {}", base64(format!("x:{key}").as_bytes()));
        request = request.header("authorization", &basic).unwrap();
    }
    if method == Method::POST && headers.iter().all(|(name, _)| *name != "content-type") {
        request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .unwrap();
    }
    for (name, value) in headers {
        request = request.header(name, value).unwrap();
    }
    let request = request.body(form.as_bytes().to_vec());
    let response = Client::plain().send_once(&request, None).await.unwrap();
    let headers = response.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Visit {
        path: path.to_owned(),
        status: response.status,
        headers: headers.collect(),
        text: String::from_utf8(response.body.to_vec()).unwrap(),
    }
}

/// A page, for the admin.
async fn visit(server: &TestServer, path: &str) -> Visit {
    request(server, Some(&server.key), Method::GET, path, &[], "").await
}

/// A form, sent by the admin from a page of ours.
async fn send(server: &TestServer, path: &str, form: &str) -> Visit {
    let origin = format!("http://{}", server.operator_authority);
    let headers = [("origin", origin.as_str())];
    request(server, Some(&server.key), Method::POST, path, &headers, form).await
}

/// The same for a form with files.
async fn send_parts(server: &TestServer, path: &str, parts: &[(&str, &[u8])]) -> Visit {
    let mut body = String::from("--B\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n\r\n");
    for (name, value) in parts {
        let value = std::str::from_utf8(value).unwrap();
        body.push_str(&format!(
            "--B\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str("--B--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=B")];
    request(server, Some(&server.key), Method::POST, path, &headers, &body).await
}

/// A configuration profile with one payload of this type.
fn mobileconfig(identifier: &str, payload_type: &str) -> Vec<u8> {
    let payload = |identifier: &str, kind: &str, content: &str| {
        format!(
            "<dict><key>PayloadType</key><string>{kind}</string><key>PayloadVersion</key><integer>1</integer>\
             <key>PayloadIdentifier</key><string>{identifier}</string><key>PayloadUUID</key>\
             <string>U-{identifier}</string>{content}</dict>"
        )
    };
    let inner = payload(&format!("{identifier}.1"), payload_type, "");
    let content = format!("<key>PayloadContent</key><array>{inner}</array>");
    let outer = payload(identifier, "Configuration", &content);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">{outer}</plist>").into_bytes()
}

/// The types of the commands that wait for an enrollment.
async fn queued(server: &TestServer, id: &str) -> Vec<String> {
    let path = format!("/v1/queue/{id}");
    let answer = server.ask(Method::GET, &path, Vec::new()).await;
    let commands = answer["commands"].as_array().unwrap().iter();
    let name = |command: &serde_json::Value| command["request_type"].as_str().unwrap().to_owned();
    commands.map(name).collect()
}

fn select(selector: &str) -> Selector {
    Selector::parse(selector).unwrap()
}

fn all<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&select(selector)).collect()
}

fn text_of(html: &Html, selector: &str) -> String {
    let texts = all(html, selector).into_iter().flat_map(|element| element.text());
    texts.collect::<Vec<_>>().join(" ")
}

/// Holds a page to what every page has to be.
fn assert_sound(visit: &Visit) {
    let path = &visit.path;
    let html = visit.html();
    assert!(html.errors.is_empty(), "{path}: {:?}", html.errors);
    for element in all(&html, "*") {
        let name = element.value().name();
        for (attribute, _) in element.value().attrs() {
            let handler =
                attribute.starts_with("on") || attribute == "style" || attribute.starts_with("hx-on");
            assert!(!handler, "{path}: <{name} {attribute}>");
        }
    }
    assert!(all(&html, "style").is_empty(), "{path} has a style of its own");
    for script in all(&html, "script") {
        let src = script.value().attr("src").unwrap_or_default();
        assert!(src.starts_with("/assets/"), "{path} has a script of its own");
    }
    for form in all(&html, "form[method=post]") {
        let csrf = select("input[type=hidden][name=csrf]");
        assert!(form.select(&csrf).next().is_some(), "{path}: a form without csrf");
    }
    for field in all(&html, "input:not([type=hidden]), select, textarea") {
        let id = field.value().attr("id").unwrap_or_default();
        let label = select(&format!("label[for='{id}']"));
        let labels = html.select(&label).count();
        assert!(
            labels == 1 && !id.is_empty(),
            "{path}: {labels} labels for {:?}",
            field.html()
        );
    }
    let mut ids: Vec<&str> = all(&html, "[id]")
        .iter()
        .filter_map(|element| element.value().attr("id"))
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{path} uses an id twice");
    for table in all(&html, "table") {
        assert!(
            table.select(&select("caption")).next().is_some(),
            "{path}: a table without a caption"
        );
        assert!(
            table.select(&select("thead th[scope=col]")).next().is_some(),
            "{path}: a table without heads"
        );
    }
    assert_eq!(all(&html, "h1").len(), 1, "{path}");
    assert_eq!(all(&html, "main#main").len(), 1, "{path}");
    assert_eq!(all(&html, "html[lang=en]").len(), 1, "{path}");
}

/// A server that has one of each thing that pages show; what devices and people could choose is hostile.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    furnish(&server).await;
    server
}

/// Puts one of each thing into a server.
async fn furnish(server: &TestServer) {
    let now = server.clock.now();
    let id = EnrollmentId::new("00008120-000A");
    let hostile = || Some(HOSTILE.to_owned());
    let device = EnrollmentRecord {
        device: DeviceFacts {
            serial: Some(SerialNumber::new("C02HOSTILE")),
            product_name: Some(format!("iPhone17,2{HOSTILE}")),
            device_name: hostile(),
            model_name: hostile(),
            os_version: Some("18.1".into()),
            build_version: hostile(),
            ..DeviceFacts::default()
        },
        url_params: [("language".to_owned(), HOSTILE.to_owned())].into(),
        ..enrollment(&id, now)
    };
    let user = id.user_channel("ada");
    let user = EnrollmentRecord {
        kind: EnrollmentKind::User,
        user: Some(russet::storage::UserFacts {
            short_name: Some("ada".into()),
            long_name: hostile(),
        }),
        ..enrollment(&user, now)
    };
    for record in [device, user] {
        let id = record.id.clone();
        let rule = move |_: &_| Ruling::Write(Box::new(Change::of(record.clone())));
        server.store.check_in(&id, None, Box::new(rule)).await.unwrap();
    }
    for uuid in ["failed", "waiting"] {
        server.store.enqueue(command(uuid, &id, now)).await.unwrap();
    }
    let report = Report {
        enrollment: id.clone(),
        uuid: CommandUuid::new("failed"),
        status: ReportStatus::Error,
        payload: format!("<plist><dict><key>ErrorChain</key><string>{HOSTILE}</string></dict></plist>")
            .into_bytes(),
        at: now,
        event: None,
        hold: None,
    };
    server.store.report_and_next(report).await.unwrap();
    server
        .store
        .add_ade_token(AdeTokenRecord::new("hq", now), 10)
        .await
        .unwrap();
    let profile = serde_json::json!({ "name": "kiosks", "preset": "kiosk", "description": HOSTILE });
    server
        .ask(Method::POST, "/v1/ade/tokens/hq/profiles", profile.to_string())
        .await;
    let hook = serde_json::json!({ "name": "events", "url": "http://127.0.0.1:9/x" });
    server.ask(Method::POST, "/v1/hooks", hook.to_string()).await;
    let user = serde_json::json!({ "name": "grace", "role": "helpdesk", "display_name": HOSTILE });
    server.ask(Method::POST, "/v1/users", user.to_string()).await;
    let app = serde_json::json!({ "name": "Notes", "type": "app", "store_id": 7 });
    let floor =
        serde_json::json!({ "name": "floor", "description": HOSTILE, "device_phase": { "items": [app] } });
    server
        .ask(Method::POST, "/v1/hold-profiles", floor.to_string())
        .await;
    let hold = held(&id, now);
    let rule = HoldRule::new(move |_| {
        Some(HoldChange {
            hold: hold.clone(),
            commands: Vec::new(),
        })
    });
    server.store.edit_hold(&id, rule).await.unwrap();
    let job = serde_json::json!({ "action": "log-out", "targets": { "ids": [id] } });
    server.ask(Method::POST, "/v1/jobs", job.to_string()).await;
}

/// A hold of which something has failed.
fn held(id: &EnrollmentId, now: russet::protocol::time::Timestamp) -> HoldRecord {
    let item = |name: &str, state: HeldState| HeldItem {
        name: name.to_owned(),
        kind: HeldKind::Profile,
        origin: HeldOrigin::HoldProfile,
        tracked: true,
        attempt: 1,
        command: CommandUuid::new("failed"),
        state,
        at: now,
        bundle_id: None,
        app_state: None,
        errors: Vec::new(),
    };
    let failed = HeldItem {
        errors: vec![ErrorItem {
            code: 4001,
            domain: "MCInstallationErrorDomain".into(),
            text: HOSTILE.into(),
        }],
        ..item("vpn", HeldState::Failed)
    };
    HoldRecord {
        stage: HoldStage::Holding,
        profile: Some("floor".into()),
        terms: Some(HoldTerms {
            timeout_minutes: 60,
            on_timeout: OnTimeout::Release,
            release_on_failure: false,
            show_error: true,
            allow_retry: true,
            allow_reset: false,
            message: Some(HOSTILE.into()),
        }),
        deadline: Some(now.plus(std::time::Duration::from_secs(3_600))),
        items: vec![item("wifi", HeldState::Installed), failed],
        ..HoldRecord::begun(id.clone(), now)
    }
}

/// A question to a device.
fn command(uuid: &str, id: &EnrollmentId, now: russet::protocol::time::Timestamp) -> NewCommand {
    NewCommand {
        uuid: CommandUuid::new(uuid),
        request_type: "DeviceInformation".into(),
        payload: b"<plist/>".to_vec(),
        targets: vec![id.clone()],
        priority: 0,
        not_before: None,
        expires_at: None,
        wake: false,
        at: now,
        audit: None,
    }
}

/// An enrolled device, or (if the id says so) a user of one.
fn enrollment(id: &EnrollmentId, now: russet::protocol::time::Timestamp) -> EnrollmentRecord {
    EnrollmentRecord {
        id: id.clone(),
        kind: EnrollmentKind::Device,
        state: EnrollmentState::Enrolled,
        device: DeviceFacts::default(),
        user: None,
        identity: None,
        pending: None,
        push: None,
        unlock_token: None,
        bootstrap_token: None,
        awaiting_configuration: true,
        token_update_tally: 1,
        allow_reenroll: false,
        migrated: false,
        url_params: Default::default(),
        ade_settings: None,
        ade: None,
        release: None,
        user_approved: None,
        enrolled_at: Some(now),
        updated_at: now,
    }
}
