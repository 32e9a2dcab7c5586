//! Client identities: a certificate is traced to its authority once, and judged by the clock each time.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use super::{
    asn1::Asn1Error,
    ca::fingerprint,
    certificate::{self, Certificate},
    keys::{KeyError, PublicKey},
    oid,
};
use crate::protocol::{ids::Fingerprint, time::Timestamp};

/// Why a client certificate can't even be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The encoding is broken.
    #[error("the certificate is malformed: {0}")]
    Malformed(#[from] Asn1Error),
    /// The key is of a type that is not spoken here.
    #[error("the certificate's key is not supported: {0}")]
    Key(#[from] KeyError),
}

/// What a client certificate is worth at a given moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Issued by a trust anchor, but its validity has ended.
    Expired,
    /// Not issued by a trust anchor.
    Foreign,
    /// Issued by a trust anchor, but its validity has not begun.
    NotYetValid,
    /// Issued by a trust anchor, for clients, and valid.
    Trusted,
    /// Issued by a trust anchor, but itself a CA's or not for clientAuth.
    WrongUsage,
}

/// What does not change with time: who issued a certificate, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Anchor,
    Foreign,
    WrongUsage,
}

/// A client's certificate, parsed and traced to its authority.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// The first moment of validity.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
    /// The certified key.
    pub public_key: PublicKey,
    subject: Box<[u8]>,
    serial: Box<[u8]>,
    origin: Origin,
}

impl ClientCertificate {
    /// The subject in text form.
    pub fn subject(&self) -> String {
        certificate::name_text(&self.subject)
    }

    /// The serial number in lower-case hexadecimal, without leading zero octets.
    pub fn serial(&self) -> String {
        certificate::serial_hex(&self.serial)
    }

    /// What the certificate is worth at `now`. A foreign or misused one is that at any time.
    pub fn standing(&self, now: Timestamp) -> Standing {
        match self.origin {
            Origin::Foreign => Standing::Foreign,
            Origin::WrongUsage => Standing::WrongUsage,
            Origin::Anchor if now < self.not_before => Standing::NotYetValid,
            Origin::Anchor if now > self.not_after => Standing::Expired,
            Origin::Anchor => Standing::Trusted,
        }
    }
}

/// The authorities whose certificates clients may bear. Their own validity is not looked at: an anchor is trusted
/// because the operator says so.
#[derive(Clone, Debug, Default)]
pub struct TrustAnchors(Vec<Anchor>);

#[derive(Clone, Debug)]
struct Anchor {
    subject: Vec<u8>,
    key_id: Option<Vec<u8>>,
    key: PublicKey,
}

impl TrustAnchors {
    /// Anchors from their certificates, as DER.
    pub fn new<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, IdentityError> {
        let anchor = |der| {
            let certificate = Certificate::parse(der)?;
            Ok(Anchor {
                subject: certificate.subject.to_vec(),
                key_id: certificate.subject_key_id()?.map(<[u8]>::to_vec),
                key: certificate.public_key()?,
            })
        };
        certificates
            .into_iter()
            .map(anchor)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Parses a client's certificate and traces it: names, key identifiers, and the issuer's signature. Costs one
    /// signature verification at most, if a name matches.
    pub fn judge(&self, der: &[u8]) -> Result<ClientCertificate, IdentityError> {
        let certificate = Certificate::parse(der)?;
        let issued = self.issued(&certificate)?;
        client(&certificate, fingerprint(der), issued)
    }

    /// Whether an anchor issued the certificate.
    fn issued(&self, certificate: &Certificate<'_>) -> Result<bool, Asn1Error> {
        let authority_key_id = certificate.authority_key_id()?;
        Ok(self.0.iter().any(|anchor| {
            let same_id = match (authority_key_id, &anchor.key_id) {
                (Some(named), Some(own)) => named == own,
                _ => true,
            };
            certificate.issuer == anchor.subject && same_id && certificate.signed_with(&anchor.key)
        }))
    }
}

/// The certificate as a client's. `issued` says whether an anchor issued it.
fn client(
    certificate: &Certificate<'_>,
    fingerprint: Fingerprint,
    issued: bool,
) -> Result<ClientCertificate, IdentityError> {
    let for_clients = !certificate.is_ca()? && certificate.has_purpose(&oid::CLIENT_AUTH)?;
    let origin = match (issued, for_clients) {
        (false, _) => Origin::Foreign,
        (true, false) => Origin::WrongUsage,
        (true, true) => Origin::Anchor,
    };
    Ok(ClientCertificate {
        fingerprint,
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        public_key: certificate.public_key()?,
        subject: certificate.subject.into(),
        serial: certificate.serial.into(),
        origin,
    })
}

/// Trust anchors that remember whose signature they have verified, for many threads and within bounds.
///
/// To parse a certificate costs a microsecond or two, to verify its issuer's signature ten times as much. So nothing but
/// the fingerprint is kept of a certificate that an anchor issued, and strangers can't push it out. Other anchors
/// need another cache.
#[derive(Debug)]
pub struct IdentityCache {
    anchors: TrustAnchors,
    shards: [Mutex<Generations>; SHARDS],
    shard_capacity: usize,
}

const SHARDS: usize = 16;

/// What was used lately, and what before that: when the first is full, the second is forgotten.
#[derive(Debug, Default)]
struct Generations {
    recent: HashSet<Fingerprint>,
    older: HashSet<Fingerprint>,
}

impl IdentityCache {
    /// A cache of at most about `capacity` certificates, of up to 75 bytes each.
    pub fn new(anchors: TrustAnchors, capacity: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self {
            anchors,
            shards,
            shard_capacity: (capacity / SHARDS / 2).max(1),
        }
    }

