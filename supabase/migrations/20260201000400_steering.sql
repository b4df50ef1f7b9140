-- What people do to the grouping: merge patterns, and undo a merge.

create function ops_internal.refuse_if(
  p_is_wrong boolean, p_code text, p_message text, p_hint text, p_detail text default null
) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_is_wrong then
    raise exception using errcode = p_code, message = p_message, hint = p_hint, detail = coalesce(p_detail, '');
  end if;
end
$$;

comment on function ops_internal.refuse_if(boolean, text, text, text, text) is
  'Raises PL019 for a rule, PL021 for what can no longer be undone, PL022 for a choice that does not fit: if it is so.';

create function ops_internal.tell_apart(p_one uuid, p_other uuid, p_person uuid, p_reason text) returns void
language sql
set search_path = ''
as $$
  insert into ops.pattern_cannot_links (pattern_a, pattern_b, created_by, reason)
  values (least(p_one, p_other), greatest(p_one, p_other), p_person, p_reason)
  on conflict (pattern_a, pattern_b, merge_id) do nothing
$$;

comment on function ops_internal.tell_apart(uuid, uuid, uuid, text) is 'Evidence shall not join these two patterns.';

create function ops_internal.merge_patterns(p_pattern_ids uuid [], p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  chosen constant uuid [] := array(
    select ids.id from unnest(p_pattern_ids) with ordinality as ids (id, place)
    where ids.id is not null
    group by ids.id
    order by min(ids.place)
  );
  live uuid [];
  stays uuid;
  other uuid;
  merges uuid [] := array[]::uuid [];
begin
  perform ops_internal.refuse_if(
    cardinality(chosen) not between 2 and 50, 'PL022', format('%s different patterns are named', cardinality(chosen)),
    'Name from 2 to 50: the first one is kept, unless another has the live fix.'
  );
  perform ops_internal.stop_learning();
  perform ops_internal.lock_patterns(chosen);

  live := array(select ids.id from unnest(chosen) as ids (id) where ops_internal.has_live_fix(ids.id));
  if cardinality(live) > 1 then
    perform ops_internal.require_joinable(live [1], live [2], 'person');
  end if;
  stays := coalesce(live [1], chosen [1]);

  foreach other in array array_remove(chosen, stays) loop
    -- Of two people who merge the same patterns at once, the second finds it done.
    merges := merges || coalesce(
      (
        select done.merge_id
        from ops.pattern_merges as done
        inner join ops.error_patterns as patterns on patterns.pattern_id = done.gone
        where done.kept = stays and done.gone = other and done.undone_at is null and patterns.merged_into = stays
      ),
      ops_internal.join_patterns(stays, other, 'person', person, p_reason)
    );
  end loop;

  return jsonb_build_object(
    'pattern', (select to_jsonb(patterns) from ops.error_patterns as patterns where patterns.pattern_id = stays),
    'merges', (
      select jsonb_agg(
        jsonb_build_object(
          'merge_id', done.merge_id, 'kept', done.kept, 'gone', done.gone,
          'signature_count', jsonb_array_length(done.signatures), 'incident_count', done.incident_count
        )
        order by done.id
      )
      from ops.pattern_merges as done
      where done.merge_id = any(merges)
    )
  );
end
$$;

comment on function ops_internal.merge_patterns(uuid [], text) is 'The work of ops.merge_patterns_v1, with the rights that only it has.';

create function ops_internal.restore_trust(p_pattern_id uuid, p_signatures jsonb, p_since timestamptz) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Who approved a fix in the meantime did not see these signatures: for him they come now.
  if exists (
    select from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_pattern_id and fixes.approved_at >= p_since
  ) then
    return;
  end if;
  perform set_config('pattern_engine.restores_trust', 'on', true);
  update ops.pattern_signatures as signatures set
    created_at = former.created_at,
    confirmed_at = former.confirmed_at,
    confirmed_by = (select users.id from auth.users as users where users.id = former.confirmed_by)
  from jsonb_to_recordset(p_signatures) as former (signature text, created_at timestamptz, confirmed_at timestamptz, confirmed_by uuid)
  where signatures.signature = former.signature and signatures.pattern_id = p_pattern_id;
  perform set_config('pattern_engine.restores_trust', 'off', true);
end
$$;

comment on function ops_internal.restore_trust(uuid, jsonb, timestamptz) is
  'Gives signatures that came back to a pattern their former times, unless a fix of it was approved while they were away.';

create function ops_internal.names_of(p_signatures jsonb) returns text []
language sql
immutable
set search_path = ''
as $$ select array(select former ->> 'signature' from jsonb_array_elements(p_signatures) as former) $$;

comment on function ops_internal.names_of(jsonb) is 'The signatures alone, out of those with their times.';

create function ops_internal.recount_ends(p_pattern_id uuid, p_before jsonb) returns void
language sql
set search_path = ''
as $$
  update ops.error_patterns as patterns set
    first_seen = coalesce(earliest.occurred_at, known.first_seen),
    last_seen = coalesce(latest.occurred_at, known.last_seen),
    first_release = case when earliest.occurred_at <> known.first_seen then earliest.release else known.first_release end,
    first_environment = case when earliest.occurred_at <> known.first_seen then earliest.environment else known.first_environment end,
    last_release = case when latest.occurred_at <> known.last_seen then coalesce(told.release, known.last_release) else known.last_release end,
    last_environment = case
      when latest.occurred_at <> known.last_seen then coalesce(told.environment, known.last_environment)
      else known.last_environment
    end,
    learned_from_incidents = latest_logs.ids
  from jsonb_to_record(p_before) as known (
    first_seen timestamptz, last_seen timestamptz, first_release text, first_environment text, last_release text, last_environment text
  )
  left join lateral (
    select incidents.occurred_at, logs.release, logs.environment
    from ops.pattern_incidents as incidents
    left join ops.system_logs as logs on logs.id = incidents.system_log_id
    where incidents.pattern_id = p_pattern_id
    order by incidents.occurred_at
    limit 1
  ) as earliest on true
  left join lateral (
    select incidents.occurred_at
    from ops.pattern_incidents as incidents
    where incidents.pattern_id = p_pattern_id
    order by incidents.occurred_at desc
    limit 1
  ) as latest on true
  cross join lateral (select ops_internal.latest_logs(p_pattern_id) as ids) as latest_logs
  -- As in learning, the latest that say so.
  cross join lateral (
    select
      (array_agg(logs.release order by logs.created_at desc, logs.id desc) filter (where logs.release is not null))[1] as release,
      (array_agg(logs.environment order by logs.created_at desc, logs.id desc) filter (where logs.environment is not null))[1] as environment
    from ops.system_logs as logs
    where logs.id = any(latest_logs.ids)
  ) as told
  where patterns.pattern_id = p_pattern_id
$$;

comment on function ops_internal.recount_ends(uuid, jsonb) is
  'First and last occurrence of a pattern out of its incidents, with release and environment; what was known before is kept where the times are the same.';

create function ops_internal.lead_to(p_pattern_id uuid, p_signatures jsonb) returns boolean
language sql
stable
set search_path = ''
as $$
  select not exists (
    select from unnest(ops_internal.names_of(p_signatures)) as names (signature)
    left join ops.pattern_signatures as signatures on signatures.signature = names.signature
    where signatures.pattern_id is distinct from p_pattern_id
  )
$$;

comment on function ops_internal.lead_to(uuid, jsonb) is 'Whether all these signatures lead to a pattern.';

create function ops_internal.require_undoable_merge(p_merge ops.pattern_merges) returns void
language plpgsql
set search_path = ''
as $$
declare
  kept ops.error_patterns;
  gone ops.error_patterns;
begin
  select * into kept from ops.error_patterns where error_patterns.pattern_id = p_merge.kept;
  select * into gone from ops.error_patterns where error_patterns.pattern_id = p_merge.gone;
  perform ops_internal.refuse_if(
    p_merge.undone_at is not null or gone.merged_into is distinct from p_merge.kept,
    'PL021', 'this merge was undone before', 'There is nothing to undo.'
  );
  perform ops_internal.refuse_if(
    kept.status = 'merged', 'PL021', format('pattern %s was itself merged into %s since', p_merge.kept, kept.merged_into),
    'Undo that merge first.'
  );
  perform ops_internal.refuse_if(
    not ops_internal.lead_to(p_merge.kept, p_merge.signatures),
    'PL021', format('signatures of the merge were split off from %s since', p_merge.kept), 'Undo that split first.'
  );
end
$$;

comment on function ops_internal.require_undoable_merge(ops.pattern_merges) is
  'Raises PL021 where a merge was undone, or where what it joined has moved on since.';

create function ops_internal.undo_merge(p_merge_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  merge ops.pattern_merges;
  back integer;
begin
  perform ops_internal.stop_learning();
  select * into merge from ops.pattern_merges where pattern_merges.merge_id = p_merge_id for update;
  if not found then
    raise exception using
      errcode = 'PL018', message = format('there is no merge %s', p_merge_id), hint = 'Read ops.pattern_merges for those that there were.';
  end if;
  perform ops_internal.lock_patterns(array[merge.kept, merge.gone]);
  perform ops_internal.require_undoable_merge(merge);

  update ops.pattern_signatures set pattern_id = merge.gone
  where pattern_signatures.signature = any(ops_internal.names_of(merge.signatures));
  perform ops_internal.restore_trust(merge.gone, merge.signatures, merge.created_at);
  back := ops_internal.take_back_incidents(merge);
  perform ops_internal.part_again(merge, back);

  delete from ops.pattern_cannot_links where pattern_cannot_links.merge_id = p_merge_id;
  perform ops_internal.tell_apart(merge.kept, merge.gone, person, 'Their merge was undone.');
  update ops.pattern_merges set undone_at = clock_timestamp(), undone_by = person where pattern_merges.merge_id = p_merge_id;
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'merge_undone', 'info', 'A merge was undone', person,
    jsonb_build_object('merge_id', p_merge_id, 'kept', merge.kept, 'gone', merge.gone, 'incident_count', back)
  );
  return ops_internal.both_patterns(merge.kept, merge.gone);
end
$$;

comment on function ops_internal.undo_merge(uuid) is 'The work of ops.undo_merge_v1, with the rights that only it has.';

create function ops_internal.take_back_incidents(p_merge ops.pattern_merges) returns integer
language plpgsql
set search_path = ''
as $$
declare
  moved integer;
begin
  update ops.pattern_incidents set pattern_id = p_merge.gone
  where pattern_incidents.pattern_id = p_merge.kept
    and pattern_incidents.signature = any(ops_internal.names_of(p_merge.signatures));
  get diagnostics moved = row_count;
  return moved;
end
$$;

comment on function ops_internal.take_back_incidents(ops.pattern_merges) is
  'Gives the merged pattern its incidents back, those counted since under its signatures too; answers how many.';

create function ops_internal.part_again(p_merge ops.pattern_merges, p_incidents integer) returns void
language plpgsql
set search_path = ''
as $$
declare
  kept ops.error_patterns;
begin
  update ops.error_patterns as patterns set
    status = former.status,
    merged_into = null,
    occurrence_count = former.occurrence_count + p_incidents - p_merge.incident_count,
    ignored_until = former.ignored_until,
    ignored_until_count = former.ignored_until_count
  from jsonb_populate_record(null::ops.error_patterns, p_merge.gone_before) as former
  where patterns.pattern_id = p_merge.gone;
  perform ops_internal.recount_ends(p_merge.gone, p_merge.gone_before);
  if p_incidents > p_merge.incident_count then
    perform ops_internal.seen_again(array[p_merge.gone]);
  end if;

  update ops.error_patterns as patterns set
    -- Unless somebody decided otherwise since, or an error of its own came.
    status = case
      when patterns.status = after.status and patterns.resolved_at is not distinct from after.resolved_at then before.status
      else patterns.status
    end,
    occurrence_count = greatest(0, patterns.occurrence_count - before_gone.occurrence_count - p_incidents + p_merge.incident_count),
    ignored_until_count = case
      when before.ignored_until_count is not null then patterns.ignored_until_count - before_gone.occurrence_count
      else patterns.ignored_until_count
    end
  from jsonb_populate_record(null::ops.error_patterns, p_merge.kept_before) as before
  cross join jsonb_populate_record(null::ops.error_patterns, p_merge.kept_after) as after
  cross join jsonb_populate_record(null::ops.error_patterns, p_merge.gone_before) as before_gone
  where patterns.pattern_id = p_merge.kept;
  perform ops_internal.recount_ends(p_merge.kept, p_merge.kept_before);
  select * into kept from ops.error_patterns where error_patterns.pattern_id = p_merge.kept;
  if kept.last_seen > (p_merge.kept_before ->> 'last_seen')::timestamptz then
    perform ops_internal.seen_again(array[p_merge.kept]);
  end if;
end
$$;

comment on function ops_internal.part_again(ops.pattern_merges, integer) is
  'Gives both patterns of an undone merge their own counts, times and status, with what has come since.';

create function ops_internal.both_patterns(p_one uuid, p_other uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'pattern', (select to_jsonb(patterns) from ops.error_patterns as patterns where patterns.pattern_id = p_one),
    'other_pattern', (select to_jsonb(patterns) from ops.error_patterns as patterns where patterns.pattern_id = p_other)
  )
$$;

comment on function ops_internal.both_patterns(uuid, uuid) is 'Two patterns as they are now.';

create function ops.merge_patterns_v1(p_pattern_ids uuid [], p_reason text default null) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.merge_patterns(p_pattern_ids, p_reason) $$;

comment on function ops.merge_patterns_v1(uuid [], text) is
  'Merges patterns into the first one, or into the one with the live fix; answers it and the merges, by whose ids they are undone. For an ops_operator or ops_admin in person.';

create function ops.undo_merge_v1(p_merge_id uuid) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.undo_merge(p_merge_id) $$;

comment on function ops.undo_merge_v1(uuid) is
  'Undoes a merge, by whomever: both patterns get back what was theirs, and evidence never joins them again. For an ops_operator or ops_admin in person.';

revoke all on function
  ops_internal.refuse_if(boolean, text, text, text, text),
  ops_internal.tell_apart(uuid, uuid, uuid, text),
  ops_internal.merge_patterns(uuid [], text),
  ops_internal.restore_trust(uuid, jsonb, timestamptz),
  ops_internal.names_of(jsonb),
  ops_internal.lead_to(uuid, jsonb),
  ops_internal.recount_ends(uuid, jsonb),
  ops_internal.require_undoable_merge(ops.pattern_merges),
  ops_internal.undo_merge(uuid),
  ops_internal.take_back_incidents(ops.pattern_merges),
  ops_internal.part_again(ops.pattern_merges, integer),
  ops_internal.both_patterns(uuid, uuid),
  ops.merge_patterns_v1(uuid [], text),
  ops.undo_merge_v1(uuid)
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.merge_patterns(uuid [], text),
  ops_internal.undo_merge(uuid),
  ops.merge_patterns_v1(uuid [], text),
  ops.undo_merge_v1(uuid)
to authenticated, service_role;
