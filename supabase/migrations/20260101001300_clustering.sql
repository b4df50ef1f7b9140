-- Clusters of patterns, and one row for each learning session.

create table ops.learning_sessions (
  id bigserial primary key,
  session_id uuid not null unique default gen_random_uuid(),
  session_type text not null,
  started_at timestamptz not null default now(),
  completed_at timestamptz,
  status text not null default 'running'
  constraint learning_sessions_status_known check (status in ('running', 'completed', 'failed', 'aborted')),
  input_data jsonb,
  output_data jsonb,
  patterns_analyzed integer not null default 0,
  patterns_created integer not null default 0,
  patterns_updated integer not null default 0,
  errors_processed integer not null default 0,
  execution_time_ms integer,
  memory_used_mb integer,
  constitutional_compliant boolean not null default true,
  metadata jsonb
);

comment on table ops.learning_sessions is 'One row a run of clustering or another learning job.';
comment on column ops.learning_sessions.id is 'Order of starting.';
comment on column ops.learning_sessions.session_id is 'Stable id of the session.';
comment on column ops.learning_sessions.session_type is 'clustering, pattern_extraction, ….';
comment on column ops.learning_sessions.started_at is 'When it started.';
comment on column ops.learning_sessions.completed_at is 'When it ended, well or not.';
comment on column ops.learning_sessions.status is
  'running, completed, failed, or aborted: still running after an hour, so its process is gone.';
comment on column ops.learning_sessions.input_data is 'What it was given.';
comment on column ops.learning_sessions.output_data is 'What it made, or why it failed.';
comment on column ops.learning_sessions.patterns_analyzed is 'Patterns that it looked at.';
comment on column ops.learning_sessions.patterns_created is 'Patterns that it made.';
comment on column ops.learning_sessions.patterns_updated is 'Patterns that it changed.';
comment on column ops.learning_sessions.errors_processed is 'Errors that it read.';
comment on column ops.learning_sessions.execution_time_ms is 'How long it took.';
comment on column ops.learning_sessions.memory_used_mb is 'Peak memory of the process, in MiB.';
comment on column ops.learning_sessions.constitutional_compliant is 'Whether it kept the Four Laws.';
comment on column ops.learning_sessions.metadata is 'Whatever else the session records.';

create index idx_learning_sessions_started on ops.learning_sessions (session_type, started_at desc);

alter table ops.learning_sessions enable row level security;

create policy "Operators read learning sessions" on ops.learning_sessions
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create table ops.pattern_clusters (
  id bigserial primary key,
  cluster_id uuid not null unique default gen_random_uuid(),
  cluster_name text not null,
  cluster_description text,
  pattern_ids uuid [],
  centroid_features jsonb,
  cluster_size integer not null,
  avg_success_rate numeric(5, 2),
  total_occurrences integer,
  metadata jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

comment on table ops.pattern_clusters is 'The result of the last clustering; each run replaces it whole.';
comment on column ops.pattern_clusters.id is 'Row number.';
comment on column ops.pattern_clusters.cluster_id is 'Id of the cluster; new with each run.';
comment on column ops.pattern_clusters.cluster_name is 'Such as Database Errors - High Occurrence.';
comment on column ops.pattern_clusters.cluster_description is 'A sentence for people.';
comment on column ops.pattern_clusters.pattern_ids is 'The patterns in it, the most frequent at the time of the clustering first.';
comment on column ops.pattern_clusters.centroid_features is
  'Its centre: occurrence_count, success_rate, confidence_score (0 to 1) and severity_numeric, in their own units.';
comment on column ops.pattern_clusters.cluster_size is 'How many patterns are in the cluster.';
comment on column ops.pattern_clusters.avg_success_rate is 'Mean success rate of the patterns.';
comment on column ops.pattern_clusters.total_occurrences is 'Errors of all its patterns.';
comment on column ops.pattern_clusters.metadata is 'The session that made it, and its parts where it has more than 50 members.';
comment on column ops.pattern_clusters.created_at is 'When it was made.';
comment on column ops.pattern_clusters.updated_at is 'When it last changed.';

alter table ops.pattern_clusters enable row level security;

create policy "Operators read clusters" on ops.pattern_clusters
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create trigger touch_updated_at before update on ops.pattern_clusters
  for each row execute function ops_internal.touch_updated_at();

create function ops_internal.start_clustering() returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  session uuid;
begin
  perform ops_internal.require_engine_or_operator(array['ops_operator', 'ops_admin']);

  -- A session still running after an hour has lost its process.
  update ops.learning_sessions set status = 'aborted', completed_at = now()
  where learning_sessions.session_type = 'clustering'
    and learning_sessions.status = 'running'
    and learning_sessions.started_at < now() - interval '1 hour';

  insert into ops.learning_sessions (session_type, input_data)
  values ('clustering', jsonb_build_object('least_occurrences', 3, 'requested_by', (select auth.uid())))
  returning session_id into session;

  return jsonb_build_object(
    'session_id', session,
    'patterns', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'pattern_id', patterns.pattern_id,
            'pattern_type', patterns.pattern_type,
            'severity', patterns.severity,
            'occurrence_count', patterns.occurrence_count,
            'success_rate', patterns.success_rate,
            'confidence_score', patterns.confidence_score
          )
          order by patterns.id
        ),
        '[]'
      )
      from ops.error_patterns as patterns
      where patterns.occurrence_count >= 3 and patterns.status not in ('archived', 'merged')
    )
  );
