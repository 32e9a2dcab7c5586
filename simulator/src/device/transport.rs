//! One authenticated request to the server, and the way out for tests that send what no device would.

use hyper::Method;
use hyper::body::Bytes;

use super::{Credentials, Device, Present};
use crate::error::{At, Problem, Result, Step};
use crate::http::{Request, Response};
use crate::plists::{self, Dictionary};

/// `Content-Type` of check-in messages.
pub(super) const CHECK_IN_TYPE: &str = "application/x-apple-aspen-mdm-checkin";
/// `Content-Type` of results.
pub(super) const SERVER_TYPE: &str = "application/x-apple-aspen-mdm; charset=UTF-8";

/// The two URLs of an enrollment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `CheckInURL`
    CheckIn,
    /// `ServerURL`
    Server,
}

impl Device {
    /// Sends any body to one of the device's URLs with any content type, as the device or, with `credentials`, as
    /// somebody else. The answer has no effect on the device, whatever it is.
    pub async fn request_raw(
        &mut self,
        endpoint: Endpoint,
        content_type: Option<&str>,
        body: impl Into<Bytes>,
        credentials: Option<&Credentials>,
    ) -> Result<Response> {
        let step = match endpoint {
            Endpoint::CheckIn => Step::TokenUpdate,
            Endpoint::Server => Step::Command,
        };
        let own = self.credentials();
        let credentials = credentials.unwrap_or(&own);
        let request = self.request(endpoint, step, content_type, body.into(), credentials)?;
        self.client.send(request, credentials.tls.as_ref()).await.at(step)
    }

    /// The credentials that the device's own requests carry.
    pub fn credentials(&self) -> Credentials {
        let sign = self.enrollment().is_some_and(|e| e.mdm.sign_message);
        let (tls, signature) = match self.options.present {
            Present::AsProfile => (true, sign),
            Present::Both => (true, true),
            Present::Neither => (false, false),
            Present::Signature => (false, true),
            Present::Tls => (true, false),
        };
        let identity = |wanted: bool| self.identity().filter(|_| wanted).cloned();
        Credentials {
            tls: identity(tls),
            signature: identity(signature),
            ..Credentials::default()
        }
    }

    /// Sends a check-in message; a refusal is an error, and 401 or 403 may end the enrollment.
    pub(super) async fn check_in(&mut self, step: Step, message: &Dictionary) -> Result<Response> {
        let body = plists::encode(message).at(step)?;
        self.put(Endpoint::CheckIn, step, CHECK_IN_TYPE, body).await
    }

    pub(super) async fn put(
        &mut self,
        endpoint: Endpoint,
        step: Step,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Response> {
        let credentials = self.credentials();
        let request = self.request(endpoint, step, Some(content_type), body.into(), &credentials)?;
        let response = self
            .client
            .send(request, credentials.tls.as_ref())
            .await
            .at(step)?;
        self.heed(&response);
        response.ok().at(step)
    }

    /// Sends a result and hangs up.
    pub(super) async fn put_and_hang_up(&mut self, step: Step, body: Vec<u8>) -> Result<()> {
        let credentials = self.credentials();
        let request = self.request(
            Endpoint::Server,
            step,
            Some(SERVER_TYPE),
            body.into(),
            &credentials,
        )?;
        self.client
            .send_and_hang_up(request, credentials.tls.as_ref())
            .await
            .at(step)
    }

    fn request(
        &self,
        endpoint: Endpoint,
        step: Step,
        content_type: Option<&str>,
        body: Bytes,
        credentials: &Credentials,
    ) -> Result<Request> {
        let mdm = self.mdm(step)?;
        let url = match endpoint {
            Endpoint::CheckIn => &mdm.check_in_url,
            Endpoint::Server => &mdm.server_url,
        };
        let signature = match (&credentials.signature_header, &credentials.signature) {
            (Some(header), _) => Some(header.clone()),
            (None, Some(identity)) => Some(identity.mdm_signature(&body).at(step)?),
            (None, None) => None,
        };
        let headers = [
            ("user-agent", Some(self.user_agent())),
            ("content-type", content_type.map(Into::into)),
            ("mdm-signature", signature),
            ("authorization", credentials.authorization.clone()),
        ];
        let mut request = Request::new(Method::PUT, url).body(body);
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, &value).at(step)?;
            }
        }
        Ok(request)
    }

    pub(super) fn user_agent(&self) -> String {
        match self.hardware.kind {
            crate::Kind::Mac => "mdmclient/1 CFNetwork/1568 Darwin/24.1.0".into(),
            _ => "MDM-iOS/1.0".into(),
        }
    }

    /// What a server's refusal does to the device: 401, or 403 with Apple's code, ends the enrollment.
    fn heed(&mut self, response: &Response) {
        let unrecognized = || {
            let json: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let code = json.get("code").and_then(|c| c.as_str()).map(String::from);
            let code = code.or_else(|| {
                plists::decode(&response.body)
                    .ok()?
                    .get("code")?
                    .as_string()
                    .map(Into::into)
            });
            code.as_deref() == Some("com.apple.unrecognized.device")
        };
        let reason = match response.status {
            401 => "HTTP 401",
            403 if unrecognized() => "com.apple.unrecognized.device",
            _ => return,
        };
        if self.is_enrolled() {
            self.unenroll();
            self.state.unenrolled = Some(reason.into());
        }
    }

    /// Reads a plist answer.
    pub(super) fn plist(response: &Response) -> Result<Dictionary, Problem> {
        plists::decode(&response.body)
    }
}
