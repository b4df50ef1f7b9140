-- Learning: one round trip for one error or ten thousand; safe to repeat, safe to run many at once.

create function ops_internal.require_own_log_rows(p_errors jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  wrong record;
begin
  select errors.system_log_id, logs.id is null as missing
  into wrong
  from jsonb_to_recordset(p_errors) as errors (system_log_id bigint, claimed_by uuid, error_message text)
  left join ops.system_logs as logs on logs.id = errors.system_log_id
  where errors.system_log_id is not null
    and (
      logs.id is null
      or (
        errors.claimed_by is not null
        and (logs.user_id is distinct from errors.claimed_by or logs.message is distinct from errors.error_message)
      )
    )
  order by logs.id is null desc
  limit 1;

  if not found then
    return;
  end if;
  if wrong.missing then
    raise exception using
      errcode = 'PL004',
      message = format('there is no log row %s', wrong.system_log_id),
      hint = 'Insert the error into ops.system_logs first and send the id of that row, or send no system_log_id.';
  end if;
  raise exception using
    errcode = 'PL005',
    message = format('log row %s is not yours, or carries another message', wrong.system_log_id),
    hint = 'Send the id of a row that you wrote, with exactly its message.';
end
$$;

comment on function ops_internal.require_own_log_rows(jsonb) is
  'Raises PL004 for a log row that does not exist, PL005 for one that a person claims and that is not his or says something else.';

revoke all on function ops_internal.require_own_log_rows(jsonb) from public, anon, authenticated, service_role;
grant execute on function ops_internal.require_own_log_rows(jsonb) to service_role;

create function ops.learn_errors_v1(p_errors jsonb) returns jsonb
language plpgsql
set search_path = ''
-- The plans for a few errors serve all batches: each error is looked up by index, and none is planned anew.
set plan_cache_mode = 'force_generic_plan'
as $$
-- Locks are taken in one order by every caller, so that two batches never wait for each other:
-- new patterns by signature, then incidents by log row, then the counters by pattern.
declare
  keep_latest constant integer := 20;
  -- What the hot path needs of the errors, read out of the JSON once.
  given_signatures text [];
  given_logs bigint [];
  new_patterns uuid [] := array[]::uuid [];
  counted_logs bigint [];
  counted jsonb;
  answer jsonb;
begin
  select array_agg(errors.signature order by errors.ordinality), array_agg(errors.system_log_id order by errors.ordinality)
  into given_signatures, given_logs
  from rows from (jsonb_to_recordset(p_errors) as (signature text, system_log_id bigint)) with ordinality as errors;

  if array_remove(given_logs, null) <> '{}' then
    perform ops_internal.require_own_log_rows(p_errors);
  end if;
  if array_position(given_logs, null) is null then
    -- What a crash takes within the moment before it is flushed, the sweep brings again: the log rows
    -- are there. So nobody needs to wait for the disk.
    perform set_config('synchronous_commit', 'off', true);
  end if;

  -- 1. A pattern for each signature that has none. Its count is filled in below.
  if exists (
    select from unnest(given_signatures) as errors (signature)
    where not exists (select from ops.pattern_signatures as known where known.signature = errors.signature)
  ) then
    with unknown as (
      select distinct on (errors.signature) errors.*
      from rows from (jsonb_to_recordset(p_errors) as (
        signature text, template text, pattern_type text, error_message_pattern text, error_source text,
        severity text, features jsonb, system_log_id bigint
      )) with ordinality as errors
      where not exists (select from ops.pattern_signatures as known where known.signature = errors.signature)
        and not exists (select from ops.pattern_incidents as incidents where incidents.system_log_id = errors.system_log_id)
      order by errors.signature, errors.ordinality
    ),

    made as (
      insert into ops.error_patterns (
        pattern_signature, pattern_type, error_message_pattern, error_source, severity, occurrence_count, metadata
      )
      select
        unknown.signature, unknown.pattern_type, unknown.error_message_pattern, unknown.error_source, unknown.severity, 0,
        jsonb_build_object('template', unknown.template, 'features', unknown.features)
      from unknown
      order by unknown.signature
      on conflict (pattern_signature) do nothing
      returning pattern_id
    )

    select coalesce(array_agg(made.pattern_id), '{}') into new_patterns
    from made;

    insert into ops.pattern_signatures (signature, pattern_id, algorithm, template)
    select distinct on (errors.signature) errors.signature, patterns.pattern_id, errors.algorithm, errors.template
    from jsonb_to_recordset(p_errors) as errors (signature text, algorithm text, template text)
    inner join ops.error_patterns as patterns on patterns.pattern_signature = errors.signature
    where not exists (select from ops.pattern_signatures as known where known.signature = errors.signature)
    order by errors.signature
    on conflict (signature) do nothing;
  end if;

  -- 2. The incidents; a log row that was counted before is left out.
  with incidents as (
    insert into ops.pattern_incidents (pattern_id, signature, system_log_id, occurred_at)
    select signatures.pattern_id, errors.signature, errors.system_log_id, coalesce(logs.created_at, now())
    from unnest(given_signatures, given_logs) with ordinality as errors (signature, system_log_id, ordinality)
    inner join ops.pattern_signatures as signatures on signatures.signature = errors.signature
    left join ops.system_logs as logs on logs.id = errors.system_log_id
    order by errors.system_log_id, errors.ordinality
    on conflict (system_log_id) do nothing
    returning pattern_id, system_log_id, occurred_at
  ),

  totals as (
    select
      incidents.pattern_id,
      count(*) as occurrences,
      min(incidents.occurred_at) as first_seen,
      max(incidents.occurred_at) as last_seen,
      array_remove(array_agg(incidents.system_log_id order by incidents.occurred_at desc, incidents.system_log_id desc), null) as logs
    from incidents
    group by incidents.pattern_id
  )

  select
    coalesce(jsonb_agg(to_jsonb(totals) || jsonb_build_object('latest', to_jsonb(totals.logs [1:keep_latest]))), '[]'),
    array(select incidents.system_log_id from incidents)
  into counted, counted_logs
  from totals;

  -- 3. The counters.
  if jsonb_array_length(counted) > 1 then
    perform 1
    from ops.error_patterns as patterns
    where patterns.pattern_id in (select totals.pattern_id from jsonb_to_recordset(counted) as totals (pattern_id uuid))
    order by patterns.pattern_id
    for no key update;
  end if;

  update ops.error_patterns as patterns set
    occurrence_count = patterns.occurrence_count + totals.occurrences,
    first_seen = case when patterns.occurrence_count = 0 then totals.first_seen else least(patterns.first_seen, totals.first_seen) end,
    last_seen = case when patterns.occurrence_count = 0 then totals.last_seen else greatest(patterns.last_seen, totals.last_seen) end,
    learned_from_incidents = (totals.latest || coalesce(patterns.learned_from_incidents, '{}')) [1:keep_latest],
    status = 'open'
  from jsonb_to_recordset(counted) as totals (
    pattern_id uuid, occurrences integer, first_seen timestamptz, last_seen timestamptz, latest bigint []
  )
  where patterns.pattern_id = totals.pattern_id;

  if cardinality(new_patterns) > 0 then
    -- A pattern made above stays empty when another batch counted its log row in the meantime.
    delete from ops.error_patterns as patterns
    where patterns.pattern_id = any(new_patterns) and patterns.occurrence_count = 0;

    insert into ops.roman_events (event_type, severity, description, metadata)
    select
      'pattern_learned', 'info', 'New error pattern learned: ' || patterns.pattern_signature,
      jsonb_build_object(
        'pattern_id', patterns.pattern_id,
        'pattern_signature', patterns.pattern_signature,
        'occurrence_count', patterns.occurrence_count
      )
    from ops.error_patterns as patterns
    where patterns.pattern_id = any(new_patterns);
  end if;

  -- 4. What became of each error, in the order in which they came.
  with outcomes as (
    select
      errors.ordinality,
      errors.system_log_id,
      patterns.*,
      (errors.system_log_id is null or errors.system_log_id = any(counted_logs))
      and (
        errors.system_log_id is null
        or row_number() over (partition by errors.system_log_id order by errors.ordinality) = 1
      ) as is_counted,
      patterns.pattern_id = any(new_patterns) as is_new
    from unnest(given_signatures, given_logs) with ordinality as errors (signature, system_log_id, ordinality)
    left join ops.pattern_incidents as incidents on incidents.system_log_id = errors.system_log_id
    left join ops.pattern_signatures as signatures on signatures.signature = errors.signature
    inner join ops.error_patterns as patterns on patterns.pattern_id = coalesce(incidents.pattern_id, signatures.pattern_id)
  ),

  ranked as (
    select outcomes.*, row_number() over (partition by outcomes.pattern_id, outcomes.is_counted order by outcomes.ordinality) as place
    from outcomes
  )

  select
    jsonb_agg(
      jsonb_build_object(
        'pattern_id', ranked.pattern_id,
        'pattern_signature', ranked.pattern_signature,
        'pattern_type', ranked.pattern_type,
        'occurrence_count', ranked.occurrence_count,
        'confidence_score', ranked.confidence_score,
        'auto_fix_enabled', ranked.auto_fix_enabled,
        'action', case
          when not ranked.is_counted then 'unchanged'
          when ranked.is_new and ranked.place = 1 then 'created'
          else 'updated'
        end,
        'system_log_id', ranked.system_log_id
      )
      order by ranked.ordinality
    )
  into answer
  from ranked;

  return coalesce(answer, '[]');
end
$$;

comment on function ops.learn_errors_v1(jsonb) is
  'Counts a batch of errors: makes the patterns that are missing, skips log rows counted before, answers one outcome per error, in order.';

revoke all on function ops.learn_errors_v1(jsonb) from public, anon, authenticated, service_role;
grant execute on function ops.learn_errors_v1(jsonb) to service_role;

create function ops.read_logs_v1(p_ids bigint []) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', logs.id,
        -- Learning reads 4 KiB of it; a log row may hold any amount.
        'message', left(logs.message, 65536),
        'source', logs.source,
        'log_level', logs.log_level,
        'created_at', logs.created_at,
        'written_by', logs.written_by,
        'error_data', case when pg_column_size(logs.error_data) <= 262144 then logs.error_data end,
        'learned', exists (select from ops.pattern_incidents as incidents where incidents.system_log_id = logs.id)
      )
      order by logs.id
    ),
    '[]'
  )
  from ops.system_logs as logs
  where logs.id = any(p_ids)
    and logs.log_level in ('error', 'critical')
    and not ops_internal.is_own_source(logs.source)
$$;

comment on function ops.read_logs_v1(bigint []) is
  'The errors and criticals among these log rows, without the engine''s own, and whether each was learned before.';

revoke all on function ops.read_logs_v1(bigint []) from public, anon, authenticated, service_role;
grant execute on function ops.read_logs_v1(bigint []) to service_role;
