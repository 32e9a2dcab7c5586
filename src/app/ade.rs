//! What Automated Device Enrollment is built of.

use crate::{protocol::ade::Addresses, service::ade::profiles::Doors, storage::AdeTokenRecord};

/// One place where the devices of all tokens ask for their profile.
#[derive(Debug)]
pub(super) struct OneDoor {
    addresses: Addresses,
}

impl OneDoor {
    /// `public_url`: `https://host[:port]`.
    pub(super) fn new(public_url: String, anchors: Vec<Vec<u8>>) -> Self {
        Self {
            addresses: Addresses {
                url: format!("{public_url}/ade/enroll"),
                configuration_web_url: format!("{public_url}/ade/web"),
                anchors,
            },
        }
    }
}

impl Doors for OneDoor {
    fn addresses(&self, _: &AdeTokenRecord) -> Addresses {
        self.addresses.clone()
    }
}
