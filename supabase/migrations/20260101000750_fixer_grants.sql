-- What SQL fixes may touch: the tables that the owner of the database granted to ops_fixer, and what was shown to come with
-- each of them. PostgreSQL decides what the role may name; what else a statement reaches (by foreign keys, triggers, rules,
-- partitions, functions, rights of PUBLIC) is compared with this record after each run, before anything of it is kept.

create table ops.fixer_grants (
  table_name text primary key,
  privileges text [] not null
  constraint fixer_grants_privileges_known
  check (privileges <@ array['select', 'insert', 'update', 'delete'] and cardinality(privileges) > 0),
  reaches jsonb not null constraint fixer_grants_reaches_list check (jsonb_typeof(reaches) = 'array'),
  granted_by text not null default session_user,
  granted_at timestamptz not null default clock_timestamp()
);

comment on table ops.fixer_grants is
  'The tables that SQL fixes may touch, as the owner of the database granted them with pattern-engine fixer grant. Nobody else writes it.';
comment on column ops.fixer_grants.table_name is 'The table, with its schema, quoted where SQL needs it.';
comment on column ops.fixer_grants.privileges is 'What fixes may do with the table: select, insert, update, delete.';
comment on column ops.fixer_grants.reaches is
  'What comes with it, as it was shown: a list of table, operation (any for a table that was named with --reaches) and via. The table is null where only a function is known.';
comment on column ops.fixer_grants.granted_by is 'The database role that granted it.';
comment on column ops.fixer_grants.granted_at is 'When it was granted.';

alter table ops.fixer_grants enable row level security;

create policy "Operators read what fixes may touch" on ops.fixer_grants
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.is_system_schema(p_schema oid) returns boolean
language sql
stable
set search_path = ''
as $$
  select namespaces.nspname = 'information_schema' or namespaces.nspname like 'pg\_%'
  from pg_catalog.pg_namespace as namespaces
  where namespaces.oid = p_schema
$$;

comment on function ops_internal.is_system_schema is 'Whether a schema belongs to PostgreSQL itself.';

create function ops_internal.class_name(p_class oid) returns text
language sql
stable
set search_path = ''
as $$
  select format('%I.%I', namespaces.nspname, classes.relname)
  from pg_catalog.pg_class as classes
  inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
  where classes.oid = p_class
$$;

comment on function ops_internal.class_name is 'The name of a table with its schema, quoted where SQL needs it.';

create function ops_internal.reached_by_function(p_function oid)
returns table (class oid, function oid, operation text, via text)
language sql
stable
set search_path = ''
as $$
  with source as (
    select
      functions.oid, functions.pronamespace as schema, format('function %s', functions.oid::regprocedure) as via,
      lower(
        regexp_replace(
          regexp_replace(pg_catalog.pg_get_functiondef(functions.oid), '/\*.*?\*/', ' ', 'g'), '--[^\n]*', ' ', 'g'
        )
      ) as text
    from pg_catalog.pg_proc as functions
    where functions.oid = p_function
      and functions.prokind in ('f', 'p')
      and not ops_internal.is_system_schema(functions.pronamespace)
  ),

  named as (
    select
      source.schema, source.via, source.text like '%on conflict%' as may_update, found.parts[1] as verb,
      array(select trim(both '"' from part) from unnest(regexp_split_to_array(found.parts[2], '\s*\.\s*')) as part) as names
    from source
    cross join lateral regexp_matches(
      source.text,
      '\m(insert\s+into|merge\s+into|update|delete\s+from|from|join|using|table)\s+(?:only\s+)?'
      || '((?:"[^"]+"|[a-z_][a-z0-9_$]*)(?:\s*\.\s*(?:"[^"]+"|[a-z_][a-z0-9_$]*))?)',
      'g'
    ) as found (parts)
  ),

  tables as (
    select classes.oid, named.verb, named.may_update, named.via
    from named
    inner join pg_catalog.pg_class as classes
      on classes.relname = named.names[cardinality(named.names)] and classes.relkind in ('r', 'p', 'v', 'm', 'f')
    inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
    where not ops_internal.is_system_schema(namespaces.oid)
      and case
        when cardinality(named.names) = 2 then namespaces.nspname = named.names[1]
        else namespaces.nspname = 'public' or namespaces.oid = named.schema
      end
  )

  select distinct tables.oid, null::oid, operations.operation, tables.via
  from tables
  cross join lateral unnest(
    case
      when tables.verb like 'insert%' and tables.may_update then array['insert', 'update']
      when tables.verb like 'insert%' then array['insert']
      when tables.verb like 'merge%' then array['insert', 'update', 'delete']
      when tables.verb like 'update%' then array['update']
      when tables.verb like 'delete%' then array['delete']
      else array['select']
    end
  ) as operations (operation)
  union
  select null::oid, called.oid, null, source.via
  from source
  inner join pg_catalog.pg_proc as called
    on called.oid <> source.oid
    and not ops_internal.is_system_schema(called.pronamespace)
    and source.text ~ ('\m' || regexp_replace(lower(called.proname), '([^a-z0-9_])', '\\\1', 'g') || '"?\s*\(')
