//! The `.p7m` file that carries a token: MIME around CMS EnvelopedData around MIME around JSON.

use openssl::x509::X509Ref;
use serde::{Deserialize, Serialize};

use super::token::Credentials;
use crate::der::Encoding;
use crate::encode;
use crate::error::Problem;
use crate::pki::envelope::{self, Cipher};

/// How a `.p7m` file is written; by default as Apple writes it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenFile {
    /// The envelope in DER instead of BER with indefinite lengths and octet strings in pieces.
    pub der: bool,
    /// CRLF at the ends of lines instead of LF, inside and outside.
    pub crlf: bool,
    /// The first header on two lines, as in Apple's printed sample.
    pub folded: bool,
    /// Triple DES, as older files have it, instead of AES-128-CBC.
    pub des3: bool,
    /// Without `BEGIN MESSAGE` and `END MESSAGE` around the JSON.
    pub bare: bool,
    /// The envelope alone, without the MIME text around it.
    pub raw: bool,
    /// The JSON broken into lines of this many characters.
    pub wrapped: Option<usize>,
}

/// The `.p7m` file with these credentials for the holder of this certificate's key.
pub fn token_file(
    credentials: &Credentials,
    certificate: &X509Ref,
    options: TokenFile,
) -> Result<Vec<u8>, Problem> {
    let json = serde_json::to_string(credentials).map_err(Problem::protocol)?;
    seal(&json, certificate, options)
}

/// A `.p7m` file with any text where the JSON should be.
pub fn seal(json: &str, certificate: &X509Ref, options: TokenFile) -> Result<Vec<u8>, Problem> {
    let cipher = if options.des3 {
        Cipher::Des3
    } else {
        Cipher::Aes128
    };
    let encoding = if options.der { Encoding::Der } else { Encoding::Ber };
    let message = ends_of_lines(inner(json, options), options);
    let envelope = envelope::seal(message.as_bytes(), certificate, cipher, encoding)?;
    if options.raw {
        return Ok(envelope);
    }
    Ok(ends_of_lines(outer(&envelope, options), options).into_bytes())
}

fn inner(json: &str, options: TokenFile) -> String {
    let json = match options.wrapped {
        Some(width) => lines(json, width),
        None => json.into(),
    };
    let headers = "Content-Type: text/plain;charset=UTF-8\nContent-Transfer-Encoding: 7bit\n\n";
    if options.bare {
        format!("{headers}{json}\n")
    } else {
        format!("{headers}-----BEGIN MESSAGE-----\n{json}\n-----END MESSAGE-----\n")
    }
}

fn outer(envelope: &[u8], options: TokenFile) -> String {
    let fold = if options.folded { "\n" } else { "" };
    format!(
        "Content-Type: application/pkcs7-mime; name=\"smime.p7m\"; smime-type=enveloped-{fold}data\n\
         Content-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"smime.p7m\"\n\
         Content-Description: S/MIME Encrypted Message\n\n{}\n",
        lines(&encode::base64(envelope), 76)
    )
}

fn lines(text: &str, width: usize) -> String {
    let characters: Vec<_> = text.chars().collect();
    let lines = characters
        .chunks(width.max(1))
        .map(|line| line.iter().collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

fn ends_of_lines(text: String, options: TokenFile) -> String {
    if options.crlf {
        text.replace('\n', "\r\n")
    } else {
        text
    }
}
