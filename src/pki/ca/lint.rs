//! The last look at a certificate before it leaves: read back by another parser than the code that wrote it, it
//! must say what was meant and nothing more.

use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{CaError, Template};
use crate::pki::certificate::Certificate;

/// Refuses a device certificate that is a CA's, has another purpose than clientAuth, another key than the
/// template's, another issuer than `authority`, or outlives it.
pub(super) fn check(der: &[u8], template: &Template<'_>, authority: &Certificate<'_>) -> Result<(), CaError> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| CaError::Lint("unreadable"))?;
    let constraints = certificate.basic_constraints().ok().flatten();
    let key_usage = certificate.key_usage().ok().flatten();
    let purposes = certificate.extended_key_usage().ok().flatten();
    let sound = [
        ("trailing bytes", rest.is_empty()),
        (
            "basicConstraints",
            constraints.is_some_and(|found| found.critical && !found.value.ca),
        ),
        (
            "keyUsage",
            key_usage.is_some_and(|found| {
                let wanted = if template.key_encipherment { 0b101 } else { 0b001 };
                found.critical && found.value.flags == wanted
            }),
        ),
        (
            "extKeyUsage",
            purposes.is_some_and(|found| {
                let usage = found.value;
                usage.client_auth
                    && !(usage.any
                        || usage.server_auth
                        || usage.code_signing
                        || usage.email_protection
                        || usage.time_stamping
                        || usage.ocsp_signing)
                    && usage.other.is_empty()
            }),
        ),
        (
            "public key",
            certificate.public_key().raw == template.public_key.spki(),
        ),
        ("issuer", certificate.issuer().as_raw() == authority.subject),
        (
            "validity",
            certificate.validity().not_after.timestamp() <= authority.not_after.seconds(),
        ),
    ];
    match sound.iter().find(|(_, sound)| !sound) {
        Some((what, _)) => Err(CaError::Lint(what)),
        None => Ok(()),
    }
}
