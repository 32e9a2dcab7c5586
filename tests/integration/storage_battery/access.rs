//! The contract of `AccessStore`, and the filter by server token.

use russet::storage::{
    EnrollmentFilter, Page, SessionFate, SessionRecord, SetupLinkRecord, SetupUse, Storage, UserAdded,
    UserRecord, UserRefusal, UserRuling,
};

use super::{Place, samples::*};

const MANY: usize = 100;

fn user(name: &str) -> UserRecord {
    UserRecord {
        name: name.into(),
        display_name: name.to_uppercase(),
        email: None,
        role: "viewer".into(),
        tags: None,
        password_hash: Some("phc-never-shown".into()),
        subject: None,
        disabled: false,
        revision: 1,
        signed_in_at: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn session(number: u8, user: &str, began: i64) -> SessionRecord {
    SessionRecord {
        hash: secret(number),
        id: format!("session {number}"),
        user: user.into(),
        peer: Some("192.0.2.1".into()),
        created_at: at(began),
        seen_at: at(began),
        expires_at: at(began + 1000),
    }
}

fn setup_link(number: u8, user: Option<&str>) -> SetupLinkRecord {
    SetupLinkRecord {
        hash: secret(number),
        user: user.map(str::to_owned),
        created_at: at(0),
        expires_at: at(100),
        used_at: None,
    }
}

async fn session_ids(store: &dyn Storage, user: &str) -> Vec<String> {
    let sessions = store.sessions(user).await.unwrap();
    sessions.into_iter().map(|session| session.id).collect()
}

pub(super) async fn users_are_listed_by_name_and_a_taken_name_or_subject_stays_whose_it_is(
    place: &dyn Place,
) {
    let store = place.open().await;
    for name in ["bob", "ada", "ada.b"] {
        let added = store.add_user(user(name), MANY).await.unwrap();
        assert_eq!(added, UserAdded::Added);
    }
    let mut other = user("ada");
    other.role = "admin".into();
    assert_eq!(store.add_user(other, MANY).await.unwrap(), UserAdded::NameTaken);
    let of_provider = |name| UserRecord {
        subject: Some("https://idp 7".into()),
        ..user(name)
    };
    assert_eq!(
        store.add_user(of_provider("cy"), MANY).await.unwrap(),
        UserAdded::Added
    );
    assert_eq!(
        store.add_user(of_provider("di"), MANY).await.unwrap(),
        UserAdded::SubjectTaken
    );
    assert_eq!(store.add_user(user("eve"), 4).await.unwrap(), UserAdded::TooMany);
    let listed = store.users().await.unwrap();
    let names: Vec<_> = listed.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["ada", "ada.b", "bob", "cy"]);
    assert!(!format!("{listed:?}").contains("never-shown"));
    assert_eq!(store.user("ada").await.unwrap(), Some(user("ada")));
    assert_eq!(store.user("ad").await.unwrap(), None);
    let found = store.user_by_subject("https://idp 7").await.unwrap();
    assert_eq!(found.map(|user| user.name).as_deref(), Some("cy"));
    drop(store);
    assert_eq!(place.open().await.users().await.unwrap().len(), 4);
}

pub(super) async fn a_users_rule_sees_all_others_and_may_refuse(place: &dyn Place) {
    let store = place.open().await;
    for name in ["ada", "bob"] {
        store.add_user(user(name), MANY).await.unwrap();
    }
    let refuse = |_: &UserRecord, others: &[UserRecord]| {
        assert_eq!(others, [user("bob")]);
        UserRuling::Refuse(UserRefusal::LastAdmin)
    };
    let refused = store.edit_user("ada", Box::new(refuse)).await.unwrap();
    assert_eq!(refused, Some(UserRuling::Refuse(UserRefusal::LastAdmin)));
    assert_eq!(store.user("ada").await.unwrap(), Some(user("ada")));
    let change = |before: &UserRecord, _: &[UserRecord]| {
        let mut after = before.clone();
        after.name = "other".into();
        after.created_at = at(9);
        after.role = "admin".into();
        UserRuling::Put(Box::new(after), SessionFate::Keep)
    };
    store.edit_user("ada", Box::new(change)).await.unwrap();
    let mut expected = user("ada");
    expected.role = "admin".into();
    assert_eq!(store.user("ada").await.unwrap(), Some(expected));
    assert_eq!(store.edit_user("eve", Box::new(change)).await.unwrap(), None);
}

pub(super) async fn k_w4_a_change_of_a_user_settles_the_sessions_in_the_same_step(place: &dyn Place) {
    let store = place.open().await;
    for name in ["ada", "adam"] {
        store.add_user(user(name), MANY).await.unwrap();
    }
    for (number, name) in [(1, "ada"), (2, "ada"), (3, "ada"), (4, "adam")] {
        let begun = store
            .add_session(session(number, name, number.into()), None, MANY)
            .await;
        assert!(begun.unwrap());
    }
    let rotate = |before: &UserRecord, _: &[UserRecord]| {
        let fate = SessionFate::Rotate {
            from: secret(2),
            to: secret(9),
        };
        UserRuling::Put(Box::new(before.clone()), fate)
    };
    store.edit_user("ada", Box::new(rotate)).await.unwrap();
    assert_eq!(session_ids(store.as_ref(), "ada").await, ["session 2"]);
    assert!(store.session(&secret(2)).await.unwrap().is_none());
    let (rotated, whose) = store.session(&secret(9)).await.unwrap().unwrap();
    assert_eq!((rotated.id.as_str(), whose.name.as_str()), ("session 2", "ada"));
    let end =
        |before: &UserRecord, _: &[UserRecord]| UserRuling::Put(Box::new(before.clone()), SessionFate::End);
    store.edit_user("ada", Box::new(end)).await.unwrap();
    assert!(session_ids(store.as_ref(), "ada").await.is_empty());
    assert_eq!(session_ids(store.as_ref(), "adam").await, ["session 4"]);
}

pub(super) async fn a_removed_user_goes_with_sessions_links_and_subject(place: &dyn Place) {
    let store = place.open().await;
    let ada = UserRecord {
        subject: Some("https://idp 1".into()),
        ..user("ada")
    };
    store.add_user(ada, MANY).await.unwrap();
    store.add_session(session(1, "ada", 0), None, MANY).await.unwrap();
    store.add_setup_link(setup_link(2, Some("ada"))).await.unwrap();
    store.add_setup_link(setup_link(3, None)).await.unwrap();
    let removed = store.edit_user("ada", Box::new(|_, _| UserRuling::Remove)).await;
    assert_eq!(removed.unwrap(), Some(UserRuling::Remove));
    assert!(store.user("ada").await.unwrap().is_none());
    assert!(store.user_by_subject("https://idp 1").await.unwrap().is_none());
    assert!(store.session(&secret(1)).await.unwrap().is_none());
    assert!(store.setup_link(&secret(2)).await.unwrap().is_none());
    assert!(store.setup_link(&secret(3)).await.unwrap().is_some());
}

pub(super) async fn a_session_takes_the_place_of_the_former_and_the_oldest_make_room(place: &dyn Place) {
    let store = place.open().await;
    store.add_user(user("ada"), MANY).await.unwrap();
    for number in 1..=3 {
        let session = session(number, "ada", number.into());
        assert!(store.add_session(session, None, 3).await.unwrap());
    }
    let begun = store.add_session(session(4, "ada", 4), Some(secret(3)), 3).await;
    assert!(begun.unwrap());
    assert_eq!(
        session_ids(store.as_ref(), "ada").await,
        ["session 1", "session 2", "session 4"]
    );
    store.add_session(session(5, "ada", 5), None, 3).await.unwrap();
    assert_eq!(
        session_ids(store.as_ref(), "ada").await,
        ["session 2", "session 4", "session 5"]
    );
    let ada = store.user("ada").await.unwrap().unwrap();
    assert_eq!(ada.signed_in_at, Some(at(5)));
    assert!(store.end_session(&secret(4)).await.unwrap());
    assert!(!store.end_session(&secret(4)).await.unwrap());
    assert!(!store.add_session(session(6, "eve", 6), None, 3).await.unwrap());
    let disable = |before: &UserRecord, _: &[UserRecord]| {
        let mut after = before.clone();
        after.disabled = true;
        UserRuling::Put(Box::new(after), SessionFate::End)
    };
    store.edit_user("ada", Box::new(disable)).await.unwrap();
    assert!(!store.add_session(session(7, "ada", 7), None, 3).await.unwrap());
}

pub(super) async fn sessions_only_move_forward_and_unused_or_old_ones_are_purged(place: &dyn Place) {
    let store = place.open().await;
    store.add_user(user("ada"), MANY).await.unwrap();
    for number in 1..=4 {
        store
            .add_session(session(number, "ada", number.into()), None, MANY)
            .await
            .unwrap();
    }
    store.session_seen(&secret(3), at(50)).await.unwrap();
    store.session_seen(&secret(3), at(40)).await.unwrap();
    store.session_seen(&secret(99), at(40)).await.unwrap();
    let (seen, _) = store.session(&secret(3)).await.unwrap().unwrap();
    assert_eq!(seen.seen_at, at(50));
    store.add_setup_link(setup_link(8, None)).await.unwrap();
    assert_eq!(store.purge_sessions(at(60), at(20), 2).await.unwrap(), 2);
    assert_eq!(store.purge_sessions(at(60), at(20), MANY).await.unwrap(), 1);
    assert_eq!(session_ids(store.as_ref(), "ada").await, ["session 3"]);
    assert_eq!(store.purge_sessions(at(1003), at(20), MANY).await.unwrap(), 2);
    assert!(store.setup_link(&secret(8)).await.unwrap().is_none());
}

pub(super) async fn of_many_simultaneous_uses_of_a_setup_link_one_is_done(place: &dyn Place) {
    let store = place.open().await;
    store.add_setup_link(setup_link(1, None)).await.unwrap();
    store.add_setup_link(setup_link(2, None)).await.unwrap();
    let redeem = |name: &'static str| {
        let store = store.clone();
        async move {
            let rule = Box::new(move |_: &SetupLinkRecord, _: &[UserRecord]| Some(user(name)));
            store.use_setup_link(&secret(1), at(1), rule).await.unwrap()
        }
    };
    let uses = tokio::join!(redeem("ada"), redeem("bob"), redeem("cy"));
    let uses = [uses.0, uses.1, uses.2];
    let done = uses.iter().filter(|one| matches!(one, SetupUse::Done(_))).count();
    let used = uses.iter().filter(|one| **one == SetupUse::Used).count();
    assert_eq!((done, used), (1, 2));
    assert_eq!(store.users().await.unwrap().len(), 1);
    assert!(
        store.setup_link(&secret(2)).await.unwrap().is_none(),
        "the other link for a first user goes"
    );
}

