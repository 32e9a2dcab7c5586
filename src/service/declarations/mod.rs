//! Declarative management: by another program, or as far as every device needs it: an empty, valid set of declarations.

mod forward;

use serde_json::{Value, json};

pub use forward::Forward;

use crate::{
    error::{Code, Error, Result},
    protocol::mdm::{DeclarativeManagement, Sender},
    service::checkin::Reply,
};

/// Who answers `DeclarativeManagement`.
#[derive(Debug)]
pub enum Declarations {
    /// This server: every device has the empty set.
    Empty,
    /// Another program.
    Forwarded(Box<Forward>),
}

impl Declarations {
    /// Answers one message.
    pub async fn answer(&self, sender: &Sender, message: &DeclarativeManagement) -> Result<Reply> {
        match self {
            Self::Empty => answer(&message.endpoint, message.data.as_deref()),
            Self::Forwarded(forward) => forward.answer(sender, message).await,
        }
    }
}

/// Names the empty set. A device that has seen it asks for nothing more.
const EMPTY_SET_TOKEN: &str = "e3b0c44298fc1c14";

/// The set never changes, so neither does its time.
const EMPTY_SET_TIMESTAMP: &str = "2026-01-01T00:00:00Z";

/// Answers one `DeclarativeManagement` message. A declaration that does not exist must be "not found": the device
/// then removes it. A status report must be answered 200 (anything else was seen to crash the device's agent).
fn answer(endpoint: &str, data: Option<&[u8]>) -> Result<Reply> {
    match endpoint {
        "declaration-items" => Ok(json_reply(&json!({
            "Declarations": { "Activations": [], "Assets": [], "Configurations": [], "Management": [] },
            "DeclarationsToken": EMPTY_SET_TOKEN,
        }))),
        "status" => {
            let report = data.ok_or_else(|| Error::with(Code::BadMessage, "status has no Data"))?;
            match serde_json::from_slice::<Value>(report) {
                Ok(Value::Object(_)) => Ok(Reply::Empty),
                _ => Err(Error::with(
                    Code::BadMessage,
                    "the status report is not a JSON object",
                )),
            }
        }
        "tokens" => Ok(json_reply(&json!({
            "SyncTokens": { "DeclarationsToken": EMPTY_SET_TOKEN, "Timestamp": EMPTY_SET_TIMESTAMP },
        }))),
        _ if endpoint.starts_with("declaration/") => Ok(Reply::NotFound),
        _ => Err(Error::with(Code::BadMessage, "unknown Endpoint")),
    }
}

fn json_reply(value: &Value) -> Reply {
    Reply::Json(value.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_set_is_valid_and_consistent() {
        let parse = |endpoint| match answer(endpoint, None).unwrap() {
            Reply::Json(body) => serde_json::from_slice::<Value>(&body).unwrap(),
            other => panic!("{other:?}"),
        };
        let (tokens, items) = (parse("tokens"), parse("declaration-items"));
        assert_eq!(
            tokens["SyncTokens"]["DeclarationsToken"],
            items["DeclarationsToken"]
        );
        for kind in ["Activations", "Assets", "Configurations", "Management"] {
            assert_eq!(
                items["Declarations"][kind],
                json!([]),
                "all four arrays must be there"
            );
        }
    }

    #[test]
    fn a_missing_declaration_is_not_found_and_nonsense_is_malformed() {
        assert_eq!(
            answer("declaration/configuration/x", None).unwrap(),
            Reply::NotFound
        );
        assert_eq!(answer("status", Some(b"{}")).unwrap(), Reply::Empty);
        for (endpoint, data) in [("status", None), ("status", Some(&b"[1"[..])), ("nonsense", None)] {
            assert_eq!(answer(endpoint, data).unwrap_err().code(), Code::BadMessage);
        }
    }
}
