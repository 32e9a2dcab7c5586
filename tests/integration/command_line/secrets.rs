//! Twelve secrets are planted, and then looked for wherever the server speaks: every GET of the API, the figures, the
//! exports of the audit log, the command line's lists, and the log at its most talkative.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use axum::http::Method;
use russet_sim::{Client, Kind, Request, encode::base64};
use serde_json::{Value, json};

use super::{DONE, Place};
use crate::support::{
    portal::{PushLeaf, new_topic},
    promptly, uuid,
};

/// A server whose log goes to a file.
struct Talkative {
    process: Child,
    device: String,
    operator: String,
}

impl Drop for Talkative {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Talkative {
    async fn start(place: &Place) -> Self {
        let log = std::fs::File::create(place.path("log")).unwrap();
        let mut command = place.command(&["--json", "serve"]);
        command
            .env("RUSSET_LOG", "debug")
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process = command.spawn().unwrap();
        let out = process.stdout.take().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line).unwrap();
            line
        });
        let line = promptly("the ready line", reading).await.unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let fact = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self {
            process,
            device: fact("device"),
            operator: fact("operator"),
        }
    }

    async fn ask(&self, key: &str, method: Method, path: &str, body: impl Into<Vec<u8>>) -> (u16, String) {
        let request = Request::new(method, &format!("{}{path}", self.operator)).body(body.into());
        let request = request.header("authorization", &format!("Bearer {key}")).unwrap();
        let response = Client::plain().send(request, None).await.unwrap();
        (
            response.status,
            String::from_utf8_lossy(&response.body).into_owned(),
        )
    }
}

