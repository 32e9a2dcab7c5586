//! Certificates for devices: what a SCEP request may have, decided and remembered before anything is signed.
//!
//! RFC 8894. A refusal after the envelope opens is a signed CertRep FAILURE; only what can't be read at all is an
//! error of the transport.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::{
    error::{Code, Error, Result},
    pki::{
        ca::{DeviceAuthority, SubjectAttribute, Template, random_serial},
        certificate::Certificate,
        cipher::LegacyCiphers,
        identity::{IdentityCache, Standing},
        keys::PublicKey,
        scep::{self, Content, Csr, FailInfo, MessageType, Options, Request, RequestError, Transaction},
        secret,
    },
    protocol::{
        ids::{EnrollmentId, SerialNumber},
        time::Timestamp,
    },
    service::{
        admission,
        reports::{self, AtTheDoor, Attempts, REFUSALS},
    },
    storage::{
        Authority, CertificateRecord, EnrollmentFilter, Issuance, IssuanceRecord, IssuanceRefusal,
        IssuanceRequest, MadeFor, Page, SecretHash, Storage,
    },
};

/// The operator's part in issuance.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// In the subject of every identity.
    pub organization: String,
    /// Days of validity.
    pub identity_days: u32,
    /// Which ciphers beside AES may encrypt a request.
    pub legacy_ciphers: LegacyCiphers,
    /// A challenge that works for everyone, always. A migration aid.
    pub static_challenge: Option<SecretHash>,
}

/// Issues device identities.
#[derive(Debug)]
pub struct Issuer {
    store: Arc<dyn Storage>,
    identities: Arc<IdentityCache>,
    authority: Arc<DeviceAuthority>,
    attempts: Arc<Attempts>,
    settings: IssuerSettings,
}

