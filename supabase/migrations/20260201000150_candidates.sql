-- What is known about an error before a fix is applied to it.
--
-- A fix is trusted for an error if it is for any of its signatures that lead to the pattern: those that were there at the
-- approval, and those that a person confirmed since. Where no signature is known, the one under which the log row was counted
-- is. Expressions are tried only where they were made by grouping/v1, or by hand.

create function ops_internal.standing(p_fix ops.pattern_fixes) returns jsonb
language sql
stable
set search_path = ''
as $$
  with latest as (
    select verifications.outcome
    from ops.pattern_verifications as verifications
    where verifications.pattern_id = p_fix.pattern_id
      and verifications.fix_version = p_fix.version
      and verifications.mode = 'live'
      and verifications.outcome in ('verified', 'failed')
      -- As failures in a row are counted: who puts a demoted fix back gives it another try, and past failures would forbid it.
      and verifications.started_at >= p_fix.mode_changed_at
    order by verifications.started_at desc
    limit 10
  ),

  runs as (
    select claims.target, claims.claimed_at, (applications.system_state_after ->> 'rows_touched')::bigint as rows_touched
    from ops.pattern_claims as claims
    left join ops.pattern_applications as applications on applications.application_id = claims.application_id
    where claims.pattern_id = p_fix.pattern_id
      and claims.purpose <> 'undo'
      and claims.claimed_at > now() - interval '1 hour'
  )

  select jsonb_build_object(
    'verified', (select count(*) from latest where latest.outcome = 'verified'),
    'failed', (select count(*) from latest where latest.outcome = 'failed'),
    'flaps_last_day', (
      select count(*)
      from ops.pattern_verifications as overturned
      where overturned.pattern_id = p_fix.pattern_id and overturned.overturned_at > now() - interval '1 day'
    ),
    'runs_last_hour', (select count(*) from runs),
    'rows_last_hour', (select coalesce(sum(runs.rows_touched), 0) from runs),
    'incidents_last_hour', (
      select count(*)
      from (
        select from ops.pattern_incidents as incidents
        where incidents.pattern_id = p_fix.pattern_id and incidents.occurred_at >= now() - interval '1 hour'
        limit 10000
      ) as recent
    ),
    'seconds_since_run', (
      select coalesce(jsonb_object_agg(by_target.target, by_target.seconds), '{}')
      from (
        select claims.target, extract(epoch from now() - max(claims.claimed_at)) as seconds
        from ops.pattern_claims as claims
        where claims.pattern_id = p_fix.pattern_id
          and claims.fix_version = p_fix.version
          and claims.purpose <> 'undo'
          and claims.claimed_at > now() - interval '1 day'
        group by claims.target
        order by max(claims.claimed_at) desc
        limit 100
      ) as by_target
    )
  )
$$;

comment on function ops_internal.standing(ops.pattern_fixes) is
  'How a fix did of late: its latest ten decided outcomes since it was put in use, those overturned in a day, runs, rows and errors of the last hour, and the seconds since its last run by target.';
revoke all on function ops_internal.standing(ops.pattern_fixes) from public, anon, authenticated, service_role;
grant execute on function ops_internal.standing(ops.pattern_fixes) to service_role;

create function ops_internal.firing_patterns(p_seconds double precision) returns integer
language plpgsql
stable
set search_path = ''
-- Planned with each call: only with its value does the planner see how few rows are so young.
set plan_cache_mode = 'force_custom_plan'
as $$
begin
  return (
    select count(distinct patterns.pattern_id)::integer
    from (
      select logs.id, logs.written_by
      from ops.system_logs as logs
      where logs.log_level in ('error', 'critical') and logs.created_at > now() - make_interval(secs => p_seconds)
      order by logs.created_at desc
      limit 1000
    ) as recent
    inner join ops.pattern_incidents as incidents on incidents.system_log_id = recent.id
    inner join ops.error_patterns as patterns on patterns.pattern_id = incidents.pattern_id
    where patterns.auto_fix_enabled
      -- Rows that fire nothing make no storm, or anybody could make one.
      and exists (
        select from ops.pattern_fixes as fixes
        where fixes.pattern_id = patterns.pattern_id
          and fixes.disabled_at is null
          and recent.written_by = any(fixes.trusted_writers)
      )
  );
end
$$;

comment on function ops_internal.firing_patterns(double precision) is
  'How many different patterns with an enabled fix are among the errors of the last seconds, of a thousand at most.';
revoke all on function ops_internal.firing_patterns(double precision) from public, anon, authenticated, service_role;
grant execute on function ops_internal.firing_patterns(double precision) to service_role;

