-- Guards: for which identifiers a fix was approved. One template can be the error of every table, so an approval pins the
-- identifiers that the errors named, as tuples: {"constraint": "orders_currency_check", "table": "orders"}.
--
-- A tuple admits an error if the error contradicts no value of the tuple and names its most specific one: the constraint;
-- else the column, and the table if the tuple has one; else one of the others. In a tuple "*" stands for any value.

create function ops_internal.has_most_specific(p_tuple jsonb, p_names text []) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_tuple ? 'constraint' then 'constraint' = any(p_names)
    when p_tuple ? 'column' then 'column' = any(p_names) and ('table' = any(p_names) or not p_tuple ? 'table')
    else cardinality(p_names) > 0
  end;
end
$$;

comment on function ops_internal.has_most_specific is
  'Whether the most specific name of a tuple is among these names, which are some of its own.';

create function ops_internal.guard_admits(p_guard jsonb, p_identifiers jsonb) returns boolean
language plpgsql
immutable
-- So that the planner asks this last.
cost 10000
set search_path = ''
as $$
begin
  -- Most errors name all that a tuple names. That is quickly found, so it is asked first.
  return p_guard is null or exists (
    select from jsonb_array_elements(p_guard) as tuples (tuple) where p_identifiers @> tuples.tuple
  ) or exists (
    select from jsonb_array_elements(p_guard) as tuples (tuple)
    cross join lateral (
      select array_agg(named.name) as names, bool_and(named.value in ('*', p_identifiers ->> named.name)) as agree
      from jsonb_each_text(tuples.tuple) as named (name, value)
      where p_identifiers ? named.name
    ) as held
    where held.agree and ops_internal.has_most_specific(tuples.tuple, held.names)
  );
end
$$;

comment on function ops_internal.guard_admits is
  'Whether a fix with this guard was approved for an error that names these identifiers. This alone decides, when a fix is searched, claimed, verified and previewed.';

create function ops_internal.undisputed(p_tuple jsonb, p_other jsonb) returns text []
language plpgsql
immutable
set search_path = ''
as $$
begin
  return array(
    select named.name
    from jsonb_each_text(p_tuple) as named (name, value)
    where coalesce(named.value in ('*', p_other ->> named.name) or p_other ->> named.name = '*', true)
  );
end
$$;

comment on function ops_internal.undisputed is 'The names of a tuple for which another tuple has no other value.';

create function ops_internal.guards_overlap(p_guard jsonb, p_other jsonb) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return p_guard is null or p_other is null or exists (
    select from jsonb_array_elements(p_guard) as tuples (tuple)
    cross join jsonb_array_elements(p_other) as others (tuple)
    where ops_internal.has_most_specific(tuples.tuple, ops_internal.undisputed(tuples.tuple, others.tuple))
      and ops_internal.has_most_specific(others.tuple, ops_internal.undisputed(others.tuple, tuples.tuple))
  );
end
$$;

comment on function ops_internal.guards_overlap is
  'Whether an error can name such identifiers that both guards admit it.';

-- Making a guard out of what was seen.

create function ops_internal.guarding(p_identifiers jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_object_agg(named.name, named.value), '{}')
    from jsonb_each_text(p_identifiers) as named (name, value)
    -- An object that is really called "*" must not stand for all.
    where named.name in ('constraint', 'table', 'column', 'function', 'role') and named.value <> '*'
  );
end
$$;

comment on function ops_internal.guarding is 'Those of the identifiers of an error by which a fix is guarded.';

create function ops_internal.latest_identifiers(p_pattern_id uuid, p_writers text [] default null)
returns table (identifiers jsonb, written_by text, occurrences bigint, last_seen timestamptz, system_log_id bigint)
language sql
stable
set search_path = ''
as $$
  select latest.identifiers, latest.written_by, count(*), max(latest.occurred_at), max(latest.system_log_id)
  from (
    select incidents.identifiers, writers.written_by, incidents.occurred_at, incidents.system_log_id
    from ops.pattern_incidents as incidents
    -- The log row decides, as it does for a run, and the incident where the row is gone.
    cross join lateral (
      select coalesce(
        (select logs.written_by from ops.system_logs as logs where logs.id = incidents.system_log_id), incidents.written_by
      ) as written_by
    ) as writers
    where incidents.pattern_id = p_pattern_id and (p_writers is null or writers.written_by = any(p_writers))
    order by incidents.occurred_at desc
    limit 1000
  ) as latest
  group by latest.identifiers, latest.written_by
$$;

comment on function ops_internal.latest_identifiers is
  'What the latest 1,000 errors of a pattern named, how often and when, by who wrote the log row; of all errors, or of those that these writers wrote.';

