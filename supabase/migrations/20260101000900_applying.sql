-- Applying a fix: claim, run, cancel, finish.

create function ops_internal.threshold(p_policy jsonb, p_name text) returns double precision
language plpgsql
immutable
set search_path = ''
as $$
begin
  if jsonb_typeof(p_policy -> p_name) is distinct from 'number' then
    raise exception using
      errcode = 'PL022',
      message = format('the policy says nothing of %s', p_name),
      hint = 'Send the thresholds of the engine''s settings with each claim.';
  end if;
  return (p_policy ->> p_name)::double precision;
end
$$;

comment on function ops_internal.threshold(jsonb, text) is 'One of the engine''s thresholds. Raises PL022 where it is missing: there is no default in the database.';

create function ops_internal.require_policy(p_policy jsonb) returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  name text;
begin
  foreach name in array array[
    'cooldown_seconds', 'runs_per_hour', 'rows_per_hour', 'demote_after', 'disable_after', 'least_window_seconds',
    'most_window_seconds', 'settle_seconds', 'late_seconds', 'storm_patterns', 'storm_seconds', 'storm_pause_seconds'
  ] loop
    if ops_internal.threshold(p_policy, name) not between 0 and 1e9 then
      raise exception using
        errcode = 'PL022',
        message = format('%s is %s', name, p_policy -> name),
        hint = 'A threshold is a number from 0 to 1e9.';
    end if;
  end loop;
end
$$;

comment on function ops_internal.require_policy(jsonb) is
  'Raises PL022 unless all thresholds are there: what is missed only when a run is to be judged, is missed too late.';

create function ops_internal.backoff(p_failures integer) returns double precision
language sql
immutable
set search_path = ''
as $$
  -- Binet's formula, exact far beyond any number of failures that a breaker lets happen.
  select round(((1 + sqrt(5)) / 2) ^ (least(p_failures, 30) + 1) / sqrt(5))
$$;

comment on function ops_internal.backoff(integer) is
  'How many cooldowns to wait after so many failures in a row: the Fibonacci sequence 1, 1, 2, 3, 5, … as in fibonacci.py.';

create function ops_internal.brake(p_fix ops.pattern_fixes, p_taken uuid, p_target text, p_policy jsonb) returns text
language plpgsql
set search_path = ''
as $$
declare
  -- A variable, so that an index can be searched for what is later: clock_timestamp() itself is a new one for each row.
  moment constant timestamptz := clock_timestamp();
  pause text := ops_internal.pause_refusal();
  wait constant double precision := ops_internal.threshold(p_policy, 'cooldown_seconds') * ops_internal.backoff((
    select patterns.consecutive_failures from ops.error_patterns as patterns where patterns.pattern_id = p_fix.pattern_id
  ));
  runs bigint;
  rows_touched bigint;
  last_run timestamptz;
  firing bigint;
begin
  if pause is not null then
    return pause;
  end if;
  if p_fix.mode = 'demoted' then
    return format('The fix waits for a person: %s', p_fix.mode_reason);
  end if;

  select max(claims.claimed_at) into last_run
  from ops.pattern_claims as claims
  where claims.pattern_id = p_fix.pattern_id
    and claims.fix_version = p_fix.version
    and claims.purpose <> 'undo'
    and claims.target = p_target
    and claims.application_id is distinct from p_taken
    and claims.claimed_at > moment - make_interval(secs => wait);
  if last_run is not null then
    return format(
      'The fix ran %s s ago; it waits %s s between two runs',
      round(extract(epoch from moment - last_run)::numeric, 1), wait
    );
  end if;

  select count(*), coalesce(sum((applications.system_state_after ->> 'rows_touched')::bigint), 0)::bigint into runs, rows_touched
  from ops.pattern_claims as claims
  left join ops.pattern_applications as applications on applications.application_id = claims.application_id
  where claims.pattern_id = p_fix.pattern_id
    and claims.purpose <> 'undo'
    and claims.application_id is distinct from p_taken
    and claims.claimed_at > moment - interval '1 hour';
  if runs >= ops_internal.threshold(p_policy, 'runs_per_hour') then
    return format('The fix ran %s times within an hour: its budget is spent', runs);
  end if;
  if rows_touched >= ops_internal.threshold(p_policy, 'rows_per_hour') then
    return format('The fix touched %s rows within an hour: its budget is spent', rows_touched);
  end if;

  -- Claims of different patterns wait for each other here, and here alone: of many at once, each counts those before it.
  perform pg_advisory_xact_lock(hashtextextended('ops.fix_pauses', 0));
  pause := ops_internal.pause_refusal();
  if pause is not null then
    return pause;
  end if;
  select count(distinct claims.pattern_id) into firing
  from ops.pattern_claims as claims
  where claims.claimed_at > moment - make_interval(secs => ops_internal.threshold(p_policy, 'storm_seconds'))
    and claims.pattern_id <> p_fix.pattern_id
    and claims.purpose <> 'undo';
  if firing + 1 >= ops_internal.threshold(p_policy, 'storm_patterns') then
    return ops_internal.stop_for_storm(firing + 1, p_policy);
  end if;
  return null;
