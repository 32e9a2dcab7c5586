//! What became of a push, as far as whoever asked for it is told.

/// What became of one push. Nothing here means that the device is awake: APNs answers for itself only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The device is connected, and fetches what there is without being woken.
    Connected,
    /// A push from less than a minute ago is on its way still; another one would tell the device nothing new.
    Coalesced,
    /// APNs did not take it, and will not take it as it is; the text says why.
    Failed(String),
    /// No push service is configured. What is queued waits for the device's next contact.
    NotConfigured,
    /// It will be sent; the text says why not yet.
    Scheduled(String),
    /// APNs took it, under this `apns-id`.
    Sent(String),
    /// There is nowhere to push to: the enrollment is not known, has left, or has not said how it can be woken.
    Unreachable,
}

impl PushOutcome {
    /// Text for an operator; an `Err` if nothing more will be done.
    pub fn tell(&self) -> Result<String, String> {
        match self {
            Self::Connected => Ok("not needed: the device is connected".into()),
            Self::Coalesced => Ok("not repeated: a push sent less than a minute ago is on its way".into()),
            Self::Failed(why) => Err(why.clone()),
            Self::NotConfigured => Ok(
                "not sent: no push service is configured; the device takes its commands when it next connects"
                    .into(),
            ),
            Self::Scheduled(why) => Ok(format!("not sent yet: {why}")),
            Self::Sent(id) => Ok(id.clone()),
            Self::Unreachable => Err("push data missing for id".into()),
        }
    }
}