end
$$;

create function ops.start_clustering_v1() returns jsonb
language sql set search_path = ''
as $$ select ops_internal.start_clustering() $$;

comment on function ops.start_clustering_v1 is
  'Opens a clustering session and answers the patterns seen at least three times. For the engine, or an ops_operator or ops_admin.';

create function ops_internal.lock_session(p_session_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform 1
  from ops.learning_sessions
  where learning_sessions.session_id = p_session_id and learning_sessions.status = 'running'
  for update;
  if not found then
    raise exception using
      errcode = 'PL015',
      message = format('there is no running learning session %s', p_session_id),
      hint = 'It has ended, or was aborted after an hour. POST /cluster starts a new one.';
  end if;
end
$$;

comment on function ops_internal.lock_session is
  'Locks a running session until the end of the transaction. Raises PL015 where there is none.';

create function ops_internal.replace_clusters(p_session_id uuid, p_clusters jsonb, p_result jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  stored jsonb;
begin
  perform ops_internal.require_engine_or_operator(array['ops_operator', 'ops_admin']);
  perform ops_internal.lock_session(p_session_id);
  if jsonb_typeof(p_clusters) is distinct from 'array' then
    raise exception using
      errcode = 'PL013',
      message = 'the clusters are not a list',
      hint = 'Give a JSON array; an empty one removes all clusters.';
  end if;
  -- If two sessions end together, the clusters of the later one stay, all of them.
  lock table ops.pattern_clusters in share row exclusive mode;
  delete from ops.pattern_clusters where true;

  with made as (
    insert into ops.pattern_clusters (
      cluster_name, cluster_description, pattern_ids, centroid_features, cluster_size, avg_success_rate, total_occurrences, metadata
    )
    select
      clusters.cluster_name, clusters.cluster_description, clusters.pattern_ids, clusters.centroid_features,
      clusters.cluster_size, clusters.avg_success_rate, clusters.total_occurrences,
      coalesce(clusters.metadata, '{}') || jsonb_build_object('session_id', p_session_id)
    from rows from (jsonb_to_recordset(p_clusters) as (
      cluster_name text, cluster_description text, pattern_ids uuid [], centroid_features jsonb, cluster_size integer,
      avg_success_rate numeric, total_occurrences integer, metadata jsonb
    )) with ordinality as clusters
    order by clusters.ordinality
    returning *
  )

  select coalesce(jsonb_agg(to_jsonb(made) order by made.id), '[]') into stored
  from made;

  update ops.learning_sessions set
    status = 'completed',
    completed_at = clock_timestamp(),
    output_data = jsonb_build_object('clusters_created', jsonb_array_length(stored)),
    patterns_analyzed = coalesce((p_result ->> 'patterns_analyzed')::integer, 0),
    execution_time_ms = (p_result ->> 'execution_time_ms')::integer,
    memory_used_mb = (p_result ->> 'memory_used_mb')::integer
  where learning_sessions.session_id = p_session_id;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'patterns_clustered', 'info', format('%s clusters of %s patterns', jsonb_array_length(stored), p_result ->> 'patterns_analyzed'),
    (select auth.uid()), jsonb_build_object('session_id', p_session_id, 'clusters_created', jsonb_array_length(stored))
  );
  return stored;
end
$$;

create function ops.replace_clusters_v1(p_session_id uuid, p_clusters jsonb, p_result jsonb) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.replace_clusters(p_session_id, p_clusters, p_result) $$;

comment on function ops.replace_clusters_v1 is
  'Replaces all clusters by these and completes the session, in one transaction. For the engine, or an ops_operator or ops_admin.';

create function ops_internal.fail_session(p_session_id uuid, p_error text, p_result jsonb) returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_operator', 'ops_admin']);
  perform ops_internal.lock_session(p_session_id);
  update ops.learning_sessions set
    status = 'failed',
    completed_at = clock_timestamp(),
    output_data = jsonb_build_object('error', p_error),
    patterns_analyzed = coalesce((p_result ->> 'patterns_analyzed')::integer, 0),
    execution_time_ms = (p_result ->> 'execution_time_ms')::integer,
    memory_used_mb = (p_result ->> 'memory_used_mb')::integer
  where learning_sessions.session_id = p_session_id;
end
$$;

create function ops.fail_session_v1(p_session_id uuid, p_error text, p_result jsonb) returns void
language sql set search_path = ''
as $$ select ops_internal.fail_session(p_session_id, p_error, p_result) $$;

comment on function ops.fail_session_v1 is
  'Ends a session as failed; the clusters are not changed. For the engine, or an ops_operator or ops_admin.';