create function ops_internal.seen_tuples(p_pattern_id uuid, p_writers text []) returns jsonb
language sql
stable
set search_path = ''
as $$
  with trusted as materialized (
    select ops_internal.guarding(latest.identifiers) as tuple, latest.occurrences
    from ops_internal.latest_identifiers(p_pattern_id, p_writers) as latest
    where ops_internal.guarding(latest.identifiers) <> '{}'
  ),

  tuples as (
    select seen.tuple, sum(seen.occurrences) as occurrences
    from (
      select trusted.tuple, trusted.occurrences from trusted
      union all
      -- Anyone may write a log row. What only others wrote counts where the trusted writers have written nothing.
      select ops_internal.guarding(others.identifiers), others.occurrences
      from ops_internal.latest_identifiers(p_pattern_id) as others
      where not exists (select from trusted)
    ) as seen
    group by seen.tuple
  ),

  chosen as (
    select tuples.tuple
    from tuples
    where tuples.tuple <> '{}'
    order by tuples.occurrences desc, tuples.tuple
    limit 100
  )

  select coalesce(jsonb_agg(chosen.tuple), '[]') from chosen
$$;

comment on function ops_internal.seen_tuples is
  'The tuples that the latest errors of a pattern named in log rows of these writers, the 100 most frequent ones.';

