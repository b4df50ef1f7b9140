-- Approval and disabling: a person's alone, in one transaction, every version kept.

create function ops_internal.require_person(p_allowed text []) returns uuid
language plpgsql
stable
set search_path = ''
as $$
begin
  if (select auth.uid()) is null then
    raise exception using
      errcode = 'PL011',
      message = 'this takes a person',
      hint = 'Sign in and send your own access token; the secret key cannot approve.';
  end if;
  perform ops_internal.require_role(p_allowed);
  return (select auth.uid());
end
$$;

comment on function ops_internal.require_person(text []) is
  'The calling person''s id. Raises PL011 for the secret key, PL001 for a person without one of these roles.';
revoke all on function ops_internal.require_person(text []) from public, anon, authenticated, service_role;

create function ops_internal.lock_pattern(p_pattern_id uuid) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  pattern ops.error_patterns;
begin
  select * into pattern
  from ops.error_patterns
  where error_patterns.pattern_id = p_pattern_id
  for no key update;
  if not found then
    raise exception using
      errcode = 'PL002',
      message = format('there is no pattern %s', p_pattern_id),
      hint = 'GET /statistics lists the patterns that await approval, with their ids.';
  end if;
  return pattern;
end
$$;

comment on function ops_internal.lock_pattern(uuid) is 'The pattern, locked until the end of the transaction. Raises PL002 where there is none.';
revoke all on function ops_internal.lock_pattern(uuid) from public, anon, authenticated, service_role;

create function ops_internal.lock_patterns(p_pattern_ids uuid []) returns void
language sql
set search_path = ''
as $$
  select from ops.error_patterns
  where error_patterns.pattern_id = any(p_pattern_ids)
  order by error_patterns.pattern_id
  for no key update
$$;

comment on function ops_internal.lock_patterns(uuid []) is
  'Locks these patterns until the end of the transaction, in the order in which everyone locks several: by id.';
revoke all on function ops_internal.lock_patterns(uuid []) from public, anon, authenticated, service_role;

create function ops_internal.limit_parameter(
  p_parameters jsonb, p_name text, p_default integer, p_least integer, p_most integer
) returns integer
language plpgsql
immutable
set search_path = ''
as $$
declare
  given constant jsonb := coalesce(p_parameters -> p_name, to_jsonb(p_default));
