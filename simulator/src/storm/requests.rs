//! The `idle`, `roundtrip` and `tls-connect` scenarios: requests of devices that are enrolled already.

use std::time::Duration;

use super::measure::{Report, Tally, deal, phase};
use super::wire::{Kept, Target, Wire, request};
use super::{Scenario, Settings, fleet};
use crate::clock::Stopwatch;
use crate::encode::{base64, url_escape};
use crate::error::{At, Problem, Result, Step};
use crate::plists::{Value, dictionary, encode};
use crate::{Channel, Device, messages, random};

/// A device's requests in bytes.
struct Ready {
    idle: Vec<u8>,
    target: Target,
    /// UUID, queueing request and result of each command that is its to answer.
    commands: Vec<Command>,
    next: usize,
}

struct Command {
    uuid: String,
    enqueue: Vec<u8>,
    result: Vec<u8>,
}

pub(super) async fn run(settings: &Settings) -> Result<Report> {
    let mut devices = fleet::enrolled(settings).await?;
    if settings.scenario == Scenario::Roundtrip {
        // What an earlier storm left in the queues would come before the commands of this one.
        for device in &mut devices {
            device.connect().await?;
        }
    }
    let rounds = settings.count.div_ceil(devices.len());
    let mut ready = Vec::new();
    for device in &devices {
        ready.push(prepare(settings, device, rounds).await.at(Step::SetUp)?);
    }
    let mut prepared = Vec::new();
    if settings.scenario == Scenario::Roundtrip {
        let operator = Target::of(settings, &settings.operator)
            .await
            .at(Step::Operator)?;
        // One worker queues all commands of a device, for their order is the order of the answers.
        let of_device = |r: &Ready| r.commands.iter().map(|c| c.enqueue.clone()).collect::<Vec<_>>();
        let workers = deal(ready.iter().map(of_device).collect(), settings.connections)
            .into_iter()
            .map(|devices| enqueue(operator.clone(), devices.concat()));
        let queued = phase("enqueue", settings, workers).await?;
        if let Some(cause) = queued.first_error {
            return Err(Problem::State(format!(
                "not every command could be queued: {cause}"
            )))
            .at(Step::Operator);
        }
        prepared.push(queued);
    }
    let share = settings
        .count
        .div_ceil(settings.connections.clamp(1, ready.len()));
    let (scenario, limit) = (settings.scenario, settings.seconds);
    let workers = deal(ready, settings.connections)
        .into_iter()
        .map(|mine| work(scenario, mine, share, limit));
    let name = match scenario {
        Scenario::Roundtrip => "roundtrip",
        Scenario::TlsConnect => "tls-connect",
        Scenario::Idle | Scenario::Enroll => "idle",
    };
    let measured = phase(name, settings, workers).await?;
    Ok(Report {
        scenario,
        connections: settings.connections,
        measured,
        prepared,
    })
}

async fn prepare(settings: &Settings, device: &Device, rounds: usize) -> Result<Ready, Problem> {
    let not_enrolled = || Problem::State("a device of the fleet is not enrolled".into());
    let identity = device.identity().ok_or_else(not_enrolled)?;
    let url = &device.enrollment().ok_or_else(not_enrolled)?.mdm.server_url;
    let target = Target::of(settings, settings.server.as_deref().unwrap_or(&settings.url)).await?;
    let by_tls = settings.scenario == Scenario::TlsConnect;
    let put = |message: &plist::Dictionary| {
        let body = encode(message)?;
        let content_type = ("Content-Type", "application/x-apple-aspen-mdm; charset=UTF-8");
        if by_tls {
            return request("PUT", url, &[content_type], &body);
        }
        request(
            "PUT",
            url,
            &[content_type, ("Mdm-Signature", &identity.mdm_signature(&body)?)],
            &body,
        )
    };
    let ids = device.ids(&Channel::Device);
    let mut commands = Vec::new();
    if settings.scenario == Scenario::Roundtrip {
        for _ in 0..rounds {
            let uuid = random::uuid();
            let mut result = messages::result(&ids, &uuid, "Acknowledged");
            if settings.payload == 0 {
                result.insert("QueryResponses".into(), device.information().into());
            }
            commands.push(Command {
                enqueue: enqueue_request(settings, device, &uuid)?,
                result: put(&result)?,
                uuid,
            });
        }
    }
    let target = if by_tls {
        target.with(settings, identity)?
    } else {
        target
    };
    Ok(Ready {
        idle: put(&messages::idle(&ids))?,
        target,
        commands,
        next: 0,
    })
}

