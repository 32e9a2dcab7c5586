//! Y1-Y11, T14, F19 as an operator sees them.

use russet::{
    error::{Code, Kind},
    storage::AdeSyncKind,
};
use russet_sim::abm::{Endpoint, Faults, Mix, Rule};

use super::*;

#[tokio::test]
async fn y8_new_devices_appear_by_themselves_within_the_delta_interval() {
    let mut kit = Kit::new().await;
    kit.abm.portal().stock("hq", 2500, Mix::default()).unwrap();
    kit.run();
    kit.until("the first sync", async || {
        let record = kit.record().await;
        (record.running.is_none() && record.last_full_done_at.is_some()).then_some(())
    })
    .await;
    kit.agrees().await;
    let new = kit.abm.portal().stock("hq", 3, Mix::default()).unwrap();
    kit.advance(12 * HOUR);
    kit.until("the delta", async || kit.device(&new[2]).await).await;
    kit.agrees().await;
}

#[tokio::test]
async fn y2_a_day_has_two_deltas_at_least() {
    let mut kit = Kit::new().await;
    kit.run();
    kit.until("the first sync", async || kit.record().await.last_full_done_at)
        .await;
    kit.ended().await;
    let before = kit.requests(Endpoint::Sync);
    for half_day in 1..=2 {
        kit.advance(12 * HOUR);
        let wanted = before + half_day;
        kit.until("a delta", async || {
            (kit.requests(Endpoint::Sync) >= wanted).then_some(())
        })
        .await;
        kit.ended().await;
    }
}

#[tokio::test]
async fn y1_a_second_full_sync_within_seven_days_is_refused_with_its_time() {
    let kit = Kit::new().await;
    kit.engine.start(&kit.token, true).await.unwrap();
    kit.ended().await;
    kit.advance(DAY);
    let refused = kit.engine.start(&kit.token, true).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.kind()),
        (Code::AdeFullSyncTooSoon, Kind::TooSoon)
    );
    assert_eq!(refused.retry_after(), Some(6 * DAY));
    kit.advance(6 * DAY);
    let run = kit.engine.start(&kit.token, true).await.unwrap();
    assert_eq!(run.kind, AdeSyncKind::Full);
    kit.ended().await;
}

#[tokio::test]
async fn y3_a_manual_sync_comes_fifteen_minutes_after_the_last_one() {
    let kit = Kit::new().await;
    kit.sync().await;
    kit.advance(14 * MINUTE);
    let refused = kit.engine.start(&kit.token, false).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.retry_after()),
        (Code::AdeSyncTooSoon, Some(MINUTE))
    );
    kit.advance(MINUTE);
    kit.sync().await;
}

#[tokio::test]
async fn y4_a_sync_that_hangs_ends_after_fifteen_minutes_and_another_may_begin() {
    let kit = Kit::new().await;
    kit.abm.set_faults(Faults::rules([Rule::hang().pages()])).unwrap();
    kit.engine.start(&kit.token, false).await.unwrap();
    let refused = kit.engine.start(&kit.token, false).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.kind()),
        (Code::AdeSyncRunning, Kind::Conflict)
    );
    kit.advance(15 * MINUTE);
    let record = kit.ended().await;
    assert_eq!(record.last_end.unwrap().failure.unwrap().0, "ade_sync_timed_out");
    kit.abm.clear_faults().unwrap();
    kit.advance(15 * MINUTE);
    assert!(kit.sync().await.last_end.unwrap().failure.is_none());
}

#[tokio::test]
async fn y5_after_a_failed_delta_all_devices_are_read() {
    let kit = Kit::new().await;
    kit.sync().await;
    kit.abm
        .set_faults(Faults::rules([Rule::server_error().at(Endpoint::Sync)]))
        .unwrap();
    kit.advance(HOUR);
    let record = kit.sync().await;
    assert_eq!(record.last_end.unwrap().failure.unwrap().0, "apple_unavailable");
    assert!(record.full_wanted && record.not_before.is_some());
    kit.abm.clear_faults().unwrap();
    let fetches = kit.requests(Endpoint::Fetch);
    kit.advance(HOUR);
    kit.sync().await;
    let fetch = &kit.abm.requests_to(Endpoint::Fetch)[fetches];
    assert!(!fetch.body.contains("cursor"), "{}", fetch.body);
}

