//! Check-in messages and command results as plist dictionaries, ready to be sent or spoiled.
//!
//! Every builder starts from the sender's identification keys (see `Device::ids`). Source: Apple's check-in and command
//! references.

use crate::hardware::{Hardware, Kind};
use crate::plists::{Dictionary, Value, dictionary};

/// The error domain of devices' answers.
pub const MCMDM_ERROR_DOMAIN: &str = "MCMDMErrorDomain";

fn message(ids: &Dictionary, message_type: &str) -> Dictionary {
    let mut message = ids.clone();
    message.insert("MessageType".into(), message_type.into());
    message
}

/// `Authenticate`; a User Enrollment (no `UDID` among `ids`) keeps serial number and IMEI to itself.
pub fn authenticate(ids: &Dictionary, hardware: &Hardware, device_name: &str, topic: &str) -> Dictionary {
    let mut message = message(ids, "Authenticate");
    let mut set = |key: &str, value: &str| drop(message.insert(key.into(), value.into()));
    set("Topic", topic);
    set("OSVersion", &hardware.os_version);
    set("BuildVersion", &hardware.build_version);
    set("ProductName", &hardware.product_name);
    if hardware.kind == Kind::Mac {
        set("DeviceName", device_name);
        set("ModelName", &hardware.model_name);
        set("Model", &hardware.product_name);
    }
    if ids.contains_key("UDID") {
        set("SerialNumber", &hardware.serial_number);
        if let Some(imei) = &hardware.imei {
            set("IMEI", imei);
        }
    }
    message
}

/// `TokenUpdate` with the keys that every one has.
pub fn token_update(ids: &Dictionary, topic: &str, token: &[u8], push_magic: &str) -> Dictionary {
    let mut message = message(ids, "TokenUpdate");
    message.insert("Topic".into(), topic.into());
    message.insert("Token".into(), Value::Data(token.to_vec()));
    message.insert("PushMagic".into(), push_magic.into());
    message
}

/// `CheckOut`
pub fn check_out(ids: &Dictionary, topic: &str) -> Dictionary {
    let mut message = message(ids, "CheckOut");
    message.insert("Topic".into(), topic.into());
    message
}

/// `UserAuthenticate`; the second one carries a `DigestResponse`.
pub fn user_authenticate(ids: &Dictionary, digest_response: Option<&str>) -> Dictionary {
    let mut message = message(ids, "UserAuthenticate");
    if let Some(response) = digest_response {
        message.insert("DigestResponse".into(), response.into());
    }
    message
}

/// `SetBootstrapToken`; without a token the server's copy is deleted.
pub fn set_bootstrap_token(ids: &Dictionary, token: Option<&[u8]>) -> Dictionary {
    let mut message = message(ids, "SetBootstrapToken");
    if let Some(token) = token {
        message.insert("BootstrapToken".into(), Value::Data(token.to_vec()));
    }
    message
}

/// `GetBootstrapToken`
pub fn get_bootstrap_token(ids: &Dictionary) -> Dictionary {
    message(ids, "GetBootstrapToken")
}

/// `GetToken` for a service such as `com.apple.maid`.
pub fn get_token(ids: &Dictionary, service_type: &str, parameters: Option<Dictionary>) -> Dictionary {
    let mut message = message(ids, "GetToken");
    message.insert("TokenServiceType".into(), service_type.into());
    if let Some(parameters) = parameters {
        message.insert("TokenParameters".into(), parameters.into());
    }
    message
}

/// `DeclarativeManagement`; only the `status` endpoint carries data.
pub fn declarative_management(ids: &Dictionary, endpoint: &str, data: Option<Vec<u8>>) -> Dictionary {
    let mut message = message(ids, "DeclarativeManagement");
    message.insert("Endpoint".into(), endpoint.into());
    if let Some(data) = data {
        message.insert("Data".into(), Value::Data(data));
    }
    message
}

/// `ReturnToService`
pub fn return_to_service(ids: &Dictionary) -> Dictionary {
    message(ids, "ReturnToService")
}

/// The `Idle` message of the command endpoint.
pub fn idle(ids: &Dictionary) -> Dictionary {
    let mut message = ids.clone();
    message.insert("Status".into(), "Idle".into());
    message
}

/// A command's result without its own keys.
pub fn result(ids: &Dictionary, command_uuid: &str, status: &str) -> Dictionary {
    let mut message = ids.clone();
    message.insert("CommandUUID".into(), command_uuid.into());
    message.insert("Status".into(), status.into());
    message
}

/// One item of an `ErrorChain`.
pub fn error_item(domain: &str, code: i64, description: &str) -> Dictionary {
    dictionary([
        ("ErrorCode", code.into()),
        ("ErrorDomain", domain.into()),
        ("LocalizedDescription", description.into()),
        ("USEnglishDescription", description.into()),
    ])
}
