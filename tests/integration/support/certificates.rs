//! Certificates that the server did not issue, or would not: foreign, expired, for another purpose.

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    pkey::PKey,
    x509::{X509, X509Builder, X509NameBuilder, extension::ExtendedKeyUsage},
};
use russet::data_dir::{DEVICE_CA, DEVICE_CA_KEY, DataDir};
use russet_sim::pki::identity::Identity;

use super::shared_key;

/// A certificate to be made.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// From when on, in days from today.
    pub from_day: i64,
    /// Until when, in days from today.
    pub to_day: i64,
    /// For clients, or for servers.
    pub for_clients: bool,
}

impl Leaf {
    /// What a device's identity looks like.
    pub const SOUND: Self = Self {
        from_day: -1,
        to_day: 30,
        for_clients: true,
    };

    /// Signs it.
    pub fn issued_by(self, authority: &Identity) -> Identity {
        let key = shared_key();
        let day = |days: i64| {
            let now = russet::clock::Clock::system().now().seconds();
            Asn1Time::from_unix(now + days * 86_400).unwrap()
        };
        let mut builder = builder("device");
        builder
            .set_issuer_name(authority.certificate.subject_name())
            .unwrap();
        builder.set_not_before(&day(self.from_day)).unwrap();
        builder.set_not_after(&day(self.to_day)).unwrap();
        builder.set_pubkey(&key).unwrap();
        let mut usage = ExtendedKeyUsage::new();
        let usage = if self.for_clients {
            usage.client_auth()
        } else {
            usage.server_auth()
        };
        builder.append_extension(usage.build().unwrap()).unwrap();
        builder.sign(&authority.key, MessageDigest::sha256()).unwrap();
        Identity {
            key,
            certificate: builder.build(),
        }
    }
}

/// The server's device CA, with its key.
pub fn device_ca(data: &DataDir) -> Identity {
    let certificate = std::fs::read(data.path(DEVICE_CA)).unwrap();
    let sealed = std::fs::read(data.path(DEVICE_CA_KEY)).unwrap();
    let key = data.sealer().unwrap().open("device-ca-key", &sealed).unwrap();
    Identity {
        key: PKey::private_key_from_der(&key).unwrap(),
        certificate: X509::from_pem(&certificate).unwrap(),
    }
}

/// A CA that has the same name as the server's, and another key.
pub fn namesake_of(authority: &Identity) -> Identity {
    let key = shared_key();
    let mut builder = builder("namesake");
    let name = authority.certificate.subject_name();
    builder.set_subject_name(name).unwrap();
    builder.set_issuer_name(name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(30).unwrap())
        .unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Identity {
        key,
        certificate: builder.build(),
    }
}

fn builder(common_name: &str) -> X509Builder {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", common_name).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name.build()).unwrap();
    let serial = BigNum::from_u32(4711).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder
}
