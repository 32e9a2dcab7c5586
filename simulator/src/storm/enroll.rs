//! The `enroll` scenario: fetch profiles, prepare everything, then SCEP, Authenticate and TokenUpdate against the clock.

use std::sync::{Arc, Mutex};

use openssl::pkey::{PKey, Private};

use super::measure::{Report, Tally, deal, phase};
use super::presigned::Presigned;
use super::wire::{Kept, Target, request};
use super::{Settings, fleet};
use crate::clock::Stopwatch;
use crate::encode::with_query;
use crate::error::{At, Problem, Result, Step};
use crate::pki::cms::Signed;
use crate::pki::envelope;
use crate::pki::scep::{CertRep, Transaction};
use crate::profile::{EnrollmentProfile, IdentityPayload, ScepPayload};
use crate::scep::{ScepOptions, certificate_request, get_ca_caps, get_ca_cert};
use crate::{Channel, Device, Hardware, messages, plists, random};

/// Profiles with the devices they are for.
type Fetched = Arc<Mutex<Vec<(Hardware, Vec<u8>)>>>;

/// Everything of one enrolment that can be known before it.
struct Prepared {
    transaction: Transaction,
    pki_operation: Vec<u8>,
    check_in_url: String,
    authenticate: Presigned,
    token_update: Presigned,
}

pub(super) async fn run(settings: &Settings) -> Result<Report> {
    let keys = fleet::keys(settings).await?;
    let target = Target::of(settings, settings.server.as_deref().unwrap_or(&settings.url))
        .await
        .at(Step::SetUp)?;
    let profiles = Fetched::default();
    let from = Target::of(settings, &settings.url).await.at(Step::FetchProfile)?;
    let workers = deal(fleet::hardware(settings.count)?, settings.connections)
        .into_iter()
        .map(|hardware| {
            fetch(
                from.clone(),
                settings.url.clone(),
                settings.bind,
                hardware,
                profiles.clone(),
            )
        });
    let fetched = phase("profiles", settings, workers).await?;
    let profiles = std::mem::take(&mut *profiles.lock().map_err(Problem::transport).at(Step::SetUp)?);

    let Some((_, first)) = profiles.first() else {
        let cause = fetched.first_error.unwrap_or_default();
        return Err(Problem::State(format!("no profile could be fetched: {cause}"))).at(Step::FetchProfile);
    };
    let first = EnrollmentProfile::parse(first).at(Step::InstallProfile)?;
    let scep = scep_of(&first).at(Step::InstallProfile)?;
    let mut client = settings.client.fresh();
    let style = get_ca_caps(&mut client, scep)
        .await?
        .style(&ScepOptions::default());
    let ca = Arc::new(get_ca_cert(&mut client, scep).await?);

    let mut prepared = Vec::new();
    for (index, (hardware, profile)) in profiles.into_iter().enumerate() {
        let (key, ca) = (keys[index % keys.len()].clone(), ca.clone());
        let prepare = move || prepare(hardware, &profile, &key, style, &ca.encryption);
        let done = tokio::task::spawn_blocking(prepare)
            .await
            .map_err(Problem::transport)
            .and_then(|p| p);
        prepared.push(done.at(Step::SetUp)?);
    }
    let workers = deal(prepared, settings.connections)
        .into_iter()
        .map(|prepared| enrol(target.clone(), prepared, ca.clone(), settings.seconds));
    let measured = phase("enroll", settings, workers).await?;
    Ok(Report {
        scenario: settings.scenario,
        connections: settings.connections,
        measured,
        prepared: vec![fetched],
    })
}

