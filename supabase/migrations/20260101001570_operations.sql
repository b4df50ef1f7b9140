-- What the console shows of running the engine: pauses, clusters, the delivery of errors and notifications, and settings.

create function ops_internal.console_pauses() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return jsonb_build_object(
    'live_fixes', (select count(*) from ops.error_patterns as patterns where patterns.auto_fix_enabled),
    'unfinished_runs', (select count(*) from ops.pattern_claims as claims where claims.finished_at is null),
    'recent', (
      select coalesce(jsonb_agg(to_jsonb(latest) order by latest.started_at desc), '[]')
      from (
        select
          pauses.cause, pauses.reason, pauses.started_at, pauses.expires_at, pauses.ended_at, pauses.ended_reason,
          ops_internal.person(pauses.started_by) as started_by, ops_internal.person(pauses.ended_by) as ended_by
        from ops.fix_pauses as pauses
        where pauses.ended_at is not null or pauses.expires_at <= now()
        order by pauses.id desc
        limit 10
      ) as latest
    )
  );
end
$$;

create function ops.console_pauses_v1() returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_pauses() $$;

comment on function ops.console_pauses_v1 is
  'What a pause holds back, which are the live fixes, how many runs have started and not ended, and the latest ten pauses that are over. For operators.';

-- Clusters.

create function ops_internal.shown_members(p_pattern_ids uuid []) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'pattern_id', members.pattern_id,
        'template', left(coalesce(patterns.metadata ->> 'template', patterns.error_message_pattern), 300),
        'pattern_type', patterns.pattern_type,
        'severity', patterns.severity,
        'status', patterns.status,
        'occurrence_count', patterns.occurrence_count,
        'success_rate', patterns.success_rate,
        'outcomes', patterns.confidence_outcomes,
        'last_seen', patterns.last_seen
      )
      order by members.place
    ),
    '[]'
  )
  from unnest(p_pattern_ids) with ordinality as members (pattern_id, place)
  inner join ops.error_patterns as patterns on patterns.pattern_id = members.pattern_id
$$;

comment on function ops_internal.shown_members is 'These patterns as the console lists them, in this order.';

create function ops_internal.shown_cluster(p_cluster ops.pattern_clusters) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'cluster_id', p_cluster.cluster_id, 'cluster_name', p_cluster.cluster_name, 'cluster_description', p_cluster.cluster_description,
    'cluster_size', p_cluster.cluster_size, 'avg_success_rate', p_cluster.avg_success_rate,
    'total_occurrences', p_cluster.total_occurrences, 'created_at', p_cluster.created_at,
    'patterns_by_type', p_cluster.metadata -> 'patterns_by_type'
  )
$$;

comment on function ops_internal.shown_cluster is 'A cluster as it is answered, without the ids of its patterns, of which there may be many thousands.';