$$;

comment on function ops_internal.reached_by_function is
  'The tables that the source of a function names, with what it does to them, and the functions that it calls. What it puts together as text at run time is not seen.';

create function ops_internal.functions_of_table(p_class oid, p_operation text)
returns table (function oid, via text)
language sql
stable
set search_path = ''
as $$
  with written as (select p_operation <> 'select' as is_so),

  objects as (
    select 'pg_catalog.pg_attrdef'::regclass as class, defaults.oid, 'a default or generated column' as via
    from pg_catalog.pg_attrdef as defaults, written
    where defaults.adrelid = p_class and written.is_so
    union all
    select 'pg_catalog.pg_constraint'::regclass, constraints.oid, format('constraint %I', constraints.conname)
    from pg_catalog.pg_constraint as constraints, written
    where constraints.conrelid = p_class and written.is_so
    union all
    select 'pg_catalog.pg_class'::regclass, indexes.indexrelid, format('index %s', indexes.indexrelid::regclass)
    from pg_catalog.pg_index as indexes, written
    where indexes.indrelid = p_class and written.is_so
    union all
    select 'pg_catalog.pg_policy'::regclass, policies.oid, format('policy %I', policies.polname)
    from pg_catalog.pg_policy as policies
    where policies.polrelid = p_class and policies.polroles && array[0, 'ops_fixer'::regrole::oid]
    union all
    select 'pg_catalog.pg_constraint'::regclass, checks.oid, format('domain %s', checks.contypid::regtype)
    from pg_catalog.pg_attribute as columns
    inner join pg_catalog.pg_constraint as checks on checks.contypid = columns.atttypid, written
    where columns.attrelid = p_class and columns.attnum > 0 and not columns.attisdropped and written.is_so
  )

  select needs.refobjid, objects.via
  from objects
  inner join pg_catalog.pg_depend as needs
    on needs.classid = objects.class and needs.objid = objects.oid and needs.refclassid = 'pg_catalog.pg_proc'::regclass
  union
  select casts.castfunc, format('cast to %s', casts.casttarget::regtype)
  from pg_catalog.pg_attribute as columns
  inner join pg_catalog.pg_cast as casts on casts.casttarget = columns.atttypid and casts.castfunc <> 0, written
  where columns.attrelid = p_class and columns.attnum > 0 and not columns.attisdropped and written.is_so
  union
  select triggers.tgfoid, format('trigger %I', triggers.tgname)
  from pg_catalog.pg_trigger as triggers
  where triggers.tgrelid = p_class
    and not triggers.tgisinternal
    and triggers.tgenabled in ('O', 'A')
    and triggers.tgtype & case p_operation when 'insert' then 4 when 'delete' then 8 when 'update' then 16 else 0 end <> 0
  union
  select needs.refobjid, format('rule %I', rules.rulename)
  from pg_catalog.pg_rewrite as rules
  inner join pg_catalog.pg_depend as needs
    on needs.classid = 'pg_catalog.pg_rewrite'::regclass
    and needs.objid = rules.oid
    and needs.refclassid = 'pg_catalog.pg_proc'::regclass
  where rules.ev_class = p_class
