-- Where SQL fixes run: a function owned by a role that has nothing but what the operator grants it.
--
-- Inside a security-definer function PostgreSQL itself refuses SET ROLE, RESET ROLE, SET SESSION
-- AUTHORIZATION and transaction control, whatever the script says.

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'ops_fixer') then
    create role ops_fixer nologin noinherit;
  end if;
end
$$;

comment on role ops_fixer is 'Runs approved SQL fixes. Give it tables with: pattern-engine fixer grant TABLE';

create function ops_internal.pinned_fix(
  in p_application_id uuid,
  out script text, out parameters jsonb, out error jsonb, out max_rows integer, out sample_table text, out sample_script text
)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  claim ops.pattern_claims;
  fix ops.pattern_fixes;
  pattern ops.error_patterns;
  pause constant text := ops_internal.pause_refusal();
begin
  select * into claim from ops.pattern_claims where pattern_claims.application_id = p_application_id;
  if not found then
    raise exception using errcode = 'PL010', message = format('there is no application %s', p_application_id);
  end if;
  -- A shadow is one that ended as it began.
  if claim.finished_at is not null then
    raise exception using
      errcode = 'PL010',
      message = format('the application %s has ended', p_application_id),
      hint = 'Nothing runs twice.';
  end if;
  select * into fix
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = claim.pattern_id and pattern_fixes.version = claim.fix_version;
  select * into pattern from ops.error_patterns where error_patterns.pattern_id = claim.pattern_id;

  -- A person may take a run back whatever became of the fix since.
  if claim.purpose <> 'undo' then
    if fix.disabled_at is not null or fix.mode <> 'live' or not pattern.auto_fix_enabled then
      raise exception using
        errcode = 'PL014',
        message = 'the fix was disabled',
        hint = 'Approve a new version to use it again.';
    end if;
    if pause is not null then
      raise exception using errcode = 'PL024', message = pause, hint = 'POST /resume ends the pause.';
    end if;
  end if;
  if claim.sha256 is distinct from fix.sha256
    or not ops_internal.is_pinned(fix)
    or (claim.purpose <> 'undo' and not ops_internal.is_as_approved(fix, pattern))
  then
    raise exception using
      errcode = 'PL006',
      message = 'the stored fix is not the approved one',
      detail = format('Approved as version %s with digest %s', fix.version, fix.sha256),
      hint = 'Disable the fix, find out who changed it, and approve it again.';
  end if;

  script := case when claim.purpose = 'undo' then fix.prepared_undo_script else fix.prepared_script end;
  parameters := fix.parameters;
  error := claim.error;
  max_rows := fix.max_rows;
  sample_table := case when claim.purpose <> 'undo' then fix.sample_table end;
  sample_script := case when claim.purpose <> 'undo' then fix.sample_script end;
end
$$;

create function ops_internal.is_pinned(p_fix ops.pattern_fixes) returns boolean
language sql
immutable
set search_path = ''
as $$ select p_fix.sha256 = ops_internal.fix_digest(p_fix) $$;

comment on function ops_internal.is_pinned(ops.pattern_fixes) is 'Whether the bytes of a stored fix are those that its digest was made of.';
revoke all on function ops_internal.is_pinned(ops.pattern_fixes) from public, anon, authenticated, service_role;
grant execute on function ops_internal.is_pinned(ops.pattern_fixes) to service_role;

create function ops_internal.is_as_approved(p_fix ops.pattern_fixes, p_pattern ops.error_patterns) returns boolean
language sql
immutable
set search_path = ''
as $$
  select
    ops_internal.is_pinned(p_fix)
    and p_pattern.auto_fix_script is not distinct from p_fix.script
    and p_pattern.auto_fix_type is not distinct from p_fix.fix_type
    and coalesce(p_pattern.auto_fix_parameters, '{}') = p_fix.parameters
$$;

comment on function ops_internal.is_as_approved(ops.pattern_fixes, ops.error_patterns) is
  'Whether what the pattern shows and what is pinned are both what a person approved.';
revoke all on function ops_internal.is_as_approved(ops.pattern_fixes, ops.error_patterns) from public, anon, authenticated, service_role;
grant execute on function ops_internal.is_as_approved(ops.pattern_fixes, ops.error_patterns) to service_role;