pub(super) async fn setup_links_are_unknown_expired_or_declined(place: &dyn Place) {
    let store = place.open().await;
    store.add_user(user("ada"), MANY).await.unwrap();
    store.add_session(session(1, "ada", 0), None, MANY).await.unwrap();
    store.add_setup_link(setup_link(5, Some("ada"))).await.unwrap();
    let take = || Box::new(|_: &SetupLinkRecord, users: &[UserRecord]| Some(users[0].clone()));
    let used = store.use_setup_link(&secret(6), at(1), take()).await.unwrap();
    assert_eq!(used, SetupUse::Unknown);
    let used = store.use_setup_link(&secret(5), at(100), take()).await.unwrap();
    assert_eq!(used, SetupUse::Expired);
    let decline = Box::new(|_: &SetupLinkRecord, _: &[UserRecord]| None);
    let used = store.use_setup_link(&secret(5), at(1), decline).await.unwrap();
    assert_eq!(used, SetupUse::Refused);
    assert_eq!(session_ids(store.as_ref(), "ada").await.len(), 1);
    let used = store.use_setup_link(&secret(5), at(1), take()).await.unwrap();
    assert_eq!(used, SetupUse::Done(Box::new(user("ada").signed_in(0))));
    assert!(session_ids(store.as_ref(), "ada").await.is_empty());
}

