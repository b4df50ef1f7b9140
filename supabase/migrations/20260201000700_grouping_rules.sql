-- Grouping rules: an operator's own say in which errors are one pattern.

create table ops.grouping_rules (
  id bigserial primary key,
  rule_id uuid not null unique default gen_random_uuid(),
  name text not null constraint grouping_rules_name_fits check (length(name) between 1 and 100),
  expression text not null constraint grouping_rules_expression_fits check (length(expression) between 1 and 1000),
  conditions jsonb not null default '{}'
  constraint grouping_rules_conditions_object check (jsonb_typeof(conditions) = 'object'),
  fingerprint text not null
  constraint grouping_rules_fingerprint_fits check (fingerprint ~ '^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,98}$'),
  priority integer not null default 100 constraint grouping_rules_priority_in_bounds check (priority between 0 and 1000000),
  enabled boolean not null default true,
  created_by uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  changed_by uuid not null,
  changed_at timestamptz not null default clock_timestamp()
);

comment on table ops.grouping_rules is 'Rules of the operators: an error that matches goes to the pattern of the rule''s fingerprint. They hold for errors to come.';
comment on column ops.grouping_rules.id is 'Order of creation.';
comment on column ops.grouping_rules.rule_id is 'Stable id of the rule.';
comment on column ops.grouping_rules.name is 'For people; no two enabled rules share one.';
comment on column ops.grouping_rules.expression is 'RE2 expression that is looked for in the first 8,192 characters of a message.';
comment on column ops.grouping_rules.conditions is 'source, environment: only errors with exactly this one; min_severity: only errors at least as bad.';
comment on column ops.grouping_rules.fingerprint is 'What the errors have in common. Rules with one fingerprint share a pattern.';
comment on column ops.grouping_rules.priority is 'Of several rules that match, the one with the smallest number counts; the oldest where they are equal.';
comment on column ops.grouping_rules.enabled is 'Whether it is in use. Rules are kept for the record.';
comment on column ops.grouping_rules.created_by is 'Who made it. Kept after the person is gone.';
comment on column ops.grouping_rules.created_at is 'When.';
comment on column ops.grouping_rules.changed_by is 'Who changed or disabled it last.';
comment on column ops.grouping_rules.changed_at is 'When.';

create unique index idx_grouping_rules_name on ops.grouping_rules (name) where enabled;
-- The signatures that rules made, by their fingerprint.
create index idx_pattern_signatures_rule on ops.pattern_signatures (template) where algorithm like '%/rule';

alter table ops.grouping_rules enable row level security;

create policy "Operators read grouping rules" on ops.grouping_rules
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.grouping_rules from public, anon, authenticated, service_role;
revoke all on sequence ops.grouping_rules_id_seq from public, anon, authenticated, service_role;
grant select on table ops.grouping_rules to authenticated, service_role;

create function ops_internal.checked_rule(p_rule jsonb) returns ops.grouping_rules
language plpgsql
stable
set search_path = ''
as $$
declare
  rule ops.grouping_rules := jsonb_populate_record(
    null::ops.grouping_rules, p_rule - array['id', 'enabled', 'created_by', 'created_at', 'changed_by', 'changed_at']
  );
  wrong text;