create function ops_internal.console_clusters(p_points integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  members constant bigint := (select sum(clusters.cluster_size) from ops.pattern_clusters as clusters);
  step constant bigint := greatest(ceil(members / greatest(p_points, 1)::numeric), 1)::bigint;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return jsonb_build_object(
    'session', (
      select
        to_jsonb(sessions) - array['id', 'input_data', 'metadata', 'patterns_created', 'patterns_updated', 'errors_processed']
        || jsonb_build_object('requested_by', ops_internal.person((sessions.input_data ->> 'requested_by')::uuid))
      from ops.learning_sessions as sessions
      where sessions.session_type = 'clustering'
      order by sessions.started_at desc
      limit 1
    ),
    'clusters', (
      select coalesce(
        jsonb_agg(
          ops_internal.shown_cluster(clusters)
          || jsonb_build_object('members', ops_internal.shown_members(clusters.pattern_ids [:3]))
          order by clusters.cluster_size desc, clusters.id
        ),
        '[]'
      )
      from ops.pattern_clusters as clusters
    ),
    'points', (
      select coalesce(
        jsonb_agg(
          jsonb_build_array(
            sampled.cluster, patterns.pattern_id, greatest(patterns.occurrence_count, 1),
            greatest(extract(epoch from now() - patterns.last_seen)::integer, 0),
            -- Names for the reader who points at one; of thousands they would be most of the page.
            case when members <= 400 then left(coalesce(patterns.metadata ->> 'template', patterns.error_message_pattern), 100) end
          )
          order by sampled.cluster, sampled.place
        ),
        '[]'
      )
      from (
        -- Evenly out of each cluster, whose members are in the order of their errors.
        select ordered.cluster, listed.pattern_id, listed.place
        from (
          select clusters.pattern_ids, row_number() over (order by clusters.cluster_size desc, clusters.id) - 1 as cluster
          from ops.pattern_clusters as clusters
        ) as ordered
        cross join lateral unnest(ordered.pattern_ids) with ordinality as listed (pattern_id, place)
        where (listed.place - 1) % step = 0
        order by ordered.cluster, listed.place
        limit p_points
      ) as sampled
      inner join ops.error_patterns as patterns on patterns.pattern_id = sampled.pattern_id
    )
  );
end
$$;

create function ops.console_clusters_v1(p_points integer default 2000) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_clusters(p_points) $$;

comment on function ops.console_clusters_v1 is
  'The last clustering session, the clusters with their three most frequent patterns, and at most so many patterns out of all clusters evenly as points: the place of the cluster among these, from 0; pattern_id, occurrence_count, seconds since it was seen, and of no more than 400 the template. For operators.';

create function ops_internal.console_cluster(p_cluster_id uuid, p_page integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  page_length constant integer := 100;
  page constant integer := least(greatest(coalesce(p_page, 1), 1), 1000000);
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    select ops_internal.shown_cluster(clusters) || jsonb_build_object(
      'parts', coalesce(clusters.metadata -> 'parts', '[]'),
      'page', page,
      'pages', greatest(ceil(clusters.cluster_size / page_length::numeric), 1),
      'first', (page - 1) * page_length + 1,
      'members', ops_internal.shown_members(clusters.pattern_ids [(page - 1) * page_length + 1:page * page_length])
    )
    from ops.pattern_clusters as clusters
    where clusters.cluster_id = p_cluster_id
  );
end
$$;

create function ops.console_cluster_v1(p_cluster_id uuid, p_page integer default 1) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_cluster(p_cluster_id, p_page) $$;

comment on function ops.console_cluster_v1 is
  'A cluster with 100 of its patterns, the most frequent at the time of the clustering first; null if there is no such cluster any more. For operators.';

-- Delivery.

create function ops_internal.schedule_interval(p_schedule text) returns interval
language sql
immutable
set search_path = ''
as $$
  select case
    when p_schedule ~* '^\s*\d+\s+seconds?\s*$' then make_interval(secs => substring(p_schedule from '\d+')::integer)
    when p_schedule ~ '^\s*\*(\s+\*){4}\s*$' then interval '1 minute'
    when p_schedule ~ '^\s*\*/[1-9]\d?(\s+\*){4}\s*$' then make_interval(mins => substring(p_schedule from '\d+')::integer)
    when p_schedule ~ '^\s*\d+(\s+\*){4}\s*$' then interval '1 hour'
    when p_schedule ~ '^\s*\d+\s+\*/[1-9]\d?(\s+\*){3}\s*$' then make_interval(hours => substring(p_schedule from '/(\d+)')::integer)
    when p_schedule ~ '^\s*\d+\s+\d+(\s+\*){3}\s*$' then interval '1 day'
    when p_schedule ~ '^\s*\d+\s+\d+\s+\*\s+\*\s+\w+\s*$' then interval '7 days'
  end
$$;

comment on function ops_internal.schedule_interval is
  'How far the runs of a schedule of pg_cron are apart, for the usual forms; null for any other, of which nobody can say that it is late.';

create function ops_internal.job_heartbeats() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  -- pg_cron has no index by job. The engine's own jobs make about 15,000 rows a day.
  most_runs constant integer := 40000;
  newest constant bigint := coalesce((select max(runs.runid) from cron.job_run_details as runs), 0);
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(judged) order by judged.state <> 'late', judged.state <> 'failed', judged.name), '[]')
    from (
      select
        jobs.jobname as name, jobs.schedule, jobs.active, obj_description(to_regproc(substring(jobs.command from '([\w.]+)\(')), 'pg_proc') as meaning,
        last_run.at as last_run, extract(epoch from last_run.ended_at - last_run.at) as seconds, left(last_run.message, 300) as message,
        succeeded.at as last_success,
        case
          when not jobs.active then 'off'
          when last_run.at is null then 'never ran'
          when last_run.at < clock_timestamp() - allowed.age then 'late'
          when last_run.status = 'failed' then 'failed'
          when last_run.status <> 'succeeded' then 'running'
          else 'on time'
        end as state
      from cron.job as jobs
      cross join lateral ops_internal.schedule_interval(jobs.schedule) as schedules (apart)
      cross join lateral (
        select schedules.apart + greatest(schedules.apart / 10, interval '2 minutes') as age
      ) as allowed
      left join lateral (
        select coalesce(runs.start_time, runs.end_time) as at, runs.end_time as ended_at, runs.status, runs.return_message as message
        from cron.job_run_details as runs
        where runs.jobid = jobs.jobid and runs.runid > newest - most_runs
        order by runs.runid desc
        limit 1
      ) as last_run on true
      left join lateral (
        select runs.end_time as at
        from cron.job_run_details as runs
        where runs.jobid = jobs.jobid and runs.status = 'succeeded' and runs.runid > newest - most_runs
        order by runs.runid desc
        limit 1
      ) as succeeded on true
      where starts_with(jobs.jobname, 'pattern-engine-')
    ) as judged
  );
