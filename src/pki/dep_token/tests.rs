use std::{
    fs,
    process::Command,
    sync::{LazyLock, OnceLock},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proptest::prelude::*;

use super::*;
use crate::pki::{
    cipher::ContentCipher,
    cms::{self, Content, encrypt},
    keys::SigningKey,
    pem,
    testing::NOW,
};

const YEAR: Duration = Duration::from_secs(365 * 86_400);

const JSON: &str = r#"{"consumer_key":"CK_0a1b","consumer_secret":"CS_2c","access_token":"AT_3d","access_secret":"AS_4e","access_token_expiry":"2027-01-14T21:27:41Z"}"#;

fn key() -> &'static TokenKey {
    static KEY: OnceLock<TokenKey> = OnceLock::new();
    KEY.get_or_init(|| TokenKey::generate("russet hq", YEAR, NOW).unwrap())
}

fn other() -> &'static TokenKey {
    static KEY: OnceLock<TokenKey> = OnceLock::new();
    KEY.get_or_init(|| TokenKey::generate("russet hq", YEAR, NOW).unwrap())
}

fn keys() -> [TokenKey; 2] {
    [other().clone(), key().clone()]
}

/// The text as Apple encrypts it.
fn inner() -> String {
    format!(
        "Content-Type: text/plain;charset=UTF-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
         -----BEGIN MESSAGE-----\r\n{JSON}\r\n-----END MESSAGE-----\r\n"
    )
}

fn sealed_with(content: &str, cipher: ContentCipher) -> Vec<u8> {
    let certificate = Certificate::parse(&key().certificate).unwrap();
    encrypt(content.as_bytes(), &certificate, cipher).unwrap()
}

fn sealed(content: &str) -> Vec<u8> {
    sealed_with(content, ContentCipher::Aes128Cbc)
}

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| mime(&sealed(&inner()), "\n"));

/// The file as Apple's portal writes it.
fn mime(message: &[u8], line_end: &str) -> Vec<u8> {
    let base64 = BASE64_STANDARD.encode(message);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let text = format!(
        "Content-Type: application/pkcs7-mime; name=\"smime.p7m\"; smime-type=enveloped-data\n\
         Content-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"smime.p7m\"\n\
         Content-Description: S/MIME Encrypted Message\n\n{}\n",
        lines.join("\n")
    );
    text.replace('\n', line_end).into_bytes()
}

fn open(file: &[u8]) -> Result<ServerToken, TokenFileError> {
    ServerToken::open(file, &keys()).map(|(index, token)| {
        assert_eq!(index, 1);
        token
    })
}

fn is_good(file: &[u8]) {
    let token = open(file).unwrap();
    assert_eq!(
        (token.consumer_key.as_str(), token.access_secret.as_str()),
        ("CK_0a1b", "AS_4e")
    );
    assert_eq!(token.expires_at.to_rfc3339(), "2027-01-14T21:27:41Z");
    assert_eq!(format!("{token:?}"), "ServerToken(redacted)");
}

#[test]
fn t1_a_key_pair_is_rsa_2048_with_a_certificate_that_may_encipher() {
    let certificate = openssl::x509::X509::from_der(&key().certificate).unwrap();
    let public = certificate.public_key().unwrap();
    assert_eq!(public.rsa().unwrap().size(), 256);
    assert!(certificate.verify(&public).unwrap());
    let text = String::from_utf8(certificate.to_text().unwrap()).unwrap();
    assert!(
        text.contains("Key Encipherment") && text.contains("CN=russet hq") || text.contains("CN = russet hq")
    );
    assert!(!format!("{:?}", key()).contains("48"));
    assert_ne!(
        Certificate::parse(&key().certificate).unwrap().serial,
        Certificate::parse(&other().certificate).unwrap().serial
    );
}

