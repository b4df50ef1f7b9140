-- Who may do what. Everything is revoked once, then granted by name; until this file has run, only the owner can use
-- any of the schemas.
--
-- The convention, which tests/database/schema/test_privileges.py reads out of the catalogue:
--
-- 1. `ops` is what PostgREST exposes. What the engine alone (service_role) calls runs with its owner's rights, and checks first
--    that the engine calls; so the engine itself needs no right to any table but the log, and to no function behind it.
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
-- Policies, and the functions of `ops` that people call, call functions of `ops_internal` with their caller's rights.
grant usage on schema ops_internal to authenticated, service_role, ops_fixer;
grant usage on schema fix to ops_fixer;

-- Tables. Policies decide which rows people see. They do not reach a materialized view, so ops.pattern_stats is granted to
-- nobody.

grant select on table
  ops.error_patterns, ops.event_seals, ops.fix_confirmations, ops.fix_hosts, ops.fix_pauses, ops.fix_proposals, ops.fix_secrets, ops.fixer_grants, ops.grouping_rules, ops.learning_sessions, ops.notification_deliveries,
  ops.notification_messages, ops.notification_targets, ops.notifications, ops.operators,
  ops.pattern_applications, ops.pattern_cannot_links, ops.pattern_claims, ops.pattern_clusters, ops.pattern_fixes,
  ops.pattern_identifiers, ops.pattern_incidents, ops.pattern_links, ops.pattern_merges, ops.pattern_signatures, ops.pattern_splits, ops.pattern_verifications,
  ops.project_settings, ops.roman_events, ops.system_logs
to authenticated, service_role;

-- Not written_by: a trigger records who wrote the row.
grant insert (
  created_at, log_level, message, source, error_data, metadata, environment, release, event_id, user_id
) on table ops.system_logs to authenticated;

-- The secret key writes the log and nothing else. All that the engine records goes through its functions, so that whoever
-- steals the key can neither make up a run, an outcome or an approval, nor remove one.
grant insert, update, delete on table ops.system_logs to service_role;

grant usage on sequence ops.system_logs_id_seq to authenticated, service_role;
-- A grant that somebody adds later, such as the `grant all on all tables` with which a schema is often exposed, does not open
-- the record: a trigger of each table refuses whoever is not its owner, the functions of the engine excepted, which run as it.
do $$
declare
  kept record;
begin
  for kept in
    select classes.oid::regclass as name, pg_get_userbyid(classes.relowner) as owner
    from pg_catalog.pg_class as classes
    where classes.relnamespace = 'ops'::regnamespace and classes.relkind = 'r'
  loop
    execute format(
      'create trigger keep_record before %s on %s for each statement'
      ' when (not pg_has_role(current_user, %L, ''usage'')) execute function ops_internal.refuse_write()',
      case kept.name when 'ops.system_logs'::regclass then 'truncate' else 'insert or update or delete or truncate' end,
      kept.name, kept.owner
    );
  end loop;
end
$$;

-- Functions: first the pairs that people may call, and the engine too.

grant execute on all functions in schema ops to service_role;
grant execute on function ops.ping_v1 to anon;
grant execute on function
  ops.approve_pattern_v1, ops.caller_role_v1, ops.change_setting_v1, ops.confirm_identifiers_v1, ops.confirm_signatures_v1, ops.decide_fix_v1, ops.delete_notification_target_v1, ops.disable_grouping_rule_v1, ops.disable_pattern_v1,
  ops.enable_fix_v1, ops.fail_session_v1, ops.fix_proposals_v1, ops.grouping_rules_v1, ops.ignore_pattern_v1,
  ops.list_notification_messages_v1, ops.list_notification_targets_v1, ops.retry_notification_v1,
  ops.set_notification_target_v1, ops.test_notification_target_v1,
  ops.merge_patterns_v1, ops.open_proposal_v1, ops.pattern_facets_v1, ops.pattern_signatures_v1, ops.pattern_stats_v1, ops.pause_fixes_v1, ops.ping_v1,
  ops.propose_fix_v1, ops.reopen_pattern_v1, ops.replace_clusters_v1, ops.resolve_pattern_v1, ops.resume_fixes_v1,
  ops.save_grouping_rule_v1, ops.similar_patterns_v1, ops.split_pattern_v1, ops.start_clustering_v1, ops.start_rollback_v1,
  ops.statistics_v1, ops.stored_errors_v1, ops.suggested_fixes_v1, ops.undo_merge_v1, ops.undo_split_v1
