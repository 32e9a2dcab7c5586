//! A device against a server that has read nothing but a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;
use crate::pki::cms::Signed;
use crate::pki::mini_ca::MiniCa;
use crate::plists::{Keys, decode, dictionary};

const CAPS: &str = "POSTPKIOperation\nSHA-256\nAES\nSCEPStandard\nRenewal\n";
const ITEMS: &str = r#"{"Declarations":{"Activations":[],"Assets":[],"Configurations":
    [{"Identifier":"c1","ServerToken":"s1"},{"Identifier":"gone","ServerToken":"s2"}],"Management":[]},
    "DeclarationsToken":"t1"}"#;
const DECLARATION: &str = r#"{"Type":"com.apple.configuration.management.test","Identifier":"c1",
    "ServerToken":"s1","Payload":{"Echo":"x"}}"#;

/// Answers with what its script says and remembers what it was told.
struct Script {
    address: SocketAddr,
    ca: MiniCa,
    queue: Mutex<VecDeque<Vec<u8>>>,
    seen: Mutex<Vec<Dictionary>>,
    statuses: Mutex<Vec<(&'static str, u16)>>,
}

impl Script {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            ca: MiniCa::new(),
            queue: Mutex::default(),
            seen: Mutex::default(),
            statuses: Mutex::default(),
        });
        let server = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { Ok::<_, std::convert::Infallible>(server.serve(request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        script
    }

    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let query = head.uri.query().unwrap_or_default();
        let (status, kind, body) = match head.uri.path() {
            "/enroll" => (200, "application/x-apple-aspen-config", self.profile("M")),
            "/scep" if query.contains("GetCACaps") => (200, "text/plain", CAPS.into()),
            "/scep" if query.contains("GetCACert") => (
                200,
                "application/x-x509-ca-cert",
                self.ca.identity.certificate.to_der().unwrap(),
            ),
            "/scep" => (200, "application/x-pki-message", self.ca.answer(&body)),
            path => {
                assert_eq!((path, query), ("/mdm", "site=1"));
                check_signature(&head.headers, &body);
                self.management(decode(&body).unwrap())
            }
        };
        let response = Response::builder().status(status).header("content-type", kind);
        response.body(Full::new(body.into())).unwrap()
    }

    fn management(&self, message: Dictionary) -> (u16, &'static str, Vec<u8>) {
        let xml = "application/xml; charset=UTF-8";
        let endpoint = message.string("Endpoint").unwrap().unwrap_or_default();
        let message_type = message.string("MessageType").unwrap().unwrap_or_default();
        let status = message.string("Status").unwrap();
        self.seen.lock().unwrap().push(message);
        if let Some((_, code)) = self
            .statuses
            .lock()
            .unwrap()
            .iter()
            .find(|(m, _)| *m == message_type)
        {
            return (*code, xml, Vec::new());
        }
        let Some(status) = status else {
            return match endpoint.as_str() {
                "tokens" => {
                    let tokens =
                        r#"{"SyncTokens":{"Timestamp":"2026-01-31T10:20:30Z","DeclarationsToken":"t1"}}"#;
                    (200, "application/json", tokens.into())
                }
                "declaration-items" => (200, "application/json", ITEMS.into()),
                "declaration/configuration/c1" => (200, "application/json", DECLARATION.into()),
                e if e.starts_with("declaration/") => (404, xml, Vec::new()),
                _ => (200, xml, Vec::new()),
            };
        };
        let mut queue = self.queue.lock().unwrap();
        if status == "NotNow" {
            return (200, xml, Vec::new());
        }
        if status != "Idle" {
            queue.pop_front();
        }
        (200, xml, queue.front().cloned().unwrap_or_default())
    }

    fn enqueue(&self, uuid: &str, command: Dictionary) {
        let message = dictionary([("CommandUUID", uuid.into()), ("Command", command.into())]);
        self.queue
            .lock()
            .unwrap()
            .push_back(crate::plists::encode(&message).unwrap());
    }

    fn profile(&self, uuid: &str) -> Vec<u8> {
        let payload = |kind: &str, id: &str| {
            dictionary([
                ("PayloadType", kind.into()),
                ("PayloadVersion", 1.into()),
                ("PayloadIdentifier", id.into()),
                ("PayloadUUID", format!("{id}{uuid}").into()),
            ])
        };
        let mut mdm = payload("com.apple.mdm", "mdm");
        mdm.extend(dictionary([
            ("IdentityCertificateUUID", format!("scep{uuid}").into()),
            ("Topic", "com.apple.mgmt.External.1".into()),
            ("ServerURL", "http://mdm.example:9/mdm?site=1".into()),
            ("SignMessage", true.into()),
            ("AccessRights", 8191.into()),
            ("CheckOutWhenRemoved", true.into()),
            (
                "ServerCapabilities",
                Value::Array(vec!["com.apple.mdm.per-user-connections".into()]),
            ),
        ]));
        let mut scep = payload("com.apple.security.scep", "scep");
        let content = dictionary([
            ("URL", format!("http://{}/scep", self.address).into()),
            ("Keysize", 2048.into()),
        ]);
        scep.insert("PayloadContent".into(), content.into());
        let mut profile = payload("Configuration", "org.example.enroll");
        profile.insert(
            "PayloadContent".into(),
            Value::Array(vec![scep.into(), mdm.into()]),
        );
        crate::plists::encode(&profile).unwrap()
    }

    /// Message types and statuses in the order in which they came.
    fn story(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let word = |m: &Dictionary| {
            m.get("Endpoint")
                .or(m.get("MessageType"))
                .or(m.get("Status"))
                .cloned()
        };
        seen.iter()
            .map(|m| word(m).unwrap().into_string().unwrap())
            .collect()
    }

    async fn enrolled(self: &Arc<Self>, kind: Kind) -> Device {
        let client = Client::plain().resolve("mdm.example:9", self.address);
        let mut device = Device::new(kind, client).unwrap();
        device
            .enroll(&format!("http://{}/enroll", self.address))
            .await
            .unwrap();
        self.seen.lock().unwrap().clear();
        device
    }
}