/// A request that gets a CertRep FAILURE: RFC 8894's word for it, the catalogue's, and the text.
struct Refused(FailInfo, Code, &'static str);

/// What becomes of a request whose envelope opened.
enum Verdict {
    Issued(Vec<u8>),
    Refused(Refused),
}

impl Issuer {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        identities: Arc<IdentityCache>,
        authority: Arc<DeviceAuthority>,
        attempts: Arc<Attempts>,
        settings: IssuerSettings,
    ) -> Self {
        Self {
            store,
            identities,
            authority,
            attempts,
            settings,
        }
    }

    /// The CA's certificate (DER), which signs, decrypts and answers GetCACert.
    pub fn ca_certificate(&self) -> &[u8] {
        self.authority.certificate()
    }

    /// Answers a PKIOperation with a CertRep (DER).
    pub async fn pki_operation(&self, message: &[u8], now: Timestamp) -> Result<Vec<u8>> {
        let options = Options {
            legacy_ciphers: self.settings.legacy_ciphers,
        };
        let request = match Request::open(message, &self.authority, &options) {
            Ok(request) => request,
            Err(RequestError::Authority(error)) => return Err(Error::internal(error)),
            Err(RequestError::Refused(refusal)) => {
                let reason = refusal.reason.to_string();
                let (device, code) = (AtTheDoor::default(), Code::ScepRequestRefused);
                self.attempts
                    .failed(device, code, Some(reason.clone()), now)
                    .await;
                return self.failure(&refusal.transaction, refusal.fail_info, code, &reason);
            }
            Err(RequestError::Undecodable(error)) => return Err(Error::with(Code::BadPkiMessage, error)),
        };
        let verdict = match &request.content {
            Content::Certification(csr) => self.certify(&request, csr, now).await?,
            Content::Poll(_) => self.poll(&request).await?,
        };
        match verdict {
            Verdict::Issued(der) => {
                count("issued");
                scep::success(&self.authority, &request, &der).map_err(Error::internal)
            }
            Verdict::Refused(Refused(fail_info, code, reason)) => {
                if let Content::Certification(csr) = &request.content {
                    self.note(csr, code, reason, now).await?;
                }
                self.failure(&request.transaction, fail_info, code, reason)
            }
        }
    }

    /// A device that was to get its first identity got none. One that can't renew its identity is no enrollment.
    async fn note(&self, csr: &Csr, code: Code, reason: &str, now: Timestamp) -> Result<()> {
        if !REFUSALS.contains(&code) {
            return Ok(());
        }
        let challenge = match &csr.challenge {
            Some(challenge) => self.store.challenge(&secret::hash(challenge).into()).await?,
            None => None,
        };
        let device = match challenge.map(|challenge| challenge.made_for) {
            Some(MadeFor::Renewal { .. }) => return Ok(()),
            Some(made_for) => reports::made_for(&made_for),
            None => AtTheDoor::default(),
        };
        self.attempts
            .failed(device, code, Some(reason.to_owned()), now)
            .await;
        Ok(())
    }

    fn failure(
        &self,
        transaction: &Transaction,
        fail_info: FailInfo,
        code: Code,
        reason: &str,
    ) -> Result<Vec<u8>> {
        count("refused");
        tracing::warn!(fail_info = ?fail_info, code = code.as_str(), "a SCEP request was refused: {reason}");
        scep::failure(&self.authority, transaction, fail_info, Some(reason)).map_err(Error::internal)
    }

    /// PKCSReq and RenewalReq.
    async fn certify(&self, request: &Request, csr: &Csr, now: Timestamp) -> Result<Verdict> {
        let authority = match self.authority_of(request, csr, now).await? {
            Ok(authority) => authority,
            Err(refused) => return Ok(Verdict::Refused(refused)),
        };
        let issuance = self
            .store
            .begin_issuance(IssuanceRequest {
                authority,
                key_hash: key_hash(&csr.public_key),
                transaction_id: request.transaction.id.clone(),
                serial: random_serial().map_err(Error::internal)?,
                at: now,
            })
            .await?;
        Ok(match issuance {
            Issuance::Granted(record) => Verdict::Issued(self.sign(&record, csr).await?),
            Issuance::Issued(_, der) if has_expired(&der, now) => Verdict::Refused(Refused(
                FailInfo::BadRequest,
                Code::ScepRequestRefused,
                "this key's certificate has expired; ask with a new key",
            )),
            Issuance::Issued(_, der) => Verdict::Issued(der),
            Issuance::Refused(refusal) => {
                let (code, text) = words(refusal);
                Verdict::Refused(Refused(FailInfo::BadRequest, code, text))
            }
        })
    }

    /// On what authority the request is made. A signer that we issued asks for a renewal, whatever the message calls
    /// itself (a Mac renews with a PKCSReq); anyone else needs a challenge.
    async fn authority_of(
        &self,
        request: &Request,
        csr: &Csr,
        now: Timestamp,
    ) -> Result<std::result::Result<Authority, Refused>> {
        if let Some(known) = self.store.certificate(&request.signer_fingerprint).await? {
            let signer = self.identities.identify(&request.signer);
            if !signer.is_ok_and(|signer| signer.standing(now) == Standing::Trusted) {
                return Ok(Err(Refused(
                    FailInfo::BadCertId,
                    Code::ScepIdentityRefused,
                    "the signing identity is not valid",
                )));
            }
            if !self.speaks(&known).await? {
                return Ok(Err(Refused(
                    FailInfo::BadCertId,
                    Code::ScepIdentityRefused,
                    "the signing identity speaks for no enrollment",
                )));
            }
            if self.names_another(csr, known.enrollment.as_ref()).await? {
                return Ok(Err(Refused(
                    FailInfo::BadRequest,
                    Code::ScepIdentityRefused,
                    "the request names another device",
                )));
            }
            return Ok(Ok(Authority::Identity(request.signer_fingerprint)));
        }
        if request.message_type == MessageType::RenewalReq {
            return Ok(Err(Refused(
                FailInfo::BadCertId,
                Code::ScepIdentityRefused,
                "the signing certificate was not issued here",
            )));
        }
        if !request.is_signed_by_requested_key() {
            return Ok(Err(Refused(
                FailInfo::BadMessageCheck,
                Code::ScepRequestRefused,
                "not signed with the key of the request",
            )));
        }
        let Some(challenge) = &csr.challenge else {
            return Ok(Err(Refused(
                FailInfo::BadRequest,
                Code::ScepRequestRefused,
                "no challenge password",
            )));
        };
        // Hashes are compared, so that the comparison's duration tells nothing of the secret.
        let hash = SecretHash::from(secret::hash(challenge));
        let is_static = self.settings.static_challenge == Some(hash);
        Ok(Ok(if is_static {
            Authority::Static(hash)
        } else {
            Authority::Challenge(hash)
        }))
    }

    /// Whether the identity is its enrollment's present one: what has been replaced gets no successor.
    async fn speaks(&self, known: &CertificateRecord) -> Result<bool> {
        let Some(enrollment) = &known.enrollment else {
            return Ok(false);
        };
        let row = self.store.enrollment(enrollment).await?;
        Ok(row.is_some_and(|row| {
            admission::standing(known.fingerprint, Some(known), &row.record) == admission::Standing::Speaks
        }))
    }

    /// Whether the common name asked for is the id or serial number of an enrollment other than `own`. The server
    /// chooses the subject in any case; a renewal that names another device is a mistake or worse.
    async fn names_another(&self, csr: &Csr, own: Option<&EnrollmentId>) -> Result<bool> {
        let Some(name) = &csr.common_name else {
            return Ok(false);
        };
        if let Some(row) = self.store.enrollment(&EnrollmentId::new(name)).await? {
            return Ok(Some(&row.record.id) != own);
        }
        let filter = EnrollmentFilter {
            serials: Some(vec![SerialNumber::new(name)]),
            ..EnrollmentFilter::default()
        };
        let devices = self.store.enrollments(&filter, &Page::first(10)).await?.rows;
        Ok(!devices.is_empty() && devices.iter().all(|row| Some(&row.record.id.device()) != own))
    }

    /// Signs what was granted. The record decides serial number, subject and validity, so that a repetition after a
    /// crash gives the same certificate.
    async fn sign(&self, record: &IssuanceRecord, csr: &Csr) -> Result<Vec<u8>> {
        let name = common_name(&self.name(record).await?);
        let subject = [
            SubjectAttribute::Organization(self.settings.organization.clone()),
            SubjectAttribute::CommonName(name.clone()),
        ];
        let template = Template {
            public_key: &csr.public_key,
            serial: &record.serial,
            subject: &subject,
            alternative_names: &[],
            days: self.settings.identity_days,
            key_encipherment: csr.key_encipherment,
        };
        let issued = self
            .authority
            .issue(&template, record.granted_at)
            .map_err(Error::internal)?;
        let certificate = CertificateRecord {
            fingerprint: issued.fingerprint,
            serial: record.serial.clone(),
            subject: format!("CN={name},O={}", self.settings.organization),
            made_for: record.made_for.clone(),
            enrollment: None,
            not_before: issued.not_before,
            not_after: issued.not_after,
            revoked_at: None,
        };
        self.store
            .complete_issuance(record, certificate, issued.der.clone())
            .await?;
        tracing::info!(identity = %issued.fingerprint, made_for = ?record.made_for, "identity issued");
        Ok(issued.der)
    }

    /// Whom the certificate is for: the serial number where it is known, so that a renewal keeps the subject.
    async fn name(&self, record: &IssuanceRecord) -> Result<String> {
        Ok(match &record.made_for {
            MadeFor::Anyone => format!("device {}", record.serial),
            MadeFor::Device { udid, serial, .. } => serial
                .as_ref()
                .map(ToString::to_string)
                .or_else(|| udid.as_ref().map(ToString::to_string))
                .unwrap_or_default(),
            MadeFor::Renewal { enrollment } => {
                let row = self.store.enrollment(enrollment).await?;
                let serial = row.and_then(|row| row.device.serial);
                serial.map_or_else(|| enrollment.to_string(), |serial| serial.to_string())
            }
        })
    }

    /// CertPoll: only whoever holds the key of the request learns what became of it.
    async fn poll(&self, request: &Request) -> Result<Verdict> {
        let key_hash = key_hash(&request.signer_key);
        Ok(match self.store.transaction(&request.transaction.id).await? {
            Some((issuance, Some(der))) if issuance.key_hash == key_hash => Verdict::Issued(der),
            _ => Verdict::Refused(Refused(
                FailInfo::BadCertId,
                Code::ScepRequestRefused,
                "no such transaction",
            )),
        })
    }
}

