-- Privacy: what is kept of an error after its fix ran is scrubbed of secrets and personal data.
--
-- The engine sends the message as it was, for the script, and beside it the scrubbed one (see scrubbing.py), for the record.

create or replace function ops_internal.record_application(p_claim ops.pattern_claims, p_outcome jsonb) returns jsonb
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

comment on column ops.pattern_applications.error_before is 'The error''s message, scrubbed of secrets and personal data.';
comment on column ops.pattern_claims.error is
  'What the script learns about the error; SQL sees it as $2. Once the claim is finished, its message is the scrubbed one and what was captured is gone.';