create function ops_internal.made_guard(p_seen jsonb, p_when jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  chosen jsonb := '[{}]'::jsonb;
  listed record;
  open_names text [];
begin
  for listed in
    select named.name, named.value from jsonb_each(p_when) as named (name, value) where jsonb_typeof(named.value) = 'array'
  loop
    select jsonb_agg(tuples.tuple || jsonb_build_object(listed.name, elements.element)) into chosen
    from jsonb_array_elements(chosen) as tuples (tuple)
    cross join jsonb_array_elements(listed.value) as elements (element);
  end loop;
  open_names := array(select named.name from jsonb_each(p_when) as named (name, value) where named.value = '"*"');

  return (
    select jsonb_agg(distinct made.tuple)
    from jsonb_array_elements(chosen) as chosen (tuple)
    left join jsonb_array_elements(p_seen) as seen (tuple) on seen.tuple @> chosen.tuple
    cross join lateral (
      -- What was not seen gets the values of `when` alone.
      select coalesce(seen.tuple, chosen.tuple) || coalesce(jsonb_object_agg(names.name, '*'), '{}') as tuple
      from unnest(open_names) as names (name)
      where seen.tuple is null or seen.tuple ? names.name
    ) as made
    where made.tuple <> '{}'
  );
end
$$;

comment on function ops_internal.made_guard is
  'The guard out of the tuples that were seen and the parameter when: a list of values keeps the tuples with one of them, and adds those that no tuple has; "*" opens a name in every tuple that has it. Null where nothing was seen and nothing is given.';

create function ops_internal.with_guard(p_fix ops.pattern_fixes, p_guard jsonb) returns ops.pattern_fixes
language plpgsql
immutable
set search_path = ''
as $$
declare
  fix ops.pattern_fixes := p_fix;
begin
  fix.guard := p_guard;
  fix.sha256 := ops_internal.fix_digest(fix);
  return fix;
end
$$;

comment on function ops_internal.with_guard is 'A composed fix with this guard, and the digest that it then has.';

create function ops_internal.guarded(p_fix ops.pattern_fixes) returns ops.pattern_fixes
language sql
stable
set search_path = ''
as $$
  select ops_internal.with_guard(
    p_fix,
    ops_internal.made_guard(
      ops_internal.seen_tuples(p_fix.pattern_id, p_fix.trusted_writers), coalesce(p_fix.parameters -> 'when', '{}')
    )
  )
$$;

comment on function ops_internal.guarded is 'A composed fix with the guard that it gets if it is proposed or approved now.';

create function ops_internal.guard_coverage(p_pattern_id uuid, p_guard jsonb, p_writers text []) returns jsonb
language sql
stable
set search_path = ''
as $$
  with latest as (
    select
      stored.identifiers, sum(stored.occurrences) as occurrences, max(stored.last_seen) as last_seen,
      max(stored.system_log_id) as system_log_id, ops_internal.guard_admits(p_guard, stored.identifiers) as is_inside
    from ops_internal.latest_identifiers(p_pattern_id, p_writers) as stored
    group by stored.identifiers
  )

  select jsonb_build_object(
    'guard', p_guard,
    'incidents', coalesce(sum(latest.occurrences), 0),
    'outside', coalesce(sum(latest.occurrences) filter (where not latest.is_inside), 0),
    'samples', coalesce(
      (
        select jsonb_agg(to_jsonb(samples) - 'is_inside' order by samples.occurrences desc, samples.identifiers)
        from (
          select * from latest as others where not others.is_inside order by others.occurrences desc, others.identifiers limit 5
        ) as samples
      ),
      '[]'
    )
  )
  from latest
$$;

comment on function ops_internal.guard_coverage is
  'A guard, how many of the latest 1,000 errors of a pattern that these writers wrote are outside it, and five samples of what those name.';

-- Confirming identifiers for a fix that is approved already. A confirmation is kept beside the guard, which stays as it was
-- approved, and ends with the version.

create table ops.fix_confirmations (
  id bigserial primary key,
  pattern_id uuid not null,
  fix_version integer not null,
  identifiers jsonb not null,
  confirmed_by uuid not null,
  confirmed_at timestamptz not null default clock_timestamp(),
  foreign key (pattern_id, fix_version) references ops.pattern_fixes (pattern_id, version) on delete cascade
);

comment on table ops.fix_confirmations is
  'Identifiers that a person confirmed for a version of a fix after its approval: it runs for errors that name them, too.';
comment on column ops.fix_confirmations.id is 'Order of confirming.';
comment on column ops.fix_confirmations.pattern_id is 'The pattern of the fix.';
comment on column ops.fix_confirmations.fix_version is 'The version of the fix; another version needs its own confirmation.';
comment on column ops.fix_confirmations.identifiers is 'A tuple, as those of the guard.';
comment on column ops.fix_confirmations.confirmed_by is 'Who confirmed it. Kept after the account is deleted.';
comment on column ops.fix_confirmations.confirmed_at is 'When it was confirmed.';

-- The digest, because an index takes no value of more than some 2,700 bytes.
create unique index idx_fix_confirmations_once on ops.fix_confirmations (pattern_id, fix_version, md5(identifiers::text));

alter table ops.fix_confirmations enable row level security;

create policy "Operators read confirmed identifiers" on ops.fix_confirmations
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.whole_guard(p_pattern_id uuid, p_version integer, p_guard jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if p_guard is null then
    return null;
  end if;
  return p_guard || coalesce(
    (
      select jsonb_agg(confirmed.identifiers order by confirmed.id)
      from ops.fix_confirmations as confirmed
      where confirmed.pattern_id = p_pattern_id and confirmed.fix_version = p_version
    ),
    '[]'
  );
end
$$;

comment on function ops_internal.whole_guard is 'The guard of a fix with what was confirmed since; null for a fix without a guard.';

create function ops_internal.strangers(p_pattern_id uuid, p_version integer) returns integer []
language plpgsql
stable
set search_path = ''
as $$
begin
  return array(
    select others.version
    from ops.pattern_fixes as own
    inner join ops.pattern_fixes as others on others.pattern_id = own.pattern_id and others.version <> own.version
    where own.pattern_id = p_pattern_id and own.version = p_version and not ops_internal.guards_overlap(own.guard, others.guard)
  );
end
$$;

comment on function ops_internal.strangers is
  'The versions of the same pattern that are for other errors than this version. Those that are left, this one included, are one fix in the course of time.';

create function ops_internal.require_room(p_fix ops.pattern_fixes, p_guard jsonb) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  taken ops.pattern_fixes;
begin
  select fixes.* into taken
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_fix.pattern_id
    and fixes.version is distinct from p_fix.version
    and fixes.disabled_at is null
    and ops_internal.guards_overlap(ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard), p_guard)
  order by fixes.version
  limit 1;
  if found then
    raise exception using
      errcode = 'PL003',
      message = case
        when p_guard is null or taken.guard is null then 'another fix is approved for this pattern'
        else 'another fix is approved for some of the same errors'
      end,
      detail = format(
        'Version %s, %s, approved by %s at %s, for %s. This one would be for %s.',
        taken.version, taken.mode, taken.approved_by, taken.approved_at,
        coalesce(left(ops_internal.whole_guard(taken.pattern_id, taken.version, taken.guard)::text, 1000), 'all errors of the pattern'),
        coalesce(left(p_guard::text, 1000), 'all errors of the pattern')
      ),
      hint = concat(
        case
          when taken.mode = 'live' then 'POST /disable first, then approve the new version.'
          else 'POST /enable makes this version run; to approve another one, POST /disable this one first.'
        end,
        case
          when p_guard is not null and taken.guard is not null
            then ' Or narrow the new one by the parameter when, as in {"constraint": ["orders_pkey"]}.'
        end
      );
  end if;
end
$$;

comment on function ops_internal.require_room is
  'Raises PL003 where a fix of the pattern that is not disabled could run for errors that this guard admits, too.';

create function ops_internal.live_fix(p_pattern_id uuid, p_version integer, p_sha256 text) returns ops.pattern_fixes
language plpgsql
stable
set search_path = ''
as $$
declare
  fix ops.pattern_fixes;
  live bigint;
  listed text;
begin
  select count(*), string_agg(format('Version %s has digest %s.', fixes.version, fixes.sha256), ' ' order by fixes.version)
  into live, listed
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_pattern_id and fixes.disabled_at is null;
  if live = 0 then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no enabled fix',
      hint = 'Approve a fix; a disabled fix needs a new approval.';
  end if;
  if live > 1 and p_version is null and p_sha256 is null then
    raise exception using
      errcode = 'PL022',
      message = format('this pattern has %s fixes', live),
      detail = listed,
      hint = 'Send version or sha256 of the one that you mean.';
  end if;

  select * into fix
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_pattern_id
    and fixes.disabled_at is null
    and (p_version is null or fixes.version = p_version)
    and (p_sha256 is null or fixes.sha256 = p_sha256);
  if not found then
    raise exception using
      errcode = 'PL006',
      message = case when p_sha256 is null then 'this is no version' else 'the digest is not that' end || ' of an approved fix that is not disabled',
      detail = listed,
      hint = 'Read the fix again, and send the version or the digest of what you have read.';
  end if;
  return fix;
end
$$;

comment on function ops_internal.live_fix is
  'The fix of a pattern that is not disabled, or that of several which has this version or digest. Raises PL014 without any, PL022 where several have to be told apart, PL006 where none is the named one.';

create function ops_internal.require_tuples(p_tuples jsonb) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if jsonb_typeof(p_tuples) = 'array' and jsonb_array_length(p_tuples) between 1 and 50 and not exists (
    select from jsonb_array_elements(p_tuples) as tuples (tuple)
    where case
      when jsonb_typeof(tuples.tuple) <> 'object' or tuples.tuple = '{}' then true
      -- A name of no guard, "*" and a value that is no string do not come back unchanged.
      else tuples.tuple <> ops_internal.guarding(tuples.tuple) or exists (
        select from jsonb_each_text(tuples.tuple) as named (name, value) where length(named.value) not between 1 and 200
      )
    end
  ) then
    return;
  end if;
  raise exception using
    errcode = 'PL022',
    message = format('the identifiers are %s', coalesce(left(p_tuples::text, 1000), 'missing')),
    hint = 'Give a list of 1 to 50 tuples of constraint, table, column, function and role, as in [{"constraint": "orders_pkey", "table": "orders"}].';
end
$$;

comment on function ops_internal.require_tuples is 'Raises PL022 unless these are tuples that can be confirmed.';

create function ops_internal.confirm_identifiers(
  p_pattern_id uuid, p_identifiers jsonb, p_version integer, p_sha256 text
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  pattern constant ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
  fix constant ops.pattern_fixes := ops_internal.live_fix(p_pattern_id, p_version, p_sha256);
  tuple jsonb;
  confirmed jsonb := '[]'::jsonb;
begin
  perform ops_internal.require_tuples(p_identifiers);
  for tuple in select tuples.tuple from jsonb_array_elements(p_identifiers) as tuples (tuple) loop
    continue when ops_internal.guard_admits(ops_internal.whole_guard(fix.pattern_id, fix.version, fix.guard), tuple);
    perform ops_internal.require_room(fix, jsonb_build_array(tuple));
    insert into ops.fix_confirmations (pattern_id, fix_version, identifiers, confirmed_by)
    values (p_pattern_id, fix.version, tuple, person);
    confirmed := confirmed || jsonb_build_array(tuple);
  end loop;
  if jsonb_array_length(ops_internal.whole_guard(fix.pattern_id, fix.version, fix.guard)) > 500 then
    raise exception using
      errcode = 'PL022',
      message = 'the fix would have more than 500 tuples of identifiers',
      hint = 'Approve a new version with a wider when, such as {"table": "*"}.';
  end if;

  if confirmed <> '[]' then
    insert into ops.roman_events (event_type, severity, description, actor, metadata)
    values (
      'identifiers_confirmed', 'info', 'Identifiers confirmed for a fix of ' || pattern.pattern_signature, person,
      jsonb_build_object('pattern_id', p_pattern_id, 'version', fix.version, 'sha256', fix.sha256, 'identifiers', confirmed)
    );
  end if;
  return jsonb_build_object('pattern', to_jsonb(pattern), 'confirmed_identifiers', confirmed);
end
$$;

create function ops.confirm_identifiers_v1(
  p_pattern_id uuid, p_identifiers jsonb, p_version integer default null, p_sha256 text default null
) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.confirm_identifiers(p_pattern_id, p_identifiers, p_version, p_sha256) $$;

comment on function ops.confirm_identifiers_v1 is
  'Makes a fix run for errors with these identifiers too, which are outside its guard; of several fixes, the one with this version or digest. Raises PL003 where another fix is for them. For an ops_admin in person; answers the pattern, and the tuples that are new.';
