//! `russet-sim device …`: devices one step at a time.

use russet_sim::pki::csr::rsa_key;
use russet_sim::{Channel, Client, Device, Error, Step};

use super::Failure;
use super::args::{DeviceVerb, Interrupt, ProfileUrl, Server, State, Which};
use super::output::Output;
use super::store::Store;

/// Runs the verb.
pub(crate) async fn main(verb: DeviceVerb, json: bool) -> Result<(), Failure> {
    let output = Output { json };
    match verb {
        DeviceVerb::Authority { directory } => super::boot::make_authority(&directory, json),
        DeviceVerb::Boot(options) => super::boot::main(*options, json).await,
        DeviceVerb::Create { state, kind, count } => {
            let store = Store::open(&state.directory)?;
            for _ in 0..count {
                let device = Device::new(kind.into(), Client::plain())?;
                store.save(&device)?;
                output.device(&device);
            }
            Ok(())
        }
        DeviceVerb::List { state } => {
            for device in Store::open(&state.directory)?.devices(None, &Client::plain())? {
                output.device(&device);
            }
            Ok(())
        }
        DeviceVerb::Enroll {
            state,
            which,
            server,
            profile,
            interrupt,
        } => enroll(output, &state, &which, &server, (&profile, &interrupt)).await,
        DeviceVerb::Connect { state, which, server } => connect(output, &state, &which, &server).await,
    }
}

async fn enroll(
    output: Output,
    state: &State,
    which: &Which,
    server: &Server,
    (profile, interrupt): (&ProfileUrl, &Interrupt),
) -> Result<(), Failure> {
    let store = Store::open(&state.directory)?;
    let mut tally = Tally::default();
    for mut device in store.devices(Some(which), &server.client()?)? {
        device.options.present = server.present();
        device.options.interruption = interrupt.wanted();
        let result = enroll_one(output, &mut device, profile).await;
        store.save(&device)?;
        tally.count(output, &device, result);
    }
    tally.result()
}

/// Enrols one device and says so.
pub(crate) async fn enroll_one(
    output: Output,
    device: &mut Device,
    profile: &ProfileUrl,
) -> Result<(), Error> {
    // Made beforehand, so that the time printed is the server's and the network's.
    device.use_key(rsa_key(2048).map_err(|problem| Error {
        step: Step::SetUp,
        problem,
    })?);
    let url = if profile.bind {
        device.bound_url(&profile.url)
    } else {
        profile.url.clone()
    };
    let enrolled = device.enroll(&url).await?;
    output.enrolled(device, &enrolled);
    Ok(())
}

async fn connect(output: Output, state: &State, which: &Which, server: &Server) -> Result<(), Failure> {
    let store = Store::open(&state.directory)?;
    let mut tally = Tally::default();
    for mut device in store.devices(Some(which), &server.client()?)? {
        device.options.present = server.present();
        let result = connect_one(output, &mut device).await;
        store.save(&device)?;
        tally.count(output, &device, result);
    }
    tally.result()
}

/// Connects every channel of one device and says what it handled.
pub(crate) async fn connect_one(output: Output, device: &mut Device) -> Result<(), Error> {
    let users = device.pushes().map(|(channel, _)| channel);
    let users = users.filter(|channel| *channel != Channel::Device);
    let channels: Vec<_> = std::iter::once(Channel::Device).chain(users).collect();
    for channel in channels {
        connect_channel(output, device, &channel).await?;
        if !device.is_enrolled() {
            break;
        }
    }
    Ok(())
}

/// Connects one channel of one device and says what it handled.
pub(crate) async fn connect_channel(
    output: Output,
    device: &mut Device,
    channel: &Channel,
) -> Result<(), Error> {
    let result = device.connect_on(channel).await;
    for handled in device.handled() {
        output.handled(device, channel, handled);
    }
    if device
        .handled()
        .iter()
        .any(|h| h.request_type == "DeclarativeManagement")
        && let Some(outcome) = device.synchronised()
    {
        output.synchronised(device, outcome);
    }
    result.map(drop)
}

/// Counts devices and failures.
#[derive(Default)]
pub(crate) struct Tally {
    devices: usize,
    failures: usize,
}

impl Tally {
    pub(crate) fn count(&mut self, output: Output, device: &Device, result: Result<(), Error>) {
        self.devices += 1;
        if let Err(error) = result {
            self.failures += 1;
            output.failed(device, &error);
        }
    }

    /// Counts a device that a server has not let in, which has been said.
    pub(crate) fn refused(&mut self) {
        self.devices += 1;
        self.failures += 1;
    }

    /// How many devices were counted.
    pub(crate) fn devices(&self) -> usize {
        self.devices
    }

    pub(crate) fn result(self) -> Result<(), Failure> {
        if self.failures == 0 {
            Ok(())
        } else {
            Err(Failure::Devices(self.failures, self.devices))
        }
    }
}