create function ops.find_candidates_v1(p_errors jsonb, p_storm_seconds double precision) returns jsonb
language plpgsql
stable
set search_path = ''
-- Planned once and not with each call: each error is looked up by index.
set plan_cache_mode = 'force_generic_plan'
as $$
begin
  return (
    with errors as (
      select
        inputs.ordinality, inputs.system_log_id,
        -- What came beside the message in the log row may have led elsewhere than the message alone.
        inputs.signatures || array_remove(array[incidents.signature], null) as signatures
      from rows from (jsonb_to_recordset(p_errors) as (signatures text [], system_log_id bigint)) with ordinality as inputs
      left join ops.pattern_incidents as incidents on incidents.system_log_id = inputs.system_log_id
    ),

    load as (
      select count(*) as recent_errors
      from (
        select from ops.system_logs as logs
        where logs.created_at >= now() - interval '5 minutes' and logs.log_level = 'error'
        limit 10000
      ) as recent
    ),

    firing as (
      select ops_internal.firing_patterns(p_storm_seconds) as patterns
    ),

    expressions as (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'pattern_id', enabled.pattern_id,
            'pattern_signature', enabled.pattern_signature,
            'error_message_pattern', enabled.error_message_pattern
          )
          order by enabled.id
        ),
        '[]'
      ) as listed
      from (
        select patterns.id, patterns.pattern_id, patterns.pattern_signature, patterns.error_message_pattern
        from ops.error_patterns as patterns
        where patterns.auto_fix_enabled and patterns.tries_expression
        order by patterns.id desc
        limit 1000
      ) as enabled
    )

    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'log', case when logs.id is not null then jsonb_build_object(
            'id', logs.id,
            -- One character more than any request can hold: a longer message equals none.
            'message', left(logs.message, 65537),
            'source', logs.source,
            'user_id', logs.user_id,
            'written_by', logs.written_by,
            'created_at', logs.created_at,
            'age_seconds', extract(epoch from now() - logs.created_at)
          ) end,
          'pattern', case when patterns.pattern_id is not null then to_jsonb(patterns) - array[
            'metadata', 'learned_from_incidents', 'created_at', 'updated_at'
          ] end,
          'fix', case when fixes.version is not null then to_jsonb(fixes) || jsonb_build_object(
            'stored_matches', ops_internal.is_as_approved(fixes, patterns)
          ) end,
          'untrusted_signature', case when fixes.version is null and patterns.auto_fix_enabled then hit.signature end,
          'expressions', case when patterns.pattern_id is null then (select expressions.listed from expressions) else '[]' end,
          'recent_errors', (select load.recent_errors from load),
          'recent_errors_of_pattern', (
            select count(*)
            from (
              select from ops.pattern_incidents as incidents
              where incidents.pattern_id = patterns.pattern_id and incidents.occurred_at >= now() - interval '5 minutes'
              limit 10000
            ) as recent
          ),
          'standing', case when fixes.version is not null then ops_internal.standing(fixes) end,
          'firing_patterns', case when fixes.version is not null then (select firing.patterns from firing) else 0 end,
          'pause', case when fixes.version is not null then ops_internal.pause_refusal() end,
          'before_approval', coalesce(logs.created_at < fixes.approved_at, false),
          'already_applied', exists (
            select from ops.pattern_claims as claims
            where claims.pattern_id = patterns.pattern_id
              and claims.fix_version = fixes.version
              and claims.system_log_id = errors.system_log_id
              and (claims.finished_at is not null or claims.lease_until > clock_timestamp() or fixes.fix_type <> 'sql')
          )
        )
        order by errors.ordinality
      ),
      '[]'
    )
    from errors
    left join ops.system_logs as logs on logs.id = errors.system_log_id
    left join lateral (
      select signatures.pattern_id, signatures.signature
      from ops.pattern_signatures as signatures
      where signatures.signature = any(errors.signatures)
      order by array_position(errors.signatures, signatures.signature)
      limit 1
    ) as hit on true
    left join ops.error_patterns as patterns on patterns.pattern_id = hit.pattern_id
    -- The live version, and only for a signature that its approver could see, or that somebody confirmed.
    left join ops.pattern_fixes as fixes
      on fixes.pattern_id = patterns.pattern_id
      and fixes.disabled_at is null
      and (patterns.auto_fix_enabled or fixes.mode = 'demoted')
      and exists (
        select from ops.pattern_signatures as trusted
        where trusted.signature = any(errors.signatures)
          and trusted.pattern_id = fixes.pattern_id
          and (trusted.created_at <= fixes.trusts_until or trusted.confirmed_at is not null)
      )
  );
end
$$;

comment on function ops.find_candidates_v1(jsonb, double precision) is
  'For each error its log row, pattern, live or demoted fix with its standing, and the load of the system, in order; expressions to try where no signature is known. The first known signature decides on the pattern, any trusted one on the fix.';
revoke all on function ops.find_candidates_v1(jsonb, double precision) from public, anon, authenticated, service_role;
grant execute on function ops.find_candidates_v1(jsonb, double precision) to service_role;

create function ops.refuse_signature_v1(p_signature text, p_system_log_id bigint) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  refused ops.pattern_signatures;
begin
  -- Once an hour: what happens often does not fill the journal.
  update ops.pattern_signatures set refused_at = clock_timestamp()
  where pattern_signatures.signature = p_signature
    and (pattern_signatures.refused_at is null or pattern_signatures.refused_at < clock_timestamp() - interval '1 hour')
  returning * into refused;
  if not found then
    return false;
  end if;
  insert into ops.roman_events (event_type, severity, description, metadata)
  values (
    'fix_refused', 'warning', 'A fix was not run for a signature that came after its approval: ' || p_signature,
    jsonb_build_object(
      'pattern_id', refused.pattern_id, 'signature', p_signature, 'template', refused.template, 'system_log_id', p_system_log_id
    )
  );
  return true;
end
$$;

comment on function ops.refuse_signature_v1(text, bigint) is
  'Tells, once an hour, that a fix was not run for a signature that its approver could not see. Answers whether it told now.';
revoke all on function ops.refuse_signature_v1(text, bigint) from public, anon, authenticated, service_role;
grant execute on function ops.refuse_signature_v1(text, bigint) to service_role;
