-- Applying a fix: claim, run, cancel, finish.

create function ops.claim_application_v1(
  p_pattern_id uuid,
  p_system_log_id bigint,
  p_fix_version integer,
  p_sha256 text,
  p_validation jsonb,
  p_error jsonb
) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  claimed uuid;
begin
  if not exists (
    select from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_pattern_id and fixes.version = p_fix_version and fixes.disabled_at is null
  ) then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no enabled fix',
      detail = format('Pattern %s, version %s.', p_pattern_id, p_fix_version),
      hint = 'Ask ops.find_candidates_v1 for the live version.';
  end if;
  -- Between finding the fix and taking the error in hand, somebody may have split the pattern.
  if exists (
    select from ops.pattern_incidents as incidents
    where incidents.system_log_id = p_system_log_id and incidents.pattern_id <> p_pattern_id
  ) then
    return jsonb_build_object('claimed', false, 'application_id', null, 'reason', 'This error belongs to another pattern now');
  end if;

  insert into ops.pattern_claims (pattern_id, system_log_id, fix_version, sha256, constitutional_validation, error)
  values (p_pattern_id, p_system_log_id, p_fix_version, p_sha256, p_validation, p_error)
  on conflict (pattern_id, system_log_id, fix_version) do nothing
  returning application_id into claimed;

  return jsonb_build_object(
    'claimed', claimed is not null,
    'application_id', claimed,
    'reason', case when claimed is null then 'This error is in hand already' end
  );
end
$$;

comment on function ops.claim_application_v1(uuid, bigint, integer, text, jsonb, jsonb) is
  'Takes one error in hand for one fix version; of many callers, one gets it.';
