-- Row-level security, policies and privileges of the engine's schemas, in pgTAP.
-- Run with: supabase test db
begin;

create extension if not exists pgtap with schema extensions;
set local search_path = extensions, pg_catalog;

select plan(357);

-- Every table is under row-level security -----------------------------------------------------

select ok(classes.relrowsecurity, format('ops.%I has row-level security', tables.name))
from (
  values
  ('system_logs'), ('error_patterns'), ('pattern_signatures'), ('pattern_identifiers'), ('pattern_incidents'), ('pattern_links'), ('pattern_fixes'), ('pattern_claims'),
  ('pattern_applications'), ('pattern_verifications'), ('fix_confirmations'), ('fix_hosts'), ('fix_pauses'), ('fix_proposals'), ('fix_secrets'), ('fixer_grants'), ('pattern_merges'), ('pattern_splits'), ('pattern_cannot_links'), ('grouping_rules'), ('pattern_clusters'), ('learning_sessions'), ('roman_events'), ('event_seals'), ('notifications'), ('notification_targets'), ('notification_messages'), ('notification_deliveries'), ('project_settings'), ('operators')
) as tables (name)
inner join pg_class as classes on classes.oid = to_regclass('ops.' || tables.name);

select is(
  (select count(*)::integer from pg_class where relnamespace = 'ops'::regnamespace and relkind in ('r', 'p')),
  30, 'there are no other tables in ops'
);

-- Policies --------------------------------------------------------------------------------------

select policies_are('ops', policies.tablename, policies.names::name [])
from (
  values
  ('system_logs', array['Signed-in users write their own log rows', 'Authors read their own log rows and operators read all']),
  ('error_patterns', array['Operators read patterns']),
  ('pattern_signatures', array['Operators read signatures']),
  ('pattern_identifiers', array['Operators read identifiers']),
  ('pattern_links', array['Operators read links']),
  ('pattern_incidents', array['Operators read incidents']),
  ('pattern_fixes', array['Operators read approved fixes']),
  ('pattern_claims', array['Operators read claims']),
  ('pattern_applications', array['Operators read applications']),
  ('pattern_verifications', array['Operators read verifications']),
  ('fix_hosts', array['Operators read granted hosts']),
  ('fix_secrets', array['Operators read granted secrets']),
  ('fix_pauses', array['Operators read pauses']),
  ('fix_proposals', array['Operators read proposals']),
  ('fixer_grants', array['Operators read what fixes may touch']),
  ('pattern_merges', array['Operators read merges']),
  ('pattern_splits', array['Operators read splits']),
  ('fix_confirmations', array['Operators read confirmed identifiers']),
  ('pattern_cannot_links', array['Operators read which patterns are kept apart']),
  ('grouping_rules', array['Operators read grouping rules']),
  ('pattern_clusters', array['Operators read clusters']),
  ('learning_sessions', array['Operators read learning sessions']),
  ('roman_events', array['Operators read events']),
  ('event_seals', array['Operators read seals']),
  ('notifications', array['Operators read notifications']),
  ('notification_targets', array['Operators read notification targets']),
  ('notification_messages', array['Operators read notification messages']),
  ('notification_deliveries', array['Operators read notification deliveries']),
  ('project_settings', array['Operators read settings']),
  ('operators', array['Operators read who the operators are'])
) as policies (tablename, names);

select is(
  array(
    select format('%s %s %s', tablename, cmd, array_to_string(roles, ',')) from pg_policies
    where schemaname = 'ops' and (cmd <> 'SELECT' or roles <> '{authenticated}')
  ),
  array['system_logs INSERT authenticated'],
  'policies are for signed-in people, and all but one are for reading'
);

-- Privileges on tables: anon none, authenticated and service_role as listed ---------------------

select table_privs_are('ops', privileges.tablename, 'anon', array[]::name [])
from (select tablename from pg_tables where schemaname = 'ops' union all select 'pattern_stats') as privileges;

select table_privs_are('ops', privileges.tablename, 'ops_fixer', array[]::name [])
from (select tablename from pg_tables where schemaname = 'ops' union all select 'pattern_stats') as privileges;

select table_privs_are('ops', privileges.tablename, 'authenticated', array['SELECT']::name [])
from (select tablename from pg_tables where schemaname = 'ops') as privileges;

select table_privs_are('ops', 'pattern_stats', 'authenticated', array[]::name []);
select table_privs_are('ops', 'pattern_stats', 'service_role', array[]::name []);

select table_privs_are(
  'ops', tables.tablename, 'service_role',
  case tables.tablename when 'system_logs' then array['SELECT', 'INSERT', 'UPDATE', 'DELETE'] else array['SELECT'] end::name []
)
from pg_tables as tables where tables.schemaname = 'ops';

select column_privs_are('ops', 'system_logs', columns.name, 'authenticated', columns.allowed::name [])
from (
  values
  ('id', array['SELECT']), ('written_by', array['SELECT']),
  ('message', array['SELECT', 'INSERT']), ('log_level', array['SELECT', 'INSERT']), ('user_id', array['SELECT', 'INSERT'])
) as columns (name, allowed);

-- Privileges on functions -----------------------------------------------------------------------

select is(
  array(
    select functions.oid::regprocedure::text
    from pg_proc as functions
    cross join lateral aclexplode(coalesce(functions.proacl, acldefault('f', functions.proowner))) as entries
    where functions.pronamespace in ('ops'::regnamespace, 'ops_internal'::regnamespace, 'fix'::regnamespace)
      and entries.grantee = 0
  ),
  array[]::text [], 'nothing is executable by everyone'
);

