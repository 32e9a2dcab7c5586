//! Keys, certificates, CMS and SCEP messages. Pure: no network, no clock but the certificates' own.

pub mod certificate;
pub mod cms;
pub mod csr;
pub mod device_ca;
pub mod envelope;
pub mod identity;
pub(crate) mod issuing;
pub mod scep;

/// Object identifiers, by the names their standards give them.
#[allow(missing_docs)]
pub mod oids {
    pub const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
    pub const SHA1_WITH_RSA: &str = "1.2.840.113549.1.1.5";
    pub const SHA256_WITH_RSA: &str = "1.2.840.113549.1.1.11";
    pub const SHA384_WITH_RSA: &str = "1.2.840.113549.1.1.12";
    pub const SHA512_WITH_RSA: &str = "1.2.840.113549.1.1.13";
    pub const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
    pub const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
    pub const ECDSA_WITH_SHA384: &str = "1.2.840.10045.4.3.3";
    pub const MD5: &str = "1.2.840.113549.2.5";
    pub const SHA1: &str = "1.3.14.3.2.26";
    pub const SHA256: &str = "2.16.840.1.101.3.4.2.1";
    pub const SHA384: &str = "2.16.840.1.101.3.4.2.2";
    pub const SHA512: &str = "2.16.840.1.101.3.4.2.3";
    pub const DES_CBC: &str = "1.3.14.3.2.7";
    pub const DES_EDE3_CBC: &str = "1.2.840.113549.3.7";
    pub const AES_128_CBC: &str = "2.16.840.1.101.3.4.1.2";
    pub const AES_256_CBC: &str = "2.16.840.1.101.3.4.1.42";
    pub const DATA: &str = "1.2.840.113549.1.7.1";
    pub const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
    pub const ENVELOPED_DATA: &str = "1.2.840.113549.1.7.3";
    pub const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
    pub const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
    pub const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
    pub const CHALLENGE_PASSWORD: &str = "1.2.840.113549.1.9.7";
    pub const EXTENSION_REQUEST: &str = "1.2.840.113549.1.9.14";
    pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
    pub const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
    pub const KEY_USAGE: &str = "2.5.29.15";
    pub const SUBJECT_ALT_NAME: &str = "2.5.29.17";
    pub const NT_PRINCIPAL_NAME: &str = "1.3.6.1.4.1.311.20.2.3";
    pub const MESSAGE_TYPE: &str = "2.16.840.1.113733.1.9.2";
    pub const PKI_STATUS: &str = "2.16.840.1.113733.1.9.3";
    pub const FAIL_INFO: &str = "2.16.840.1.113733.1.9.4";
    pub const SENDER_NONCE: &str = "2.16.840.1.113733.1.9.5";
    pub const RECIPIENT_NONCE: &str = "2.16.840.1.113733.1.9.6";
    pub const TRANSACTION_ID: &str = "2.16.840.1.113733.1.9.7";
    pub const FAIL_INFO_TEXT: &str = "1.3.6.1.5.5.7.24.1";
}

#[cfg(test)]
pub(crate) mod mini_ca;
#[cfg(test)]
mod scep_tests;
