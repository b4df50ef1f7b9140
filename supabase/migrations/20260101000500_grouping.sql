-- How errors are grouped into patterns: signatures, the locks of those that add or move them, and the operators' rules.
--
-- Two templates are alike if one is the other with one more variable (see grouping/v2/leaf.py). So a signature is kept with
-- the signatures of its template's wider forms, and finding similar templates in both directions is an index look-up. So is
-- finding those with the same wider form: five different words in one place are evidence of a variable too.

create table ops.pattern_signatures (
  signature text primary key,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  algorithm text not null,
  template text not null,
  leaf text,
  wider text [],
  created_at timestamptz not null default now(),
  confirmed_at timestamptz,
  confirmed_by uuid references auth.users (id) on delete set null,
  refused_at timestamptz,
  constraint pattern_signatures_confirmed_by_someone check (confirmed_by is null or confirmed_at is not null)
);

comment on table ops.pattern_signatures is
  'Signatures lead to patterns, many to one: a better algorithm, a merge or a generalised template adds signatures, and the pattern stays.';
comment on column ops.pattern_signatures.signature is 'pattern_ and a digest of the normalised message and the algorithm''s name.';
comment on column ops.pattern_signatures.pattern_id is 'The pattern that it leads to.';
comment on column ops.pattern_signatures.algorithm is 'The grouping algorithm that made it, as grouping/v1.';
comment on column ops.pattern_signatures.template is 'The normalised message that it is the digest of.';
comment on column ops.pattern_signatures.leaf is
  'A key that all similar templates share: the number of words and the first word. Null if no template is similar to this one: older algorithms, stack traces, rules, fingerprints.';
comment on column ops.pattern_signatures.wider is
  'Signatures of the templates that have one more variable than this one. Two signatures are alike if one is among the wider ones of the other, or if five have the same wider one.';
comment on column ops.pattern_signatures.created_at is
  'When the signature came to this pattern. A fix runs only for signatures that existed when it was proposed or approved.';
comment on column ops.pattern_signatures.confirmed_at is
  'When a person confirmed that the fix of the pattern is meant for this signature too, although the signature came after the approval.';
comment on column ops.pattern_signatures.confirmed_by is 'Who confirmed the signature.';
comment on column ops.pattern_signatures.refused_at is 'When an event last recorded that a fix did not run for this signature.';

create index idx_pattern_signatures_pattern on ops.pattern_signatures (pattern_id);
-- For operators, who search similar templates. An entry of the index holds up to three bytes for each character, and a page 8,191.
create index idx_pattern_signatures_trigram on ops.pattern_signatures
  using gist (left(template, 1000) extensions.gist_trgm_ops (siglen = 64));
create index idx_pattern_signatures_words on ops.pattern_signatures using gin (to_tsvector('simple', left(template, 1000)));
-- Those that a fix was not run for; the inbox asks to confirm them.
create index idx_pattern_signatures_refused on ops.pattern_signatures (refused_at desc) where refused_at is not null and confirmed_at is null;
-- Without fastupdate: each search for similar templates would have to read the whole list of pending entries.
create index idx_pattern_signatures_wider on ops.pattern_signatures using gin (wider) with (fastupdate = off);
create index idx_pattern_signatures_confirmed_by on ops.pattern_signatures (confirmed_by);
-- The signatures that rules made, by their fingerprint.
create index idx_pattern_signatures_rule on ops.pattern_signatures (template) where algorithm like '%/rule';
-- Whether there are signatures of the older algorithm; empty in a database that it never wrote to.
create index idx_pattern_signatures_v1 on ops.pattern_signatures (signature) where algorithm = 'grouping/v1';

alter table ops.pattern_signatures enable row level security;

create policy "Operators read signatures" on ops.pattern_signatures
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.stamp_signature() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- Undoing a merge or a split puts back what was trusted before. The setting alone is not enough, since anyone may set it: only
  -- the functions that people call run as the owner of the table.
  if current_setting('pattern_engine.restores_trust', true) = 'on'
    and current_user = (select pg_get_userbyid(classes.relowner) from pg_catalog.pg_class as classes where classes.oid = tg_relid)
  then
    return new;
  end if;
  if tg_op = 'UPDATE' and new.pattern_id = old.pattern_id then
    new.created_at := old.created_at;
  else
    new.created_at := clock_timestamp();
    -- A confirmation is for the fix of one pattern.
    new.confirmed_at := null;
    new.confirmed_by := null;
  end if;
  return new;
end
$$;

comment on function ops_internal.stamp_signature is
  'Sets the time at which a signature was added to its pattern and removes its confirmation; values that the writer sends are ignored. A fix does not run for signatures that were added after its approval. Undoing a merge or a split restores the former values.';

