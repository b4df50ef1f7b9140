-- A project that the console is measured with: 100,000 patterns and 1,000,000 incidents of 30 days, of which few patterns have
-- very many and most have few; fixes for every tenth pattern, 100,000 runs, and what people decided.
--
-- Triggers and foreign keys are off while it is written: nothing of it happens, it is only there.

set session_replication_role = replica;
set synchronous_commit = off;

create temporary table numbered as
select
  number,
  gen_random_uuid() as pattern_id,
  'pattern_' || md5('seeded ' || number) as signature,
  (array['could not update', 'duplicate key in', 'timeout of', 'no row of', 'permission denied for', 'cannot read']) [1 + number % 6]
  || ' ' || (array['orders', 'invoices', 'customers', 'shipments', 'sessions', 'payments', 'webhooks', 'carts']) [1 + number % 8]
  || ' <id> in ' || substr(md5(number::text), 1, 8) || ': ' || substr(md5('b' || number), 1, 12) || ' of <int> is missing' as template,
  (array['database', 'api', 'rls', 'stripe', 'deployment']) [1 + number % 5] as pattern_type,
  (array['checkout', 'billing', 'auth', 'worker', 'storefront', 'sync']) [1 + number % 6] as source,
  case when number % 20 = 0 then 'critical' when number % 7 = 0 then 'warning' else 'error' end as severity,
  number % 10 = 0 as has_fix
from generate_series(1, 100000) as number;
create unique index on numbered (number);

-- The share of a pattern falls with the power two thirds of its rank; each has one incident at the least.
create temporary table happened as
select
  number as id,
  case when number <= 100000 then number else ceil(100000 * power(random(), 3))::integer end as pattern,
  now() - interval '30 days' * power(random(), 0.8) as at
from generate_series(1, 1000000) as number;

insert into ops.system_logs (id, created_at, log_level, message, source, environment, release, written_by, error_data)
select
  happened.id, happened.at, 'error', replace(replace(numbered.template, '<id>', happened.id::text), '<int>', '7'), numbered.source,
  case when happened.id % 4 = 0 then 'staging' else 'production' end,
  '1.' || extract(epoch from now() - happened.at)::integer / 604800 || '.0', 'service_role', '{"code": "P0001"}'
from happened inner join numbered on numbered.number = happened.pattern;

insert into ops.pattern_incidents (id, pattern_id, signature, system_log_id, occurred_at, learned_at, identifiers, refusal, gate)
select
  happened.id, numbered.pattern_id, numbered.signature, happened.id, happened.at, happened.at,
  jsonb_build_object('table', 'table_' || happened.pattern % 50, 'constraint', 'constraint_' || happened.id % 3),
  case when numbered.has_fix and happened.id % 3 = 0 then 'It ran a moment ago' end,
  case when numbered.has_fix and happened.id % 3 = 0 then 'laws' end
from happened inner join numbered on numbered.number = happened.pattern;

insert into ops.error_patterns (
  pattern_id, pattern_signature, pattern_type, error_message_pattern, tries_expression, error_source, severity, status,
  occurrence_count, first_seen, last_seen, first_release, last_release, last_environment, resolved_at, ignored_until,
  learned_from_incidents, auto_fix_enabled, has_running_fix, human_approved, approved_at, auto_fix_script, auto_fix_type,
  auto_fix_parameters, success_rate, confidence_score, metadata, created_at
)
select
  numbered.pattern_id, numbered.signature, numbered.pattern_type, '^' || numbered.template || '$', false, numbered.source,
  numbered.severity,
  case when number % 40 = 1 then 'resolved' when number % 40 = 2 then 'ignored' when number % 40 = 3 then 'archived' else 'open' end,
  counted.times, counted.first_seen, counted.last_seen, '1.4.0', '1.0.0', case when number % 4 = 0 then 'staging' else 'production' end,
  case when number % 40 = 1 then now() - interval '1 day' end, case when number % 40 = 2 then now() + interval '7 days' end,
  counted.latest, has_fix and number % 1000 not in (0, 50), has_fix and number % 1000 not in (0, 50), has_fix,
  case when has_fix then now() - interval '20 days' end, case when has_fix then 'update public.stock set amount = 1 where id = 1' end,
  case when has_fix then 'sql' end, case when has_fix then '{}'::jsonb end,
  case when has_fix then number % 100 else 0 end, case when has_fix then 0.85 else 0.5 end,
  jsonb_build_object(
    'template', numbered.template, 'sample', numbered.template || ' (a sample of the message, which may be longer than the template)',
    'features', jsonb_build_object('has_sql', true, 'error_code', 'P0001', 'words', 12), 'captured', jsonb_build_object('id', '123')
  ),
  counted.first_seen