begin
  if jsonb_typeof(given) = 'number' and (given #>> '{}') ~ '^[0-9]{1,9}$' and given::integer between p_least and p_most then
    return given::integer;
  end if;
  raise exception using
    errcode = 'PL013',
    message = format('%s is %s', p_name, given),
    hint = format('Give a whole number from %s to %s.', p_least, p_most);
end
$$;

comment on function ops_internal.limit_parameter(jsonb, text, integer, integer, integer) is
  'One limit out of the parameters, or its default. Raises PL013 outside its bounds.';
revoke all on function ops_internal.limit_parameter(jsonb, text, integer, integer, integer) from public, anon, authenticated, service_role;

create function ops_internal.require_parameters(p_parameters jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  if jsonb_typeof(p_parameters) <> 'object' then
    raise exception using
      errcode = 'PL013',
      message = format('the parameters are %s', p_parameters),
      hint = 'Give a JSON object.';
  end if;
  return coalesce(p_parameters, '{}');
end
$$;

comment on function ops_internal.require_parameters(jsonb) is 'The parameters, none by default. Raises PL013 unless they are an object.';
revoke all on function ops_internal.require_parameters(jsonb) from public, anon, authenticated, service_role;

create function ops_internal.trusted_writers(p_parameters jsonb) returns text []
language plpgsql
immutable
set search_path = ''
as $$
declare
  given constant jsonb := coalesce(p_parameters -> 'trusted_writers', '["service_role"]');
begin
  if jsonb_typeof(given) <> 'array' or exists (
    select from jsonb_array_elements(given) as writers (writer)
    where jsonb_typeof(writers.writer) <> 'string' or (writers.writer #>> '{}') not in ('service_role', 'authenticated', 'postgres')
  ) then
    raise exception using
      errcode = 'PL013',
      message = format('trusted_writers is %s', given),
      hint = 'Give a list of service_role, authenticated and postgres.';
  end if;
  return array(select jsonb_array_elements_text(given));
end
$$;

comment on function ops_internal.trusted_writers(jsonb) is 'The roles whose log rows fire a fix, out of its parameters; service_role alone by default.';
revoke all on function ops_internal.trusted_writers(jsonb) from public, anon, authenticated, service_role;

create function ops_internal.approve_pattern(
  p_pattern_id uuid,
  p_script text,
  p_prepared_script text,
  p_type text,
  p_parameters jsonb,
  p_tables text [],
  p_approved_by uuid
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  parameters constant jsonb := ops_internal.require_parameters(p_parameters);
  timeout_ms constant integer := ops_internal.limit_parameter(parameters, 'timeout_ms', 5000, 1, 8000);
  max_retries constant integer := ops_internal.limit_parameter(parameters, 'max_retries', 0, 0, 10);
  max_rows constant integer := ops_internal.limit_parameter(parameters, 'max_rows', 1000, 1, 100000);
  writers constant text [] := ops_internal.trusted_writers(parameters);
  digest constant text := ops_internal.fix_digest(
    p_script, p_prepared_script, p_type, parameters, timeout_ms, max_retries, max_rows, writers
  );
  pattern ops.error_patterns;
  latest ops.pattern_fixes;
begin
  if p_approved_by is distinct from person then
    raise exception using
      errcode = 'PL012',
      message = 'approved_by is not you',
      detail = format('You are %s; approved_by is %s.', person, p_approved_by),
      hint = 'Send your own user id as approved_by.';
  end if;

  pattern := ops_internal.lock_pattern(p_pattern_id);
  select * into latest
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = p_pattern_id
  order by pattern_fixes.version desc
  limit 1;

  if latest.version is not null and latest.disabled_at is null then
    if latest.sha256 = digest then
      return to_jsonb(pattern);
    end if;
    raise exception using
      errcode = 'PL003',
      message = 'another fix is approved for this pattern',
      detail = format('Version %s, approved by %s at %s.', latest.version, latest.approved_by, latest.approved_at),
      hint = 'POST /disable first, then approve the new version.';
  end if;

  insert into ops.pattern_fixes (
    pattern_id, version, fix_type, script, prepared_script, parameters,
    timeout_ms, max_retries, max_rows, trusted_writers, tables, sha256, approved_by
  )
  values (
    p_pattern_id, coalesce(latest.version, 0) + 1, p_type, p_script, p_prepared_script, parameters,
    timeout_ms, max_retries, max_rows, writers, coalesce(p_tables, '{}'), digest, person
  )
  returning * into latest;

  update ops.error_patterns set
    auto_fix_enabled = true,
    auto_fix_script = p_script,
    auto_fix_type = p_type,
    auto_fix_parameters = p_parameters,
    human_approved = true,
    approved_by = person,
    approved_at = latest.approved_at,
    constitutional_compliant = true,
    constitutional_violations = null
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'pattern_approved', 'info', 'Pattern approved for auto-fix: ' || pattern.pattern_signature, person,
    jsonb_build_object(
      'pattern_id', p_pattern_id, 'approved_by', person, 'auto_fix_type', p_type, 'version', latest.version, 'sha256', digest
    )
  );
  return to_jsonb(pattern);
end
$$;

comment on function ops_internal.approve_pattern(uuid, text, text, text, jsonb, text [], uuid) is
  'The work of ops.approve_pattern_v1, with the rights that only it has.';
revoke all on function ops_internal.approve_pattern(uuid, text, text, text, jsonb, text [], uuid) from public, anon, authenticated, service_role;
grant execute on function ops_internal.approve_pattern(uuid, text, text, text, jsonb, text [], uuid) to authenticated, service_role;

create function ops.approve_pattern_v1(
  p_pattern_id uuid,
  p_script text,
  p_prepared_script text,
  p_type text,
  p_parameters jsonb,
  p_tables text [],
  p_approved_by uuid
) returns jsonb
language sql
set search_path = ''
as $$
  select ops_internal.approve_pattern(
    p_pattern_id, p_script, p_prepared_script, p_type, p_parameters, p_tables, p_approved_by
  )
$$;

comment on function ops.approve_pattern_v1(uuid, text, text, text, jsonb, text [], uuid) is
  'Approves a fix for a pattern as its next version. For an ops_admin in person; the same fix twice changes nothing, another one raises PL003.';
revoke all on function ops.approve_pattern_v1(uuid, text, text, text, jsonb, text [], uuid) from public, anon, authenticated, service_role;
grant execute on function ops.approve_pattern_v1(uuid, text, text, text, jsonb, text [], uuid) to authenticated, service_role;

create function ops_internal.disable_pattern(p_pattern_id uuid, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
  switched_off ops.pattern_fixes;
begin
  update ops.pattern_fixes set
    disabled_by = person,
    disabled_at = clock_timestamp(),
    disabled_reason = p_reason
  where pattern_fixes.pattern_id = p_pattern_id and pattern_fixes.disabled_at is null
  returning * into switched_off;

  if switched_off.version is null then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no enabled fix',
      hint = 'There is nothing to disable.';
  end if;

  update ops.error_patterns set auto_fix_enabled = false
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'pattern_disabled', 'info', 'Auto-fix disabled: ' || pattern.pattern_signature, person,
    jsonb_build_object('pattern_id', p_pattern_id, 'version', switched_off.version, 'reason', p_reason)
  );
  return to_jsonb(pattern);
end
$$;

comment on function ops_internal.disable_pattern(uuid, text) is 'The work of ops.disable_pattern_v1, with the rights that only it has.';
revoke all on function ops_internal.disable_pattern(uuid, text) from public, anon, authenticated, service_role;
grant execute on function ops_internal.disable_pattern(uuid, text) to authenticated, service_role;

create function ops.disable_pattern_v1(p_pattern_id uuid, p_reason text default null) returns jsonb
language sql
set search_path = ''
as $$
  select ops_internal.disable_pattern(p_pattern_id, p_reason)
$$;

comment on function ops.disable_pattern_v1(uuid, text) is
  'Switches a pattern''s fix off. For an ops_operator or ops_admin in person; a new version needs a new approval.';
revoke all on function ops.disable_pattern_v1(uuid, text) from public, anon, authenticated, service_role;
grant execute on function ops.disable_pattern_v1(uuid, text) to authenticated, service_role;
