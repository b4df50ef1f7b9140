-- What is known about an error before a fix is applied to it.
--
-- A fix is trusted for an error if it is for any of its signatures that lead to the pattern: those that were there at the
-- approval, and those that a person confirmed since. Where no signature is known, the one under which the log row was counted
-- is. Expressions are tried only where they were made by grouping/v1, or by hand.

create function ops.find_candidates_v1(p_errors jsonb) returns jsonb
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
          'applications_last_minute', (
            select count(*)
            from ops.pattern_applications as applications
            where applications.pattern_id = patterns.pattern_id and applications.applied_at >= now() - interval '1 minute'
          ),
          'before_approval', coalesce(logs.created_at < fixes.approved_at, false),
          'already_applied', exists (
            select from ops.pattern_claims as claims
            where claims.pattern_id = patterns.pattern_id
              and claims.fix_version = fixes.version
              and claims.system_log_id = errors.system_log_id
          )
        )
        order by errors.ordinality
      ),
      '[]'
    )
    from errors
    left join ops.system_logs as logs on logs.id = errors.system_log_id
    left join lateral (
      select signatures.pattern_id
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
      and patterns.auto_fix_enabled
      and exists (
        select from ops.pattern_signatures as trusted
        where trusted.signature = any(errors.signatures)
          and trusted.pattern_id = fixes.pattern_id
          and (trusted.created_at <= fixes.approved_at or trusted.confirmed_at is not null)
      )
  );
end
$$;

comment on function ops.find_candidates_v1(jsonb) is
  'For each error its log row, pattern, live fix and the load of the system, in order; expressions to try where no signature is known. The first known signature decides on the pattern, any trusted one on the fix.';
revoke all on function ops.find_candidates_v1(jsonb) from public, anon, authenticated, service_role;
grant execute on function ops.find_candidates_v1(jsonb) to service_role;
