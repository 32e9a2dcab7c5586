//! SCEP over HTTP as Apple's devices do it (RFC 8894 §4): capabilities, CA certificate, request, polls.

use std::time::Duration;

use hyper::Method;
use openssl::pkey::{PKey, Private};

use crate::der::Encoding;
use crate::encode::{base64, url_escape, with_query};
use crate::error::{At, Problem, Result, Step};
use crate::http::{Client, Request};
use crate::pki::certificate::matches_fingerprint;
use crate::pki::csr::{CertificateRequest, Digest};
use crate::pki::envelope::Cipher;
use crate::pki::identity::Identity;
use crate::pki::scep::{CaCertificates, Reply, Style, Transaction};
use crate::profile::ScepPayload;

/// How a device talks SCEP; what is `None` follows from the CA's capabilities.
#[derive(Clone, Debug, Default)]
pub struct ScepOptions {
    /// Cipher: AES-128 if announced, triple DES otherwise, unless set.
    pub cipher: Option<Cipher>,
    /// Digest: the strongest announced, SHA-256 at best, unless set.
    pub digest: Option<Digest>,
    /// Outer SignedData in DER, as devices send it, unless set.
    pub outer: Encoding,
    /// The envelope in DER instead of BER with indefinite lengths.
    pub der_envelope: bool,
    /// PKIOperation by GET even if the CA takes POST.
    pub get: bool,
    /// Time between polls instead of the payload's `RetryDelay`.
    pub retry_delay: Option<Duration>,
    /// Sign renewals with the present identity (messageType 17), as macOS does on demand; otherwise a renewal is a
    /// PKCSReq with the new challenge, as MDM renewals are.
    pub renewal_request: bool,
}

/// A CA's answers to GetCACaps.
#[derive(Clone, Debug)]
pub struct Capabilities(Vec<String>);

impl Capabilities {
    /// Whether this capability was announced.
    pub fn has(&self, capability: &str) -> bool {
        self.0.iter().any(|c| c.eq_ignore_ascii_case(capability))
    }

    fn post(&self) -> bool {
        self.has("POSTPKIOperation") || self.has("SCEPStandard")
    }

    fn style(&self, options: &ScepOptions) -> Style {
        let aes = self.has("AES") || self.has("SCEPStandard");
        let sha256 = self.has("SHA-256") || self.has("SCEPStandard");
        let announced = match (sha256, self.has("SHA-512")) {
            (true, _) => Digest::Sha256,
            (false, true) => Digest::Sha512,
            (false, false) => Digest::Sha1,
        };
        Style {
            cipher: options
                .cipher
                .unwrap_or(if aes { Cipher::Aes128 } else { Cipher::Des3 }),
            digest: options.digest.unwrap_or(announced),
            envelope: if options.der_envelope {
                Encoding::Der
            } else {
                Encoding::Ber
            },
            outer: options.outer,
        }
    }
}

/// GetCACaps: plain text, one capability a line, with at least one digest.
pub async fn get_ca_caps(client: &mut Client, payload: &ScepPayload) -> Result<Capabilities> {
    capabilities(client, payload).await.at(Step::GetCACaps)
}

async fn capabilities(client: &mut Client, payload: &ScepPayload) -> Result<Capabilities, Problem> {
    let request = Request::new(Method::GET, &operation(payload, "GetCACaps"));
    let response = client
        .send(request, None)
        .await?
        .ok()?
        .expect_type(&["text/plain"])?;
    let text = String::from_utf8(response.body.to_vec()).map_err(Problem::protocol)?;
    let capabilities = Capabilities(text.lines().map(|l| l.trim().to_string()).collect());
    if ["SHA-1", "SHA-256", "SHA-512", "SCEPStandard"]
        .iter()
        .any(|c| capabilities.has(c))
    {
        Ok(capabilities)
    } else {
        Err(Problem::protocol(
            "the CA does not have the required capability: it announces no digest",
        ))
    }
}

/// GetCACert: the CA's certificate by content type, checked against the payload's `CAFingerprint`.
pub async fn get_ca_cert(client: &mut Client, payload: &ScepPayload) -> Result<CaCertificates> {
    ca_certificates(client, payload).await.at(Step::GetCACert)
}

