//! Identities: challenges, issuances, certificates.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    SledStorage, chunks, fault,
    keys::{GrantKind, Key},
    listing, retention,
    transaction::Transaction,
    view::View,
};
use crate::{
    protocol::{
        ids::{EnrollmentId, Fingerprint},
        time::Timestamp,
    },
    storage::{
        Authority, CertificateRecord, CertificateStore, ChallengeRecord, Issuance, IssuanceRecord,
        IssuanceRefusal, IssuanceRequest, Listing, MadeFor, Page, SecretHash, StoreResult,
    },
};

/// A challenge as it is stored.
#[derive(Serialize, Deserialize)]
struct Challenge {
    record: ChallengeRecord,
    /// The key that has won it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_by: Option<SecretHash>,
}

#[async_trait]
impl CertificateStore for SledStorage {
    async fn add_challenge(&self, challenge: ChallengeRecord) -> StoreResult<()> {
        self.write(move |transaction| {
            let (hash, expires_at) = (challenge.hash, challenge.expires_at);
            transaction.put(&Key::ChallengeExpiry(expires_at, hash), &[]);
            let challenge = Challenge {
                record: challenge,
                used_by: None,
            };
            transaction.put_record(&Key::Challenge(hash), &challenge)
        })
        .await
    }

    async fn challenge(&self, hash: &SecretHash) -> StoreResult<Option<ChallengeRecord>> {
        self.shared.read(|view, _| {
            let challenge: Option<Challenge> = view.record(&Key::Challenge(*hash))?;
            Ok(challenge.map(|challenge| challenge.record))
        })
    }

    async fn begin_issuance(&self, request: IssuanceRequest) -> StoreResult<Issuance> {
        self.write(move |transaction| begin(transaction, &request)).await
    }

    async fn complete_issuance(
        &self,
        issuance: &IssuanceRecord,
        certificate: CertificateRecord,
        der: Vec<u8>,
    ) -> StoreResult<()> {
        let issuance = issuance.clone();
        self.write(move |transaction| complete(transaction, issuance, &certificate, &der))
            .await
    }

    async fn transaction(
        &self,
        transaction_id: &str,
    ) -> StoreResult<Option<(IssuanceRecord, Option<Vec<u8>>)>> {
        self.shared.read(|view, _| {
            let index = Key::Transaction(transaction_id.to_owned());
            match view.record(&index)? {
                Some(serial) => issuance(&view, serial).map(Some),
                None => Ok(None),
            }
        })
    }

    async fn certificate(&self, fingerprint: &Fingerprint) -> StoreResult<Option<CertificateRecord>> {
        self.shared
            .read(|view, _| view.record(&Key::Certificate(*fingerprint)))
    }

    async fn certificates(
        &self,
        enrollment: Option<&EnrollmentId>,
        page: &Page,
    ) -> StoreResult<Listing<CertificateRecord>> {
        let (enrollment, page) = (enrollment.cloned(), page.clone());
        self.read_at_length(move |shared| listing::certificates(shared, enrollment.as_ref(), &page))
            .await
    }

    async fn certificate_der(&self, fingerprint: &Fingerprint) -> StoreResult<Option<Vec<u8>>> {
        self.shared
            .read(|view, _| chunks::get(&view, |piece| Key::Der(*fingerprint, piece)))
    }

    async fn purge_challenges(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.write(move |transaction| retention::purge_challenges(transaction, before, limit))
            .await
    }
}

