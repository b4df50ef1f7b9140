"""Who may read and write which table, tried through the REST interface, and who may call what."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.conftest import RefusedError
from tests.database.steering.steering import family

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns

CALLERS = ("anon", "user", "viewer", "operator", "administrator", "engine")
# For each caller, in the order of CALLERS: S select, I insert, U update, D delete; s means that a
# select is answered, with no row that others wrote.
EXPECTED = {
    "system_logs": "---- sI-- SI-- SI-- SI-- SIUD",
    "error_patterns": "---- s--- S--- S--- S--- S---",
    "pattern_signatures": "---- s--- S--- S--- S--- S---",
    "pattern_identifiers": "---- s--- S--- S--- S--- S---",
    "pattern_incidents": "---- s--- S--- S--- S--- S---",
    "pattern_fixes": "---- s--- S--- S--- S--- S---",
    "pattern_claims": "---- s--- S--- S--- S--- S---",
    "pattern_verifications": "---- s--- S--- S--- S--- S---",
    "fix_confirmations": "---- s--- S--- S--- S--- S---",
    "fix_hosts": "---- s--- S--- S--- S--- S---",
    "fix_secrets": "---- s--- S--- S--- S--- S---",
    "fix_pauses": "---- s--- S--- S--- S--- S---",
    "fix_proposals": "---- s--- S--- S--- S--- S---",
    "pattern_applications": "---- s--- S--- S--- S--- S---",
    "pattern_clusters": "---- s--- S--- S--- S--- S---",
    "learning_sessions": "---- s--- S--- S--- S--- S---",
    "fixer_grants": "---- s--- S--- S--- S--- S---",
    "pattern_links": "---- s--- S--- S--- S--- S---",
    "pattern_merges": "---- s--- S--- S--- S--- S---",
    "pattern_splits": "---- s--- S--- S--- S--- S---",
    "pattern_cannot_links": "---- s--- S--- S--- S--- S---",
    "grouping_rules": "---- s--- S--- S--- S--- S---",
    "notifications": "---- s--- S--- S--- S--- S---",
    "notification_targets": "---- s--- S--- S--- S--- S---",
    "notification_messages": "---- s--- S--- S--- S--- S---",
    "notification_deliveries": "---- s--- S--- S--- S--- S---",
    "project_settings": "---- s--- S--- S--- S--- S---",
    "event_seals": "---- s--- S--- S--- S--- S---",
    "roman_events": "---- s--- S--- S--- S--- S---",
    "operators": "---- s--- S--- S--- S--- S---",
    "pattern_stats": "---- ---- ---- ---- ---- ----",
}
KEYS = {
    "fixer_grants": "table_name",
    "error_patterns": "pattern_id",
    "pattern_identifiers": "digest",
    "pattern_links": "symptom_signature",
    "pattern_signatures": "signature",
    "pattern_claims": "application_id",
    "pattern_verifications": "application_id",
    "operators": "user_id",
    "notification_targets": "target_id",
    "notification_messages": "message_id",
    "notification_deliveries": "target_id",
    "fix_hosts": "host",
    "fix_secrets": "secret",
    "project_settings": "name",
    "pattern_stats": "pattern_id",
}

ENGINE = ["service_role"]
PEOPLE = ["authenticated", "service_role"]
FUNCTIONS: dict[str, list[str]] = {
    "fix.belongings()": ["ops_fixer"],
    "fix.execute(uuid)": ["postgres"],
    "fix.rehearse(uuid,jsonb)": ["postgres"],
    "fix.rows_after(text,jsonb)": ["ops_fixer"],
    "fix.run(text,jsonb,jsonb,integer,text,text)": [],
    "fix.touched_rows()": ["ops_fixer"],
    "fix.touched_since(jsonb)": ["ops_fixer"],
    "ops.application_job_v1(uuid)": ENGINE,
    "ops.delete_notification_target_v1(uuid)": PEOPLE,
    "ops.finish_notification_v1(uuid,integer,text,bigint[])": ENGINE,
    "ops.list_notification_messages_v1(text,integer)": PEOPLE,
    "ops.list_notification_targets_v1()": PEOPLE,
    "ops.retry_notification_v1(uuid)": PEOPLE,
    "ops.set_notification_target_v1(jsonb)": PEOPLE,
    "ops.take_notification_v1()": ENGINE,
    "ops.test_notification_target_v1(uuid)": PEOPLE,
    "ops_internal.close_message(uuid,text,text)": [],
    "ops_internal.delete_notification_target(uuid)": PEOPLE,
    "ops_internal.has_work(ops.notification_targets)": [],
    "ops_internal.id_in(jsonb,text)": [],
    "ops_internal.list_notification_messages(text,integer)": PEOPLE,
    "ops_internal.list_notification_targets()": PEOPLE,
    "ops_internal.may_group(ops.notification_targets)": [],
    "ops_internal.next_message(ops.notification_targets)": [],
    "ops_internal.notification_kinds()": [],
    "ops_internal.notify(text,text,text,jsonb,uuid)": [],
    "ops_internal.notify_of_event()": [],
    "ops_internal.prune_notifications()": [],
    "ops_internal.require_target(uuid)": [],
    "ops_internal.require_target_fields(jsonb)": [],
    "ops_internal.require_target_values(ops.notification_targets)": [],
    "ops_internal.retry_notification(uuid)": PEOPLE,
    "ops_internal.send_notifications()": [],
    "ops_internal.set_notification_target(jsonb)": PEOPLE,
    "ops_internal.severity_rank(text)": [],
    "ops_internal.shown_target(ops.notification_targets)": [],
    "ops_internal.tell_expiring()": [],
    "ops_internal.tell_healed_often()": [],
    "ops_internal.tell_reached(uuid[])": [],
    "ops_internal.tell_spikes()": [],
    "ops_internal.tell_stalled()": [],
    "ops_internal.test_notification_target(uuid)": PEOPLE,
    "ops_internal.told(ops.notifications)": [],
    "ops.console_application_v1(uuid)": PEOPLE,
    "ops.console_applications_v1(jsonb)": PEOPLE,
    "ops.console_constitution_v1(integer,jsonb)": PEOPLE,
    "ops.console_held_back_v1(jsonb)": PEOPLE,
    "ops_internal.console_held_back(jsonb)": PEOPLE,
    "ops_internal.held_back_page(jsonb,integer)": [],
    "ops.console_review_v1(date)": PEOPLE,
    "ops.console_statistics_v1(integer)": PEOPLE,
    "ops_internal.console_constitution(integer,jsonb)": PEOPLE,
    "ops_internal.console_review(date)": PEOPLE,
    "ops_internal.console_statistics(integer)": PEOPLE,
    "ops_internal.count_figures()": [],
    "ops_internal.key_figures()": [],
    "ops_internal.pattern_figures()": [],
    "ops_internal.count_runs(date[])": [],
    "ops_internal.what_followed(uuid,text,timestamp with time zone)": [],
    "ops_internal.console_application(uuid)": PEOPLE,
    "ops_internal.console_applications(jsonb)": PEOPLE,
    "ops_internal.run_evidence(ops.pattern_verifications,text[])": [],
    "ops_internal.run_page(jsonb,integer)": [],
    "ops_internal.run_state(ops.pattern_claims,ops.pattern_verifications,boolean)": [],
    "ops_internal.undo_problem(ops.pattern_claims)": [],
    "ops_internal.watch()": [],
    "ops.approve_pattern_v1(uuid,jsonb,uuid,text,timestamp with time zone,integer)": PEOPLE,
    "ops.caller_role_v1()": PEOPLE,
    "ops.console_chosen_v1(uuid[])": PEOPLE,
    "ops.console_cluster_v1(uuid,integer)": PEOPLE,
    "ops.console_clusters_v1(integer)": PEOPLE,
    "ops.console_delivery_v1()": PEOPLE,
    "ops.console_fix_v1(uuid,integer,jsonb)": PEOPLE,
    "ops.console_frame_v1()": PEOPLE,
    "ops.console_inbox_v1(jsonb,integer)": PEOPLE,
    "ops.console_mark_v1()": PEOPLE,
    "ops.console_sources_v1()": PEOPLE,
    "ops.console_steer_v1(text,uuid[],text,timestamp with time zone,integer,text)": PEOPLE,
    "ops.console_pauses_v1()": PEOPLE,
    "ops.console_settings_v1()": PEOPLE,
    "ops.console_propose_v1(uuid,uuid,integer)": PEOPLE,
    "ops.console_proposal_v1(uuid,jsonb,boolean)": PEOPLE,
    "ops.cancel_application_v1(uuid)": ENGINE,
    "ops.claim_application_v1(uuid,bigint,integer,text,jsonb,jsonb,text,jsonb,jsonb)": ENGINE,
    "ops.confirm_identifiers_v1(uuid,jsonb,integer,text)": PEOPLE,
    "ops.confirm_signatures_v1(uuid,text[])": PEOPLE,
    "ops.decide_fix_v1(uuid,text,text,text,text,boolean,timestamp with time zone,integer)": PEOPLE,
    "ops.disable_grouping_rule_v1(uuid,text)": PEOPLE,
    "ops.disable_pattern_v1(uuid,text,integer,text)": PEOPLE,
    "ops.enable_fix_v1(uuid,text,text,boolean,timestamp with time zone,integer)": PEOPLE,
    "ops.fail_session_v1(uuid,text,jsonb)": PEOPLE,
    "ops.find_candidates_v1(jsonb)": ENGINE,
    "ops.finish_application_v1(uuid,jsonb)": ENGINE,
    "ops.fix_proposals_v1(uuid,boolean,integer)": PEOPLE,
    "ops.grouping_rules_v1(boolean)": PEOPLE,
    "ops.ignore_pattern_v1(uuid,timestamp with time zone,integer,text)": PEOPLE,
    "ops.incidents_for_replay_v1(uuid,jsonb,integer,jsonb)": ENGINE,
    "ops.join_errors_v1(jsonb)": ENGINE,
    "ops.learn_errors_v1(jsonb)": ENGINE,
    "ops.merge_patterns_v1(uuid[],text)": PEOPLE,
    "ops.note_preview_v1(uuid,jsonb,jsonb)": ENGINE,
    "ops.note_failure_v1(uuid,text)": ENGINE,
    "ops.note_rows_v1(uuid,jsonb,jsonb)": ENGINE,
    "ops.open_proposal_v1(uuid)": PEOPLE,
    "ops.pattern_facets_v1(uuid[],integer)": PEOPLE,
    "ops.pattern_signatures_v1(uuid)": PEOPLE,
    "ops.pattern_stats_v1()": PEOPLE,
    "ops.pause_fixes_v1(text,integer)": PEOPLE,
    "ops.ping_v1()": ["anon", *PEOPLE],
    "ops.propose_fix_v1(uuid,jsonb,jsonb,double precision)": PEOPLE,
    "ops.read_grouping_v1()": ENGINE,
    "ops.call_webhook_v1(jsonb)": ENGINE,
    "ops.count_unlearnable_v1()": ENGINE,
    "ops.note_failures_v1(jsonb)": ENGINE,
    "ops.read_logs_v1(bigint[])": ENGINE,
    "ops.read_new_logs_v1(bigint,bigint,text)": ENGINE,
    "ops.take_unlearned_v1()": ENGINE,
    "ops_internal.bounded_error_data(jsonb)": [],
    "ops_internal.bounded_exception(jsonb)": [],
    "ops_internal.bounded_frames(jsonb)": [],
    "ops_internal.bounded_texts(jsonb,text[],integer)": [],
    "ops_internal.give_up(bigint[],text)": [],
    "ops_internal.milliseconds()": [],
    "ops_internal.take_again(integer)": [],
    "ops_internal.unlearned_ids(bigint,bigint,integer,boolean,timestamp with time zone)": [],
    "ops.recall_error_v1(uuid,jsonb)": ENGINE,
    "ops.record_event_v1(text,text,text,jsonb,jsonb)": ENGINE,
    "ops.record_refusals_v1(jsonb)": ENGINE,
    "ops.recover_applications_v1()": ENGINE,
    "ops.refuse_signature_v1(text,bigint)": ENGINE,
    "ops.rehearse_proposal_v1(uuid,jsonb)": ENGINE,
    "ops.reopen_pattern_v1(uuid,text)": PEOPLE,
    "ops.replace_clusters_v1(uuid,jsonb,jsonb)": PEOPLE,
    "ops.resolve_pattern_v1(uuid,text,text)": PEOPLE,
    "ops.resume_fixes_v1(text)": PEOPLE,
    "ops.run_application_v1(uuid)": ENGINE,
    "ops.run_of_log_row_v1(bigint)": ENGINE,
    "ops.save_grouping_rule_v1(jsonb)": PEOPLE,
    "ops.similar_patterns_v1(uuid,integer)": PEOPLE,
    "ops.split_pattern_v1(uuid,text[],text,text)": PEOPLE,
    "ops.start_clustering_v1()": PEOPLE,
    "ops.start_rollback_v1(uuid,text)": PEOPLE,
    "ops.statistics_v1()": PEOPLE,
    "ops.stored_errors_v1(integer)": PEOPLE,
    "ops.suggested_fixes_v1(uuid,integer)": PEOPLE,
    "ops.undo_merge_v1(uuid)": PEOPLE,
    "ops.undo_split_v1(uuid)": PEOPLE,
    "ops.verify_applications_v1()": ENGINE,
    "ops_internal.may_heal(ops.system_logs)": [],
    "ops_internal.note_thresholds(jsonb)": [],
    "ops_internal.record_changed_logs()": [],
    "ops_internal.refuse_write()": [],
    "ops_internal.require_engine()": [],
    "ops_internal.add_seal(ops.event_seals)": [],
    "ops_internal.broken_seals(bigint)": [],
    "ops_internal.event_digest(ops.roman_events)": [],
    "ops_internal.next_seal()": [],
    "ops_internal.seal_digest(ops.event_seals)": [],
    "ops_internal.seal_events(integer)": [],
    "ops_internal.alike_patterns(text,text[])": [],
    "ops_internal.announce_log_rows()": [],
    "ops.change_setting_v1(text,jsonb,text)": PEOPLE,
    "ops_internal.bound_log_row()": [],
    "ops_internal.change_setting(text,jsonb,text)": PEOPLE,
    "ops_internal.count_errors()": [],
    "ops_internal.count_untrusted(jsonb,integer)": [],
    "ops_internal.counted_writers()": [],
    "ops_internal.move_incidents(uuid,uuid,text[])": [],
    "ops_internal.quota_message(text)": PEOPLE,
    "ops_internal.recent_errors(timestamp with time zone,bigint)": [],
    "ops_internal.require_quota(jsonb)": [],
    "ops_internal.require_setting(ops.project_settings,jsonb)": [],
    "ops_internal.setting(text)": PEOPLE,
    "ops_internal.take_quota(uuid,text,integer)": PEOPLE,
    "ops_internal.usual_errors(timestamp with time zone)": [],
    "ops_internal.approve_pattern(uuid,jsonb,uuid,text,timestamp with time zone,integer)": PEOPLE,
    "ops_internal.approved(ops.error_patterns,ops.pattern_fixes)": [],
    "ops_internal.archive_patterns(interval)": [],
    "ops_internal.attach_signatures(jsonb,uuid)": [],
    "ops_internal.confirm_identifiers(uuid,jsonb,integer,text)": PEOPLE,
    "ops_internal.disable_pattern(uuid,text,integer,text)": PEOPLE,
    "ops_internal.guard_admits(jsonb,jsonb)": [],
    "ops_internal.guard_coverage(uuid,jsonb,text[])": [],
    "ops_internal.guarded(ops.pattern_fixes)": [],
    "ops_internal.guarding(jsonb)": [],
    "ops_internal.guards_overlap(jsonb,jsonb)": [],
    "ops_internal.has_most_specific(jsonb,text[])": [],
    "ops_internal.latest_identifiers(uuid,text[])": [],
    "ops_internal.class_name(oid)": [],
    "ops_internal.fixer_privileges(text[])": [],
    "ops_internal.fixer_reach(text,text[],text[])": [],
    "ops_internal.functions_of_table(oid,text)": [],
    "ops_internal.grant_fixer(text,text[],jsonb)": [],
    "ops_internal.is_system_schema(oid)": [],
    "ops_internal.live_fix(uuid,integer,text)": [],
    "ops_internal.made_guard(jsonb,jsonb)": [],
    "ops_internal.rate_fix(ops.pattern_fixes)": [],
    "ops_internal.rate_pattern(uuid)": [],
    "ops_internal.reached_by_function(oid)": [],
    "ops_internal.reached_by_table(oid,text)": [],
    "ops_internal.recent_confidence(ops.pattern_fixes,integer[])": [],
    "ops_internal.require_reach(jsonb)": ["ops_fixer"],
    "ops_internal.require_grants(text[])": [],
    "ops_internal.require_room(ops.pattern_fixes,jsonb)": [],
    "ops_internal.host_name(text)": [],
    "ops_internal.require_granted(ops.pattern_fixes)": [],
    "ops_internal.secret_hosts(jsonb)": [],
    "ops_internal.failed_laws(jsonb)": [],
    "ops_internal.public_error_message(text,text,text,text)": [],
    "ops_internal.has_regressed(ops.error_patterns)": [],
    "ops_internal.is_earlier_release(text,text)": [],
    "ops_internal.release_order(text)": [],
    "ops_internal.is_raised(text,text)": [],
    "ops_internal.withheld_error_message(text)": [],
    "ops_internal.beta_below(double precision,double precision,double precision)": [],
    "ops_internal.beta_lower_bound(double precision,double precision)": [],
    "ops_internal.both_patterns(uuid,uuid)": [],
    "ops_internal.break_circuit(ops.pattern_fixes,jsonb)": [],
    "ops_internal.call_function(text,jsonb)": [],
    "ops_internal.caller_role()": PEOPLE,
    "ops_internal.console_chosen(uuid[])": PEOPLE,
    "ops_internal.console_cluster(uuid,integer)": PEOPLE,
    "ops_internal.console_clusters(integer)": PEOPLE,
    "ops_internal.console_delivery()": PEOPLE,
    "ops_internal.console_fix(uuid,integer,jsonb)": PEOPLE,
    "ops_internal.deciders(uuid)": [],
    "ops_internal.error_trend(uuid)": [],
    "ops_internal.fix_record(uuid,jsonb)": [],
    "ops_internal.laws_before_approval(ops.pattern_fixes,jsonb)": [],
    "ops_internal.reviewed_pattern(ops.error_patterns)": [],
    "ops_internal.reviewed_version(ops.pattern_fixes)": [],
    "ops_internal.console_frame()": PEOPLE,
    "ops_internal.console_inbox(jsonb,integer)": PEOPLE,
    "ops_internal.console_mark()": PEOPLE,
    "ops_internal.console_sources()": PEOPLE,
    "ops_internal.console_steer(text,uuid[],text,timestamp with time zone,integer,text)": PEOPLE,
    "ops_internal.inbox_changes()": [],
    "ops_internal.inbox_entries(jsonb)": [],
    "ops_internal.inbox_healing()": [],
    "ops_internal.inbox_out_of_control()": [],
    "ops_internal.inbox_proposals()": [],
    "ops_internal.inbox_unconfirmed()": [],
    "ops_internal.require_some_patterns(uuid[])": [],
    "ops_internal.search_patterns(text)": [],
    "ops_internal.similar_words(text)": [],
    "ops_internal.state_digest(uuid[])": [],
    "ops_internal.console_pauses()": PEOPLE,
    "ops_internal.console_settings()": PEOPLE,
    "ops_internal.job_heartbeats()": [],
    "ops_internal.journal_head()": [],
    "ops_internal.learning_backlog()": [],
    "ops_internal.learning_lag()": [],
    "ops_internal.schedule_interval(text)": [],
    "ops_internal.shown_cluster(ops.pattern_clusters)": [],
    "ops_internal.shown_members(uuid[])": [],
    "ops_internal.webhook_calls()": [],
    "ops_internal.console_propose(uuid,uuid,integer)": PEOPLE,
    "ops_internal.console_proposal(uuid,jsonb,boolean)": PEOPLE,
    "ops_internal.person(uuid)": [],
    "ops.console_find_patterns_v1(text,uuid)": PEOPLE,
    "ops.console_merge_v1(uuid,uuid)": PEOPLE,
    "ops.console_pattern_incidents_v1(uuid,jsonb,jsonb)": PEOPLE,
    "ops.console_pattern_occurrences_v1(uuid,text)": PEOPLE,
    "ops.console_pattern_page_v1(uuid,text,jsonb,jsonb,bigint)": PEOPLE,
    "ops.console_pattern_trail_v1(uuid,bigint)": PEOPLE,
    "ops.console_pattern_v1(uuid)": PEOPLE,
    "ops.console_split_v1(uuid,text[],text,text)": PEOPLE,
    "ops_internal.console_find_patterns(text,uuid)": PEOPLE,
    "ops_internal.console_pattern_incidents(uuid,jsonb,jsonb)": PEOPLE,
    "ops_internal.console_merge(uuid,uuid)": PEOPLE,
    "ops_internal.console_pattern_occurrences(uuid,text)": PEOPLE,
    "ops_internal.console_pattern(uuid)": PEOPLE,
    "ops_internal.console_split(uuid,text[],text,text)": PEOPLE,
    "ops_internal.console_pattern_page(uuid,text,jsonb,jsonb,bigint)": PEOPLE,
    "ops_internal.console_pattern_trail(uuid,bigint)": PEOPLE,
    "ops_internal.described_pattern(uuid)": [],
    "ops_internal.kept_apart_from(uuid)": [],
    "ops_internal.latest_example(uuid)": [],
    "ops_internal.latest_incidents(uuid,integer)": [],
    "ops_internal.log_facets(uuid,integer)": [],
    "ops_internal.occurrences(uuid,text,timestamp with time zone)": [],
    "ops_internal.require_pattern(uuid)": [],
    "ops_internal.samples_of(uuid,text[])": [],
    "ops_internal.shown_fixes(uuid)": [],
    "ops_internal.shown_proposals(uuid)": [],
    "ops_internal.shown_signatures(uuid)": [],
    "ops_internal.steering_of(uuid)": [],
    "ops_internal.unhealed_reasons(uuid)": [],
    "ops_internal.checked_rule(jsonb)": [],
    "ops_internal.clock_milliseconds()": [],
    "ops_internal.close_claim(ops.pattern_claims)": [],
    "ops_internal.closed_because(ops.fix_proposals)": [],
    "ops_internal.composed_fix(uuid,jsonb)": [],
    "ops_internal.confirm_signatures(uuid,text[])": PEOPLE,
    "ops_internal.constitutional_verdict(text,jsonb)": [],
    "ops_internal.add_identifiers(jsonb)": [],
    "ops_internal.current_pause()": [],
    "ops_internal.dead_claims()": [],
    "ops_internal.decide_fix(uuid,text,text,text,text,boolean,timestamp with time zone,integer)": PEOPLE,
    "ops_internal.demote(ops.pattern_fixes,uuid,text)": [],
    "ops_internal.expire_fix(ops.pattern_fixes,text)": [],
    "ops_internal.expire_fixes()": [],
    "ops_internal.expire_if_used_up(ops.pattern_claims)": [],
    "ops_internal.over_because(ops.pattern_fixes,boolean)": [],
    "ops_internal.put_in_use(ops.pattern_fixes,uuid,text,text,timestamp with time zone,integer)": [],
    "ops_internal.replace_expired(ops.pattern_fixes,uuid)": [],
    "ops_internal.require_terms(timestamp with time zone,integer)": [],
    "ops_internal.disable_grouping_rule(uuid,text)": PEOPLE,
    "ops_internal.disable_without_target()": [],
    "ops_internal.distrust_rules(text[])": [],
    "ops_internal.lead_to_target(ops.grouping_rules)": [],
    "ops_internal.require_sole_privileges(text,text[],text[])": [],
    "ops_internal.require_tuples(jsonb)": [],
    "ops_internal.require_when(jsonb)": [],
    "ops_internal.revoke_fixer(text)": [],
    "ops_internal.rule_signature(text)": [],
    "ops_internal.enable_fix(uuid,text,text,boolean,timestamp with time zone,integer)": PEOPLE,
    "ops_internal.fail_session(uuid,text,jsonb)": PEOPLE,
    "ops_internal.failures_in_a_row(ops.pattern_fixes)": [],
    "ops_internal.fingerprints_after(ops.grouping_rules)": [],
    "ops_internal.identifiers_digest(jsonb,text)": [],
    "ops_internal.seen_identifiers(uuid)": [],
    "ops_internal.common_identifiers(uuid,integer)": [],
    "ops_internal.facets(uuid,integer)": [],
    "ops_internal.link_symptoms(interval)": [],
    "ops_internal.linked_patterns(uuid)": [],
    "ops_internal.log_keys(jsonb,jsonb)": [],
    "ops_internal.pattern_facets(uuid[],integer)": PEOPLE,
    "ops_internal.refresh_known(jsonb)": [],
    "ops_internal.require_cause(ops.error_patterns)": [],
    "ops_internal.fibonacci(integer)": [],
    "ops_internal.firing_patterns(uuid,double precision)": [],
    "ops_internal.fix_digest(ops.pattern_fixes)": [],
    "ops_internal.fix_limits(text)": [],
    "ops_internal.fix_proposals(uuid,boolean,integer)": PEOPLE,
    "ops_internal.free_signature(uuid,text[])": [],
    "ops_internal.grouping_rules(boolean)": PEOPLE,
    "ops_internal.handling(ops.pattern_claims,ops.pattern_fixes)": [],
    "ops_internal.has_live_fix(uuid)": [],
    "ops_internal.has_names_of(uuid,jsonb)": [],
    "ops_internal.has_unchanged_row(text)": ["ops_fixer"],
    "ops_internal.hold(ops.pattern_fixes)": [],
    "ops_internal.ignore_pattern(uuid,timestamp with time zone,integer,text)": PEOPLE,
    "ops_internal.inherit_cannot_links(uuid,uuid,uuid)": [],
    "ops_internal.is_abandoned(ops.pattern_claims,ops.pattern_fixes)": [],
    "ops_internal.is_as_approved(ops.pattern_fixes,ops.error_patterns)": [],
    "ops_internal.is_engine()": [],
    "ops_internal.is_kept_apart(uuid,uuid)": [],
    "ops_internal.is_own_source(text)": [],
    "ops_internal.is_pinned(ops.pattern_fixes)": [],
    "ops_internal.join_alike(uuid[],uuid[],text,boolean)": [],
    "ops_internal.writer_of(bigint,uuid)": [],
    "ops_internal.join_patterns(uuid,uuid,text,uuid,text)": [],
    "ops_internal.joined_status(ops.error_patterns,ops.error_patterns)": [],
    "ops_internal.judge_laws(ops.pattern_fixes,uuid,text,jsonb,jsonb)": [],
    "ops_internal.judge_pattern(uuid)": [],
    "ops_internal.judge_runs(uuid[])": [],
    "ops_internal.judge_target(uuid,text,boolean)": [],
    "ops_internal.keep_approved_fixes()": [],
    "ops_internal.latest_fix(uuid)": [],
    "ops_internal.latest_logs(uuid,boolean)": [],
    "ops_internal.law_part(integer,text,boolean,jsonb)": [],
    "ops_internal.lead_to(uuid,jsonb)": [],
    "ops_internal.leaf_lock(text)": [],
    "ops_internal.learn_errors(jsonb,boolean)": [],
    "ops_internal.learning_lock_class()": [],
    "ops_internal.lease(ops.pattern_fixes)": [],
    "ops_internal.load_part(uuid,jsonb,timestamp with time zone)": [],
    "ops_internal.limit_parameter(jsonb,text,integer,integer,integer)": [],
    "ops_internal.lock_claim(uuid)": [],
    "ops_internal.lock_leaves(jsonb)": [],
    "ops_internal.lock_pattern(uuid)": [],
    "ops_internal.lock_patterns(uuid[])": [],
    "ops_internal.lock_session(uuid)": [],
    "ops_internal.log_gamma(double precision)": [],
    "ops_internal.make_or_join(jsonb,boolean)": [],
    "ops_internal.make_patterns(jsonb)": [],
    "ops_internal.may_join(uuid,uuid)": [],
    "ops_internal.merge_patterns(uuid[],text)": PEOPLE,
    "ops_internal.move_apart(ops.error_patterns,text[],text)": [],
    "ops_internal.names_of(jsonb)": [],
    "ops_internal.open_proposal(uuid)": PEOPLE,
    "ops_internal.open_verification(ops.pattern_claims,text,text,text)": [],
    "ops_internal.order_parts(ops.pattern_fixes,jsonb)": [],
    "ops_internal.part_again(ops.pattern_merges,integer,integer)": [],
    "ops_internal.pattern_signatures(uuid)": PEOPLE,
    "ops_internal.pattern_stats()": PEOPLE,
    "ops_internal.pause_fixes(text,integer)": PEOPLE,
    "ops_internal.pause_refusal()": [],
    "ops_internal.pin_fix(ops.pattern_fixes,uuid)": [],
    "ops_internal.pinned_fix(uuid)": ["ops_fixer"],
    "ops_internal.post_log_ids(bigint[])": [],
    "ops_internal.proportion_parts(ops.pattern_fixes,uuid,jsonb)": [],
    "ops_internal.propose_fix(uuid,jsonb,jsonb,double precision)": PEOPLE,
    "ops_internal.proposed_fix(uuid)": ["ops_fixer"],
    "ops_internal.prune_events(interval)": [],
    "ops_internal.record_application(ops.pattern_claims,jsonb)": [],
    "ops_internal.record_shadow(ops.pattern_claims)": [],
    "ops_internal.record_violation(uuid,jsonb)": [],
    "ops_internal.recorded_outcome(uuid)": [],
    "ops_internal.recount_ends(uuid,jsonb)": [],
    "ops_internal.refresh_pattern_stats()": [],
    "ops_internal.refused(text,jsonb)": [],
    "ops_internal.refuse_if(boolean,text,text,text,text)": [],
    "ops_internal.remembered(ops.error_patterns)": [],
    "ops_internal.reopen_pattern(uuid,text)": PEOPLE,
    "ops_internal.replace_clusters(uuid,jsonb,jsonb)": PEOPLE,
    "ops_internal.request_clustering()": [],
    "ops_internal.require_engine_or_operator(text[])": [],
    "ops_internal.require_joinable(uuid,uuid,text)": [],
    "ops_internal.require_open(ops.fix_proposals)": [],
    "ops_internal.require_own_log_rows(jsonb)": [],
    "ops_internal.require_parameters(jsonb)": [],
    "ops_internal.require_parts(jsonb)": [],
    "ops_internal.require_person(text[])": [],
    "ops_internal.require_policy(jsonb)": [],
    "ops_internal.require_proposal(uuid)": [],
    "ops_internal.require_role(text[])": [],
    "ops_internal.require_signatures_of(uuid,text[])": [],
    "ops_internal.require_undoable_merge(ops.pattern_merges)": [],
    "ops_internal.require_undoable_split(ops.pattern_splits)": [],
    "ops_internal.require_whole_fix(jsonb)": [],
    "ops_internal.resolve_pattern(uuid,text,text)": PEOPLE,
    "ops_internal.restore_trust(uuid,jsonb,timestamp with time zone)": [],
    "ops_internal.resume_fixes(text)": PEOPLE,
    "ops_internal.rhythm_parts(ops.pattern_fixes,uuid,text,jsonb)": [],
    "ops_internal.run_lock_class()": [],
    "ops_internal.save_grouping_rule(jsonb)": PEOPLE,
    "ops_internal.seen_again(uuid[])": [],
    "ops_internal.seen_tuples(uuid,text[])": [],
    "ops_internal.send_unhandled(interval,interval)": [],
    "ops_internal.send_unlearned(interval)": [],
    "ops_internal.seen_wider(text[],jsonb)": [],
    "ops_internal.settle_signatures(jsonb,boolean)": [],
    "ops_internal.sequences_of(oid)": [],
    "ops_internal.show_figures(uuid)": [],
    "ops_internal.show_fix(uuid,boolean)": [],
    "ops_internal.shown_fix(uuid)": [],
    "ops_internal.values_of_evidence()": [],
    "ops_internal.verdicts(uuid[])": [],
    "ops_internal.watched_runs()": [],
    "ops_internal.shown_proposal(ops.fix_proposals)": [],
    "ops_internal.silence_window(uuid,jsonb,jsonb,text[])": [],
    "ops_internal.similar_patterns(uuid,integer)": PEOPLE,
    "ops_internal.split_pattern(uuid,text[],text,text)": PEOPLE,
    "ops_internal.stamp_expression()": [],
    "ops_internal.stamp_log_row()": [],
    "ops_internal.stamp_signature()": [],
    "ops_internal.stamped_signatures(uuid,text[])": [],
    "ops_internal.stop_for_storm(bigint,jsonb)": [],
    "ops_internal.start_clustering()": PEOPLE,
    "ops_internal.start_rollback(uuid,text)": PEOPLE,
    "ops_internal.statistics()": PEOPLE,
    "ops_internal.lock_learning()": [],
    "ops_internal.stored_errors(integer)": PEOPLE,
    "ops_internal.strangers(uuid,integer)": [],
    "ops_internal.suggested_fixes(uuid,integer)": PEOPLE,
    "ops_internal.sum_up(ops.error_patterns,ops.error_patterns)": [],
    "ops_internal.switch_off(ops.pattern_fixes,uuid,text)": [],
    "ops_internal.keep_separate(uuid,uuid,uuid,text)": [],
    "ops_internal.tell_decision(text,text,ops.error_patterns,uuid,text)": [],
    "ops_internal.text_list(jsonb,text)": [],
    "ops_internal.threshold(jsonb,text)": [],
    "ops_internal.touch_updated_at()": [],
    "ops_internal.trusted_writers(jsonb)": [],
    "ops_internal.undisputed(jsonb,jsonb)": [],
    "ops_internal.undo_merge(uuid)": PEOPLE,
    "ops_internal.undo_split(uuid)": PEOPLE,
    "ops_internal.unhandled_ids(interval,interval)": [],
    "ops_internal.whole_guard(uuid,integer,jsonb)": [],
    "ops_internal.with_guard(ops.pattern_fixes,jsonb)": [],
}


@pytest.fixture(scope="session")
def filled(
    addresses: dict[str, Any], patterns: Patterns, engine: Rest, administrator: Person
) -> dict[str, Any]:
    """A stack with at least one row in every table, none of them the caller's; some ids of it."""
    assert administrator.id
    log_id = patterns.log_row()
    error = patterns.error(system_log_id=log_id, identifiers={"table": "orders"})
    learned = patterns.learn(error)[0]
    pattern_id = learned["pattern_id"]
    patterns.approve(pattern_id)
    claim = patterns.claim(pattern_id, p_identifiers={"table": "orders"})
    patterns.run(claim["application_id"])
    administrator.rest.call(
        "confirm_identifiers_v1", p_pattern_id=pattern_id, p_identifiers=[{"table": "invoices"}]
    )
    fix = {"type": "sql", "script": "select 1", "prepared_script": "select 1"}
    administrator.rest.call(
        "propose_fix_v1", p_pattern_id=pattern_id, p_fix=fix, p_analysis={}, p_seconds=60
    )
    administrator.rest.call("pause_fixes_v1", p_reason="test", p_seconds=60)
    administrator.rest.call("resume_fixes_v1")
    session = engine.call("start_clustering_v1")["session_id"]
    cluster = {"cluster_name": "Database Errors", "cluster_size": 1, "pattern_ids": [pattern_id]}
    result = {"patterns_analyzed": 1, "execution_time_ms": 1, "memory_used_mb": 1}
    engine.call("replace_clusters_v1", p_session_id=session, p_clusters=[cluster], p_result=result)
    _steer(patterns, administrator)
    target_id = _notify(engine, administrator)
    signature = learned["pattern_signature"]
    link = "insert into ops.pattern_links values (%s, %s, 1, now(), now())"
    with psycopg.connect(addresses["db_url"]) as connection:
        connection.execute(link, (signature, signature))
        connection.execute(
            "insert into ops.fixer_grants (table_name, privileges, reaches)"
            " values ('public.gone', '{select}', '[]') on conflict do nothing"
        )
        connection.execute(
            "insert into ops.fix_hosts (host) values ('gone.example.com') on conflict do nothing"
        )
        connection.execute(
            "insert into ops.fix_secrets (secret, host) values ('gone', 'gone.example.com')"
            " on conflict do nothing"
        )
        connection.execute("select ops_internal.seal_events()")
    return {
        "pattern_id": pattern_id,
        "log_id": log_id,
        "fix": patterns.fix(pattern_id),
        "signature": signature,
        "target_id": target_id,
    }


