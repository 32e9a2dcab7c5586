//! `russet-sim run`: a mixed set of devices that live as long as the command.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russet_sim::apns::{Courier, Wake};
use russet_sim::{Client, Device, Kind};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Failure;
use super::args::Run;
use super::boot::Factory;
use super::devices::{Tally, connect_channel, connect_one, enroll_one};
use super::output::Output;

const KINDS: [Kind; 4] = [Kind::IPhone, Kind::IPad, Kind::Mac, Kind::AppleTV];
/// Between two connections of a device that nobody wakes, unless told otherwise.
const INTERVAL: Duration = Duration::from_secs(5);

type SharedDevice = Arc<tokio::sync::Mutex<Device>>;

/// Enrols the devices, then connects them until standard input closes or Ctrl-C.
pub(crate) async fn main(options: Run, json: bool) -> Result<(), Failure> {
    let output = Output { json };
    let client = options.server.client()?;
    let mut tally = Tally::default();
    let mut devices = Vec::new();
    let factory = options
        .boot
        .then(|| Factory::open(&options.booting))
        .transpose()?;
    for mut device in new_devices(&options, factory.as_ref(), &client).await? {
        device.options.present = options.server.present();
        let result = match &factory {
            Some(factory) => factory.boot(output, &mut device).await.map(drop),
            None => enroll_one(output, &mut device, &options.profile).await,
        };
        let enrolled = device.is_enrolled();
        tally.count(output, &device, result);
        if enrolled {
            devices.push(Arc::new(tokio::sync::Mutex::new(device)));
        }
    }
    if !options.once && !devices.is_empty() {
        keep_connecting(&options, output, devices).await;
    }
    tally.result()
}

/// Devices that were never on.
async fn new_devices(
    options: &Run,
    factory: Option<&Factory>,
    client: &Client,
) -> Result<Vec<Device>, Failure> {
    if let Some(factory) = factory {
        return factory.devices(options.count, client).await;
    }
    let kinds = KINDS.into_iter().cycle().take(options.count as usize);
    let devices = kinds.map(|kind| Device::new(kind, client.fresh()));
    Ok(devices.collect::<Result<_, _>>()?)
}

async fn keep_connecting(options: &Run, output: Output, devices: Vec<SharedDevice>) {
    let wakes = options
        .apns_wake
        .map(|address| Wakes::new(Courier::connect(address), output));
    let interval = options.interval.or(wakes.is_none().then_some(INTERVAL));
    tokio::select! {
        () = ended() => {}
        () = connect_at_intervals(interval, output, &devices) => {}
        () = connect_when_woken(wakes, &devices) => {}
    }
}

/// Until standard input closes, or Ctrl-C.
async fn ended() {
    tokio::select! {
        _ = standard_input_closed() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn connect_at_intervals(interval: Option<Duration>, output: Output, devices: &[SharedDevice]) {
    let Some(interval) = interval else {
        return std::future::pending().await;
    };
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(10)));
    loop {
        ticks.tick().await;
        for device in devices {
            let mut device = device.lock().await;
            if device.is_enrolled()
                && let Err(error) = connect_one(output, &mut device).await
            {
                output.failed(&device, &error);
            }
        }
    }
}

async fn connect_when_woken(wakes: Option<Arc<Wakes>>, devices: &[SharedDevice]) {
    let Some(wakes) = wakes else {
        return std::future::pending().await;
    };
    for device in devices {
        wakes.listen(&*device.lock().await, device);
    }
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            wake = wakes.courier.next() => drop(conversations.spawn(wakes.clone().converse(wake))),
            Some(_) = conversations.join_next(), if !conversations.is_empty() => {}
        }
    }
}

/// One line for all devices, and whose each token is.
struct Wakes {
    courier: Courier,
    owners: Mutex<HashMap<Vec<u8>, SharedDevice>>,
    output: Output,
}

impl Wakes {
    fn new(courier: Courier, output: Output) -> Arc<Self> {
        Arc::new(Self {
            courier,
            owners: Mutex::default(),
            output,
        })
    }

    fn listen(&self, device: &Device, shared: &SharedDevice) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, push) in device.pushes() {
            owners.insert(push.token.clone(), shared.clone());
        }
        drop(owners);
        device.listen(&self.courier);
    }

    fn owner(&self, token: &[u8]) -> Option<SharedDevice> {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.get(token).cloned()
    }

    async fn converse(self: Arc<Self>, wake: Wake) {
        let Some(shared) = self.owner(&wake.token) else {
            return;
        };
        let mut device = shared.lock().await;
        let wrong = device.state.wrong_magics;
        let Some(channel) = device.woken_by(&wake) else {
            if device.state.wrong_magics > wrong {
                self.output.wrong_magic(&device);
            }
            return;
        };
        if let Err(error) = connect_channel(self.output, &mut device, &channel).await {
            self.output.failed(&device, &error);
        }
        // The conversation may have brought new tokens.
        self.listen(&device, &shared);
    }
}

fn standard_input_closed() -> oneshot::Receiver<()> {
    let (closed, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    receiver
}
