//! The contracts of the storage traits, as tests that every backend must pass.
//!
//! Each test is an ordinary function on a [`Place`], named by the sentence it holds a backend to. [`battery`] lists
//! them once; one line at the end of this file runs them all on a backend, each on a fresh store.

mod access;
mod ade;
mod ade_devices;
mod admin;
mod answers;
mod audit;
mod certificates;
mod commands;
mod damage;
mod enrollments;
mod events;
mod holds;
mod jobs;
mod lists;
mod model;
mod pushes;
mod recovery;
mod reports;
mod retention;
mod samples;
mod search;

use std::sync::Arc;

use async_trait::async_trait;
use russet::storage::{
    Storage,
    sled::{SledOptions, SledStorage},
};
use tempfile::TempDir;

/// Where one test's store lives.
#[async_trait]
trait Place: Send + Sync {
    /// Opens the store; again once all users of the former one have let go, as after a restart.
    async fn open(&self) -> Arc<dyn Storage>;
}

/// A folder for a [`SledStorage`].
struct SledPlace(TempDir);

impl SledPlace {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Place for SledPlace {
    async fn open(&self) -> Arc<dyn Storage> {
        Arc::new(SledStorage::open(self.0.path(), SledOptions::default()).unwrap())
    }
}

macro_rules! cases {
    ($place:expr; $($module:ident: $($name:ident,)+;)+) => {
        $(mod $module {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::super::$module::$name(&$place).await;
                }
            )+
        })+
    };
}

