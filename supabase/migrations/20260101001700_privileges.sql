-- Who may do what. Everything is revoked once, then granted by name; until this file has run, only the owner can use
-- any of the schemas.
--
-- The convention, which tests/database/schema/test_privileges.py reads out of the catalogue:
--
-- 1. `ops` is what PostgREST exposes. Its functions run with their caller's rights. Those that need more are security
--    definers only where the engine alone (service_role) may call them.
-- 2. What people may call takes more rights than they have. So it is a pair: `ops.NAME_v1`, which is exposed and runs with
--    the caller's rights, and `ops_internal.NAME`, which is not exposed, runs with the owner's rights, and checks who the
--    caller is before anything else. Both are granted to the same roles.
-- 3. PUBLIC and anon have nothing but ops.ping_v1.
--
-- PostgreSQL gives PUBLIC the right to execute each new function. `alter default privileges` takes that back for all schemas
-- of a database or for none, and all schemas would include those of the project that we are a guest in. So a function that
-- is added before the first release is granted here, and a migration after it that adds one revokes all on that function
-- from public, anon, authenticated and service_role before it grants it.

revoke all on schema ops, ops_internal, fix from public, anon, authenticated, service_role;
revoke all on all tables in schema ops, ops_internal from public, anon, authenticated, service_role;
revoke all on all sequences in schema ops, ops_internal from public, anon, authenticated, service_role;
revoke all on all functions in schema ops, ops_internal, fix from public, anon, authenticated, service_role;

grant usage on schema ops to anon, authenticated, service_role;
-- Policies and the functions of `ops` call functions of `ops_internal` with their caller's rights.
grant usage on schema ops_internal to authenticated, service_role, ops_fixer;
grant usage on schema fix to service_role, ops_fixer;

-- Tables. Policies decide which rows people see. They do not reach a materialized view, so ops.pattern_stats is granted to
-- nobody.

grant select on table
  ops.error_patterns, ops.fix_confirmations, ops.fix_hosts, ops.fix_pauses, ops.fix_proposals, ops.fix_secrets, ops.grouping_rules, ops.learning_sessions, ops.operators,
  ops.pattern_applications, ops.pattern_cannot_links, ops.pattern_claims, ops.pattern_clusters, ops.pattern_fixes,
  ops.pattern_identifiers, ops.pattern_incidents, ops.pattern_links, ops.pattern_merges, ops.pattern_signatures, ops.pattern_splits, ops.pattern_verifications,
  ops.roman_events, ops.system_logs
to authenticated, service_role;

-- Not written_by: a trigger records who wrote the row.
grant insert (
  created_at, log_level, message, source, error_data, metadata, environment, release, event_id, user_id
) on table ops.system_logs to authenticated;

grant insert, update, delete on table
  ops.error_patterns, ops.pattern_applications, ops.pattern_clusters, ops.pattern_incidents, ops.system_logs
to service_role;
grant insert, update on table ops.learning_sessions, ops.pattern_identifiers to service_role;
-- Not actor: only what a person does carries one, and the functions that people call write it.
grant insert (event_type, severity, description, metadata, constitutional_validation) on table ops.roman_events to service_role;
-- Not confirmed_at and confirmed_by: only a person confirms a signature.
grant insert (signature, pattern_id, algorithm, template, leaf, wider, created_at),
update (signature, pattern_id, algorithm, template, leaf, wider, created_at, refused_at),
delete on table ops.pattern_signatures to service_role;
-- Not undoes and claimed_by: only a person can order that a run is undone.
grant insert (
  pattern_id, system_log_id, fix_version, sha256, purpose, target, source, error, constitutional_validation, policy, lease_until
),
update (sha256, error, constitutional_validation, policy, claimed_at, lease_until, finished_at)
on table ops.pattern_claims to service_role;

grant usage on sequence ops.system_logs_id_seq to authenticated, service_role;
grant usage on sequence
  ops.error_patterns_id_seq, ops.learning_sessions_id_seq, ops.pattern_applications_id_seq, ops.pattern_clusters_id_seq,
  ops.pattern_incidents_id_seq, ops.roman_events_id_seq
to service_role;

-- Functions: first the pairs that people may call, and the engine too.

grant execute on all functions in schema ops to service_role;
grant execute on function ops.ping_v1 to anon;
grant execute on function
  ops.approve_pattern_v1, ops.confirm_identifiers_v1, ops.confirm_signatures_v1, ops.decide_fix_v1, ops.disable_grouping_rule_v1, ops.disable_pattern_v1,
  ops.enable_fix_v1, ops.fail_session_v1, ops.fix_proposals_v1, ops.grouping_rules_v1, ops.ignore_pattern_v1,
  ops.merge_patterns_v1, ops.open_proposal_v1, ops.pattern_facets_v1, ops.pattern_signatures_v1, ops.pattern_stats_v1, ops.pause_fixes_v1, ops.ping_v1,
  ops.propose_fix_v1, ops.reopen_pattern_v1, ops.replace_clusters_v1, ops.resolve_pattern_v1, ops.resume_fixes_v1,
  ops.save_grouping_rule_v1, ops.similar_patterns_v1, ops.split_pattern_v1, ops.start_clustering_v1, ops.start_rollback_v1,
  ops.statistics_v1, ops.stored_errors_v1, ops.suggested_fixes_v1, ops.undo_merge_v1, ops.undo_split_v1