/// What must not be found, and how it could show.
#[derive(Default)]
struct Canaries(Vec<(&'static str, Vec<String>)>);

impl Canaries {
    fn plant(&mut self, what: &'static str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = format!("{secret:?}");
        let mut forms = vec![base64(secret).trim_end_matches('=').to_owned(), hex, bytes];
        forms.extend(std::str::from_utf8(secret).map(str::to_owned));
        self.0.push((what, forms));
    }

    #[track_caller]
    fn are_not_in(&self, place: &str, text: &str) {
        for (what, forms) in &self.0 {
            for form in forms {
                assert!(!text.contains(form.as_str()), "{place} shows {what}");
            }
        }
    }
}

#[tokio::test]
async fn k_w7_no_planted_secret_shows_anywhere() {
    let place = Place::development().await;
    let server = Talkative::start(&place).await;
    let mut canaries = Canaries::default();
    let create = ["--json", "apikey", "create", "--name", "root", "--scope", "admin"];
    let made = place.run(&create).await.ended(DONE).json();
    let admin = made["key"].as_str().unwrap().to_owned();
    canaries.plant("an API key", &admin);

    let account = json!({ "name": "ada", "password": "canary-password-4711" });
    server
        .ask(&admin, Method::POST, "/v1/ade/accounts", account.to_string())
        .await;
    canaries.plant("an account's password", "canary-password-4711");

    let hook = json!({
        "name": "siem", "url": "http://user:canary-credentials@127.0.0.1:9/hook", "secret": "canary-hook-secret",
    });
    let (status, text) = server
        .ask(&admin, Method::POST, "/v1/hooks", hook.to_string())
        .await;
    assert_eq!(status, 201, "{text}");
    canaries.plant("a hook's secret", "canary-hook-secret");
    canaries.plant("a hook's credentials", "canary-credentials");

    // Whether or not it is taken, it has been heard.
    let token = json!({
        "consumer_key": "CK_1", "consumer_secret": "CS_canary_consumer", "access_token": "AT_canary_token",
        "access_secret": "AS_canary_access", "access_token_expiry": "2999-01-01T00:00:00Z",
    });
    server
        .ask(&admin, Method::PUT, "/v1/tokens/hq", token.to_string())
        .await;
    canaries.plant("a server token's consumer secret", "CS_canary_consumer");
    canaries.plant("a server token", "AT_canary_token");
    canaries.plant("a server token's access secret", "AS_canary_access");

    let (certificate, key) = PushLeaf::new(new_topic(), russet::clock::Clock::system().now()).with_key();
    let import = json!({ "pem": format!("{certificate}\n{key}") }).to_string();
    let (status, text) = server
        .ask(&admin, Method::POST, "/v1/push-certificates", import)
        .await;
    assert!(status < 300, "{text}");
    let line = key.lines().nth(2).unwrap().to_owned();
    canaries.plant("a push certificate's key", line);

    let mut device = place.device(Kind::Mac);
    device.enroll(&format!("{}/enroll", server.device)).await.unwrap();
    canaries.plant("a bootstrap token", device.set_bootstrap_token().await.unwrap());
    let mut phone = place.device(Kind::IPhone);
    phone.enroll(&format!("{}/enroll", server.device)).await.unwrap();
    let saved = serde_json::to_value(phone.save().unwrap()).unwrap();
    let push = phone.save().unwrap().state.push.unwrap();
    canaries.plant("a PushMagic", &push.magic);
    canaries.plant("a push token", &push.token);
    let unlock = saved["state"]["unlock_token"]
        .as_str()
        .unwrap_or("no-unlock-token-here")
        .to_owned();
    canaries.plant("an unlock token", unlock);

    let (_, link) = server.ask(&admin, Method::POST, "/v1/enroll-links", "{}").await;
    let link: Value = serde_json::from_str(&link).unwrap();
    let url = link["url"].as_str().unwrap();
    phone.fetch_profile(url).await.unwrap();
    canaries.plant("an enrollment link", url.rsplit('/').next().unwrap());

    let (udid, pin) = (device.hardware.udid.clone(), "canary-pin-835211");
    let wipe = uuid();
    let command = format!(
        "<plist version=\"1.0\"><dict><key>CommandUUID</key><string>{wipe}</string><key>Command</key><dict>\
         <key>RequestType</key><string>EraseDevice</string><key>PIN</key><string>{pin}</string></dict></dict></plist>"
    );
    let (status, text) = server
        .ask(&admin, Method::PUT, &format!("/v1/enqueue/{udid}"), command)
        .await;
    assert!(status < 500, "{text}");
    canaries.plant("a command's PIN", pin);
    assert!(canaries.0.len() >= 12);

    let viewer = [
        "--json",
        "apikey",
        "create",
        "--name",
        "viewer",
        "--scope",
        "read,audit",
    ];
    let viewer = place.run(&viewer).await.ended(DONE).json()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    canaries.plant("another API key", &viewer);
    for (who, key) in [("an admin", &admin), ("a viewer", &viewer)] {
        let id = &phone.hardware.udid;
        let mut paths = vec![
            format!("/v1/enrollments/{udid}"),
            format!("/v1/enrollments/{id}"),
            format!("/v1/commands/{wipe}"),
            "/v1/hooks/siem".to_owned(),
            "/v1/hooks/siem/deadletters".to_owned(),
            "/v1/ade/tokens/hq".to_owned(),
            "/v1/audit?limit=1000".to_owned(),
            "/metrics".to_owned(),
        ];
        if who == "a viewer" {
            // Whoever may send commands may also see them.
            paths.push(format!("/v1/queue/{udid}"));
        }
        // The one route that is there to reveal them is left out; so is what waits for a long time.
        let document = russet::operator::document();
        paths.extend(
            document
                .paths
                .paths
                .into_keys()
                .filter(|path| !path.contains('{')),
        );
        for path in [
            "/v1/ade/accounts",
            "/v1/ade/tokens",
            "/v1/apikeys",
            "/v1/enrollments",
            "/v1/hooks",
            "/v1/push-certificates",
            "/v1/pushcerts",
            "/v1/pushes",
        ] {
            paths.push(path.to_owned());
        }
        for path in paths {
            let (_, text) = server.ask(key, Method::GET, &path, "").await;
            canaries.are_not_in(&format!("{path}, asked by {who},"), &text);
        }
    }
    for arguments in [
        &["audit", "export"][..],
        &["audit", "export", "--format", "csv"],
        &["audit", "tail", "-n", "100"],
        &["config", "show", "--origin"],
        &["device", "show", &udid],
        &["doctor"],
        &["hook", "list"],
        &["push-cert", "show"],
        &["status"],
    ] {
        let said = place.run(arguments).await;
        canaries.are_not_in(&format!("{arguments:?}"), &(said.out + &said.err));
    }
    drop(server);
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.len() > 1_000);
    canaries.are_not_in("the log", &log);
    // The database holds them sealed or hashed, but for what has to be delivered as it is.
    let database = place.path("db");
    let mut files = vec![database];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let sealed = Canaries(
            canaries
                .0
                .iter()
                .filter(|(what, _)| !DELIVERED.contains(what))
                .cloned()
                .collect(),
        );
        sealed.are_not_in("the database", &text);
    }
}

/// What is stored as it came: it goes to APNs or to the device in that form.
const DELIVERED: [&str; 3] = ["a PushMagic", "a push token", "a command's PIN"];
