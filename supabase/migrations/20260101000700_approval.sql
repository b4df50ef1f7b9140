-- Approval, changing a fix's mode, and disabling: a person's alone, in one transaction, every version kept.

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

create function ops_internal.text_list(p_parameters jsonb, p_name text) returns text []
language plpgsql
immutable
set search_path = ''
as $$
declare
  given constant jsonb := coalesce(p_parameters -> p_name, '[]');
begin
  if jsonb_typeof(given) <> 'array' or exists (
    select from jsonb_array_elements(given) as elements (element) where jsonb_typeof(elements.element) <> 'string'
  ) then
    raise exception using errcode = 'PL013', message = format('%s is %s', p_name, given), hint = 'Give a list of names.';
  end if;
  return array(select jsonb_array_elements_text(given));
end
$$;

comment on function ops_internal.text_list(jsonb, text) is 'A list of names out of the parameters, empty by default. Raises PL013 for anything else.';
revoke all on function ops_internal.text_list(jsonb, text) from public, anon, authenticated, service_role;

create function ops_internal.require_whole_fix(p_fix jsonb) returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  texts constant text [] := array[
    'type', 'script', 'prepared_script', 'undo_script', 'prepared_undo_script', 'sample_table', 'sample_script'
  ];
  others constant text [] := array['parameters', 'tables', 'hosts', 'secrets'];
  problem text;
begin
  if jsonb_typeof(p_fix) is distinct from 'object' then
    problem := format('it is %s', coalesce(jsonb_typeof(p_fix), 'missing'));
  else
    select format('%s is %s', parts.key, coalesce(jsonb_typeof(parts.value), 'missing')) into problem
    from (
      select given.key, given.value from jsonb_each(p_fix) as given
      union all
      select needed.key, null from unnest(array['type', 'script', 'prepared_script']) as needed (key) where not p_fix ? needed.key
    ) as parts (key, value)
    where not (
      (parts.key = any(texts[:3]) and jsonb_typeof(parts.value) is not distinct from 'string')
      or (parts.key = any(texts[4:]) and jsonb_typeof(parts.value) in ('string', 'null'))
      or (parts.key = any(others) and parts.value is not null)
    )
    order by parts.key
    limit 1;
    problem := coalesce(problem, case
      when p_fix ->> 'type' not in ('sql', 'typescript', 'bash', 'api_call') then format('its type is %s', p_fix -> 'type')
      when trim(p_fix ->> 'script') = '' or trim(p_fix ->> 'prepared_script') = '' then 'its script is empty'
      when ((p_fix ->> 'undo_script') is null) <> ((p_fix ->> 'prepared_undo_script') is null)
        then 'it has one of undo_script and prepared_undo_script'
      when ((p_fix ->> 'sample_table') is null) <> ((p_fix ->> 'sample_script') is null)
        then 'it has one of sample_table and sample_script'
    end);
  end if;
  if problem is not null then
    raise exception using
      errcode = 'PL013',
      message = 'that is no fix: ' || problem,
      hint = 'Give type, script and prepared_script; beside them only what ops_internal.composed_fix names.';
  end if;
end
$$;

comment on function ops_internal.require_whole_fix(jsonb) is
  'Raises PL013 unless this has what makes a fix, in its form, and nothing that its digest would not cover.';
revoke all on function ops_internal.require_whole_fix(jsonb) from public, anon, authenticated, service_role;

create function ops_internal.composed_fix(p_pattern_id uuid, p_fix jsonb) returns ops.pattern_fixes
language plpgsql
immutable
set search_path = ''
as $$
declare
  parameters constant jsonb := ops_internal.require_parameters(p_fix -> 'parameters');
  fix ops.pattern_fixes;
