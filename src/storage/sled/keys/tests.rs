use proptest::prelude::*;

use super::*;

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab:\u{0}\u{1}\u{ff}]{0,6}",
        any::<String>(),
        "[0-9A-F]{8}-[0-9A-F]{16}",
    ]
}

fn any_key() -> impl Strategy<Value = Key> {
    let parts = (
        any_text(),
        any_text(),
        any::<u64>(),
        any::<[u8; 32]>(),
        any::<[u8; 32]>(),
    );
    (0..(55 + actions::tests::KINDS + reports::tests::KINDS), parts).prop_map(
        |(kind, (a, b, number, x, y))| {
            let id = EnrollmentId::new(a.clone());
            let uuid = CommandUuid::new(b.clone());
            let at = Timestamp::from_millis(number as i64);
            let chunk = number as u32;
            let digest = Fingerprint::new(x);
            let hash = SecretHash(Fingerprint::new(y));
            match kind {
                0 => Key::Meta,
                1 => Key::Enrollment(id),
                2 => Key::LastSeen(id),
                3 => Key::Serial(SerialNumber::new(b), id),
                4 => Key::Command(number),
                5 => Key::Payload(number, chunk),
                6 => Key::Target(number, id),
                7 => Key::Queued(id, number as u8, number),
                8 => Key::Answer(number, id, chunk),
                9 => Key::Expiry(at, number, id),
                10 => Key::Finished(at, number, id),
                11 => Key::Certificate(digest),
                12 => Key::Der(digest, chunk),
                13 => Key::Challenge(hash),
                14 => Key::ChallengeExpiry(at, hash),
                15 => Key::Issuance(a),
                16 => Key::Grant(GrantKind::Identity, digest, hash),
                17 => Key::Transaction(a),
                18 => Key::ApiSecret(hash),
                19 => Key::ApiName(a),
                20 => Key::EnrollLink(hash),
                21 => Key::Sequence(uuid),
                22 => Key::PushCertificate(Topic::new(a)),
                23 => Key::PendingPush(Some(a).filter(|a| !a.is_empty()).map(Topic::new)),
                24 => Key::Wake(id),
                25 => Key::Hook(a),
                26 => Key::HookQueue(number),
                27 => Key::Event(number, !number),
                28 => Key::EventPayload(number, !number, chunk),
                29 => Key::DeadLetter(!number, at, number),
                30 => Key::AdeToken(a, chunk),
                31 => Key::AdeNumber(number),
                32 => Key::AdeSync(number),
                33 => Key::AdeProfile(number, a, chunk),
                34 => Key::AdeDevice(number, SerialNumber::new(a)),
                35 => Key::AdeSerial(SerialNumber::new(a), number),
                36 => Key::AdeDue(number, at, SerialNumber::new(b)),
                37 => Key::Account(a),
                38 => Key::Audit(number),
                39 => Key::AuditTarget(a, number),
                40 => Key::Hold(HoldKey::Content(digest, chunk)),
                41 => Key::IdentityDay(chunk),
                42 => Key::AdeGone(number),
                43 => Key::AdeEnrolled(number, id),
                44 => Key::User(a),
                45 => Key::UserSubject(a),
                46 => Key::Session(hash),
                47 => Key::SessionOf(a, hash),
                48 => Key::SetupLink(hash),
                49 => Key::Word(b, id),
                50 => Key::History(id, number),
                51 => Key::Hold(HoldKey::Hold(id, chunk)),
                52 => Key::Hold(HoldKey::Open(id)),
                53 => Key::Hold(HoldKey::Due(at, id)),
                54 => Key::Hold(HoldKey::Profile(a, chunk)),
                kind if kind < 55 + actions::tests::KINDS => {
                    Key::Action(actions::tests::any_of(kind - 55, number, (a, b), hash))
                }
                kind => Key::Report(reports::tests::any_of(
                    kind - 55 - actions::tests::KINDS,
                    number,
                    a,
                    b,
                )),
            }
        },
    )
}