comment on function ops_internal.pinned_fix(uuid) is
  'The approved script of a claimed application, with what it sees. Raises PL010 where there is none or it has ended, PL006 if anything about it was changed, PL014 if it does not run any more, PL024 while fixes are paused.';
revoke all on function ops_internal.pinned_fix(uuid) from public, anon, authenticated, service_role;
grant execute on function ops_internal.pinned_fix(uuid) to ops_fixer;
grant usage on schema ops_internal, fix to ops_fixer;

create function fix.touched_rows() returns jsonb
language sql
volatile
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(format('%I.%I', tables.schemaname, tables.relname), tables.touched), '{}')
  from (
    select stats.schemaname, stats.relname, stats.n_tup_ins + stats.n_tup_upd + stats.n_tup_del as touched
    from pg_catalog.pg_stat_xact_user_tables as stats
  ) as tables
  where tables.touched > 0
$$;

comment on function fix.touched_rows() is
  'Rows that this transaction has inserted, updated or deleted so far, per table, cascades and triggers included.';

create function fix.belongings() returns text
language sql
volatile
set search_path = ''
as $$
  select string_agg(format('%s/%s/%s', owned.classid, owned.objid, functions.xmin), ' ' order by owned.classid, owned.objid)
  from pg_catalog.pg_shdepend as owned
  left join pg_catalog.pg_proc as functions
    on owned.classid = 'pg_catalog.pg_proc'::regclass and functions.oid = owned.objid
  where owned.refclassid = 'pg_catalog.pg_authid'::regclass
    and owned.refobjid = 'ops_fixer'::regrole
    and owned.deptype = 'o'
    and owned.dbid = (select databases.oid from pg_catalog.pg_database as databases where databases.datname = current_database())
$$;

comment on function fix.belongings() is
  'Everything that ops_fixer owns, temporary objects included, and the state of its functions: fix.execute, unchanged.';

