//! Taking a certificate from Apple's portal into service, after everything that could be wrong with it has been
//! looked at. Whatever is refused leaves the one in service where it is.

use std::{collections::BTreeMap, time::Duration};

use super::{
    PUSH_KEY, PushCertificateFacts, PushCertificates, facts_of, leads_since, request::PENDING_PUSH_KEY,
};
use crate::{
    error::{Code, Error, Result},
    pki::{
        keys::SigningKey,
        pem,
        push_cert::{PushCertificate, PushCertificateError, Upload},
    },
    protocol::{ids::Topic, time::Timestamp},
    storage::{PushCertificateRecord, Sealed, SecretHash},
};

/// How far this server's clock may be behind Apple's.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// The longest address that mail knows.
const APPLE_ID_LENGTH: usize = 254;

/// A certificate to be imported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Import<'a> {
    /// PEM: the certificate, with its key in any order; without a key, it belongs to one of this server's own.
    pub pem: &'a [u8],
    /// The Apple Account it was made with: a reminder for the renewal. Without one, the former reminder stays.
    pub apple_id: Option<&'a str>,
    /// Whether the operator means to bring in another topic than devices are enrolled with, and to give it to new
    /// enrollments.
    pub replace_topic: bool,
}

/// A certificate that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What is in service now.
    pub facts: PushCertificateFacts,
    /// Whether it replaced one of the same topic.
    pub renewed: bool,
    /// What the operator should look at.
    pub warnings: Vec<String>,
}

impl PushCertificates {
    /// Stores a certificate with its key. A topic that is new to this server gets new enrollments; it is refused while
    /// devices are enrolled with another one, unless the operator insists. A renewal changes no topic.
    pub async fn import(&self, import: Import<'_>, now: Timestamp) -> Result<Imported> {
        let apple_id = import.apple_id.map(checked_apple_id).transpose()?;
        let _one = self.shared.importing.lock().await;
        let certificate = self.read(import.pem).await?;
        check_validity(&certificate, now)?;
        let present = self.store.push_certificates().await?;
        let former = present.iter().find(|record| record.topic == certificate.topic);
        let mut warnings = Vec::new();
        if former.is_none() || import.replace_topic {
            let mut devices = self.store.devices_by_topic().await?;
            // A migration brings enrollments before their certificate: that is no change of topic.
            let served = devices.remove(&certificate.topic).is_some() || former.is_some();
            match lost(&certificate.topic, &devices) {
                Some(lost) if import.replace_topic => warnings.push(lost),
                Some(lost) if !served => return Err(Error::with(Code::PushTopicChanged, lost)),
                _ => {}
            }
        }
        warnings.extend(former.and_then(|former| earlier(former, &certificate)));
        warnings.extend(former.and_then(|former| other_account(former, apple_id.as_deref())));

        // Later than every other, whatever the clock says.
        let leads = present.iter().map(leads_since).max();
        let leads = leads.map_or(now, |latest| now.max(latest.plus(Duration::from_millis(1))));
        let key = self
            .sealer
            .seal(PUSH_KEY, &certificate.key_pkcs8)
            .map_err(Error::internal)?;
        let record = PushCertificateRecord {
            certificate_pem: certificate
                .chain
                .iter()
                .map(|der| pem::encode("CERTIFICATE", der))
                .collect(),
            key: Sealed::new(key),
            not_after: certificate.not_after,
            stored_at: now,
            key_hash: Some(SecretHash(certificate.key_hash)),
            apple_id: apple_id.or_else(|| former?.apple_id.clone()),
            leads_since: Some(
                former
                    .filter(|_| !import.replace_topic)
                    .map_or(leads, leads_since),
            ),
            topic: certificate.topic,
        };
        let renewed = former.is_some();
        self.store.put_push_certificate(record.clone()).await?;
        self.shared.changes.send_modify(|changes| *changes += 1);
        let facts = self
            .facts(&record.topic)
            .await
            .unwrap_or_else(|_| facts_of(&record, None));
        tracing::info!(
            topic = %facts.topic, serial = facts.serial, not_after = %facts.not_after, renewed,
            "push certificate stored"
        );
        Ok(Imported {
            facts,
            renewed,
            warnings,
        })
    }

