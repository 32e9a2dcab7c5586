//! Bytes and keys: CMS, SCEP, certificates, and the secrets at rest.
//!
//! Pure: nothing here reads a clock, a socket or a store. Time is an argument; randomness comes from aws-lc-rs.
//!
//! From the bottom up: [`asn1`] and [`ber`] walk and write encodings, [`cipher`], [`keys`] and [`weak_key`] are the
//! algorithms, [`certificate`] and [`cms`] the structures. On these stand the device authority ([`ca`]) with its
//! protocol ([`scep`]), and the judgement of clients ([`identity`], [`mdm_signature`]; before they have an identity,
//! [`machine_info`] and [`device_trust`]). [`seal`], [`secret`] and [`password`] keep things quiet; [`pem`],
//! [`push_cert`], [`push_request`], [`dep_token`], [`bypass_code`] and [`dev`] are the operator's side.

pub mod asn1;
pub mod ber;
pub mod bypass_code;
pub mod ca;
pub mod certificate;
pub mod cipher;
pub mod cms;
pub mod dep_token;
pub mod dev;
pub mod device_trust;
pub mod hmac;
pub mod id_token;
pub mod identity;
pub mod keys;
pub mod machine_info;
pub mod mdm_signature;
pub mod oid;
pub mod password;
pub mod pem;
pub mod profile_signer;
pub mod push_cert;
pub mod push_request;
pub mod scep;
pub mod seal;
pub mod secret;
#[cfg(test)]
mod testing;
pub mod weak_key;
