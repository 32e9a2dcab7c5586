//! What is due when.

use serde_json::{Value, json};

use super::*;
use crate::{
    protocol::{
        ids::{EnrollmentId, EnrollmentKind, SerialNumber},
        plist::parse,
        time::Timestamp,
    },
    storage::{AdeDeviceFacts, DeviceFacts, EnrollmentState},
};

const AT: Timestamp = Timestamp::from_millis(1_795_300_000_000);

fn enrollment(product: &str, os: &str) -> EnrollmentRecord {
    EnrollmentRecord {
        id: EnrollmentId::new("UDID-1"),
        kind: EnrollmentKind::Device,
        state: EnrollmentState::Enrolled,
        device: DeviceFacts {
            serial: Some(SerialNumber::new("C02XYZ")),
            product_name: Some(product.into()),
            os_version: Some(os.into()),
            ..DeviceFacts::default()
        },
        user: None,
        identity: None,
        pending: None,
        push: None,
        unlock_token: None,
        bootstrap_token: None,
        user_approved: None,
        awaiting_configuration: true,
        token_update_tally: 1,
        allow_reenroll: false,
        migrated: false,
        url_params: Default::default(),
        ade: None,
        release: None,
        ade_settings: None,
        enrolled_at: Some(AT),
        updated_at: AT,
    }
}

fn device(facts: AdeDeviceFacts) -> AdeDeviceRecord {
    AdeDeviceRecord {
        token: 1,
        serial: SerialNumber::new("C02XYZ"),
        facts,
        op_date: None,
        generation: 0,
        removed_at: None,
        chosen_profile: None,
        assignment: None,
        due: None,
        first_seen_at: AT,
        updated_at: AT,
    }
}

fn profile(settings: &Value, revision: u64) -> (AdeProfileRecord, Settings) {
    let settings = Settings::parse(settings).unwrap();
    let record = AdeProfileRecord {
        token: 1,
        name: "P".into(),
        description: String::new(),
        settings: settings.to_value(),
        revision,
        uuid: None,
        former_uuids: Vec::new(),
        created_at: AT,
        updated_at: AT,
    };
    (record, settings)
}

fn of(enrollment: &EnrollmentRecord, device: Option<&AdeDeviceRecord>, settings: &Value) -> Due {
    let (record, settings) = profile(settings, 1);
    due(enrollment, device, &record, &settings, None)
}

/// Each command's body as JSON.
fn bodies(due: &Due) -> Vec<Value> {
    let read = |command: &DueCommand| {
        let plist = parse(&command.payload).unwrap();
        let whole = serde_json::to_value(&plist).unwrap();
        assert_eq!(whole["CommandUUID"], command.uuid.as_str());
        assert_eq!(whole["Command"]["RequestType"], command.request_type.as_str());
        whole["Command"].clone()
    };
    due.commands.iter().map(read).collect()
}

fn item(body: &Value) -> &Value {
    &body["Settings"][0]
}

#[test]
fn e13_a_device_is_named_once_and_again_when_its_name_has_changed() {
    let settings = |template: &str| json!({ "platform": "ios", "naming": { "template": template } });
    let mut phone = enrollment("iPhone17,2", "18.1");
    let first = of(&phone, None, &settings("{{DEVICETYPE}} {{SERIAL}}"));
    assert_eq!(
        bodies(&first),
        [json!({
            "RequestType": "Settings",
            "Settings": [{ "Item": "DeviceName", "DeviceName": "iPhone C02XYZ" }],
        })]
    );
    assert_eq!(
        of(&phone, None, &settings("{{DEVICETYPE}} {{SERIAL}}")),
        first,
        "a repetition has the same UUID"
    );

    phone.ade_settings = Some(AdeSettingsQueued {
        token: 1,
        profile: "P".into(),
        name: first.name.clone(),
        at: AT,
    });
    let again = |template: &str, revision| {
        let (record, settings) = profile(&settings(template), revision);
        due(&phone, None, &record, &settings, phone.ade_settings.as_ref())
    };
    assert_eq!(again("{{DEVICETYPE}} {{SERIAL}}", 2).commands, []);
    let renamed = again("Kiosk {{SERIAL}}", 3);
    assert_eq!(item(&bodies(&renamed)[0])["DeviceName"], "Kiosk C02XYZ");
    assert_ne!(
        renamed.commands[0].uuid,
        again("Kiosk {{SERIAL}}", 5).commands[0].uuid
    );
    let none = profile(&json!({ "platform": "ios" }), 6);
    assert_eq!(
        due(&phone, None, &none.0, &none.1, phone.ade_settings.as_ref()).commands,
        []
    );
}

