-- Applying a fix: find it, claim the error, run the script, record how the run ended, or take a run back.

-- Which fix may be run for an error. A fix is trusted for an error if it is trusted for any of the error's signatures that
-- lead to the pattern: signatures that existed when it was proposed or, without a proposal, approved, and those that a person
-- confirmed since. The signature under which the log row was counted is among them. Of several fixes it is the one whose guard
-- admits what the error names. Expressions are tried only where no signature is known, and only expressions that were made by
-- grouping/v1 or by hand.

create function ops.find_candidates_v1(p_errors jsonb) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
-- Each call that waits holds a connection of the pool that the application uses as well.
set lock_timeout = '2s'
-- Planned once and not with each call: each error is looked up by index.
set plan_cache_mode = 'force_generic_plan'
as $$
begin
  perform ops_internal.require_engine();
  return (
    with errors as materialized (
      select
        inputs.ordinality, inputs.system_log_id,
        -- The error was counted under a signature of the whole log row, which may differ from that of the message alone.
        inputs.signatures || array_remove(array[incidents.signature], null) as signatures,
        coalesce(inputs.identifiers, '{}') as identifiers
      from rows from (
        jsonb_to_recordset(p_errors) as (signatures text [], system_log_id bigint, identifiers jsonb)
      ) with ordinality as inputs
      left join ops.pattern_incidents as incidents on incidents.system_log_id = inputs.system_log_id
    ),

    hits as materialized (
      select errors.*, hit.pattern_id, hit.signature
      from errors
      left join lateral (
        select signatures.pattern_id, signatures.signature
        from ops.pattern_signatures as signatures
        where signatures.signature = any(errors.signatures)
        order by array_position(errors.signatures, signatures.signature)
        limit 1
      ) as hit on true
    ),

    -- What is the same for all errors of a pattern is computed once.
    found as materialized (
      select
        patterns.pattern_id, patterns.has_running_fix,
        to_jsonb(patterns) - array['metadata', 'learned_from_incidents', 'created_at', 'updated_at'] as shown
      from (select distinct hits.pattern_id from hits) as named
      inner join ops.error_patterns as patterns on patterns.pattern_id = named.pattern_id
    ),

    live as materialized (
      select
        fixes, fixes.pattern_id, fixes.version, fixes.trusts_until, fixes.approved_at,
        ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard) as guard,
        to_jsonb(fixes) || jsonb_build_object(
          'stored_matches', ops_internal.is_as_approved(fixes, patterns),
          'analysis', (select proposals.analysis from ops.fix_proposals as proposals where proposals.proposal_id = fixes.proposal_id)
        ) as shown,
        ops_internal.hold(fixes) as hold
      from found
      inner join ops.error_patterns as patterns on patterns.pattern_id = found.pattern_id
      inner join ops.pattern_fixes as fixes on fixes.pattern_id = found.pattern_id
      where fixes.disabled_at is null and (found.has_running_fix or fixes.mode in ('demoted', 'expired'))
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
        where patterns.has_running_fix and patterns.tries_expression
        order by patterns.id desc
        limit 1000
      ) as enabled
    )

    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'log', case when logs.id is not null then jsonb_build_object(
            'id', logs.id,
            -- One character more than a request can hold, so that a message that is cut off here equals none of a request.
            'message', left(logs.message, 65537),
            'source', left(logs.source, 1000),
            'user_id', logs.user_id,
            'written_by', logs.written_by,
            'created_at', logs.created_at,
            'age_seconds', extract(epoch from now() - logs.created_at)
          ) end,
          'pattern', found.shown,
          'fix', fixes.shown,
          'untrusted_signature', case when chosen.is_trusted is not true and found.has_running_fix then hits.signature end,
          'outside_guard', case when chosen.is_trusted and not chosen.is_inside then jsonb_build_object(
            'version', chosen.version, 'identifiers', ops_internal.guarding(hits.identifiers)
          ) end,
          'expressions', case when found.pattern_id is null then (select expressions.listed from expressions) else '[]' end,
          'hold', case when fixes.version is not null then coalesce(
            case when not ops_internal.may_heal(logs) then jsonb_build_object('code', 'no_error') end,
            (
              select jsonb_build_object('code', ops_internal.handling(claims, fixes.fixes))
              from ops.pattern_claims as claims
              where claims.pattern_id = fixes.pattern_id
                and claims.fix_version = fixes.version
                and claims.system_log_id = hits.system_log_id
                and claims.purpose <> 'undo'
                and ops_internal.handling(claims, fixes.fixes) is not null
            ),
            fixes.hold
          ) end,
          'before_approval', coalesce(logs.created_at < fixes.approved_at, false)
        )
        order by hits.ordinality
      ),
      '[]'
    )
    from hits
    left join ops.system_logs as logs on logs.id = hits.system_log_id
    left join found on found.pattern_id = hits.pattern_id
    -- Of the versions that are not disabled, the one for what the error names. Its approver has to have seen the signature:
    -- it existed when the fix was proposed or approved, or was confirmed since.
    left join lateral (
      select judged.*
      from (
        select
          live.version,
          ops_internal.guard_admits(live.guard, hits.identifiers) as is_inside,
          exists (
            select from ops.pattern_signatures as trusted
            where trusted.signature = any(hits.signatures)
              and trusted.pattern_id = live.pattern_id
              and (trusted.created_at <= live.trusts_until or trusted.confirmed_at is not null)
          ) as is_trusted
        from live
        where live.pattern_id = hits.pattern_id
      ) as judged
      order by judged.is_inside desc, judged.is_trusted desc, judged.version
      limit 1
    ) as chosen on true
    left join live as fixes
      on fixes.pattern_id = hits.pattern_id and fixes.version = chosen.version and chosen.is_inside and chosen.is_trusted
  );
end
$$;

comment on function ops.find_candidates_v1 is
  'For each error its log row, its pattern, the live, demoted or expired fix for what it names, and why that fix needs not or must not run for it, in order; expressions to try where no signature is known. The first known signature decides on the pattern, any trusted one and the guard on the fix. Without a fix it has untrusted_signature, outside_guard (the version that comes closest, and what a person would have to confirm for it), or neither.';

create function ops.refuse_signature_v1(p_signature text, p_system_log_id bigint) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
  refused ops.pattern_signatures;
begin
  perform ops_internal.require_engine();
  -- At most one event an hour, so that a frequent error does not fill the journal.
  update ops.pattern_signatures set refused_at = clock_timestamp()
  where pattern_signatures.signature = p_signature
    and (pattern_signatures.refused_at is null or pattern_signatures.refused_at < clock_timestamp() - interval '1 hour')
  returning * into refused;
  if not found then
    return false;
  end if;
  insert into ops.roman_events (event_type, severity, description, metadata)
  values (
    'fix_refused', 'warning', 'A fix was not run for a signature that came after its approval: ' || p_signature,
    jsonb_build_object(
      'pattern_id', refused.pattern_id, 'signature', p_signature, 'template', refused.template, 'system_log_id', p_system_log_id
    )
  );
  return true;
