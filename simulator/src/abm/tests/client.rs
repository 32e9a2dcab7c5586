//! A small DEP client, written from Apple's pages, for the tests of the fake.

use std::io::Read;

use flate2::read::GzDecoder;
use hyper::Method;
use serde_json::{Value, json};

use crate::abm::oauth::signature;
use crate::abm::{Credentials, FakeAbm};
use crate::encode::url_escape;
use crate::{Client, Request, random};

/// A client with the credentials of one server.
pub(crate) struct Dep {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) credentials: Credentials,
    pub(crate) session: Option<String>,
    pub(crate) version: Option<&'static str>,
    pub(crate) agent: Option<&'static str>,
    pub(crate) gzip: bool,
    /// Seconds of its clock; the fake's unless set.
    pub(crate) now: Option<i64>,
    clock: crate::abm::Clock,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: hyper::HeaderMap,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/json;charset=UTF8");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and word of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.text())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Dep {
    /// A client with the newest version of the protocol, for this server's new token.
    pub(crate) fn of(abm: &FakeAbm, server: &str) -> Self {
        let client = match abm.url().starts_with("https") {
            true => Client::trusting(abm.anchor()).unwrap(),
            false => Client::plain(),
        };
        Self {
            client,
            url: abm.url(),
            credentials: abm.portal().new_token(server).unwrap(),
            session: None,
            version: Some("10"),
            agent: Some("test/1.0"),
            gzip: false,
            now: None,
            clock: abm.clock().clone(),
        }
    }

    /// The parameters of a right `Authorization` header.
    pub(crate) fn oauth(&self) -> Vec<(String, String)> {
        let timestamp = self.now.unwrap_or_else(|| self.clock.seconds()).to_string();
        let pairs = [
            ("oauth_consumer_key", &*self.credentials.consumer_key),
            ("oauth_token", &*self.credentials.access_token),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", &*timestamp),
            ("oauth_nonce", &*random::uuid()),
            ("oauth_version", "1.0"),
        ];
        pairs.map(|(name, value)| (name.into(), value.into())).to_vec()
    }

    /// The header for these parameters, signed.
    pub(crate) fn signed(&self, pairs: &[(String, String)]) -> String {
        let url = format!("{}/session", self.url);
        let signature = signature(&self.credentials, "GET", &url, pairs).unwrap();
        let mut header = format!(
            "OAuth realm=\"ADM\", oauth_signature=\"{}\"",
            url_escape(&signature)
        );
        for (name, value) in pairs {
            header.push_str(&format!(", {name}=\"{}\"", url_escape(value)));
        }
        header
    }

    /// `GET /session` with this header.
    pub(crate) async fn ask_session(&mut self, authorization: &str) -> Reply {
        let request = Request::new(Method::GET, &format!("{}/session", self.url));
        let request = request.header("authorization", authorization).unwrap();
        self.transmit(request).await.unwrap()
    }

    pub(crate) async fn open_session(&mut self) -> Reply {
        let header = self.signed(&self.oauth());
        let reply = self.ask_session(&header).await;
        if reply.status == 200 {
            let session = reply.json()["auth_session_token"].as_str().unwrap().to_owned();
            self.session = Some(session);
        }
        reply
    }

    async fn transmit(&mut self, request: Request) -> Result<Reply, crate::Problem> {
        let mut request = request.header("content-type", "application/json;charset=UTF8")?;
        if let Some(agent) = self.agent {
            request = request.header("user-agent", agent)?;
        }
        if let Some(version) = self.version {
            request = request.header("x-server-protocol-version", version)?;
        }
        if self.gzip {
            request = request.header("accept-encoding", "deflate, gzip;q=0.9")?;
        }
        let response = self.client.send(request, None).await?;
        let mut body = response.body.to_vec();
        if response.headers.get("content-encoding").is_some() {
            let mut whole = Vec::new();
            GzDecoder::new(&*body).read_to_end(&mut whole).unwrap();
            body = whole;
        }
        Ok(Reply {
            status: response.status,
            body,
            headers: response.headers,
        })
    }

    /// One request with the present session; the newest session is kept.
    pub(crate) async fn try_once(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Reply, crate::Problem> {
        let mut request = Request::new(method, &format!("{}{path}", self.url));
        if let Some(session) = &self.session {
            request = request.header("x-adm-auth-session", session)?;
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let reply = self.transmit(request).await?;
        if let Some(session) = reply.header("x-adm-auth-session") {
            self.session = Some(session.into());
        }
        Ok(reply)
    }

    /// A request in a session, which is begun if there is none.
    pub(crate) async fn ask(&mut self, method: Method, path: &str, body: Value) -> Reply {
        if self.session.is_none() {
            assert_eq!(self.open_session().await.status, 200);
        }
        self.try_once(method, path, &body).await.unwrap()
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Reply {
        self.ask(Method::POST, path, body).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.ask(Method::GET, path, Value::Null).await
    }

    /// Fetches all devices; answers their records and the last cursor.
    pub(crate) async fn fetch(&mut self, limit: usize) -> (Vec<Value>, String) {
        let (mut devices, mut request) = (Vec::new(), json!({ "limit": limit }));
        loop {
            let page = self.post("/server/devices", request).await.json();
            devices.extend(page["devices"].as_array().unwrap().clone());
            let cursor = page["cursor"].as_str().unwrap();
            if page["more_to_follow"] == false {
                return (devices, cursor.into());
            }
            request = json!({ "limit": limit, "cursor": cursor });
        }
    }

    /// Fetches all that changed since this cursor; answers the records and the last cursor.
    pub(crate) async fn sync(&mut self, cursor: &str, limit: usize) -> (Vec<Value>, String) {
        let (mut devices, mut cursor) = (Vec::new(), cursor.to_owned());
        loop {
            let request = json!({ "limit": limit, "cursor": cursor });
            let page = self.post("/devices/sync", request).await.json();
            devices.extend(page["devices"].as_array().unwrap().clone());
            cursor = page["cursor"].as_str().unwrap().into();
            if page["more_to_follow"] == false {
                return (devices, cursor);
            }
        }
    }

    /// Defines a profile and answers its UUID.
    pub(crate) async fn define(&mut self) -> String {
        let profile = json!({ "profile_name": "p", "url": "https://mdm.example.com/ade" });
        let answer = self.post("/profile", profile).await.json();
        answer["profile_uuid"].as_str().unwrap().into()
    }

    /// Assigns a profile and answers the statuses.
    pub(crate) async fn assign(&mut self, uuid: &str, serials: &[String]) -> Value {
        let body = json!({ "profile_uuid": uuid, "devices": serials });
        self.post("/profile/devices", body).await.json()
    }
}