begin
  perform ops_internal.require_whole_fix(p_fix);
  fix.pattern_id := p_pattern_id;
  fix.fix_type := p_fix ->> 'type';
  fix.script := p_fix ->> 'script';
  fix.prepared_script := p_fix ->> 'prepared_script';
  fix.undo_script := p_fix ->> 'undo_script';
  fix.prepared_undo_script := p_fix ->> 'prepared_undo_script';
  fix.sample_table := p_fix ->> 'sample_table';
  fix.sample_script := p_fix ->> 'sample_script';
  fix.parameters := parameters;
  -- Inside Postgres the login role's time-out is the ceiling.
  fix.timeout_ms := ops_internal.limit_parameter(
    parameters, 'timeout_ms', 5000, 1, case when fix.fix_type = 'sql' then 8000 else 60000 end
  );
  fix.max_retries := ops_internal.limit_parameter(parameters, 'max_retries', 0, 0, 8);
  fix.max_rows := ops_internal.limit_parameter(parameters, 'max_rows', 1000, 1, 100000);
  fix.trusted_writers := ops_internal.trusted_writers(parameters);
  fix.target := ops_internal.text_list(parameters, 'target');
  fix.tables := ops_internal.text_list(p_fix, 'tables');
  fix.hosts := ops_internal.text_list(p_fix, 'hosts');
  fix.secrets := ops_internal.text_list(p_fix, 'secrets');
  fix.sha256 := ops_internal.fix_digest(fix);
  return fix;
end
$$;

comment on function ops_internal.composed_fix(uuid, jsonb) is
  'A fix as it would be pinned, limits and digest worked out, out of type, script, prepared_script, undo_script, prepared_undo_script, sample_table, sample_script, parameters, tables, hosts and secrets.';
revoke all on function ops_internal.composed_fix(uuid, jsonb) from public, anon, authenticated, service_role;

create function ops_internal.require_no_live_fix(p_latest ops.pattern_fixes) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_latest.version is not null and p_latest.disabled_at is null then
    raise exception using
      errcode = 'PL003',
      message = 'another fix is approved for this pattern',
      detail = format(
        'Version %s, %s, approved by %s at %s.', p_latest.version, p_latest.mode, p_latest.approved_by, p_latest.approved_at
      ),
      hint = case
        when p_latest.mode = 'live' then 'POST /disable first, then approve the new version.'
        else 'POST /enable to have that one run; for another, POST /disable it first.'
      end;
  end if;
end
$$;

comment on function ops_internal.require_no_live_fix(ops.pattern_fixes) is 'Raises PL003 where the latest version is not disabled.';
revoke all on function ops_internal.require_no_live_fix(ops.pattern_fixes) from public, anon, authenticated, service_role;

create function ops_internal.latest_fix(p_pattern_id uuid) returns ops.pattern_fixes
language sql
stable
set search_path = ''
as $$
  select fixes.*
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_pattern_id
  order by fixes.version desc
  limit 1
$$;

comment on function ops_internal.latest_fix(uuid) is 'The latest version of a pattern''s fix, disabled or not; null without one.';
revoke all on function ops_internal.latest_fix(uuid) from public, anon, authenticated, service_role;

create function ops_internal.require_secrets(p_names text []) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  missing text;
begin
  select names.name into missing
  from unnest(p_names) as names (name)
  where not exists (select from vault.decrypted_secrets as secrets where secrets.name = names.name)
  limit 1;
  if found then
    raise exception using
      errcode = 'PL026',
      message = format('Vault has no secret named %s', missing),
      hint = 'select vault.create_secret(value, name) as the database''s owner.';
  end if;
end
$$;

comment on function ops_internal.require_secrets(text []) is 'Raises PL026 where Vault lacks one of these secrets.';
revoke all on function ops_internal.require_secrets(text []) from public, anon, authenticated, service_role;

create function ops_internal.pin_fix(p_fix ops.pattern_fixes, p_person uuid) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  fix ops.pattern_fixes := p_fix;
  pattern ops.error_patterns;