begin
  rule.priority := coalesce(rule.priority, 100);
  rule.conditions := jsonb_strip_nulls(coalesce(rule.conditions, '{}'));
  perform ops_internal.refuse_if(
    rule.name is null or length(rule.name) not between 1 and 100,
    'PL019', 'the name has no character, or more than 100', 'Give the rule a short name.'
  );
  perform ops_internal.refuse_if(
    rule.expression is null or length(rule.expression) not between 1 and 1000,
    'PL019', 'the expression has no character, or more than 1000', 'Give a shorter expression.'
  );
  perform ops_internal.refuse_if(
    rule.fingerprint is null or rule.fingerprint !~ '^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,98}$',
    'PL019', format('the fingerprint is %s', coalesce(left(rule.fingerprint, 100), 'missing')),
    'Give up to 99 letters, digits, spaces, dots, colons, slashes, underscores and hyphens, a letter or a digit first.'
  );
  perform ops_internal.refuse_if(
    rule.priority not between 0 and 1000000, 'PL019', format('the priority is %s', rule.priority), 'Give a number from 0 to 1000000.'
  );
  perform ops_internal.refuse_if(
    jsonb_typeof(rule.conditions) <> 'object', 'PL019', 'the conditions are no object', 'Give source, environment or min_severity.'
  );
  select conditions.key into wrong
  from jsonb_each(rule.conditions) as conditions
  where conditions.key not in ('source', 'environment', 'min_severity')
    or jsonb_typeof(conditions.value) <> 'string'
    or (conditions.key = 'min_severity' and conditions.value #>> '{}' not in ('debug', 'info', 'warning', 'error', 'critical'))
  limit 1;
  perform ops_internal.refuse_if(
    wrong is not null, 'PL019', format('the condition %s is %s', wrong, rule.conditions -> wrong),
    'Conditions are source, environment and min_severity, each a text.'
  );
  return rule;
end
$$;

comment on function ops_internal.checked_rule(jsonb) is
  'A rule as it is stored, without the columns that are not its author''s. Raises PL019. That RE2 takes the expression, the engine checks.';

create function ops_internal.distrust_rules(p_fingerprints text []) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('pattern_engine.restores_trust', 'on', true);
  update ops.pattern_signatures set
    created_at = clock_timestamp(),
    confirmed_at = null,
    confirmed_by = null
  where pattern_signatures.algorithm like '%/rule'
    and pattern_signatures.template = any(array(select 'rule ' || names.fingerprint from unnest(p_fingerprints) as names (fingerprint)));
  perform set_config('pattern_engine.restores_trust', 'off', true);
end
$$;

comment on function ops_internal.distrust_rules(text []) is
  'Other errors may come to these fingerprints from now on: a fix approved before does not fire for them until an administrator confirms the signature.';

create function ops_internal.fingerprints_after(p_rule ops.grouping_rules) returns text []
language sql
stable
set search_path = ''
as $$
  select array(
    select distinct others.fingerprint
    from ops.grouping_rules as others
    where others.enabled and (others.priority, others.id) > (p_rule.priority, p_rule.id)
  )
$$;

comment on function ops_internal.fingerprints_after(ops.grouping_rules) is 'Fingerprints of the rules that get what this one no longer takes.';

create function ops_internal.save_rule(p_rule jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  most_enabled constant integer := 200;
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  given constant ops.grouping_rules := ops_internal.checked_rule(p_rule);
  former ops.grouping_rules;
  stored ops.grouping_rules;
begin
  lock table ops.grouping_rules in share row exclusive mode;
  select * into former from ops.grouping_rules where grouping_rules.rule_id = given.rule_id;
  if given.rule_id is not null and former.id is null then
    raise exception using
      errcode = 'PL023', message = format('there is no rule %s', given.rule_id), hint = 'Leave rule_id out to make a new one.';
  end if;
  perform ops_internal.refuse_if(
    exists (
      select from ops.grouping_rules as others
      where others.enabled and others.name = given.name and others.id is distinct from former.id
    ),
    'PL019', format('another enabled rule has the name %s', given.name), 'Give it another name, or send the rule_id of that one.'
  );
  perform ops_internal.refuse_if(
    (select count(*) from ops.grouping_rules as others where others.enabled and others.id is distinct from former.id) >= most_enabled,
    'PL019', format('there are %s enabled rules', most_enabled), 'Disable one that is no longer needed.'
  );
  if former.enabled and (former.name, former.expression, former.conditions, former.fingerprint, former.priority)
    = (given.name, given.expression, given.conditions, given.fingerprint, given.priority) then
    return to_jsonb(former);
  end if;

  if former.enabled then
    perform ops_internal.distrust_rules(ops_internal.fingerprints_after(former));
  end if;
  if former.id is null then
    insert into ops.grouping_rules (name, expression, conditions, fingerprint, priority, created_by, changed_by)
    values (given.name, given.expression, given.conditions, given.fingerprint, given.priority, person, person)
    returning * into stored;
  else
    update ops.grouping_rules set
      name = given.name, expression = given.expression, conditions = given.conditions, fingerprint = given.fingerprint,
      priority = given.priority, enabled = true, changed_by = person, changed_at = clock_timestamp()
    where grouping_rules.id = former.id
    returning * into stored;
  end if;
  perform ops_internal.distrust_rules(array[stored.fingerprint]);

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'grouping_rule_saved', 'info', 'Grouping rule saved: ' || stored.name, person,
    jsonb_build_object('rule_id', stored.rule_id, 'rule', to_jsonb(stored), 'before', case when former.id is not null then to_jsonb(former) end)
  );
  return to_jsonb(stored);
end
$$;

comment on function ops_internal.save_rule(jsonb) is 'The work of ops.save_grouping_rule_v1, with the rights that only it has.';

create function ops_internal.disable_rule(p_rule_id uuid, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  rule ops.grouping_rules;
begin
  lock table ops.grouping_rules in share row exclusive mode;
  select * into rule from ops.grouping_rules where grouping_rules.rule_id = p_rule_id;
  if not found then
    raise exception using
      errcode = 'PL023', message = format('there is no rule %s', p_rule_id), hint = 'Ask POST /rules with action list for those that there are.';
  end if;
  if not rule.enabled then
    return to_jsonb(rule);
  end if;
  perform ops_internal.distrust_rules(ops_internal.fingerprints_after(rule));
  update ops.grouping_rules set enabled = false, changed_by = person, changed_at = clock_timestamp()
  where grouping_rules.id = rule.id
  returning * into rule;
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'grouping_rule_disabled', 'info', 'Grouping rule disabled: ' || rule.name, person,
    jsonb_build_object('rule_id', rule.rule_id, 'name', rule.name, 'reason', p_reason)
  );
  return to_jsonb(rule);
end
$$;

comment on function ops_internal.disable_rule(uuid, text) is 'The work of ops.disable_grouping_rule_v1, with the rights that only it has.';

create function ops_internal.grouping_rules(p_disabled_too boolean) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    select coalesce(jsonb_agg(to_jsonb(rules) order by rules.priority, rules.id), '[]')
    from ops.grouping_rules as rules
    where rules.enabled or p_disabled_too
  );
