//! Enrollment profiles of Automated Device Enrollment.

mod api;
mod apple;
mod at_apple;
mod enrolling;
mod panes;
mod using;

use russet::{
    protocol::{ids::SerialNumber, time::Timestamp},
    storage::{
        AdeDeviceChange, AdeDeviceFacts, AdeDeviceRecord, AdeTokenAdded, AdeTokenRecord, RowRuling, Storage,
    },
};

const AT: Timestamp = Timestamp::from_millis(1_795_300_000_000);

/// Adds a token without credentials; its number.
pub(crate) async fn add_token(store: &dyn Storage, name: &str) -> u64 {
    let token = AdeTokenRecord::new(name, AT);
    match store.add_ade_token(token, 10).await.unwrap() {
        AdeTokenAdded::Added(number) => number,
        other => panic!("{other:?}"),
    }
}

/// Puts a device as Apple's list has it.
async fn put_device(store: &dyn Storage, token: u64, serial: &str, facts: AdeDeviceFacts) {
    let record = AdeDeviceRecord {
        token,
        serial: SerialNumber::new(serial),
        facts,
        op_date: None,
        generation: 1,
        removed_at: None,
        chosen_profile: None,
        assignment: None,
        due: None,
        first_seen_at: AT,
        updated_at: AT,
    };
    change_device(store, token, serial, move |_| record.clone()).await;
}

async fn change_device(
    store: &dyn Storage,
    token: u64,
    serial: &str,
    change: impl Fn(Option<&AdeDeviceRecord>) -> AdeDeviceRecord + Send + Sync + 'static,
) {
    let change = AdeDeviceChange {
        sync: None,
        serials: vec![SerialNumber::new(serial)],
        rule: Box::new(move |_, stored| RowRuling::Put(change(stored))),
    };
    store.change_ade_devices(token, change).await.unwrap();
}

async fn device(store: &dyn Storage, serial: &str) -> AdeDeviceRecord {
    store
        .ade_device(&SerialNumber::new(serial))
        .await
        .unwrap()
        .remove(0)
}

/// A device of a family, with this profile in this state.
fn facts(family: &str, profile: Option<(&str, &str)>) -> AdeDeviceFacts {
    AdeDeviceFacts {
        device_family: Some(family.into()),
        profile_uuid: profile.map(|(uuid, _)| uuid.into()),
        profile_status: profile.map(|(_, status)| status.into()),
        ..AdeDeviceFacts::default()
    }
}