#[tokio::test]
async fn y6_a_device_that_was_deleted_here_comes_back_with_the_next_full_sync() {
    let kit = Kit::new().await;
    let serials = kit.abm.portal().stock("hq", 5, Mix::default()).unwrap();
    kit.sync().await;
    forget(&kit, &serials[1]).await;
    kit.advance(HOUR);
    kit.sync().await;
    assert!(
        kit.device(&serials[1]).await.is_none(),
        "a delta does not bring it"
    );
    kit.advance(7 * DAY);
    kit.sync().await;
    assert!(kit.device(&serials[1]).await.is_some());
}

async fn forget(kit: &Kit, serial: &str) {
    let change = russet::storage::AdeDeviceChange {
        sync: None,
        serials: vec![SerialNumber::new(serial)],
        rule: Box::new(|_, _| russet::storage::RowRuling::Remove),
    };
    kit.store
        .change_ade_devices(kit.token.number, change)
        .await
        .unwrap();
}

#[tokio::test]
async fn y7_a_released_device_is_shown_as_removed_and_forgotten_after_45_days() {
    let mut kit = Kit::new().await;
    let serials = kit.abm.portal().stock("hq", 5, Mix::default()).unwrap();
    kit.sync().await;
    kit.abm.portal().release(&serials[..1]).unwrap();
    kit.advance(HOUR);
    kit.sync().await;
    assert!(kit.device(&serials[0]).await.unwrap().removed_at.is_some());
    kit.run();
    kit.advance(29 * DAY);
    kit.until("a sync of that day", async || {
        let seen = kit.record().await.last_fetch_at?;
        (seen == kit.clock.now()).then_some(())
    })
    .await;
    assert!(kit.device(&serials[0]).await.is_some());
    kit.advance(17 * DAY);
    kit.until("the device is forgotten", async || {
        kit.device(&serials[0]).await.is_none().then_some(())
    })
    .await;
    kit.agrees().await;
}

#[tokio::test]
async fn y10_the_last_fetch_moves_with_success_alone() {
    let kit = Kit::new().await;
    kit.sync().await;
    let at = kit.clock.now();
    assert_eq!(kit.record().await.last_fetch_at, Some(at));
    kit.abm
        .set_faults(Faults::rules([Rule::terms_not_signed()]))
        .unwrap();
    kit.advance(HOUR);
    kit.sync().await;
    assert_eq!(kit.record().await.last_fetch_at, Some(at));
}

#[tokio::test]
async fn y11_out_of_order_duplicates_leave_the_latest_state() {
    let kit = Kit::new().await;
    let serials = kit.abm.portal().stock("hq", 20, Mix::default()).unwrap();
    kit.sync().await;
    kit.abm
        .set_faults(Faults {
            duplicates: Some(1.0),
            ..Faults::default()
        })
        .unwrap();
    for (serial, tag) in serials.iter().zip(0..) {
        kit.advance(Duration::from_secs(1));
        kit.abm
            .portal()
            .set_asset_tag(serial, &format!("tag-{tag}"))
            .unwrap();
    }
    kit.abm.portal().unassign(&serials[..5]).unwrap();
    kit.advance(HOUR);
    kit.sync().await;
    kit.agrees().await;
    for (serial, tag) in serials.iter().zip(0..).skip(5) {
        let device = kit.device(serial).await.unwrap();
        assert_eq!(device.facts.asset_tag, Some(format!("tag-{tag}")));
    }
}