    /// Reads an upload; one without a key is joined with the key here that it belongs to.
    async fn read(&self, pem: &[u8]) -> Result<PushCertificate> {
        let text =
            std::str::from_utf8(pem).map_err(|_| Error::with(Code::BadCertificateFile, "it is not text"))?;
        let upload = Upload::parse(text).map_err(refused)?;
        let known = if upload.has_key() {
            Vec::new()
        } else {
            self.own_keys().await?
        };
        upload.resolve(known).map_err(refused)
    }

    /// The keys that wait for a certificate, then those in service. One that does not open is passed over.
    async fn own_keys(&self) -> Result<Vec<SigningKey>> {
        let (pending, present) = (
            self.store.pending_push_keys().await?,
            self.store.push_certificates().await?,
        );
        let pending = pending.iter().map(|record| (PENDING_PUSH_KEY, &record.key));
        let present = present.iter().map(|record| (PUSH_KEY, &record.key));
        let open = |(purpose, key): (&str, &Sealed)| {
            SigningKey::from_der(&self.open(purpose, key.as_bytes()).ok()?).ok()
        };
        Ok(pending.chain(present).filter_map(open).collect())
    }
}

/// What becomes of the devices that are enrolled with other topics, if there are any.
fn lost(topic: &Topic, others: &BTreeMap<Topic, u64>) -> Option<String> {
    if others.is_empty() {
        return None;
    }
    let each: Vec<String> = others
        .iter()
        .map(|(other, count)| match count {
            1 => format!("1 device is enrolled with {other}"),
            count => format!("{count} devices are enrolled with {other}"),
        })
        .collect();
    Some(format!(
        "{}; a certificate of another topic, {topic}, does not reach them: they are lost when theirs is no longer \
         renewed, until they enroll again",
        each.join(", ")
    ))
}

fn refused(error: PushCertificateError) -> Error {
    use PushCertificateError as Problem;
    let code = match error {
        Problem::Damaged | Problem::Malformed | Problem::NoCertificate | Problem::SeveralKeys => {
            Code::BadCertificateFile
        }
        Problem::EncryptedKey => Code::PushKeyEncrypted,
        Problem::Mismatch | Problem::NoKey => Code::PushKeyMismatch,
        Problem::NoTopic => Code::PushTopicMissing,
        Problem::NotRsa => Code::PushKeyNotRsa,
    };
    Error::with(code, error)
}

fn check_validity(certificate: &PushCertificate, now: Timestamp) -> Result<()> {
    if certificate.not_after < now {
        let text = format!("it expired on {}", certificate.not_after);
        return Err(Error::with(Code::PushCertificateExpired, text));
    }
    if certificate.not_before > now.plus(CLOCK_SKEW) {
        let text = format!(
            "it is valid from {} on, and this server's clock says {now}",
            certificate.not_before
        );
        return Err(Error::with(Code::PushCertificateNotYetValid, text));
    }
    Ok(())
}

/// Last year's file, as a rule.
fn earlier(former: &PushCertificateRecord, new: &PushCertificate) -> Option<String> {
    (new.not_after < former.not_after).then(|| {
        format!(
            "it expires on {}, before the one it replaced ({}): was an old file imported?",
            new.not_after, former.not_after
        )
    })
}

fn other_account(former: &PushCertificateRecord, apple_id: Option<&str>) -> Option<String> {
    let (before, after) = (former.apple_id.as_deref()?, apple_id?);
    (before != after).then(|| {
        format!(
            "the Apple Account noted before was {before}, and now is {after}: only one of them can renew it"
        )
    })
}

/// A note of whose Apple Account something was made with.
pub(in crate::service) fn checked_apple_id(apple_id: &str) -> Result<String> {
    let apple_id = apple_id.trim();
    if apple_id.is_empty() || apple_id.len() > APPLE_ID_LENGTH || apple_id.contains(char::is_control) {
        let rule = format!("is a name of 1 to {APPLE_ID_LENGTH} characters");
        return Err(Error::invalid("apple_id", rule));
    }
    Ok(apple_id.to_owned())
}