to authenticated;
grant execute on function
  ops_internal.approve_pattern, ops_internal.confirm_identifiers, ops_internal.confirm_signatures, ops_internal.decide_fix, ops_internal.disable_grouping_rule,
  ops_internal.disable_pattern, ops_internal.enable_fix, ops_internal.fail_session, ops_internal.fix_proposals,
  ops_internal.grouping_rules, ops_internal.ignore_pattern, ops_internal.merge_patterns, ops_internal.open_proposal,
  ops_internal.pattern_facets, ops_internal.pattern_signatures, ops_internal.pattern_stats, ops_internal.pause_fixes, ops_internal.propose_fix,
  ops_internal.reopen_pattern, ops_internal.replace_clusters, ops_internal.resolve_pattern, ops_internal.resume_fixes,
  ops_internal.save_grouping_rule, ops_internal.similar_patterns, ops_internal.split_pattern, ops_internal.start_clustering,
  ops_internal.start_rollback, ops_internal.statistics, ops_internal.stored_errors, ops_internal.suggested_fixes,
  ops_internal.undo_merge, ops_internal.undo_split
to authenticated, service_role;

-- What policies ask about their caller.

grant execute on function ops_internal.caller_role to authenticated, service_role;

-- What the engine's functions of `ops` call with the rights of service_role.

grant execute on function
  ops_internal.add_identifiers, ops_internal.alike_patterns, ops_internal.attach_signatures, ops_internal.close_claim,
  ops_internal.constitutional_verdict, ops_internal.current_pause, ops_internal.failed_laws, ops_internal.fibonacci,
  ops_internal.firing_patterns, ops_internal.fix_digest, ops_internal.fix_limits, ops_internal.handling,
  ops_internal.guard_admits, ops_internal.guarding, ops_internal.guards_overlap,
  ops_internal.has_live_fix, ops_internal.has_most_specific, ops_internal.hold, ops_internal.identifiers_digest, ops_internal.is_abandoned, ops_internal.is_as_approved,
  ops_internal.is_kept_apart, ops_internal.is_own_source, ops_internal.is_pinned, ops_internal.join_alike,
  ops_internal.join_patterns, ops_internal.judge_laws, ops_internal.judge_pattern, ops_internal.judge_target, ops_internal.law_part,
  ops_internal.leaf_lock, ops_internal.learn_errors, ops_internal.learning_lock_class, ops_internal.lease,
  ops_internal.load_part, ops_internal.lock_claim, ops_internal.lock_learning, ops_internal.lock_leaves,
  ops_internal.make_or_join, ops_internal.make_patterns, ops_internal.may_join, ops_internal.open_verification,
  ops_internal.order_parts, ops_internal.proportion_parts, ops_internal.proposed_fix,
  ops_internal.public_error_message, ops_internal.record_application, ops_internal.record_shadow,
  ops_internal.record_violation, ops_internal.recorded_outcome, ops_internal.refresh_known, ops_internal.refused, ops_internal.require_own_log_rows,
  ops_internal.require_parts, ops_internal.require_policies, ops_internal.require_policy, ops_internal.rhythm_parts,
  ops_internal.run_lock_class, ops_internal.seen_again, ops_internal.seen_wider, ops_internal.settle_signatures,
  ops_internal.stop_for_storm, ops_internal.strangers, ops_internal.threshold, ops_internal.undisputed,
  ops_internal.values_of_evidence, ops_internal.whole_guard
to service_role;
grant execute on function fix.execute, fix.rehearse to service_role;

-- What a running SQL fix needs.

grant execute on function
  fix.touched_rows, fix.belongings, fix.rows_after, ops_internal.has_unchanged_row, ops_internal.pinned_fix,
  ops_internal.proposed_fix
to ops_fixer;

-- ops_fixer owns the functions that run scripts, so that a script has the rights of ops_fixer and no others. To give a
-- function away PostgreSQL requires membership in the new owner, and CREATE for that owner; both last for this moment.
grant create on schema fix to ops_fixer;
grant ops_fixer to current_user;
alter function fix.run owner to ops_fixer;
alter function fix.execute owner to ops_fixer;
alter function fix.rehearse owner to ops_fixer;
revoke ops_fixer from current_user;
revoke create on schema fix from ops_fixer;

-- PostgREST reloads the schema.
notify pgrst, 'reload schema';
