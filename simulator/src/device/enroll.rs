//! Enrolment: profile, identity, Authenticate, TokenUpdate.

use std::time::Duration;

use hyper::Method;

use super::interrupt::Stage;
use super::{Channel, Device};
use crate::clock::Stopwatch;
use crate::encode::url_escape;
use crate::error::{At, Error, Problem, Result, Step};
use crate::http::Request;
use crate::pki::identity::Identity;
use crate::profile::{EnrollmentProfile, IdentityPayload};
use crate::{Kind, encode, random, scep};

/// How an enrolment went.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The steps in order.
    pub steps: Vec<StepReport>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// SHA-256 of the identity certificate, upper-case hexadecimal.
    pub fingerprint: String,
    /// Whether the profile was signed by somebody the device trusts.
    pub verified: bool,
}

/// One completed step.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// The step.
    pub step: Step,
    /// How long it took.
    pub elapsed: Duration,
}

impl Device {
    /// Fetches an enrollment profile and enrols with it.
    pub async fn enroll(&mut self, url: &str) -> Result<Enrolled> {
        let watch = Stopwatch::start();
        let profile = self.fetch_profile(url).await?;
        let fetched = StepReport {
            step: Step::FetchProfile,
            elapsed: watch.elapsed(),
        };
        let mut enrolled = self.enroll_with(&profile).await?;
        enrolled.steps.insert(0, fetched);
        enrolled.elapsed = watch.elapsed();
        Ok(enrolled)
    }

    /// `url` with this device's `udid` and `serial`, so that the server can bind the challenge to it.
    pub fn bound_url(&self, url: &str) -> String {
        let (udid, serial) = (
            url_escape(&self.hardware.udid),
            url_escape(&self.hardware.serial_number),
        );
        encode::with_query(url, &format!("udid={udid}&serial={serial}"))
    }

    /// Fetches an enrollment profile with GET, as a browser does.
    pub async fn fetch_profile(&mut self, url: &str) -> Result<Vec<u8>> {
        self.fetch(Request::new(Method::GET, url)).await
    }

    async fn fetch(&mut self, request: Request) -> Result<Vec<u8>> {
        let request = request
            .header("user-agent", &self.user_agent())
            .at(Step::FetchProfile)?;
        let response = self.client.send(request, None).await.and_then(|r| r.ok());
        let response = response.and_then(|r| r.expect_type(&["application/x-apple-aspen-config"]));
        Ok(response.at(Step::FetchProfile)?.body.to_vec())
    }

    /// Enrols with a profile at hand: identity, Authenticate, TokenUpdate, and the users' TokenUpdates where the profile
    /// offers user channels. On failure the device is as it was without a profile.
    pub async fn enroll_with(&mut self, profile: &[u8]) -> Result<Enrolled> {
        let watch = Stopwatch::start();
        self.check_payload(profile)?;
        self.unenroll();
        self.state.unenrolled = None;
        match self.install(profile).await {
            Ok((steps, verified)) => {
                let fingerprint = self
                    .identity()
                    .map(|i| i.fingerprint())
                    .transpose()
                    .at(Step::SetUp)?;
                let fingerprint = fingerprint.unwrap_or_default();
                Ok(Enrolled {
                    steps,
                    elapsed: watch.elapsed(),
                    fingerprint,
                    verified,
                })
            }
            Err(error) => {
                self.after_failure(&error).await;
                Err(error)
            }
        }
    }