$$;

comment on function ops_internal.functions_of_table is
  'The functions that an operation on a table calls: of its triggers, rules, policies, defaults, checks, domains, casts and indexes.';

create function ops_internal.reached_by_table(p_class oid, p_operation text)
returns table (class oid, function oid, operation text, via text)
language sql
stable
set search_path = ''
as $$
  select children.inhrelid, null::oid, p_operation, format('partition or child of %s', ops_internal.class_name(p_class))
  from pg_catalog.pg_inherits as children
  where children.inhparent = p_class
  union
  -- A new or changed reference is looked up.
  select keys.confrelid, null, 'select', format('foreign key %I', keys.conname)
  from pg_catalog.pg_constraint as keys
  where keys.contype = 'f' and keys.conrelid = p_class and p_operation in ('insert', 'update')
  union
  select
    keys.conrelid, null,
    case actions.action when 'c' then p_operation when 'n' then 'update' when 'd' then 'update' else 'select' end,
    format('foreign key %I on %s', keys.conname, p_operation)
  from pg_catalog.pg_constraint as keys
  cross join lateral (
    select case p_operation when 'delete' then keys.confdeltype else keys.confupdtype end as action
  ) as actions
  where keys.contype = 'f' and keys.confrelid = p_class and p_operation in ('update', 'delete')
  union
  -- What a rule does, a view among them, is not told apart: the whole of it counts.
  select needs.refobjid, null, operations.operation, format('rule %I', rules.rulename)
  from pg_catalog.pg_rewrite as rules
  inner join pg_catalog.pg_depend as needs
    on needs.classid = 'pg_catalog.pg_rewrite'::regclass
    and needs.objid = rules.oid
    and needs.refclassid = 'pg_catalog.pg_class'::regclass
    and needs.refobjid <> p_class
  cross join lateral unnest(
    case when rules.ev_type = '1' then array[p_operation] else array['select', 'insert', 'update', 'delete'] end
  ) as operations (operation)
  where rules.ev_class = p_class
    and rules.ev_enabled in ('O', 'A')
    and rules.ev_type in ('1', case p_operation when 'update' then '2' when 'insert' then '3' when 'delete' then '4' end)
  union
  select needs.refobjid, null, 'select', format('policy %I', policies.polname)
  from pg_catalog.pg_policy as policies
  inner join pg_catalog.pg_depend as needs
    on needs.classid = 'pg_catalog.pg_policy'::regclass
    and needs.objid = policies.oid
    and needs.refclassid = 'pg_catalog.pg_class'::regclass
    and needs.refobjid <> p_class
  where policies.polrelid = p_class and policies.polroles && array[0, 'ops_fixer'::regrole::oid]
  union
  select null, functions.function, null, functions.via
  from ops_internal.functions_of_table(p_class, p_operation) as functions
  inner join pg_catalog.pg_proc as called on called.oid = functions.function
  where not ops_internal.is_system_schema(called.pronamespace)
$$;

comment on function ops_internal.reached_by_table is
  'The tables that one operation on a table reads or changes beside it, one step far, and the functions that it calls.';

create function ops_internal.fixer_reach(p_table text, p_privileges text [], p_named text [] default '{}') returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  root constant regclass := p_table::regclass;
  -- What is still to be followed, and what was: tables as oid/operation, functions as oid/ .
  todo text [] := array(select format('%s/%s', root::oid, privileges.one) from unnest(p_privileges) as privileges (one));
  done text [] := array[]::text [];
  reaches jsonb;
  here text;
  step record;
