//! The suite that every backend passes.
//!
//! A backend implements [`Backend`] in its tests and writes `lydian_storage::storage_conformance!(expression)`, where the expression
//! makes an empty store. Each behaviour becomes one test with the name of its function here.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "these are tests, which other crates run; their names say what they show"
)]

pub mod deletion;
pub mod faults;
pub mod fixtures;
pub mod forgetting;
pub mod log;
pub mod preconditions;
pub mod races;
pub mod records;
pub mod sequences;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use lydian_primitives::Timestamp;

use crate::{LogObserver, SharedStorage};

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFailure {
    /// The commit reports an error, and has happened all the same.
    Made,
    /// The commit reports an error and has not happened.
    NotMade,
}

/// An empty store of a backend, which can be opened again and made to fail.
pub trait Backend: Send + Sync {
    /// Opens the store with this observer. It is opened again only after it was closed.
    fn open(
        &self,
        observer: Arc<dyn LogObserver>,
    ) -> Pin<Box<dyn Future<Output = SharedStorage> + Send + '_>>;

    /// From now on the `number`-th write statement (from zero) of changes that carry the time `at` fails, whenever it is tried.
    fn fail_statement(&self, at: Timestamp, number: usize);

    /// The next commit fails.
    fn fail_commit(&self, failure: CommitFailure);

    /// Ends all failures; whether the planned statement was reached.
    fn clear_failures(&self) -> bool;
}

/// Expands to one test for each behaviour of the suite. The expression makes an empty store, a [`Backend`].
#[macro_export]
macro_rules! storage_conformance {
    ($backend:expr) => {
        $crate::storage_conformance! { @tests $backend;
            records::a_realm_reads_back_as_it_was_written,
            records::an_api_reads_back_as_it_was_written,
            records::a_client_reads_back_as_it_was_written,
            records::a_signing_key_reads_back_as_it_was_written,
            records::records_are_loaded_as_realms_apis_clients_and_keys,
            records::grants_sessions_and_users_read_back_as_they_were_written,
            records::access_tokens_of_each_form_read_back_as_they_were_written,
            records::a_refresh_token_reads_back_with_the_rows_that_decide_over_it,
            records::an_authorization_code_reads_back_with_the_rows_that_decide_over_it,
            records::a_device_reads_back_by_id_and_by_user_code,
            records::a_session_and_a_user_are_found_by_what_names_them,
            records::what_a_user_agreed_to_is_kept_per_client_and_api_until_it_is_taken_back,
            records::factors_and_recovery_codes_are_kept_per_user_until_they_are_used_or_taken_away,
            records::users_grants_and_sessions_are_listed_by_pages,
            records::what_is_not_there_is_absent_and_no_error,
            records::a_standing_grant_is_found_by_client_and_api,
            records::a_setting_reads_back_and_is_replaced,
            records::issued_tokens_are_counted_by_key_and_hour,
            records::a_scan_finds_the_tokens_of_a_grant_and_looks_at_no_more_rows_than_it_may,
            records::tokens_that_come_meanwhile_neither_repeat_nor_hide_others_in_a_scan,
            records::what_was_acknowledged_survives_closing_and_opening,
            records::a_closed_store_is_unavailable,
            preconditions::a_precondition_that_holds_lets_the_change_happen,
            preconditions::a_precondition_that_does_not_hold_is_named_and_nothing_is_written,
            preconditions::one_precondition_of_several_is_enough_to_refuse,
            preconditions::of_two_rivals_in_one_batch_the_first_wins,
            preconditions::a_precondition_sees_the_writes_of_the_changes_before_it,
            preconditions::a_refused_change_leaves_its_neighbours_in_the_batch_alone,
            preconditions::a_name_that_is_taken_is_refused_without_a_precondition_too,
            preconditions::names_are_free_in_another_realm,
            preconditions::a_dropped_future_does_not_take_the_change_back,
            races::r12_one_of_many_rivals_wins_each_single_use_precondition,
            log::each_write_adds_the_rows_that_it_needs,
            log::rows_say_whom_they_concern,
            log::rows_are_consecutive_and_carry_random_links,
            log::the_answer_is_the_position_after_the_change,
            log::the_log_is_read_in_pages,
            log::a_position_is_found_by_time_at_before_and_after_each_row,
            log::a_position_is_found_by_time_when_the_wall_clock_went_back,
            log::a_cut_moves_cut_at_and_a_put_keeps_it,
            log::a_cut_of_something_without_a_record_is_logged,
            log::a_revocation_marks_the_row_of_the_token_and_keeps_the_first_mark,
            log::a_revocation_without_a_row_is_logged,
            log::rows_and_records_are_given_to_the_observer_before_the_answer,
            log::the_observer_gets_every_row_once_and_in_order,
            deletion::a_deleted_record_is_gone_and_the_observer_hears_of_it,
            deletion::names_of_deleted_records_are_never_given_again,
            deletion::a_sweep_removes_what_lost_its_owner_and_nothing_else,
            deletion::a_sweep_in_small_steps_finds_the_same,
            deletion::deleting_what_is_not_there_is_refused_by_its_version,
            deletion::tokens_of_what_was_deleted_stay_until_their_hour,
            forgetting::what_people_left_behind_goes_when_its_end_is_over,
            forgetting::sealed_successors_go_when_their_time_is_over,
            forgetting::tokens_go_when_their_hour_is_over_and_not_before,
            forgetting::tokens_that_do_not_expire_are_never_reached,
            forgetting::used_assertions_counters_and_log_rows_go_by_their_times,
            forgetting::a_step_deletes_at_most_the_rows_that_it_may,
            forgetting::log_positions_are_found_after_old_rows_went,
            sequences::sequence_numbers_never_repeat_across_openings,
            sequences::sequence_numbers_never_repeat_under_concurrency,
            sequences::the_last_number_of_an_hour_is_handed_out_and_none_after_it,
            sequences::numbers_of_a_forgotten_hour_are_not_handed_out_again,
            faults::r3_a_change_whose_kth_statement_fails_leaves_nothing_and_its_neighbour_stays,
            faults::r3_a_commit_that_failed_has_an_unknown_outcome_and_did_not_happen,
            faults::r3_a_commit_that_failed_and_happened_is_given_to_the_observer_before_it_hears_all_clear,
        }
    };
    (@tests $backend:expr; $($module:ident :: $name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                $crate::conformance::$module::$name(&$backend).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_behaviour_is_in_the_list_of_the_macro() {
        let list = include_str!("mod.rs");
        let modules = [
            ("deletion", include_str!("deletion.rs")),
            ("faults", include_str!("faults.rs")),
            ("forgetting", include_str!("forgetting.rs")),
            ("log", include_str!("log.rs")),
            ("preconditions", include_str!("preconditions.rs")),
            ("races", include_str!("races.rs")),
            ("records", include_str!("records.rs")),
            ("sequences", include_str!("sequences.rs")),
        ];
        for (module, source) in modules {
            let names =
                source.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            for name in names {
                assert!(list.contains(&format!("            {module}::{name},\n")), "{module}::{name}");
            }
        }
    }
}
