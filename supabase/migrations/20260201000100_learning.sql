-- Learning with several grouping algorithms: one round trip for errors that are known, and for most that are new.
--
-- An error brings the signature of the current algorithm and those of the older ones. An older one that is known decides:
-- patterns made before an upgrade keep their errors. The current one is then attached to that pattern. An error of whose
-- signatures none is known makes a pattern, or joins the one whose templates are alike. Where it is alike to templates of
-- two patterns, those are one: that takes ops.join_errors_v1, which has learning to itself.

create function ops_internal.lock_leaves(p_errors jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  lock integer;
begin
  for lock in
    -- What has no leaf is alike to nothing, but two learners may make the same.
    select distinct ops_internal.leaf_lock(coalesce(errors.leaf, errors.signature)) as leaf_lock
    from jsonb_to_recordset(p_errors) as errors (signature text, leaf text)
    order by leaf_lock
  loop
    perform pg_advisory_xact_lock(ops_internal.learning_lock_class(), lock);
  end loop;
end
$$;

comment on function ops_internal.lock_leaves(jsonb) is
  'Waits for its turn to make signatures like those of these errors. In one order by every caller.';

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

comment on function ops_internal.attach_signatures(jsonb, uuid) is
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
      || case when errors.sample is not null then jsonb_build_object('sample', errors.sample) else '{}' end
    from rows from (jsonb_to_recordset(p_errors) as (
      signature text, algorithm text, template text, pattern_type text, error_message_pattern text, error_source text,
      severity text, features jsonb, sample text
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

comment on function ops_internal.make_patterns(jsonb) is
  'Makes a pattern for each of these errors, whose signatures are unknown and differ; answers the ids. Their errors are counted later.';

create function ops_internal.alike_patterns(p_signature text, p_wider text []) returns uuid []
language plpgsql
stable
set search_path = ''
as $$
begin
  return array(
    select patterns.pattern_id
    from ops.error_patterns as patterns
    where patterns.pattern_id in (
      select wider.pattern_id from ops.pattern_signatures as wider where wider.signature = any(p_wider)
      union
      select narrower.pattern_id from ops.pattern_signatures as narrower where narrower.wider @> array[p_signature]
    )
    -- Where they are to be one, a fix stays with the errors that it was approved for; else the oldest is kept.
    order by patterns.auto_fix_enabled desc, patterns.id
  );
end
$$;

comment on function ops_internal.alike_patterns(text, text []) is
  'The patterns with a template that is alike, in the order in which they would be kept.';

create function ops_internal.join_alike(p_patterns uuid [], p_fresh uuid [], p_template text) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  kept uuid := p_patterns [1];
  gone uuid;
begin
  foreach gone in array p_patterns [2:] loop
    if gone = any(p_fresh) then
      -- Made in this transaction: nobody has seen it, and nothing was counted yet.
      update ops.pattern_signatures set pattern_id = kept where pattern_signatures.pattern_id = gone;
      delete from ops.error_patterns where error_patterns.pattern_id = gone;
    elsif ops_internal.may_join(kept, gone) then
      perform ops_internal.join_patterns(kept, gone, 'evidence', null, 'Both are alike to: ' || p_template);
      -- The other one is kept where it alone has a live fix.
      kept := coalesce((select patterns.merged_into from ops.error_patterns as patterns where patterns.pattern_id = kept), kept);
    end if;
  end loop;
  return kept;
end
$$;

comment on function ops_internal.join_alike(uuid [], uuid [], text) is
  'Makes one pattern of several whose templates are alike to one template, but for those that may not be joined; answers which was kept.';

create function ops_internal.make_or_join(p_errors jsonb, p_alone boolean) returns uuid []
language plpgsql
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- The planner takes half a percent of all templates to be alike and reads them all to find the first; hardly one ever is.
set enable_seqscan = 'off'
as $$
declare
  lonely jsonb;
  others jsonb;
  made uuid [] := array[]::uuid [];
  alike uuid [];
  newcomer record;
begin
  -- Most are alike to nothing, and are made all at once.
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

  judged as materialized (
    select
      errors.error, errors.ordinality, errors.template,
      errors.signature not in (select pairs.signature from among_themselves as pairs)
      and errors.signature not in (select pairs.other from among_themselves as pairs)
      and not exists (select from ops.pattern_signatures as wider where wider.signature = any(errors.wider))
      and not exists (select from ops.pattern_signatures as narrower where narrower.wider @> array[errors.signature]) as is_lonely
    from errors
  )

  select
    coalesce(jsonb_agg(judged.error order by judged.ordinality) filter (where judged.is_lonely), '[]'),
    coalesce(
      -- The widest first: then the others find it, and no pattern is made to be merged at once.
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
    select jsonb_build_array(elements.error) as errors, elements.signature, elements.template, elements.wider
    from rows from (
      jsonb_array_elements(others), jsonb_to_recordset(others) as (signature text, template text, wider text [])
    ) with ordinality as elements (error, signature, template, wider, ordinality)
    order by elements.ordinality
  loop
    alike := ops_internal.alike_patterns(newcomer.signature, newcomer.wider);
    if cardinality(alike) = 0 then
      made := made || ops_internal.make_patterns(newcomer.errors);
    elsif p_alone or (select count(*) from unnest(alike) as ids (id) where ids.id <> all(made)) <= 1 then
      perform ops_internal.attach_signatures(newcomer.errors, ops_internal.join_alike(alike, made, newcomer.template));
    end if;
  end loop;

  return array(
    select patterns.pattern_id from ops.error_patterns as patterns
    where patterns.pattern_id = any(made)
  );
end
$$;

comment on function ops_internal.make_or_join(jsonb, boolean) is
  'Makes patterns for errors with unknown signatures, or attaches these to patterns that are alike; answers the new ones. Unless alone it leaves those that would join two existing patterns.';

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
  -- Of each unknown signature the first error that brings all that makes a pattern.
  select coalesce(jsonb_agg(firsts.error order by firsts.ordinality), '[]') into unknown
  from (
    select distinct on (errors.error ->> 'signature') errors.error, errors.ordinality
    from jsonb_array_elements(p_errors) with ordinality as errors (error, ordinality)
    where not exists (select from ops.pattern_signatures as known where known.signature = errors.error ->> 'signature')
    order by errors.error ->> 'signature', errors.error ->> 'template' is null, errors.ordinality
  ) as firsts
  -- Nothing can be made of keys alone: who sent no more is told that they are unknown.
  where firsts.error ->> 'template' is not null;

  if not p_alone then
    perform ops_internal.lock_leaves(unknown);
  end if;

  -- Others may have come first while we waited.
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

comment on function ops_internal.settle_signatures(jsonb, boolean) is
  'Has each unknown signature of these errors lead to a pattern: that of an older signature of the same error, one that is alike, or a new one. Answers the new ones.';

create function ops_internal.learn_errors(p_errors jsonb, p_alone boolean) returns jsonb
language plpgsql
set search_path = ''
-- The plans for a few errors serve all batches: each error is looked up by index, and none is planned anew.
set plan_cache_mode = 'force_generic_plan'
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
  all_attached boolean;
  is_second_look boolean := false;
  new_patterns uuid [] := array[]::uuid [];
  counted_logs bigint [];
  counted jsonb;
  not_open uuid [];
  answer jsonb;
begin
  -- 1. The pattern of each error. Signatures that nobody knows are settled, and then it is looked up again.
  loop
    select
      array_agg(errors.system_log_id order by errors.ordinality),
      array_agg(coalesce(older.signature, current.signature) order by errors.ordinality),
      -- By an older signature alone only together with what the current one is attached by.
      array_agg(
        case
          when current.signature is not null or errors.template is not null then coalesce(older.pattern_id, current.pattern_id)
        end
        order by errors.ordinality
      ),
      bool_and(current.signature is not null)
    into given_logs, given_keys, given_patterns, all_attached
    from rows from (
      jsonb_to_recordset(p_errors) as (signature text, older text [], system_log_id bigint, template text)
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
      -- What a crash takes within the moment before it is flushed, the sweep brings again: the log rows
      -- are there. So nobody needs to wait for the disk.
      perform set_config('synchronous_commit', 'off', true);
    end if;
    exit when coalesce(all_attached, true);
    new_patterns := ops_internal.settle_signatures(p_errors, p_alone);
    is_second_look := true;
  end loop;

  -- 2. The incidents; a log row that was counted before is left out.
  with incidents as (
    insert into ops.pattern_incidents (pattern_id, signature, system_log_id, occurred_at)
    select errors.pattern_id, errors.signature, errors.system_log_id, coalesce(logs.created_at, now())
    from unnest(given_patterns, given_keys, given_logs) with ordinality as errors (pattern_id, signature, system_log_id, ordinality)
    left join ops.system_logs as logs on logs.id = errors.system_log_id
    where errors.pattern_id is not null
    order by errors.system_log_id, errors.ordinality
    on conflict (system_log_id) do nothing
    returning pattern_id, system_log_id, occurred_at
  ),

  totals as (
    select
      incidents.pattern_id,
      count(*) as occurrences,
      min(incidents.occurred_at) as first_seen,
      max(incidents.occurred_at) as last_seen,
      array_remove(array_agg(incidents.system_log_id order by incidents.occurred_at desc, incidents.system_log_id desc), null) as logs,
      (array_agg(logs.release order by incidents.occurred_at))[1] as first_release,
      (array_agg(logs.environment order by incidents.occurred_at))[1] as first_environment,
      (array_agg(logs.release order by incidents.occurred_at desc) filter (where logs.release is not null))[1] as last_release,
      (array_agg(logs.environment order by incidents.occurred_at desc) filter (where logs.environment is not null))[1] as last_environment
    from incidents
    left join ops.system_logs as logs on logs.id = incidents.system_log_id
    group by incidents.pattern_id
  )

  select
    coalesce(jsonb_agg(to_jsonb(totals) || jsonb_build_object('latest', to_jsonb(totals.logs [1:keep_latest]))), '[]'),
    array(select incidents.system_log_id from incidents)
  into counted, counted_logs
  from totals;

  -- 3. The counters.
  if jsonb_array_length(counted) > 1 then
    perform 1
    from ops.error_patterns as patterns
    where patterns.pattern_id in (select totals.pattern_id from jsonb_to_recordset(counted) as totals (pattern_id uuid))
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
      last_release = case
        when patterns.occurrence_count = 0 or totals.last_seen >= patterns.last_seen
          then coalesce(totals.last_release, patterns.last_release)
        else patterns.last_release
      end,
      last_environment = case
        when patterns.occurrence_count = 0 or totals.last_seen >= patterns.last_seen
          then coalesce(totals.last_environment, patterns.last_environment)
        else patterns.last_environment
      end,
      learned_from_incidents = (totals.latest || coalesce(patterns.learned_from_incidents, '{}')) [1:keep_latest]
    from jsonb_to_recordset(counted) as totals (
      pattern_id uuid, occurrences integer, first_seen timestamptz, last_seen timestamptz, latest bigint [],
      first_release text, first_environment text, last_release text, last_environment text
    )
    where patterns.pattern_id = totals.pattern_id
    returning patterns.pattern_id, patterns.status
  )

  select array_agg(updated.pattern_id) into not_open
  from updated
  where updated.status <> 'open';

  if not_open is not null then
    perform ops_internal.seen_again(not_open);
  end if;

  if cardinality(new_patterns) > 0 then
    -- A pattern made above stays empty when another batch counted its log row in the meantime.
    delete from ops.error_patterns as patterns
    where patterns.pattern_id = any(new_patterns) and patterns.occurrence_count = 0;

    insert into ops.roman_events (event_type, severity, description, metadata)
    select
      'pattern_learned', 'info', 'New error pattern learned: ' || patterns.pattern_signature,
      jsonb_build_object(
        'pattern_id', patterns.pattern_id,
        'pattern_signature', patterns.pattern_signature,
        'occurrence_count', patterns.occurrence_count
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
      -- A demoted fix does not run, and that stands with the error, too.
      patterns.auto_fix_enabled or exists (
        select from ops.pattern_fixes as fixes
        where fixes.pattern_id = patterns.pattern_id and fixes.disabled_at is null and fixes.mode = 'demoted'
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

comment on function ops_internal.learn_errors(jsonb, boolean) is 'The work of ops.learn_errors_v1 and, alone, of ops.join_errors_v1.';

create function ops.learn_errors_v1(p_errors jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock_shared(ops_internal.learning_lock_class(), 0);
  return ops_internal.learn_errors(p_errors, false);
end
$$;

comment on function ops.learn_errors_v1(jsonb) is
  'Counts a batch of errors: finds or makes the pattern of each, skips log rows counted before, answers one outcome per error, in order; {"unknown": true} for one that ops.join_errors_v1 has to learn, because two patterns turn out to be one.';

create function ops.join_errors_v1(p_errors jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  perform ops_internal.stop_learning();
  return ops_internal.learn_errors(p_errors, true);
end
$$;

comment on function ops.join_errors_v1(jsonb) is
  'Learns errors as ops.learn_errors_v1 does, and joins existing patterns whose templates turn out to be alike. Nobody else learns meanwhile.';

revoke all on function
  ops_internal.lock_leaves(jsonb),
  ops_internal.attach_signatures(jsonb, uuid),
  ops_internal.make_patterns(jsonb),
  ops_internal.alike_patterns(text, text []),
  ops_internal.join_alike(uuid [], uuid [], text),
  ops_internal.make_or_join(jsonb, boolean),
  ops_internal.settle_signatures(jsonb, boolean),
  ops_internal.learn_errors(jsonb, boolean),
  ops.learn_errors_v1(jsonb),
  ops.join_errors_v1(jsonb)
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.lock_leaves(jsonb),
  ops_internal.attach_signatures(jsonb, uuid),
  ops_internal.make_patterns(jsonb),
  ops_internal.alike_patterns(text, text []),
  ops_internal.join_alike(uuid [], uuid [], text),
  ops_internal.make_or_join(jsonb, boolean),
  ops_internal.settle_signatures(jsonb, boolean),
  ops_internal.learn_errors(jsonb, boolean),
  ops.learn_errors_v1(jsonb),
  ops.join_errors_v1(jsonb)
to service_role;
