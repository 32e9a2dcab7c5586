//! An example for each body that is asked for, by the operation's id. A test sends each of them.

use serde_json::{Value, json};

/// Some Mac.
const SERIAL: &str = "C02XK1ABJG5H";
const UDID: &str = "6F1A2B3C-4D5E-4F60-8A7B-9C0D1E2F3A4B";

/// What an operation may be sent; `None`: a file that no text can show.
pub(super) fn of(operation: &str) -> Option<Value> {
    let example = match operation {
        "assign_profile" => json!({ "serials": [SERIAL], "profile": "corp-macs" }),
        "bypass_code" | "clear_passcode" | "list_profiles" | "locate" | "log_out" | "lost_mode_off"
        | "play_sound" | "refresh" | "release" | "shutdown" => json!({}),
        "change_ade_profile" => json!({ "settings": { "locked": true } }),
        "change_ade_token" => json!({ "scope_tags": ["north"] }),
        "change_hold_profile" => json!({ "timeout_minutes": 90 }),
        "change_hook" => json!({ "enabled": false }),
        "change_own_password" => {
            json!({ "current_password": "what it was before", "password": "what it is to be from now on" })
        }
        "change_user" => json!({ "display_name": "Ada Lovelace", "role": "helpdesk" }),
        "create_account" => json!({ "name": "ada@example.com", "password": "not easy to guess" }),
        "create_activation_lock" => {
            json!({ "serial": SERIAL, "lost_message": "Please return it to Example, Inc." })
        }
        "create_ade_profile" => json!({
            "name": "corp-macs",
            "description": "Macs of the company",
            "settings": {
                "platform": "macos",
                "await_configuration": true,
                "locked": true,
                "panes": { "hide_all": true, "show": ["Location"] },
                "support": { "department": "IT", "phone": "+1 555 0100" },
            },
        }),
        "create_ade_token" => json!({ "name": "hq", "scope_tags": ["north"] }),
        "create_api_key" => json!({
            "name": "ticket-desk",
            "scopes": ["command", "read"],
            "expires_at": "2040-01-01T00:00:00Z",
        }),
        "create_enroll_link" => json!({ "serial": SERIAL, "ttl_seconds": 3600 }),
        "create_esp_profile" => json!({
            "profile": "Sales",
            "blocking_apps": [
                { "name": "Notes", "manifest_url": "https://apps.example.com/notes.plist", "bundle_id": "com.example.notes" },
            ],
            "timeout_minutes": 45,
            "assigned_groups": ["All Devices"],
            "status": "active",
        }),
        "create_hold_profile" => json!({
            "name": "sales",
            "description": "What the sales team needs before it begins",
            "assigned_to": { "kind": "platforms", "values": ["macos"] },
            "timeout_minutes": 45,
            "on_timeout": "release",
            "message": "This takes ten minutes.",
            "device_phase": {
                "items": [
                    { "name": "Notes", "type": "app", "manifest_url": "https://apps.example.com/notes.plist" },
                ],
                "blocking": "all",
            },
        }),
        "create_hook" => json!({
            "name": "siem",
            "url": "https://siem.example.com/russet",
            "topics": ["mdm.*"],
            "secret": "what both sides know",
        }),
        "create_job" => json!({ "action": "restart", "targets": { "ids": [UDID] } }),
        "create_setup_link" => json!({ "user": "ada" }),
        "create_user" => json!({
            "name": "ada",
            "display_name": "Ada Lovelace",
            "email": "ada@example.com",
            "role": "helpdesk",
            "password": "not easy to guess",
            "tags": ["north"],
        }),
        "delete" => json!({ "force": true }),
        "disown_devices" => json!({ "serials": [SERIAL], "confirm": true }),
        "import_ade_profile" => json!({
            "uuid": "88FC4E378CEB4E35B1A5F0DE0C2AE3C1",
            "platform": "macos",
            "name": "corp-macs",
        }),
        "import_push_certificate" => json!({ "pem": PEM, "apple_id": "mdm@example.com" }),
        "install_app" => json!({ "manifest_url": "https://apps.example.com/notes.plist" }),
        "install_profile" => json!({ "mobileconfig": MOBILECONFIG }),
        "lock" => json!({ "message": "Please call +1 555 0100.", "pin": "314159" }),
        "lost_mode_on" => json!({ "message": "Please call us.", "phone_number": "+1 555 0100" }),
        "nanodep_store_config" => json!({ "base_url": "https://mdmenrollment.apple.com" }),
        "nanodep_store_credentials" => json!({
            "consumer_key": "CK_48dd68d198350f51258e885ce9a5c37a",
            "consumer_secret": "CS_7c4a8d09ca3762af61e59520943dc264",
            "access_token": "AT_927696831c59ba510cfe4ec1a69e5267",
            "access_secret": "AS_c17995a0b1e4f60fbdb4d8a1a2a3c6e1",
            "access_token_expiry": "2040-01-01T00:00:00Z",
        }),
        "nanomdm_query_enrollments" => json!({ "filter": { "serials": [SERIAL] } }),
        "remove_profile" => json!({ "identifier": "com.example.wifi" }),
        "rename" => json!({ "name": "Front desk" }),
        "reorder_hold_profiles" => json!({ "names": ["sales"] }),
        "replace_ade_profile" => json!({ "settings": { "platform": "macos", "locked": true } }),
        "replace_hold_profile" => json!({
            "timeout_minutes": 45,
            "device_phase": {
                "items": [
                    { "name": "Notes", "type": "app", "manifest_url": "https://apps.example.com/notes.plist" },
                ],
                "blocking": "all",
            },
        }),
        "replay_dead_letters" => json!({ "event_ids": ["0e5a1c6e-7f4b-4b7b-9c9e-0a2f64d4d7b1"] }),
        "request_push_certificate" => json!({}),
        "restart" => json!({ "notify_user": true }),
        "retire" => json!({ "profile_identifier": "com.example.mdm" }),
        "retry_command" => json!({ "ids": [UDID] }),
        "set_service_discovery" => {
            json!({ "url": "https://mdm.example.com/.well-known/com.apple.remotemanagement" })
        }
        "set_user_password" => json!({ "password": "not easy to guess" }),
        "sign_in" => json!({ "name": "ada", "password": "not easy to guess" }),
        "start_sync" => json!({ "token": "hq", "full": false }),
        "test_push_certificate" => json!({ "enrollment": UDID }),
        "wipe" => json!({ "pin": "314159" }),
        _ if operation.starts_with("nanodep_proxy") => json!({ "devices": [SERIAL] }),
        _ if operation.starts_with("nanomdm_enqueue") => Value::from(COMMAND),
        _ if operation.starts_with("nanomdm_migration") => Value::from(AUTHENTICATE),
        _ if operation.starts_with("nanomdm_store_push") => Value::from(PEM),
        _ => return None,
    };
    Some(example)
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIF…\n-----END CERTIFICATE-----\n";

/// `<plist version="1.0"><dict>…</dict></plist>` with a `PayloadIdentifier`, in base64.
const MOBILECONFIG: &str = "PD94bWwgdmVyc2lvbj0iMS4wIiBlbmNvZGluZz0iVVRGLTgiPz4KPHBsaXN0IHZlcnNpb249IjEuMCI+PGRpY3Q+CjxrZXk+UGF5bG9hZFR5\
    cGU8L2tleT48c3RyaW5nPkNvbmZpZ3VyYXRpb248L3N0cmluZz4KPGtleT5QYXlsb2FkVmVyc2lvbjwva2V5PjxpbnRlZ2VyPjE8L2ludGVn\
    ZXI+CjxrZXk+UGF5bG9hZElkZW50aWZpZXI8L2tleT48c3RyaW5nPmNvbS5leGFtcGxlLndpZmk8L3N0cmluZz4KPGtleT5QYXlsb2FkVVVJ\
    RDwva2V5PjxzdHJpbmc+MEU1QTFDNkUtN0Y0Qi00QjdCLTlDOUUtMEEyRjY0RDREN0IxPC9zdHJpbmc+CjxrZXk+UGF5bG9hZERpc3BsYXlO\
    YW1lPC9rZXk+PHN0cmluZz5XaS1GaTwvc3RyaW5nPgo8a2V5PlBheWxvYWRDb250ZW50PC9rZXk+PGFycmF5Lz4KPC9kaWN0PjwvcGxpc3Q+\
    Cg==";

const COMMAND: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
  <key>CommandUUID</key><string>0e5a1c6e-7f4b-4b7b-9c9e-0a2f64d4d7b1</string>
  <key>Command</key><dict><key>RequestType</key><string>SecurityInfo</string></dict>
</dict>
</plist>
"#;

const AUTHENTICATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
  <key>MessageType</key><string>Authenticate</string>
  <key>Topic</key><string>com.apple.mgmt.External.0e5a1c6e</string>
  <key>UDID</key><string>6F1A2B3C-4D5E-4F60-8A7B-9C0D1E2F3A4B</string>
  <key>SerialNumber</key><string>C02XK1ABJG5H</string>
</dict>
</plist>
"#;
