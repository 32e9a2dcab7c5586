//! A server that has read nothing but a script, for tests.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::pki::cms::Signed;
use crate::pki::mini_ca::MiniCa;
use crate::plists::{Dictionary, Keys, Value, decode, dictionary};
use crate::{Client, Device, Kind};

const CAPS: &str = "POSTPKIOperation\nSHA-256\nAES\nSCEPStandard\nRenewal\n";
const ITEMS: &str = r#"{"Declarations":{"Activations":[],"Assets":[],"Configurations":
    [{"Identifier":"c1","ServerToken":"s1"},{"Identifier":"gone","ServerToken":"s2"}],"Management":[]},
    "DeclarationsToken":"t1"}"#;
const DECLARATION: &str = r#"{"Type":"com.apple.configuration.management.test","Identifier":"c1",
    "ServerToken":"s1","Payload":{"Echo":"x"}}"#;

/// Answers with what its script says and remembers what it was told.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    ca: MiniCa,
    pub(crate) queue: Mutex<VecDeque<Vec<u8>>>,
    pub(crate) seen: Mutex<Vec<Dictionary>>,
    pub(crate) statuses: Mutex<Vec<(&'static str, u16)>>,
    /// What is answered below `/ade`, before the profile.
    pub(crate) pages: Mutex<VecDeque<Page>>,
    /// What came below `/ade`.
    pub(crate) visits: Mutex<Vec<Visit>>,
}

/// An answer below `/ade`.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn new(status: u16, content_type: &str, body: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.into())],
            body: body.into(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A request below `/ade`.
pub(crate) struct Visit {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Script {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            ca: MiniCa::new(),
            queue: Mutex::default(),
            seen: Mutex::default(),
            statuses: Mutex::default(),
            pages: Mutex::default(),
            visits: Mutex::default(),
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
        if head.uri.path().starts_with("/ade") {
            return self.visit(head, body);
        }
        let (status, kind, body) = match head.uri.path() {
            "/enroll" => (200, "application/x-apple-aspen-config", self.profile("M")),
            path if path.starts_with("/v1/enqueue/") => {
                self.queue.lock().unwrap().push_back(body.to_vec());
                (200, "application/json", Vec::new())
            }
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

    fn visit(&self, head: hyper::http::request::Parts, body: Bytes) -> Response<Full<Bytes>> {
        self.visits.lock().unwrap().push(Visit {
            method: head.method.to_string(),
            path: head.uri.path_and_query().unwrap().to_string(),
            headers: head.headers,
            body,
        });
        let page = self.pages.lock().unwrap().pop_front();
        let (status, headers, body) = match page {
            Some(page) => (page.status, page.headers, page.body.into_bytes()),
            None => {
                let kind = "application/x-apple-aspen-config".to_string();
                (200, vec![("content-type", kind)], self.profile("M"))
            }
        };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
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

    pub(crate) fn enqueue(&self, uuid: &str, command: Dictionary) {
        let message = dictionary([("CommandUUID", uuid.into()), ("Command", command.into())]);
        self.queue
            .lock()
            .unwrap()
            .push_back(crate::plists::encode(&message).unwrap());
    }

    pub(crate) fn profile(&self, uuid: &str) -> Vec<u8> {
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
    pub(crate) fn story(&self) -> Vec<String> {
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

    pub(crate) async fn enrolled(self: &Arc<Self>, kind: Kind) -> Device {
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
