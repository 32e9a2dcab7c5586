//! The door of Automated Device Enrollment: a device out of its box asks for its enrollment profile (Apple, "Enrolling
//! devices", "Authenticating through web views").
//!
//! What it sends proves that an Apple device wrote it once, and little else (Duo, "MDM Me Maybe", 2018). So its profile is
//! made for one device, its challenge works once, an enrollment that is alive stays untouched until the new one is
//! complete ([`crate::service::admission`]), and where users log in a serial number alone buys nothing.

pub(in crate::service) mod limits;
mod refused;
mod sessions;
mod url;
mod visit;

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;

pub use refused::{Refused, RefusedNews};
pub use sessions::Purpose;
pub use visit::Visitor;

use self::{limits::Refusals, refused::RefusedLog, sessions::Sessions, url::Segments, visit::Turned};
use super::{accounts::Accounts, profiles::Doors};
use crate::{
    config::PlatformSso,
    error::{Code, Error, Kind, Result},
    pki::{device_trust::DeviceTrust, seal::Sealer},
    protocol::{
        ade::{Addresses, Authentication},
        catalogue::{OsVersion, Platform},
        ids::SerialNumber,
        machine_info::MachineInfo,
        time::Timestamp,
    },
    service::{
        enrollment::{Enrollments, ProfileRequest},
        reports::{AtTheDoor, Attempts},
    },
    storage::{AdeTokenRecord, AttemptStage, Storage},
};

/// The operator's part.
#[derive(Clone, Debug)]
pub struct DoorSettings {
    /// The oldest system that is enrolled.
    pub minimum_os: BTreeMap<Platform, OsVersion>,
    /// Whether an older device enrolls all the same if it can't be told to update first.
    pub enroll_below_minimum: bool,
    /// What a Mac that can installs before it enrolls.
    pub platform_sso: Option<PlatformSso>,
    /// For how long a message may come again, as a device repeats it that is at it.
    pub session: Duration,
}

/// What a device sends.
#[derive(Clone, Copy)]
pub struct Knock<'a> {
    /// The part of the address that stands for the server token.
    pub segment: &'a str,
    /// The signed MachineInfo.
    pub message: &'a [u8],
    /// What its user has typed, or got for it.
    pub credentials: Credentials<'a>,
    /// From where.
    pub peer: Option<IpAddr>,
}

/// What proves who the user is.
#[derive(Clone, Copy)]
pub enum Credentials<'a> {
    /// Nothing.
    None,
    /// HTTP Basic.
    Password(&'a str, &'a str),
    /// A token that a login on a page was rewarded with.
    Token(&'a str),
}

/// What a device gets.
pub enum Answer {
    /// Its enrollment profile, signed.
    Profile(Vec<u8>),
    /// It has to update its system first, at least to this version.
    UpdateFirst(OsVersion),
    /// It has to set up Platform SSO first.
    SetUpSso {
        /// The page where its user logs in.
        auth_url: String,
        /// What it installs.
        sso: PlatformSso,
    },
    /// It has to ask its user for a name and password.
    Authenticate,
}

/// What a page gets.
pub enum Login {
    /// Name and password fit.
    Done(Answer),
    /// The Mac may ask again with this token.
    Token(String),
    /// They do not.
    Wrong,
}

