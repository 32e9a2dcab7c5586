//! Keys and enrolled devices, kept in a directory so that the next storm starts at once.

use std::fs;
use std::path::Path;

use openssl::pkey::{PKey, Private};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::Settings;
use crate::device::Saved;
use crate::error::{At, Problem, Result, Step};
use crate::pki::csr::rsa_key;
use crate::{Device, Hardware, Kind, Present, encode, random};

const KEYS: &str = "storm-keys.pem";
const FLEET: &str = "storm-fleet.json";
/// Devices that enrol at the same time.
const ENROLLING: usize = 8;
const KINDS: [Kind; 4] = [Kind::IPhone, Kind::IPad, Kind::Mac, Kind::AppleTV];

#[derive(Deserialize, Serialize)]
struct Fleet {
    /// The profile's URL that the devices were enrolled with.
    url: String,
    devices: Vec<Saved>,
}

/// The pool of keys, from the directory as far as it goes.
pub(super) async fn keys(settings: &Settings) -> Result<Vec<PKey<Private>>> {
    let path = settings.directory.join(KEYS);
    let mut keys = Vec::new();
    for pem in fs::read_to_string(&path)
        .unwrap_or_default()
        .split_inclusive("-----END PRIVATE KEY-----\n")
    {
        keys.push(PKey::private_key_from_pem(pem.as_bytes()).at(Step::SetUp)?);
    }
    let missing = settings.keys.saturating_sub(keys.len());
    let mut made = JoinSet::new();
    for _ in 0..missing {
        made.spawn_blocking(|| rsa_key(2048));
    }
    while let Some(key) = made.join_next().await {
        keys.push(key.map_err(Problem::transport).and_then(|k| k).at(Step::SetUp)?);
    }
    if missing > 0 {
        let mut pem = Vec::new();
        for key in &keys {
            pem.extend(key.private_key_to_pem_pkcs8().at(Step::SetUp)?);
        }
        write(&path, &pem).at(Step::SetUp)?;
    }
    keys.truncate(settings.keys);
    Ok(keys)
}

/// Random hardware, kinds in turn.
pub(super) fn hardware(count: usize) -> Result<Vec<Hardware>> {
    KINDS
        .into_iter()
        .cycle()
        .take(count)
        .map(|kind| Hardware::random(kind).at(Step::SetUp))
        .collect()
}

/// Enrolled devices: those of the directory if the server still knows them, new ones otherwise.
pub(super) async fn enrolled(settings: &Settings) -> Result<Vec<Device>> {
    let path = settings.directory.join(FLEET);
    if let Some(devices) = kept(settings, &path).await {
        return Ok(devices);
    }
    let keys = keys(settings).await?;
    let mut devices = Vec::new();
    let mut enrolling = JoinSet::new();
    for (index, hardware) in hardware(settings.devices)?.into_iter().enumerate() {
        if enrolling.len() == ENROLLING
            && let Some(device) = enrolling.join_next().await
        {
            devices.push(device.map_err(Problem::transport).at(Step::SetUp)??);
        }
        let key = keys[index % keys.len()].clone();
        enrolling.spawn(enrol(settings, hardware, key)?);
    }
    while let Some(device) = enrolling.join_next().await {
        devices.push(device.map_err(Problem::transport).at(Step::SetUp)??);
    }
    let saved = devices.iter().map(Device::save).collect::<Result<Vec<_>>>()?;
    let fleet = Fleet {
        url: settings.url.clone(),
        devices: saved,
    };
    let json = serde_json::to_vec(&fleet)
        .map_err(Problem::protocol)
        .at(Step::SetUp)?;
    write(&path, &json).at(Step::SetUp)?;
    Ok(devices)
}

fn enrol(
    settings: &Settings,
    hardware: Hardware,
    key: PKey<Private>,
) -> Result<impl Future<Output = Result<Device>> + Send + 'static> {
    let mut device = Device::with_hardware(hardware, settings.client.fresh());
    let url = if settings.bind {
        device.bound_url(&settings.url)
    } else {
        settings.url.clone()
    };
    device.use_key(key);
    device.options.present = Present::Signature;
    // Devices share keys, so that the usual transactionID, a hash of the key, would not tell them apart.
    device.options.scep.transaction_id = Some(transaction_id()?);
    Ok(async move { device.enroll(&url).await.map(|_| device) })
}

/// A random transactionID of the usual shape.
pub(super) fn transaction_id() -> Result<String> {
    Ok(encode::hex(&random::bytes(20).at(Step::SetUp)?))
}

async fn kept(settings: &Settings, path: &Path) -> Option<Vec<Device>> {
    let fleet: Fleet = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    if fleet.url != settings.url || fleet.devices.len() < settings.devices {
        return None;
    }
    let mut devices = Vec::new();
    for saved in fleet.devices.into_iter().take(settings.devices) {
        let mut device = Device::restore(saved, settings.client.fresh()).ok()?;
        device.options.present = Present::Signature;
        devices.push(device);
    }
    // A server that was set up anew since doesn't know the devices; asking the first and the last is enough to tell.
    devices.first_mut()?.token_update().await.ok()?;
    devices.last_mut()?.token_update().await.ok()?;
    Some(devices)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let unusable = |e: std::io::Error| Problem::State(format!("{}: {e}", path.display()));
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(unusable)?;
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(unusable)?;
    file.write_all(bytes).map_err(unusable)
}