fn begin(transaction: &mut Transaction<'_>, request: &IssuanceRequest) -> StoreResult<Issuance> {
    let view = transaction.view();
    let grant = match &request.authority {
        Authority::Challenge(hash) => Key::Grant(GrantKind::Challenge, hash.0, request.key_hash),
        Authority::Identity(identity) => Key::Grant(GrantKind::Identity, *identity, request.key_hash),
        Authority::Static(hash) => Key::Grant(GrantKind::Static, hash.0, request.key_hash),
    };
    let former: Option<String> = view.record(&grant)?;
    let made_for = match authorise(&view, request, former.is_some())? {
        Ok(made_for) => made_for,
        Err(refusal) => return Ok(Issuance::Refused(refusal)),
    };
    if let Some(serial) = former {
        return Ok(match issuance(&view, serial)? {
            (record, Some(der)) => Issuance::Issued(record, der),
            (record, None) => Issuance::Granted(record),
        });
    }
    if let Authority::Challenge(hash) = &request.authority {
        let key = Key::Challenge(*hash);
        let challenge: Option<Challenge> = view.record(&key)?;
        if let Some(mut challenge) = challenge {
            challenge.used_by = Some(request.key_hash);
            transaction.put_record(&key, &challenge)?;
        }
    }
    let record = IssuanceRecord {
        key_hash: request.key_hash,
        transaction_id: request.transaction_id.clone(),
        made_for,
        serial: request.serial.clone(),
        granted_at: request.at,
        certificate: None,
    };
    transaction.put_record(&grant, &record.serial)?;
    transaction.put_record(&Key::Transaction(record.transaction_id.clone()), &record.serial)?;
    transaction.put_record(&Key::Issuance(record.serial.clone()), &record)?;
    Ok(Issuance::Granted(record))
}

/// For whom the certificate may be made.
fn authorise(
    view: &View<'_>,
    request: &IssuanceRequest,
    is_repetition: bool,
) -> StoreResult<Result<MadeFor, IssuanceRefusal>> {
    Ok(match &request.authority {
        Authority::Challenge(hash) => match view.record::<Challenge>(&Key::Challenge(*hash))? {
            None => Err(IssuanceRefusal::UnknownChallenge),
            Some(challenge) if is_repetition => Ok(challenge.record.made_for),
            Some(challenge) if challenge.used_by.is_some() => Err(IssuanceRefusal::UsedChallenge),
            Some(challenge) if challenge.record.expires_at <= request.at => {
                Err(IssuanceRefusal::ExpiredChallenge)
            }
            Some(challenge) => Ok(challenge.record.made_for),
        },
        Authority::Identity(identity) => {
            match view.record::<CertificateRecord>(&Key::Certificate(*identity))? {
                Some(CertificateRecord {
                    enrollment: Some(enrollment),
                    revoked_at: None,
                    ..
                }) => Ok(MadeFor::Renewal { enrollment }),
                _ => Err(IssuanceRefusal::UnknownIdentity),
            }
        }
        Authority::Static(_) => Ok(MadeFor::Anyone),
    })
}

/// An issuance and its certificate.
fn issuance(view: &View<'_>, serial: String) -> StoreResult<(IssuanceRecord, Option<Vec<u8>>)> {
    let record: IssuanceRecord = view
        .record(&Key::Issuance(serial))?
        .ok_or_else(|| fault::damaged("an issuance is missing"))?;
    let der = match record.certificate {
        Some(fingerprint) => chunks::get(view, |piece| Key::Der(fingerprint, piece))?,
        None => None,
    };
    Ok((record, der))
}

/// Two answers to one request may have been signed at the same time, and either may be the one that the device has
/// got: both are remembered. A record that exists is left alone, for it may have been bound since.
fn complete(
    transaction: &mut Transaction<'_>,
    issuance: IssuanceRecord,
    certificate: &CertificateRecord,
    der: &[u8],
) -> StoreResult<()> {
    let fingerprint = certificate.fingerprint;
    let key = Key::Certificate(fingerprint);
    if transaction.view().get(&key)?.is_none() {
        transaction.put_record(&key, certificate)?;
    }
    chunks::put(transaction, |piece| Key::Der(fingerprint, piece), der)?;
    let key = Key::Issuance(issuance.serial.clone());
    let stored: Option<IssuanceRecord> = transaction.view().record(&key)?;
    let mut record = stored.unwrap_or(issuance);
    record.certificate.get_or_insert(fingerprint);
    transaction.put_record(&key, &record)
}