end
$$;

comment on function ops_internal.job_heartbeats is
  'The engine''s scheduled jobs: when each ran last, with what result, and its state: on time, running, failed, late by more than a tenth of its interval and by two minutes, never ran within the last 40,000 runs of all jobs, or off.';

create function ops_internal.learning_lag() returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'learned', count(*) filter (where latest.is_recent),
    'older', count(*) filter (where not latest.is_recent),
    'median', percentile_cont(0.5) within group (order by latest.seconds) filter (where latest.is_recent),
    'p95', percentile_cont(0.95) within group (order by latest.seconds) filter (where latest.is_recent),
    'most', max(latest.seconds) filter (where latest.is_recent)
  )
  from (
    select lags.seconds, lags.seconds < 3600 as is_recent
    from (
      select learned.learned_at, learned.system_log_id
      from ops.pattern_incidents as learned
      order by learned.id desc
      limit 1000
    ) as incidents
    inner join ops.system_logs as logs on logs.id = incidents.system_log_id
    cross join lateral (
      select greatest(extract(epoch from incidents.learned_at - logs.created_at), 0)::double precision as seconds
    ) as lags
    where incidents.learned_at > now() - interval '15 minutes'
  ) as latest
$$;

comment on function ops_internal.learning_lag is
  'How many seconds passed from the log row to its counting, for the errors that were learned in the last 15 minutes, the latest 1,000 at the most: median, 95th percentile and most. Rows that were more than an hour old, such as imported ones, are counted apart.';

create function ops_internal.learning_backlog() returns jsonb
language sql
stable
set search_path = ''
as $$
  with searched as (
    -- No more rows than can be looked up while somebody waits for the page.
    select
      sweep.settled_id, sweep.busy_until > clock_timestamp() as is_busy, newest.id as newest_id,
      least(newest.id, sweep.settled_id + 10000) as through_id
    from ops_internal.sweep as sweep
    cross join lateral (select coalesce(max(logs.id), 0) as id from ops.system_logs as logs) as newest
  ),

  unlearned as (
    select logs.id, logs.created_at
    from searched
    cross join lateral ops_internal.unlearned_ids(searched.settled_id, searched.through_id, 1001) as ids (id)
    inner join ops.system_logs as logs on logs.id = ids.id
  )

  select jsonb_build_object(
    'waiting', (select count(*) from unlearned),
    'oldest', (select min(unlearned.created_at) from unlearned),
    'settled_id', searched.settled_id,
    'newest_id', searched.newest_id,
    'unsearched', searched.newest_id - searched.through_id,
    'is_sweeping', searched.is_busy,
    'retrying', (select count(*) from ops_internal.learning_tries as tries where tries.gave_up_at is null),
    'given_up', (select count(*) from ops_internal.learning_tries as tries where tries.gave_up_at is not null),
    'unlearnable', (
      select coalesce(jsonb_agg(to_jsonb(latest) order by latest.gave_up_at desc, latest.system_log_id desc), '[]')
      from (
        select
          tries.system_log_id, tries.tries, tries.last_error as reason, tries.gave_up_at,
          left(logs.source, 200) as source, left(logs.message, 300) as message
        from ops_internal.learning_tries as tries
        inner join ops.system_logs as logs on logs.id = tries.system_log_id
        where tries.gave_up_at is not null
        order by tries.gave_up_at desc, tries.system_log_id desc
        limit 20
      ) as latest
    )
  )
  from searched
$$;

comment on function ops_internal.learning_backlog is
  'Errors that wait to be learned, up to 1,001 of the 10,000 log rows after the last settled one; where the sweep is; and the errors that it gave up.';