fn enqueue_request(settings: &Settings, device: &Device, uuid: &str) -> Result<Vec<u8>, Problem> {
    let command = if settings.payload == 0 {
        let queries = device.information().keys().map(|k| k.as_str().into()).collect();
        dictionary([
            ("RequestType", "DeviceInformation".into()),
            ("Queries", Value::Array(queries)),
        ])
    } else {
        let payload = Value::Data(random::bytes(settings.payload)?);
        dictionary([("RequestType", "InstallProfile".into()), ("Payload", payload)])
    };
    let body = encode(&dictionary([
        ("Command", command.into()),
        ("CommandUUID", uuid.into()),
    ]))?;
    let id = url_escape(&device.enrollment_id(&Channel::Device));
    let url = format!(
        "{}/v1/enqueue/{id}?nopush=1",
        settings.operator.trim_end_matches('/')
    );
    let authorization = format!(
        "Basic {}",
        base64(format!("storm:{}", settings.operator_key).as_bytes())
    );
    request(
        "PUT",
        &url,
        &[
            ("Authorization", &authorization),
            ("Content-Type", "application/xml"),
        ],
        &body,
    )
}

async fn enqueue(operator: Target, requests: Vec<Vec<u8>>) -> Tally {
    let (mut wire, mut tally) = (Kept::new(operator), Tally::default());
    for request in requests {
        let watch = Stopwatch::start();
        let result = wire.exchange(&request).await;
        tally.count(watch, result);
    }
    tally
}

/// One connection's work: its devices in turn, so many operations (for `roundtrip` all that is queued) or until the time
/// is over.
async fn work(scenario: Scenario, mut mine: Vec<Ready>, share: usize, limit: Option<Duration>) -> Tally {
    let mut tally = Tally::default();
    let Some(first) = mine.first() else { return tally };
    let mut wire = Kept::new(first.target.clone());
    let since = Stopwatch::start();
    let devices = mine.len();
    let queued = mine.iter().map(|r| r.commands.len()).sum();
    for operation in 0..if scenario == Scenario::Roundtrip {
        queued
    } else {
        share
    } {
        if limit.is_some_and(|l| since.elapsed() > l) {
            break;
        }
        let device = &mut mine[operation % devices];
        let watch = Stopwatch::start();
        let result = match scenario {
            Scenario::Roundtrip => roundtrip(&mut wire, device, &mut tally).await,
            Scenario::TlsConnect => connect(device).await,
            Scenario::Idle | Scenario::Enroll => wire.exchange(&device.idle).await.map(drop),
        };
        tally.count(watch, result);
    }
    tally
}

async fn connect(device: &Ready) -> Result<(), Problem> {
    Wire::open(&device.target)
        .await?
        .exchange(&device.idle)
        .await
        .map(drop)
}

async fn roundtrip(wire: &mut Kept, device: &mut Ready, tally: &mut Tally) -> Result<(), Problem> {
    let command = device
        .commands
        .get(device.next)
        .ok_or_else(|| Problem::State("no command is left".into()))?;
    device.next += 1;
    let watch = Stopwatch::start();
    let delivered = wire.exchange(&device.idle).await?;
    tally.request(watch);
    if !delivered
        .windows(command.uuid.len())
        .any(|w| w == command.uuid.as_bytes())
    {
        return Err(Problem::protocol("another command than the one queued first"));
    }
    let watch = Stopwatch::start();
    wire.exchange(&command.result).await?;
    tally.request(watch);
    Ok(())
}