to authenticated;
grant execute on function
  ops_internal.approve_pattern, ops_internal.change_setting, ops_internal.confirm_identifiers, ops_internal.confirm_signatures, ops_internal.decide_fix, ops_internal.disable_grouping_rule,
  ops_internal.disable_pattern, ops_internal.enable_fix, ops_internal.fail_session, ops_internal.fix_proposals,
  ops_internal.delete_notification_target, ops_internal.list_notification_messages, ops_internal.list_notification_targets,
  ops_internal.retry_notification, ops_internal.set_notification_target, ops_internal.test_notification_target,
  ops_internal.grouping_rules, ops_internal.ignore_pattern, ops_internal.merge_patterns, ops_internal.open_proposal,
  ops_internal.pattern_facets, ops_internal.pattern_signatures, ops_internal.pattern_stats, ops_internal.pause_fixes, ops_internal.propose_fix,
  ops_internal.reopen_pattern, ops_internal.replace_clusters, ops_internal.resolve_pattern, ops_internal.resume_fixes,
  ops_internal.save_grouping_rule, ops_internal.similar_patterns, ops_internal.split_pattern, ops_internal.start_clustering,
  ops_internal.start_rollback, ops_internal.statistics, ops_internal.stored_errors, ops_internal.suggested_fixes,
  ops_internal.undo_merge, ops_internal.undo_split
to authenticated, service_role;

-- The pages of the console, by page.

grant execute on function ops.console_frame_v1, ops.console_mark_v1 to authenticated;
grant execute on function ops_internal.console_frame, ops_internal.console_mark to authenticated, service_role;
grant execute on function ops.console_chosen_v1, ops.console_inbox_v1, ops.console_sources_v1, ops.console_steer_v1 to authenticated;
grant execute on function
  ops_internal.console_chosen, ops_internal.console_inbox, ops_internal.console_sources, ops_internal.console_steer
to authenticated, service_role;

grant execute on function
  ops.console_find_patterns_v1, ops.console_merge_v1, ops.console_pattern_incidents_v1, ops.console_pattern_occurrences_v1,
  ops.console_pattern_page_v1, ops.console_pattern_trail_v1, ops.console_pattern_v1, ops.console_split_v1
to authenticated;
grant execute on function
  ops_internal.console_find_patterns, ops_internal.console_pattern_incidents, ops_internal.console_merge, ops_internal.console_pattern_occurrences,
  ops_internal.console_pattern, ops_internal.console_pattern_page, ops_internal.console_split, ops_internal.console_pattern_trail
to authenticated, service_role;
grant execute on function
  ops.console_cluster_v1, ops.console_clusters_v1, ops.console_delivery_v1, ops.console_pauses_v1, ops.console_settings_v1
to authenticated;
grant execute on function
  ops_internal.console_cluster, ops_internal.console_clusters, ops_internal.console_delivery, ops_internal.console_pauses,
  ops_internal.console_settings
to authenticated, service_role;
grant execute on function ops.console_fix_v1, ops.console_propose_v1, ops.console_proposal_v1 to authenticated;
grant execute on function ops_internal.console_fix, ops_internal.console_propose, ops_internal.console_proposal to authenticated, service_role;

-- Applications, statistics and the Four Laws.
grant execute on function
  ops.console_application_v1, ops.console_applications_v1, ops.console_constitution_v1, ops.console_held_back_v1,
  ops.console_review_v1, ops.console_statistics_v1
to authenticated;
grant execute on function
  ops_internal.console_application, ops_internal.console_applications, ops_internal.console_constitution,
  ops_internal.console_held_back, ops_internal.console_review, ops_internal.console_statistics
to authenticated, service_role;

-- What policies ask about their caller.

grant execute on function ops_internal.caller_role to authenticated, service_role;

-- What the trigger of the log calls with the rights of who writes a row.

grant execute on function ops_internal.quota_message, ops_internal.setting, ops_internal.take_quota to authenticated, service_role;

-- What a running SQL fix needs.

grant execute on function
  fix.touched_rows, fix.touched_since, fix.belongings, fix.rows_after, ops_internal.has_unchanged_row, ops_internal.pinned_fix,
  ops_internal.require_reach,
  ops_internal.proposed_fix
to ops_fixer;

-- ops_fixer owns the functions that run scripts, so that a script has the rights of ops_fixer and no others. To give a
-- function away PostgreSQL requires membership in the new owner, and CREATE for that owner; both last for this moment.
grant create on schema fix to ops_fixer;
grant ops_fixer to current_user;
alter function fix.run owner to ops_fixer;
alter function fix.execute owner to ops_fixer;
alter function fix.rehearse owner to ops_fixer;
-- The engine's functions, which run as the owner of the schema, call these two.
grant execute on function fix.execute, fix.rehearse to current_user;
revoke ops_fixer from current_user;
revoke create on schema fix from ops_fixer;

-- PostgREST reloads the schema.
notify pgrst, 'reload schema';