select is(
  array(
    select functions.proname::text from pg_proc as functions
    where functions.pronamespace = 'ops'::regnamespace and has_function_privilege('anon', functions.oid, 'execute')
  ),
  array['ping_v1'], 'anon asks for a sign of life and calls nothing else'
);

select function_privs_are('ops', functions.name, functions.arguments, callers.role, callers.allowed::name [])
from (
  values
  ('learn_errors_v1', array['jsonb'], false),
  ('join_errors_v1', array['jsonb'], false),
  ('read_logs_v1', array['bigint[]'], false),
  ('read_grouping_v1', array[]::text [], false),
  ('find_candidates_v1', array['jsonb'], false),
  ('claim_application_v1', array['uuid', 'bigint', 'integer', 'text', 'jsonb', 'jsonb', 'text', 'jsonb', 'jsonb'], false),
  ('application_job_v1', array['uuid'], false),
  ('note_rows_v1', array['uuid', 'jsonb', 'jsonb'], false),
  ('note_failure_v1', array['uuid', 'text'], false),
  ('record_refusals_v1', array['jsonb'], false),
  ('verify_applications_v1', array[]::text [], false),
  ('recover_applications_v1', array[]::text [], false),
  ('rehearse_proposal_v1', array['uuid', 'jsonb'], false),
  ('note_preview_v1', array['uuid', 'jsonb', 'jsonb'], false),
  ('incidents_for_replay_v1', array['uuid', 'jsonb', 'integer', 'jsonb'], false),
  ('run_application_v1', array['uuid'], false),
  ('cancel_application_v1', array['uuid'], false),
  ('finish_application_v1', array['uuid', 'jsonb'], false),
  ('approve_pattern_v1', array['uuid', 'jsonb', 'uuid', 'text', 'timestamp with time zone', 'integer'], true),
  ('enable_fix_v1', array['uuid', 'text', 'text', 'boolean', 'timestamp with time zone', 'integer'], true),
  ('pause_fixes_v1', array['text', 'integer'], true),
  ('resume_fixes_v1', array['text'], true),
  ('propose_fix_v1', array['uuid', 'jsonb', 'jsonb', 'double precision'], true),
  ('decide_fix_v1', array['uuid', 'text', 'text', 'text', 'text', 'boolean', 'timestamp with time zone', 'integer'], true),
  ('fix_proposals_v1', array['uuid', 'boolean', 'integer'], true),
  ('start_rollback_v1', array['uuid', 'text'], true),
  ('suggested_fixes_v1', array['uuid', 'integer'], true),
  ('disable_pattern_v1', array['uuid', 'text', 'integer', 'text'], true),
  ('statistics_v1', array[]::text [], true),
  ('pattern_facets_v1', array['uuid[]', 'integer'], true),
  ('merge_patterns_v1', array['uuid[]', 'text'], true),
  ('undo_merge_v1', array['uuid'], true),
  ('split_pattern_v1', array['uuid', 'text[]', 'text', 'text'], true),
  ('undo_split_v1', array['uuid'], true),
  ('confirm_signatures_v1', array['uuid', 'text[]'], true),
  ('confirm_identifiers_v1', array['uuid', 'jsonb', 'integer', 'text'], true),
  ('resolve_pattern_v1', array['uuid', 'text', 'text'], true),
  ('ignore_pattern_v1', array['uuid', 'timestamp with time zone', 'integer', 'text'], true),
  ('reopen_pattern_v1', array['uuid', 'text'], true),
  ('similar_patterns_v1', array['uuid', 'integer'], true),
  ('grouping_rules_v1', array['boolean'], true),
  ('save_grouping_rule_v1', array['jsonb'], true),
  ('disable_grouping_rule_v1', array['uuid', 'text'], true),
  ('set_notification_target_v1', array['jsonb'], true),
  ('delete_notification_target_v1', array['uuid'], true),
  ('list_notification_targets_v1', array[]::text [], true),
  ('list_notification_messages_v1', array['text', 'integer'], true),
  ('retry_notification_v1', array['uuid'], true),
  ('test_notification_target_v1', array['uuid'], true),
  ('take_notification_v1', array[]::text [], false),
  ('finish_notification_v1', array['uuid', 'integer', 'text', 'bigint[]'], false)
) as functions (name, arguments, is_for_people)
cross join lateral (
  values
  ('authenticated', case when functions.is_for_people then array['EXECUTE'] else array[]::text [] end),
  ('service_role', array['EXECUTE']),
  ('ops_fixer', array[]::text [])
) as callers (role, allowed);

-- Where fixes run -------------------------------------------------------------------------------

select function_owner_is('fix', functions.name, functions.arguments, 'ops_fixer')
from (
  values
  ('run', array['text', 'jsonb', 'jsonb', 'integer', 'text', 'text']), ('execute', array['uuid']), ('rehearse', array['uuid', 'jsonb'])
) as functions (name, arguments);
select is_definer('fix', 'run', array['text', 'jsonb', 'jsonb', 'integer', 'text', 'text']);
select is_definer('fix', 'execute', array['uuid']);
select is_definer('fix', 'rehearse', array['uuid', 'jsonb']);
select function_privs_are('fix', 'run', array['text', 'jsonb', 'jsonb', 'integer', 'text', 'text'], callers.role, array[]::name [])
from unnest(array['anon', 'authenticated', 'service_role']) as callers (role);
select schema_privs_are('fix', 'ops_fixer', array['USAGE']);
select schema_privs_are('ops', 'ops_fixer', array[]::name []);

select * from finish();
rollback;
