-- Learning with several grouping algorithms: one round trip for errors that are known, and for most that are new.
--
-- An error brings the signature of the current algorithm and those of the older ones. If an older one is known, it decides,
-- so that patterns made before an upgrade keep their errors; the current signature is then attached to that pattern. If none
-- is known, the error makes a pattern, or joins the pattern whose templates are alike. If templates of two patterns are
-- alike to it, those two are one pattern: ops.join_errors_v1 joins them, while nobody else learns.

-- An application may log any amount of text in any form. What is read of a row is bounded here, before it leaves the
-- database: in depth, in length, and in total.

create function ops_internal.bounded_texts(p_object jsonb, p_keys text [], p_most integer) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(fields.key, left(fields.value #>> '{}', p_most)), '{}')
  -- The planner may compute this for a constant before a caller's condition is asked.
  from jsonb_each(case when jsonb_typeof(p_object) = 'object' then p_object else '{}' end) as fields
  where fields.key = any(p_keys) and jsonb_typeof(fields.value) = 'string'
$$;

comment on function ops_internal.bounded_texts is 'Those of these fields of an object that are texts, each cut off after so many characters.';

create function ops_internal.bounded_frames(p_frames jsonb) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select coalesce(jsonb_agg(last.frame order by last.place), '[]')
  from (
    select
      elements.place,
      ops_internal.bounded_texts(elements.frame, array['function', 'module', 'filename', 'abs_path'], 512)
      || case when elements.frame -> 'in_app' = 'false' then '{"in_app": false}' else '{}' end::jsonb as frame
    from jsonb_array_elements(case when jsonb_typeof(p_frames) = 'array' then p_frames else '[]' end) with ordinality as elements (frame, place)
    where jsonb_typeof(elements.frame) = 'object'
    order by elements.place desc
    limit 64
  ) as last
$$;

comment on function ops_internal.bounded_frames is 'The last 64 frames of a stack trace, with what grouping reads of each.';

create function ops_internal.bounded_exception(p_exception jsonb) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select case
    when not chain.is_plain then (
      select jsonb_agg(
        case jsonb_typeof(causes.cause)
          when 'string' then to_jsonb(left(causes.cause #>> '{}', 4096))
          when 'object' then
            ops_internal.bounded_texts(causes.cause, array['type', 'module', 'value'], 4096)
            || case
              when jsonb_typeof(causes.cause #> '{stacktrace,frames}') = 'array' then jsonb_build_object(
                'stacktrace', jsonb_build_object('frames', ops_internal.bounded_frames(causes.cause #> '{stacktrace,frames}'))
              )
              else '{}'
            end
        end
        order by causes.place
      )
      from (
        select elements.cause, elements.place
        from jsonb_array_elements(chain.causes) with ordinality as elements (cause, place)
        order by elements.place desc
        limit 8
      ) as causes
    )
    when jsonb_typeof(p_exception) = 'string' then to_jsonb(left(p_exception #>> '{}', 4096))
  end
  from (
    select
      jsonb_typeof(p_exception) not in ('object', 'array') as is_plain,
      case
        when jsonb_typeof(p_exception) = 'array' then p_exception
        when jsonb_typeof(p_exception -> 'values') = 'array' then p_exception -> 'values'
        else jsonb_build_array(p_exception)
      end as causes
  ) as chain
$$;

comment on function ops_internal.bounded_exception is
  'The last eight exceptions of a chain, each with its kind, its text and its last 64 frames; as evidence.py reads them.';

create function ops_internal.bounded_error_data(p_error_data jsonb) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select ops_internal.bounded_texts(
    p_error_data,
    -- The fields of evidence.py, OF_DRIVERS among them.
    array[
      'stack', 'stacktrace', 'fingerprint', 'code', 'sqlState', 'details', 'detail', 'hint', 'where', 'context', 'routine',
      'constraint', 'table', 'column', 'schema', 'constraint_name', 'table_name', 'column_name'
    ],
    4096
  ) || jsonb_strip_nulls(
    jsonb_build_object(
      'exception', ops_internal.bounded_exception(p_error_data -> 'exception'),
      'fingerprint', case when jsonb_typeof(p_error_data -> 'fingerprint') = 'array' then (
        select jsonb_agg(left(parts.part #>> '{}', 4096) order by parts.place) filter (where jsonb_typeof(parts.part) = 'string')
        from jsonb_array_elements(p_error_data -> 'fingerprint') with ordinality as parts (part, place)
        where parts.place <= 64
      ) end
    )
  )
  where jsonb_typeof(p_error_data) = 'object' and pg_column_size(p_error_data) <= 262144
$$;

comment on function ops_internal.bounded_error_data is
  'What grouping reads of error_data, in a form of bounded depth and length; null for what is no object, or too large to look into.';

create function ops.read_logs_v1(p_ids bigint []) returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select ops_internal.require_engine();

  with read as (
    select
      logs.id,
      jsonb_build_object(
        'id', logs.id,
        'message', left(logs.message, 65536),
        'source', left(logs.source, 1000),
        'log_level', logs.log_level,
        'created_at', logs.created_at,
        'written_by', logs.written_by,
        'error_data', ops_internal.bounded_error_data(logs.error_data),
        'environment', left(logs.environment, 200),
        'release', left(logs.release, 200),
        'learned', exists (select from ops.pattern_incidents as incidents where incidents.system_log_id = logs.id)
      ) as log
    from ops.system_logs as logs
    where logs.id = any(p_ids)
      and logs.log_level in ('error', 'critical')
      and not ops_internal.is_own_source(logs.source)
  ),

  sized as (
    select
      read.id, read.log, sum(pg_column_size(read.log)) over (order by read.id) as bytes, row_number() over (order by read.id) as place
    from read
  )

  select coalesce(jsonb_agg(sized.log order by sized.id), '[]')
  from sized
  where sized.bytes <= 8388608 or sized.place = 1
$$;

comment on function ops.read_logs_v1 is
  'The errors and criticals among these log rows, without the engine''s own, by id, and whether each was learned before. At most 8 MB: the caller asks again for the ids behind the last one.';

create function ops_internal.attach_signatures(p_errors jsonb, p_pattern_id uuid default null) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into ops.pattern_signatures (signature, pattern_id, algorithm, template, leaf, wider)
  select distinct on (errors.signature)
    errors.signature, coalesce(p_pattern_id, errors.pattern_id), errors.algorithm, errors.template, errors.leaf, errors.wider
  from rows from (jsonb_to_recordset(p_errors) as (
    signature text, algorithm text, template text, leaf text, wider text [], pattern_id uuid
  )) with ordinality as errors
  order by errors.signature, errors.ordinality
  on conflict (signature) do nothing;
end
$$;

comment on function ops_internal.attach_signatures is
  'Has the signatures of these errors lead to a pattern, or to the pattern_id that each of them names.';

create function ops_internal.make_patterns(p_errors jsonb) returns uuid []
language plpgsql
set search_path = ''
as $$
declare
  made uuid [];
begin
  with patterns as (
    insert into ops.error_patterns (
      pattern_signature, pattern_type, error_message_pattern, error_source, severity, occurrence_count, tries_expression, metadata
    )
    select
      errors.signature, errors.pattern_type, errors.error_message_pattern, errors.error_source, errors.severity, 0,
      errors.algorithm = 'grouping/v1',
      jsonb_build_object('template', errors.template, 'features', errors.features)
      || jsonb_strip_nulls(
        jsonb_build_object(
          'sample', errors.sample, 'captured', errors.captured, 'known', errors.known, 'symptom', errors.symptom
        )
      )
    from rows from (jsonb_to_recordset(p_errors) as (
      signature text, algorithm text, template text, pattern_type text, error_message_pattern text, error_source text,
      severity text, features jsonb, sample text, captured jsonb, known text, symptom text
    )) with ordinality as errors
    order by errors.ordinality
    on conflict (pattern_signature) do nothing
    returning pattern_id
  )

  select coalesce(array_agg(patterns.pattern_id), '{}') into made
  from patterns;

  perform ops_internal.attach_signatures(
    (
      select jsonb_agg(errors.error || jsonb_build_object('pattern_id', patterns.pattern_id) order by errors.ordinality)
      from jsonb_array_elements(p_errors) with ordinality as errors (error, ordinality)
      inner join ops.error_patterns as patterns on patterns.pattern_signature = errors.error ->> 'signature'
    )
  );
  return made;
end
$$;

comment on function ops_internal.make_patterns is
  'Makes a pattern for each of these errors, whose signatures are unknown and differ; answers the ids. Their errors are counted later.';

create function ops_internal.refresh_known(p_errors jsonb) returns void
language sql
set search_path = ''
as $$
  with named as (
    select distinct on (errors.signature) errors.signature, errors.known, errors.symptom
    from rows from (
      jsonb_to_recordset(p_errors) as (signature text, template text, known text, symptom text)
    ) with ordinality as errors
    where errors.template is not null
    order by errors.signature, errors.ordinality
  ),

  -- Waiting for a pattern out of turn could deadlock; the next error that comes with all its fields finds it free.
  changed as materialized (
    select patterns.pattern_id, named.known, named.symptom
    from named
    inner join ops.error_patterns as patterns on patterns.pattern_signature = named.signature
    where patterns.metadata ->> 'known' is distinct from named.known
      or patterns.metadata ->> 'symptom' is distinct from named.symptom
    for no key update of patterns skip locked
  )

  update ops.error_patterns as patterns set
    metadata = patterns.metadata - array['known', 'symptom']
    || jsonb_strip_nulls(jsonb_build_object('known', changed.known, 'symptom', changed.symptom))
  from changed
  where patterns.pattern_id = changed.pattern_id
$$;

comment on function ops_internal.refresh_known is
  'Notes with patterns what the catalogue says of their first signature today: its entry, and whether it is a symptom.';

create function ops_internal.values_of_evidence() returns integer
language sql
immutable
set search_path = ''
as $$ select 5 $$;

comment on function ops_internal.values_of_evidence is
  'How many different free words in one place of a template are evidence of a variable; MIN_VALUES of grouping/v2.';

create function ops_internal.seen_wider(p_wider text [], p_other jsonb default '{}') returns text []
language sql
stable
set search_path = ''
as $$
  select array_agg(words.signature)
  from unnest(p_wider) as words (signature)
  where coalesce((p_other ->> words.signature)::integer, 0) + (
    select count(*)
    from (
      select from ops.pattern_signatures as narrower
      where narrower.wider @> array[words.signature]
      limit ops_internal.values_of_evidence()
    ) as enough
  ) >= ops_internal.values_of_evidence()
$$;

comment on function ops_internal.seen_wider is
  'Of these wider signatures, those that enough signatures have: the stored ones and so many others. Null if none has.';

create function ops_internal.alike_patterns(p_signature text, p_wider text []) returns uuid []
language plpgsql
stable
set search_path = ''
as $$
declare
  -- Signatures with the same wider one that are looked at. All of them lead to one pattern, but for fixes and people's splits.
  most constant integer := 50;
  seen constant text [] := ops_internal.seen_wider(
    p_wider, (select jsonb_object_agg(words.signature, 1) from unnest(p_wider) as words (signature))
  );
  found uuid [] := array(
    select wider.pattern_id from ops.pattern_signatures as wider where wider.signature = any(p_wider)
    union
    select narrower.pattern_id from ops.pattern_signatures as narrower where narrower.wider @> array[p_signature]
  );
begin
  if seen is not null and not exists (select from unnest(found) as ids (id) where ops_internal.has_live_fix(ids.id)) then
    -- Words alone, without a variable, never bring an error to a fix.
    found := found || array(
      select distinct narrower.pattern_id
      from unnest(seen) as words (signature)
      cross join lateral (
        select signatures.pattern_id
        from ops.pattern_signatures as signatures
        where signatures.wider @> array[words.signature]
        limit most
      ) as narrower
      where not ops_internal.has_live_fix(narrower.pattern_id)
    );
  end if;
  return array(
    select patterns.pattern_id
    from ops.error_patterns as patterns
    where patterns.pattern_id = any(found)
    -- The pattern with a live fix is kept, else the oldest.
    order by patterns.has_running_fix desc, patterns.id
  );
end
$$;

comment on function ops_internal.alike_patterns is
  'The patterns with a template that is alike, in the order in which they would be kept.';

create function ops_internal.writer_of(p_system_log_id bigint, p_claimed_by uuid) returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(
    (select logs.written_by from ops.system_logs as logs where logs.id = p_system_log_id),
    case when p_claimed_by is null then 'service_role' else 'authenticated' end
  )
$$;

comment on function ops_internal.writer_of is
  'The role that wrote the log row of an error; for one without a row, authenticated if a person reported it, else service_role.';

create function ops_internal.join_alike(p_patterns uuid [], p_fresh uuid [], p_template text, p_counts boolean) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  kept uuid := p_patterns [1];
  gone uuid;
begin
  foreach gone in array p_patterns [2:] loop
    if gone = any(p_fresh) then
      -- The pattern was made in this transaction, and no error was counted for it yet.
      update ops.pattern_signatures set pattern_id = kept where pattern_signatures.pattern_id = gone;
      delete from ops.error_patterns where error_patterns.pattern_id = gone;
    elsif ops_internal.may_join(kept, gone)
      -- An error that does not count is no evidence that two patterns whose errors do are one.
      and (
        p_counts
        or exists (
          select from ops.error_patterns as patterns
          where patterns.pattern_id in (kept, gone) and patterns.occurrence_count = 0
        )
      ) then
      perform ops_internal.join_patterns(kept, gone, 'evidence', null, 'Both are alike to: ' || p_template);
      -- If only the other one has a live fix, join_patterns has kept that one.
      kept := coalesce((select patterns.merged_into from ops.error_patterns as patterns where patterns.pattern_id = kept), kept);
    end if;
  end loop;
  return kept;
end
$$;

comment on function ops_internal.join_alike is
  'Merges the patterns whose templates are similar to one template, except those that may not be merged, and, if the error with that template does not count, those whose errors do; answers the kept pattern.';

create function ops_internal.make_or_join(p_errors jsonb, p_alone boolean) returns uuid []
language plpgsql
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- The planner expects half a percent of all templates to be alike and would read them all; hardly any ever is.
set enable_seqscan = 'off'
as $$
declare
  lonely jsonb;
  others jsonb;
  made uuid [] := array[]::uuid [];
  alike uuid [];
  newcomer record;
begin
  -- Most errors are alike to nothing; their patterns are made together.
  with errors as (
    select elements.error, elements.signature, elements.template, elements.wider, elements.ordinality
    from rows from (
      jsonb_array_elements(p_errors), jsonb_to_recordset(p_errors) as (signature text, template text, wider text [])
    ) with ordinality as elements (error, signature, template, wider, ordinality)
  ),

  among_themselves as (
    select narrower.signature, wider.signature as other
    from errors as narrower
    cross join lateral unnest(narrower.wider) as words (signature)
    inner join errors as wider on wider.signature = words.signature
  ),

  -- How many of these errors have each wider signature.
  widened as materialized (
    select jsonb_object_agg(counted.signature, counted.errors) as errors
    from (
      select words.signature, count(*) as errors
      from errors
      cross join lateral unnest(errors.wider) as words (signature)
      group by words.signature
    ) as counted
  ),

  judged as materialized (
    select
      errors.error, errors.ordinality, errors.template,
      errors.signature not in (select pairs.signature from among_themselves as pairs)
      and errors.signature not in (select pairs.other from among_themselves as pairs)
      and not exists (select from ops.pattern_signatures as wider where wider.signature = any(errors.wider))
      and not exists (select from ops.pattern_signatures as narrower where narrower.wider @> array[errors.signature])
      and ops_internal.seen_wider(errors.wider, widened.errors) is null as is_lonely
    from errors
    cross join widened
  )

  select
    coalesce(jsonb_agg(judged.error order by judged.ordinality) filter (where judged.is_lonely), '[]'),
    coalesce(
      -- The template with most variables first: the others are then alike to it, and no pattern is made only to be merged.
      jsonb_agg(
        judged.error order by length(judged.template) - length(replace(judged.template, '<*>', '')) desc, judged.ordinality
      ) filter (where not judged.is_lonely),
      '[]'
    )
  into lonely, others
  from judged;

  if lonely <> '[]' then
    made := ops_internal.make_patterns(lonely);
  end if;

  for newcomer in
    select
      jsonb_build_array(elements.error) as errors, elements.signature, elements.template, elements.wider,
      ops_internal.writer_of(elements.system_log_id, elements.claimed_by) = any((select ops_internal.counted_writers())::text []) as counts
    from rows from (
      jsonb_array_elements(others),
      jsonb_to_recordset(others) as (signature text, template text, wider text [], system_log_id bigint, claimed_by uuid)
    ) with ordinality as elements (error, signature, template, wider, system_log_id, claimed_by, ordinality)
    order by elements.ordinality
  loop
    alike := ops_internal.alike_patterns(newcomer.signature, newcomer.wider);
    if cardinality(alike) = 0 then
      made := made || ops_internal.make_patterns(newcomer.errors);
    elsif p_alone or (select count(*) from unnest(alike) as ids (id) where ids.id <> all(made)) <= 1 then
      perform ops_internal.attach_signatures(newcomer.errors, ops_internal.join_alike(alike, made, newcomer.template, newcomer.counts));
    end if;
  end loop;

  return array(
    select patterns.pattern_id from ops.error_patterns as patterns
    where patterns.pattern_id = any(made)
  );
end
$$;

comment on function ops_internal.make_or_join is
  'Makes patterns for errors with unknown signatures, or adds the signatures to similar patterns; answers the new ones. Unless learning is locked, it leaves out those that would merge two existing patterns.';

create function ops_internal.settle_signatures(p_errors jsonb, p_alone boolean) returns uuid []
language plpgsql
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  unknown jsonb;
  attached jsonb;
  newcomers jsonb;
begin
  -- For each unknown signature, the first error that has everything that a pattern is made of.
  select coalesce(jsonb_agg(firsts.error order by firsts.ordinality), '[]') into unknown
  from (
    select distinct on (errors.error ->> 'signature') errors.error, errors.ordinality
    from jsonb_array_elements(p_errors) with ordinality as errors (error, ordinality)
    where not exists (select from ops.pattern_signatures as known where known.signature = errors.error ->> 'signature')
    order by errors.error ->> 'signature', errors.error ->> 'template' is null, errors.ordinality
  ) as firsts
  -- A signature without a template cannot make a pattern; its sender is answered that it is unknown.
  where firsts.error ->> 'template' is not null;

  if not p_alone then
    perform ops_internal.lock_leaves(unknown);
  end if;

  -- Other workers may have made these signatures while we waited for the lock.
  with errors as (
    select given.signature, given.ordinality, older.pattern_id, incidents.system_log_id is not null as is_counted
    from rows from (
      jsonb_to_recordset(p_errors) as (signature text, older text [], system_log_id bigint)
    ) with ordinality as given
    left join lateral (
      select signatures.pattern_id
      from ops.pattern_signatures as signatures
      where signatures.signature = any(given.older)
      order by array_position(given.older, signatures.signature)
      limit 1
    ) as older on true
    left join ops.pattern_incidents as incidents on incidents.system_log_id = given.system_log_id
  ),

  by_signature as (
    select
      errors.signature,
      (array_agg(errors.pattern_id order by errors.ordinality) filter (where errors.pattern_id is not null))[1] as pattern_id,
      bool_or(errors.pattern_id is null and not errors.is_counted) as is_wanted
    from errors
    group by errors.signature
  ),

  still_unknown as (
    select firsts.error, firsts.ordinality, by_signature.pattern_id, by_signature.is_wanted
    from jsonb_array_elements(unknown) with ordinality as firsts (error, ordinality)
    inner join by_signature on by_signature.signature = firsts.error ->> 'signature'
    where not exists (select from ops.pattern_signatures as known where known.signature = by_signature.signature)
  )

  select
    jsonb_agg(still_unknown.error || jsonb_build_object('pattern_id', still_unknown.pattern_id) order by still_unknown.ordinality)
      filter (where still_unknown.pattern_id is not null),
    jsonb_agg(still_unknown.error order by still_unknown.ordinality)
      filter (where still_unknown.pattern_id is null and still_unknown.is_wanted)
  into attached, newcomers
  from still_unknown;

  if attached is not null then
    perform ops_internal.attach_signatures(attached);
  end if;
  if newcomers is null then
    return array[]::uuid [];
  end if;
  return ops_internal.make_or_join(newcomers, p_alone);
end
$$;

comment on function ops_internal.settle_signatures is
  'Has each unknown signature of these errors lead to a pattern: that of an older signature of the same error, one that is alike, or a new one. Answers the new ones.';

create function ops_internal.count_untrusted(p_totals jsonb, p_keep_latest integer) returns void
language sql
set search_path = ''
as $$
  -- Where and when a pattern was seen, they tell only while none of its errors counts.
  update ops.error_patterns as patterns set
    untrusted_occurrences = patterns.untrusted_occurrences + totals.occurrences,
    first_seen = case
      when patterns.occurrence_count > 0 then patterns.first_seen
      when patterns.untrusted_occurrences = 0 then totals.first_seen
      else least(patterns.first_seen, totals.first_seen)
    end,
    first_release = case
      when patterns.occurrence_count > 0 or (patterns.untrusted_occurrences > 0 and totals.first_seen >= patterns.first_seen)
        then patterns.first_release
      else totals.first_release
    end,
    first_environment = case
      when patterns.occurrence_count > 0 or (patterns.untrusted_occurrences > 0 and totals.first_seen >= patterns.first_seen)
        then patterns.first_environment
      else totals.first_environment
    end,
    last_seen = case
      when patterns.occurrence_count > 0 then patterns.last_seen
      when patterns.untrusted_occurrences = 0 then totals.last_seen
      else greatest(patterns.last_seen, totals.last_seen)
    end,
    last_release = case
      when patterns.occurrence_count > 0 or (patterns.untrusted_occurrences > 0 and totals.last_seen < patterns.last_seen)
        then patterns.last_release
      else coalesce(totals.last_release, patterns.last_release)
    end,
    last_environment = case
      when patterns.occurrence_count > 0 or (patterns.untrusted_occurrences > 0 and totals.last_seen < patterns.last_seen)
        then patterns.last_environment
      else coalesce(totals.last_environment, patterns.last_environment)
    end,
    learned_from_incidents = case
      when patterns.occurrence_count > 0 then patterns.learned_from_incidents
      else (totals.latest || coalesce(patterns.learned_from_incidents, '{}')) [1:p_keep_latest]
    end
  from jsonb_to_recordset(p_totals) as totals (
    pattern_id uuid, occurrences integer, first_seen timestamptz, last_seen timestamptz, latest bigint [],
    first_release text, first_environment text, last_release text, last_environment text
  )
  where patterns.pattern_id = totals.pattern_id
$$;

comment on function ops_internal.count_untrusted is
  'Counts errors of writers who do not count, apart from the others. It opens no pattern that was resolved, ignored or archived. The caller has locked the patterns, if they are several.';

create function ops_internal.require_quota(p_errors jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  reports record;
  limit_name text;
  wait_seconds integer;
begin
  for reports in
    select errors.claimed_by, count(*)::integer as errors, count(*) filter (where errors.system_log_id is null)::integer as without_row
    from jsonb_to_recordset(p_errors) as errors (claimed_by uuid, system_log_id bigint)
    where errors.claimed_by is not null
    group by errors.claimed_by
    order by errors.claimed_by
  loop
    limit_name := 'user_learns_per_minute';
    wait_seconds := ops_internal.take_quota(reports.claimed_by, limit_name, reports.errors);
    if wait_seconds = 0 and reports.without_row > 0 then
      limit_name := 'user_reports_per_minute';
      wait_seconds := ops_internal.take_quota(reports.claimed_by, limit_name, reports.without_row);
    end if;
    perform ops_internal.refuse_if(
      wait_seconds > 0, 'PL040', ops_internal.quota_message(limit_name), format('Send it again in %s seconds.', wait_seconds),
      'Nothing of this request was learned.'
    );
  end loop;
end
$$;

comment on function ops_internal.require_quota is
  'Takes these reports of people out of their quotas. Raises PL040 beyond what the settings allow.';

create function ops_internal.learn_errors(p_errors jsonb, p_alone boolean) returns jsonb
language plpgsql
set search_path = ''
-- The plans for a few errors serve all batches: each error is looked up by index, so no batch needs a new plan.
set plan_cache_mode = 'force_generic_plan'
-- A plan made while the tables are small would read them whole, and goes on doing so until they are analyzed.
set enable_seqscan = 'off'
as $$
-- Locks are taken in one order by every caller, so that two batches never wait for each other:
-- learning as a whole, new signatures by leaf, then incidents by log row, then the counters by pattern.
declare
  keep_latest constant integer := 20;
  -- What the hot path needs of the errors, read out of the JSON once.
  given_logs bigint [];
  -- The signature that leads to each error's pattern, and that pattern.
  given_keys text [];
  given_patterns uuid [];
  -- What each error named; null where that is nothing.
  given_identifiers jsonb [];
  given_frames text [];
  -- The person who reported each error; null where the engine did.
  given_people uuid [];
  counted_writers constant text [] := ops_internal.counted_writers();
  all_attached boolean;
  any_complete boolean;
  is_second_look boolean := false;
  new_patterns uuid [] := array[]::uuid [];
  counted_logs bigint [];
  counted jsonb;
  untrusted jsonb;
  counted_identifiers jsonb;
  known_identifiers integer;
  not_open uuid [];
  reached uuid [];
  answer jsonb;
begin
  -- 1. The pattern of each error. Unknown signatures get a pattern, and then the pattern is looked up again.
  loop
    select
      array_agg(errors.system_log_id order by errors.ordinality),
      array_agg(coalesce(older.signature, current.signature) order by errors.ordinality),
      -- An older signature alone decides only if the error brings the template that its current signature is attached with.
      array_agg(
        case
          when current.signature is not null or errors.template is not null then coalesce(older.pattern_id, current.pattern_id)
        end
        order by errors.ordinality
      ),
      array_agg(errors.identifiers order by errors.ordinality),
      array_agg(errors.frame order by errors.ordinality),
      array_agg(errors.claimed_by order by errors.ordinality),
      bool_and(current.signature is not null),
      bool_or(errors.template is not null and current.signature is not null)
    into given_logs, given_keys, given_patterns, given_identifiers, given_frames, given_people, all_attached, any_complete
    from rows from (
      jsonb_to_recordset(p_errors) as (
        signature text, older text [], system_log_id bigint, template text, identifiers jsonb, frame text, claimed_by uuid
      )
    ) with ordinality as errors
    left join ops.pattern_signatures as current on current.signature = errors.signature
    left join lateral (
      select signatures.signature, signatures.pattern_id
      from ops.pattern_signatures as signatures
      where signatures.signature = any(errors.older)
      order by array_position(errors.older, signatures.signature)
      limit 1
    ) as older on true;

    exit when is_second_look;
    if array_remove(given_logs, null) <> '{}' then
      perform ops_internal.require_own_log_rows(p_errors);
    end if;
    if array_position(given_logs, null) is null then
      -- A crash may lose this transaction before it reaches the disk. The log rows are kept, so the sweep sends them again,
      -- and learning need not wait for the disk.
      perform set_config('synchronous_commit', 'off', true);
    end if;
    exit when coalesce(all_attached, true);
    new_patterns := ops_internal.settle_signatures(p_errors, p_alone);
    is_second_look := true;
  end loop;

  -- 2. The incidents; a log row that was counted before is left out.
  with incidents as (
    insert into ops.pattern_incidents (
      pattern_id, signature, system_log_id, occurred_at, identifiers, frame, written_by, counts
    )
    select
      errors.pattern_id, errors.signature, errors.system_log_id, coalesce(logs.created_at, now()),
      coalesce(errors.identifiers, '{}'), errors.frame, writers.role, writers.role = any(counted_writers)
    from unnest(given_patterns, given_keys, given_logs, given_identifiers, given_frames, given_people)
      with ordinality as errors (pattern_id, signature, system_log_id, identifiers, frame, claimed_by, ordinality)
    left join ops.system_logs as logs on logs.id = errors.system_log_id
    cross join lateral (
      select coalesce(logs.written_by, case when errors.claimed_by is null then 'service_role' else 'authenticated' end) as role
    ) as writers
    where errors.pattern_id is not null
    order by errors.system_log_id, errors.ordinality
    on conflict (system_log_id) do nothing
    returning pattern_id, signature, system_log_id, occurred_at, identifiers, frame, counts
  ),

  named as (
    select
      incidents.signature, incidents.identifiers, incidents.frame,
      -- As ops_internal.identifiers_digest, whose call would cost more than all the rest of this.
      md5(incidents.identifiers::text || coalesce(incidents.frame, ''))::uuid as digest, count(*) as occurrences,
      min(incidents.occurred_at) as first_seen, max(incidents.occurred_at) as last_seen
    from incidents
    -- A signature has room for so many sets, and those that count must find it.
    where incidents.counts and (incidents.identifiers <> '{}' or incidents.frame is not null)
    group by incidents.signature, incidents.identifiers, incidents.frame
  ),

  totals as (
    select
      incidents.pattern_id,
      incidents.counts,
      count(*) as occurrences,
      min(incidents.occurred_at) as first_seen,
      max(incidents.occurred_at) as last_seen,
      array_remove(array_agg(incidents.system_log_id order by incidents.occurred_at desc, incidents.system_log_id desc), null) as logs,
      (array_agg(left(logs.release, 200) order by incidents.occurred_at))[1] as first_release,
      (array_agg(left(logs.environment, 200) order by incidents.occurred_at))[1] as first_environment,
      (array_agg(logs.log_level order by incidents.occurred_at))[1] as first_level,
      (array_agg(left(logs.source, 1000) order by incidents.occurred_at))[1] as first_source,
      (array_agg(left(logs.release, 200) order by incidents.occurred_at desc) filter (where logs.release is not null))[1] as last_release,
      (array_agg(left(logs.environment, 200) order by incidents.occurred_at desc) filter (where logs.environment is not null))[1] as last_environment
    from incidents
    left join ops.system_logs as logs on logs.id = incidents.system_log_id
    group by incidents.pattern_id, incidents.counts
  )

  select
    coalesce(
      jsonb_agg(to_jsonb(totals) || jsonb_build_object('latest', to_jsonb(totals.logs [1:keep_latest]))) filter (where totals.counts),
      '[]'
    ),
    jsonb_agg(to_jsonb(totals) || jsonb_build_object('latest', to_jsonb(totals.logs [1:keep_latest])))
      filter (where not totals.counts),
    array(select incidents.system_log_id from incidents),
    (select jsonb_agg(to_jsonb(named)) from named)
  into counted, untrusted, counted_logs, counted_identifiers
  from totals;

  -- 3. The counters.
  if jsonb_array_length(counted || coalesce(untrusted, '[]')) > 1 then
    perform 1
    from ops.error_patterns as patterns
    where patterns.pattern_id in (
      select totals.pattern_id from jsonb_to_recordset(counted || coalesce(untrusted, '[]')) as totals (pattern_id uuid)
    )
    order by patterns.pattern_id
    for no key update;
  end if;

  with updated as (
    update ops.error_patterns as patterns set
      occurrence_count = patterns.occurrence_count + totals.occurrences,
      first_seen = case when patterns.occurrence_count = 0 then totals.first_seen else least(patterns.first_seen, totals.first_seen) end,
      last_seen = case when patterns.occurrence_count = 0 then totals.last_seen else greatest(patterns.last_seen, totals.last_seen) end,
      first_release = case
        when patterns.occurrence_count = 0 or totals.first_seen < patterns.first_seen then totals.first_release
        else patterns.first_release
      end,
      first_environment = case
        when patterns.occurrence_count = 0 or totals.first_seen < patterns.first_seen then totals.first_environment
        else patterns.first_environment
      end,
      -- What errors that do not count have said before is not kept.
      last_release = case
        when patterns.occurrence_count = 0 then totals.last_release
        when totals.last_seen >= patterns.last_seen then coalesce(totals.last_release, patterns.last_release)
        else patterns.last_release
      end,
      last_environment = case
        when patterns.occurrence_count = 0 then totals.last_environment
        when totals.last_seen >= patterns.last_seen then coalesce(totals.last_environment, patterns.last_environment)
        else patterns.last_environment
      end,
      -- Nor is what they have made of the pattern; its type and template follow from the message.
      severity = case when patterns.untrusted_occurrences > 0 and patterns.occurrence_count = 0
        then coalesce(totals.first_level, patterns.severity) else patterns.severity
      end,
      error_source = case when patterns.untrusted_occurrences > 0 and patterns.occurrence_count = 0
        then totals.first_source else patterns.error_source
      end,
      learned_from_incidents = case
        when patterns.occurrence_count = 0 then totals.latest
        else (totals.latest || coalesce(patterns.learned_from_incidents, '{}')) [1:keep_latest]
      end
    from jsonb_to_recordset(counted) as totals (
      pattern_id uuid, occurrences integer, first_seen timestamptz, last_seen timestamptz, latest bigint [],
      first_release text, first_environment text, last_release text, last_environment text, first_level text, first_source text
    )
    where patterns.pattern_id = totals.pattern_id
    returning patterns.pattern_id, patterns.status, patterns.occurrence_count, totals.occurrences
  )

  select
    array_agg(updated.pattern_id) filter (where updated.status <> 'open'),
    array_agg(updated.pattern_id)
      filter (where review.occurrences between updated.occurrence_count - updated.occurrences + 1 and updated.occurrence_count)
  into not_open, reached
  from updated
  left join (
    select settings.value::integer as occurrences from ops.project_settings as settings where settings.name = 'review_occurrences'
  ) as review on true;

  if untrusted is not null then
    perform ops_internal.count_untrusted(untrusted, keep_latest);
  end if;
  if not_open is not null then
    perform ops_internal.seen_again(not_open);
  end if;
  if reached is not null then
    perform ops_internal.tell_reached(reached);
  end if;
  if any_complete and not is_second_look then
    perform ops_internal.refresh_known(p_errors);
  end if;
  if counted_identifiers is not null then
    update ops.pattern_identifiers as stored set
      occurrences = stored.occurrences + named.occurrences,
      first_seen = least(stored.first_seen, named.first_seen),
      last_seen = greatest(stored.last_seen, named.last_seen)
    from jsonb_to_recordset(counted_identifiers) as named (
      signature text, digest uuid, occurrences bigint, first_seen timestamptz, last_seen timestamptz
    )
    where stored.signature = named.signature and stored.digest = named.digest;
    get diagnostics known_identifiers = row_count;
    if known_identifiers < jsonb_array_length(counted_identifiers) then
      perform ops_internal.add_identifiers(counted_identifiers);
    end if;
  end if;

  if cardinality(new_patterns) > 0 then
    -- A pattern made above stays empty when another batch counted its log row in the meantime.
    delete from ops.error_patterns as patterns
    where patterns.pattern_id = any(new_patterns) and patterns.occurrence_count + patterns.untrusted_occurrences = 0;

    insert into ops.roman_events (event_type, severity, description, metadata)
    select
      'pattern_learned', 'info', 'New error pattern learned: ' || patterns.pattern_signature,
      jsonb_build_object(
        'pattern_id', patterns.pattern_id,
        'pattern_signature', patterns.pattern_signature,
        'occurrence_count', patterns.occurrence_count,
        'untrusted_occurrences', patterns.untrusted_occurrences
      )
    from ops.error_patterns as patterns
    where patterns.pattern_id = any(new_patterns);
  end if;

  -- 4. What became of each error, in the order in which they came.
  with outcomes as (
    select
      errors.ordinality,
      errors.system_log_id,
      patterns.pattern_id,
      patterns.pattern_signature,
      patterns.pattern_type,
      patterns.occurrence_count,
      patterns.confidence_score,
      patterns.auto_fix_enabled,
      -- A demoted or expired fix counts as one: the engine records with the error why it does not run.
      patterns.has_running_fix or exists (
        select from ops.pattern_fixes as fixes
        where fixes.pattern_id = patterns.pattern_id and fixes.disabled_at is null and fixes.mode in ('demoted', 'expired')
      ) as has_fix,
      (errors.system_log_id is null or errors.system_log_id = any(counted_logs))
      and (
        errors.system_log_id is null
        or row_number() over (partition by errors.system_log_id order by errors.ordinality) = 1
      ) as is_counted,
      patterns.pattern_id = any(new_patterns) as is_new
    from unnest(given_patterns, given_logs) with ordinality as errors (pattern_id, system_log_id, ordinality)
    left join ops.pattern_incidents as incidents on incidents.system_log_id = errors.system_log_id
    left join ops.error_patterns as patterns on patterns.pattern_id = coalesce(incidents.pattern_id, errors.pattern_id)
  ),

  ranked as (
    select outcomes.*, row_number() over (partition by outcomes.pattern_id, outcomes.is_counted order by outcomes.ordinality) as place
    from outcomes
  )

  select
    jsonb_agg(
      case when ranked.pattern_id is null then
        jsonb_build_object('unknown', true, 'system_log_id', ranked.system_log_id)
      else jsonb_build_object(
        'pattern_id', ranked.pattern_id,
        'pattern_signature', ranked.pattern_signature,
        'pattern_type', ranked.pattern_type,
        'occurrence_count', ranked.occurrence_count,
        'confidence_score', ranked.confidence_score,
        'auto_fix_enabled', ranked.auto_fix_enabled,
        'has_fix', ranked.has_fix,
        'action', case
          when not ranked.is_counted then 'unchanged'
          when ranked.is_new and ranked.place = 1 then 'created'
          else 'updated'
        end,
        'system_log_id', ranked.system_log_id
      ) end
      order by ranked.ordinality
    )
  into answer
  from ranked;

  return coalesce(answer, '[]');
end
$$;

create function ops.learn_errors_v1(p_errors jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
-- Each call that waits holds a connection of the pool that the application uses as well.
set lock_timeout = '2s'
as $$
begin
  perform ops_internal.require_engine();
  -- Whoever learns does not say what was trusted before.
  perform set_config('pattern_engine.restores_trust', 'off', true);
  if p_errors @? '$[*].claimed_by ? (@ != null)' then
    perform ops_internal.require_quota(p_errors);
  end if;
  perform pg_advisory_xact_lock_shared(ops_internal.learning_lock_class(), 0);
  return ops_internal.learn_errors(p_errors, false);
end
$$;

comment on function ops.learn_errors_v1 is
  'Counts a batch of errors: finds or makes the pattern of each, skips log rows counted before, answers one outcome per error, in order; {"unknown": true} for one that ops.join_errors_v1 has to learn, because two patterns turn out to be one.';

create function ops.join_errors_v1(p_errors jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
-- Each call that waits holds a connection of the pool that the application uses as well.
set lock_timeout = '2s'
as $$
begin
  perform ops_internal.require_engine();
  -- Whoever learns does not say what was trusted before.
  perform set_config('pattern_engine.restores_trust', 'off', true);
  perform ops_internal.lock_learning();
  return ops_internal.learn_errors(p_errors, true);
end
$$;

comment on function ops.join_errors_v1 is
  'Learns errors as ops.learn_errors_v1 does, and merges existing patterns whose templates prove to be similar. No other transaction learns at the same time.';