begin
  reaches := coalesce((
    select jsonb_agg(jsonb_build_object('table', ops_internal.class_name(named.one::regclass), 'operation', 'any', 'via', '--reaches'))
    from unnest(p_named) as named (one)
  ), '[]');
  todo := todo || array(
    select format('%s/%s', named.one::regclass::oid, operations.operation)
    from unnest(p_named) as named (one)
    cross join unnest(array['insert', 'update', 'delete']) as operations (operation)
  );
  while cardinality(todo) > 0 loop
    here := todo[1];
    todo := todo[2:];
    continue when here = any(done);
    done := done || here;
    for step in
      select * from ops_internal.reached_by_table(split_part(here, '/', 1)::oid, split_part(here, '/', 2))
      where split_part(here, '/', 2) <> ''
      union all
      select * from ops_internal.reached_by_function(split_part(here, '/', 1)::oid)
      where split_part(here, '/', 2) = ''
    loop
      todo := todo || format('%s/%s', coalesce(step.class, step.function), step.operation);
      if step.class is distinct from root::oid or step.operation <> all(p_privileges) then
        reaches := reaches || jsonb_build_object(
          'table', ops_internal.class_name(step.class), 'operation', step.operation,
          'via', case
            when step.function is not null then format('%s: %s', step.via, step.function::regprocedure) else step.via
          end
        );
      end if;
    end loop;
  end loop;
  return (
    select coalesce(jsonb_agg(entries.entry order by entries.entry ->> 'table' nulls last, entries.entry::text), '[]')
    from (select distinct elements.entry from jsonb_array_elements(reaches) as elements (entry)) as entries
  );
end
$$;

comment on function ops_internal.fixer_reach is
  'All that comes with a table for these operations, as ops.fixer_grants.reaches has it: partitions, foreign keys, and whatever the functions name that its triggers, rules, policies, defaults, checks, domains and casts call; and the tables p_named.';

create function ops_internal.fixer_privileges(p_tables text [] default null)
returns table (
  table_name text, granted text [], effective text [], stored text [], reaches jsonb, has_rls boolean, has_policy boolean
)
language sql
stable
security definer
set search_path = ''
as $$
  with looked_at as (
    select classes.oid, classes.relowner, classes.relacl, classes.relrowsecurity, ops_internal.class_name(classes.oid) as name
    from pg_catalog.pg_class as classes
    where classes.relkind in ('r', 'p', 'v', 'm', 'f')
      and case
        when p_tables is null then not ops_internal.is_system_schema(classes.relnamespace)
        else classes.oid = any(array(select to_regclass(tables.one)::oid from unnest(p_tables) as tables (one)))
      end
  ),

  found as (
    select
      looked_at.*,
      array(
        select distinct lower(acl.privilege_type)
        from (
          select looked_at.relacl as entries
          union all
          select columns.attacl from pg_catalog.pg_attribute as columns where columns.attrelid = looked_at.oid
        ) as lists
        cross join lateral aclexplode(lists.entries) as acl
        where acl.grantee = 'ops_fixer'::regrole and lower(acl.privilege_type) in ('select', 'insert', 'update', 'delete')
        order by 1
      ) as granted,
      array(
        select privileges.one
        from unnest(array['delete', 'insert', 'select', 'update']) as privileges (one)
        where has_table_privilege('ops_fixer', looked_at.oid, privileges.one)
          or (privileges.one <> 'delete' and has_any_column_privilege('ops_fixer', looked_at.oid, privileges.one))
      ) as effective
    from looked_at
  )

  select
    coalesce(found.name, grants.table_name), coalesce(found.granted, '{}'), coalesce(found.effective, '{}'),
    coalesce(grants.privileges, '{}'), coalesce(grants.reaches, '[]'), coalesce(found.relrowsecurity, false),
    exists (
      select from pg_catalog.pg_policy as policies
      where policies.polrelid = found.oid and policies.polroles @> array['ops_fixer'::regrole::oid]
    )
  from found
  full join (
    select stored.* from ops.fixer_grants as stored where p_tables is null or stored.table_name = any(p_tables)
  ) as grants on grants.table_name = found.name
  where p_tables is not null or found.granted <> '{}' or found.effective <> '{}' or grants.table_name is not null
$$;

comment on function ops_internal.fixer_privileges is
  'What ops_fixer may do with these tables, or with all on which it may do something: by grants of its own, columns included; in effect, by PUBLIC and memberships too; and as stored in ops.fixer_grants.';

