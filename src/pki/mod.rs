//! Bytes and keys: CMS, SCEP, certificates, and the secrets at rest.
//!
//! Pure: nothing here reads a clock, a socket or a store. Time is an argument; randomness comes from aws-lc-rs.

pub mod asn1;
pub mod ber;
pub mod certificate;
pub mod cipher;
pub mod cms;
pub mod keys;
pub mod oid;
pub mod weak_key;
