-- Taking a run back: a person's decision, by the undo script that was approved with the fix.

create function ops_internal.start_rollback(p_application_id uuid, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  run ops.pattern_claims;
  application ops.pattern_applications;
  fix ops.pattern_fixes;
  undo ops.pattern_claims;
  -- The engine keeps what a bash fix replaced in granted directories, and nothing of a run that failed.
  is_kept boolean;
  problem text;
begin
  select * into run from ops.pattern_claims where pattern_claims.application_id = p_application_id and pattern_claims.purpose <> 'shadow';
  if not found then
    raise exception using
      errcode = 'PL010', message = format('there is no application %s', p_application_id), hint = 'ops.pattern_applications has them.';
  end if;
  perform from ops.error_patterns where error_patterns.pattern_id = run.pattern_id for no key update;
  select * into application from ops.pattern_applications where pattern_applications.application_id = p_application_id;
  select * into fix
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = run.pattern_id and pattern_fixes.version = run.fix_version;

  is_kept := fix.fix_type = 'bash' and fix.undo_script is null and fix.parameters ? 'directories';
  problem := case
    when run.purpose = 'undo' then 'it took another one back itself'
    when fix.undo_script is null and not is_kept then 'its fix was approved without an undo script'
    when application.id is null then 'it has not ended yet'
    -- Of SQL that failed nothing was kept; anything else may have done the half of its work.
    when not application.success and (fix.fix_type = 'sql' or is_kept) then 'it did not succeed, and nothing of it was kept'
    when exists (
      select from ops.pattern_claims as undone
      left join ops.pattern_applications as ended on ended.application_id = undone.application_id
      where undone.undoes = p_application_id
        -- Of SQL that failed nothing was kept, so that it may be tried again; of anything else nobody knows.
        and ((fix.fix_type <> 'sql' and not is_kept) or ended.success is distinct from false)
    )
      then 'it was taken back before, or is being taken back'
  end;
  if problem is not null then
    raise exception using
      errcode = 'PL021', message = 'this run cannot be taken back: ' || problem, hint = 'Repair by hand what it did.';
  end if;

  insert into ops.pattern_claims (
    pattern_id, system_log_id, fix_version, sha256, purpose, undoes, target, source, error, policy, claimed_by, lease_until
  )
  values (
    run.pattern_id, run.system_log_id, run.fix_version, run.sha256, 'undo', p_application_id, run.target, run.source, run.error,
    run.policy, person, ops_internal.lease(fix)
  )
  returning * into undo;
  -- Before anything is said or changed: are these the approved bytes, and are the secrets there that they need?
  perform ops_internal.pinned_job(undo.application_id);

  -- Who takes a run back does not want the next one.
  if fix.disabled_at is null and fix.mode = 'live' then
    perform ops_internal.demote(fix, person, coalesce(p_reason, 'a run was taken back'));
  end if;
  update ops.pattern_verifications set
    outcome = 'failed',
    reason = 'A person took the run back: ' || coalesce(p_reason, 'no reason given'),
    decided_at = clock_timestamp()
  where pattern_verifications.application_id = p_application_id;
  perform ops_internal.rate_pattern(run.pattern_id, ops_internal.latest_fix(run.pattern_id));
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'rollback_ordered', 'warning', 'A run is taken back', person,
    jsonb_build_object(
      'pattern_id', run.pattern_id, 'application_id', undo.application_id, 'undoes', p_application_id, 'reason', p_reason
    )
  );
  return jsonb_build_object(
    'application_id', undo.application_id, 'pattern_id', run.pattern_id, 'system_log_id', run.system_log_id, 'fix_type', fix.fix_type,
    'undo_script', fix.undo_script, 'prepared_undo_script', fix.prepared_undo_script, 'parameters', fix.parameters,
    'timeout_ms', fix.timeout_ms
  );
end
$$;

comment on function ops_internal.start_rollback(uuid, text) is 'The work of ops.start_rollback_v1, with the rights that only it has.';

create function ops.start_rollback_v1(p_application_id uuid, p_reason text default null) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.start_rollback(p_application_id, p_reason) $$;

comment on function ops.start_rollback_v1(uuid, text) is
  'Takes a run in hand that is to be taken back, once unless undoing it fails and leaves nothing, and has its fix wait for a person. For an ops_operator or ops_admin in person; answers the application that undoes it and its script, for the engine to look at once more and run.';

create function ops.recall_error_v1(p_application_id uuid, p_error jsonb) returns boolean
language sql
set search_path = ''
as $$
  with recalled as (
    update ops.pattern_claims set error = p_error
    where pattern_claims.application_id = p_application_id
      and pattern_claims.purpose = 'undo'
      and pattern_claims.finished_at is null
    returning pattern_claims.application_id
  )

  select exists (select from recalled)
$$;

comment on function ops.recall_error_v1(uuid, jsonb) is
  'Gives the script that takes a run back the error as the run saw it: what was captured is forgotten once a run has ended. For the engine, from the log row; answers whether there was such a roll-back under way.';

revoke all on function ops_internal.start_rollback(uuid, text), ops.start_rollback_v1(uuid, text), ops.recall_error_v1(uuid, jsonb)
from public, anon, authenticated, service_role;
grant execute on function ops.recall_error_v1(uuid, jsonb) to service_role;
grant execute on function ops_internal.start_rollback(uuid, text), ops.start_rollback_v1(uuid, text) to authenticated, service_role;