    /// The judged certificate, traced to its authority unless it was before.
    pub fn identify(&self, der: &[u8]) -> Result<ClientCertificate, IdentityError> {
        let certificate = Certificate::parse(der)?;
        let fingerprint = fingerprint(der);
        let known = self.with(&fingerprint, |generations, capacity| {
            generations.knows(&fingerprint, capacity)
        });
        if known {
            return client(&certificate, fingerprint, true);
        }
        let issued = self.anchors.issued(&certificate)?;
        let client = client(&certificate, fingerprint, issued)?;
        if issued {
            self.with(&fingerprint, |generations, capacity| {
                generations.insert(fingerprint, capacity);
            });
        }
        Ok(client)
    }

    /// Does something with the fingerprint's shard.
    fn with<T>(&self, fingerprint: &Fingerprint, then: impl FnOnce(&mut Generations, usize) -> T) -> T {
        let [first, ..] = *fingerprint.as_bytes();
        let shard = &self.shards[usize::from(first) % SHARDS];
        // A panic elsewhere leaves a set of whole entries behind: there is nothing to distrust.
        then(
            &mut shard.lock().unwrap_or_else(PoisonError::into_inner),
            self.shard_capacity,
        )
    }
}

impl Generations {
    fn knows(&mut self, fingerprint: &Fingerprint, capacity: usize) -> bool {
        if self.recent.contains(fingerprint) {
            return true;
        }
        let known = self.older.remove(fingerprint);
        if known {
            self.insert(*fingerprint, capacity);
        }
        known
    }

    fn insert(&mut self, fingerprint: Fingerprint, capacity: usize) {
        if self.recent.len() >= capacity {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pki::{
        ca::{SubjectAttribute, Template, random_serial},
        testing::{NOW, Peer, authority},
    };

    fn anchors() -> TrustAnchors {
        TrustAnchors::new([authority().certificate()]).unwrap()
    }

    fn issued() -> Vec<u8> {
        let key = PublicKey::from_spki(&Peer::rsa().spki()).unwrap();
        let template = Template {
            public_key: &key,
            serial: &random_serial().unwrap(),
            subject: &[SubjectAttribute::CommonName("device".into())],
            alternative_names: &[],
            days: 30,
            key_encipherment: false,
        };
        authority().issue(&template, NOW).unwrap().der
    }

    #[test]
    fn a_certificate_is_judged_by_the_clock() {
        let client = anchors().judge(&issued()).unwrap();
        assert_eq!(client.subject(), "CN=device");
        assert_eq!(client.standing(NOW), Standing::Trusted);
        assert_eq!(
            client.standing(NOW.minus(Duration::from_secs(3600))),
            Standing::NotYetValid
        );
        assert_eq!(
            client.standing(NOW.plus(Duration::from_secs(31 * 86_400))),
            Standing::Expired
        );
    }

    #[test]
    fn strangers_and_authorities_are_told_apart() {
        assert_eq!(
            anchors().judge(&Peer::rsa().der()).unwrap().standing(NOW),
            Standing::Foreign
        );
        assert_eq!(
            anchors().judge(authority().certificate()).unwrap().standing(NOW),
            Standing::WrongUsage
        );
        let mut forged = issued();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(anchors().judge(&forged).unwrap().standing(NOW), Standing::Foreign);
        assert_eq!(
            TrustAnchors::default().judge(&issued()).unwrap().standing(NOW),
            Standing::Foreign
        );
    }

    #[test]
    fn the_cache_keeps_what_is_used_and_no_strangers() {
        let cache = IdentityCache::new(anchors(), 64);
        let known = |der: &[u8]| {
            let fingerprint = fingerprint(der);
            cache.with(&fingerprint, |generations, _| {
                generations.recent.contains(&fingerprint) || generations.older.contains(&fingerprint)
            })
        };
        let used = issued();
        for _ in 0..100 {
            assert_eq!(cache.identify(&used).unwrap().standing(NOW), Standing::Trusted);
            cache.identify(&issued()).unwrap();
            assert!(known(&used));
        }
        let count = |generations: &Mutex<Generations>| {
            let generations = generations.lock().unwrap();
            generations.recent.len() + generations.older.len()
        };
        assert!(cache.shards.iter().map(count).sum::<usize>() <= 64);

        let stranger = Peer::rsa().der();
        for _ in 0..2 {
            assert_eq!(
                cache.identify(&stranger).unwrap().standing(NOW),
                Standing::Foreign
            );
            assert!(!known(&stranger));
        }
        assert!(cache.identify(b"no certificate").is_err());
    }

    #[test]
    fn what_is_known_is_judged_as_the_first_time() {
        let cache = IdentityCache::new(anchors(), 64);
        let authority = authority();
        for der in [issued().as_slice(), authority.certificate()] {
            let first = cache.identify(der).unwrap();
            let known = fingerprint(der);
            assert!(cache.with(&known, |generations, capacity| {
                generations.knows(&known, capacity)
            }));
            let again = cache.identify(der).unwrap();
            assert_eq!(first.standing(NOW), again.standing(NOW));
            assert_eq!(first.fingerprint, again.fingerprint);
            assert_eq!(
                (first.subject(), first.serial(), first.public_key.spki()),
                (again.subject(), again.serial(), again.public_key.spki())
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn mutated_certificates_never_panic(
            at in proptest::prelude::any::<proptest::sample::Index>(),
            value in proptest::prelude::any::<u8>(),
        ) {
            static ISSUED: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
            let mut der = ISSUED.get_or_init(issued).clone();
            let at = at.index(der.len());
            der[at] = value;
            let _ = anchors().judge(&der);
        }
    }
}
