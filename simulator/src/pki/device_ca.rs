//! The factory's authority: what Apple builds into each device to sign MachineInfo, by a simulated *Device CA*.
//!
//! Apple's own signs with an authority that expired in 2014, and its devices use it all the same; so does this one unless
//! it is told not to.

use std::path::Path;

use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use openssl::x509::extension::KeyUsage;

use super::cms::{SignedData, signing_time};
use super::csr::{Digest, rsa_key};
use super::identity::Identity;
use super::issuing::{self, DAY, as_authority, builder, name, p256_key, seconds_now};
use crate::clock;
use crate::error::Problem;
use crate::hardware::{Hardware, Kind};

/// The file with the certificate that servers must trust, in the data directory.
pub const DEVICE_CA_FILE: &str = "device-ca.pem";
const KEY_FILE: &str = "device-ca.key";
const ROOT_FILES: (&str, &str) = ("device-root.pem", "device-root.key");
/// 2007-04-16 and 2014-04-16, the life of Apple's.
const APPLES: (i64, i64) = (1_176_748_800, 1_397_673_600);

/// A device CA below a root, with the keys of the devices.
pub struct DeviceCa {
    root: Identity,
    issuing: Identity,
    /// One for all devices, for keys are slow to make; certificates differ.
    rsa: PKey<Private>,
    elliptic: PKey<Private>,
}

impl std::fmt::Debug for DeviceCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceCa").finish_non_exhaustive()
    }
}

/// How MachineInfo is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signing {
    /// Key and digest.
    pub style: Style,
    /// Whether the device CA's certificate comes along.
    pub intermediate: bool,
    /// Whether the content is changed after it was signed.
    pub tampered: bool,
    /// Whether the device signs with a certificate of its own making.
    pub self_signed: bool,
}

/// Key and digest of a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// RSA over the SHA-1 of the content, without signed attributes, as most devices do it.
    Sha1,
    /// RSA over signed attributes with SHA-256.
    Sha256,
    /// ECDSA over signed attributes with SHA-256.
    Ecdsa,
}

impl Signing {
    /// As devices of this kind were seen to do it: Macs leave out the intermediate.
    pub fn of(kind: Kind) -> Self {
        Self {
            style: Style::Sha1,
            intermediate: kind != Kind::Mac,
            tampered: false,
            self_signed: false,
        }
    }
}

impl DeviceCa {
    /// A new authority, long expired as Apple's is.
    pub fn new() -> Result<Self, Problem> {
        Self::with_life(APPLES.0, APPLES.1)
    }

    /// A new authority that is valid now.
    pub fn unexpired() -> Result<Self, Problem> {
        let now = seconds_now();
        Self::with_life(now - DAY, now + 3650 * DAY)
    }

    fn with_life(from: i64, to: i64) -> Result<Self, Problem> {
        let root = root()?;
        let issuing = issuing(&root, from, to)?;
        Self::of(root, issuing)
    }

    /// The authority kept in `directory`, made if there is none. Servers may trust its `device-ca.pem` for good.
    pub fn kept_in(directory: &Path) -> Result<Self, Problem> {
        let root = issuing::kept_in(directory, ROOT_FILES, root)?;
        let make = || issuing(&root, APPLES.0, APPLES.1);
        let issuing = issuing::kept_in(directory, (DEVICE_CA_FILE, KEY_FILE), make)?;
        Self::of(root, issuing)
    }

    fn of(root: Identity, issuing: Identity) -> Result<Self, Problem> {
        Ok(Self {
            root,
            issuing,
            rsa: rsa_key(2048)?,
            elliptic: p256_key()?,
        })
    }

    /// The device CA's certificate, PEM: what a server must trust.
    pub fn pem(&self) -> Result<Vec<u8>, Problem> {
        Ok(self.issuing.certificate.to_pem()?)
    }

    /// The root's certificate, PEM.
    pub fn root_pem(&self) -> Result<Vec<u8>, Problem> {
        Ok(self.root.certificate.to_pem()?)
    }

    /// The identity that is built into a device.
    pub fn identity(&self, hardware: &Hardware, style: Style) -> Result<Identity, Problem> {
        let key = self.key(style);
        let subject = name(&[
            ("CN", &hardware.udid),
            ("OU", "iPhone"),
            ("O", "Simulated Devices"),
            ("C", "US"),
        ])?;
        let issuer = self.issuing.certificate.subject_name().to_owned()?;
        let now = seconds_now();
        let mut builder = builder(&subject, &issuer, key, now - 2 * DAY, now + 1095 * DAY)?;
        builder.append_extension(
            KeyUsage::new()
                .critical()
                .digital_signature()
                .key_encipherment()
                .build()?,
        )?;
        builder.sign(&self.issuing.key, MessageDigest::sha256())?;
        Ok(Identity {
            key: key.clone(),
            certificate: builder.build(),
        })
    }