macro_rules! battery {
    ($backend:ident, $place:expr) => {
        mod $backend {
            use super::*;
            cases! { $place;
                enrollments:
                    a_check_in_sees_what_the_one_before_it_stored,
                    a_user_channels_check_in_sees_its_device,
                    a_check_in_that_is_refused_or_kept_changes_nothing,
                    concurrent_check_ins_of_one_device_lose_no_update,
                    a_check_in_stores_enrollment_and_certificate_together,
                    m13_a_new_enrollment_drops_old_commands_and_keeps_later_ones,
                    m13_a_new_enrollment_removes_the_devices_users_with_their_queues,
                    a_new_enrollment_leaves_a_device_whose_id_begins_alike_alone,
                    a_users_new_enrollment_leaves_device_and_other_users_alone,
                    m2_checking_out_cancels_the_queue,
                    checking_a_device_out_checks_its_users_out,
                    an_enrollment_that_nobody_made_is_unknown,
                    contacts_only_move_forward_and_only_for_known_enrollments,
                    secrets_come_back_as_they_were_and_stay_out_of_debug,
                    devices_are_counted_by_the_topic_they_are_enrolled_with,
                ;
                holds:
                    a_hold_begins_with_an_enrollment_that_waits,
                    a_hold_goes_on_with_a_repeated_token_update_and_begins_anew_with_an_enrollment,
                    a_hold_ends_when_the_enrollment_waits_no_more,
                    a_hold_goes_with_its_enrollment,
                    what_a_hold_queues_is_stored_with_it,
                    what_follows_from_an_answer_is_offered_next,
                    a_hold_learns_what_is_unanswered_and_what_is_lost,
                    the_release_of_a_hold_shows_in_its_enrollment,
                    hold_profiles_are_in_the_order_that_they_were_given,
                    contents_stay_as_long_as_a_hold_profile_refers_to_them,
                ;
                pushes:
                    enqueueing_puts_each_target_into_the_outbox,
                    a_command_that_shall_not_wake_stays_out_of_the_outbox,
                    a_command_for_later_is_due_when_it_is_offered,
                    of_two_commands_the_earlier_one_counts_until_it_was_pushed,
                    pushes_are_noted_for_whoever_is_in_the_outbox,
                    the_outbox_is_left_only_with_an_empty_queue,
                    a_refused_token_stays_refused_until_another_comes,
                    f13_the_outbox_survives_a_restart,
                ;
                lists:
                    enrollments_are_listed_in_the_order_of_their_ids,
                    pages_of_enrollments_join_without_gap_or_repetition,
                    an_offset_skips_matching_rows,
                    filters_by_id_serial_kind_name_and_state_must_all_match,
                    a_user_channel_is_found_by_its_devices_serial_number,
                    a_serial_number_that_has_changed_is_found_under_the_new_one_only,
                    a_queue_is_listed_in_the_order_of_delivery,
                    statuses_are_listed_by_enrollment,
                ;
                search:
                    an_enrollment_is_found_by_the_beginning_of_serial_id_or_name,
                    what_is_found_in_several_ways_is_found_once,
                    a_name_that_has_changed_is_found_under_the_new_one_only,
                    a_search_is_filtered_by_state_platform_and_channel,
                    k_w1_a_search_is_confined_to_the_devices_of_server_tokens,
                    a_rare_match_is_found_behind_many_others_page_by_page,
                    the_commands_of_an_enrollment_are_listed_the_latest_first,
                    all_commands_are_listed_the_latest_first,
                ;
                commands:
                    commands_are_offered_in_the_order_of_enqueueing_whatever_the_clock_says,
                    a_higher_priority_goes_first,
                    the_same_command_is_offered_until_it_is_answered,
                    a_command_waits_for_its_not_before,
                    a_command_is_not_offered_from_its_expiry_on,
                    one_command_goes_to_many_enrollments_and_is_answered_by_each,
                    a_uuid_that_is_taken_is_refused_and_stores_nothing,
                    of_many_simultaneous_enqueues_of_one_uuid_one_is_stored,
                    unknown_and_checked_out_targets_are_named_and_the_rest_queued,
                    a_command_without_a_single_target_is_not_stored,
                    a_target_named_twice_gets_the_command_once,
                    a_command_may_be_queued_before_the_first_token_update,
                    an_id_that_is_a_prefix_of_another_has_a_queue_of_its_own,
                    ids_and_uuids_of_any_bytes_keep_their_queues_apart,
                    a_user_channel_has_a_queue_of_its_own,
                    cancelling_closes_one_command_of_one_enrollment,
                    clearing_closes_every_unfinished_command,
                    long_payloads_and_answers_come_back_byte_for_byte,
                    sequence_numbers_are_never_used_twice,
                ;
                answers:
                    two_connections_pulling_one_queue_are_offered_the_same_command,
                    a_report_finishes_the_command_and_names_the_next,
                    error_and_format_error_finish_a_command,
                    a_repeated_report_changes_nothing_and_still_names_the_next,
                    two_simultaneous_reports_on_one_command_are_stored_once,
                    a_report_on_an_unknown_command_stores_nothing_and_still_names_the_next,
                    k_m5_a_report_on_another_enrollments_command_stores_nothing,
                    not_now_offers_the_next_command_that_has_not_said_so,
                    not_now_is_offered_again_on_the_next_contact,
                    not_now_never_overwrites_a_result,
                    an_answer_replaces_a_not_now,
                    the_oldest_unfinished_command_is_told_after_thousands_and_a_restart,
                    a_restart_between_enqueue_and_report_loses_nothing,
                ;
                retention:
                    expiry_closes_what_is_over_and_no_more_than_asked,
                    an_answer_before_expiry_is_run_still_counts,
                    purging_forgets_results_finished_before_a_time,
                    a_command_goes_with_the_last_of_its_targets_and_frees_its_uuid,
                    purging_takes_no_more_than_asked,
                    purging_challenges_forgets_expired_ones_only,
                ;
                certificates:
                    k_s3_of_fifty_simultaneous_requests_with_one_challenge_one_key_is_granted,
                    k_s2_k_s10_a_repetition_with_the_same_key_gets_the_same_issuance,
                    a_repetition_after_signing_gets_the_certificate,
                    a_grant_outlives_a_restart,
                    k_s1_k_s4_unknown_and_expired_challenges_are_refused,
                    a_grant_may_be_repeated_after_the_challenge_has_expired,
                    a_renewal_is_granted_to_a_bound_identity_for_its_enrollment,
                    a_renewal_is_refused_to_unknown_unbound_and_revoked_identities,
                    a_static_challenge_is_granted_once_per_key,
                    the_latest_issuance_of_a_transaction_is_found,
                    completing_again_does_not_unbind_a_certificate,
                    a_certificate_is_found_by_its_fingerprint,
                    certificates_are_listed_by_fingerprint_and_by_enrollment,
                ;
                admin:
                    api_keys_are_found_by_hash_and_listed_by_name,
                    a_name_that_is_taken_gets_no_second_api_key,
                    accounts_are_listed_by_name_and_a_taken_name_stays_whose_it_is,
                    a_removed_api_key_is_gone_and_its_name_free,
                    of_many_simultaneous_uses_of_a_link_one_is_granted,
                    links_are_unknown_expired_or_used,
                    looking_at_a_link_does_not_use_it_up,
                    push_certificates_replace_each_other_by_topic_and_the_latest_leads,
                    for_each_topic_one_push_key_waits_the_first,
                    a_push_certificate_takes_its_own_key_out_of_the_waiting,
                ;
                audit:
                    k_w8_audit_entries_are_numbered_without_gaps_and_chained,
                    k_w8_of_many_simultaneous_entries_each_gets_a_number_of_its_own,
                    audit_entries_are_found_by_operator_target_and_time,
                    a_clock_that_was_set_back_hides_no_audit_entry,
                    pages_of_audit_entries_join_without_gap_or_repetition,
                    k_w8_a_command_and_its_audit_entry_are_stored_in_one_step,
                    k_w8_every_target_of_a_bulk_command_is_found,
                    audit_entries_are_there_after_a_restart,
                ;
                events:
                    hooks_are_listed_by_name_and_numbered_once,
                    a_hooks_record_is_replaced_by_name_and_number,
                    events_wait_in_the_order_in_which_they_were_stored,
                    each_hook_has_a_queue_of_its_own,
                    an_event_is_stored_with_the_check_in_that_it_tells_of,
                    an_event_of_a_check_in_that_was_refused_is_not_stored,
                    a_report_is_told_once_however_often_it_comes,
                    delivered_events_are_gone_and_the_rest_waits,
                    long_bodies_come_back_byte_for_byte_and_leave_nothing_behind,
                    f29_more_than_may_wait_drops_the_oldest,
                    f29_more_bytes_than_may_wait_drop_dead_letters_first,
                    given_up_events_are_listed_in_that_order_with_their_reason,
                    replayed_events_take_their_old_places,
                    of_dead_letters_the_oldest_go,
                    events_for_a_removed_hook_are_passed_over_and_its_queue_purged,
                    events_are_there_after_a_restart,
                ;
                ade:
                    tokens_are_listed_by_name_and_numbered_once,
                    t7_no_more_tokens_are_added_than_may_be,
                    a_tokens_name_number_and_birth_stay_what_they_are,
                    one_token_at_most_is_the_default,
                    a_rule_that_declines_leaves_the_token_as_it_is,
                    concurrent_edits_of_one_token_lose_none,
                    a_tokens_secrets_come_back_as_they_were_and_stay_out_of_debug,
                    a_removed_token_is_gone_at_once_with_all_that_belongs_to_it,
                    a_removed_token_is_purged_in_bounded_batches_and_leaves_nothing,
                    profiles_are_changed_by_a_rule_that_sees_their_number,
                    long_profiles_come_back_as_they_were,
                    profiles_of_different_tokens_are_kept_apart,
                    tokens_devices_and_profiles_are_there_after_a_restart,
                ;
                ade_devices:
                    a_page_and_its_cursor_are_stored_in_one_step,
                    a_sync_that_is_refused_stores_no_device,
                    a_change_of_an_unknown_token_stores_nothing,
                    each_device_is_ruled_on_as_it_is_stored,
                    a_device_is_found_in_every_token_that_has_it,
                    devices_are_listed_by_token_and_serial_number,
                    pages_of_devices_join_without_gap_or_repetition,
                    every_field_of_a_device_filter_must_match,
                    due_devices_come_in_the_order_of_their_times,
                    the_indexes_agree_with_the_rows_after_any_changes,
                    t8_devices_are_counted_by_where_they_stand,
                    a_page_of_a_thousand_devices_is_one_step,
                ;
                access:
                    users_are_listed_by_name_and_a_taken_name_or_subject_stays_whose_it_is,
                    a_users_rule_sees_all_others_and_may_refuse,
                    k_w4_a_change_of_a_user_settles_the_sessions_in_the_same_step,
                    a_removed_user_goes_with_sessions_links_and_subject,
                    a_session_takes_the_place_of_the_former_and_the_oldest_make_room,
                    sessions_only_move_forward_and_unused_or_old_ones_are_purged,
                    of_many_simultaneous_uses_of_a_setup_link_one_is_done,
                    setup_links_are_unknown_expired_or_declined,
                    enrollments_of_server_tokens_are_listed_in_the_order_of_their_ids,
                ;
                reports:
                    g3_the_totals_are_what_is_enrolled_whatever_happens,
                    an_attempt_is_stored_with_the_check_in_that_it_follows,
                    an_attempt_is_one_from_the_profile_to_the_enrollment,
                    a_device_that_begins_anew_leaves_its_attempt_incomplete,
                    g5_failures_of_one_device_for_one_reason_are_one_row_for_an_hour,
                    k_a4_failures_of_strangers_are_one_row_for_each_reason_and_hour,
                    a_refusal_in_somebodys_name_does_not_end_what_has_an_identity,
                    g10_what_is_heard_of_no_more_is_given_up,
                    what_was_given_up_too_soon_is_taken_back,
                    attempts_are_listed_page_by_page_in_their_order,
                    old_attempts_and_days_are_forgotten,
                    g1_devices_of_apples_list_wait_until_they_enroll,
                    g16_records_go_when_their_identity_expired_long_ago,
                    reports_are_there_after_a_restart,
                ;
                jobs:
                    commands_of_a_batch_are_queued_together_with_their_secrets,
                    k_w11_targets_are_counted_however_they_come_and_bounded,
                    secrets_outlive_their_enrollment_and_the_latest_are_kept,
                    a_removed_enrollment_is_gone_with_its_users_and_queues,
                    a_job_keeps_its_targets_in_order_however_many,
                    a_step_queues_and_advances_together_and_only_once,
                    k_w11_a_step_over_the_limit_does_nothing_and_the_job_waits,
                    a_cancelled_job_takes_no_further_step,
                    jobs_are_listed_the_latest_first_and_purged_in_pieces,
                    a_keyed_request_is_answered_once_and_then_the_same,
                    of_keyed_requests_the_oldest_go,
                ;
                model:
                    a_queue_behaves_like_a_list,
                    figures_equal_what_can_be_counted,
                ;
                recovery:
                    everything_is_there_after_a_restart,
                    a_store_that_can_be_written_is_ready,
                ;
            }
        }
    };
}

battery!(sled, SledPlace::new());