end
$$;

comment on function ops.refuse_signature_v1 is
  'Records, once an hour, that a fix was not run for a signature that came after its approval. Answers whether it recorded now.';

create function ops.record_refusals_v1(p_refusals jsonb) returns integer
language sql
security definer
set search_path = ''
as $$
  select ops_internal.require_engine();

  with refused as (
    update ops.pattern_incidents as incidents set
      gate = refusals.gate,
      refusal = refusals.reason,
      -- What a recurrence is compared with is said once.
      target = coalesce(incidents.target, refusals.target)
    from jsonb_to_recordset(p_refusals) as refusals (system_log_id bigint, gate text, reason text, target text)
    where incidents.system_log_id = refusals.system_log_id
      and incidents.id in (
        -- Skips locked rows instead of waiting; an error that is being moved at this moment is sent again.
        select free.id
        from ops.pattern_incidents as free
        where free.system_log_id in (
          select named.system_log_id from jsonb_to_recordset(p_refusals) as named (system_log_id bigint)
        )
        for no key update skip locked
      )
    returning incidents.id
  )

  select count(*)::integer from refused
$$;

comment on function ops.record_refusals_v1 is
  'Records why the fix was not run for these errors: a list of system_log_id, gate, reason and target. Answers how many were recorded; these errors are not sent again.';

-- Where the approved script comes from. Only the bytes that a person approved leave these functions.

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
  -- The claim of a shadow is finished when it is made.
  if claim.finished_at is not null then
    raise exception using
      errcode = 'PL010',
      message = format('the application %s has ended', p_application_id),
      hint = 'Each application runs once; a new error makes a new one.';
  end if;
  select * into fix
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = claim.pattern_id and pattern_fixes.version = claim.fix_version;
  select * into pattern from ops.error_patterns where error_patterns.pattern_id = claim.pattern_id;

  -- A person may take a run back even when the fix is disabled or fixes are paused.
  if claim.purpose <> 'undo' then
    -- The approval may have ended after the run was claimed.
    if fix.disabled_at is not null or not ((fix.mode = 'live' and pattern.auto_fix_enabled) or fix.mode = 'expired') then
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
      message = 'the stored fix differs from the approved fix',
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

comment on function ops_internal.pinned_fix is
  'The approved script of a claimed application, with what it sees. Raises PL010 where there is none or it has ended, PL006 if anything about it was changed, PL014 if it does not run any more, PL024 while fixes are paused.';