create function fix.rows_after(p_table text, p_before jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  class constant oid := (
    select classes.oid
    from pg_catalog.pg_class as classes
    inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
    where p_table = namespaces.nspname || '.' || classes.relname
  );
  same_key constant text := (
    select string_agg(format('now_there.%1$I = before.%1$I', columns.attname), ' and ')
    from pg_catalog.pg_index as keys
    inner join pg_catalog.pg_attribute as columns on columns.attrelid = keys.indrelid and columns.attnum = any(keys.indkey)
    where keys.indrelid = class and keys.indisprimary
  );
  rows_now jsonb;
begin
  if same_key is null then
    return null;
  end if;
  execute format(
    'select coalesce(jsonb_agg(to_jsonb(now_there.*)), ''[]'') from %1$s as now_there'
    ' inner join jsonb_populate_recordset(null::%1$s, $1) as before on %2$s',
    class::regclass, same_key
  )
  into rows_now using p_before;
  return rows_now;
end
$$;

comment on function fix.rows_after(text, jsonb) is
  'What became of these rows of a table, found by their primary key; null where it has none.';

create function fix.run(
  p_script text, p_parameters jsonb, p_error jsonb, p_max_rows integer, p_sample_table text, p_sample_script text
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
-- This is the one place that runs text as SQL, and all that it ever runs was approved, or proposed, word for word:
-- @plpgsql_check_options: security_warnings = off
declare
  belongings_before constant text := fix.belongings();
  rows_before jsonb;
  rows_after jsonb;
  touched_before jsonb;
  tables jsonb;
  rows_touched bigint;
begin
  -- PostgREST leaves the request's headers here, the secret key among them: not for the script to read.
  perform set_config('request.headers', '', true), set_config('request.cookies', '', true);
  touched_before := fix.touched_rows();
  if p_sample_script is not null then
    begin
      execute
        'select coalesce(jsonb_agg(five.row), ''[]'') from (select sampled.row from ('
        || p_sample_script || ') as sampled limit 5) as five'
      into rows_before using p_parameters, p_error;
    exception when others then
      rows_before := null;  -- The fix may change a row without being allowed to read all of it, for one.
    end;
  end if;

  execute p_script using p_parameters, p_error;
  -- What the script left for the commit happens now, where it is counted and can be undone.
  set constraints all immediate;

  -- ops_fixer owns this function, and temporary objects outlive the transaction.
  if fix.belongings() is distinct from belongings_before then
    raise exception using
      errcode = '42501',
      message = 'a fix may not create, alter or drop anything',
      hint = 'Nothing of it was kept. Change the schema in a migration.';
  end if;

  select
    coalesce(jsonb_object_agg(later.key, later.value::bigint - coalesce(earlier.value::bigint, 0)), '{}'),
    coalesce(sum(later.value::bigint - coalesce(earlier.value::bigint, 0)), 0)::bigint
  into tables, rows_touched
  from jsonb_each_text(fix.touched_rows()) as later
  left join jsonb_each_text(touched_before) as earlier on earlier.key = later.key
  where later.value::bigint > coalesce(earlier.value::bigint, 0);

  if rows_touched > p_max_rows then
    raise exception using
      errcode = 'PL007',
      message = format('the fix touched %s rows; at most %s are approved', rows_touched, p_max_rows),
      detail = tables::text,
      hint = 'Nothing of it was kept: narrow the WHERE, or approve a new version with a larger max_rows.';
  end if;
  if rows_before is not null then
    begin
      rows_after := fix.rows_after(p_sample_table, rows_before);
    exception when others then
      rows_after := null;  -- As with a key of a type whose operators no extension put into pg_catalog.
    end;
  end if;
  return jsonb_build_object(
    'rows_touched', rows_touched, 'tables', tables, 'rows_before', rows_before, 'rows_after', rows_after
  );
end
$$;

comment on function fix.run(text, jsonb, jsonb, integer, text, text) is
  'Runs a script as ops_fixer and counts what it touched; a sample of rows before and after comes with it. Raises PL007 beyond this many rows. For fix.execute and fix.rehearse alone.';

create function fix.execute(p_application_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  pinned record;
begin
  select * into pinned from ops_internal.pinned_fix(p_application_id);
  return fix.run(
    pinned.script, pinned.parameters, pinned.error, pinned.max_rows, pinned.sample_table, pinned.sample_script
  );
end
$$;

comment on function fix.execute(uuid) is
  'Runs the approved script of one application as ops_fixer. Takes no script: it reads the pinned one. Raises PL007 beyond the approved rows.';

create function fix.rehearse(p_proposal_id uuid, p_error jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  proposed record;
begin
  select * into proposed from ops_internal.proposed_fix(p_proposal_id);
  raise exception using
    errcode = 'PL025',
    message = 'a rehearsal ends here, and nothing of it is kept',
    detail = fix.run(
      proposed.script, proposed.parameters, p_error, null, proposed.sample_table, proposed.sample_script
    )::text;
end
$$;

comment on function fix.rehearse(uuid, jsonb) is
  'Runs the script of one proposal as ops_fixer, as fix.execute would, and always raises at the end: PL025, with what it touched as the detail.';

revoke all on function fix.touched_rows() from public, anon, authenticated, service_role;
revoke all on function fix.belongings() from public, anon, authenticated, service_role;
revoke all on function fix.rows_after(text, jsonb) from public, anon, authenticated, service_role;
revoke all on function fix.run(text, jsonb, jsonb, integer, text, text) from public, anon, authenticated, service_role;
revoke all on function fix.execute(uuid) from public, anon, authenticated, service_role;
revoke all on function fix.rehearse(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function fix.touched_rows() to ops_fixer;
grant execute on function fix.belongings() to ops_fixer;
grant execute on function fix.rows_after(text, jsonb) to ops_fixer;
grant execute on function fix.execute(uuid) to service_role;
grant execute on function fix.rehearse(uuid, jsonb) to service_role;
grant usage on schema fix to service_role;

-- Giving a function away takes membership in its new owner, and CREATE for the owner, both for this moment.
grant create on schema fix to ops_fixer;
grant ops_fixer to current_user;
alter function fix.run(text, jsonb, jsonb, integer, text, text) owner to ops_fixer;
alter function fix.execute(uuid) owner to ops_fixer;
alter function fix.rehearse(uuid, jsonb) owner to ops_fixer;
revoke ops_fixer from current_user;
revoke create on schema fix from ops_fixer;