async fn ca_certificates(client: &mut Client, payload: &ScepPayload) -> Result<CaCertificates, Problem> {
    let request = Request::new(Method::GET, &operation(payload, "GetCACert"));
    let response = client.send(request, None).await?.ok()?;
    let certificates = match response.media_type().as_str() {
        "application/x-x509-ca-cert" => CaCertificates::single(&response.body)?,
        "application/x-x509-ca-ra-cert" => CaCertificates::bundle(&response.body)?,
        other => {
            return Err(Problem::Protocol(format!(
                "Content-Type `{other}` is no CA certificate"
            )));
        }
    };
    match &payload.ca_fingerprint {
        Some(expected) if !matches_fingerprint(&certificates.ca, expected)? => Err(Problem::protocol(
            "the CA's certificate does not match CAFingerprint",
        )),
        _ => Ok(certificates),
    }
}

/// PKIOperation: posts the message, or puts it into the URL of a GET; answers the CertRep's bytes.
pub async fn pki_operation(client: &mut Client, url: &str, message: &[u8], post: bool) -> Result<Vec<u8>> {
    exchange(client, url, message, post).await.at(Step::PkiOperation)
}

async fn exchange(client: &mut Client, url: &str, message: &[u8], post: bool) -> Result<Vec<u8>, Problem> {
    let url = with_query(url, "operation=PKIOperation");
    let request = if post {
        let request = Request::new(Method::POST, &url).body(message.to_vec());
        request.header("content-type", "application/x-pki-message")?
    } else {
        Request::new(
            Method::GET,
            &with_query(&url, &format!("message={}", url_escape(&base64(message)))),
        )
    };
    let response = client
        .send(request, None)
        .await?
        .ok()?
        .expect_type(&["application/x-pki-message"])?;
    Ok(response.body.to_vec())
}

/// The request that this payload asks for.
pub fn certificate_request(payload: &ScepPayload, digest: Digest) -> CertificateRequest {
    CertificateRequest {
        subject: payload.subject.clone(),
        challenge: payload.challenge.clone(),
        alternative_names: payload.alternative_names.clone(),
        key_usage: payload.key_usage,
        extensions: Vec::new(),
        digest,
    }
}

/// The whole of SCEP: asks for a certificate for `key` as the payload says, polls while the CA says PENDING, and checks
/// everything that comes back. With a `present` identity the request is a RenewalReq signed by it.
pub async fn enrol(
    client: &mut Client,
    payload: &ScepPayload,
    key: &PKey<Private>,
    options: &ScepOptions,
    present: Option<&Identity>,
) -> Result<Identity> {
    let capabilities = get_ca_caps(client, payload).await?;
    let ca = get_ca_cert(client, payload).await?;
    let style = capabilities.style(options);
    let request = certificate_request(payload, style.digest);
    let mut transaction = match present {
        None => Transaction::enrol(key, &request, style),
        Some(present) if capabilities.has("Renewal") => Transaction::renew(
            key,
            &CertificateRequest {
                challenge: None,
                ..request
            },
            present,
            style,
        ),
        Some(_) => Err(Problem::protocol("the CA does not announce Renewal")),
    }
    .at(Step::PkiOperation)?;

    let post = capabilities.post() && !options.get;
    let mut message = transaction.first(&ca.encryption).at(Step::PkiOperation)?;
    for poll in 0..=payload.retries {
        if poll > 1 {
            let delay = Duration::from_secs(payload.retry_delay.into());
            tokio::time::sleep(options.retry_delay.unwrap_or(delay)).await;
        }
        let reply = pki_operation(client, &payload.url, &message, post).await?;
        match transaction
            .open(&reply, &ca.signing, &ca.ca)
            .at(Step::PkiOperation)?
        {
            Reply::Issued(identity) => return Ok(identity),
            Reply::Pending => message = transaction.poll(&ca.ca, &ca.encryption).at(Step::PkiOperation)?,
        }
    }
    Err(Problem::ScepPending).at(Step::PkiOperation)
}

fn operation(payload: &ScepPayload, operation: &str) -> String {
    let name = url_escape(payload.name.as_deref().unwrap_or_default());
    with_query(&payload.url, &format!("operation={operation}&message={name}"))
}