/// The door.
pub struct Door {
    store: Arc<dyn Storage>,
    enrollments: Arc<Enrollments>,
    accounts: Arc<Accounts>,
    segments: Segments,
    trust: ArcSwap<DeviceTrust>,
    settings: DoorSettings,
    attempts: Arc<Attempts>,
    limits: Mutex<Refusals>,
    refused: Mutex<RefusedLog>,
    sessions: Mutex<Sessions>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Storage>,
        enrollments: Arc<Enrollments>,
        (accounts, attempts): (Arc<Accounts>, Arc<Attempts>),
        sealer: &Sealer,
        trust: DeviceTrust,
        settings: DoorSettings,
    ) -> Self {
        Self {
            store,
            enrollments,
            accounts,
            segments: Segments::new(sealer),
            trust: ArcSwap::from_pointee(trust),
            settings,
            attempts,
            limits: Mutex::default(),
            refused: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// Takes other CAs at their word from now on; `false` if they are the same.
    pub fn trust(&self, trust: DeviceTrust) -> bool {
        if **self.trust.load() == trust {
            return false;
        }
        self.trust.store(Arc::new(trust));
        true
    }

    /// The latest refusal of a device, since the server began.
    pub fn last_refusal(&self, serial: &SerialNumber) -> Option<Refused> {
        lock(&self.refused).of(serial)
    }

    /// The latest refusals since the server began, the latest first.
    pub fn refusals(&self, limit: usize) -> Vec<Refused> {
        lock(&self.refused).list(limit)
    }

    /// What there is to announce about refusals; at most once a minute.
    pub fn take_news(&self, now: Timestamp) -> Option<RefusedNews> {
        lock(&self.refused).take_news(now)
    }

    /// A device asks for its profile.
    pub async fn knock(&self, knock: Knock<'_>, now: Timestamp) -> Result<Answer> {
        self.check_peer(knock.peer, now)?;
        let answer = match self.visitor(&knock, now).await {
            Ok((visitor, info)) => self.answer(&knock, &visitor, &info, now).await,
            Err(turned) => Err(turned),
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(turned) => Err(self.refuse(knock.peer, turned, now).await),
        }
    }

    /// A device opens the page where its user logs in; what comes back is the session's name. Or it gets an answer at
    /// once.
    pub async fn open_page(
        &self,
        knock: Knock<'_>,
        now: Timestamp,
    ) -> Result<std::result::Result<String, Answer>> {
        self.check_peer(knock.peer, now)?;
        let opened = async {
            let (visitor, info) = self.visitor(&knock, now).await?;
            if let Some(answer) = self.too_old(&visitor, &info)? {
                return Ok(Err(answer));
            }
            let device = visitor.device(None);
            let session = lock(&self.sessions).begin(visitor, Purpose::Profile, now)?;
            self.attempts.asked(device, AttemptStage::Login, None, now).await;
            Ok(Ok(session.reveal().to_owned()))
        };
        match opened.await {
            Ok(opened) => Ok(opened),
            Err(turned) => Err(self.refuse(knock.peer, turned, now).await),
        }
    }

    /// Refuses a session that there is not, or not any more.
    pub fn check_session(&self, session: &str, purpose: Purpose, now: Timestamp) -> Result<()> {
        let found = lock(&self.sessions).visitor(session, purpose, now);
        found.map(drop).ok_or_else(session_over)
    }

    /// What the user of a session is told beside the form.
    pub fn message(&self, session: &str, now: Timestamp) -> Option<String> {
        let sessions = lock(&self.sessions);
        let of = |purpose| sessions.visitor(session, purpose, now);
        of(Purpose::Profile).or_else(|| of(Purpose::Token))?.message
    }

    /// Somebody has typed a name and a password on the page of a session.
    pub async fn log_in(
        &self,
        (session, purpose): (&str, Purpose),
        (name, password): (&str, &str),
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Login> {
        self.check_peer(peer, now)?;
        let visitor = lock(&self.sessions).visitor(session, purpose, now);
        let visitor = visitor.ok_or_else(session_over)?;
        let Some(user) = self.accounts.log_in(name, password, now).await? else {
            let over = lock(&self.sessions).failed(session);
            self.wrong_password(peer, &visitor, now);
            if over {
                let device = visitor.device(None);
                self.attempts.failed(device, Code::LoginRefused, None, now).await;
            }
            return Ok(Login::Wrong);
        };
        match purpose {
            Purpose::Profile => {
                let answer = self.profile(&visitor, Some(user), now).await?;
                Ok(Login::Done(answer))
            }
            Purpose::Token => {
                let token = lock(&self.sessions).grant(&visitor, user, now)?;
                Ok(Login::Token(token.reveal().to_owned()))
            }
        }
    }

    async fn answer(
        &self,
        knock: &Knock<'_>,
        visitor: &Visitor,
        info: &MachineInfo,
        now: Timestamp,
    ) -> std::result::Result<Answer, Turned> {
        if let Some(answer) = self.too_old(visitor, info)? {
            return Ok(answer);
        }
        let turned = |error| visitor.turned(error);
        if let Credentials::Token(token) = knock.credentials {
            let user = lock(&self.sessions).user(token, &visitor.serial, now);
            let user = user.ok_or_else(|| {
                let detail = "the token of its login is not valid any more";
                turned(Error::with(Code::WebAuthenticationRequired, detail))
            })?;
            return Ok(self.profile(visitor, Some(user), now).await?);
        }
        if let Some(sso) = self.settings.platform_sso.clone()
            && info.can_request_psso_config
        {
            let session = lock(&self.sessions).begin(visitor.clone(), Purpose::Token, now)?;
            let base = self.enrollments.base_url();
            let auth_url = format!("{base}/ade/{}/sso/{}", knock.segment, session.reveal());
            return Ok(Answer::SetUpSso { auth_url, sso });
        }
        match (visitor.authentication, knock.credentials) {
            (Authentication::None, _) => Ok(self.profile(visitor, None, now).await?),
            (Authentication::Web, _) => Err(turned(Error::new(Code::WebAuthenticationRequired))),
            (Authentication::Legacy, Credentials::Password(name, password)) => {
                match self.accounts.log_in(name, password, now).await? {
                    Some(user) => Ok(self.profile(visitor, Some(user), now).await?),
                    None => {
                        self.wrong_password(knock.peer, visitor, now);
                        Ok(Answer::Authenticate)
                    }
                }
            }
            (Authentication::Legacy, _) => {
                let device = visitor.device(None);
                self.attempts.asked(device, AttemptStage::Login, None, now).await;
                Ok(Answer::Authenticate)
            }
        }
    }

    /// A device whose system is older than wanted is told to update, if it understands that.
    fn too_old(&self, visitor: &Visitor, info: &MachineInfo) -> std::result::Result<Option<Answer>, Turned> {
        let minimum = info
            .platform()
            .and_then(|platform| self.settings.minimum_os.get(&platform));
        let Some(minimum) = minimum.copied() else {
            return Ok(None);
        };
        if info.version().is_none_or(|version| version >= minimum) {
            return Ok(None);
        }
        if info.can_request_software_update {
            tracing::info!(serial = %visitor.serial, %minimum, "told to update first");
            return Ok(Some(Answer::UpdateFirst(minimum)));
        }
        if self.settings.enroll_below_minimum {
            return Ok(None);
        }
        Err(visitor.turned(Error::with(Code::OsTooOld, format!("{minimum} is needed"))))
    }

    async fn profile(&self, visitor: &Visitor, user: Option<String>, now: Timestamp) -> Result<Answer> {
        let device = visitor.device(user.clone());
        let request = ProfileRequest {
            made_for: visitor.made_for(user, now),
            url_params: BTreeMap::new(),
            topic: None,
        };
        let profile = self.enrollments.profile(&request, now);
        let asked = self
            .attempts
            .asked(device, AttemptStage::ProfileDelivered, None, now);
        // Side by side: both become durable together.
        let (profile, ()) = tokio::join!(profile, asked);
        let profile = profile?;
        lock(&self.refused).clear(&visitor.serial);
        metrics::counter!("russet_ade_profiles_total").increment(1);
        tracing::info!(serial = %visitor.serial, product = visitor.product, "gets its enrollment profile");
        Ok(Answer::Profile(profile))
    }

    fn check_peer(&self, peer: Option<IpAddr>, now: Timestamp) -> Result<()> {
        match lock(&self.limits).wait(peer, now) {
            Some(wait) => Err(Error::new(Code::TooManyRefusals).after(wait)),
            None => Ok(()),
        }
    }

    /// Remembers a refusal, for good if it ends an attempt to enroll.
    async fn refuse(&self, peer: Option<IpAddr>, mut turned: Turned, now: Timestamp) -> Error {
        let device = turned.device.take();
        let error = self.turn_away(peer, turned, now);
        self.attempts
            .refused(
                device.map_or_else(AtTheDoor::default, |device| *device),
                &error,
                now,
            )
            .await;
        error
    }

    /// Remembers a refusal, unless the fault is ours.
    fn turn_away(&self, peer: Option<IpAddr>, turned: Turned, now: Timestamp) -> Error {
        let Turned { serial, error, .. } = turned;
        let ours = !matches!(error.kind(), Kind::Forbidden | Kind::NotFound);
        if ours && error.code() != Code::TokenExpired {
            return error;
        }
        metrics::counter!("russet_ade_refused_total", "reason" => error.code().as_str()).increment(1);
        lock(&self.limits).add(peer, now);
        lock(&self.refused).add(serial.as_ref(), &error, now);
        error
    }

    fn wrong_password(&self, peer: Option<IpAddr>, visitor: &Visitor, now: Timestamp) {
        let error = Error::with(Code::WebAuthenticationRequired, "name and password do not fit");
        self.turn_away(peer, visitor.turned(error), now);
    }
}

impl Doors for Door {
    /// The same for ever, as long as `secret.key` is.
    fn addresses(&self, token: &AdeTokenRecord) -> Addresses {
        let base = self.enrollments.base_url();
        let url = format!("{base}/ade/{}", self.segments.of(token.number));
        Addresses {
            configuration_web_url: format!("{url}/web"),
            url,
            anchors: self.enrollments.anchor_certs(),
        }
    }
}

fn session_over() -> Error {
    Error::with(
        Code::WebAuthenticationRequired,
        "the login took too long, or was not begun on this device",
    )
}

/// What is behind these locks stays sound whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