revoke all on function ops.claim_application_v1(uuid, bigint, integer, text, jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function ops.claim_application_v1(uuid, bigint, integer, text, jsonb, jsonb) to service_role;

create function ops.record_violation_v1(p_pattern_id uuid, p_validation jsonb) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  signature text;
begin
  update ops.error_patterns set constitutional_violations = p_validation
  where error_patterns.pattern_id = p_pattern_id
  returning pattern_signature into signature;

  return ops.record_event_v1(
    'constitutional_violation', 'warning',
    'Pattern application blocked by Constitutional validation: ' || coalesce(signature, p_pattern_id::text),
    jsonb_build_object('pattern_id', p_pattern_id, 'constitutional_validation', p_validation),
    p_validation
  );
end
$$;

comment on function ops.record_violation_v1(uuid, jsonb) is
  'Records that the Four Laws forbade an application: the event, and the pattern''s last violation. Answers the event''s id.';
revoke all on function ops.record_violation_v1(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function ops.record_violation_v1(uuid, jsonb) to service_role;

create function ops_internal.lock_claim(p_application_id uuid) returns ops.pattern_claims
language plpgsql
set search_path = ''
as $$
declare
  claim ops.pattern_claims;
begin
  select * into claim
  from ops.pattern_claims
  where pattern_claims.application_id = p_application_id
  for update;
  if not found then
    raise exception using
      errcode = 'PL010',
      message = format('there is no application %s', p_application_id),
      hint = 'Claim it first, with ops.claim_application_v1.';
  end if;
  return claim;
end
$$;

comment on function ops_internal.lock_claim(uuid) is 'The claim, locked until the end of the transaction. Raises PL010 where there is none.';
revoke all on function ops_internal.lock_claim(uuid) from public, anon, authenticated, service_role;
grant execute on function ops_internal.lock_claim(uuid) to service_role;

create function ops_internal.recent_confidence(p_pattern_id uuid) returns numeric
language sql
stable
set search_path = ''
as $$
  -- The same table as confidence.py.
  select case
    when avg(latest.success::integer) >= 0.90 then 0.95
    when avg(latest.success::integer) >= 0.75 then 0.85
    when avg(latest.success::integer) >= 0.60 then 0.70
    when avg(latest.success::integer) >= 0.50 then 0.60
    else 0.50
  end
  from (
    select applications.success
    from ops.pattern_applications as applications
    where applications.pattern_id = p_pattern_id
    order by applications.applied_at desc, applications.id desc
    limit 10
  ) as latest
$$;

comment on function ops_internal.recent_confidence(uuid) is 'Confidence by the share of successes among the last ten applications.';
revoke all on function ops_internal.recent_confidence(uuid) from public, anon, authenticated, service_role;
grant execute on function ops_internal.recent_confidence(uuid) to service_role;

create function ops_internal.recorded_outcome(p_application_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'success', applications.success,
    'error', applications.error_after,
    'rows_touched', coalesce((applications.system_state_after ->> 'rows_touched')::bigint, 0),
    'tables', coalesce(applications.system_state_after -> 'tables', '{}'),
    'execution_time_ms', applications.execution_time_ms,
    'pattern', jsonb_build_object('success_rate', patterns.success_rate, 'confidence_score', patterns.confidence_score)
  )
  from ops.pattern_applications as applications
  inner join ops.error_patterns as patterns on patterns.pattern_id = applications.pattern_id
  where applications.application_id = p_application_id
$$;

comment on function ops_internal.recorded_outcome(uuid) is 'What was recorded of an application.';
revoke all on function ops_internal.recorded_outcome(uuid) from public, anon, authenticated, service_role;
grant execute on function ops_internal.recorded_outcome(uuid) to service_role;

create function ops_internal.record_application(p_claim ops.pattern_claims, p_outcome jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  succeeded constant boolean := (p_outcome ->> 'success')::boolean;
  milliseconds constant integer := (p_outcome ->> 'execution_time_ms')::integer;
begin
  -- The pattern first: of two runs that end together, the second counts the first one.
  perform 1 from ops.error_patterns where error_patterns.pattern_id = p_claim.pattern_id for no key update;

  insert into ops.pattern_applications (
    application_id, pattern_id, system_log_id, applied_at, success, execution_time_ms, fix_script_executed, fix_parameters_used,
    error_before, error_after, system_state_before, system_state_after, constitutional_validation, metadata
  )
  select
    p_claim.application_id, p_claim.pattern_id, p_claim.system_log_id, clock_timestamp(), succeeded, milliseconds,
    fixes.prepared_script, fixes.parameters, coalesce(p_claim.error ->> 'scrubbed', p_claim.error ->> 'message'), p_outcome ->> 'error',
    jsonb_build_object('system_entropy', p_claim.constitutional_validation -> 'system_entropy'),
    jsonb_build_object(
      'rows_touched', coalesce(p_outcome -> 'rows_touched', '0'), 'tables', coalesce(p_outcome -> 'tables', '{}')
    ),
    p_claim.constitutional_validation,
    jsonb_build_object('fix_version', p_claim.fix_version, 'sha256', p_claim.sha256, 'sqlstate', p_outcome ->> 'sqlstate')
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_claim.pattern_id and fixes.version = p_claim.fix_version;

  -- The script needed the message as it was; nobody does any more.
  update ops.pattern_claims set
    finished_at = clock_timestamp(),
    error = case
      when p_claim.error ? 'scrubbed' then
        p_claim.error - array['scrubbed', 'captured'] || jsonb_build_object('message', p_claim.error -> 'scrubbed')
      else p_claim.error
    end
  where pattern_claims.application_id = p_claim.application_id;

  update ops.error_patterns set
    success_rate = (
      select round(100.0 * count(*) filter (where applications.success) / count(*), 2)
      from ops.pattern_applications as applications
      where applications.pattern_id = p_claim.pattern_id
    ),
    confidence_score = ops_internal.recent_confidence(p_claim.pattern_id)
  where error_patterns.pattern_id = p_claim.pattern_id;

  insert into ops.roman_events (event_type, severity, description, metadata, constitutional_validation)
  values (
    'pattern_applied',
    case when succeeded then 'info' else 'warning' end,
    case when succeeded then 'Auto-fix applied successfully' else 'Auto-fix failed: ' || coalesce(p_outcome ->> 'error', 'unknown') end,
    jsonb_build_object(
      'pattern_id', p_claim.pattern_id, 'application_id', p_claim.application_id, 'system_log_id', p_claim.system_log_id,
      'success', succeeded, 'execution_time_ms', milliseconds
    ),
    p_claim.constitutional_validation
  );
  return ops_internal.recorded_outcome(p_claim.application_id);
end
$$;

comment on function ops_internal.record_application(ops.pattern_claims, jsonb) is
  'Records how an application ended: its row, the claim, the pattern''s success rate and confidence, and the event.';
revoke all on function ops_internal.record_application(ops.pattern_claims, jsonb) from public, anon, authenticated, service_role;
grant execute on function ops_internal.record_application(ops.pattern_claims, jsonb) to service_role;

create function ops_internal.require_policies(p_tables text []) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  barred text;
begin
  select names.name into barred
  from unnest(p_tables) as names (name)
  inner join pg_catalog.pg_class as classes on classes.oid = to_regclass(names.name)
  where classes.relrowsecurity
    and not exists (
      select from pg_catalog.pg_policy as policies
      where policies.polrelid = classes.oid
        -- One for everyone does not count: on Supabase it shows users their own rows, and the fix none.
        and policies.polroles @> array['ops_fixer'::regrole::oid]
    )
  limit 1;
  if found then
    raise exception using
      errcode = 'PL008',
      message = format('%s has row-level security and no policy for ops_fixer: the fix would see no rows', barred),
      hint = format('Run: pattern-engine fixer grant %s', barred);
  end if;
end
$$;

comment on function ops_internal.require_policies(text []) is
  'Raises PL008 for a table whose row-level security hides every row from ops_fixer.';
revoke all on function ops_internal.require_policies(text []) from public, anon, authenticated, service_role;
grant execute on function ops_internal.require_policies(text []) to service_role;

create function ops_internal.run_lock_class() returns integer
language sql
immutable
set search_path = ''
as $$ select 7831618 $$;

comment on function ops_internal.run_lock_class() is 'First half of the advisory lock that a run holds; the second is the claim''s lock_key.';
revoke all on function ops_internal.run_lock_class() from public, anon, authenticated, service_role;
grant execute on function ops_internal.run_lock_class() to service_role;

create function ops.run_application_v1(p_application_id uuid) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  claim constant ops.pattern_claims := ops_internal.lock_claim(p_application_id);
  started constant timestamptz := clock_timestamp();
  retries_left integer;
  outcome jsonb;
  state text;
  problem text;
  detail text;
  hint text;
begin
  if claim.finished_at is not null then
    return ops_internal.recorded_outcome(p_application_id);
  end if;
  -- By this lock ops.cancel_application_v1 finds the backend.
  perform pg_advisory_xact_lock(ops_internal.run_lock_class(), claim.lock_key);

  select fixes.max_retries into retries_left
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = claim.pattern_id and fixes.version = claim.fix_version;

  loop
    begin
      perform ops_internal.require_policies(fixes.tables)
      from ops.pattern_fixes as fixes
      where fixes.pattern_id = claim.pattern_id and fixes.version = claim.fix_version;
      outcome := fix.execute(p_application_id) || '{"success": true}';
      exit;
    exception when others then
      get stacked diagnostics
        state = returned_sqlstate, problem = message_text, detail = pg_exception_detail, hint = pg_exception_hint;
      outcome := jsonb_build_object(
        'success', false,
        'sqlstate', state,
        -- PostgreSQL's own details may quote a row; ours do not.
        'error', concat_ws('. ', problem, case when state like 'PL%' then nullif(detail, '') end, nullif(hint, ''))
      );
      -- Only what a second try can change is tried again: a deadlock, a serialisation failure.
      exit when state not in ('40001', '40P01') or coalesce(retries_left, 0) <= 0;
      retries_left := retries_left - 1;
      -- The other side first: at once, we would take the same rows again before it wakes.
      perform pg_sleep(0.1);
    end;
  end loop;

  if state = 'PL006' then
    insert into ops.roman_events (event_type, severity, description, metadata)
    values (
      'fix_refused', 'critical', 'A changed fix was refused', jsonb_build_object(
        'pattern_id', claim.pattern_id, 'application_id', p_application_id, 'fix_version', claim.fix_version, 'sha256', claim.sha256
      )
    );
  end if;

  return ops_internal.record_application(
    claim,
    outcome || jsonb_build_object(
      'execution_time_ms', round(extract(epoch from clock_timestamp() - started) * 1000)
    )
  );
end
$$;

comment on function ops.run_application_v1(uuid) is
  'Runs a claimed SQL fix and records it, in one transaction: either both happened or neither. Repeating it answers the first outcome.';
revoke all on function ops.run_application_v1(uuid) from public, anon, authenticated, service_role;
grant execute on function ops.run_application_v1(uuid) to service_role;

create function ops.cancel_application_v1(p_application_id uuid) returns boolean
language sql
security definer
set search_path = ''
as $$
  select coalesce(bool_or(pg_cancel_backend(locks.pid)), false)
  from ops.pattern_claims as claims
  inner join pg_catalog.pg_locks as locks
    on locks.locktype = 'advisory'
    and locks.database = (select databases.oid from pg_catalog.pg_database as databases where databases.datname = current_database())
    and locks.classid = ops_internal.run_lock_class()::oid
    and locks.objid = claims.lock_key::oid
    and locks.objsubid = 2
    and locks.granted
  where claims.application_id = p_application_id
$$;

comment on function ops.cancel_application_v1(uuid) is
  'Cancels the statement that runs this application; answers whether there was one. A client that hangs up stops nothing, this does.';
revoke all on function ops.cancel_application_v1(uuid) from public, anon, authenticated, service_role;
grant execute on function ops.cancel_application_v1(uuid) to service_role;

create function ops.finish_application_v1(p_application_id uuid, p_outcome jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  -- Waits for a run that is still under way; its own record then counts.
  claim constant ops.pattern_claims := ops_internal.lock_claim(p_application_id);
begin
  if claim.finished_at is not null then
    return ops_internal.recorded_outcome(p_application_id);
  end if;
  return ops_internal.record_application(claim, p_outcome);
end
$$;

comment on function ops.finish_application_v1(uuid, jsonb) is
  'Records an application that was cut off. Repeating it, or finishing one that recorded itself, answers the first outcome.';
revoke all on function ops.finish_application_v1(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function ops.finish_application_v1(uuid, jsonb) to service_role;
