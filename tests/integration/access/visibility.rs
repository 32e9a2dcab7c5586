//! K-W1, K-W2: what operators see who are confined to scope tags.

use axum::http::Method;
use russet::protocol::ids::{EnrollmentId, Fingerprint, SerialNumber};
use russet::storage::{
    AdeDeviceChange, AdeDeviceFacts, AdeDeviceRecord, AdeEnrollment, AdeTokenAdded, AdeTokenRecord, Change,
    EnrollmentRecord, RowRuling, Ruling,
};
use russet_sim::Kind;
use serde_json::{Value, json};

use super::{Answer, send};
use crate::support::{TestServer, command, uuid};

/// A server with a device of a token tagged `north`, one of a token tagged `south`, and one of none.
pub(crate) struct Estate {
    pub(crate) server: TestServer,
    /// Enrollment ids: north, south, none.
    pub(crate) ids: [String; 3],
    /// Serial numbers, in the same order.
    pub(crate) serials: [String; 3],
    /// A key with all scopes that is confined to `north`, as a header has it.
    pub(crate) key: String,
}

impl Estate {
    pub(crate) async fn new() -> Self {
        let server = TestServer::start().await;
        let mut ids = Vec::new();
        let mut serials = Vec::new();
        for tag in ["north", "south", ""] {
            let device = server.enrolled(Kind::Mac).await;
            let (id, serial) = (
                device.hardware.udid.clone(),
                device.hardware.serial_number.clone(),
            );
            if !tag.is_empty() {
                let number = token(&server, tag).await;
                list(&server, number, &serial).await;
                came_through(&server, number, &id).await;
            }
            ids.push(id);
            serials.push(serial);
        }
        let body = json!({ "name": "north", "scopes": ["admin"], "tags": ["north"] });
        let key = server.ask(Method::POST, "/v1/apikeys", body.to_string()).await;
        Self {
            ids: ids.try_into().unwrap(),
            serials: serials.try_into().unwrap(),
            key: format!("Bearer {}", key["key"].as_str().unwrap()),
            server,
        }
    }

    /// As the confined operator.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        send(&self.server, method, path, &[("authorization", &self.key)], body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Value::Null).await
    }

    async fn put_command(&self, ids: &str) -> Answer {
        let path = format!("/v1/enqueue/{ids}?nopush=1");
        let body = command(&uuid(), "SecurityInfo");
        send(
            &self.server,
            Method::PUT,
            &path,
            &[("authorization", &self.key)],
            body,
        )
        .await
    }
}

async fn token(server: &TestServer, tag: &str) -> u64 {
    let mut record = AdeTokenRecord::new(tag, server.clock.now());
    record.scope_tags = vec![tag.to_owned()];
    match server.store.add_ade_token(record, 10).await.unwrap() {
        AdeTokenAdded::Added(number) => number,
        other => panic!("{other:?}"),
    }
}

/// Puts a device on a token's list.
async fn list(server: &TestServer, token: u64, serial: &str) {
    let now = server.clock.now();
    let change = AdeDeviceChange {
        sync: None,
        serials: vec![SerialNumber::new(serial)],
        rule: Box::new(move |serial, _| {
            RowRuling::Put(AdeDeviceRecord {
                token,
                serial: serial.clone(),
                facts: AdeDeviceFacts::default(),
                op_date: None,
                generation: 0,
                removed_at: None,
                chosen_profile: None,
                assignment: None,
                due: None,
                first_seen_at: now,
                updated_at: now,
            })
        }),
    };
    server.store.change_ade_devices(token, change).await.unwrap();
}

/// Notes that a device came out of its box through a token.
async fn came_through(server: &TestServer, token: u64, id: &str) {
    let at = server.clock.now();
    let ade = AdeEnrollment {
        token,
        profile_uuid: None,
        user: None,
        supervised: true,
        machine_info: Fingerprint::new([0; 32]),
        at,
    };
    let rule = move |situation: &russet::storage::Situation| {
        let record = EnrollmentRecord {
            ade: Some(ade.clone()),
            ..situation.enrollment.clone().unwrap()
        };
        Ruling::Write(Box::new(Change::of(record)))
    };
    let id = EnrollmentId::new(id);
    server.store.check_in(&id, None, Box::new(rule)).await.unwrap();
}

fn names(answer: &Answer, list: &str, key: &str) -> Vec<String> {
    let rows = answer.json[list]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:?}"));
    // A device's users go by their device; what is asked for is devices.
    let name = |row: &Value| row[key].as_str().unwrap().split(':').next().unwrap().to_owned();
    let mut names: Vec<String> = rows.iter().map(name).collect();
    names.dedup();
    names
}