fn check_signature(headers: &hyper::HeaderMap, body: &[u8]) {
    let header = headers["mdm-signature"].to_str().unwrap();
    let signed = Signed::parse(&openssl::base64::decode_block(header).unwrap()).unwrap();
    signed
        .verify(signed.signer_certificate().unwrap(), Some(body))
        .unwrap();
}

fn command(request_type: &str) -> Dictionary {
    dictionary([("RequestType", request_type.into())])
}

#[tokio::test]
async fn a_mac_enrols_with_its_user() {
    let script = Script::start().await;
    let client = Client::plain().resolve("mdm.example:9", script.address);
    let mut mac = Device::new(Kind::Mac, client).unwrap();
    let enrolled = mac
        .enroll(&format!("http://{}/enroll", script.address))
        .await
        .unwrap();
    assert!(mac.is_enrolled() && mac.state.users[0].push.is_some());
    assert_eq!(enrolled.steps.len(), 6);
    assert_eq!(script.story(), ["Authenticate", "TokenUpdate", "TokenUpdate"]);
    let seen = script.seen.lock().unwrap().clone();
    assert!(seen[1].contains_key("UDID") && !seen[1].contains_key("UserID"));
    assert!(seen[2].contains_key("UserID"));
}

#[tokio::test]
async fn a_failed_authenticate_rolls_back() {
    let script = Script::start().await;
    script.statuses.lock().unwrap().push(("Authenticate", 500));
    let client = Client::plain().resolve("mdm.example:9", script.address);
    let mut phone = Device::new(Kind::IPhone, client).unwrap();
    let error = phone
        .enroll(&format!("http://{}/enroll", script.address))
        .await
        .unwrap_err();
    assert_eq!((error.step, error.status()), (Step::Authenticate, Some(500)));
    assert!(!phone.is_enrolled() && phone.identity().is_none());
}

#[tokio::test]
async fn commands_are_answered_until_the_queue_is_empty() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    let mut query = command("DeviceInformation");
    query.insert(
        "Queries".into(),
        Value::Array(vec!["UDID".into(), "HostName".into()]),
    );
    script.enqueue("1", query);
    script.enqueue("2", command("MakeCoffee"));
    script.enqueue("3", command("InstallProfile"));
    script.enqueue("4", command("ProfileList"));
    let opened = phone.client.opened();
    let handled = phone.connect().await.unwrap();
    let statuses: Vec<_> = handled.iter().map(|h| h.status.as_str()).collect();
    assert_eq!(
        statuses,
        ["Acknowledged", "Error", "CommandFormatError", "Acknowledged"]
    );
    let answers = handled[0].result.dictionary("QueryResponses").unwrap().unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(handled[3].result.array("ProfileList").unwrap().unwrap().len(), 1);
    assert_eq!(phone.client.opened(), opened);
}