def _notify(engine: Rest, administrator: Person) -> str:
    """Leave a target that is told of tests alone, and has got one; its id."""
    target = {"name": "privileges", "url_secret": "notify_privileges", "kinds": ["test"]}
    call = administrator.rest.call
    target_id = str(call("set_notification_target_v1", p_target=target)["target_id"])
    call("test_notification_target_v1", p_target_id=target_id)
    while message := engine.call("take_notification_v1"):
        engine.call("finish_notification_v1", p_message_id=message["message_id"], p_try=1)
    return target_id


def _steer(patterns: Patterns, administrator: Person) -> None:
    """Leave a merge, an undone one, a split and a rule."""
    call = administrator.rest.call
    for _ in range(2):
        kept, (gone, errors) = patterns.new(), family(patterns)
        merge = call("merge_patterns_v1", p_pattern_ids=[kept, gone])["merges"][0]
    call("undo_merge_v1", p_merge_id=merge["merge_id"])
    call("split_pattern_v1", p_pattern_id=gone, p_signatures=[errors[0]["signature"]])
    word = patterns.word()
    call("save_grouping_rule_v1", p_rule={"name": word, "expression": word, "fingerprint": word})


def _new_rows(filled: dict[str, Any], word: str) -> dict[str, dict[str, Any]]:
    """Return a row for each table that nothing but privileges can refuse."""
    pattern_id = filled["pattern_id"]
    return {
        "system_logs": {"message": word, "source": "tests"},
        "error_patterns": {
            "pattern_signature": word,
            "pattern_type": "api",
            "error_message_pattern": word,
            "severity": "error",
        },
        "pattern_signatures": {
            "signature": word,
            "pattern_id": pattern_id,
            "algorithm": "grouping/v1",
            "template": word,
        },
        "pattern_identifiers": {
            "signature": filled["signature"],
            "digest": str(uuid.uuid4()),
            "identifiers": {},
            "occurrences": 1,
            "first_seen": "2026-01-01T00:00:00Z",
            "last_seen": "2026-01-01T00:00:00Z",
        },
        "pattern_incidents": {"pattern_id": pattern_id, "signature": word},
        "pattern_links": {"symptom_signature": word, "cause_signature": word},
        "pattern_fixes": filled["fix"] | {"version": 2, "id": 1_000_000},
        "pattern_claims": {
            "sha256": word,
            "pattern_id": pattern_id,
            "fix_version": 1,
            "error": {},
            "policy": {},
        },
        "pattern_verifications": {
            "application_id": str(uuid.uuid4()),
            "pattern_id": pattern_id,
            "fix_version": 1,
            "mode": "live",
            "started_at": "2026-01-01T00:00:00Z",
            "due_at": "2026-01-01T00:00:00Z",
            "late_until": "2026-01-01T00:00:00Z",
            "policy": {},
        },
        "fix_confirmations": {
            "pattern_id": pattern_id,
            "fix_version": 1,
            "identifiers": {"table": word},
            "confirmed_by": str(uuid.uuid4()),
        },
        "fix_hosts": {"host": f"{word}.example.com"},
        "fix_secrets": {"secret": word, "host": "example.com"},
        "fix_pauses": {
            "reason": word,
            "cause": "storm",
            "expires_at": "2026-01-01T00:00:00Z",
        },
        "fix_proposals": {
            "sha256": word,
            "pattern_id": pattern_id,
            "fix": {},
            "analysis": {},
            "proposed_by": str(uuid.uuid4()),
            "expires_at": "2026-01-01T00:00:00Z",
        },
        "fixer_grants": {"table_name": word, "privileges": ["select"], "reaches": []},
        "pattern_applications": {"pattern_id": pattern_id, "success": True},
        "pattern_clusters": {"cluster_name": word, "cluster_size": 1},
        "learning_sessions": {"session_type": word, "status": "completed"},
        "pattern_merges": {"kept": pattern_id, "gone": pattern_id, "merged_by": "evidence"},
        "pattern_splits": {"source": pattern_id, "made": pattern_id},
        "pattern_cannot_links": {"pattern_a": str(uuid.UUID(int=0)), "pattern_b": pattern_id},
        "grouping_rules": {"name": word, "expression": word, "fingerprint": word},
        "project_settings": {"name": word, "value": 1, "default_value": 1, "meaning": word},
        "event_seals": {
            "id": 1_000_000,
            "kind": "sealed",
            "events": 1,
            "digest": "",
            "previous": "",
            "sealed_at": "2026-01-01T00:00:00Z",
            "seal": "",
        },
        "notifications": {"kind": "test", "severity": "info", "description": word},
        "notification_targets": {"name": word, "url_secret": "notify_word"},
        "notification_messages": {"target_id": filled["target_id"]},
        "notification_deliveries": {"notification_id": 1, "target_id": filled["target_id"]},
        "roman_events": {"event_type": word},
        "operators": {"user_id": str(uuid.uuid4()), "role": "ops_admin"},
        "pattern_stats": {"pattern_id": str(uuid.uuid4())},
    }