#[test]
fn e13_apples_record_tells_the_type_where_the_device_does_not() {
    let settings = json!({ "platform": "ios", "naming": { "template": "{{DEVICETYPE}}" } });
    let listed = |family: &str| {
        device(AdeDeviceFacts {
            device_family: Some(family.into()),
            ..AdeDeviceFacts::default()
        })
    };
    for (family, shown) in [
        ("iPad", "iPad"),
        ("AppleTV", "Apple TV"),
        ("Vision", "Apple Vision"),
    ] {
        assert_eq!(
            of(&enrollment("", ""), Some(&listed(family)), &settings)
                .name
                .as_deref(),
            Some(shown)
        );
    }
    assert_eq!(
        of(&enrollment("iPad14,3", "18"), None, &settings).name.as_deref(),
        Some("iPad")
    );
}

#[test]
fn e14_the_cellular_plan_is_asked_for_once_and_of_esim_models_only() {
    let settings = json!({ "platform": "ios", "esim": { "server_url": "https://esim.example.com/" } });
    let phone = enrollment("iPhone17,2", "18.1");
    let asked = |enrollment: &EnrollmentRecord, facts: AdeDeviceFacts| {
        bodies(&of(enrollment, Some(&device(facts)), &settings))
    };
    let plan = json!({ "RequestType": "RefreshCellularPlans", "eSIMServerURL": "https://esim.example.com/" });
    let family = |name: &str| AdeDeviceFacts {
        device_family: Some(name.into()),
        ..AdeDeviceFacts::default()
    };
    assert_eq!(asked(&phone, family("iPhone")), std::slice::from_ref(&plan));
    let with_eid = AdeDeviceFacts {
        eid: Some("8904".into()),
        wifi_mac_address: Some("aa".into()),
        ..family("iPad")
    };
    assert_eq!(asked(&phone, with_eid), [plan]);
    let without_esim = AdeDeviceFacts {
        imei: vec!["35".into()],
        ..family("iPhone")
    };
    assert_eq!(asked(&phone, without_esim), [] as [Value; 0]);
    assert_eq!(asked(&phone, family("iPod")), [] as [Value; 0]);
    assert_eq!(
        asked(&enrollment("iPhone8,1", "12.5"), family("iPhone")),
        [] as [Value; 0]
    );
}

#[test]
fn h3_h4_h5_what_is_for_users_goes_to_the_shared_device_configuration() {
    let settings = json!({ "platform": "ios", "shared_ipad": {
        "maximum_cached_users": 8, "lock_grace_seconds": 300, "user_session_timeout": 60,
    } });
    assert_eq!(
        bodies(&of(&enrollment("iPad14,3", "17.0"), None, &settings)),
        [json!({
            "RequestType": "Settings",
            "Settings": [{
                "Item": "SharedDeviceConfiguration", "ResidentUsers": 8, "UserSessionTimeout": 60,
                "PasscodePolicy": { "PasscodeLockGracePeriod": 300 },
            }],
        })]
    );
    let older = bodies(&of(&enrollment("iPad14,3", "14.0"), None, &settings));
    assert_eq!(
        *item(&older[0]),
        json!({ "Item": "SharedDeviceConfiguration", "ResidentUsers": 8 })
    );
    assert_eq!(
        *item(&older[1]),
        json!({ "Item": "PasscodeLockGracePeriod", "PasscodeLockGracePeriod": 300 })
    );
}

#[test]
fn h6_h7_guests_get_nothing_of_what_is_for_users() {
    let settings = json!({ "platform": "ios", "shared_ipad": {
        "maximum_cached_users": 8, "lock_grace_seconds": 300, "user_session_timeout": 60,
        "temporary_session_only": true, "temporary_session_timeout": 0,
    } });
    let sent = bodies(&of(&enrollment("iPad14,3", "18.1"), None, &settings));
    assert_eq!(sent.len(), 1);
    assert_eq!(
        *item(&sent[0]),
        json!({
            "Item": "SharedDeviceConfiguration", "TemporarySessionOnly": true, "TemporarySessionTimeout": 0,
        })
    );
}

#[test]
fn e8_initial_commands_are_queued_in_their_order_and_only_once() {
    let command = |name: &str| {
        format!("<plist version=\"1.0\"><dict><key>RequestType</key><string>{name}</string></dict></plist>")
    };
    let settings = json!({
        "platform": "ios",
        "naming": { "template": "N" },
        "initial_commands": [command("InstallProfile"), command("SecurityInfo"), command("SecurityInfo")],
    });
    let mut phone = enrollment("iPhone17,2", "18.1");
    let first = of(&phone, None, &settings);
    let types: Vec<_> = first
        .commands
        .iter()
        .map(|command| command.request_type.as_str())
        .collect();
    assert_eq!(
        types,
        ["Settings", "InstallProfile", "SecurityInfo", "SecurityInfo"]
    );
    let uuids: std::collections::BTreeSet<_> = first
        .commands
        .iter()
        .map(|command| command.uuid.as_str())
        .collect();
    assert_eq!(uuids.len(), 4);
    phone.enrolled_at = Some(AT.plus(std::time::Duration::from_secs(1)));
    assert_ne!(
        of(&phone, None, &settings).commands[1].uuid,
        first.commands[1].uuid,
        "a new enrollment gets its own"
    );
}
