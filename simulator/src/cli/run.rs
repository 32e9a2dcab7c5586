//! `russet-sim run`: a mixed set of devices that live as long as the command.

use russet_sim::{Device, Kind};
use tokio::sync::oneshot;

use super::Failure;
use super::args::Run;
use super::devices::{Tally, connect_one, enroll_one};
use super::output::Output;

const KINDS: [Kind; 4] = [Kind::IPhone, Kind::IPad, Kind::Mac, Kind::AppleTV];

/// Enrols the devices, then connects them until standard input closes or Ctrl-C.
pub(crate) async fn main(options: Run, json: bool) -> Result<(), Failure> {
    let output = Output { json };
    let client = options.server.client()?;
    let mut tally = Tally::default();
    let mut devices = Vec::new();
    for kind in KINDS.into_iter().cycle().take(options.count as usize) {
        let mut device = Device::new(kind, client.fresh())?;
        device.options.present = options.server.present();
        let result = enroll_one(output, &mut device, &options.profile).await;
        let enrolled = result.is_ok();
        tally.count(output, &device, result);
        if enrolled {
            devices.push(device);
        }
    }
    if !options.once && !devices.is_empty() {
        keep_connecting(&options, output, devices).await;
    }
    tally.result()
}

async fn keep_connecting(options: &Run, output: Output, mut devices: Vec<Device>) {
    let mut closed = standard_input_closed();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut ticks = tokio::time::interval(options.interval.max(std::time::Duration::from_millis(10)));
    loop {
        tokio::select! {
            _ = &mut closed => return,
            _ = &mut interrupted => return,
            _ = ticks.tick() => {}
        }
        for device in devices.iter_mut().filter(|d| d.is_enrolled()) {
            if let Err(error) = connect_one(output, device).await {
                output.failed(device, &error);
            }
        }
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