/// SHA-256 of a SubjectPublicKeyInfo.
fn key_hash(key: &PublicKey) -> SecretHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key.spki()).as_ref());
    hash.into()
}

fn has_expired(der: &[u8], now: Timestamp) -> bool {
    Certificate::parse(der).is_ok_and(|certificate| certificate.not_after <= now)
}

fn count(result: &'static str) {
    metrics::counter!("russet_scep_total", "result" => result).increment(1);
}

/// The catalogue's word for a refusal, and the text that the device gets.
pub fn words(refusal: IssuanceRefusal) -> (Code, &'static str) {
    match refusal {
        IssuanceRefusal::ExpiredChallenge => (
            Code::ScepChallengeExpired,
            "the challenge has expired; download a new profile, or reset a device that is in Setup Assistant",
        ),
        IssuanceRefusal::UnknownChallenge => (Code::ScepChallengeUnknown, "the challenge is not known"),
        IssuanceRefusal::UnknownIdentity => (
            Code::ScepIdentityRefused,
            "the signing identity speaks for no enrollment",
        ),
        IssuanceRefusal::UsedChallenge => (
            Code::ScepChallengeUsed,
            "the challenge was used before; download a new profile",
        ),
    }
}

/// A common name holds at most 64 characters (RFC 5280, appendix A.1).
fn common_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}