def _tried(letter: str, attempt: Callable[[], object]) -> str:
    """Return the letter if it is allowed, - if privileges are wanting; other errors are raised."""
    try:
        attempt()
    except RefusedError as refused:
        if refused.code != "42501":
            raise
        return "-"
    return letter


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("table", EXPECTED)
def test_a_caller_may_do_to_a_table_what_its_role_says_and_no_more(
    request: pytest.FixtureRequest, filled: dict[str, Any], caller: str, table: str
) -> None:
    """Each role selects, inserts, updates and deletes in each table as listed, and no more."""
    who = request.getfixturevalue(caller)
    rest: Rest = getattr(who, "rest", who)
    row = _new_rows(filled, f"test_{uuid.uuid4().hex}")[table]
    key = KEYS.get(table, "id")
    nobody = (
        "nothing" if key.endswith("signature") else str(uuid.UUID(int=0)) if key != "id" else "0"
    )
    filters = {key: f"eq.{nobody}"}
    column, value = next(iter(row.items()))
    seen = {"id": f"eq.{filled['log_id']}"} if table == "system_logs" else {}
    tried = _tried("S", lambda: rest.select(table, limit="1", **seen))
    if tried == "S" and not rest.select(table, limit="1", **seen):
        tried = "s"
    tried += _tried("I", lambda: rest.insert(table, row))
    tried += _tried("U", lambda: rest.update(table, {column: value}, **filters))
    tried += _tried("D", lambda: rest.delete(table, **filters))
    assert tried == EXPECTED[table].split()[CALLERS.index(caller)]