end
$$;

comment on function ops_internal.brake(ops.pattern_fixes, uuid, text, jsonb) is
  'Why this fix does not run for this error now, as a sentence; null where nothing holds it. A claim that is taken over does not stand in its own way. Its caller has locked the pattern.';

create function ops_internal.pinned_job(p_application_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  pinned record;
  fix ops.pattern_fixes;
begin
  select * into pinned from ops_internal.pinned_fix(p_application_id);
  select fixes.* into fix
  from ops.pattern_claims as claims
  inner join ops.pattern_fixes as fixes on fixes.pattern_id = claims.pattern_id and fixes.version = claims.fix_version
  where claims.application_id = p_application_id;

  perform ops_internal.require_secrets(fix.secrets);

  return jsonb_build_object(
    'fix_type', fix.fix_type,
    'script', pinned.script,
    'parameters', pinned.parameters,
    'error', pinned.error,
    'timeout_ms', fix.timeout_ms,
    'max_retries', fix.max_retries,
    'max_rows', fix.max_rows,
    'secrets', (
      select coalesce(jsonb_object_agg(secrets.name, secrets.decrypted_secret), '{}')
      from vault.decrypted_secrets as secrets
      where secrets.name = any(fix.secrets)
    )
  );
end
$$;

comment on function ops_internal.pinned_job(uuid) is
  'All that it takes to run a claimed fix outside the database: the approved script, what it sees, its limits and the secrets that it names. Raises what ops_internal.pinned_fix raises, and PL026 where a secret is missing.';

create function ops.application_job_v1(p_application_id uuid) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.pinned_job(p_application_id) $$;

comment on function ops.application_job_v1(uuid) is
  'All that it takes to run a claimed fix outside the database, the secrets that it names included. For the engine alone.';

create function ops_internal.is_abandoned(p_claim ops.pattern_claims, p_fix ops.pattern_fixes) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  -- Of a dead worker's SQL nothing was kept, so that it may run again; of anything else nobody knows.
  if p_claim.finished_at is not null or p_claim.lease_until > clock_timestamp() or p_fix.fix_type <> 'sql' then
    return false;
  end if;
  -- A run holds its claim and wants the pattern at its end. We hold the pattern, and never wait for a claim.
  perform from ops.pattern_claims
  where pattern_claims.application_id = p_claim.application_id and pattern_claims.finished_at is null
  for update skip locked;
  return found;
end
$$;

comment on function ops_internal.is_abandoned(ops.pattern_claims, ops.pattern_fixes) is
  'Whether the worker that had this claim is dead and another may take it over; the claim is then locked.';

create function ops.claim_application_v1(
  p_pattern_id uuid,
  p_system_log_id bigint,
  p_fix_version integer,
  p_sha256 text,
  p_validation jsonb,
  p_error jsonb,
  p_target text,
  p_policy jsonb
) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  fix ops.pattern_fixes;
  claim ops.pattern_claims;
  refusal text;
begin
  perform ops_internal.require_policy(p_policy);
  -- One claim of a pattern at a time: what holds one back, the next one sees.
  perform from ops.error_patterns where error_patterns.pattern_id = p_pattern_id for no key update;
  update ops.pattern_incidents set target = p_target
  where pattern_incidents.system_log_id = p_system_log_id and p_target <> '';
  -- An error that came back may have taken the fix out of use this moment.
  perform ops_internal.judge_pattern(p_pattern_id);

  select * into fix
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = p_pattern_id and pattern_fixes.version = p_fix_version;
  if fix.version is null then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no enabled fix',
      detail = format('Pattern %s, version %s.', p_pattern_id, p_fix_version),
      hint = 'Ask ops.find_candidates_v1 for the live version.';
  end if;
  if fix.disabled_at is not null or fix.sha256 is distinct from p_sha256 then
    insert into ops.roman_events (event_type, severity, description, metadata)
    values (
      'fix_refused', 'critical', 'A fix was refused that is not the live one',
      jsonb_build_object(
        'pattern_id', p_pattern_id, 'fix_version', p_fix_version, 'sha256', p_sha256, 'system_log_id', p_system_log_id
      )
    );
    return jsonb_build_object(
      'claimed', false, 'application_id', null, 'reason', 'This fix is not the live one', 'job', null, 'is_shadow', false
    );
  end if;

  select * into claim
  from ops.pattern_claims
  where pattern_claims.pattern_id = p_pattern_id
    and pattern_claims.fix_version = p_fix_version
    and pattern_claims.system_log_id = p_system_log_id
    and pattern_claims.purpose <> 'undo';
  refusal := case
    when claim.application_id is not null and not ops_internal.is_abandoned(claim, fix) then 'This error is in hand already'
    -- Between finding the fix and taking the error in hand, somebody may have split the pattern.
    when exists (
      select from ops.pattern_incidents as incidents
      where incidents.system_log_id = p_system_log_id and incidents.pattern_id <> p_pattern_id
    )
      then 'This error belongs to another pattern now'
    else ops_internal.brake(fix, claim.application_id, p_target, p_policy)
  end;
  if refusal is not null then
    return jsonb_build_object('claimed', false, 'application_id', null, 'reason', refusal, 'job', null, 'is_shadow', false);
  end if;

  if claim.application_id is not null then
    update ops.pattern_claims set
      sha256 = p_sha256,
      error = p_error,
      constitutional_validation = p_validation,
      policy = p_policy,
      claimed_at = clock_timestamp(),
      lease_until = ops_internal.lease(fix)
    where pattern_claims.application_id = claim.application_id
    returning * into claim;
  else
    insert into ops.pattern_claims (
      pattern_id, system_log_id, fix_version, sha256, purpose, target, source, error, constitutional_validation, policy, lease_until
    )
    values (
      p_pattern_id, p_system_log_id, p_fix_version, p_sha256, case fix.mode when 'shadow' then 'shadow' else 'heal' end,
      p_target, p_error ->> 'source', p_error, p_validation, p_policy, ops_internal.lease(fix)
    )
    returning * into claim;
  end if;

  if claim.purpose = 'shadow' then
    perform ops_internal.record_shadow(claim);
  end if;
  return jsonb_build_object(
    'claimed', claim.purpose = 'heal',
    'application_id', claim.application_id,
    'reason', case claim.purpose when 'shadow' then 'The fix is a shadow: it would have run' end,
    'job', case when claim.purpose = 'heal' and fix.fix_type <> 'sql' then ops_internal.pinned_job(claim.application_id) end,
    'is_shadow', claim.purpose = 'shadow'
  );
end
$$;

comment on function ops.claim_application_v1(uuid, bigint, integer, text, jsonb, jsonb, text, jsonb) is
  'Takes one error in hand for one fix version, if nothing holds it back; of many callers, one gets it. A shadow is recorded and not given out. What runs outside the database comes with its job.';

create function ops_internal.lease(p_fix ops.pattern_fixes) returns timestamptz
language sql
volatile
set search_path = ''
as $$ select clock_timestamp() + make_interval(secs => p_fix.timeout_ms / 1000.0 + 30) $$;

comment on function ops_internal.lease(ops.pattern_fixes) is 'When a worker that takes this fix in hand now has to be done with it.';

create function ops_internal.record_shadow(p_claim ops.pattern_claims) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform ops_internal.close_claim(p_claim);
  perform ops_internal.open_verification(p_claim, 'shadow');
  insert into ops.roman_events (event_type, severity, description, metadata, constitutional_validation)
  values (
    'fix_shadowed', 'info', 'A fix would have run',
    jsonb_build_object(
      'pattern_id', p_claim.pattern_id, 'application_id', p_claim.application_id, 'system_log_id', p_claim.system_log_id,
      'fix_version', p_claim.fix_version, 'sha256', p_claim.sha256
    ),
    p_claim.constitutional_validation
  );
end
$$;

comment on function ops_internal.record_shadow(ops.pattern_claims) is
  'Records what would have run, and watches what becomes of the error without it.';

create function ops.record_refusals_v1(p_refusals jsonb) returns integer
language sql
set search_path = ''
as $$
  with refused as (
    update ops.pattern_incidents as incidents set
      refusal = refusals.reason,
      target = coalesce(refusals.target, incidents.target)
    from jsonb_to_recordset(p_refusals) as refusals (system_log_id bigint, reason text, target text)
    where incidents.system_log_id = refusals.system_log_id
      and incidents.id in (
        -- Never waits, so that nobody waits for us: what is being moved at this moment is sent again.
        select free.id
        from ops.pattern_incidents as free
        where free.system_log_id in (
          select named.system_log_id from jsonb_to_recordset(p_refusals) as named (system_log_id bigint)
        )
        for no key update skip locked
      )
    returning incidents.id
  )

  select count(*)::integer from refused
$$;

comment on function ops.record_refusals_v1(jsonb) is
  'Notes why the fix was not run for these errors: a list of system_log_id, reason and target. Answers how many were noted; what is noted is not sent again.';

revoke all on function
  ops_internal.threshold(jsonb, text),
  ops_internal.require_policy(jsonb),
  ops_internal.backoff(integer),
  ops_internal.brake(ops.pattern_fixes, uuid, text, jsonb),
  ops_internal.pinned_job(uuid),
  ops_internal.is_abandoned(ops.pattern_claims, ops.pattern_fixes),
  ops.application_job_v1(uuid),
  ops.claim_application_v1(uuid, bigint, integer, text, jsonb, jsonb, text, jsonb),
  ops_internal.lease(ops.pattern_fixes),
  ops_internal.record_shadow(ops.pattern_claims),
  ops.record_refusals_v1(jsonb)
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.threshold(jsonb, text),
  ops_internal.require_policy(jsonb),
  ops_internal.backoff(integer),
  ops_internal.brake(ops.pattern_fixes, uuid, text, jsonb),
  ops_internal.pinned_job(uuid),
  ops_internal.is_abandoned(ops.pattern_claims, ops.pattern_fixes),
  ops.application_job_v1(uuid),
  ops.claim_application_v1(uuid, bigint, integer, text, jsonb, jsonb, text, jsonb),
  ops_internal.lease(ops.pattern_fixes),
  ops_internal.record_shadow(ops.pattern_claims),
  ops.record_refusals_v1(jsonb)
to service_role;

create function ops_internal.failed_laws(p_validation jsonb) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_agg(laws.law -> 'law' order by laws.law -> 'law')
  from jsonb_array_elements(p_validation -> 'laws') as laws (law)
  where laws.law ->> 'outcome' = 'fail'
$$;

comment on function ops_internal.failed_laws(jsonb) is 'Numbers of the laws that a verdict says failed.';

create function ops.record_violation_v1(p_pattern_id uuid, p_validation jsonb) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  signature text;
  told uuid;
begin
  -- Once a minute for the same laws: a burst of errors does not fill the journal. Each error has its own refusal.
  select events.event_id into told
  from ops.roman_events as events
  where events.event_type = 'constitutional_violation'
    and events.created_at > now() - interval '1 minute'
    and events.metadata ->> 'pattern_id' = p_pattern_id::text
    and ops_internal.failed_laws(events.constitutional_validation)
    is not distinct from ops_internal.failed_laws(p_validation)
  limit 1;
  if found then
    return told;
  end if;

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
  'Records that the Four Laws forbade an application: the event, and the pattern''s last violation; once a minute for the same laws. Answers the event''s id.';
revoke all on function ops_internal.failed_laws(jsonb) from public, anon, authenticated, service_role;
grant execute on function ops_internal.failed_laws(jsonb) to service_role;
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

create function ops_internal.close_claim(p_claim ops.pattern_claims) returns void
language sql
set search_path = ''
as $$
  -- The script needed the message as it was; nobody does any more.
  update ops.pattern_claims set
    finished_at = clock_timestamp(),
    error = case
      when p_claim.error ? 'scrubbed' then
        p_claim.error - array['scrubbed', 'captured'] || jsonb_build_object('message', p_claim.error -> 'scrubbed')
      else p_claim.error
    end
  where pattern_claims.application_id = p_claim.application_id
$$;

comment on function ops_internal.close_claim(ops.pattern_claims) is 'Marks a claim as finished, and forgets of the error what only the script needed.';
revoke all on function ops_internal.close_claim(ops.pattern_claims) from public, anon, authenticated, service_role;
grant execute on function ops_internal.close_claim(ops.pattern_claims) to service_role;

create function ops_internal.record_application(p_claim ops.pattern_claims, p_outcome jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  succeeded constant boolean := (p_outcome ->> 'success')::boolean;
  milliseconds constant integer := (p_outcome ->> 'execution_time_ms')::integer;
begin
  -- The pattern first: of two runs that end together, the second counts the first one.
  perform from ops.error_patterns where error_patterns.pattern_id = p_claim.pattern_id for no key update;

  insert into ops.pattern_applications (
    application_id, pattern_id, system_log_id, applied_at, success, execution_time_ms, fix_script_executed, fix_parameters_used,
    error_before, error_after, system_state_before, system_state_after, constitutional_validation, metadata
  )
  select
    p_claim.application_id, p_claim.pattern_id, p_claim.system_log_id, clock_timestamp(), succeeded, milliseconds,
    case p_claim.purpose when 'undo' then fixes.prepared_undo_script else fixes.prepared_script end, fixes.parameters,
    coalesce(p_claim.error ->> 'scrubbed', p_claim.error ->> 'message'), p_outcome ->> 'error',
    jsonb_build_object('system_entropy', p_claim.constitutional_validation -> 'system_entropy'),
    jsonb_build_object(
      'rows_touched', coalesce(p_outcome -> 'rows_touched', '0'), 'tables', coalesce(p_outcome -> 'tables', '{}')
    ) || jsonb_strip_nulls(jsonb_build_object('output', p_outcome -> 'output')),
    p_claim.constitutional_validation,
    jsonb_build_object(
      'fix_version', p_claim.fix_version, 'sha256', p_claim.sha256, 'purpose', p_claim.purpose,
      'sqlstate', p_outcome ->> 'sqlstate', 'stopped', p_outcome ->> 'stopped', 'undoes', p_claim.undoes
    )
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_claim.pattern_id and fixes.version = p_claim.fix_version;

  perform ops_internal.close_claim(p_claim);
  if p_claim.purpose = 'heal' then
    perform ops_internal.open_verification(
      p_claim, 'live',
      case
        when succeeded then 'pending'
        -- What did not run, or nobody knows of, says nothing of the fix.
        when coalesce((p_outcome ->> 'started')::boolean, true) then 'failed'
        else 'inconclusive'
      end,
      p_outcome ->> 'error'
    );
    perform ops_internal.judge_pattern(p_claim.pattern_id);
  end if;

  insert into ops.roman_events (event_type, severity, description, metadata, constitutional_validation)
  values (
    case p_claim.purpose when 'undo' then 'fix_rolled_back' else 'pattern_applied' end,
    case when succeeded then 'info' else 'warning' end,
    case p_claim.purpose when 'undo' then 'Roll-back ' else 'Auto-fix ' end
    || case when succeeded then 'applied successfully' else 'failed: ' || coalesce(p_outcome ->> 'error', 'unknown') end,
    jsonb_build_object(
      'pattern_id', p_claim.pattern_id, 'application_id', p_claim.application_id, 'system_log_id', p_claim.system_log_id,
      'success', succeeded, 'execution_time_ms', milliseconds, 'undoes', p_claim.undoes
    ),
    p_claim.constitutional_validation
  );
  return ops_internal.recorded_outcome(p_claim.application_id);
end
$$;

comment on function ops_internal.record_application(ops.pattern_claims, jsonb) is
  'Records how an application ended: its row, the claim, what is to be verified, and the event.';
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
  from pg_catalog.pg_class as classes
  inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
  inner join unnest(p_tables) as names (name) on names.name = namespaces.nspname || '.' || classes.relname
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

create function ops_internal.told_failure(p_state text, p_problem text, p_detail text, p_hint text) returns text
language sql
immutable
set search_path = ''
as $$
  -- PostgreSQL's own details may quote a row, and so does the message where a value has the wrong form; ours do not.
  select concat_ws(
    '. ',
    case when p_state like '22%' then regexp_replace(p_problem, '".*"', '"…"') else p_problem end,
    case when p_state like 'PL%' then nullif(p_detail, '') end,
    nullif(p_hint, ''),
    case when p_state = '42501' and p_problem like 'permission denied for table%' then 'Run: pattern-engine fixer grant TABLE' end
  )
$$;

comment on function ops_internal.told_failure(text, text, text, text) is 'Why a script failed, for people: what to do with it, and no value of a row.';
revoke all on function ops_internal.told_failure(text, text, text, text) from public, anon, authenticated, service_role;
grant execute on function ops_internal.told_failure(text, text, text, text) to service_role;

create function ops.run_application_v1(p_application_id uuid) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  claim constant ops.pattern_claims := ops_internal.lock_claim(p_application_id);
  started constant timestamptz := clock_timestamp();
  max_retries integer;
  tries integer := 0;
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

  select fixes.max_retries into max_retries
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
        'error', ops_internal.told_failure(state, problem, detail, hint),
        -- A fix that was refused did not run.
        'started', state not in ('PL006', 'PL008', 'PL014', 'PL024'),
        'stopped', case state when 'PL007' then 'rows' end
      );
      -- Only what a second try can change is tried again: a deadlock, a serialisation failure.
      exit when state not in ('40001', '40P01') or tries >= max_retries;
      -- The other side first: at once, we would take the same rows again before it wakes.
      perform pg_sleep(0.1 * ops_internal.backoff(tries));
      tries := tries + 1;
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
  )
  -- Rows of the application, not scrubbed: they go to the engine and are not stored here.
  || jsonb_build_object('rows_before', outcome -> 'rows_before', 'rows_after', outcome -> 'rows_after');
end
$$;

comment on function ops.run_application_v1(uuid) is
  'Runs a claimed SQL fix and records it, in one transaction: either both happened or neither. Repeating it answers the first outcome. A sample of the rows before and after comes with the answer; scrubbed, ops.note_rows_v1 stores it.';
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

create function ops.note_rows_v1(p_application_id uuid, p_before jsonb, p_after jsonb) returns void
language sql
set search_path = ''
as $$
  update ops.pattern_applications set
    system_state_before = system_state_before || jsonb_build_object('rows', p_before),
    system_state_after = system_state_after || jsonb_build_object('rows', p_after)
  where pattern_applications.application_id = p_application_id
$$;

comment on function ops.note_rows_v1(uuid, jsonb, jsonb) is
  'Stores the sample of rows before and after a run, which the engine has scrubbed.';
revoke all on function ops.note_rows_v1(uuid, jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function ops.note_rows_v1(uuid, jsonb, jsonb) to service_role;
