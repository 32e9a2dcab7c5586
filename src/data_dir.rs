//! The data directory: where everything lies, and what `russet init` puts there. Nothing that exists is ever
//! overwritten.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::pki::{
    ca::{DeviceAuthority, SubjectAttribute},
    pem,
    push_request::Vendor,
    seal::Sealer,
};

/// The key that seals secrets at rest; 64 hexadecimal digits.
pub const SEAL_KEY: &str = "secret.key";
/// The device CA's certificate, PEM.
pub const DEVICE_CA: &str = "device-ca.pem";
/// The device CA's private key, sealed.
pub const DEVICE_CA_KEY: &str = "device-ca.key";
/// The CA that devices must trust to reach this server, PEM; only where Russet made the TLS certificate itself.
pub const TLS_CA: &str = "tls-ca.pem";
/// That CA's private key, to renew the TLS certificate with.
pub const TLS_CA_KEY: &str = "tls-ca-key.pem";
/// An admin API key, in development only.
pub const DEV_API_KEY: &str = "dev-api-key";

/// Where Apple's device CAs are.
pub const TRUST: &str = "trust";

const KEY_LENGTH: usize = 32;

const DEVICE_CA_PURPOSE: &str = "device-ca-key";

/// Why the data directory can't be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A file of the set-up is there already.
    #[error("{} exists; nothing was overwritten. Choose another --data, or start the server with the one that is there", .0.display())]
    Exists(PathBuf),
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A secret file that others can read.
    #[error("{} can be read by others; `chmod 600 {}`, and consider what it protected as known", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// A file that does not hold what belongs there.
    #[error("{}: {problem}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// A data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The directory at `root`, whether or not it exists.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// A path of the configuration: relative ones count from here.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    /// Makes the directory, readable by its owner only.
    pub fn create(&self) -> Result<(), DataDirError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(|source| self.failed(".", source))
    }

    /// Writes a new file that others may read.
    pub fn write_public(&self, name: &str, content: impl AsRef<[u8]>) -> Result<(), DataDirError> {
        self.write_new(name, content.as_ref(), 0o644)
    }

    /// Writes a new file that only its owner may read.
    pub fn write_secret(&self, name: &str, content: impl AsRef<[u8]>) -> Result<(), DataDirError> {
        self.write_new(name, content.as_ref(), 0o600)
    }

    fn write_new(&self, name: &str, content: &[u8], mode: u32) -> Result<(), DataDirError> {
        let path = self.path(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(content)?;
                file.sync_all()
            });
        written.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => DataDirError::Exists(path),
            _ => self.failed(name, source),
        })
    }

    /// Makes the key that seals secrets, and the device CA under it.
    pub fn create_keys(
        &self,
        organization: &str,
        now: crate::protocol::time::Timestamp,
    ) -> Result<(), DataDirError> {
        let key = random_key().map_err(|error| self.unusable(SEAL_KEY, &error))?;
        self.write_secret(SEAL_KEY, hex(&key))?;
        let subject = [
            SubjectAttribute::Organization(organization.to_owned()),
            SubjectAttribute::CommonName("Russet Device CA".to_owned()),
        ];
        let ca =
            DeviceAuthority::generate(&subject, now).map_err(|error| self.unusable(DEVICE_CA, &error))?;
        let pkcs8 = ca
            .to_pkcs8()
            .map_err(|error| self.unusable(DEVICE_CA_KEY, &error))?;
        let sealed = Sealer::new(&key).and_then(|sealer| sealer.seal(DEVICE_CA_PURPOSE, &pkcs8));
        self.write_secret(
            DEVICE_CA_KEY,
            sealed.map_err(|error| self.unusable(DEVICE_CA_KEY, &error))?,
        )?;
        self.write_public(DEVICE_CA, pem::encode("CERTIFICATE", ca.certificate()))
    }

    /// What seals and opens secrets.
    pub fn sealer(&self) -> Result<Sealer, DataDirError> {
        let text = self.read_secret(SEAL_KEY)?;
        let key = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| unhex(text.trim()));
        key.and_then(|key| Sealer::new(&key).ok()).ok_or_else(|| {
            self.unusable(
                SEAL_KEY,
                &"it does not hold 64 hexadecimal digits; restore it from a backup",
            )
        })
    }

    /// The CA that issues device identities.
    pub fn device_ca(&self, sealer: &Sealer) -> Result<DeviceAuthority, DataDirError> {
        let certificate = CertificateDer::from_pem_file(self.path(DEVICE_CA)).map_err(|error| {
            self.unusable(DEVICE_CA, &format!("no certificate can be read from it: {error}"))
        })?;
        let sealed = self.read_secret(DEVICE_CA_KEY)?;
        let pkcs8 = sealer.open(DEVICE_CA_PURPOSE, &sealed).map_err(|_| {
            self.unusable(
                DEVICE_CA_KEY,
                &format!("{SEAL_KEY} does not open it; restore the two from one backup"),
            )
        })?;
        DeviceAuthority::load(&pkcs8, &certificate).map_err(|error| self.unusable(DEVICE_CA, &error))
    }

    /// The MDM vendor that signs requests for push certificates.
    pub fn push_vendor(
        &self,
        certificate: &Path,
        key: &Path,
        chain: Option<&Path>,
    ) -> Result<Vendor, DataDirError> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let public = |path: &Path| {
            let path = self.path(path);
            let read = fs::read(&path);
            read.map(text)
                .map_err(|source| DataDirError::File { path, source })
        };
        let key = self.read_secret(key).map(text)?;
        let chain = chain.map(public).transpose()?.unwrap_or_default();
        Vendor::new(&public(certificate)?, &key, &chain).map_err(|error| self.unusable(certificate, &error))
    }

    /// The files that hold Apple's device CAs, by name; none if there is no such folder.
    pub fn trust_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(TRUST)).into_iter().flatten();
        let mut files: Vec<_> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        files
    }

    /// Stores one of Apple's device CAs. `false`: it is there already.
    pub fn store_trust(&self, file: &str, der: &[u8]) -> Result<bool, DataDirError> {
        let folder = self.path(TRUST);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| self.failed(TRUST, source))?;
        match self.write_public(&format!("{TRUST}/{file}"), pem::encode("CERTIFICATE", der)) {
            Ok(()) => Ok(true),
            Err(DataDirError::Exists(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What an operator has put into a secret file: its first line, which may not be empty.
    pub fn secret(&self, path: &Path) -> Result<Vec<u8>, DataDirError> {
        let mut content = self.read_secret(path)?;
        let line = content.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        content.truncate(line.unwrap_or(content.len()));
        if content.is_empty() {
            return Err(self.unusable(path, &"it is empty; put the secret into it, as one line"));
        }
        Ok(content)
    }

    /// Refuses secrets that others can read: all that this directory holds, and the TLS key where it lies here.
    pub fn check_secrets(&self, tls_key: &Path) -> Result<(), DataDirError> {
        // A key elsewhere may be for a group to read, whose members renew it.
        let elsewhere = tls_key.is_absolute() && !tls_key.starts_with(&self.0);
        let own = [SEAL_KEY, DEVICE_CA_KEY, TLS_CA_KEY, DEV_API_KEY].map(Path::new);
        let own = own.into_iter().map(|name| (name, 0o077));
        for (name, forbidden) in own.chain([(tls_key, if elsewhere { 0o007 } else { 0o077 })]) {
            let path = self.path(name);
            // One that is missing is missed by whoever needs it.
            let mode = fs::metadata(&path).map_or(0, |metadata| metadata.mode());
            if mode & forbidden != 0 {
                return Err(DataDirError::Exposed(path));
            }
        }
        Ok(())
    }

    fn read_secret(&self, name: impl AsRef<Path>) -> Result<Vec<u8>, DataDirError> {
        let path = self.path(&name);
        let metadata = fs::metadata(&path).map_err(|source| self.failed(&name, source))?;
        if metadata.mode() & 0o077 != 0 {
            return Err(DataDirError::Exposed(path));
        }
        fs::read(&path).map_err(|source| self.failed(name, source))
    }

    fn failed(&self, name: impl AsRef<Path>, source: io::Error) -> DataDirError {
        DataDirError::File {
            path: self.path(name),
            source,
        }
    }

    fn unusable(&self, name: impl AsRef<Path>, problem: &dyn std::fmt::Display) -> DataDirError {
        DataDirError::Unusable {
            path: self.path(name),
            problem: problem.to_string(),
        }
    }
}

fn random_key() -> Result<[u8; KEY_LENGTH], &'static str> {
    let mut key = [0; KEY_LENGTH];
    rand::fill(&mut key).map_err(|_| "the system has no randomness")?;
    Ok(key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; KEY_LENGTH]> {
    if text.len() != 2 * KEY_LENGTH || !text.is_ascii() {
        return None;
    }
    let mut key = [0; KEY_LENGTH];
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}