def test_functions_are_executable_by_whom_they_are_meant_for(database: Sql) -> None:
    """Nobody but the roles listed, PUBLIC least of all, may execute a function of the engine."""
    rows = database.rows("""
        select pg_proc.oid::regprocedure::text as name,
          array(
            select coalesce(r.rolname, 'PUBLIC')::text
            from aclexplode(coalesce(proacl, acldefault('f', proowner))) as a
            left join pg_roles as r on r.oid = a.grantee
            where a.grantee <> proowner
            order by 1) as roles
        from pg_proc
        where pronamespace in
          ('ops'::regnamespace, 'ops_internal'::regnamespace, 'fix'::regnamespace)
    """)
    assert {row["name"]: row["roles"] for row in rows} == FUNCTIONS


def test_only_what_the_engine_alone_calls_is_exposed_with_its_owners_rights(database: Sql) -> None:
    """A function of ops that anyone but the engine may call runs with the rights of its caller."""
    rows = database.rows("""
        select oid::regprocedure::text as name from pg_proc
        where pronamespace = 'ops'::regnamespace and prosecdef
    """)
    assert rows, "no function of the engine has its owner's rights: the query finds none"
    assert [row["name"] for row in rows if FUNCTIONS[row["name"]] != ENGINE] == []


def test_what_people_call_does_nothing_but_pass_their_call_on(database: Sql) -> None:
    """ops.NAME_v1 calls ops_internal.NAME: equal arguments, result and callers, owner's rights."""
    rows = database.rows("""
        select exposed.oid::regprocedure::text as name,
          coalesce(
            behind.prosecdef
            and behind.proargtypes = exposed.proargtypes
            and behind.prorettype = exposed.prorettype
            and behind.proacl @> exposed.proacl and exposed.proacl @> behind.proacl
            and trim(exposed.prosrc) ~ format('^select (\\* from )?%s\\(%s\\)$',
              behind.oid::regproc, array_to_string(exposed.proargnames, ', ')),
            false) as passes_on
        from pg_proc as exposed
        left join pg_proc as behind on behind.pronamespace = 'ops_internal'::regnamespace
          and behind.proname = regexp_replace(exposed.proname, '_v[0-9]+$', '')
        where exposed.pronamespace = 'ops'::regnamespace
          and exposed.proname <> 'ping_v1'
          and has_function_privilege('authenticated', exposed.oid, 'execute')
    """)
    assert [row["name"] for row in rows if not row["passes_on"]] == []
    people = {name for name, roles in FUNCTIONS.items() if name[:4] == "ops." and roles == PEOPLE}
    assert {row["name"] for row in rows} == people


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name in FUNCTIONS
        if name.startswith("ops.") and name not in {"ops.ping_v1()", "ops.caller_role_v1()"}
    ),
)
def test_nobody_calls_a_function_that_is_not_his(
    anon: Rest, user: Person, database: Sql, name: str
) -> None:
    """Anon is refused every function, a user every one of the engine and of the operators."""
    function, _, types = name.removeprefix("ops.").partition("(")
    names = database.value("select proargnames from pg_proc where oid = %s::regprocedure", name)
    samples = {"uuid": str(uuid.UUID(int=0)), "jsonb": {}, "bigint": 1, "integer": 1, "text": "x"}
    samples |= {"boolean": True, "timestamp with time zone": "2100-01-01T00:00:00Z"}
    samples |= {"double precision": 60, "date": "2026-01-01"}
    values = [samples.get(type_, []) for type_ in types.rstrip(")").split(",") if type_]
    arguments = dict(zip(names or [], values, strict=True))
    with pytest.raises(RefusedError) as refused:
        anon.call(function, **arguments)
    assert refused.value.code == "42501"
    with pytest.raises(RefusedError) as refused:
        user.rest.call(function, **arguments)
    assert refused.value.code == ("42501" if FUNCTIONS[name] == ENGINE else "PL001")