#[test]
fn t2_every_form_of_the_file_opens() {
    let message = sealed(&inner());
    let dense = BASE64_STANDARD.encode(&message);
    let folded = String::from_utf8(GOOD.clone())
        .unwrap()
        .replace("enveloped-data", "enveloped-\ndata");
    let with_bom = [BOM, &GOOD].concat();
    let binary = [
        &b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n"[..],
        &message,
    ]
    .concat();
    for file in [
        message.clone(),
        GOOD.clone(),
        mime(&message, "\r\n"),
        folded.into_bytes(),
        with_bom,
        binary,
        dense.trim_end_matches('=').as_bytes().to_vec(),
        format!("\n\n{dense}\n").into_bytes(),
        pem::encode("PKCS7", &message).into_bytes(),
        pem::encode("CMS", &message).replace('\n', "\r\n").into_bytes(),
    ] {
        is_good(&file);
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

#[test]
fn t2_every_form_of_the_inner_text_is_read() {
    let broken = JSON
        .replace("CS_2c\",", "CS_2c\",\r\n  ")
        .replace("AT_3d", "AT\r\n_3d");
    for content in [
        inner(),
        inner().replace("\r\n", "\n"),
        JSON.to_owned(),
        format!("\u{feff}{JSON}"),
        format!("Content-Type: text/plain\n\n{JSON}\n"),
        format!("-----BEGIN MESSAGE-----\n{broken}\n-----END MESSAGE-----"),
    ] {
        is_good(&sealed(&content));
    }
}

#[test]
fn t2_triple_des_is_taken_and_single_des_is_not() {
    for cipher in [ContentCipher::TripleDesCbc, ContentCipher::Aes256Cbc] {
        is_good(&sealed_with(&inner(), cipher));
    }
    let weak = sealed_with(&inner(), ContentCipher::DesCbc);
    assert_eq!(open(&weak), Err(TokenFileError::Algorithm));
}

#[test]
fn t2_k_x7_every_wrong_file_is_named() {
    use TokenFileError::*;
    let message = sealed(&inner());
    let text = String::from_utf8(GOOD.clone()).unwrap();
    let signed = signed();
    let mut flipped = message.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let missing = |name: &str| JSON.replace(name, "else");
    for (file, error) in [
        (Vec::new(), NotP7m),
        (b"  \n".to_vec(), NotP7m),
        (b"hello".to_vec(), NotP7m),
        (JSON.as_bytes().to_vec(), NotP7m),
        (inner().into_bytes(), NotP7m),
        (b"Content-Type: application/pkcs7-mime\n".to_vec(), NotP7m),
        (
            pem::encode("CERTIFICATE", &key().certificate).into_bytes(),
            NotP7m,
        ),
        (signed, NotP7m),
        (message[..message.len() - 9].to_vec(), Damaged),
        ([&message[..], b"x"].concat(), Damaged),
        (flipped, Damaged),
        (text.as_bytes()[..text.len() - 200].to_vec(), Damaged),
        (text.replace("MII", "MI!").into_bytes(), Damaged),
        (pem::encode("PKCS7", &message).as_bytes()[..300].to_vec(), Damaged),
        (vec![0x30; 4_000], Damaged),
        ([0x30, 0x80].repeat(50_000), Damaged),
        (sealed("no token at all"), NoJson),
        (sealed("{not json}"), NoJson),
        (sealed("}{"), NoJson),
        (sealed(&missing("consumer_key")), Field("consumer_key")),
        (sealed(&missing("consumer_secret")), Field("consumer_secret")),
        (sealed(&missing("access_token\"")), NoJson),
        (sealed(&missing("access_secret")), Field("access_secret")),
        (
            sealed(&missing("access_token_expiry")),
            Field("access_token_expiry"),
        ),
        (
            sealed(&JSON.replace("2027-", "in ")),
            Field("access_token_expiry"),
        ),
        (sealed(&JSON.replace("\"CK_0a1b\"", "7")), Field("consumer_key")),
        (sealed(&JSON.replace("CK_0a1b", "")), Field("consumer_key")),
        (sealed(&JSON.replace("CS_2c", "a b")), Field("consumer_secret")),
        (
            sealed(&JSON.replace("CS_2c", &"x".repeat(2_000))),
            Field("consumer_secret"),
        ),
        (vec![b'A'; MAX_FILE + 1], TooLarge),
    ] {
        let shown = String::from_utf8_lossy(&file[..file.len().min(60)]).into_owned();
        assert_eq!(open(&file), Err(error), "{shown}");
    }
    assert_eq!(ServerToken::open(&GOOD, &[other().clone()]).err(), Some(OtherKey));
    assert_eq!(ServerToken::open(&GOOD, &[]).err(), Some(OtherKey));
}

/// A message that is signed, not encrypted.
fn signed() -> Vec<u8> {
    let signing = SigningKey::from_der(&key().key_pkcs8).unwrap();
    let signer = cms::Signer {
        certificate: &key().certificate,
        key: &signing,
        chain: &[],
    };
    cms::sign(Content::Attached(JSON.as_bytes()), &signer, Vec::new()).unwrap()
}

#[test]
fn a_token_survives_its_json() {
    let token = open(&GOOD).unwrap();
    assert_eq!(ServerToken::from_json(&token.to_json()), Ok(token.clone()));
    assert_eq!(
        serde_json::from_slice::<Value>(&token.to_json()).unwrap(),
        serde_json::from_str::<Value>(JSON).unwrap()
    );
}

/// What OpenSSL's command line makes: S/MIME, DER, and BER with indefinite lengths, with both ciphers.
#[test]
fn t2_what_openssl_encrypts_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("inner.txt"), inner()).unwrap();
    fs::write(path("cert.pem"), pem::encode("CERTIFICATE", &key().certificate)).unwrap();
    let run = |program: &str, options: &[&str]| {
        let done = Command::new("openssl")
            .current_dir(folder.path())
            .args([program, "-encrypt", "-in", "inner.txt", "-out", "token.p7m"])
            .args(options)
            .args((!options.contains(&"-recip")).then_some("cert.pem"))
            .output()
            .expect("openssl is there");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fs::read(path("token.p7m")).unwrap()
    };
    for program in ["cms", "smime"] {
        for cipher in ["-aes128", "-des3"] {
            for options in [
                &["-binary"][..],
                &["-binary", "-stream"],
                &["-binary", "-outform", "DER"],
                &["-binary", "-stream", "-outform", "DER"],
                &["-binary", "-outform", "PEM"],
            ] {
                is_good(&run(program, &[&[cipher][..], options].concat()));
            }
        }
    }
    let streamed = run("cms", &["-aes128", "-binary", "-stream", "-outform", "DER"]);
    assert_eq!(streamed[..2], [0x30, 0x80], "indefinite lengths");
    let oaep = [
        "-aes128",
        "-outform",
        "DER",
        "-recip",
        "cert.pem",
        "-keyopt",
        "rsa_padding_mode:oaep",
    ];
    assert_eq!(open(&run("cms", &oaep)), Err(TokenFileError::Algorithm));
}

proptest! {
    #[test]
    fn k_x7_files_with_a_wrong_byte_are_named_or_open(at in any::<prop::sample::Index>(), with: u8) {
        let mut file = GOOD.clone();
        let at = at.index(file.len());
        file[at] = with;
        let _ = ServerToken::open(&file, &keys());
    }

    #[test]
    fn k_x7_messages_with_a_wrong_byte_are_named_or_open(at in any::<prop::sample::Index>(), with: u8) {
        let mut message = BASE64_STANDARD.decode(
            GOOD.split(|byte| *byte == b'\n').skip(5).flatten().copied().collect::<Vec<u8>>()).unwrap();
        let at = at.index(message.len());
        message[at] = with;
        let _ = ServerToken::open(&message, &keys());
    }

    #[test]
    fn k_x7_files_cut_anywhere_never_open(at in any::<prop::sample::Index>()) {
        let at = at.index(GOOD.len() - 10);
        prop_assert!(ServerToken::open(&GOOD[..at], &keys()).is_err());
    }

    #[test]
    fn k_x7_any_bytes_are_named(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(ServerToken::open(&bytes, &keys()).is_err());
        let _ = ServerToken::from_json(&bytes);
        let _ = ServerToken::from_content(&bytes);
    }
}
