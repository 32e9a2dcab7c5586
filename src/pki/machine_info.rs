//! MachineInfo as a device sends it before it is enrolled: a property list in CMS SignedData (RFC 5652), signed by the
//! identity that Apple gave the device when it was activated (Apple, "Authenticating Through Web Views" and
//! "Implementing Device Management").
//!
//! The signature says that a device of Apple's wrote it once. It is no attestation, and it is not fresh.

use super::{
    ber,
    cms::{CmsError, SignedData},
    device_trust::{DeviceTrust, Voucher, fingerprint},
};
use crate::protocol::ids::Fingerprint;

/// The longest message, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineInfoError {
    /// Not a valid signed message.
    #[error("it is not a signed message: {0}")]
    Cms(#[from] CmsError),
    /// There is nothing in it.
    #[error("it has no content")]
    Empty,
    /// Nobody who is trusted vouches for the signer.
    #[error("its signer is no device of Apple's")]
    Stranger,
    /// Longer than [`MAX_LENGTH`].
    #[error("it is too long")]
    TooLong,
}

/// A message whose signature has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedMachineInfo {
    /// What was signed: a property list, to be read by [`crate::protocol::machine_info`].
    pub content: Vec<u8>,
    /// SHA-256 of the content and of the signer's certificate: the same for a message that comes again.
    pub digest: Fingerprint,
    /// Who vouches for the device.
    pub voucher: Voucher,
}

/// Verifies a message, in DER or BER, with or without signed attributes, with the CAs of its signer in it or not.
pub fn verify(message: &[u8], trust: &DeviceTrust) -> Result<SignedMachineInfo, MachineInfoError> {
    if message.len() > MAX_LENGTH {
        return Err(MachineInfoError::TooLong);
    }
    let der = ber::to_der(message).map_err(CmsError::from)?;
    let signed = SignedData::parse(&der)?;
    let signer = signed.verified_signer(None)?;
    let content = signed
        .content
        .filter(|content| !content.is_empty())
        .ok_or(MachineInfoError::Empty)?;
    let voucher = trust
        .vouch(&signer, &signed.certificates)
        .ok_or(MachineInfoError::Stranger)?;
    let mut identified = signer.der.to_vec();
    identified.extend_from_slice(content);
    Ok(SignedMachineInfo {
        content: content.to_vec(),
        digest: fingerprint(&identified),
        voucher,
    })
}

#[cfg(test)]
mod tests;