#[tokio::test]
async fn not_now_ends_the_conversation_and_the_command_comes_again() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    phone.behaviour.not_now.insert("DeviceLock".into(), 1);
    script.enqueue("1", command("DeviceLock"));
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::NotNow);
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::Acknowledged);
    assert!(phone.state.locked.is_some());
}

#[tokio::test]
async fn an_undelivered_result_is_sent_again_instead_of_idle() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    phone.behaviour.hang_up = 1;
    script.enqueue("1", command("DeviceLock"));
    assert_eq!(phone.connect().await.unwrap().len(), 1);
    assert!(phone.channel(&Channel::Device).unsent.is_some());
    phone.connect().await.unwrap();
    assert!(phone.channel(&Channel::Device).unsent.is_none());
    assert_eq!(script.story().last().unwrap(), "Acknowledged");
}

#[tokio::test]
async fn a_new_enrollment_profile_renews_the_identity_before_it_is_acknowledged() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    let old = phone.identity().unwrap().fingerprint().unwrap();
    let mut install = command("InstallProfile");
    install.insert("Payload".into(), Value::Data(script.profile("N")));
    script.enqueue("1", install);
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::Acknowledged);
    assert_ne!(phone.identity().unwrap().fingerprint().unwrap(), old);
    assert_eq!(
        script.story(),
        ["Idle", "Authenticate", "TokenUpdate", "Acknowledged"]
    );
}

#[tokio::test]
async fn a_failed_renewal_restores_the_old_identity() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    let old = phone.identity().unwrap().fingerprint().unwrap();
    script.statuses.lock().unwrap().push(("TokenUpdate", 503));
    let mut install = command("InstallProfile");
    install.insert("Payload".into(), Value::Data(script.profile("N")));
    script.enqueue("1", install);
    assert_eq!(phone.connect().await.unwrap()[0].status, Status::Error);
    assert_eq!(phone.identity().unwrap().fingerprint().unwrap(), old);
}

#[tokio::test]
async fn declarations_are_synchronised_after_the_command() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    script.enqueue("1", command("DeclarativeManagement"));
    phone.connect().await.unwrap();
    let synchronised = phone.synchronised().unwrap().as_ref().unwrap();
    assert_eq!(synchronised.fetched, ["c1"]);
    assert_eq!(script.story().last().unwrap(), "status");
    assert!(phone.synchronise(&Channel::Device).await.unwrap().up_to_date);
}

#[tokio::test]
async fn erasing_forgets_everything() {
    let script = Script::start().await;
    let mut mac = script.enrolled(Kind::Mac).await;
    script.enqueue("1", command("EraseDevice"));
    script.enqueue("2", command("DeviceLock"));
    assert_eq!(mac.connect().await.unwrap().len(), 1);
    assert!(!mac.is_enrolled() && mac.identity().is_none() && mac.state.erasures == 1);
}

#[tokio::test]
async fn unauthorized_ends_the_enrollment_and_trouble_does_not() {
    let script = Script::start().await;
    let mut phone = script.enrolled(Kind::IPhone).await;
    script.statuses.lock().unwrap().push(("TokenUpdate", 503));
    assert_eq!(phone.token_update().await.unwrap_err().status(), Some(503));
    assert!(phone.is_enrolled());
    script.statuses.lock().unwrap().clear();
    script.statuses.lock().unwrap().push(("TokenUpdate", 401));
    assert!(phone.token_update().await.is_err());
    assert_eq!(phone.state.unenrolled.as_deref(), Some("HTTP 401"));
}

#[tokio::test]
async fn a_device_survives_being_saved() {
    let script = Script::start().await;
    let phone = script.enrolled(Kind::IPhone).await;
    let json = serde_json::to_string(&phone.save().unwrap()).unwrap();
    let client = Client::plain().resolve("mdm.example:9", script.address);
    let mut phone = Device::restore(serde_json::from_str(&json).unwrap(), client).unwrap();
    assert!(phone.is_enrolled());
    phone.connect().await.unwrap();
}