create trigger stamp_signature before insert or update on ops.pattern_signatures
  for each row execute function ops_internal.stamp_signature();

-- Locks. Workers that learn known errors run side by side. Those that make patterns wait for each other only where their
-- templates may be alike. Those that move signatures or incidents to another pattern wait until nobody learns.

create function ops_internal.learning_lock_class() returns integer
language sql
immutable
set search_path = ''
as $$ select 7831619 $$;

comment on function ops_internal.learning_lock_class is
  'First half of the keys of the advisory locks of learning; the second half is 0 for all learning, and 1 to 64 for templates that may be similar.';

create function ops_internal.leaf_lock(p_leaf text) returns integer
language sql
immutable
set search_path = ''
as $$ select 1 + (hashtext(p_leaf) & 63) $$;

comment on function ops_internal.leaf_lock is
  'Second half of the advisory lock of a leaf. Few enough that a large batch does not use up the server''s locks.';

create function ops_internal.lock_learning() returns void
language sql
set search_path = ''
as $$ select pg_advisory_xact_lock(ops_internal.learning_lock_class(), 0) $$;

comment on function ops_internal.lock_learning is
  'Waits until no transaction learns, and keeps learning locked until the end of the transaction. Every function that moves signatures or incidents to another pattern calls it before it locks a row.';

