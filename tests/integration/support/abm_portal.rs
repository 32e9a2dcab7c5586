//! The portal's part in the life of a server token: the `.p7m` for a certificate, made by OpenSSL.

use openssl::{
    pkcs7::{Pkcs7, Pkcs7Flags},
    stack::Stack,
    symm::Cipher,
    x509::X509,
};
use serde_json::{Value, json};

/// What is in a token of this consumer key.
pub fn credentials(consumer_key: &str, expiry: &str) -> Value {
    json!({
        "consumer_key": consumer_key,
        "consumer_secret": "CS_never-shown",
        "access_token": "AT_never-shown",
        "access_secret": "AS_never-shown",
        "access_token_expiry": expiry,
    })
}

/// The file that the portal gives for a certificate: S/MIME.
pub fn p7m(certificate: &str, consumer_key: &str, expiry: &str) -> Vec<u8> {
    let certificate = X509::from_pem(certificate.as_bytes()).unwrap();
    let mut recipients = Stack::new().unwrap();
    recipients.push(certificate).unwrap();
    let text = format!(
        "Content-Type: text/plain;charset=UTF-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
         -----BEGIN MESSAGE-----\r\n{}\r\n-----END MESSAGE-----\r\n",
        credentials(consumer_key, expiry)
    );
    let flags = Pkcs7Flags::BINARY;
    let sealed = Pkcs7::encrypt(&recipients, text.as_bytes(), Cipher::aes_128_cbc(), flags).unwrap();
    sealed.to_smime(text.as_bytes(), flags).unwrap()
}