#[tokio::test]
async fn k_w1_lists_hold_what_is_ones_own_and_nothing_else() {
    let estate = Estate::new().await;
    let [id, ..] = &estate.ids;
    let [serial, ..] = &estate.serials;
    for path in [
        "/v1/enrollments",
        "/v1/enrollments?limit=1",
        "/v1/enrollments?enabled=true",
    ] {
        let answer = estate.get(path).await;
        assert_eq!(
            names(&answer, "enrollments", "id"),
            std::slice::from_ref(id),
            "{path}"
        );
    }
    let query = estate.ask(Method::POST, "/v1/enrollments/query", json!({})).await;
    assert_eq!(names(&query, "enrollments", "id"), std::slice::from_ref(id));
    let ids = json!({ "filter": { "ids": estate.ids } });
    let query = estate.ask(Method::POST, "/v1/enrollments/query", ids).await;
    assert_eq!(names(&query, "enrollments", "id"), std::slice::from_ref(id));
    let devices = estate.get("/v1/ade/devices").await;
    assert_eq!(names(&devices, "devices", "serial"), std::slice::from_ref(serial));
    let tokens = estate.get("/v1/ade/tokens").await;
    assert_eq!(names(&tokens, "ade_tokens", "name"), ["north"]);
    let syncs = estate.get("/v1/ade/sync").await;
    assert_eq!(names(&syncs, "syncs", "token"), ["north"]);
    for foreign in &estate.serials[1..] {
        let answer = estate.get(&format!("/v1/enrollments?serial={foreign}")).await;
        assert!(names(&answer, "enrollments", "id").is_empty());
    }
}

#[tokio::test]
async fn k_w1_what_is_foreign_looks_as_if_it_were_not_there() {
    let estate = Estate::new().await;
    let paths = |id: &str, serial: &str, token: &str| {
        [
            (Method::GET, format!("/v1/enrollments/{id}")),
            (Method::POST, format!("/v1/enrollments/{id}/allow-reenroll")),
            (Method::POST, format!("/v1/enrollments/{id}/release")),
            (Method::POST, format!("/v1/enrollments/{id}/renew-identity")),
            (Method::GET, format!("/v1/enrollments/{id}/hold")),
            (Method::POST, format!("/v1/enrollments/{id}/hold/retry")),
            (Method::GET, format!("/v1/queue/{id}")),
            (Method::GET, format!("/v1/ade/devices/{serial}")),
            (Method::DELETE, format!("/v1/ade/devices/{serial}")),
            (Method::GET, format!("/v1/ade/tokens/{token}")),
            (Method::DELETE, format!("/v1/ade/tokens/{token}")),
            (Method::POST, format!("/v1/ade/tokens/{token}/renew")),
            (Method::GET, format!("/v1/ade/tokens/{token}/profiles")),
            (Method::GET, format!("/v1/ade/tokens/{token}/profiles/x")),
            (Method::DELETE, format!("/v1/ade/tokens/{token}/profiles/x")),
            (Method::GET, format!("/v1/ade/devices?token={token}")),
            (Method::GET, format!("/v1/ade/sync?token={token}")),
        ]
    };
    let foreign = paths(&estate.ids[1], &estate.serials[1], "south");
    let absent = paths("00000000-0000", "NOSUCHSERIAL", "nosuch");
    for ((method, foreign), (_, absent)) in foreign.iter().zip(&absent) {
        let foreign = estate.ask(method.clone(), foreign, Value::Null).await;
        let absent = estate.ask(method.clone(), absent, Value::Null).await;
        assert_eq!(foreign.status, 404, "{foreign:?}");
        assert_eq!(
            (absent.status, absent.code()),
            (404, foreign.code()),
            "{absent:?}"
        );
    }
    assert_eq!(
        estate
            .get(&format!("/v1/enrollments/{}", estate.ids[2]))
            .await
            .status,
        404
    );
    assert_eq!(
        estate
            .get(&format!("/v1/enrollments/{}", estate.ids[0]))
            .await
            .status,
        200
    );
    assert_eq!(estate.get("/v1/ade/tokens/north").await.status, 200);
    let why = estate.get(&format!("/v1/ade/why/{}", estate.serials[1])).await;
    assert!(why.status == 200 && !why.text.contains("south"), "{why:?}");
    assert!(estate.server.store.ade_token("south").await.unwrap().is_some());
}

/// What holds for devices of all tokens is not for those who see some.
#[tokio::test]
async fn k_w1_hold_profiles_are_for_those_who_see_everything() {
    let estate = Estate::new().await;
    for path in ["/v1/hold-profiles", "/api/devices/esp-profiles"] {
        assert_eq!(estate.get(path).await.status, 403, "{path}");
        let made = estate.ask(Method::POST, path, json!({ "name": "n" })).await;
        assert_eq!(made.status, 403, "{path}");
    }
    assert_eq!(estate.get("/v1/holds").await.json["holds"], json!([]));
}

#[tokio::test]
async fn k_w1_a_command_shows_with_ones_own_targets_only() {
    let estate = Estate::new().await;
    let [own, foreign, _] = &estate.ids;
    let both = estate
        .server
        .enqueue(&format!("{own},{foreign}"), "SecurityInfo")
        .await;
    let other = estate.server.enqueue(foreign, "SecurityInfo").await;
    let shown = estate.get(&format!("/v1/commands/{both}")).await;
    assert_eq!(names(&shown, "enrollments", "id"), std::slice::from_ref(own));
    let hidden = estate.get(&format!("/v1/commands/{other}")).await;
    assert_eq!((hidden.status, hidden.code()), (404, "command_unknown"));
    let path = format!("/v1/commands/{both}/enrollments/{foreign}");
    let kept = estate.ask(Method::DELETE, &path, Value::Null).await;
    assert_eq!((kept.status, kept.code()), (404, "command_unknown"));
    assert_eq!(estate.server.queue(foreign).await.len(), 2);
}

