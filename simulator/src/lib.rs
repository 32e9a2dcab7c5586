//! Simulated Apple devices for an MDM server, written from Apple's documents and the RFCs alone.
//!
//! A [`Device`] enrols through a real profile and real SCEP, checks in, answers commands and keeps what it was told. It
//! shares no code with the server: it reads plists, CMS and SCEP in its own way and believes nothing that it has not
//! verified, so that a field misread on one side does not pass on both.
//!
//! ```no_run
//! # async fn run() -> Result<(), russet_sim::Error> {
//! use russet_sim::{Client, Device, Kind};
//!
//! let mut mac = Device::new(Kind::Mac, Client::trusting(b"-----BEGIN CERTIFICATE-----...")?)?;
//! mac.enroll("https://127.0.0.1:8443/enroll").await?;
//! for handled in mac.connect().await? {
//!     println!("{} {}", handled.request_type, handled.status);
//! }
//! # Ok(())
//! # }
//! ```

pub mod abm;
pub mod apns;
pub mod clock;
pub mod der;
pub mod device;
pub mod encode;
mod endpoint;
pub mod error;
pub mod hardware;
pub mod http;
pub mod idp;
pub mod messages;
pub mod pki;
pub mod plists;
pub mod profile;
pub mod random;
pub mod scep;
#[cfg(test)]
mod script;
pub mod storm;
mod tls;

pub use device::{
    Behaviour, BootOptions, Booted, Channel, Credentials, Device, Endpoint, Enrolled, Handled, Interruption,
    Options, Present, Stage, Status, Then,
};
pub use error::{Error, Problem, Result, Step};
pub use hardware::{Hardware, Kind};
pub use http::{Client, Request, Response};
pub use tls::HttpVersion;