    /// CMS SignedData with this content inside, signed by the device as told.
    pub fn sign(&self, hardware: &Hardware, content: &[u8], signing: Signing) -> Result<Vec<u8>, Problem> {
        let signer = if signing.self_signed {
            Identity::self_signed_as(self.key(signing.style), &hardware.udid, 365)?
        } else {
            self.identity(hardware, signing.style)?
        };
        let chain: Vec<X509> = match signing.intermediate && !signing.self_signed {
            true => vec![self.issuing.certificate.clone()],
            false => Vec::new(),
        };
        let direct = signing.style == Style::Sha1;
        let mut signed = SignedData {
            content: Some(content),
            attached: true,
            signer: &signer,
            digest: if direct { Digest::Sha1 } else { Digest::Sha256 },
            attributes: vec![signing_time(clock::now())?],
            encoding: Default::default(),
        }
        .build_with(&chain, direct)?;
        if signing.tampered {
            tamper(&mut signed, hardware);
        }
        Ok(signed)
    }

    fn key(&self, style: Style) -> &PKey<Private> {
        match style {
            Style::Ecdsa => &self.elliptic,
            Style::Sha1 | Style::Sha256 => &self.rsa,
        }
    }
}

/// Changes the serial number where the content has it.
fn tamper(signed: &mut [u8], hardware: &Hardware) {
    let serial = hardware.serial_number.as_bytes();
    let found = signed
        .windows(serial.len().max(1))
        .position(|bytes| bytes == serial);
    if let Some(last) = found.and_then(|at| signed.get_mut(at + serial.len() - 1)) {
        *last = if *last == b'0' { b'1' } else { b'0' };
    }
}

fn root() -> Result<Identity, Problem> {
    let key = rsa_key(2048)?;
    let name = name(&[
        ("CN", "Simulated Root CA"),
        ("O", "Simulated Devices"),
        ("C", "US"),
    ])?;
    let now = seconds_now();
    let mut builder = builder(&name, &name, &key, APPLES.0 - 365 * DAY, now + 3650 * DAY)?;
    as_authority(&mut builder)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok(Identity {
        key,
        certificate: builder.build(),
    })
}

fn issuing(root: &Identity, from: i64, to: i64) -> Result<Identity, Problem> {
    let key = rsa_key(2048)?;
    let subject = name(&[
        ("CN", "Simulated iPhone Device CA"),
        ("O", "Simulated Devices"),
        ("C", "US"),
    ])?;
    let issuer = root.certificate.subject_name().to_owned()?;
    let mut builder = builder(&subject, &issuer, &key, from, to)?;
    as_authority(&mut builder)?;
    builder.sign(&root.key, MessageDigest::sha256())?;
    Ok(Identity {
        key,
        certificate: builder.build(),
    })
}

#[cfg(test)]
mod tests {
    use openssl::cms::{CMSOptions, CmsContentInfo};

    use super::*;
    use crate::pki::cms::Signed;

    fn signed(style: Style, change: impl Fn(&mut Signing)) -> (DeviceCa, Vec<u8>) {
        let factory = DeviceCa::new().unwrap();
        let hardware = Hardware::random(Kind::IPhone).unwrap();
        let content = format!("<string>{}</string>", hardware.serial_number);
        let mut signing = Signing {
            style,
            ..Signing::of(Kind::IPhone)
        };
        change(&mut signing);
        let signed = factory.sign(&hardware, content.as_bytes(), signing).unwrap();
        (factory, signed)
    }

    #[test]
    fn every_style_is_verified_here_and_by_openssl() {
        for style in [Style::Sha1, Style::Sha256, Style::Ecdsa] {
            let (factory, message) = signed(style, |_| {});
            let signed = Signed::parse(&message).unwrap();
            let signer = signed.signer_certificate().unwrap();
            signed.verify(signer, None).unwrap();
            assert!(signer.verify(&factory.issuing.key).unwrap());
            assert_eq!(signed.certificates.len(), 2);
            let mut cms = CmsContentInfo::from_der(&message).unwrap();
            let flags = CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::BINARY;
            cms.verify(None, None, None, None, flags).unwrap();
        }
    }

    #[test]
    fn the_authority_is_long_expired_unless_told_otherwise() {
        let now = openssl::asn1::Asn1Time::days_from_now(0).unwrap();
        let expired = DeviceCa::new().unwrap();
        assert!(expired.issuing.certificate.not_after() < &*now);
        let valid = DeviceCa::unexpired().unwrap();
        assert!(valid.issuing.certificate.not_after() > &*now);
    }

    #[test]
    fn tampered_and_self_signed_messages_are_what_they_say() {
        for style in [Style::Sha1, Style::Sha256, Style::Ecdsa] {
            let (_, message) = signed(style, |signing| signing.tampered = true);
            let read = Signed::parse(&message).unwrap();
            assert!(read.verify(read.signer_certificate().unwrap(), None).is_err());
            let (factory, message) = signed(style, |signing| signing.self_signed = true);
            let read = Signed::parse(&message).unwrap();
            let signer = read.signer_certificate().unwrap();
            read.verify(signer, None).unwrap();
            assert!(!signer.verify(&factory.issuing.key).unwrap_or(false));
        }
    }
}
