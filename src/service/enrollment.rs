//! Enrollment profiles, and who gets one: anyone where enrollment is open, the bearer of a one-time link, and a
//! device that is to renew its identity.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use plist::{Dictionary, Value};

use crate::{
    config::Enroll,
    error::{Code, Error, Result},
    pki::{
        profile_signer::ProfileSigner,
        secret::{self, Secret},
    },
    protocol::{
        ids::{CommandUuid, EnrollmentId, SerialNumber, Topic, Udid},
        mdm::device_identifier,
        plist::to_xml,
        profile::{Anchor, EnrollmentProfile, MdmPayload, ScepPayload},
        time::Timestamp,
    },
    service::{
        push_certificates,
        reports::{self, AtTheDoor, Attempts},
    },
    storage::{AttemptStage, ChallengeRecord, EnrollLinkRecord, LinkUse, MadeFor, Storage},
};

/// What a profile says that does not change from one to the next.
#[derive(Clone, Debug)]
pub struct ProfileTemplate {
    /// `https://host[:port]`, under which devices reach this server.
    pub base_url: String,
    /// The operator's choices.
    pub enroll: Enroll,
    /// CAs that the device must trust to reach this server.
    pub anchors: Vec<Anchor>,
    /// SHA-1 of the device CA's certificate.
    pub ca_fingerprint: Vec<u8>,
    /// How long the profile's challenge can be used.
    pub challenge_ttl: Duration,
    /// Whether devices sign their requests.
    pub sign_message: bool,
}

/// For whom a profile shall be.
#[derive(Clone, Debug)]
pub struct ProfileRequest {
    /// Goes into the challenge.
    pub made_for: MadeFor,
    /// Go into ServerURL and CheckInURL, and come back with every request.
    pub url_params: BTreeMap<String, String>,
    /// The topic that the device has already and can't change; a new enrollment gets that of the latest push
    /// certificate.
    pub topic: Option<Topic>,
}

/// For the device with this UDID and serial number, as far as they are given; for anyone if neither is.
pub fn made_for(udid: Option<String>, serial: Option<String>) -> Result<MadeFor> {
    let checked = |key: &'static str, value: Option<String>| {
        let value = value.map(|value| value.trim().to_owned());
        match value.as_deref().map(|value| device_identifier(key, value)) {
            Some(Err(error)) => Err(Error::invalid(key, error.to_string())),
            _ => Ok(value),
        }
    };
    Ok(match (checked("udid", udid)?, checked("serial", serial)?) {
        (None, None) => MadeFor::Anyone,
        (udid, serial) => MadeFor::Device {
            udid: udid.map(Udid::new),
            serial: serial.map(SerialNumber::new),
            ade: None,
        },
    })
}

/// Makes enrollment profiles and links.
pub struct Enrollments {
    store: Arc<dyn Storage>,
    signer: ProfileSigner,
    attempts: Arc<Attempts>,
    template: ProfileTemplate,
}

impl fmt::Debug for Enrollments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enrollments({})", self.template.base_url)
    }
}

/// Longer queries are refused: they come back with every request of the device's life.
const MAX_URL_QUERY: usize = 512;

