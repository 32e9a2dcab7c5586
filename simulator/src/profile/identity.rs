//! Identity payloads of an enrollment profile: SCEP, PKCS #12.

use openssl::pkcs12::Pkcs12;

use crate::error::Problem;
use crate::pki::csr::{AlternativeName, Name};
use crate::pki::identity::Identity;
use crate::plists::{Dictionary, Keys, Value, missing, wrong};

/// Where the identity comes from.
#[derive(Clone, Debug)]
pub enum IdentityPayload {
    /// `com.apple.security.pkcs12`: it is inside.
    Pkcs12(Box<Identity>),
    /// `com.apple.security.scep`: it must be asked for.
    Scep(ScepPayload),
}

impl IdentityPayload {
    pub(super) fn parse(payload: &Dictionary, profile_identifier: &str) -> Result<Self, Problem> {
        match payload.required_string("PayloadType")?.as_str() {
            "com.apple.security.scep" => ScepPayload::parse(payload, profile_identifier).map(Self::Scep),
            "com.apple.security.pkcs12" => {
                let data = payload
                    .data("PayloadContent")?
                    .ok_or_else(|| missing("PayloadContent"))?;
                let password = payload.string("Password")?.unwrap_or_default();
                let parsed = Pkcs12::from_der(&data)?.parse2(&password)?;
                match (parsed.pkey, parsed.cert) {
                    (Some(key), Some(certificate)) => {
                        Ok(Self::Pkcs12(Box::new(Identity { key, certificate })))
                    }
                    _ => Err(Problem::protocol("the PKCS #12 payload holds no identity")),
                }
            }
            other => Err(Problem::Protocol(format!(
                "IdentityCertificateUUID names a `{other}` payload"
            ))),
        }
    }
}

/// The inner dictionary of the `com.apple.security.scep` payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScepPayload {
    /// `URL`
    pub url: String,
    /// `Name`, sent as `message` of GetCACaps and GetCACert.
    pub name: Option<String>,
    /// `Subject`; the profile's identifier as common name where that is absent.
    pub subject: Name,
    /// `Challenge`
    pub challenge: Option<String>,
    /// `Keysize` in bits.
    pub key_size: u32,
    /// `Key Usage`: 1 signing, 4 encryption, 5 both.
    pub key_usage: u8,
    /// `CAFingerprint`
    pub ca_fingerprint: Option<Vec<u8>>,
    /// `Retries`: polls after PENDING.
    pub retries: u32,
    /// `RetryDelay` in seconds.
    pub retry_delay: u32,
    /// `SubjectAltName`
    pub alternative_names: Vec<AlternativeName>,
}

impl ScepPayload {
    fn parse(payload: &Dictionary, profile_identifier: &str) -> Result<Self, Problem> {
        let content = payload
            .dictionary("PayloadContent")?
            .ok_or_else(|| missing("PayloadContent"))?;
        if let Some(kind) = content.string("Key Type")?.filter(|k| k != "RSA") {
            return Err(Problem::Protocol(format!(
                "`Key Type` is `{kind}`, SCEP knows only RSA"
            )));
        }
        let unsigned = |key, default| match content.integer(key)? {
            None => Ok(default),
            Some(value) => u32::try_from(value).map_err(|_| wrong(key, "a positive number")),
        };
        let key_size = unsigned("Keysize", 1024)?;
        if ![1024, 2048, 4096].contains(&key_size) {
            return Err(wrong("Keysize", "1024, 2048 or 4096"));
        }
        let key_usage = unsigned("Key Usage", 0)?;
        if ![0, 1, 4, 5].contains(&key_usage) {
            return Err(wrong("Key Usage", "1, 4 or 5"));
        }
        Ok(Self {
            url: content.required_string("URL")?,
            name: content.string("Name")?,
            subject: match content.get("Subject") {
                Some(subject) => parse_subject(subject)?,
                None => vec![("CN".into(), profile_identifier.into())],
            },
            challenge: content.string("Challenge")?,
            key_size,
            key_usage: key_usage as u8,
            ca_fingerprint: content.data("CAFingerprint")?,
            retries: unsigned("Retries", 3)?,
            retry_delay: unsigned("RetryDelay", 10)?,
            alternative_names: match content.dictionary("SubjectAltName")? {
                Some(names) => parse_alternative_names(names)?,
                None => Vec::new(),
            },
        })
    }
}

/// Three levels of arrays: names, relative names of one pair each, `[type, value]`. iOS breaks on anything else.
fn parse_subject(subject: &Value) -> Result<Name, Problem> {
    let bad = || wrong("Subject", "an array of arrays of [type, value]");
    let mut name = Vec::new();
    for rdn in subject.as_array().ok_or_else(bad)? {
        for pair in rdn.as_array().ok_or_else(bad)? {
            match pair.as_array().ok_or_else(bad)?.as_slice() {
                [Value::String(kind), Value::String(value)] => name.push((kind.clone(), value.clone())),
                _ => return Err(bad()),
            }
        }
    }
    if name.is_empty() { Err(bad()) } else { Ok(name) }
}

fn parse_alternative_names(names: &Dictionary) -> Result<Vec<AlternativeName>, Problem> {
    let mut parsed = Vec::new();
    for (key, value) in names {
        let kind = match key.as_str() {
            "rfc822Name" => AlternativeName::Rfc822,
            "dNSName" => AlternativeName::Dns,
            "uniformResourceIdentifier" => AlternativeName::Uri,
            "ntPrincipalName" => AlternativeName::NtPrincipal,
            _ => {
                return Err(Problem::Protocol(format!(
                    "SubjectAltName has an unknown key `{key}`"
                )));
            }
        };
        match value {
            Value::String(text) => parsed.push(kind(text.clone())),
            Value::Array(_) => parsed.extend(names.strings(key)?.into_iter().map(kind)),
            _ => return Err(wrong(key, "a string")),
        }
    }
    Ok(parsed)
}