end
$$;

comment on function ops_internal.grouping_rules(boolean) is 'The work of ops.grouping_rules_v1, with the rights that only it has.';

create function ops_internal.stored_errors(p_most integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_admin']);
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'system_log_id', logs.id,
          'message', left(logs.message, 8192),
          'source', logs.source,
          'environment', logs.environment,
          'severity', logs.log_level,
          'signature', latest.signature,
          'pattern_id', latest.pattern_id,
          'pattern_signature', patterns.pattern_signature,
          'template', patterns.metadata ->> 'template',
          'has_live_fix', ops_internal.has_live_fix(patterns.pattern_id)
        )
        order by latest.id desc
      ),
      '[]'
    )
    from (
      select incidents.id, incidents.system_log_id, incidents.signature, incidents.pattern_id
      from ops.pattern_incidents as incidents
      where incidents.system_log_id is not null
      order by incidents.id desc
      limit least(greatest(p_most, 1), 5000)
    ) as latest
    inner join ops.system_logs as logs on logs.id = latest.system_log_id
    inner join ops.error_patterns as patterns on patterns.pattern_id = latest.pattern_id
  );
end
$$;

comment on function ops_internal.stored_errors(integer) is 'The work of ops.stored_errors_v1, with the rights that only it has.';

create function ops.save_grouping_rule_v1(p_rule jsonb) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.save_rule(p_rule) $$;

comment on function ops.save_grouping_rule_v1(jsonb) is
  'Makes a grouping rule, or changes the one whose rule_id is given; for errors to come. For an ops_admin in person. Raises PL019, PL023.';

create function ops.disable_grouping_rule_v1(p_rule_id uuid, p_reason text default null) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.disable_rule(p_rule_id, p_reason) $$;

comment on function ops.disable_grouping_rule_v1(uuid, text) is 'Takes a grouping rule out of use. For an ops_admin in person. Raises PL023.';

create function ops.grouping_rules_v1(p_disabled_too boolean default false) returns jsonb
language sql
stable
set search_path = ''
as $$ select ops_internal.grouping_rules(p_disabled_too) $$;

comment on function ops.grouping_rules_v1(boolean) is 'The grouping rules in the order in which they are tried. For operators and the engine.';

create function ops.stored_errors_v1(p_most integer default 1000) returns jsonb
language sql
stable
set search_path = ''
as $$ select ops_internal.stored_errors(p_most) $$;

comment on function ops.stored_errors_v1(integer) is
  'The latest errors that were counted, at most 5,000, with their patterns: what a rule is tried on before it is saved. For an ops_admin.';

revoke all on function
  ops_internal.checked_rule(jsonb),
  ops_internal.distrust_rules(text []),
  ops_internal.fingerprints_after(ops.grouping_rules),
  ops_internal.save_rule(jsonb),
  ops_internal.disable_rule(uuid, text),
  ops_internal.grouping_rules(boolean),
  ops_internal.stored_errors(integer),
  ops.save_grouping_rule_v1(jsonb),
  ops.disable_grouping_rule_v1(uuid, text),
  ops.grouping_rules_v1(boolean),
  ops.stored_errors_v1(integer)
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.save_rule(jsonb),
  ops_internal.disable_rule(uuid, text),
  ops_internal.grouping_rules(boolean),
  ops_internal.stored_errors(integer),
  ops.save_grouping_rule_v1(jsonb),
  ops.disable_grouping_rule_v1(uuid, text),
  ops.grouping_rules_v1(boolean),
  ops.stored_errors_v1(integer)
to authenticated, service_role;