impl Enrollments {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        signer: ProfileSigner,
        attempts: Arc<Attempts>,
        template: ProfileTemplate,
    ) -> Self {
        Self {
            store,
            signer,
            attempts,
            template,
        }
    }

    /// `https://host[:port]`, under which devices reach this server.
    pub fn base_url(&self) -> &str {
        &self.template.base_url
    }

    /// The CAs (DER) that a device must be told of to reach this server; none where its certificate is publicly
    /// trusted. For `anchor_certs` of profiles at Apple, where a device looks before it has any profile of ours.
    pub fn anchor_certs(&self) -> Vec<Vec<u8>> {
        self.template
            .anchors
            .iter()
            .map(|anchor| anchor.der.clone())
            .collect()
    }

    /// Refuses where enrollment is not open to everyone, or nobody can enroll.
    pub async fn check_open(&self) -> Result<()> {
        if self.template.enroll.open {
            self.topic().await.map(drop)
        } else {
            Err(Error::new(Code::EnrollmentClosed))
        }
    }

    /// A signed enrollment profile with a fresh challenge.
    pub async fn profile(&self, request: &ProfileRequest, now: Timestamp) -> Result<Vec<u8>> {
        let url_query = url_query(&request.url_params);
        if url_query.len() > MAX_URL_QUERY {
            let detail = format!("query parameters of a profile may take {MAX_URL_QUERY} bytes");
            return Err(Error::with(Code::BadParameter, detail));
        }
        let topic = match &request.topic {
            Some(topic) => topic.clone(),
            None => self.topic().await?,
        };
        let challenge = Secret::generate().map_err(Error::internal)?;
        self.store
            .add_challenge(ChallengeRecord {
                hash: challenge.hash().into(),
                made_for: request.made_for.clone(),
                created_at: now,
                expires_at: now.plus(self.template.challenge_ttl),
            })
            .await?;
        let profile = self.build(topic, &challenge, &request.made_for, &url_query);
        let plist = profile.to_plist().map_err(Error::internal)?;
        self.signer.sign(&plist, now).map_err(Error::internal)
    }

    /// The profile of an enrollment that is open to everyone; `peer` asks for it.
    pub async fn open_profile(
        &self,
        request: &ProfileRequest,
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        let profile = self.profile(request, now).await?;
        let (device, stage) = (
            reports::made_for(&request.made_for),
            AttemptStage::ProfileDelivered,
        );
        self.attempts.asked(device, stage, Some(peer), now).await;
        Ok(profile)
    }

    /// Makes a link that hands out one profile; the secret is the last part of its path.
    pub async fn create_link(&self, made_for: MadeFor, ttl: Duration, now: Timestamp) -> Result<String> {
        self.topic().await?;
        let secret = Secret::generate().map_err(Error::internal)?;
        self.store
            .add_enroll_link(EnrollLinkRecord {
                hash: secret.hash().into(),
                made_for,
                created_at: now,
                expires_at: now.plus(ttl),
                used_at: None,
            })
            .await?;
        Ok(format!("{}/enroll/{}", self.template.base_url, secret.reveal()))
    }

    /// Refuses a link that would not be granted; does not use it up.
    pub async fn check_link(&self, secret: &str, now: Timestamp) -> Result<()> {
        match self.store.enroll_link(&secret::hash(secret).into()).await? {
            Some(link) if link.used_at.is_none() && now < link.expires_at => Ok(()),
            _ => Err(Error::new(Code::EnrollLinkSpent)),
        }
    }

    /// Uses a link up and hands out its profile.
    pub async fn profile_by_link(
        &self,
        secret: &str,
        url_params: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        // Checked first: a link must not be spent on a profile that can't be made.
        self.topic().await?;
        match self
            .store
            .use_enroll_link(&secret::hash(secret).into(), now)
            .await?
        {
            LinkUse::Granted(link) => {
                let request = ProfileRequest {
                    made_for: link.made_for,
                    url_params,
                    topic: None,
                };
                let profile = self.profile(&request, now).await?;
                let device = reports::made_for(&request.made_for);
                let stage = AttemptStage::ProfileDelivered;
                self.attempts.asked(device, stage, None, now).await;
                Ok(profile)
            }
            LinkUse::Expired | LinkUse::Unknown | LinkUse::Used => {
                let error = Error::new(Code::EnrollLinkSpent);
                self.attempts.refused(AtTheDoor::default(), &error, now).await;
                Err(error)
            }
        }
    }

    /// The profile that makes an enrolled device renew its identity, for an `InstallProfile` command.
    pub async fn renewal_profile(&self, enrollment: &EnrollmentId, now: Timestamp) -> Result<Vec<u8>> {
        let row = self.store.enrollment(enrollment).await?;
        let row = row.ok_or_else(|| Error::with(Code::EnrollmentUnknown, enrollment))?;
        let request = ProfileRequest {
            made_for: MadeFor::Renewal {
                enrollment: enrollment.clone(),
            },
            url_params: row.record.url_params,
            topic: row.record.push.map(|push| push.topic),
        };
        self.profile(&request, now).await
    }

    /// The command that brings it.
    pub async fn renewal_command(
        &self,
        enrollment: &EnrollmentId,
        uuid: &CommandUuid,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        let profile = self.renewal_profile(enrollment, now).await?;
        let command = Dictionary::from_iter([
            ("RequestType".to_owned(), Value::from("InstallProfile")),
            ("Payload".to_owned(), Value::Data(profile)),
        ]);
        let command = Dictionary::from_iter([
            ("CommandUUID".to_owned(), Value::from(uuid.as_str())),
            ("Command".to_owned(), Value::Dictionary(command)),
        ]);
        to_xml(&command).map_err(Error::internal)
    }

    /// The topic of new enrollments.
    async fn topic(&self) -> Result<Topic> {
        let certificates = self.store.push_certificates().await?;
        push_certificates::leading(&certificates)
            .map(|leading| leading.topic.clone())
            .ok_or_else(|| Error::new(Code::NoPushCertificate))
    }

    fn build(
        &self,
        topic: Topic,
        challenge: &Secret,
        made_for: &MadeFor,
        url_query: &str,
    ) -> EnrollmentProfile {
        let template = &self.template;
        let enroll = &template.enroll;
        let url = |path: &str| match url_query {
            "" => format!("{}{path}", template.base_url),
            query => format!("{}{path}?{query}", template.base_url),
        };
        let name = match made_for {
            MadeFor::Anyone => "device".to_owned(),
            MadeFor::Device { udid, serial, .. } => serial
                .as_ref()
                .map(ToString::to_string)
                .or_else(|| udid.as_ref().map(ToString::to_string))
                .unwrap_or_default(),
            MadeFor::Renewal { enrollment } => enrollment.to_string(),
        };
        EnrollmentProfile {
            identifier: enroll.profile_identifier.clone(),
            uuid: uuid::Uuid::new_v4(),
            display_name: enroll.display_name.clone(),
            organization: enroll.organization.clone(),
            description: enroll.description.clone(),
            consent_text: enroll.consent_text.clone(),
            removal_disallowed: enroll.removal_disallowed,
            anchors: template.anchors.clone(),
            scep: ScepPayload {
                url: format!("{}/scep", template.base_url),
                name: "Russet".into(),
                subject: vec![("O".into(), enroll.organization.clone()), ("CN".into(), name)],
                challenge: challenge.reveal().to_owned(),
                key_size: enroll.key_size,
                ca_fingerprint: template.ca_fingerprint.clone(),
            },
            mdm: MdmPayload {
                topic,
                server_url: url("/mdm"),
                check_in_url: enroll.split_check_in.then(|| url("/checkin")),
                sign_message: template.sign_message,
                access_rights: enroll.access_rights,
                check_out_when_removed: enroll.check_out_when_removed,
                server_capabilities: enroll.server_capabilities.clone(),
                use_development_apns: enroll.use_development_apns,
                prompt_for_bootstrap_token: enroll.prompt_for_bootstrap_token,
                pin_anchors: enroll.pin_anchors && !template.anchors.is_empty(),
                require_revocation_check: enroll.require_revocation_check,
            },
        }
    }
}

/// The parameters in one form only: ServerURL can't change once a device is enrolled, so that a renewal, which has
/// nothing but the parameters, must find the same text again.
fn url_query(params: &BTreeMap<String, String>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish()
}
