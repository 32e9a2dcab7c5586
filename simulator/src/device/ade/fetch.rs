//! Getting the enrollment profile: MachineInfo by POST, or a web view.

use hyper::Method;
use hyper::header::WWW_AUTHENTICATE;

use super::boot::BootOptions;
use super::profile::AdeProfile;
use super::refusal::Refusal;
use crate::device::Device;
use crate::encode::base64;
use crate::error::Problem;
use crate::http::{Client, Request};
use crate::pki::device_ca::{DeviceCa, Signing};
use crate::plists::encode;

/// The media type of profiles.
pub(super) const PROFILE: &str = "application/x-apple-aspen-config";

/// The profile's bytes, or why there are none.
pub(super) type Fetched = Result<Vec<u8>, Refusal>;

impl Device {
    /// MachineInfo, signed by the identity that is built into the device.
    pub fn signed_machine_info(&self, factory: &DeviceCa, signing: Signing) -> Result<Vec<u8>, Problem> {
        factory.sign(&self.hardware, &encode(&self.machine_info())?, signing)
    }

    /// Asks for the enrollment profile in the way that the ADE profile says.
    pub(super) async fn fetch_for_ade(
        &mut self,
        profile: &AdeProfile,
        factory: &DeviceCa,
        options: &BootOptions,
    ) -> Result<Fetched, Problem> {
        let signing = options.signing.unwrap_or(Signing::of(self.hardware.kind));
        let info = self.signed_machine_info(factory, signing)?;
        let mut client = if profile.anchors.is_empty() {
            self.client.fresh()
        } else {
            self.client.trusting_only(&profile.anchors)
        };
        match &profile.configuration_web_url {
            Some(url) => super::web::view(&mut client, url, &info, options.login.as_ref()).await,
            None => self.post(&mut client, &profile.url, info, options).await,
        }
    }

    async fn post(
        &self,
        client: &mut Client,
        url: &str,
        info: Vec<u8>,
        options: &BootOptions,
    ) -> Result<Fetched, Problem> {
        let mut authorization: Option<String> = None;
        loop {
            let request = Request::new(Method::POST, url).body(info.clone());
            let mut request = request
                .header("content-type", "application/pkcs7-signature")?
                .header("user-agent", &self.user_agent())?;
            if let Some(value) = &authorization {
                request = request.header("authorization", value)?;
            }
            let response = client.send(request, None).await?;
            if response.status == 200 {
                return Ok(Ok(response.expect_type(&[PROFILE])?.body.to_vec()));
            }
            let challenge = response.headers.get(WWW_AUTHENTICATE);
            let is_basic = challenge.is_some_and(|value| {
                let scheme = value.as_bytes().get(..5).unwrap_or_default();
                scheme.eq_ignore_ascii_case(b"Basic")
            });
            if response.status == 401 && is_basic && authorization.is_none() {
                let Some(login) = &options.login else {
                    return Ok(Err(Refusal::own(401, "the server asks for credentials")));
                };
                let pair = format!("{}:{}", login.user, login.password);
                authorization = Some(format!("Basic {}", base64(pair.as_bytes())));
                continue;
            }
            return Ok(Err(Refusal::of(&response)));
        }
    }
}