def test_anyone_may_ask_for_a_sign_of_life(anon: Rest, user: Person, engine: Rest) -> None:
    """ping_v1 answers 1 to every caller."""
    assert [caller.call("ping_v1") for caller in (anon, user.rest, engine)] == [1, 1, 1]


def test_everybody_may_ask_for_their_own_role(
    anon: Rest, user: Person, viewer: Person, operator: Person, engine: Rest
) -> None:
    """caller_role_v1 answers who signed in, and null to all who are no operator; anon is refused."""
    asked = [caller.call("caller_role_v1") for caller in (user.rest, viewer.rest, operator.rest)]
    assert asked == [None, "ops_viewer", "ops_operator"]
    assert engine.call("caller_role_v1") is None
    with pytest.raises(RefusedError) as refused:
        anon.call("caller_role_v1")
    assert refused.value.code == "42501"


def test_internal_schemas_are_not_exposed(engine: Rest) -> None:
    """The REST interface reaches neither ops_internal nor fix, with the secret key either."""
    for schema in ("ops_internal", "fix"):
        with pytest.raises(RefusedError) as refused:
            engine.in_schema(schema).call("run_lock_class")
        assert refused.value.code == "PGRST106"


def test_the_fixer_owns_and_reaches_nothing_by_itself(database: Sql) -> None:
    """ops_fixer cannot log in, inherits nothing, and has no privilege on any table or sequence."""
    rows = database.rows("""
        select c.oid::regclass::text as name
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
          and has_schema_privilege('ops_fixer', n.oid, 'usage')
          and not c.relname like 'orders\\_%'
          and case c.relkind
            when 'S' then has_sequence_privilege('ops_fixer', c.oid, 'usage, select, update')
            when 'i' then false
            else has_table_privilege('ops_fixer', c.oid,
              'select, insert, update, delete, truncate, references, trigger')
          end
    """)
    assert rows == []
    role = database.row("""
        select rolcanlogin, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolbypassrls,
          exists (select from pg_auth_members where member = pg_roles.oid) as is_member
        from pg_roles where rolname = 'ops_fixer'
    """)
    assert not any(role.values()), role


def test_nobody_may_act_as_the_fixer(database: Sql) -> None:
    """No role that serves requests, and not the owner, may become ops_fixer by itself."""
    for role in ("anon", "authenticated", "service_role", "authenticator", "postgres"):
        assert not database.value("select pg_has_role(%s, 'ops_fixer', 'usage')", role), role


def test_the_fixer_may_not_create_anything(database: Sql) -> None:
    """CREATE on the schema, which changing an owner took, was taken back."""
    assert not database.value("select has_schema_privilege('ops_fixer', 'fix', 'create')")
    assert not database.value("select has_schema_privilege('ops_fixer', 'ops', 'usage')")
