//! One request and its answer: HTTP/1.1 over TLS, gzip, limits.

use std::{error::Error as StdError, io::Read as _, net::IpAddr, sync::Arc, time::Duration};

use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    body::{Bytes, Incoming},
    header,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::{
    DepFailure,
    client::DepError,
    resolver::{Guarded, objection},
};
use crate::protocol::time::Timestamp;

/// For TCP alone; TLS and the answer have the request's time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// Largest answer, as it comes and decompressed: a page of 1,000 devices has about one megabyte.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// `Retry-After`, counted from now.
    pub(super) retry_after: Option<Duration>,
}

impl Answer {
    /// Whether the body contains this text, in any case.
    pub(super) fn says(&self, text: &str) -> bool {
        self.text().to_ascii_uppercase().contains(text)
    }

    /// The beginning of the body.
    pub(super) fn text(&self) -> String {
        let beginning = self.body.get(..4096).unwrap_or(&self.body);
        String::from_utf8_lossy(beginning).into_owned()
    }

    #[cfg(test)]
    pub(super) fn bare(status: u16, body: &str) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers: HeaderMap::new(),
            body: body.into(),
            retry_after: None,
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) failure: DepFailure,
    /// Whether Apple may have done what was asked.
    pub(super) sent: bool,
}

/// Sends requests; keeps connections.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client<HttpsConnector<HttpConnector<Guarded>>, Full<Bytes>>,
    /// For one request, from connecting to the end of the answer.
    request_timeout: Duration,
}

impl Wire {
    pub(super) fn new(roots: Arc<RootCertStore>, request_timeout: Duration) -> Result<Self, DepError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| DepError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new_with_resolver(Guarded);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self {
            client,
            request_timeout,
        })
    }

    /// Sends a request, once.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        now: Timestamp,
    ) -> Result<Answer, Unanswered> {
        if let Some(reason) = objection(request.uri()) {
            return Err(Unanswered {
                failure: DepFailure::Unavailable(format!("its address is {reason}"), None),
                sent: false,
            });
        }
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| Unanswered {
                failure: DepFailure::Unavailable(innermost(&error), None),
                sent: !error.is_connect(),
            })?;
            let status = response.status();
            let headers = response.headers().clone();
            let body = body(response.into_body()).await?;
            Ok(Answer {
                retry_after: headers
                    .get(header::RETRY_AFTER)
                    .and_then(|value| retry_after(value.to_str().ok()?, now)),
                status,
                headers,
                body,
            })
        };
        timeout(self.request_timeout, exchange).await.unwrap_or_else(|_| {
            Err(Unanswered {
                failure: DepFailure::Unavailable(
                    format!("no answer within {} s", self.request_timeout.as_secs()),
                    None,
                ),
                sent: true,
            })
        })
    }
}

async fn body(incoming: Incoming) -> Result<Vec<u8>, Unanswered> {
    let answered = |failure| Unanswered { failure, sent: true };
    match Limited::new(incoming, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(answered(DepFailure::Malformed("it is too large".into())))
        }
        Err(error) => Err(answered(DepFailure::Unavailable(innermost(error.as_ref()), None))),
    }
}

/// The answer with its body decompressed, if it is compressed.
pub(super) fn unpacked(mut answer: Answer) -> Result<Answer, DepFailure> {
    let encoding = answer.headers.get(header::CONTENT_ENCODING);
    if !encoding.is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip")) {
        return Ok(answer);
    }
    let mut body = Vec::new();
    let limit = MAX_BODY as u64 + 1;
    MultiGzDecoder::new(answer.body.as_slice())
        .take(limit)
        .read_to_end(&mut body)
        .map_err(|error| DepFailure::Malformed(format!("gzip: {error}")))?;
    if body.len() > MAX_BODY {
        return Err(DepFailure::Malformed("it is too large".into()));
    }
    answer.body = body;
    Ok(answer)
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let at = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp::from_seconds(i64::try_from(at.as_secs()).ok()?);
    Some(at.since(now))
}

/// Reads where the service is: https, or http within this machine; with a path or none.
pub(super) fn base(url: &str) -> Option<String> {
    let uri: Uri = url.trim().parse().ok()?;
    let authority = uri.authority()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let safe = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => loopback,
        _ => false,
    };
    let plain = uri.query().is_none() && !authority.as_str().contains('@') && !host.is_empty();
    (safe && plain).then(|| uri.to_string().trim_end_matches('/').to_owned())
}

/// The text of the last cause, which says most.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f16_retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse_rfc3339("1994-11-06T08:49:00Z").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(Duration::from_secs(37))
        );
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn credentials_go_to_https_alone_or_stay_on_this_machine() {
        for (url, base_url) in [
            (
                "https://mdmenrollment.apple.com/",
                "https://mdmenrollment.apple.com",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://proxy.example/dep/", "https://proxy.example/dep"),
        ] {
            assert_eq!(base(url).as_deref(), Some(base_url));
        }
        for url in [
            "http://example.com",
            "ftp://x",
            "example.com",
            "https://u:p@x",
            "https://x?y=1",
            "",
        ] {
            assert_eq!(base(url), None, "{url}");
        }
    }
}
