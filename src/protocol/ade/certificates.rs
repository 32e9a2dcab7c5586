//! Certificates in settings: PEM or base64 of the DER, kept as the latter, which is Apple's form.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{finding::Finding, settings::Settings};

/// Brings all certificates of the settings into one form.
pub(super) fn normalize(settings: &mut Settings, findings: &mut Vec<Finding>) {
    if let Some(pairing) = &mut settings.pairing {
        read_all(&mut pairing.certificates, "pairing.certificates", findings);
    }
    read_all(&mut settings.apple.anchor_certs, "apple.anchor_certs", findings);
}

fn read_all(texts: &mut Vec<String>, field: &str, findings: &mut Vec<Finding>) {
    let mut all: Vec<String> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match read(text) {
            Some(ders) => {
                for der in ders.iter().map(|der| STANDARD.encode(der)) {
                    if !all.contains(&der) {
                        all.push(der);
                    }
                }
            }
            None => {
                let text = format!(
                    "entry {} is not a certificate, in PEM or in base64 of the DER",
                    index + 1
                );
                findings.push(Finding::new(&[field], text));
            }
        }
    }
    *texts = all;
}

/// The certificates of one text; `None` if it is anything else, in whole or in part.
fn read(text: &str) -> Option<Vec<Vec<u8>>> {
    let ders: Vec<Vec<u8>> = if text.contains("-----BEGIN") {
        let blocks = x509_parser::pem::Pem::iter_from_buffer(text.as_bytes());
        blocks
            .map(|block| {
                block
                    .ok()
                    .filter(|block| block.label == "CERTIFICATE")
                    .map(|block| block.contents)
            })
            .collect::<Option<_>>()?
    } else {
        let compact: String = text.split_ascii_whitespace().collect();
        vec![STANDARD.decode(compact).ok()?]
    };
    let whole =
        |der: &Vec<u8>| x509_parser::parse_x509_certificate(der).is_ok_and(|(rest, _)| rest.is_empty());
    (!ders.is_empty() && ders.iter().all(whole)).then_some(ders)
}