create function ops.application_job_v1(p_application_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  pinned record;
  fix ops.pattern_fixes;
begin
  perform ops_internal.require_engine();
  select * into pinned from ops_internal.pinned_fix(p_application_id);
  select fixes.* into fix
  from ops.pattern_claims as claims
  inner join ops.pattern_fixes as fixes on fixes.pattern_id = claims.pattern_id and fixes.version = claims.fix_version
  where claims.application_id = p_application_id;

  perform ops_internal.require_granted(fix);

  return jsonb_build_object(
    'fix_type', fix.fix_type,
    'script', pinned.script,
    'parameters', pinned.parameters,
    'error', pinned.error,
    'timeout_ms', fix.timeout_ms,
    'max_retries', fix.max_retries,
    'max_rows', fix.max_rows,
    'secrets', (
      select coalesce(
        jsonb_object_agg(secrets.name, jsonb_build_object('value', secrets.decrypted_secret, 'hosts', fix.secrets -> secrets.name)),
        '{}'
      )
      from vault.decrypted_secrets as secrets
      where fix.secrets ? secrets.name
    )
  );
end
$$;

comment on function ops.application_job_v1 is
  'All that it takes to run a claimed fix outside the database: the approved script, what it sees, its limits, and the secrets that it names, each with the hosts that it may be sent to. Raises what ops_internal.pinned_fix and ops_internal.require_granted raise.';

-- Where SQL scripts run: in functions owned by ops_fixer, a role that has only the rights that an operator gave it. Inside a
-- security-definer function PostgreSQL itself refuses SET ROLE, RESET ROLE, SET SESSION AUTHORIZATION and transaction
-- control; the script cannot change that. The last migration changes the owner of fix.run, fix.execute and fix.rehearse.

create function fix.touched_rows() returns jsonb
language sql
volatile
set search_path = ''
as $$
  select coalesce(
    jsonb_object_agg(
      format('%I.%I', tables.nspname, tables.relname), jsonb_build_array(tables.reads, tables.inserts, tables.updates, tables.deletes)
    ),
    '{}'
  )
  from (
    select
      namespaces.nspname, classes.relname,
      pg_stat_get_xact_tuples_inserted(classes.oid) as inserts,
      pg_stat_get_xact_tuples_updated(classes.oid) as updates,
      pg_stat_get_xact_tuples_deleted(classes.oid) as deletes,
      -- Every statement reads the catalogue.
      case
        when namespaces.nspname in ('pg_catalog', 'information_schema') then 0
        else pg_stat_get_xact_numscans(classes.oid) + coalesce((
          select sum(pg_stat_get_xact_numscans(indexes.indexrelid)) from pg_catalog.pg_index as indexes where indexes.indrelid = classes.oid
        ), 0)
      end as reads
    from pg_catalog.pg_class as classes
    inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
    where classes.relkind in ('r', 'm') and namespaces.nspname not like 'pg\_toast%'
  ) as tables
  where tables.reads > 0 or tables.inserts > 0 or tables.updates > 0 or tables.deletes > 0
$$;

comment on function fix.touched_rows is
  'For each table how often this transaction has read it so far, and how many rows it has inserted, updated and deleted, cascades and triggers included.';

create function fix.touched_since(p_before jsonb, out operations jsonb, out tables jsonb, out rows_touched bigint)
language sql
volatile
set search_path = ''
as $$
  with differences as (
    select
      later.key as name, kinds.name as operation,
      (later.value -> kinds.place)::bigint - coalesce((p_before -> later.key -> kinds.place)::bigint, 0) as number
    from jsonb_each(fix.touched_rows()) as later
    cross join (values (0, 'select'), (1, 'insert'), (2, 'update'), (3, 'delete')) as kinds (place, name)
  ),

  touched as (
    select
      differences.name, jsonb_agg(differences.operation) as operations,
      coalesce(sum(differences.number) filter (where differences.operation <> 'select'), 0) as number
    from differences
    where differences.number > 0
    group by differences.name
  )

  select
    coalesce(jsonb_object_agg(touched.name, touched.operations), '{}'),
    coalesce(jsonb_object_agg(touched.name, touched.number) filter (where touched.number > 0), '{}'),
    coalesce(sum(touched.number), 0)::bigint
  from touched
$$;

comment on function fix.touched_since is
  'What this transaction did since fix.touched_rows answered p_before: the operations for each table, the rows that it changed in each, and in all.';

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

comment on function fix.belongings is
  'Everything that ops_fixer owns, temporary objects included, and the version of each of its functions. fix.run compares it before and after a script, which may change none of it.';

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

comment on function fix.rows_after is 'What became of these rows of a table, found by their primary key; null where it has none.';

create function ops_internal.has_unchanged_row(p_table text) returns boolean
language plpgsql
stable
security definer
set search_path = ''
-- A policy that would hide rows from the owner raises an error here instead, so that the answer is never about a part.
set row_security = off
as $$
declare
  class constant oid := (
    select classes.oid
    from pg_catalog.pg_class as classes
    inner join pg_catalog.pg_namespace as namespaces on namespaces.oid = classes.relnamespace
    where p_table = format('%I.%I', namespaces.nspname, classes.relname) and classes.relkind = 'r'
  );
  own_id constant bigint := pg_current_xact_id()::text::bigint;
  answer boolean;
begin
  if class is not null then
    -- A trigger that catches errors writes under the id of a subtransaction. Such an id is later than that of its transaction,
    -- and of the rows that can be seen, only those that this transaction wrote were written by one that is still in progress.
    -- Ids start again after 2^32, so one that seems to be 2^24 or more ahead of this transaction's own is an old one.
    -- The query ends at the first other row, so it reads little more than what this transaction wrote.
    execute format(
      'select exists ('
      ' select from only %s as stored'
      ' cross join lateral (select (stored.xmin::text::bigint - $1) & 4294967295 as ids) as later'
      ' where case when later.ids < 16777216'
      ' then pg_xact_status(($1 + later.ids)::text::xid8) is distinct from ''in progress'' else true end)',
      class::regclass
    )
    into answer using own_id;
  end if;
  return answer;
exception when others then
  return null;  -- For example, the table belongs to another owner, who did not let this one read it.
end
$$;

comment on function ops_internal.has_unchanged_row is
  'Whether a table has a row that this transaction neither inserted nor updated; null where that cannot be read. Counts all rows, those too that policies hide from ops_fixer.';

create function fix.run(
  p_script text, p_parameters jsonb, p_error jsonb, p_max_rows integer, p_sample_table text, p_sample_script text
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
-- This is the one place that runs text as SQL, and it runs only text that a person approved or proposed word for word:
-- @plpgsql_check_options: security_warnings = off
declare
  belongings_before constant text := fix.belongings();
  rows_before jsonb;
  rows_after jsonb;
  touched_before jsonb;
  touched record;
begin
  -- Only what is counted can be refused.
  if current_setting('track_counts')::boolean is not true then
    raise exception using
      errcode = 'PL032', message = 'track_counts is off, so what a fix touches is not counted', hint = 'Set track_counts = on.';
  end if;
  -- PostgREST keeps the headers of the request in this setting, the secret key among them. The script must not read them.
  perform set_config('request.headers', '', true), set_config('request.cookies', '', true);
  touched_before := fix.touched_rows();
  if p_sample_script is not null then
    begin
      execute
        'select coalesce(jsonb_agg(five.row), ''[]'') from (select sampled.row from ('
        || p_sample_script || ') as sampled limit 5) as five'
      into rows_before using p_parameters, p_error;
    exception when others then
      rows_before := null;  -- For example, a fix may be allowed to change a row and not to read all of its columns.
    end;
  end if;

  execute p_script using p_parameters, p_error;
  -- Deferred constraints and their triggers run now, so that the rows they touch are counted and can be undone.
  set constraints all immediate;

  -- ops_fixer owns this function, and temporary objects outlive the transaction.
  if fix.belongings() is distinct from belongings_before then
    raise exception using
      errcode = '42501',
      message = 'a fix may not create, alter or drop anything',
      hint = 'Nothing of it was kept. Change the schema in a migration.';
  end if;

  select * into touched from fix.touched_since(touched_before);
  perform ops_internal.require_reach(touched.operations);
  if touched.rows_touched > p_max_rows then
    raise exception using
      errcode = 'PL007',
      message = format('the fix touched %s rows; at most %s are approved', touched.rows_touched, p_max_rows),
      detail = touched.tables::text,
      hint = 'Nothing of it was kept: narrow the WHERE, or approve a new version with a larger max_rows.';
  end if;
  if rows_before is not null then
    begin
      rows_after := fix.rows_after(p_sample_table, rows_before);
    exception when others then
      rows_after := null;  -- For example, the type of a key may have its operators outside pg_catalog.
    end;
  end if;
  return jsonb_build_object(
    'rows_touched', touched.rows_touched, 'tables', touched.tables, 'rows_before', rows_before, 'rows_after', rows_after
  );
end
$$;

comment on function fix.run is
  'Runs a script as ops_fixer and counts what it touched; a sample of rows before and after comes with it. Raises PL032 if it touched what was not granted, PL007 beyond this many rows. For fix.execute and fix.rehearse alone.';

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

comment on function fix.execute is
  'Runs the approved script of one application as ops_fixer. Takes no script: it reads the pinned one. Raises PL007 beyond the approved rows.';

create function fix.rehearse(p_proposal_id uuid, p_error jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  proposed record;
  outcome jsonb;
  whole_tables text [];
begin
  select * into proposed from ops_internal.proposed_fix(p_proposal_id);
  begin
    outcome := fix.run(
      proposed.script, proposed.parameters, p_error, null, proposed.sample_table, proposed.sample_script
    );
    whole_tables := array(
      select tables.name
      from jsonb_object_keys(outcome -> 'tables') as tables (name)
      where not ops_internal.has_unchanged_row(tables.name)
      order by tables.name
    );
    -- This undoes the run. Variables keep their values.
    raise exception using errcode = 'PL025', message = 'the rehearsal is over; nothing of it is kept';
  exception when sqlstate 'PL025' then
    if whole_tables is null then
      raise;  -- It was not raised here, but by a trigger of the application.
    end if;
  end;
  -- Every row is unchanged again, so a table without an unchanged row was empty before the run.
  return outcome || jsonb_build_object('whole_tables', array(
    select tables.name
    from unnest(whole_tables) with ordinality as tables (name, place)
    where ops_internal.has_unchanged_row(tables.name)
    order by tables.place
  ));
end
$$;

comment on function fix.rehearse is
  'Runs the script of one proposal as ops_fixer, as fix.execute would, and undoes it. Answers what it touched, and the tables of which it changed or deleted every row that they had.';

-- Claims: of many workers, one gets an error.

create function ops_internal.lease(p_fix ops.pattern_fixes) returns timestamptz
language sql
volatile
set search_path = ''
as $$ select clock_timestamp() + make_interval(secs => p_fix.timeout_ms / 1000.0 + 30) $$;

comment on function ops_internal.lease is 'Until when a worker that claims an error for this fix now has to be done.';

create function ops_internal.handling(p_claim ops.pattern_claims, p_fix ops.pattern_fixes) returns text
language sql
stable
set search_path = ''
as $$
  select case
    when p_claim.finished_at is not null then 'applied_before'
    -- SQL of a dead worker left no changes, so it may run again; for other types it is unknown.
    when p_claim.lease_until > clock_timestamp() or p_fix.fix_type <> 'sql' then 'in_hand'
  end
$$;

comment on function ops_internal.handling is
  'Why an error with this claim needs no other one: applied_before or in_hand; null where its worker is dead and its lease is over.';

create function ops_internal.is_abandoned(p_claim ops.pattern_claims, p_fix ops.pattern_fixes) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if ops_internal.handling(p_claim, p_fix) is not null then
    return false;
  end if;
  -- A run locks its claim first and the pattern at its end. We have locked the pattern, so waiting for the claim could deadlock.
  perform from ops.pattern_claims
  where pattern_claims.application_id = p_claim.application_id and pattern_claims.finished_at is null
  for update skip locked;
  return found;
end
$$;

comment on function ops_internal.is_abandoned is
  'Whether the worker of this claim is dead and another may take the claim over; if so, the claim is locked.';

create function ops_internal.close_claim(p_claim ops.pattern_claims) returns void
language sql
set search_path = ''
as $$
  -- Only the script needed the message unscrubbed.
  update ops.pattern_claims set
    finished_at = clock_timestamp(),
    error = case
      when p_claim.error ? 'scrubbed' then
        p_claim.error - array['scrubbed', 'captured'] || jsonb_build_object('message', p_claim.error -> 'scrubbed')
      else p_claim.error
    end
  where pattern_claims.application_id = p_claim.application_id
$$;

comment on function ops_internal.close_claim is
  'Marks a claim as finished, and removes from the error what only the script needed.';

create function ops_internal.record_shadow(p_claim ops.pattern_claims) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform ops_internal.close_claim(p_claim);
  perform ops_internal.open_verification(p_claim, 'shadow');
  insert into ops.roman_events (event_type, severity, description, metadata, constitutional_validation)
  values (
    'fix_shadowed', 'info', 'A fix would have run',
    jsonb_build_object(
      'pattern_id', p_claim.pattern_id, 'application_id', p_claim.application_id, 'system_log_id', p_claim.system_log_id,
      'fix_version', p_claim.fix_version, 'sha256', p_claim.sha256
    ),
    p_claim.constitutional_validation
  );
end
$$;

comment on function ops_internal.record_shadow is
  'Records that the fix would have run, and starts to watch what becomes of the error without it.';

create function ops_internal.refused(p_code text, p_validation jsonb default null) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'application_id', null, 'refusal', jsonb_build_object('code', p_code), 'validation', p_validation, 'job', null
  )
$$;

comment on function ops_internal.refused is 'The answer of ops.claim_application_v1 where nothing was claimed, for this reason.';

create function ops.claim_application_v1(
  p_pattern_id uuid,
  p_system_log_id bigint,
  p_fix_version integer,
  p_sha256 text,
  p_parts jsonb,
  p_error jsonb,
  p_target text,
  p_policy jsonb,
  p_identifiers jsonb default '{}'
) returns jsonb
language plpgsql
security definer
set search_path = ''
-- Each call that waits holds a connection of the pool that the application uses as well.
set lock_timeout = '2s'
as $$
declare
  fix ops.pattern_fixes;
  claim ops.pattern_claims;
  hold jsonb;
  over text;
  verdict jsonb;
begin
  perform ops_internal.require_engine();
  perform ops_internal.require_policy(p_policy);
  perform ops_internal.require_parts(p_parts);
  perform ops_internal.note_thresholds(p_policy);
  -- One claim of a pattern at a time, so that each sees what the one before has recorded.
  perform from ops.error_patterns where error_patterns.pattern_id = p_pattern_id for no key update;
  update ops.pattern_incidents set target = p_target
  where pattern_incidents.system_log_id = p_system_log_id and pattern_incidents.target is null and p_target <> '';
  -- An error that just came back may take the fix out of use.
  perform ops_internal.judge_target(p_pattern_id, p_target, false);

  select * into fix
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = p_pattern_id and pattern_fixes.version = p_fix_version;
  if fix.version is null then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no enabled fix',
      detail = format('Pattern %s, version %s.', p_pattern_id, p_fix_version),
      hint = 'Ask ops.find_candidates_v1 for the live version.';
  end if;
  if fix.disabled_at is not null or fix.sha256 is distinct from p_sha256 then
    insert into ops.roman_events (event_type, severity, description, metadata)
    values (
      'fix_refused', 'critical', 'A fix was refused because another version is live',
      jsonb_build_object(
        'pattern_id', p_pattern_id, 'fix_version', p_fix_version, 'sha256', p_sha256, 'system_log_id', p_system_log_id
      )
    );
    return ops_internal.refused('not_live');
  end if;

  select * into claim
  from ops.pattern_claims
  where pattern_claims.pattern_id = p_pattern_id
    and pattern_claims.fix_version = p_fix_version
    and pattern_claims.system_log_id = p_system_log_id
    and pattern_claims.purpose <> 'undo';
  if claim.application_id is not null and not ops_internal.is_abandoned(claim, fix) then
    return ops_internal.refused(coalesce(ops_internal.handling(claim, fix), 'in_hand'));
  end if;
  -- Somebody may have split the pattern after the fix was found.
  if exists (
    select from ops.pattern_incidents as incidents
    where incidents.system_log_id = p_system_log_id and incidents.pattern_id <> p_pattern_id
  ) then
    return ops_internal.refused('moved');
  end if;
  if exists (
    select from ops.system_logs as logs where logs.id = p_system_log_id and not ops_internal.may_heal(logs)
  ) then
    return ops_internal.refused('no_error');
  end if;
  if not ops_internal.guard_admits(ops_internal.whole_guard(fix.pattern_id, fix.version, fix.guard), p_identifiers) then
    return ops_internal.refused('outside_guard');
  end if;
  hold := ops_internal.hold(fix);
  over := ops_internal.over_because(fix, claim.application_id is not null);
  if hold is null and over is not null then
    -- The last runs of an approval for a number of runs may be under way; the last of them takes the fix out of use.
    if fix.ends_at <= clock_timestamp() then
      perform ops_internal.expire_fix(fix, over);
    end if;
    hold := jsonb_build_object('code', 'expired', 'reason', over);
  end if;
  if hold is not null then
    return ops_internal.refused(null) || jsonb_build_object('refusal', hold);
  end if;
  verdict := ops_internal.judge_laws(fix, claim.application_id, p_target, p_parts, p_policy);
  if (verdict -> 'compliant')::boolean is not true then
    perform ops_internal.record_violation(p_pattern_id, verdict);
    if not (verdict #> '{laws,3,parts,storm}')::boolean then
      perform ops_internal.stop_for_storm((verdict #> '{laws,3,numbers,firing_patterns}')::bigint, p_policy);
    end if;
    return ops_internal.refused('laws', verdict);
  end if;

  if claim.application_id is not null then
    update ops.pattern_claims set
      sha256 = p_sha256,
      error = p_error,
      constitutional_validation = verdict,
      policy = p_policy,
      claimed_at = clock_timestamp(),
      lease_until = ops_internal.lease(fix)
    where pattern_claims.application_id = claim.application_id
    returning * into claim;
  else
    insert into ops.pattern_claims (
      pattern_id, system_log_id, fix_version, sha256, purpose, target, source, error, constitutional_validation, policy, lease_until
    )
    values (
      p_pattern_id, p_system_log_id, p_fix_version, p_sha256, case fix.mode when 'shadow' then 'shadow' else 'heal' end,
      p_target, p_error ->> 'source', p_error, verdict, p_policy, ops_internal.lease(fix)
    )
    returning * into claim;
    if fix.max_heals is not null and claim.purpose = 'heal' then
      update ops.pattern_fixes set heals = heals + 1 where pattern_fixes.id = fix.id;
    end if;
  end if;

  if claim.purpose = 'shadow' then
    perform ops_internal.record_shadow(claim);
    return ops_internal.refused('shadow', verdict);
  end if;
  return jsonb_build_object(
    'application_id', claim.application_id,
    'refusal', null,
    'validation', verdict,
    'job', case when fix.fix_type <> 'sql' then ops.application_job_v1(claim.application_id) end
  );
end
$$;

comment on function ops.claim_application_v1 is
  'Claims one error for one fix version, if nothing forbids the run; of many callers, one gets it. p_parts are the parts of the Four Laws that the engine computed. The answer has the verdict, and either the application, with the job of a fix that runs outside the database, or a refusal: its code is not_live, applied_before, in_hand, moved, no_error, outside_guard, paused, demoted, expired, laws or shadow (recorded, not run).';

-- Runs, and how they end.

create function ops_internal.lock_claim(p_application_id uuid) returns ops.pattern_claims
language plpgsql
set search_path = ''
as $$
declare
  claim ops.pattern_claims;
begin
  select * into claim
  from ops.pattern_claims
  where pattern_claims.application_id = p_application_id
  for update;
  if not found then
    raise exception using
      errcode = 'PL010',
      message = format('there is no application %s', p_application_id),
      hint = 'Claim it first, with ops.claim_application_v1.';
  end if;
  return claim;
end
$$;

comment on function ops_internal.lock_claim is
  'The claim, locked until the end of the transaction. Raises PL010 where there is none.';

create function ops_internal.recorded_outcome(p_application_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'success', applications.success,
    'error', applications.error_after,
    'rows_touched', coalesce((applications.system_state_after ->> 'rows_touched')::bigint, 0),
    'tables', coalesce(applications.system_state_after -> 'tables', '{}'),
    'execution_time_ms', applications.execution_time_ms,
    'pattern', jsonb_build_object('success_rate', fixes.success_rate, 'confidence_score', fixes.confidence_score)
  )
  from ops.pattern_applications as applications
  inner join ops.pattern_fixes as fixes
    on fixes.pattern_id = applications.pattern_id and fixes.version = (applications.metadata ->> 'fix_version')::integer
  where applications.application_id = p_application_id
$$;

comment on function ops_internal.recorded_outcome is 'What was recorded of an application, and how well its fix does.';

create function ops.run_of_log_row_v1(p_system_log_id bigint) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine();
  return (
    select jsonb_build_object(
      'pattern_id', claims.pattern_id,
      'pattern_signature', patterns.pattern_signature,
      'script', fixes.script,
      'is_running', claims.finished_at is null and claims.lease_until > clock_timestamp(),
      'outcome', ops_internal.recorded_outcome(claims.application_id)
    )
    from ops.pattern_claims as claims
    inner join ops.error_patterns as patterns on patterns.pattern_id = claims.pattern_id
    inner join ops.pattern_fixes as fixes on fixes.pattern_id = claims.pattern_id and fixes.version = claims.fix_version
    where claims.system_log_id = p_system_log_id and claims.purpose = 'heal'
    order by claims.claimed_at desc
    limit 1
  );
end
$$;

comment on function ops.run_of_log_row_v1 is
  'The latest run of a fix for a log row: whether it is under way, and its outcome once that is recorded; null where no fix ran. For the engine, which tells whoever asks for the row after the webhook healed it.';

create function ops_internal.record_application(p_claim ops.pattern_claims, p_outcome jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  succeeded constant boolean := (p_outcome ->> 'success')::boolean;
  milliseconds constant integer := (p_outcome ->> 'execution_time_ms')::integer;
begin
  -- The pattern is locked first: if two runs end together, the second counts the first one.
  perform from ops.error_patterns where error_patterns.pattern_id = p_claim.pattern_id for no key update;

  insert into ops.pattern_applications (
    application_id, pattern_id, system_log_id, applied_at, success, execution_time_ms, fix_script_executed, fix_parameters_used,
    error_before, error_after, system_state_before, system_state_after, constitutional_validation, metadata
  )
  select
    p_claim.application_id, p_claim.pattern_id, p_claim.system_log_id, clock_timestamp(), succeeded, milliseconds,
    case p_claim.purpose when 'undo' then fixes.prepared_undo_script else fixes.prepared_script end, fixes.parameters,
    coalesce(p_claim.error ->> 'scrubbed', p_claim.error ->> 'message'), p_outcome ->> 'error',
    jsonb_build_object('system_entropy', p_claim.constitutional_validation -> 'system_entropy'),
    jsonb_build_object(
      'rows_touched', coalesce(p_outcome -> 'rows_touched', '0'), 'tables', coalesce(p_outcome -> 'tables', '{}')
    ) || jsonb_strip_nulls(jsonb_build_object('output', p_outcome -> 'output')),
    p_claim.constitutional_validation,
    jsonb_build_object(
      'fix_version', p_claim.fix_version, 'sha256', p_claim.sha256, 'purpose', p_claim.purpose,
      'sqlstate', p_outcome ->> 'sqlstate', 'stopped', p_outcome ->> 'stopped', 'undoes', p_claim.undoes
    )
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_claim.pattern_id and fixes.version = p_claim.fix_version;

  perform ops_internal.close_claim(p_claim);
  if p_claim.purpose = 'heal' then
    perform ops_internal.open_verification(
      p_claim, 'live',
      case
        when succeeded then 'pending'
        -- A script that did not run, or may not have run, proves nothing about the fix.
        when coalesce((p_outcome ->> 'started')::boolean, true) then 'failed'
        else 'inconclusive'
      end,
      p_outcome ->> 'error'
    );
    -- A script that failed is an outcome at once.
    perform ops_internal.judge_target(p_claim.pattern_id, p_claim.target, not succeeded);
    perform ops_internal.expire_if_used_up(p_claim);
  end if;

  insert into ops.roman_events (event_type, severity, description, metadata, constitutional_validation)
  values (
    case p_claim.purpose when 'undo' then 'fix_rolled_back' else 'pattern_applied' end,
    case when succeeded then 'info' else 'warning' end,
    case p_claim.purpose when 'undo' then 'Roll-back ' else 'Auto-fix ' end
    || case when succeeded then 'applied successfully' else 'failed: ' || coalesce(p_outcome ->> 'error', 'unknown') end,
    jsonb_build_object(
      'pattern_id', p_claim.pattern_id, 'application_id', p_claim.application_id, 'system_log_id', p_claim.system_log_id,
      'success', succeeded, 'execution_time_ms', milliseconds, 'undoes', p_claim.undoes
    ),
    p_claim.constitutional_validation
  );
  return ops_internal.recorded_outcome(p_claim.application_id);
end
$$;

comment on function ops_internal.record_application is
  'Records how an application ended: its row, the claim, what is to be verified, and the event.';

create function ops_internal.run_lock_class() returns integer
language sql
immutable
set search_path = ''
as $$ select 7831618 $$;

comment on function ops_internal.run_lock_class is
  'First half of the advisory locks that a run holds. With this class the second half is the claim''s lock_key; with the next one it is the moment at which the script began; with the one after it is the lock_key again, once the script has ended.';

create function ops_internal.clock_milliseconds() returns integer
language sql
volatile
set search_path = ''
as $$ select (ceil(extract(epoch from clock_timestamp()) * 1000)::bigint & 2147483647)::integer $$;

comment on function ops_internal.clock_milliseconds is
  'The time in milliseconds as half of an advisory lock; it starts again from 0 every 25 days.';

create function ops_internal.is_raised(p_state text, p_context text) returns boolean
language sql
immutable
set search_path = ''
as $$
  select
    p_state not like 'PL%'
    and (
      -- Classes that PostgreSQL itself does not use, and those of functions that raise.
      p_state !~ '^(0[0-9A-Z]|2[0-9A-F]|3[4DF]|4[024]|5[34578]|72|F0|XX)'
      or (
        coalesce(p_context, '') ~ '^PL/pgSQL function [^\n]* at RAISE'
        and p_context !~ '^PL/pgSQL function (fix|ops_internal)[.]'
      )
    )
$$;

comment on function ops_internal.is_raised is
  'Whether the text of an error is not PostgreSQL''s and not ours: the application''s functions and triggers raise it, and it may quote anything.';

create function ops_internal.public_error_message(p_state text, p_problem text, p_detail text, p_hint text) returns text
language sql
immutable
set search_path = ''
as $$
  -- The details of PostgreSQL's errors may quote a row, and so may the message of an error in a value (class 22). Those of our
  -- own errors do not.
  select concat_ws(
    '. ',
    case when p_state like '22%' then regexp_replace(p_problem, '".*"', '"…"') else p_problem end,
    case when p_state like 'PL%' then nullif(p_detail, '') end,
    nullif(p_hint, ''),
    case when p_state = '42501' and p_problem like 'permission denied for table%' then 'Run: pattern-engine fixer grant TABLE' end
  )
$$;

comment on function ops_internal.public_error_message is
  'Why a script failed, in words that may be shown and stored: with advice, and without any value of a row.';

create function ops_internal.withheld_error_message(p_state text) returns text
language sql
immutable
set search_path = ''
as $$ select format('The application raised an exception with SQLSTATE %s', p_state) $$;

comment on function ops_internal.withheld_error_message is
  'Why a script failed, until the engine has scrubbed the text of the exception.';

create function ops.run_application_v1(p_application_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  claim ops.pattern_claims;
  started timestamptz;
  time_limit_ms integer;
  max_retries integer;
  named text [];
  tries integer := 0;
  outcome jsonb;
  state text;
  problem text;
  detail text;
  hint text;
  context text;
  raised text;
begin
  perform ops_internal.require_engine();
  claim := ops_internal.lock_claim(p_application_id);
  if claim.finished_at is not null then
    return ops_internal.recorded_outcome(p_application_id);
  end if;
  select fixes.max_retries, fixes.tables, fixes.timeout_ms into max_retries, named, time_limit_ms
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = claim.pattern_id and fixes.version = claim.fix_version;

  -- By these locks ops.cancel_application_v1 finds the backend, and knows how long the script has run. Neither waiting for
  -- the claim nor recording the outcome is time of the script.
  perform pg_advisory_xact_lock(ops_internal.run_lock_class(), claim.lock_key);
  perform pg_advisory_xact_lock_shared(ops_internal.run_lock_class() + 1, ops_internal.clock_milliseconds());
  started := clock_timestamp();

  loop
    begin
      perform ops_internal.require_grants(named);
      outcome := fix.execute(p_application_id) || '{"success": true}';
      exit;
    exception
    when query_canceled then
      -- Whoever else cancelled the statement, and why, says nothing about the fix: nothing is kept, and the run may begin again.
      -- The limit of the login role can come a moment before that of the fix.
      if clock_timestamp() - started < make_interval(secs => 0.9 * time_limit_ms / 1000) then
        raise;
      end if;
      outcome := jsonb_build_object(
        'success', false, 'sqlstate', '57014', 'started', true, 'stopped', 'time',
        'error', format('The run was stopped at its time limit of %s ms', time_limit_ms)
      );
      exit;
    when others then
      get stacked diagnostics
        state = returned_sqlstate, problem = message_text, detail = pg_exception_detail, hint = pg_exception_hint,
        context = pg_exception_context;
      raised := case when ops_internal.is_raised(state, context) then problem end;
      outcome := jsonb_build_object(
        'success', false,
        'sqlstate', state,
        'error', case
          when raised is null then ops_internal.public_error_message(state, problem, detail, hint)
          else ops_internal.withheld_error_message(state)
        end,
        -- A fix that was refused did not run, and a server that lacks memory or disk says nothing about the fix.
        'started', state not in ('PL006', 'PL008', 'PL014', 'PL024') and state !~ '^(53|57P|58)',
        'stopped', case state when 'PL007' then 'rows' end
      );
      -- Only what a second try can change is tried again: a deadlock, a serialisation failure.
      exit when state not in ('40001', '40P01') or tries >= max_retries;
      -- Give the other transaction time to go on: an immediate retry would lock the same rows before it wakes.
      perform pg_sleep(0.1 * ops_internal.fibonacci(tries));
      tries := tries + 1;
    end;
  end loop;
  outcome := outcome || jsonb_build_object('execution_time_ms', round(extract(epoch from clock_timestamp() - started) * 1000));
  perform pg_advisory_xact_lock(ops_internal.run_lock_class() + 2, claim.lock_key);

  if state = 'PL006' then
    insert into ops.roman_events (event_type, severity, description, metadata)
    values (
      'fix_refused', 'critical', 'A changed fix was refused', jsonb_build_object(
        'pattern_id', claim.pattern_id, 'application_id', p_application_id, 'fix_version', claim.fix_version, 'sha256', claim.sha256
      )
    );
  end if;

  return ops_internal.record_application(claim, outcome)
  -- Rows and texts of the application, unscrubbed. They go to the engine and are not stored here.
  || jsonb_build_object(
    'rows_before', outcome -> 'rows_before', 'rows_after', outcome -> 'rows_after',
    'raised', case when not (outcome ->> 'success')::boolean then raised end
  );
end
$$;

comment on function ops.run_application_v1 is
  'Runs a claimed SQL fix and records it, in one transaction: either both happened or neither. A script that was cancelled at its time limit is recorded as failed. Repeating the call answers the first outcome. A sample of the rows before and after comes with the answer; scrubbed, ops.note_rows_v1 stores it. So does the text of an exception that the application raised, for ops.note_failure_v1.';

create function ops.cancel_application_v1(p_application_id uuid) returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  class constant integer := ops_internal.run_lock_class();
  now_ms constant integer := ops_internal.clock_milliseconds();
  backend integer;
  remaining_ms integer;
begin
  perform ops_internal.require_engine();

  with held as (
    select locks.pid, locks.classid::bigint - class as kind, locks.objid::bigint as key
    from pg_catalog.pg_locks as locks
    where locks.locktype = 'advisory'
      and locks.database = (select databases.oid from pg_catalog.pg_database as databases where databases.datname = current_database())
      and locks.classid::bigint between class and class + 2
      and locks.objsubid = 2
      and locks.granted
  )

  select held.pid, (fixes.timeout_ms - ((now_ms - clock.key) & 2147483647))::integer into backend, remaining_ms
  from ops.pattern_claims as claims
  inner join ops.pattern_fixes as fixes on fixes.pattern_id = claims.pattern_id and fixes.version = claims.fix_version
  inner join held on held.kind = 0 and held.key = claims.lock_key
  inner join held as clock on clock.kind = 1 and clock.pid = held.pid
  where claims.application_id = p_application_id
    and not exists (select from held as ended where ended.kind = 2 and ended.key = claims.lock_key)
  -- If a transaction has several runs, its last one is under way.
  order by 2 desc
  limit 1;

  if remaining_ms <= 0 then
    perform pg_cancel_backend(backend);
    return 0;
  end if;
  return remaining_ms;
end
$$;

comment on function ops.cancel_application_v1 is
  'Cancels the script of this application if its time is over; answers the milliseconds that it has left: 0 if it was cancelled, null where no script of it is under way. Its time runs from its first statement, in the database. A client that disconnects does not stop it.';

create function ops.finish_application_v1(p_application_id uuid, p_outcome jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  claim ops.pattern_claims;
begin
  perform ops_internal.require_engine();
  -- Waits for a run that is still under way; its own record then counts.
  claim := ops_internal.lock_claim(p_application_id);
  if claim.finished_at is not null then
    return ops_internal.recorded_outcome(p_application_id);
  end if;
  -- A SQL script and its record are one transaction, so that nobody else can know that it went well.
  perform ops_internal.refuse_if(
    fixes.fix_type = 'sql' and (p_outcome -> 'success') is distinct from 'false',
    'PL022', 'a run of a SQL fix that went well records itself',
    'Run it with ops.run_application_v1.'
  )
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = claim.pattern_id and fixes.version = claim.fix_version;
  return ops_internal.record_application(claim, p_outcome);
end
$$;

comment on function ops.finish_application_v1 is
  'Records an application that did not record itself. Repeating it, or finishing one that recorded itself, answers the first outcome.';

create function ops.note_rows_v1(p_application_id uuid, p_before jsonb, p_after jsonb) returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine();
  update ops.pattern_applications set
    system_state_before = system_state_before || jsonb_build_object('rows', p_before),
    system_state_after = system_state_after || jsonb_build_object('rows', p_after)
  where pattern_applications.application_id = p_application_id
    and not system_state_before ? 'rows'
    and applied_at > clock_timestamp() - interval '5 minutes';
  perform ops_internal.refuse_if(
    not found, 'PL010', format('the application %s does not exist, has its rows, or ended more than five minutes ago', p_application_id),
    'The sample of rows is stored once, as soon as the run has ended.'
  );
end
$$;

comment on function ops.note_rows_v1 is
  'Stores the sample of rows before and after a run, which the engine has scrubbed: once, and within five minutes. Raises PL010 otherwise.';

create function ops.note_failure_v1(p_application_id uuid, p_reason text) returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  recorded text;
begin
  perform ops_internal.require_engine();
  update ops.pattern_applications as applications set error_after = p_reason
  from (
    select former.id, former.error_after
    from ops.pattern_applications as former
    where former.application_id = p_application_id
      and former.error_after = ops_internal.withheld_error_message(former.metadata ->> 'sqlstate')
    for update
  ) as former
  where applications.id = former.id
  returning former.error_after into recorded;

  update ops.pattern_verifications set reason = p_reason
  where pattern_verifications.application_id = p_application_id and pattern_verifications.reason = recorded;
end
$$;

comment on function ops.note_failure_v1 is
  'Stores the text of the exception that a run raised, which the engine has scrubbed. What was recorded otherwise stands.';

create function ops_internal.dead_claims() returns setof ops.pattern_claims
language sql
stable
set search_path = ''
as $$
  select claims.*
  from ops.pattern_claims as claims
  inner join ops.pattern_fixes as fixes on fixes.pattern_id = claims.pattern_id and fixes.version = claims.fix_version
  where claims.finished_at is null
    -- SQL left no changes: if there is a log row, the sweep sends it again, and another worker takes the claim over.
    and claims.lease_until < clock_timestamp() - case
      when fixes.fix_type = 'sql' and claims.purpose = 'heal' and claims.system_log_id is not null then interval '5 minutes'
      else interval '0'
    end
  order by claims.pattern_id, claims.claimed_at
  limit 500
$$;

comment on function ops_internal.dead_claims is
  'Claims whose worker counts as dead, and that no other worker will take over; 500 of them at most.';

create function ops.recover_applications_v1() returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  dead ops.pattern_claims;
  claim ops.pattern_claims;
  recovered integer := 0;
begin
  perform ops_internal.require_engine();
  for dead in select * from ops_internal.dead_claims() loop
    -- The pattern is locked first, as everywhere; a run that is under way has locked its claim.
    perform from ops.error_patterns where error_patterns.pattern_id = dead.pattern_id for no key update;
    select claims.* into claim
    from ops.pattern_claims as claims
    where claims.application_id = dead.application_id and claims.finished_at is null and claims.lease_until = dead.lease_until
    for update skip locked;
    continue when not found;

    begin
      perform ops_internal.record_application(
        claim,
        jsonb_build_object(
          'success', false, 'started', false, 'execution_time_ms', null,
          'error', 'The worker ended without recording an outcome; whether the script ran is not known'
        )
      );
      recovered := recovered + 1;
    exception when others then
      raise warning 'pattern engine: application % was not recovered: %', claim.application_id, sqlerrm;
    end;
  end loop;
  return recovered;
end
$$;

comment on function ops.recover_applications_v1 is
  'Ends the claims whose worker died, as inconclusive. A cron job calls it every minute; answers how many there were.';

-- Taking a run back, by the undo script that was approved with the fix.

create function ops_internal.undo_problem(p_run ops.pattern_claims) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  application ops.pattern_applications;
  fix ops.pattern_fixes;
  -- The engine keeps what a bash fix replaced in granted directories, and nothing of such a run that failed.
  is_kept boolean;
  problem text;
begin
  select * into application from ops.pattern_applications where pattern_applications.application_id = p_run.application_id;
  select * into fix
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = p_run.pattern_id and pattern_fixes.version = p_run.fix_version;

  is_kept := fix.fix_type = 'bash' and fix.undo_script is null and fix.parameters ? 'directories';
  problem := case
    when p_run.purpose = 'undo' then 'it is itself the undoing of another run'
    when p_run.purpose = 'shadow' then 'nothing ran'
    when fix.undo_script is null and not is_kept then 'its fix was approved without an undo script'
    when application.id is null then 'it has not ended yet'
    -- A SQL script that failed left no changes; any other script may have done half of its work.
    when not application.success and (fix.fix_type = 'sql' or is_kept) then 'it did not succeed, and nothing of it was kept'
  end;
  if problem is null then
    select case
      when ended.application_id is null then format('the application %s is undoing it', undone.application_id)
      when ended.success then format('the application %s undid it at %s', undone.application_id, ended.applied_at)
      else format('the application %s tried to at %s and failed: %s', undone.application_id, ended.applied_at, ended.error_after)
    end
    into problem
    from ops.pattern_claims as undone
    left join ops.pattern_applications as ended on ended.application_id = undone.application_id
    where undone.undoes = p_run.application_id
      -- A SQL undo script that failed left no changes, so it may be tried again; for other types it is unknown.
      and ((fix.fix_type <> 'sql' and not is_kept) or ended.success is distinct from false)
    order by undone.claimed_at desc
    limit 1;
  end if;
  return problem;
end
$$;

comment on function ops_internal.undo_problem is 'Why a run cannot be undone, as the end of a sentence; null where it can.';

create function ops_internal.start_rollback(p_application_id uuid, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  run ops.pattern_claims;
  fix ops.pattern_fixes;
  undo ops.pattern_claims;
  problem text;
begin
  select * into run from ops.pattern_claims where pattern_claims.application_id = p_application_id and pattern_claims.purpose <> 'shadow';
  if not found then
    raise exception using
      errcode = 'PL010', message = format('there is no application %s', p_application_id), hint = 'ops.pattern_applications has them.';
  end if;
  perform from ops.error_patterns where error_patterns.pattern_id = run.pattern_id for no key update;
  select * into fix
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = run.pattern_id and pattern_fixes.version = run.fix_version;

  problem := ops_internal.undo_problem(run);
  if problem is not null then
    raise exception using
      errcode = 'PL021', message = 'this run cannot be undone: ' || problem,
      hint = 'If a change of it is still there, undo that by hand.';
  end if;

  insert into ops.pattern_claims (
    pattern_id, system_log_id, fix_version, sha256, purpose, undoes, target, source, error, policy, claimed_by, lease_until
  )
  values (
    run.pattern_id, run.system_log_id, run.fix_version, run.sha256, 'undo', p_application_id, run.target, run.source, run.error,
    run.policy, person, ops_internal.lease(fix)
  )
  returning * into undo;
  -- Checks before anything is changed that these are the approved bytes, and that the secrets exist.
  perform from ops_internal.pinned_fix(undo.application_id);
  perform ops_internal.require_granted(fix);

  -- Whoever takes a run back does not want the fix to run again.
  if fix.disabled_at is null and fix.mode = 'live' then
    perform ops_internal.demote(fix, person, coalesce(p_reason, 'a run was undone'));
  end if;
  update ops.pattern_verifications set
    outcome = 'failed',
    reason = 'An operator took the run back: ' || coalesce(p_reason, 'no reason given'),
    decided_at = clock_timestamp()
  where pattern_verifications.application_id = p_application_id;
  perform ops_internal.rate_fix(fixes) from ops.pattern_fixes as fixes where fixes.id = fix.id;
  perform ops_internal.show_figures(run.pattern_id);
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'rollback_ordered', 'warning', 'A run is being undone', person,
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

create function ops.start_rollback_v1(p_application_id uuid, p_reason text default null) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.start_rollback(p_application_id, p_reason) $$;

comment on function ops.start_rollback_v1 is
  'Begins to undo a run, and demotes its fix. A run is undone once, unless undoing it failed and changed nothing. For an ops_operator or ops_admin in person; answers the application that undoes the run and its script, which the engine checks again and runs.';

create function ops.recall_error_v1(p_application_id uuid, p_error jsonb) returns boolean
language sql
security definer
set search_path = ''
as $$
  select ops_internal.require_engine();

  with recalled as (
    update ops.pattern_claims set error = p_error
    where pattern_claims.application_id = p_application_id
      and pattern_claims.purpose = 'undo'
      and pattern_claims.finished_at is null
      -- Once: the run's own copy has lost its captured values.
      and not pattern_claims.error ? 'captured'
    returning pattern_claims.application_id
  )

  select exists (select from recalled)
$$;

comment on function ops.recall_error_v1 is
  'Stores the error for the undo script as the run saw it, read from the log row again, because the captured values are removed when a run ends. For the engine; answers whether such a rollback was under way.';
