//! Properties: whatever is sent, the answer is never a 5xx and never the 401 that would unenroll a device.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use russet_sim::{Device, Endpoint, Kind};
use tokio::runtime::Runtime;

use super::{CHECK_IN, REPORT};
use crate::support::TestServer;

/// One change to a message.
#[derive(Clone, Debug)]
enum Change {
    Cut(prop::sample::Index),
    Duplicate(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Overwrite(prop::sample::Index, u8),
    Remove(prop::sample::Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let fragment = prop_oneof![
        vec(any::<u8>(), 1..8),
        prop::sample::select(vec![
            "<array>",
            "</dict>",
            "<key>UDID</key>",
            "<string>",
            "</string>",
            "<data>",
            "<true/>",
            "&amp;",
            "&#0;",
            "<![CDATA[",
            "<!--",
            "<integer>-9223372036854775808</integer>",
            "<date>",
            "bplist00",
            "\u{feff}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        at().prop_map(Change::Cut),
        (at(), any::<u8>()).prop_map(|(at, length)| Change::Duplicate(at, length)),
        (at(), fragment).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Overwrite(at, byte)),
        (at(), any::<u8>()).prop_map(|(at, length)| Change::Remove(at, length)),
    ]
}

fn apply(message: &mut Vec<u8>, change: &Change) {
    if message.is_empty() {
        return;
    }
    let length = message.len();
    let range = |at: &prop::sample::Index, wanted: &u8| {
        let from = at.index(length);
        from..(from + usize::from(*wanted)).min(length)
    };
    match change {
        Change::Cut(at) => message.truncate(at.index(length)),
        Change::Duplicate(at, wanted) => {
            let range = range(at, wanted);
            let piece = message[range.clone()].to_vec();
            drop(message.splice(range.start..range.start, piece));
        }
        Change::Insert(at, bytes) => {
            let at = at.index(length);
            drop(message.splice(at..at, bytes.iter().copied()));
        }
        Change::Overwrite(at, byte) => message[at.index(length)] = *byte,
        Change::Remove(at, wanted) => drop(message.drain(range(at, wanted))),
    }
}

/// A server and a device, on a runtime that the property's cases share.
fn together() -> (Runtime, TestServer, Device) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(TestServer::start());
    let device = runtime.block_on(server.enrolled(Kind::Mac));
    (runtime, server, device)
}

fn status(runtime: &Runtime, device: &mut Device, check_in: bool, body: Vec<u8>) -> u16 {
    let (endpoint, content_type) = if check_in {
        (Endpoint::CheckIn, CHECK_IN)
    } else {
        (Endpoint::Server, REPORT)
    };
    let answer = device.request_raw(endpoint, Some(content_type), body, None);
    runtime.block_on(answer).unwrap().status
}

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl FnMut(S::Value) -> u16) {
    let test = std::cell::RefCell::new(test);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(strategy, |value| {
            let status = (test.borrow_mut())(value);
            prop_assert!(status < 500 && status != 401, "HTTP {}", status);
            Ok(())
        })
        .unwrap();
}

#[test]
fn random_bodies_never_make_the_server_fail() {
    let (runtime, _server, mut device) = together();
    let prefix = prop::sample::select(vec![
        &b""[..],
        b"<plist>",
        b"bplist00",
        b"<?xml version=\"1.0\"?><plist><dict>",
    ]);
    run(
        300,
        &(any::<bool>(), prefix, vec(any::<u8>(), 0..2048)),
        |(check_in, prefix, body)| status(&runtime, &mut device, check_in, [prefix, &body].concat()),
    );
}

#[test]
fn changed_messages_never_make_the_server_fail() {
    let (runtime, server, mut device) = together();
    let token_update = device.token_update_message(&russet_sim::Channel::Device).unwrap();
    let messages = [
        device.authenticate_message().unwrap(),
        token_update,
        russet_sim::messages::idle(&device.ids(&russet_sim::Channel::Device)),
        russet_sim::messages::declarative_management(
            &device.ids(&russet_sim::Channel::Device),
            "declaration-items",
            None,
        ),
    ];
    let messages: Vec<Vec<u8>> = messages
        .iter()
        .map(|message| russet_sim::plists::encode(message).unwrap())
        .collect();
    let idle = messages[2].clone();
    run(
        500,
        &(prop::sample::select(messages), vec(change(), 1..5)),
        |(mut message, changes)| {
            let check_in = message != idle;
            for change in &changes {
                apply(&mut message, change);
            }
            status(&runtime, &mut device, check_in, message)
        },
    );
    // Whatever came of it: this device and its user are all there is, and the server still takes another.
    let enrollments = runtime.block_on(server.enrollments());
    for enrollment in enrollments {
        let id = enrollment["id"].as_str().unwrap();
        assert!(id.starts_with(&device.hardware.udid), "{id}");
    }
    runtime.block_on(super::still_serves(&server));
}