#[tokio::test]
async fn k_w2_a_request_that_names_anything_foreign_is_refused_whole() {
    let estate = Estate::new().await;
    let [own, foreign, untagged] = &estate.ids;
    for ids in [
        format!("{own},{foreign}"),
        format!("{foreign},{own}"),
        format!("{own},{untagged}"),
        format!("{own},nobody"),
        foreign.clone(),
    ] {
        let refused = estate.put_command(&ids).await;
        assert_eq!(
            (refused.status, refused.code()),
            (404, "enrollment_unknown"),
            "{ids}"
        );
        let pushed = estate
            .ask(Method::PUT, &format!("/v1/push/{ids}"), Value::Null)
            .await;
        assert_eq!(pushed.status, 404, "{ids}");
    }
    assert!(estate.server.queue(own).await.is_empty() && estate.server.queue(foreign).await.is_empty());
    assert_eq!(estate.put_command(own).await.status, 200);
    estate.server.enqueue(foreign, "SecurityInfo").await;
    let cleared = estate
        .ask(Method::DELETE, &format!("/v1/queue/{own},{foreign}"), Value::Null)
        .await;
    assert_eq!(cleared.status, 404);
    assert_eq!(estate.server.queue(own).await.len(), 1);
    assert_eq!(estate.server.queue(foreign).await.len(), 1);
}

#[tokio::test]
async fn k_w1_links_are_for_devices_of_ones_own() {
    let estate = Estate::new().await;
    let link = async |body| estate.ask(Method::POST, "/v1/enroll-links", body).await;
    assert_eq!(link(json!({ "serial": estate.serials[0] })).await.status, 201);
    let foreign = link(json!({ "serial": estate.serials[1] })).await;
    assert_eq!((foreign.status, foreign.code()), (404, "ade_device_unknown"));
    // Not even together with a serial number of one's own: the link would let its holder take the enrollment over.
    for udid in [&estate.ids[1], "00000000-0000"] {
        let both = link(json!({ "serial": estate.serials[0], "udid": udid })).await;
        assert_eq!((both.status, both.code()), (404, "enrollment_unknown"));
    }
    let own = link(json!({ "serial": estate.serials[0], "udid": estate.ids[0] })).await;
    assert_eq!(own.status, 201);
    let unbound = link(json!({})).await;
    assert_eq!((unbound.status, unbound.code()), (403, "confined"));
}

#[tokio::test]
async fn k_w1_what_belongs_to_the_whole_server_is_not_for_the_confined() {
    let estate = Estate::new().await;
    for (method, path) in [
        (Method::GET, "/v1/apikeys"),
        (Method::POST, "/v1/apikeys"),
        (Method::GET, "/v1/users"),
        (Method::POST, "/v1/users"),
        (Method::POST, "/v1/setup-links"),
        (Method::GET, "/v1/hooks"),
        (Method::GET, "/v1/push-certificates"),
        (Method::GET, "/v1/pushcerts"),
        (Method::GET, "/v1/pushes"),
        (Method::GET, "/v1/ca"),
        (Method::GET, "/v1/ca/issued"),
        (Method::GET, "/v1/ade/accounts"),
        (Method::POST, "/v1/ade/tokens"),
        (Method::GET, "/v1/dep_names"),
        (Method::GET, "/v1/tokens/north"),
        (Method::PUT, "/migration"),
    ] {
        let refused = estate.ask(method.clone(), path, Value::Null).await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, "confined"),
            "{method} {path}"
        );
    }
    let tags = json!({ "scope_tags": ["north", "south"] });
    let refused = estate.ask(Method::PATCH, "/v1/ade/tokens/north", tags).await;
    assert_eq!((refused.status, refused.code()), (403, "confined"));
}

#[tokio::test]
async fn k_w1_a_user_sees_another_tags_devices_from_the_moment_the_tag_is_theirs() {
    let estate = Estate::new().await;
    let body = json!({ "name": "ada", "role": "viewer", "tags": ["south"], "password": super::PASSWORD });
    estate
        .server
        .ask(Method::POST, "/v1/users", body.to_string())
        .await;
    let browser = super::sign_in(&estate.server, "ada").await;
    let seen = async || {
        names(
            &browser.get(&estate.server, "/v1/enrollments").await,
            "enrollments",
            "id",
        )
    };
    assert_eq!(seen().await, [estate.ids[1].clone()]);
    let tags = json!({ "scope_tags": ["north", "south"] });
    estate
        .server
        .ask(Method::PATCH, "/v1/ade/tokens/north", tags.to_string())
        .await;
    let mut both = estate.ids[..2].to_vec();
    both.sort();
    assert_eq!(seen().await, both);
}
