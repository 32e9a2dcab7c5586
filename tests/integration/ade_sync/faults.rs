//! F16 and F17: whatever goes wrong on whichever page, the devices are those that Apple has.

use russet_sim::abm::{Endpoint, Faults, Mix, Rule};

use super::*;

const DEVICES: usize = 3500;

async fn stocked() -> Kit {
    let kit = Kit::new().await;
    kit.abm.portal().stock("hq", DEVICES, Mix::default()).unwrap();
    kit
}

#[tokio::test]
async fn f16_a_broken_page_is_asked_for_again_and_no_other() {
    let kit = stocked().await;
    for page in 1..=4 {
        for rule in [Rule::server_error(), Rule::reset(), Rule::unavailable(0)] {
            kit.abm
                .set_faults(Faults::rules([rule.at(Endpoint::Fetch).page(page).next(2)]))
                .unwrap();
            let before = kit.requests(Endpoint::Fetch);
            kit.advance(7 * DAY);
            let record = kit.sync().await;
            assert_eq!(record.last_end.unwrap().failure, None, "page {page}");
            assert_eq!(kit.requests(Endpoint::Fetch) - before, 4 + 2);
            kit.agrees().await;
        }
    }
}

#[tokio::test]
async fn f16_a_long_retry_after_is_honoured_and_the_sync_resumes_at_its_page() {
    for page in 1..=4 {
        let mut kit = stocked().await;
        kit.abm
            .set_faults(Faults::rules([Rule::too_many_requests(600)
                .at(Endpoint::Fetch)
                .page(page)
                .next(1)]))
            .unwrap();
        kit.run();
        kit.until("the sync is put off", async || {
            let record = kit.record().await;
            (record.running.is_none() && record.not_before.is_some()).then_some(())
        })
        .await;
        assert_eq!(kit.serials().await.len(), (page as usize - 1) * 1000);
        kit.advance(Duration::from_secs(601));
        kit.until("the rest", async || kit.record().await.last_full_done_at)
            .await;
        kit.ended().await;
        kit.agrees().await;
        let stats = kit.abm.stats();
        assert_eq!(stats.early, 0, "it came before the time that Apple gave");
        assert_eq!(kit.requests(Endpoint::Fetch), 4 + 1, "no page was read twice");
    }
}

#[tokio::test]
async fn f17_an_expired_or_invalid_cursor_leads_to_one_full_fetch() {
    for rule in [Rule::expired_cursor(), Rule::invalid_cursor()] {
        let kit = stocked().await;
        kit.sync().await;
        let new = kit.abm.portal().stock("hq", 7, Mix::default()).unwrap();
        kit.abm.portal().unassign(&new[..2]).unwrap();
        kit.abm
            .set_faults(Faults::rules([rule.at(Endpoint::Sync).next(1)]))
            .unwrap();
        let before = kit.requests(Endpoint::Fetch);
        kit.advance(HOUR);
        assert_eq!(kit.sync().await.last_end.unwrap().failure, None);
        assert_eq!(kit.requests(Endpoint::Fetch) - before, 4);
        kit.agrees().await;
    }
}

#[tokio::test]
async fn f17_an_expired_cursor_within_a_full_pass_begins_it_anew() {
    for rule in [Rule::expired_cursor(), Rule::invalid_cursor()] {
        let kit = stocked().await;
        kit.abm
            .set_faults(Faults::rules([rule.at(Endpoint::Fetch).page(3).next(1)]))
            .unwrap();
        assert_eq!(kit.sync().await.last_end.unwrap().failure, None);
        kit.agrees().await;
    }
}

#[tokio::test]
async fn f17_a_cursor_that_is_never_right_is_no_loop() {
    let kit = stocked().await;
    kit.abm
        .set_faults(Faults::rules([Rule::expired_cursor().pages()]))
        .unwrap();
    let record = kit.sync().await;
    assert!(record.last_end.unwrap().failure.is_some());
    assert!(kit.requests(Endpoint::Fetch) <= 3);
    kit.abm.clear_faults().unwrap();
    kit.advance(HOUR);
    kit.sync().await;
    kit.agrees().await;
}

#[tokio::test]
async fn f17_an_exhausted_cursor_ends_the_full_pass_and_the_delta_goes_on() {
    let kit = stocked().await;
    kit.sync().await;
    kit.advance(7 * DAY);
    kit.abm
        .set_faults(Faults::rules([Rule::exhausted_cursor()
            .at(Endpoint::Fetch)
            .page(5)]))
        .unwrap();
    assert_eq!(kit.sync().await.last_end.unwrap().failure, None);
    kit.agrees().await;
}

#[tokio::test]
async fn f17_the_same_cursor_again_and_again_is_asked_for_slowly_and_then_left() {
    let kit = stocked().await;
    kit.abm
        .set_faults(Faults::rules([Rule::same_cursor()
            .at(Endpoint::Fetch)
            .page(2)
            .next(3)]))
        .unwrap();
    assert_eq!(kit.sync().await.last_end.unwrap().failure, None);
    kit.agrees().await;

    kit.abm
        .set_faults(Faults::rules([Rule::same_cursor().at(Endpoint::Sync)]))
        .unwrap();
    let before = kit.requests(Endpoint::Sync);
    kit.advance(HOUR);
    let record = kit.sync().await;
    assert_eq!(record.last_end.unwrap().failure.unwrap().0, "ade_cursor_stuck");
    assert!(kit.requests(Endpoint::Sync) - before <= 6);
    kit.abm.clear_faults().unwrap();
    kit.advance(HOUR);
    kit.sync().await;
    kit.agrees().await;
}