from numbered
inner join (
  select
    happened.pattern, count(*) as times, min(happened.at) as first_seen, max(happened.at) as last_seen,
    (array_agg(happened.id::bigint order by happened.at desc)) [1:20] as latest
  from happened
  group by happened.pattern
) as counted on counted.pattern = numbered.number;

insert into ops.pattern_signatures (signature, pattern_id, algorithm, template, leaf, wider, created_at, refused_at)
select
  numbered.signature, numbered.pattern_id, 'grouping/v2', numbered.template, '12 ' || split_part(numbered.template, ' ', 1),
  array(select 'pattern_' || md5(number || ':' || place) from generate_series(1, 4) as place),
  case when numbered.number % 500 = 20 then now() - interval '2 hours' else now() - interval '25 days' end,
  case when numbered.number % 500 = 20 then now() - interval '1 hour' end
from numbered;

insert into ops.pattern_identifiers (signature, digest, identifiers, occurrences, first_seen, last_seen)
select
  incidents.signature, ops_internal.identifiers_digest(incidents.identifiers, null), incidents.identifiers, count(*),
  min(incidents.occurred_at), max(incidents.occurred_at)
from ops.pattern_incidents as incidents
group by incidents.signature, incidents.identifiers;

insert into ops.pattern_fixes (
  pattern_id, version, fix_type, script, prepared_script, parameters, timeout_ms, max_retries, max_rows, trusted_writers, target, guard, tables,
  hosts, secrets, sha256, mode, mode_changed_at, approved_by, approved_at, trusts_until, disabled_at, disabled_reason, confidence_score
)
select
  numbered.pattern_id, 1, 'sql', 'update public.stock set amount = 1 where id = 1', 'update public.stock set amount = 1 where id = 1', '{}',
  5000, 0, 1000, '{service_role}', '{}',
  (
    select jsonb_agg(jsonb_build_object('table', 'table_' || number % 50, 'constraint', 'constraint_' || place))
    from generate_series(0, case when number % 200 = 10 then 1 else 2 end) as place
  ),
  '{public.stock}', '{}', '{}', 'later',
  case when number % 1000 = 50 then 'demoted' else 'live' end, now() - interval '1 day' * (number % 20), (select users.id from auth.users as users limit 1),
  now() - interval '20 days', now() - interval '20 days',
  case when number % 1000 = 0 then now() - interval '2 days' end,
  case when number % 1000 = 0 then 'it failed again' end, 0.85
from numbered where has_fix;
update ops.pattern_fixes as fixes set sha256 = ops_internal.fix_digest(fixes) where fixes.sha256 = 'later';

-- Every tenth incident, of the patterns with a fix, is a run.
create temporary table ran as
select
  gen_random_uuid() as application_id, numbered.pattern_id, incidents.id as log_id, incidents.occurred_at as at, incidents.id as number,
  numbered.source, incidents.id % 10 = 0 as has_failed
from numbered
cross join lateral (
  select stored.id, stored.occurred_at from ops.pattern_incidents as stored
  where stored.pattern_id = numbered.pattern_id order by stored.occurred_at desc limit 200
) as incidents
where numbered.has_fix;

insert into ops.pattern_claims (
  application_id, pattern_id, system_log_id, fix_version, sha256, source, error, policy, claimed_at, lease_until, finished_at,
  constitutional_validation
)
select
  ran.application_id, ran.pattern_id, ran.log_id, 1, 'x', ran.source, '{"message": "x"}', '{}', ran.at, ran.at + interval '1 minute',
  case when ran.number % 5000 <> 1 then ran.at end, '{"compliant": true, "laws": []}'
from ran;

insert into ops.pattern_applications (
  application_id, pattern_id, system_log_id, applied_at, success, execution_time_ms, fix_script_executed, error_before, system_state_before,
  system_state_after, constitutional_validation, metadata
)
select
  ran.application_id, ran.pattern_id, ran.log_id, ran.at, not ran.has_failed, 12, 'update public.stock set amount = 1 where id = 1', 'x',
  '{"system_entropy": 0.1}', '{"rows_touched": 1}', '{"compliant": true, "laws": []}',
  '{"purpose": "heal", "fix_version": 1}'
from ran where ran.number % 5000 <> 1;