create function ops_internal.require_sole_privileges(p_table text, p_effective text [], p_stored text []) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if not p_effective <@ p_stored then
    raise exception using
      errcode = 'PL032',
      message = format(
        'fixes could %s on %s, and nobody granted them that: PUBLIC, or a role that ops_fixer belongs to, has it',
        array_to_string(array(select unnest(p_effective) except select unnest(p_stored) order by 1), ', '), p_table
      ),
      hint = format(
        'Revoke it from PUBLIC or the role, or grant it with: pattern-engine fixer grant %s --privileges %s',
        p_table, array_to_string(p_effective, ',')
      );
  end if;
end
$$;

comment on function ops_internal.require_sole_privileges is
  'Raises PL032 where ops_fixer has more privileges on a table in effect than it was granted.';

create function ops_internal.grant_fixer(p_table text, p_privileges text [], p_reaches jsonb default null) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  class constant regclass := p_table::regclass;
  name constant text := ops_internal.class_name(class);
  reaches constant jsonb := coalesce(p_reaches, ops_internal.fixer_reach(name, p_privileges));
  uncounted constant text := (
    select string_agg(distinct entries.entry ->> 'table', ', ')
    from jsonb_array_elements(reaches) as entries (entry)
    inner join pg_catalog.pg_class as classes on classes.oid = to_regclass(entries.entry ->> 'table')
    where classes.relkind = 'f'
  );
  sequence regclass;
  in_effect text [];
begin
  if uncounted is not null then
    raise exception using
      errcode = 'PL032',
      message = format('%s reaches a foreign table: %s', name, uncounted),
      hint = 'What happens on another server is neither counted nor undone, so fixes cannot have this table.';
  end if;
  perform ops_internal.revoke_fixer(name);
  insert into ops.fixer_grants (table_name, privileges, reaches) values (name, p_privileges, reaches);
  execute format(
    'grant usage on schema %s to ops_fixer',
    (select classes.relnamespace::regnamespace from pg_catalog.pg_class as classes where classes.oid = class)
  );
  execute format('grant %s on table %s to ops_fixer', array_to_string(p_privileges, ', '), class);
  if 'insert' = any(p_privileges) then
    for sequence in select sequences.one from ops_internal.sequences_of(class) as sequences (one) loop
      execute format('grant usage on sequence %s to ops_fixer', sequence);
    end loop;
  end if;
  if (select classes.relrowsecurity from pg_catalog.pg_class as classes where classes.oid = class) then
    execute format(
      'create policy "ops_fixer may fix this table" on %s for all to ops_fixer using (true) with check (true)', class
    );
  end if;
  select found.effective into in_effect from ops_internal.fixer_privileges(array[name]) as found;
  perform ops_internal.require_sole_privileges(name, in_effect, p_privileges);
  return reaches;
end
$$;

comment on function ops_internal.grant_fixer is
  'Lets SQL fixes do exactly this with a table, and stores it with what comes with it, by default all that ops_internal.fixer_reach finds; answers the latter. On a table with row-level security it creates a policy. For the owner of the database: pattern-engine fixer grant calls it.';

create function ops_internal.revoke_fixer(p_table text) returns void
language plpgsql
set search_path = ''
as $$
declare
  class constant regclass := p_table::regclass;
  granted name;
  sequence regclass;
begin
  execute format('revoke all on table %s from ops_fixer', class);
  for granted in
    select columns.attname
    from pg_catalog.pg_attribute as columns
    where columns.attrelid = class and columns.attacl is not null and not columns.attisdropped
  loop
    execute format('revoke all (%I) on table %s from ops_fixer', granted, class);
  end loop;
  for sequence in select sequences.one from ops_internal.sequences_of(class) as sequences (one) loop
    execute format('revoke all on sequence %s from ops_fixer', sequence);
  end loop;
  execute format('drop policy if exists "ops_fixer may fix this table" on %s', class);
  delete from ops.fixer_grants where fixer_grants.table_name = ops_internal.class_name(class);
end
$$;

comment on function ops_internal.revoke_fixer is
  'Takes back what fixes were granted on a table, its columns and its sequences. For the owner of the database: pattern-engine fixer revoke calls it.';