begin
  if fix.mode is null or fix.mode not in ('live', 'shadow') then
    raise exception using
      errcode = 'PL022', message = format('%s is no mode', coalesce(fix.mode, 'null')), hint = 'Approve a fix as live or as shadow.';
  end if;
  -- Said now, and not by the first error that it was to heal.
  perform ops_internal.require_secrets(fix.secrets);
  fix.id := nextval('ops.pattern_fixes_id_seq');
  fix.version := coalesce((ops_internal.latest_fix(fix.pattern_id)).version, 0) + 1;
  fix.approved_by := p_person;
  fix.approved_at := clock_timestamp();
  fix.trusts_until := coalesce(fix.trusts_until, fix.approved_at);
  fix.mode_changed_at := fix.approved_at;
  fix.mode_changed_by := p_person;
  fix.is_on_probation := false;
  insert into ops.pattern_fixes select fix.*;

  update ops.error_patterns set
    auto_fix_enabled = true,
    auto_fix_script = fix.script,
    auto_fix_type = fix.fix_type,
    auto_fix_parameters = fix.parameters,
    human_approved = true,
    approved_by = p_person,
    approved_at = fix.approved_at,
    constitutional_compliant = true,
    constitutional_violations = null,
    confidence_lower_bound = null,
    confidence_outcomes = 0,
    consecutive_failures = 0
  where error_patterns.pattern_id = fix.pattern_id
  returning * into pattern;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'pattern_approved', 'info', 'Pattern approved for auto-fix: ' || pattern.pattern_signature, p_person,
    jsonb_build_object(
      'pattern_id', fix.pattern_id, 'approved_by', p_person, 'auto_fix_type', fix.fix_type, 'version', fix.version,
      'sha256', fix.sha256, 'mode', fix.mode, 'proposal_id', fix.proposal_id, 'proposed_by', fix.proposed_by
    )
  );
  return pattern;
end
$$;

comment on function ops_internal.pin_fix(ops.pattern_fixes, uuid) is
  'Stores a composed fix as the next version of its pattern''s, approved by this person; answers the pattern. Raises PL022 for another mode than live or shadow. Its caller has locked the pattern.';
revoke all on function ops_internal.pin_fix(ops.pattern_fixes, uuid) from public, anon, authenticated, service_role;

create function ops_internal.approve_pattern(p_pattern_id uuid, p_fix jsonb, p_approved_by uuid, p_mode text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  fix ops.pattern_fixes;
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
  fix := ops_internal.composed_fix(p_pattern_id, p_fix);
  fix.mode := p_mode;
  fix.proposed_by := person;

  pattern := ops_internal.lock_pattern(p_pattern_id);
  latest := ops_internal.latest_fix(p_pattern_id);
  if latest.version is not null and latest.disabled_at is null and latest.sha256 = fix.sha256 and latest.mode = p_mode then
    return to_jsonb(pattern);
  end if;
  perform ops_internal.require_no_live_fix(latest);
  return to_jsonb(ops_internal.pin_fix(fix, person));
end
$$;

comment on function ops_internal.approve_pattern(uuid, jsonb, uuid, text) is
  'The work of ops.approve_pattern_v1, with the rights that only it has.';
revoke all on function ops_internal.approve_pattern(uuid, jsonb, uuid, text) from public, anon, authenticated, service_role;
grant execute on function ops_internal.approve_pattern(uuid, jsonb, uuid, text) to authenticated, service_role;

create function ops.approve_pattern_v1(p_pattern_id uuid, p_fix jsonb, p_approved_by uuid, p_mode text default 'live') returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.approve_pattern(p_pattern_id, p_fix, p_approved_by, p_mode) $$;

comment on function ops.approve_pattern_v1(uuid, jsonb, uuid, text) is
  'Approves a fix for a pattern as its next version, live or as a shadow. For an ops_admin in person; the same fix twice changes nothing, another one raises PL003. What a fix is made of: see ops_internal.composed_fix.';
revoke all on function ops.approve_pattern_v1(uuid, jsonb, uuid, text) from public, anon, authenticated, service_role;
grant execute on function ops.approve_pattern_v1(uuid, jsonb, uuid, text) to authenticated, service_role;

create function ops_internal.enable_fix(p_pattern_id uuid, p_sha256 text, p_reason text, p_two_people boolean) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
  fix ops.pattern_fixes := ops_internal.latest_fix(p_pattern_id);
begin
  if fix.version is null or fix.disabled_at is not null then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no fix to enable',
      hint = 'Approve one. A disabled one needs a new approval.';
  end if;
  if fix.sha256 is distinct from p_sha256 then
    raise exception using
      errcode = 'PL006',
      message = 'that is not the fix that is approved',
      detail = format('Version %s has digest %s.', fix.version, fix.sha256),
      hint = 'Read it again, and send the digest of what you have read.';
  end if;
  if fix.mode = 'live' then
    return to_jsonb(pattern);
  end if;
  -- A shadow that another approved does not run yet: whoever has it run decides, too.
  if p_two_people and fix.proposed_by = person then
    raise exception using
      errcode = 'PL029',
      message = 'nobody puts his own fix in use here',
      hint = 'Ask another administrator to enable it.';
  end if;

  update ops.pattern_fixes set
    mode = 'live',
    mode_changed_at = clock_timestamp(),
    mode_changed_by = person,
    mode_reason = p_reason,
    is_on_probation = fix.mode = 'demoted'
  where pattern_fixes.id = fix.id;

  update ops.error_patterns set auto_fix_enabled = true, consecutive_failures = 0
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'fix_enabled', 'info', 'A fix runs by itself: ' || pattern.pattern_signature, person,
    jsonb_build_object(
      'pattern_id', p_pattern_id, 'version', fix.version, 'sha256', fix.sha256, 'former_mode', fix.mode, 'reason', p_reason
    )
  );
  return to_jsonb(pattern);