insert into ops.pattern_verifications (
  application_id, pattern_id, fix_version, mode, source, error_at, started_at, due_at, late_until, outcome, decided_at, policy
)
select
  ran.application_id, ran.pattern_id, 1, 'live', ran.source, ran.at, ran.at, ran.at + interval '1 hour', ran.at + interval '1 day',
  case when ran.at > now() - interval '1 hour' then 'pending' when ran.has_failed then 'failed' else 'verified' end,
  case when ran.at <= now() - interval '1 hour' then ran.at + interval '1 hour' end, '{}'
from ran where ran.number % 5000 <> 1;

insert into ops.fix_proposals (
  pattern_id, fix, sha256, analysis, proposed_by, proposed_at, expires_at, decision, decided_by, decided_at
)
select
  numbered.pattern_id,
  jsonb_build_object(
    'type', 'sql', 'script', 'update public.stock set amount = 1 where id = 1',
    'prepared_script', 'update public.stock set amount = 1 where id = 1', 'undo_script', null, 'prepared_undo_script', null,
    'sample_table', null, 'sample_script', null, 'parameters', '{}'::jsonb, 'tables', '["public.stock"]'::jsonb, 'hosts', '[]'::jsonb,
    'secrets', '{}'::jsonb
  ),
  md5(number::text), '{}', person.id, now() - interval '2 hours', now() + interval '1 hour' * (1 + number % 47),
  case when number % 10 = 0 then 'approved' end, case when number % 10 = 0 then person.id end, case when number % 10 = 0 then now() end
from numbered
cross join (select users.id from auth.users as users limit 1) as person
where number % 200 = 7 or (has_fix and number % 500 = 10);

insert into ops.roman_events (event_type, severity, description, metadata, created_at)
select 'pattern_learned', 'info', 'New error pattern: ' || signature, jsonb_build_object('pattern_id', pattern_id), now() - interval '30 days' * random()
from numbered
union all
select
  'pattern_applied', 'info', 'Pattern applied', jsonb_build_object('pattern_id', ran.pattern_id, 'application_id', ran.application_id), ran.at
from ran
union all
select
  (array['constitutional_violation', 'pattern_regressed', 'pattern_spiked', 'healed_often', 'fix_demoted', 'threshold_reached']) [1 + number / 50 % 6],
  'warning', 'Something happened to ' || signature,
  jsonb_build_object('pattern_id', pattern_id, 'pattern_signature', signature, 'former_status', 'resolved', 'errors', 90, 'usual_errors', 2),
  now() - interval '30 days' * random()
from numbered where number % 50 = 0
union all
select
  'constitutional_violation', 'warning', 'Pattern application blocked: ' || signature,
  jsonb_build_object('pattern_id', pattern_id, 'pattern_signature', signature), now() - interval '30 days' * random()
from numbered where number % 20 = 0;
update ops.roman_events set constitutional_validation = '{
  "compliant": false,
  "laws": [{
    "law": 3, "name": "Sacred Geometry", "outcome": "fail", "parts": {"runs": false},
    "numbers": {"runs_last_hour": 10, "runs_per_hour": 10}
  }]
}'
where event_type = 'constitutional_violation';

insert into ops.notifications (kind, severity, description, event_id, pattern_id, created_at)
select 'violation', 'warning', events.description, events.event_id, ops_internal.id_in(events.metadata, 'pattern_id'), events.created_at
from ops.roman_events as events where events.event_type = 'constitutional_violation';

insert into ops.learning_sessions (session_type, started_at, completed_at, status, patterns_analyzed)
select 'clustering', at, at + interval '3 seconds', 'completed', 100000 from generate_series(now() - interval '30 days', now(), interval '1 day') as at;
insert into ops.pattern_clusters (cluster_name, cluster_description, pattern_ids, centroid_features, cluster_size, avg_success_rate, total_occurrences)
select
  'cluster ' || number % 60, 'patterns that are alike', array_agg(pattern_id),
  jsonb_build_object('occurrence_count', 10, 'success_rate', 50, 'confidence_score', 0.5, 'severity_numeric', 3), count(*), 50, 10000
from numbered group by number % 60;

select setval('ops.system_logs_id_seq', 1000001), setval('ops.pattern_incidents_id_seq', 1000001);
refresh materialized view ops.pattern_stats;
reset session_replication_role;
drop table numbered, happened, ran;

insert into ops.notification_targets (name, url_secret, enabled) values ('On call', 'notify_on_call', false);
