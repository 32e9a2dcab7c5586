//! Bytes and keys: CMS, SCEP, certificates, and the secrets at rest.
//!
//! Pure: nothing here reads a clock, a socket or a store. Time is an argument; randomness comes from aws-lc-rs.

pub mod asn1;
pub mod ber;
pub mod ca;
pub mod certificate;
pub mod cipher;
pub mod cms;
pub mod keys;
pub mod oid;
pub mod scep;
#[cfg(test)]
mod testing;
pub mod weak_key;