#[tokio::test]
async fn t14_with_an_expired_token_nothing_is_synced_or_assigned() {
    let mut kit = Kit::new().await;
    kit.abm.portal().stock("hq", 5, Mix::default()).unwrap();
    kit.default_profile().await;
    let past = kit.clock.now();
    kit.edit(move |token| token.expires_at = Some(past)).await;
    let before = kit.abm.stats().requests;
    kit.run();
    kit.until("the token's trouble", async || {
        let token = kit.store.ade_token("hq").await.unwrap().unwrap();
        (token.trouble?.code == "token_expired").then_some(())
    })
    .await;
    assert_eq!(kit.abm.stats().requests, before);
    assert!(kit.serials().await.is_empty());
}

#[tokio::test]
async fn f19_each_refusal_is_named_and_passes_by_itself() {
    for (rule, code) in [
        (Rule::terms_not_signed(), "terms_not_signed"),
        (Rule::answer(401, "token_expired"), "token_expired"),
        (Rule::answer(401, "token_rejected"), "token_rejected"),
        (Rule::answer(401, "signature_invalid"), "token_signature_invalid"),
        (Rule::answer(403, "ACCESS_DENIED"), "token_access_denied"),
    ] {
        let mut kit = Kit::new().await;
        kit.abm.portal().stock("hq", 5, Mix::default()).unwrap();
        kit.abm.set_faults(Faults::rules([rule])).unwrap();
        kit.run();
        kit.until(code, async || {
            let token = kit.store.ade_token("hq").await.unwrap().unwrap();
            (token.trouble?.code == code).then_some(())
        })
        .await;
        kit.abm.clear_faults().unwrap();
        kit.advance(HOUR);
        kit.until("it recovers", async || {
            let token = kit.store.ade_token("hq").await.unwrap().unwrap();
            token.trouble.is_none().then_some(())
        })
        .await;
        kit.agrees().await;
    }
}

#[tokio::test]
async fn y9_a_running_sync_has_an_eta_and_a_manual_one_advice() {
    let mut kit = Kit::new().await;
    kit.abm.portal().stock("hq", 2500, Mix::default()).unwrap();
    kit.sync().await;
    kit.advance(7 * DAY);
    kit.abm
        .set_faults(Faults::rules([Rule::hang().pages().page(2)]))
        .unwrap();
    kit.engine.start(&kit.token, false).await.unwrap();
    let status = kit
        .until("a page", async || {
            let status = kit.engine.status(&kit.token).await.unwrap();
            (status.record.running.as_ref()?.pages == 1).then_some(status)
        })
        .await;
    assert_eq!(status.eta, Some(Duration::from_secs(1500 / 50)));
    let advised = status.advised_manual_at.unwrap();
    assert_eq!(advised.since(kit.clock.now()), Duration::from_secs(2500 / 50));
    kit.abm.clear_faults().unwrap();
    kit.running.take();
}

#[tokio::test]
async fn two_servers_on_one_store_never_sync_a_token_at_the_same_time() {
    let mut kit = Kit::new().await;
    kit.abm.portal().stock("hq", 3000, Mix::default()).unwrap();
    kit.abm
        .set_faults(Faults {
            page_delay_ms: Some(50),
            ..Faults::default()
        })
        .unwrap();
    let (other, _stop) = {
        let settings = russet::service::ade::sync::SyncSettings {
            store_is_ours_alone: false,
            ..settings()
        };
        let other = engine_with(&kit.abm, &kit.folder, &kit.store, &kit.clock, settings);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(Arc::clone(&other).run(stopped));
        (other, stop)
    };
    kit.engine = engine_with(
        &kit.abm,
        &kit.folder,
        &kit.store,
        &kit.clock,
        russet::service::ade::sync::SyncSettings {
            store_is_ours_alone: false,
            ..settings()
        },
    );
    kit.run();
    kit.until("the first sync", async || {
        let record = kit.record().await;
        (record.running.is_none() && record.last_full_done_at.is_some()).then_some(())
    })
    .await;
    drop(other);
    kit.agrees().await;
    let fetches = kit.abm.requests_to(Endpoint::Fetch);
    assert_eq!(
        fetches
            .iter()
            .filter(|fetch| !fetch.body.contains("cursor"))
            .count(),
        1
    );
}