create function ops_internal.webhook_calls() returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  -- On a project where the owner of the engine may not read them, the page says so.
  if not (has_table_privilege('net._http_response', 'select') and has_table_privilege('net.http_request_queue', 'select')) then
    return null;
  end if;
  return (
    select jsonb_build_object(
      'answered', count(*),
      'failed', count(*) filter (where latest.has_failed),
      'queued', (select count(*) from (select from net.http_request_queue limit 10001) as queue),
      'failures', (
        select coalesce(jsonb_agg(to_jsonb(failures) order by failures.created desc), '[]')
        from (
          select responses.status_code, coalesce(responses.timed_out, false) as timed_out, left(responses.error_msg, 300) as error, responses.created
          from net._http_response as responses
          where responses.created > now() - interval '1 hour'
            and (responses.error_msg is not null or responses.timed_out or responses.status_code >= 400)
          order by responses.created desc
          limit 10
        ) as failures
      )
    )
    from (
      select responses.error_msg is not null or coalesce(responses.timed_out, false) or responses.status_code >= 400 as has_failed
      from net._http_response as responses
      where responses.created > now() - interval '1 hour'
      limit 20000
    ) as latest
  );
end
$$;

comment on function ops_internal.webhook_calls is
  'The answers to all calls of the project through pg_net within the last hour, up to 20,000, and the latest ten failures without what was answered; null where the owner of the engine may not read them.';

create function ops_internal.console_delivery() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return jsonb_build_object(
    'lag', ops_internal.learning_lag(),
    'backlog', ops_internal.learning_backlog(),
    'stalled_minutes', ops_internal.setting('stalled_minutes'),
    'jobs', ops_internal.job_heartbeats(),
    'calls', ops_internal.webhook_calls(),
    'targets', ops_internal.list_notification_targets(),
    'waiting', ops_internal.list_notification_messages('waiting', 20),
    'dead', ops_internal.list_notification_messages('dead', 20),
    'dead_total', (select count(*) from ops.notification_messages as messages where messages.state = 'dead'),
    'as_of', clock_timestamp()
  );
end
$$;

create function ops.console_delivery_v1() returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_delivery() $$;

comment on function ops.console_delivery_v1 is
  'How errors reach the engine and notifications reach people: lag, backlog, sweep, scheduled jobs, calls through pg_net, targets, waiting messages and dead letters. For operators.';

-- Settings.

create function ops_internal.journal_head() returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'seal_id', head.id,
    'sealed_at', head.sealed_at,
    'seal', encode(head.seal, 'hex'),
    'is_intact', head.seal = ops_internal.seal_digest(head)
    and head.previous = coalesce((select former.seal from ops.event_seals as former where former.id = head.id - 1), sha256('')),
    'unsealed', (
      select count(*) from (select from ops.roman_events as events where events.seal_id is null limit 10001) as unsealed
    )
  )
  from ops.event_seals as head
  order by head.id desc
  limit 1
$$;

comment on function ops_internal.journal_head is
  'The newest entry of the chain that seals the journal, whether it is as it was made and continues the one before, and how many events have no seal yet.';

create function ops_internal.console_settings() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return jsonb_build_object(
    'settings', (
      select jsonb_agg(
        to_jsonb(settings) || jsonb_build_object('changed_by', ops_internal.person(settings.changed_by)) order by settings.name
      )
      from ops.project_settings as settings
    ),
    'tables', (
      select coalesce(jsonb_agg(to_jsonb(known) order by known.table_name), '[]')
      from ops_internal.fixer_privileges() as known
      where known.stored <> '{}' or known.granted <> '{}' or (known.effective <> '{}' and starts_with(known.table_name, 'public.'))
    ),
    'hosts', (
      select coalesce(
        jsonb_agg(
          to_jsonb(hosts) || jsonb_build_object(
            'secrets', (
              select coalesce(jsonb_agg(secrets.secret order by secrets.secret), '[]')
              from ops.fix_secrets as secrets
              where secrets.host = hosts.host
            )
          )
          order by hosts.host
        ),
        '[]'
      )
      from ops.fix_hosts as hosts
    ),
    'operators', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'email', ops_internal.person(operators.user_id),
            'role', operators.role,
            'created_at', operators.created_at,
            'created_by', operators.created_by,
            'is_caller', operators.user_id = (select auth.uid())
          )
          order by operators.created_at, operators.user_id
        ),
        '[]'
      )
      from ops.operators as operators
    ),
    'targets', ops_internal.list_notification_targets(),
    'kinds', to_jsonb(ops_internal.notification_kinds()),
    'journal', ops_internal.journal_head()
  );
end
$$;

create function ops.console_settings_v1() returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_settings() $$;

comment on function ops.console_settings_v1 is
  'The project''s settings and who changed them, what fixes may touch, reach and send, the operators, the notification targets, and the head of the sealed journal. For operators.';