pub(super) async fn enrollments_of_server_tokens_are_listed_in_the_order_of_their_ids(place: &dyn Place) {
    let store = place.open().await;
    let of_token = |name: &str, token: Option<u64>| {
        let mut record = enrollment(name);
        record.ade = token.map(ade_enrollment);
        change(record)
    };
    let devices = [
        ("D", Some(1)),
        ("A", Some(2)),
        ("C", None),
        ("B", Some(1)),
        ("BB", Some(3)),
    ];
    for (name, token) in devices {
        store_change(store.as_ref(), of_token(name, token)).await;
    }
    enroll(store.as_ref(), &["B:ada", "C:ada", "D:ada"]).await;
    let listed = async |tokens: &[u64], limit: usize| {
        let filter = EnrollmentFilter {
            ade_tokens: Some(tokens.to_vec()),
            ..EnrollmentFilter::default()
        };
        let (mut ids, mut page) = (Vec::new(), Page::first(limit));
        loop {
            let listing = store.enrollments(&filter, &page).await.unwrap();
            ids.extend(listing.rows.into_iter().map(|row| row.record.id.to_string()));
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return ids,
            }
        }
    };
    for limit in [1, 2, 100] {
        assert_eq!(listed(&[1, 2], limit).await, ["A", "B", "B:ada", "D", "D:ada"]);
    }
    assert!(listed(&[], 10).await.is_empty());
    assert!(listed(&[9], 10).await.is_empty());
    let both = EnrollmentFilter {
        ids: Some(vec![id("A"), id("B"), id("B:ada"), id("C")]),
        ade_tokens: Some(vec![1]),
        ..EnrollmentFilter::default()
    };
    let rows = store.enrollments(&both, &Page::first(10)).await.unwrap().rows;
    let ids: Vec<_> = rows.iter().map(|row| row.record.id.as_str()).collect();
    assert_eq!(ids, ["B", "B:ada"]);
    // The device goes over to another token, and its users with it.
    store_change(store.as_ref(), of_token("B", Some(2))).await;
    assert_eq!(listed(&[1], 10).await, ["D", "D:ada"]);
    assert_eq!(listed(&[2], 10).await, ["A", "B", "B:ada"]);
    store_change(store.as_ref(), of_token("B", None)).await;
    assert_eq!(listed(&[2], 10).await, ["A"]);
}

trait SignedIn {
    fn signed_in(self, when: i64) -> Self;
}

impl SignedIn for UserRecord {
    fn signed_in(mut self, when: i64) -> Self {
        self.signed_in_at = Some(at(when));
        self
    }
}
