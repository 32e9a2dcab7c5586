//! What Automated Device Enrollment is built of.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    config::Config,
    protocol::ade::Addresses,
    service::{
        ade::{
            profiles::{Doors, Profiles},
            settings_commands::EnrollmentSettings,
            tokens::AdeTokens,
        },
        enrollment::Enrollments,
    },
    storage::{AdeTokenRecord, Storage},
};

/// Enrollment profiles.
pub(super) fn profiles(
    store: &Arc<dyn Storage>,
    ade_tokens: &AdeTokens,
    config: &Config,
    enrollments: &Enrollments,
    at_enrollment: &EnrollmentSettings,
    device_address: SocketAddr,
) -> Arc<Profiles> {
    let door = OneDoor::new(config.public_url(device_address), enrollments.anchors());
    Arc::new(Profiles::new(
        Arc::clone(store),
        ade_tokens.connected(),
        Arc::new(door),
        at_enrollment.edition(),
        config.enroll.has_user_channels(),
    ))
}

/// One place where the devices of all tokens ask for their profile.
#[derive(Debug)]
struct OneDoor {
    addresses: Addresses,
}

impl OneDoor {
    /// `public_url`: `https://host[:port]`.
    fn new(public_url: String, anchors: Vec<Vec<u8>>) -> Self {
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