async fn fetch(target: Target, url: String, bind: bool, hardware: Vec<Hardware>, profiles: Fetched) -> Tally {
    let (mut wire, mut tally) = (Kept::new(target), Tally::default());
    for hardware in hardware {
        let query = format!("udid={}&serial={}", hardware.udid, hardware.serial_number);
        let url = if bind {
            with_query(&url, &query)
        } else {
            url.clone()
        };
        let watch = Stopwatch::start();
        let result = match request("GET", &url, &[], &[]) {
            Ok(request) => wire.exchange(&request).await,
            Err(problem) => Err(problem),
        };
        if let Some(profile) = tally.count(watch, result)
            && let Ok(mut profiles) = profiles.lock()
        {
            profiles.push((hardware, profile));
        }
    }
    tally
}

fn prepare(
    hardware: Hardware,
    profile: &[u8],
    key: &PKey<Private>,
    style: crate::pki::scep::Style,
    recipient: &openssl::x509::X509Ref,
) -> Result<Prepared, Problem> {
    let profile = EnrollmentProfile::parse(profile)?;
    let scep = scep_of(&profile)?;
    let mut transaction = Transaction::enrol(key, &certificate_request(scep, style.digest), style)?;
    transaction.id = fleet::transaction_id().map_err(|e| e.problem)?;
    let url = with_query(&scep.url, "operation=PKIOperation");
    let headers = [("Content-Type", "application/x-pki-message")];
    let pki_operation = request("POST", &url, &headers, &transaction.first(recipient)?)?;

    let device = Device::with_hardware(hardware, crate::Client::plain());
    let ids = device.ids(&Channel::Device);
    let topic = &profile.mdm.topic;
    let authenticate = messages::authenticate(&ids, &device.hardware, &device.state.device_name, topic);
    let token_update = messages::token_update(&ids, topic, &random::bytes(32)?, &random::uuid());
    Ok(Prepared {
        transaction,
        pki_operation,
        authenticate: Presigned::new(key, plists::encode(&authenticate)?)?,
        token_update: Presigned::new(key, plists::encode(&token_update)?)?,
        check_in_url: profile.mdm.check_in_url,
    })
}

async fn enrol(
    target: Target,
    prepared: Vec<Prepared>,
    ca: Arc<crate::pki::scep::CaCertificates>,
    limit: Option<std::time::Duration>,
) -> Tally {
    let (mut wire, mut tally) = (Kept::new(target), Tally::default());
    let since = Stopwatch::start();
    for prepared in prepared {
        if limit.is_some_and(|l| since.elapsed() > l) {
            break;
        }
        let watch = Stopwatch::start();
        let result = enrol_one(&mut wire, &prepared, &ca.signing).await;
        tally.count(watch, result);
    }
    tally
}

async fn enrol_one(
    wire: &mut Kept,
    prepared: &Prepared,
    signer: &openssl::x509::X509Ref,
) -> Result<(), Problem> {
    let reply = CertRep::parse(&wire.exchange(&prepared.pki_operation).await?, signer)?;
    let content = reply.content.ok_or_else(|| {
        let fail_info = reply.fail_info.unwrap_or_default();
        Problem::ScepFailure {
            fail_info,
            fail_text: reply.fail_text,
        }
    })?;
    let (content, _) = envelope::open(&content, &prepared.transaction.signer)?;
    let certificates = Signed::parse(&content)?.certificates;
    let certificate = certificates
        .first()
        .ok_or_else(|| Problem::protocol("SUCCESS without a certificate"))?;
    for message in [&prepared.authenticate, &prepared.token_update] {
        let signature = message.header(certificate)?;
        let headers = [
            ("Content-Type", "application/x-apple-aspen-mdm-checkin"),
            ("Mdm-Signature", signature.as_str()),
        ];
        wire.exchange(&request("PUT", &prepared.check_in_url, &headers, &message.body)?)
            .await?;
    }
    Ok(())
}

fn scep_of(profile: &EnrollmentProfile) -> Result<&ScepPayload, Problem> {
    match &profile.identity {
        IdentityPayload::Scep(scep) => Ok(scep),
        IdentityPayload::Pkcs12(_) => Err(Problem::protocol(
            "the profile's identity does not come from SCEP",
        )),
    }
}
