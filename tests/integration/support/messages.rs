//! Messages written by hand: another's, odd ones, and one of each kind.

use plist::{Dictionary, Value};
use russet_sim::{
    Channel, Credentials, Device, Endpoint, Response, messages, pki::identity::Identity, plists,
};

/// `Content-Type` of check-ins.
pub const CHECK_IN: &str = "application/x-apple-aspen-mdm-checkin";
/// `Content-Type` of reports.
pub const REPORT: &str = "application/x-apple-aspen-mdm; charset=UTF-8";

/// A message, and where it goes.
#[derive(Clone, Debug)]
pub struct Message {
    /// `MessageType`, or `Status`.
    pub name: String,
    /// Where it goes.
    pub endpoint: Endpoint,
    /// What it says.
    pub content: Dictionary,
}

impl Message {
    /// A check-in.
    pub fn check_in(content: Dictionary) -> Self {
        Self::to(Endpoint::CheckIn, "MessageType", content)
    }

    /// A report.
    pub fn report(content: Dictionary) -> Self {
        Self::to(Endpoint::Server, "Status", content)
    }

    fn to(endpoint: Endpoint, key: &str, content: Dictionary) -> Self {
        let name = content.get(key).and_then(Value::as_string).unwrap_or_default();
        Self {
            name: name.to_owned(),
            endpoint,
            content,
        }
    }

    /// Without some of its keys.
    pub fn without(mut self, keys: &[&str]) -> Self {
        for key in keys {
            self.content.remove(key);
        }
        self
    }

    /// With a key more, or another value.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.content.insert(key.into(), value.into());
        self
    }

    /// The plist.
    pub fn body(&self) -> Vec<u8> {
        plists::encode(&self.content).unwrap()
    }

    /// Sends it as `sender` would send its own.
    pub async fn send(&self, sender: &mut Device) -> Response {
        let credentials = sender.credentials();
        self.send_as(sender, &credentials).await
    }

    /// Sends it over `sender`'s addresses with other credentials.
    pub async fn send_as(&self, sender: &mut Device, credentials: &Credentials) -> Response {
        let content_type = match self.endpoint {
            Endpoint::CheckIn => CHECK_IN,
            Endpoint::Server => REPORT,
        };
        sender
            .request_raw(self.endpoint, Some(content_type), self.body(), Some(credentials))
            .await
            .expect("the server answers")
    }
}

/// A TLS client certificate and nothing else.
pub fn over_tls(identity: &Identity) -> Credentials {
    Credentials {
        tls: Some(identity.clone()),
        ..Credentials::default()
    }
}

/// The device channel's `Authenticate`.
pub fn authenticate(device: &Device) -> Message {
    Message::check_in(device.authenticate_message().unwrap())
}

/// A channel's `TokenUpdate`.
pub fn token_update(device: &mut Device, channel: &Channel) -> Message {
    Message::check_in(device.token_update_message(channel).unwrap())
}

/// `CheckOut` of a channel.
pub fn check_out(device: &Device, channel: &Channel) -> Message {
    let topic = &device.enrollment().unwrap().mdm.topic;
    Message::check_in(messages::check_out(&device.ids(channel), topic))
}

/// `DeclarativeManagement`.
pub fn declarative_management(device: &Device, endpoint: &str, data: Option<&[u8]>) -> Message {
    let ids = device.ids(&Channel::Device);
    Message::check_in(messages::declarative_management(
        &ids,
        endpoint,
        data.map(<[u8]>::to_vec),
    ))
}

/// `Idle` on a channel.
pub fn idle(device: &Device, channel: &Channel) -> Message {
    Message::report(messages::idle(&device.ids(channel)))
}

/// A result on the device channel.
pub fn result(device: &Device, uuid: &str, status: &str) -> Message {
    Message::report(messages::result(&device.ids(&Channel::Device), uuid, status))
}

/// One of every check-in and report that a channel can send; the results are for the command `uuid`.
pub fn one_of_each(device: &mut Device, channel: &Channel, uuid: &str) -> Vec<Message> {
    let ids = device.ids(channel);
    let mut all = vec![
        token_update(device, channel),
        check_out(device, channel),
        Message::check_in(messages::user_authenticate(&ids, None)),
        Message::check_in(messages::set_bootstrap_token(&ids, Some(b"planted"))),
        Message::check_in(messages::set_bootstrap_token(&ids, None)),
        Message::check_in(messages::get_bootstrap_token(&ids)),
        Message::check_in(messages::get_token(&ids, "com.apple.maid", None)),
        Message::check_in(messages::return_to_service(&ids)),
        Message::report(messages::idle(&ids)),
    ];
    let declarations = [
        ("tokens", None),
        ("declaration-items", None),
        ("status", Some("{}")),
    ];
    all.extend(declarations.map(|(endpoint, data)| {
        let data = data.map(|data| data.as_bytes().to_vec());
        Message::check_in(messages::declarative_management(&ids, endpoint, data))
    }));
    let statuses = ["Acknowledged", "CommandFormatError", "Error", "NotNow"];
    all.extend(statuses.map(|status| Message::report(messages::result(&ids, uuid, status))));
    if *channel == Channel::Device {
        all.push(authenticate(device));
    }
    all
}

/// The `CommandUUID` of the command in an answer; `None` if there is none in it.
pub fn command_in(response: &Response) -> Option<String> {
    assert_eq!(
        response.status,
        200,
        "{}",
        String::from_utf8_lossy(&response.body)
    );
    if response.body.is_empty() {
        return None;
    }
    let command = plists::decode(&response.body).unwrap();
    Some(command["CommandUUID"].as_string().unwrap().to_owned())
}