end
$$;

comment on function ops_internal.enable_fix(uuid, text, text, boolean) is 'The work of ops.enable_fix_v1, with the rights that only it has.';
revoke all on function ops_internal.enable_fix(uuid, text, text, boolean) from public, anon, authenticated, service_role;
grant execute on function ops_internal.enable_fix(uuid, text, text, boolean) to authenticated, service_role;

create function ops.enable_fix_v1(
  p_pattern_id uuid, p_sha256 text, p_reason text default null, p_two_people boolean default false
) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.enable_fix(p_pattern_id, p_sha256, p_reason, p_two_people) $$;

comment on function ops.enable_fix_v1(uuid, text, text, boolean) is
  'Makes a shadow live, or puts a demoted fix back in use, on probation: the bytes with this digest and no others. For an ops_admin in person.';
revoke all on function ops.enable_fix_v1(uuid, text, text, boolean) from public, anon, authenticated, service_role;
grant execute on function ops.enable_fix_v1(uuid, text, text, boolean) to authenticated, service_role;

create function ops_internal.switch_off(p_fix ops.pattern_fixes, p_person uuid, p_reason text) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  pattern ops.error_patterns;
begin
  update ops.pattern_fixes set
    disabled_by = p_person,
    disabled_at = clock_timestamp(),
    disabled_reason = p_reason
  where pattern_fixes.id = p_fix.id;

  update ops.error_patterns set auto_fix_enabled = false
  where error_patterns.pattern_id = p_fix.pattern_id
  returning * into pattern;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'pattern_disabled', case when p_person is null then 'warning' else 'info' end,
    'Auto-fix disabled: ' || pattern.pattern_signature, p_person,
    jsonb_build_object('pattern_id', p_fix.pattern_id, 'version', p_fix.version, 'reason', p_reason)
  );
  return pattern;
end
$$;

comment on function ops_internal.switch_off(ops.pattern_fixes, uuid, text) is
  'Disables a fix, by a person or, with null, by the engine; answers the pattern. Its caller has locked the pattern.';
revoke all on function ops_internal.switch_off(ops.pattern_fixes, uuid, text) from public, anon, authenticated, service_role;

create function ops_internal.disable_pattern(p_pattern_id uuid, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  fix ops.pattern_fixes;
begin
  perform ops_internal.lock_pattern(p_pattern_id);
  fix := ops_internal.latest_fix(p_pattern_id);
  if fix.version is null or fix.disabled_at is not null then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no enabled fix',
      hint = 'There is nothing to disable.';
  end if;
  return to_jsonb(ops_internal.switch_off(fix, person, p_reason));
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
