//! The state directory: one JSON file per device, named by serial number.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use std::io::Write;

use russet_sim::device::Saved;
use russet_sim::{Client, Device};

use super::Failure;
use super::args::Which;

/// Devices kept in files.
pub(crate) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens a directory, which may be new.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(directory).map_err(|e| unusable(directory, e))?;
        Ok(Self {
            directory: directory.into(),
        })
    }

    /// Writes a device; only the owner can read the file, for it holds private keys.
    pub(crate) fn save(&self, device: &Device) -> Result<(), Failure> {
        let saved = serde_json::to_vec_pretty(&device.save()?);
        let path = self
            .directory
            .join(format!("{}.json", device.hardware.serial_number));
        let temporary = path.with_extension("new");
        let write = || {
            let mut options = fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(&saved?)?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|e| unusable(&path, e))
    }

    /// The devices that were asked for, by serial number.
    pub(crate) fn devices(&self, which: Option<&Which>, client: &Client) -> Result<Vec<Device>, Failure> {
        let mut devices = Vec::new();
        for saved in self.saved()? {
            let named = |id: &String| {
                id.eq_ignore_ascii_case(&saved.hardware.serial_number)
                    || id.eq_ignore_ascii_case(&saved.hardware.udid)
            };
            if which.is_none_or(|w| w.all || w.ids.iter().any(named)) {
                devices.push(Device::restore(saved, client.fresh())?);
            }
        }
        match which {
            Some(which) if devices.is_empty() || devices.len() < which.ids.len() => Err(Failure::Nothing(
                "there is no such device\nnext: see `russet-sim device list`, or make one with `russet-sim device create`".into(),
            )),
            _ => Ok(devices),
        }
    }

    fn saved(&self) -> Result<Vec<Saved>, Failure> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(|e| unusable(&self.directory, e))? {
            paths.push(entry.map_err(|e| unusable(&self.directory, e))?.path());
        }
        paths.retain(|p| p.extension().is_some_and(|e| e == "json"));
        paths.sort();
        let mut saved = Vec::new();
        for path in paths {
            let bytes = fs::read(&path).map_err(|e| unusable(&path, e))?;
            saved.push(serde_json::from_slice(&bytes).map_err(|e| unusable(&path, e))?);
        }
        Ok(saved)
    }
}

fn unusable(path: &Path, cause: impl std::fmt::Display) -> Failure {
    let (path, cause) = (path.display().to_string(), cause.to_string());
    Failure::File {
        path,
        cause,
        next: "choose a directory for this user's simulated devices with --state",
    }
}