create function ops_internal.sequences_of(p_class oid) returns setof regclass
language sql
stable
set search_path = ''
as $$
  select classes.oid::regclass
  from pg_catalog.pg_depend as needs
  inner join pg_catalog.pg_class as classes on classes.oid = needs.objid and classes.relkind = 'S'
  where needs.classid = 'pg_catalog.pg_class'::regclass and needs.refobjid = p_class and needs.deptype in ('a', 'i')
$$;

comment on function ops_internal.sequences_of is 'The sequences that fill columns of a table.';

create function ops_internal.require_reach(p_touched jsonb) returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  problem record;
begin
  with touched as (
    select tables.key as name, operations.operation
    from jsonb_each(p_touched) as tables
    cross join lateral jsonb_array_elements_text(tables.value) as operations (operation)
  ),

  known as (
    select * from ops_internal.fixer_privileges(array(select jsonb_object_keys(p_touched)))
  ),

  reached as (
    select entries.entry ->> 'table' as name, entries.entry ->> 'operation' as operation
    from ops.fixer_grants as grants
    cross join lateral jsonb_array_elements(grants.reaches) as entries (entry)
  ),

  outside as (
    select touched.name, touched.operation
    from touched
    left join known on known.table_name = touched.name
    where not coalesce(
      -- Whatever changes a row has to find it, and a reference is looked up: reading needs no right to select here.
      case touched.operation
        when 'select' then known.stored && known.granted
        else touched.operation = any(known.stored) and touched.operation = any(known.granted)
      end,
      false
    )
    and not exists (
      select from reached
      where reached.name = touched.name
        and (touched.operation = 'select' or reached.operation in (touched.operation, 'any'))
    )
  )

  select outside.name, string_agg(outside.operation, ', ' order by outside.operation) as operations into problem
  from outside
  group by outside.name
  order by outside.name
  limit 1;
  if found then
    raise exception using
      errcode = 'PL032',
      message = format('the fix reached %s (%s), which was not granted', problem.name, problem.operations),
      hint = case
        when problem.name like 'pg\_catalog.%' then 'Nothing of it was kept. Neither a fix nor what it fires may create, alter or drop anything.'
        else format(
          'Nothing of it was kept. Run: pattern-engine fixer grant %s; or, where another table''s trigger, partition or foreign key reaches it, grant that table again, with --reaches %1$s',
          problem.name
        )
      end;
  end if;
  perform ops_internal.require_sole_privileges(known.table_name, known.effective, known.stored)
  from ops_internal.fixer_privileges(array(select jsonb_object_keys(p_touched))) as known;
end
$$;

comment on function ops_internal.require_reach is
  'Raises PL032 unless these tables, each with the operations that a run did on it, are granted to ops_fixer or came with a granted table, and unless ops_fixer has no other privilege on them. For fix.run.';

create function ops_internal.require_grants(p_tables text []) returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  barred record;
begin
  select known.table_name, known.stored = '{}' as is_ungranted into barred
  from pg_catalog.pg_class as classes
  inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
  inner join unnest(p_tables) as names (name) on names.name = namespaces.nspname || '.' || classes.relname
  cross join lateral ops_internal.fixer_privileges(array[ops_internal.class_name(classes.oid)]) as known
  -- A policy for everyone does not count: on Supabase it shows users their own rows, and ops_fixer has none.
  where classes.relkind in ('r', 'p', 'v', 'm', 'f') and (known.stored = '{}' or (known.has_rls and not known.has_policy))
  order by known.table_name
  limit 1;
  if found then
    raise exception using
      errcode = 'PL008',
      message = case
        when barred.is_ungranted then format('permission denied for table %s: nobody granted it to fixes', barred.table_name)
        else format('%s has row-level security and no policy for ops_fixer: the fix would see no rows', barred.table_name)
      end,
      hint = format('Run: pattern-engine fixer grant %s', barred.table_name);
  end if;
end
$$;

comment on function ops_internal.require_grants is
  'Raises PL008 for a table that was not granted to ops_fixer, or whose row-level security hides every row from it.';
