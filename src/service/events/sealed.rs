//! Bodies that hold secrets, sealed while they wait: an event may stay in its queue, or as a dead letter, for weeks.

use super::Events;
use crate::{
    error::{Error, Result},
    storage::EventRecord,
};

/// The topics whose bodies hold what is sealed everywhere else: bootstrap tokens, unlock tokens.
const SECRET: [&str; 2] = ["mdm.SetBootstrapToken", "mdm.TokenUpdate"];

impl Events {
    /// The body as it is stored.
    pub(super) fn sealed(&self, record: &EventRecord, body: &[u8]) -> Result<Vec<u8>> {
        if !SECRET.contains(&record.topic.as_str()) {
            return Ok(body.to_vec());
        }
        self.sealer.seal(&purpose(record), body).map_err(Error::internal)
    }

    /// The body as it came. One that an earlier release has stored is a property list already.
    pub(super) fn opened(&self, record: &EventRecord, stored: Vec<u8>) -> Result<Vec<u8>> {
        let is_plain = stored.starts_with(b"<") || stored.starts_with(b"bplist");
        if !SECRET.contains(&record.topic.as_str()) || is_plain {
            return Ok(stored);
        }
        self.sealer
            .open(&purpose(record), &stored)
            .map_err(Error::internal)
    }
}

fn purpose(record: &EventRecord) -> String {
    format!("event:{}", record.id)
}