proptest! {
    #[test]
    fn every_key_survives_its_bytes(key in any_key()) {
        prop_assert_eq!(Key::decode(&key.encode()), Some(key));
    }

    #[test]
    fn different_keys_have_different_bytes(one in any_key(), other in any_key()) {
        prop_assert_eq!(one == other, one.encode() == other.encode());
    }

    #[test]
    fn decoding_any_bytes_does_not_panic(bytes in any::<Vec<u8>>()) {
        if let Some(key) = Key::decode(&bytes) {
            prop_assert_eq!(&*key.encode(), &bytes[..]);
        }
    }

    #[test]
    fn a_queue_holds_only_its_enrollments_commands(a in any_text(), b in any_text(), sequence: u64) {
        let prefix = Prefix::queue(&EnrollmentId::new(a.clone()));
        let key = Key::Queued(EnrollmentId::new(b.clone()), 0, sequence).encode();
        prop_assert_eq!(a == b, key.starts_with(prefix.as_bytes()));
        prop_assert_eq!(a == b, &*key >= prefix.as_bytes() && *key < prefix.end()[..]);
    }

    #[test]
    fn a_command_has_only_its_own_targets(a: u64, b: u64, id in any_text()) {
        let prefix = Prefix::targets(a);
        let key = Key::Target(b, EnrollmentId::new(id)).encode();
        prop_assert_eq!(a == b, key.starts_with(prefix.as_bytes()));
    }

    #[test]
    fn a_hook_has_only_its_own_events(a: u64, b: u64, number: u64, at: i64) {
        let event = Key::Event(b, number).encode();
        prop_assert_eq!(a == b, event.starts_with(Prefix::events(a).as_bytes()));
        let letter = Key::DeadLetter(b, Timestamp::from_millis(at), number).encode();
        prop_assert_eq!(a == b, letter.starts_with(Prefix::dead_letters(a).as_bytes()));
    }

    #[test]
    fn a_server_token_has_only_its_own_devices(a: u64, b: u64, one in any_text(), other in any_text(), at: i64) {
        let device = Key::AdeDevice(b, SerialNumber::new(other.clone())).encode();
        let begins = a == b && other.starts_with(&one);
        prop_assert_eq!(begins, device.starts_with(Prefix::ade_devices(a, &one).as_bytes()));
        let due = Key::AdeDue(b, Timestamp::from_millis(at), SerialNumber::new(other.clone())).encode();
        prop_assert_eq!(a == b, due.starts_with(Prefix::ade_due(a).as_bytes()));
        let index = Key::AdeSerial(SerialNumber::new(other.clone()), b).encode();
        let prefix = Prefix::ade_serial(&SerialNumber::new(one.clone()));
        prop_assert_eq!(one == other, index.starts_with(prefix.as_bytes()));
    }

    #[test]
    fn the_order_of_keys_is_the_order_of_their_parts(a in any_text(), b in any_text(), x: i64, y: i64) {
        let serial = |text: &str| Key::Serial(SerialNumber::new(text), EnrollmentId::new("x")).encode();
        prop_assert_eq!(a.cmp(&b), serial(&a).cmp(&serial(&b)));
        let expiry = |at| Key::ChallengeExpiry(
            Timestamp::from_millis(at), SecretHash(Fingerprint::new([7; 32]))).encode();
        prop_assert_eq!(x.cmp(&y), expiry(x).cmp(&expiry(y)));
    }
}

#[test]
fn words_and_histories_keep_apart() {
    let word = |word: &str| Key::Word(word.into(), EnrollmentId::new("x")).encode();
    assert!(word("ada").starts_with(Prefix::words("ad").as_bytes()));
    assert!(!word("ada").starts_with(Prefix::word("ad").as_bytes()));
    assert!(word("ad").starts_with(Prefix::word("ad").as_bytes()));
    let history = |id: &str, number| Key::History(EnrollmentId::new(id), number).encode();
    assert!(history("A", 2) < history("A", 1));
    assert!(!history("AB", 1).starts_with(Prefix::history(&EnrollmentId::new("A")).as_bytes()));
}

#[test]
fn a_device_has_only_its_own_users() {
    let prefix = Prefix::users_of(&EnrollmentId::new("A"));
    let is_user = |id: &str| {
        Key::Enrollment(EnrollmentId::new(id))
            .encode()
            .starts_with(prefix.as_bytes())
    };
    assert!(is_user("A:1"));
    assert!(!is_user("A") && !is_user("AB") && !is_user("AB:1") && !is_user("A-1:1"));
}

#[test]
fn higher_priority_comes_first_then_the_order_of_enqueueing() {
    let key = |priority, sequence| Key::Queued(EnrollmentId::new("A"), priority, sequence).encode();
    assert!(key(9, 500) < key(0, 1));
    assert!(key(0, 1) < key(0, 2) && key(0, 255) < key(0, 256));
}