    async fn install(&mut self, profile: &[u8]) -> Result<(Vec<StepReport>, bool)> {
        let mut steps = Vec::new();
        let mut watch = Stopwatch::start();
        let mut done = |step| {
            steps.push(StepReport {
                step,
                elapsed: watch.elapsed(),
            });
            watch = Stopwatch::start();
        };

        let profile = EnrollmentProfile::parse(profile).at(Step::InstallProfile)?;
        let verified = self.is_verified(&profile)?;
        self.adopt(profile.clone());
        if profile.mdm.user_enrollment || self.options.user_enrollment {
            self.state.enrollment_id = Some(random::uuid());
            self.state.enrollment_user_id = Some(random::uuid());
        }
        done(Step::InstallProfile);
        self.pass(Stage::Profile, Step::InstallProfile)?;

        self.identity = Some(self.obtain_identity(&profile.identity, None).await?);
        done(Step::PkiOperation);
        self.pass(Stage::Identity, Step::PkiOperation)?;

        self.authenticate().await?;
        done(Step::Authenticate);
        self.pass(Stage::Authenticate, Step::Authenticate)?;

        self.announce().await?;
        done(Step::TokenUpdate);
        self.pass(Stage::TokenUpdate, Step::TokenUpdate)?;

        // In Setup Assistant there are no users yet.
        if !self.is_in_setup_assistant() && self.bring_up_users().await? {
            done(Step::TokenUpdate);
        }
        Ok((steps, verified))
    }

    /// Sends the first TokenUpdate.
    pub(super) async fn announce(&mut self) -> Result<()> {
        self.state.awaiting_configuration = self.options.awaiting_configuration || self.is_to_be_held();
        self.token_update().await
    }

    /// Brings up the channels of a Mac's users; answers whether the profile has any.
    pub(super) async fn bring_up_users(&mut self) -> Result<bool> {
        let offered = self
            .enrollment()
            .is_some_and(|enrollment| enrollment.mdm.offers("per-user-connections"));
        if self.hardware.kind != Kind::Mac || !offered {
            return Ok(false);
        }
        for user in self.state.users.clone() {
            self.user_token_update(&Channel::User(user.short_name)).await?;
        }
        Ok(true)
    }

    /// Asks for a new identity; `present` signs the request if the options say so.
    pub(super) async fn obtain_identity(
        &mut self,
        payload: &IdentityPayload,
        present: Option<&Identity>,
    ) -> Result<Identity> {
        match payload {
            IdentityPayload::Pkcs12(identity) => Ok((**identity).clone()),
            IdentityPayload::Scep(payload) => {
                let key = self.next_key(payload.key_size).await.at(Step::PkiOperation)?;
                let present = present.filter(|_| self.options.scep.renewal_request);
                let mut payload = payload.clone();
                if self.is_to_fail() {
                    payload.challenge = Some("not the challenge".into());
                }
                scep::enrol(&mut self.client, &payload, &key, &self.options.scep, present).await
            }
        }
    }

    fn is_verified(&self, profile: &EnrollmentProfile) -> Result<bool> {
        let mut anchors = Vec::new();
        for anchor in self.client.anchors() {
            anchors.push(openssl::x509::X509::from_der(anchor).at(Step::InstallProfile)?);
        }
        Ok(profile.profile.is_verified(&anchors))
    }

    /// Renews the identity with a new version of the enrollment profile (Apple: same `PayloadIdentifier`): new identity,
    /// then Authenticate and TokenUpdate with it. On failure the old configuration is restored.
    pub(super) async fn renew(&mut self, profile: EnrollmentProfile) -> Result<()> {
        let check = match &self.enrollment {
            Some(present) => present.mdm.check_update(&profile.mdm),
            None => Err(Problem::State("the device is not enrolled".into())),
        };
        check.at(Step::InstallProfile)?;
        let (old_identity, old_profile) = (self.identity.clone(), self.enrollment.clone());
        let renewed = self.renew_identity(profile).await;
        if renewed.is_err() && self.state.unenrolled.is_none() {
            (self.identity, self.enrollment) = (old_identity, old_profile);
        }
        renewed
    }

    async fn renew_identity(&mut self, profile: EnrollmentProfile) -> Result<(), Error> {
        let present = self.identity.clone();
        let identity = self.obtain_identity(&profile.identity, present.as_ref()).await?;
        self.adopt(profile);
        self.identity = Some(identity);
        self.authenticate().await?;
        self.token_update().await
    }
}