create function ops_internal.lock_leaves(p_errors jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  lock integer;
begin
  for lock in
    -- An error without a leaf is alike to nothing, but two workers may make the same signature.
    select distinct ops_internal.leaf_lock(coalesce(errors.leaf, errors.signature)) as leaf_lock
    from jsonb_to_recordset(p_errors) as errors (signature text, leaf text)
    order by leaf_lock
  loop
    perform pg_advisory_xact_lock(ops_internal.learning_lock_class(), lock);
  end loop;
end
$$;

comment on function ops_internal.lock_leaves is
  'Locks the creation of signatures that may be similar to those of these errors. Every caller takes the locks in the same order.';

-- Grouping rules: operators decide which errors are one pattern.

create table ops.grouping_rules (
  id bigserial primary key,
  rule_id uuid not null unique default gen_random_uuid(),
  name text not null constraint grouping_rules_name_fits check (length(name) between 1 and 100),
  expression text not null constraint grouping_rules_expression_fits check (length(expression) between 1 and 1000),
  conditions jsonb not null default '{}'
  constraint grouping_rules_conditions_object check (jsonb_typeof(conditions) = 'object'),
  target uuid references ops.error_patterns (pattern_id) on delete set null,
  fingerprint text not null
  constraint grouping_rules_fingerprint_fits check (fingerprint ~ '^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,98}$'),
  priority integer not null default 100 constraint grouping_rules_priority_in_bounds check (priority between 0 and 1000000),
  enabled boolean not null default true,
  created_by uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  changed_by uuid not null,
  changed_at timestamptz not null default clock_timestamp(),
  constraint grouping_rules_enabled_with_its_target check (not enabled or target is not null or fingerprint not like 'pattern/%')
);

comment on table ops.grouping_rules is
  'Rules of the operators: an error that matches goes to the pattern of the fingerprint of the rule. A rule applies to errors that are learned after it was saved.';
comment on column ops.grouping_rules.id is 'Order of creation.';
comment on column ops.grouping_rules.rule_id is 'Stable id of the rule.';
comment on column ops.grouping_rules.name is 'For people; no two enabled rules share one.';
comment on column ops.grouping_rules.expression is 'RE2 expression that is looked for in the first 8,192 characters of a message.';
comment on column ops.grouping_rules.conditions is
  'source, environment: only errors with exactly this one; min_severity: only errors at least as bad.';
comment on column ops.grouping_rules.target is
  'The existing pattern that the errors go to, if the rule names one. Its fingerprint is then pattern/ and this id.';
comment on column ops.grouping_rules.fingerprint is
  'What the errors have in common. Rules with one fingerprint share a pattern. pattern/… is kept for rules with a target.';
comment on column ops.grouping_rules.priority is
  'If several rules match, the one with the smallest number applies; of equal ones, the oldest.';
comment on column ops.grouping_rules.enabled is 'Whether the rule is used. Disabled rules are kept for the record.';
comment on column ops.grouping_rules.created_by is 'Who made the rule. Kept after the account is deleted.';
comment on column ops.grouping_rules.created_at is 'When the rule was made.';
comment on column ops.grouping_rules.changed_by is 'Who last changed or disabled the rule.';
comment on column ops.grouping_rules.changed_at is 'When the rule was last changed or disabled.';

create unique index idx_grouping_rules_name on ops.grouping_rules (name) where enabled;
create index idx_grouping_rules_target on ops.grouping_rules (target);

alter table ops.grouping_rules enable row level security;

create policy "Operators read grouping rules" on ops.grouping_rules
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.disable_without_target() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.enabled := false;
  new.changed_at := clock_timestamp();
  insert into ops.roman_events (event_type, severity, description, metadata)
  values (
    'grouping_rule_disabled', 'warning', 'Grouping rule disabled, because its pattern was deleted: ' || new.name,
    jsonb_build_object('rule_id', new.rule_id, 'name', new.name, 'target', old.target)
  );
  return new;
end
$$;

comment on function ops_internal.disable_without_target is
  'Takes a rule out of use when the pattern that it names is deleted; the rule is kept for the record.';

create trigger disable_without_target before update of target on ops.grouping_rules
  for each row
  when (new.target is null and old.target is not null and old.enabled and new.fingerprint = old.fingerprint)
  execute function ops_internal.disable_without_target();

create function ops_internal.rule_signature(p_fingerprint text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  digits constant text := '0123456789abcdefghijklmnopqrstuvwxyz';
  digest constant bytea := sha256(convert_to(E'grouping/v2/rule\nrule ' || p_fingerprint, 'UTF8'));
  number numeric := 0.0;
  answer text := '';
begin
  for place in 0..7 loop
    number := number * 256.0 + get_byte(digest, place);
  end loop;
  while number > 0 loop
    answer := substr(digits, 1 + mod(number, 36.0)::integer, 1) || answer;
    number := div(number, 36.0);
  end loop;
  return 'pattern_' || coalesce(nullif(answer, ''), '0');
end
$$;

comment on function ops_internal.rule_signature is
  'The signature that the errors of a rule with this fingerprint have; the same as grouping.signature_of computes.';

create function ops_internal.lead_to_target(p_rule ops.grouping_rules) returns void
language plpgsql
set search_path = ''
as $$
declare
  own constant text := ops_internal.rule_signature(p_rule.fingerprint);
  leads_to uuid;
begin
  insert into ops.pattern_signatures (signature, pattern_id, algorithm, template)
  values (own, p_rule.target, 'grouping/v2/rule', 'rule ' || p_rule.fingerprint)
  on conflict (signature) do nothing;
  select signatures.pattern_id into leads_to from ops.pattern_signatures as signatures where signatures.signature = own;
  perform ops_internal.refuse_if(
    leads_to <> p_rule.target, 'PL019', format('the errors of rules for this pattern were moved to pattern %s', leads_to),
    'Name that pattern as the target, or undo the split or merge that moved them.'
  );
end
$$;

comment on function ops_internal.lead_to_target is
  'Has the signature of a rule lead to the pattern that the rule names. From then on it moves with merges and splits as other signatures do. The caller holds the pattern; raises PL019.';

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
  if rule.fingerprint = 'pattern/' || rule.target then
    rule.fingerprint := null;  -- The rule comes back as it was listed.
  end if;
  perform ops_internal.refuse_if(
    (rule.target is null) = (rule.fingerprint is null), 'PL019', 'the rule needs either a fingerprint or a target',
    'Give a fingerprint, or the pattern_id of an existing pattern as the target.'
  );
  perform ops_internal.refuse_if(
    rule.fingerprint like 'pattern/%', 'PL019', format('the fingerprint is %s', left(rule.fingerprint, 100)),
    'Fingerprints that begin with pattern/ are made for rules with a target; give the target instead.'
  );
  rule.fingerprint := coalesce(rule.fingerprint, 'pattern/' || rule.target);
  perform ops_internal.refuse_if(
    rule.name is null or length(rule.name) not between 1 and 100,
    'PL019', 'the name is empty or longer than 100 characters', 'Give the rule a short name.'
  );
  perform ops_internal.refuse_if(
    rule.expression is null or length(rule.expression) not between 1 and 1000,
    'PL019', 'the expression is empty or longer than 1000 characters', 'Give a shorter expression.'
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
    jsonb_typeof(rule.conditions) <> 'object', 'PL019', 'the conditions are not a JSON object', 'Give source, environment or min_severity.'
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

comment on function ops_internal.checked_rule is
  'A rule as it is stored, without the columns that its author may not set. Raises PL019. The engine checks whether RE2 accepts the expression.';

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

comment on function ops_internal.distrust_rules is
  'Other errors may come to these fingerprints from now on, so a fix approved before does not run for them until an administrator confirms the signature.';

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

comment on function ops_internal.fingerprints_after is
  'Fingerprints of the enabled rules that are tried after this one: they get the errors that it no longer takes.';

create function ops_internal.save_grouping_rule(p_rule jsonb) returns jsonb
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
  is_new_target boolean;
begin
  if given.target is not null then
    -- Nobody may make the signature as a new pattern meanwhile, nor merge the target.
    perform ops_internal.lock_learning();
  end if;
  lock table ops.grouping_rules in share row exclusive mode;
  select * into former from ops.grouping_rules where grouping_rules.rule_id = given.rule_id;
  if given.rule_id is not null and former.id is null then
    raise exception using
      errcode = 'PL023', message = format('there is no rule %s', given.rule_id), hint = 'Leave rule_id out to create a new rule, or POST /rules with the action list to read the rules.';
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

  is_new_target := given.target is not null and given.target is distinct from former.target;
  if is_new_target then
    perform ops_internal.lock_pattern(given.target);
  end if;
  if former.enabled then
    perform ops_internal.distrust_rules(ops_internal.fingerprints_after(former));
  end if;
  if former.id is null then
    insert into ops.grouping_rules (name, expression, conditions, target, fingerprint, priority, created_by, changed_by)
    values (given.name, given.expression, given.conditions, given.target, given.fingerprint, given.priority, person, person)
    returning * into stored;
  else
    update ops.grouping_rules set
      name = given.name, expression = given.expression, conditions = given.conditions, target = given.target,
      fingerprint = given.fingerprint,
      priority = given.priority, enabled = true, changed_by = person, changed_at = clock_timestamp()
    where grouping_rules.id = former.id
    returning * into stored;
  end if;
  perform ops_internal.distrust_rules(array[stored.fingerprint]);
  if is_new_target then
    perform ops_internal.lead_to_target(stored);
  end if;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'grouping_rule_saved', 'info', 'Grouping rule saved: ' || stored.name, person,
    jsonb_build_object('rule_id', stored.rule_id, 'rule', to_jsonb(stored), 'before', case when former.id is not null then to_jsonb(former) end)
  );
  return to_jsonb(stored);
end
$$;

create function ops.save_grouping_rule_v1(p_rule jsonb) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.save_grouping_rule(p_rule) $$;

comment on function ops.save_grouping_rule_v1 is
  'Makes a grouping rule, or changes the one whose rule_id is given; for errors to come. For an ops_admin in person. Raises PL019, PL023, and for the target PL002 and PL020.';

create function ops_internal.disable_grouping_rule(p_rule_id uuid, p_reason text) returns jsonb
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
      errcode = 'PL023', message = format('there is no rule %s', p_rule_id), hint = 'POST /rules with the action list to read the rules.';
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

create function ops.disable_grouping_rule_v1(p_rule_id uuid, p_reason text default null) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.disable_grouping_rule(p_rule_id, p_reason) $$;

comment on function ops.disable_grouping_rule_v1 is 'Takes a grouping rule out of use. For an ops_admin in person. Raises PL023.';

create function ops_internal.grouping_rules(p_disabled_too boolean) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    select coalesce(
      jsonb_agg(to_jsonb(rules) || jsonb_build_object('leads_to', own.pattern_id) order by rules.priority, rules.id), '[]'
    )
    from ops.grouping_rules as rules
    left join lateral (
      select signatures.pattern_id
      from ops.pattern_signatures as signatures
      where signatures.algorithm like '%/rule' and signatures.template = 'rule ' || rules.fingerprint
      order by signatures.created_at desc
      limit 1
    ) as own on true
    where rules.enabled or p_disabled_too
  );
end
$$;

create function ops.grouping_rules_v1(p_disabled_too boolean default false) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.grouping_rules(p_disabled_too) $$;

comment on function ops.grouping_rules_v1 is
  'The grouping rules in the order in which they are tried, each with the pattern that its errors lead to now. For operators and the engine.';

create function ops.read_grouping_v1() returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select ops_internal.require_engine();

  select jsonb_build_object(
    'rules', ops_internal.grouping_rules(false),
    'older_algorithms', to_jsonb(array(
      select 'grouping/v1' where exists (select from ops.pattern_signatures as signatures where signatures.algorithm = 'grouping/v1')
    ))
  )
$$;

comment on function ops.read_grouping_v1 is
  'What decides on the pattern of an error beside its text: the enabled rules, and the older algorithms of which there are signatures. For the engine, which reads it once in a while.';

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
          'source', left(logs.source, 1000),
          'environment', left(logs.environment, 200),
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

create function ops.stored_errors_v1(p_most integer default 1000) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.stored_errors(p_most) $$;

comment on function ops.stored_errors_v1 is
  'The latest errors that were counted, at most 5,000, with their patterns: what a rule is tried on before it is saved. For an ops_admin.';
