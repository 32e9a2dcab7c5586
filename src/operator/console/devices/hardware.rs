//! What a device is, by its own words and by Apple's, and what is escrowed for it.

use maud::{Markup, html};

use super::{model, system};
use crate::{
    error::Result,
    operator::{
        OperatorDoor,
        console::{
            frame::Frame,
            parts::{Tone, badge, card, code, facts, maybe, time::full},
        },
    },
    storage::EnrollmentRow,
};

pub(super) async fn tab(door: &OperatorDoor, frame: &Frame, row: &EnrollmentRow) -> Result<Markup> {
    let device = &row.device;
    let record = &row.record;
    let mut apples = match &device.serial {
        None => Vec::new(),
        Some(serial) => door.store.ade_device(serial).await?,
    };
    let sight = door.sight(&frame.operator).await?;
    apples.retain(|apple| sight.sees_device(apple));
    let escrowed = |is: bool| match is {
        true => Some(badge(Tone::Ok, "Yes")),
        false => Some(badge(Tone::Quiet, "No")),
    };
    Ok(html! {
        div.grid.wide {
            (card("As the device says", facts(&[
                ("Model", maybe(model(row))),
                ("Product", maybe(device.product_name.as_deref())),
                ("System", maybe(system(row))),
                ("Build", code(device.build_version.as_deref())),
                ("IMEI", code(device.imei.as_deref())),
                ("MEID", code(device.meid.as_deref())),
            ])))
            (card("Escrowed here", facts(&[
                ("Bootstrap token", escrowed(record.bootstrap_token.is_some())),
                ("Unlock token", escrowed(record.unlock_token.is_some())),
                ("Supervised", record.ade.as_ref().and_then(|ade| escrowed(ade.supervised))),
            ])))
            @for apple in &apples {
                @let facts_of = &apple.facts;
                (card("As Apple’s list says", facts(&[
                    ("Model", maybe(facts_of.model.as_deref())),
                    ("Description", maybe(facts_of.description.as_deref())),
                    ("Colour", maybe(facts_of.color.as_deref())),
                    ("Asset tag", maybe(facts_of.asset_tag.as_deref())),
                    ("Assigned to this MDM server", facts_of.device_assigned_date.map(|at| full(at, frame.now))),
                    ("Assigned by", maybe(facts_of.device_assigned_by.as_deref())),
                    ("Wi-Fi address", code(facts_of.wifi_mac_address.as_deref())),
                    ("Bluetooth address", code(facts_of.bluetooth_mac_address.as_deref())),
                    ("Ethernet address", code(facts_of.ethernet_mac_address.as_deref())),
                    ("EID", code(facts_of.eid.as_deref())),
                    ("Removed from Apple’s list", apple.removed_at.map(|at| full(at, frame.now))),
                ])))
            }
        }
    })
}
