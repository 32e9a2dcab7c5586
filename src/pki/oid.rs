//! The object identifiers that this group reads and writes, under the names their documents give them.

use der::oid::ObjectIdentifier;

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $dotted:literal;)*) => {
        $($(#[$doc])* pub const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($dotted);)*
    };
}

oids! {
    /// id-data (RFC 5652 §4).
    DATA = "1.2.840.113549.1.7.1";
    /// id-signedData (RFC 5652 §5.1).
    SIGNED_DATA = "1.2.840.113549.1.7.2";
    /// id-envelopedData (RFC 5652 §6.1).
    ENVELOPED_DATA = "1.2.840.113549.1.7.3";
    /// id-contentType (RFC 5652 §11.1).
    CONTENT_TYPE = "1.2.840.113549.1.9.3";
    /// id-messageDigest (RFC 5652 §11.2).
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
    /// id-signingTime (RFC 5652 §11.3).
    SIGNING_TIME = "1.2.840.113549.1.9.5";

    /// rsaEncryption (RFC 3279 §2.3.1).
    RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
    /// sha1WithRSAEncryption.
    SHA1_WITH_RSA = "1.2.840.113549.1.1.5";
    /// sha256WithRSAEncryption.
    SHA256_WITH_RSA = "1.2.840.113549.1.1.11";
    /// sha384WithRSAEncryption.
    SHA384_WITH_RSA = "1.2.840.113549.1.1.12";
    /// sha512WithRSAEncryption.
    SHA512_WITH_RSA = "1.2.840.113549.1.1.13";
    /// id-ecPublicKey (RFC 5480 §2.1.1).
    EC_PUBLIC_KEY = "1.2.840.10045.2.1";
    /// secp256r1 (P-256).
    P256 = "1.2.840.10045.3.1.7";
    /// secp384r1 (P-384).
    P384 = "1.3.132.0.34";
    /// ecdsa-with-SHA256 (RFC 5758 §3.2).
    ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
    /// ecdsa-with-SHA384.
    ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3";
    /// ecdsa-with-SHA512.
    ECDSA_WITH_SHA512 = "1.2.840.10045.4.3.4";

    /// id-sha1.
    SHA1 = "1.3.14.3.2.26";
    /// id-sha256.
    SHA256 = "2.16.840.1.101.3.4.2.1";
    /// id-sha384.
    SHA384 = "2.16.840.1.101.3.4.2.2";
    /// id-sha512.
    SHA512 = "2.16.840.1.101.3.4.2.3";

    /// id-aes128-CBC (RFC 3565 §4.1).
    AES_128_CBC = "2.16.840.1.101.3.4.1.2";
    /// id-aes192-CBC.
    AES_192_CBC = "2.16.840.1.101.3.4.1.22";
    /// id-aes256-CBC.
    AES_256_CBC = "2.16.840.1.101.3.4.1.42";
    /// des-ede3-cbc (RFC 3370 §5.1).
    DES_EDE3_CBC = "1.2.840.113549.3.7";
    /// desCBC (OIW), which the oldest SCEP clients use.
    DES_CBC = "1.3.14.3.2.7";

    /// PKCS #9 challengePassword (RFC 2985 §5.4.1).
    CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7";
    /// PKCS #9 extensionRequest (RFC 2985 §5.4.2).
    EXTENSION_REQUEST = "1.2.840.113549.1.9.14";

    /// SCEP messageType (RFC 8894 §3.2.1.2).
    SCEP_MESSAGE_TYPE = "2.16.840.1.113733.1.9.2";
    /// SCEP pkiStatus (§3.2.1.3).
    SCEP_PKI_STATUS = "2.16.840.1.113733.1.9.3";
    /// SCEP failInfo (§3.2.1.4).
    SCEP_FAIL_INFO = "2.16.840.1.113733.1.9.4";
    /// SCEP senderNonce (§3.2.1.5).
    SCEP_SENDER_NONCE = "2.16.840.1.113733.1.9.5";
    /// SCEP recipientNonce (§3.2.1.5).
    SCEP_RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6";
    /// SCEP transactionID (§3.2.1.1).
    SCEP_TRANSACTION_ID = "2.16.840.1.113733.1.9.7";
    /// SCEP failInfoText (§3.2.1.4).
    SCEP_FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1";

    /// commonName (RFC 5280, appendix A.1).
    COMMON_NAME = "2.5.4.3";
    /// countryName.
    COUNTRY = "2.5.4.6";
    /// organizationName.
    ORGANIZATION = "2.5.4.10";
    /// organizationalUnitName.
    ORGANIZATIONAL_UNIT = "2.5.4.11";
    /// serialNumber, of the subject.
    SERIAL_NUMBER = "2.5.4.5";
    /// UID, which holds the topic in a push certificate (RFC 4519 §2.39).
    USER_ID = "0.9.2342.19200300.100.1.1";

    /// subjectKeyIdentifier (RFC 5280 §4.2.1.2).
    SUBJECT_KEY_IDENTIFIER = "2.5.29.14";
    /// keyUsage (§4.2.1.3).
    KEY_USAGE = "2.5.29.15";
    /// subjectAltName (§4.2.1.6).
    SUBJECT_ALT_NAME = "2.5.29.17";
    /// basicConstraints (§4.2.1.9).
    BASIC_CONSTRAINTS = "2.5.29.19";
    /// authorityKeyIdentifier (§4.2.1.1).
    AUTHORITY_KEY_IDENTIFIER = "2.5.29.35";
    /// extKeyUsage (§4.2.1.12).
    EXTENDED_KEY_USAGE = "2.5.29.37";
    /// id-kp-clientAuth.
    CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
}
