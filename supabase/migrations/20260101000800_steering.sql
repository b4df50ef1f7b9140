-- Steering the grouping: patterns are merged, by evidence or by a person, split, and kept separate.
--
-- Whatever moves signatures to another pattern calls ops_internal.lock_learning before it takes any other lock, and then
-- locks the patterns in the order of their ids.

create table ops.pattern_merges (
  id bigserial primary key,
  merge_id uuid not null unique default gen_random_uuid(),
  kept uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  gone uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  merged_by text not null constraint pattern_merges_by_known check (merged_by in ('evidence', 'person')),
  actor uuid,
  reason text,
  signatures jsonb not null,
  incident_count integer not null,
  untrusted_count integer not null default 0,
  kept_before jsonb not null,
  kept_after jsonb not null,
  gone_before jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  undone_at timestamptz,
  undone_by uuid,
  constraint pattern_merges_of_two check (kept <> gone),
  constraint pattern_merges_person_named check (merged_by = 'evidence' or actor is not null)
);

comment on table ops.pattern_merges is 'Every merge of one pattern into another, with all that it takes to undo it.';
comment on column ops.pattern_merges.id is 'Order of merging.';
comment on column ops.pattern_merges.merge_id is 'Stable id of the merge, for undoing it.';
comment on column ops.pattern_merges.kept is 'The pattern that stayed.';
comment on column ops.pattern_merges.gone is 'The pattern that was merged into it.';
comment on column ops.pattern_merges.merged_by is 'evidence: the templates of both are alike; person: an operator merged them.';
comment on column ops.pattern_merges.actor is 'The person; null for evidence. Kept after the account is deleted.';
comment on column ops.pattern_merges.reason is 'Why the person merged them, or which template was alike to both.';
comment on column ops.pattern_merges.signatures is
  'The signatures that moved, each with the times at which it had come to its pattern and was confirmed. When the merge is undone, incidents go with them, later ones too.';
comment on column ops.pattern_merges.incident_count is 'How many incidents moved.';
comment on column ops.pattern_merges.untrusted_count is 'How many of these do not count.';
comment on column ops.pattern_merges.kept_before is 'Counts, times and status of the kept pattern before.';
comment on column ops.pattern_merges.kept_after is 'The same after the merge: what has changed since is not undone.';
comment on column ops.pattern_merges.gone_before is 'Counts, times and status of the merged pattern before.';
comment on column ops.pattern_merges.created_at is 'When they were merged.';
comment on column ops.pattern_merges.undone_at is 'When the merge was undone; null while it stands.';
comment on column ops.pattern_merges.undone_by is 'Who undid the merge.';

create index idx_pattern_merges_kept on ops.pattern_merges (kept);
create index idx_pattern_merges_gone on ops.pattern_merges (gone);

alter table ops.pattern_merges enable row level security;

create policy "Operators read merges" on ops.pattern_merges
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create table ops.pattern_cannot_links (
  id bigserial primary key,
  pattern_a uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  pattern_b uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  created_at timestamptz not null default clock_timestamp(),
  created_by uuid,
  reason text,
  merge_id uuid references ops.pattern_merges (merge_id) on delete cascade,
  constraint pattern_cannot_links_ordered check (pattern_a < pattern_b),
  constraint pattern_cannot_links_once unique nulls not distinct (pattern_a, pattern_b, merge_id)
);

comment on table ops.pattern_cannot_links is
  'Pairs of patterns that an operator separated, by a split or by undoing a merge. Evidence never joins them.';
comment on column ops.pattern_cannot_links.id is 'Row number.';
comment on column ops.pattern_cannot_links.pattern_a is 'The pattern with the smaller id.';
comment on column ops.pattern_cannot_links.pattern_b is 'The pattern with the larger id.';
comment on column ops.pattern_cannot_links.created_at is 'When the two were separated.';
comment on column ops.pattern_cannot_links.created_by is 'The person who separated them.';
comment on column ops.pattern_cannot_links.reason is 'Why they were separated.';
comment on column ops.pattern_cannot_links.merge_id is
  'The merge that copied the link from the pattern that was merged into this one; null for a link that a person made.';

create index idx_pattern_cannot_links_b on ops.pattern_cannot_links (pattern_b);
create index idx_pattern_cannot_links_merge on ops.pattern_cannot_links (merge_id);

alter table ops.pattern_cannot_links enable row level security;

create policy "Operators read which patterns are kept apart" on ops.pattern_cannot_links
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create table ops.pattern_splits (
  id bigserial primary key,
  split_id uuid not null unique default gen_random_uuid(),
  source uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  made uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  actor uuid not null,
  reason text,
  signatures jsonb not null,
  incident_count integer not null,
  untrusted_count integer not null default 0,
  source_before jsonb not null,
  source_after jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  undone_at timestamptz,
  undone_by uuid
);

comment on table ops.pattern_splits is 'Every split of a pattern in two, with all that it takes to undo it.';
comment on column ops.pattern_splits.id is 'Order of splitting.';
comment on column ops.pattern_splits.split_id is 'Stable id of the split, for undoing it.';
comment on column ops.pattern_splits.source is 'The pattern that was split. It keeps its fixes.';
comment on column ops.pattern_splits.made is 'The pattern that the split made.';
comment on column ops.pattern_splits.actor is 'Who split it. Kept after the account is deleted.';
comment on column ops.pattern_splits.reason is 'Why it was split.';
comment on column ops.pattern_splits.signatures is
  'The signatures that moved, each with the times at which it had come to its pattern and was confirmed.';
comment on column ops.pattern_splits.incident_count is 'How many incidents moved.';
comment on column ops.pattern_splits.untrusted_count is 'How many of these do not count.';
comment on column ops.pattern_splits.source_before is 'Counts, times and status of the source before.';
comment on column ops.pattern_splits.source_after is 'The same after the split: what has changed since is not undone.';
comment on column ops.pattern_splits.created_at is 'When it was split.';
comment on column ops.pattern_splits.undone_at is 'When the split was undone; null while it stands.';
comment on column ops.pattern_splits.undone_by is 'Who undid the split.';

create index idx_pattern_splits_source on ops.pattern_splits (source);
create index idx_pattern_splits_made on ops.pattern_splits (made);

alter table ops.pattern_splits enable row level security;

create policy "Operators read splits" on ops.pattern_splits
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.is_kept_apart(p_one uuid, p_other uuid) returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from ops.pattern_cannot_links as links
    where links.pattern_a = least(p_one, p_other) and links.pattern_b = greatest(p_one, p_other)
  )
$$;

comment on function ops_internal.is_kept_apart is 'Whether an operator separated these two patterns.';

create function ops_internal.may_join(p_one uuid, p_other uuid) returns boolean
language sql
stable
set search_path = ''
as $$
  select not ops_internal.is_kept_apart(p_one, p_other)
    and not (ops_internal.has_live_fix(p_one) and ops_internal.has_live_fix(p_other))
$$;

comment on function ops_internal.may_join is
  'Whether evidence may join these two patterns: no operator separated them, and at most one has a live fix.';

create function ops_internal.keep_separate(p_one uuid, p_other uuid, p_person uuid, p_reason text) returns void
language sql
set search_path = ''
as $$
  insert into ops.pattern_cannot_links (pattern_a, pattern_b, created_by, reason)
  values (least(p_one, p_other), greatest(p_one, p_other), p_person, p_reason)
  on conflict (pattern_a, pattern_b, merge_id) do nothing
$$;

comment on function ops_internal.keep_separate is 'Records that evidence must not join these two patterns.';

create function ops_internal.remembered(p_pattern ops.error_patterns) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select to_jsonb(p_pattern) - array[
    'id', 'pattern_id', 'pattern_type', 'error_source', 'severity', 'success_rate', 'auto_fix_enabled', 'has_running_fix', 'auto_fix_script',
    'auto_fix_type', 'auto_fix_parameters', 'constitutional_compliant', 'constitutional_violations', 'confidence_score',
    'confidence_lower_bound', 'confidence_outcomes', 'consecutive_failures', 'human_approved', 'approved_by', 'approved_at', 'created_at', 'updated_at'
  ]
$$;

comment on function ops_internal.remembered is
  'The columns of a pattern that a merge or a split changes, so that it can be undone: counts, times, status, first signature and expression.';

create function ops_internal.stamped_signatures(p_pattern_id uuid, p_only text [] default null) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'signature', signatures.signature, 'created_at', signatures.created_at,
        'confirmed_at', signatures.confirmed_at, 'confirmed_by', signatures.confirmed_by
      )
      order by signatures.created_at, signatures.signature
    ),
    '[]'
  )
  from ops.pattern_signatures as signatures
  where signatures.pattern_id = p_pattern_id and (p_only is null or signatures.signature = any(p_only))
$$;

comment on function ops_internal.stamped_signatures is
  'Signatures of a pattern, all or only these, with the times at which they came to it and were confirmed.';

create function ops_internal.names_of(p_signatures jsonb) returns text []
language sql
immutable
set search_path = ''
as $$ select array(select former ->> 'signature' from jsonb_array_elements(p_signatures) as former) $$;

comment on function ops_internal.names_of is 'The signatures alone, out of those with their times.';

create function ops_internal.joined_status(p_kept ops.error_patterns, p_gone ops.error_patterns) returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when p_gone.occurrence_count = 0 then p_kept.status
    when p_gone.status = 'open' and p_kept.status = 'archived' then 'open'
    when p_gone.status = 'open' and p_kept.status = 'resolved' and p_gone.last_seen > p_kept.resolved_at
      and not coalesce(ops_internal.is_earlier_release(p_gone.last_release, p_kept.resolved_release), false) then 'open'
    else p_kept.status
  end
$$;

comment on function ops_internal.joined_status is
  'Status of the kept pattern after a merge: its own, unless it was resolved or archived and the other brings later errors that count.';

create function ops_internal.sum_up(p_kept ops.error_patterns, p_gone ops.error_patterns) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  review_occurrences constant integer := ops_internal.setting('review_occurrences')::integer;
  answer ops.error_patterns;
  -- Where and when a pattern was seen is told by its errors that count; if only one of the two has such, by that one.
  kept_tells constant boolean := p_kept.occurrence_count > 0 or p_gone.occurrence_count = 0;
  gone_tells constant boolean := p_gone.occurrence_count > 0 or p_kept.occurrence_count = 0;
  gone_is_first constant boolean := gone_tells and (not kept_tells or p_gone.first_seen < p_kept.first_seen);
  gone_is_last constant boolean := gone_tells and (not kept_tells or p_gone.last_seen > p_kept.last_seen);
begin
  update ops.error_patterns set
    status = 'merged',
    merged_into = p_kept.pattern_id,
    occurrence_count = 0,
    untrusted_occurrences = 0,
    learned_from_incidents = '{}',
    ignored_until = null,
    ignored_until_count = null
  where error_patterns.pattern_id = p_gone.pattern_id;

  update ops.error_patterns set
    occurrence_count = p_kept.occurrence_count + p_gone.occurrence_count,
    untrusted_occurrences = p_kept.untrusted_occurrences + p_gone.untrusted_occurrences,
    first_seen = case when gone_is_first then p_gone.first_seen else p_kept.first_seen end,
    last_seen = case when gone_is_last then p_gone.last_seen else p_kept.last_seen end,
    first_release = case when gone_is_first then p_gone.first_release else p_kept.first_release end,
    first_environment = case when gone_is_first then p_gone.first_environment else p_kept.first_environment end,
    last_release = case when gone_is_last then p_gone.last_release else p_kept.last_release end,
    last_environment = case when gone_is_last then p_gone.last_environment else p_kept.last_environment end,
    learned_from_incidents = ops_internal.latest_logs(
      p_kept.pattern_id, p_kept.occurrence_count + p_gone.occurrence_count > 0
    ),
    status = ops_internal.joined_status(p_kept, p_gone),
    ignored_until_count = p_kept.ignored_until_count + p_gone.occurrence_count
  where error_patterns.pattern_id = p_kept.pattern_id
  returning * into answer;

  if answer.occurrence_count >= review_occurrences
    and greatest(p_kept.occurrence_count, p_gone.occurrence_count) < review_occurrences
  then
    perform ops_internal.tell_reached(array[answer.pattern_id]);
  end if;
  if p_kept.status = 'resolved' and answer.status = 'open' then
    insert into ops.roman_events (event_type, severity, description, metadata)
    values (
      'pattern_regressed', 'warning', 'A resolved pattern came back: ' || answer.pattern_signature,
      jsonb_build_object(
        'pattern_id', answer.pattern_id, 'pattern_signature', answer.pattern_signature, 'former_status', 'resolved',
        'occurrence_count', answer.occurrence_count, 'last_seen', answer.last_seen, 'release', answer.last_release,
        'environment', answer.last_environment, 'resolved_at', answer.resolved_at, 'resolved_release', answer.resolved_release
      )
    );
  end if;
  return answer;
end
$$;

comment on function ops_internal.sum_up is
  'Adds up two patterns whose incidents were joined already; the second one keeps its row as merged. Answers the first.';

create function ops_internal.require_joinable(p_kept uuid, p_gone uuid, p_by text) returns void
language plpgsql
set search_path = ''
as $$
begin
  if ops_internal.has_live_fix(p_kept) and ops_internal.has_live_fix(p_gone) then
    raise exception using
      errcode = 'PL016',
      message = 'both patterns have a live fix',
      detail = format('They are %s and %s.', p_kept, p_gone),
      hint = 'POST /disable one of them first: one pattern has one fix.';
  end if;
  if p_by = 'evidence' and ops_internal.is_kept_apart(p_kept, p_gone) then
    raise exception using
      errcode = 'PL017',
      message = 'an operator separated these patterns',
      detail = format('They are %s and %s.', p_kept, p_gone),
      hint = 'Only POST /merge joins them again.';
  end if;
end
$$;

comment on function ops_internal.require_joinable is
  'Raises PL016 where both patterns have a live fix, PL017 where evidence would join patterns that an operator separated.';

create function ops_internal.inherit_cannot_links(p_kept uuid, p_gone uuid, p_merge_id uuid) returns void
language sql
set search_path = ''
as $$
  -- Joining two patterns overrides the earlier decision to separate them.
  delete from ops.pattern_cannot_links as links
  where links.pattern_a = least(p_kept, p_gone) and links.pattern_b = greatest(p_kept, p_gone);

  insert into ops.pattern_cannot_links (pattern_a, pattern_b, created_by, reason, merge_id)
  select distinct on (others.pattern_id)
    least(p_kept, others.pattern_id), greatest(p_kept, others.pattern_id), links.created_by, links.reason, p_merge_id
  from ops.pattern_cannot_links as links
  cross join lateral (
    select case when links.pattern_a = p_gone then links.pattern_b else links.pattern_a end as pattern_id
  ) as others
  where p_gone in (links.pattern_a, links.pattern_b)
  order by others.pattern_id, links.id
  on conflict (pattern_a, pattern_b, merge_id) do nothing;
$$;

comment on function ops_internal.inherit_cannot_links is
  'Patterns that were kept separate from the merged one are kept separate from the one that stays; the two themselves no longer are.';

create function ops_internal.move_incidents(
  in p_from uuid, in p_to uuid, in p_signatures text [], out incidents integer, out untrusted integer
)
language sql
set search_path = ''
as $$
  with moved as (
    update ops.pattern_incidents set pattern_id = p_to
    where pattern_incidents.pattern_id = p_from and pattern_incidents.signature = any(p_signatures)
    returning counts
  )

  select count(*)::integer, count(*) filter (where not moved.counts)::integer from moved
$$;

comment on function ops_internal.move_incidents is
  'Moves the incidents with these signatures from one pattern to another; answers how many, and how many of them do not count.';

create function ops_internal.join_patterns(
  p_kept uuid, p_gone uuid, p_by text, p_actor uuid, p_reason text
) returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  kept ops.error_patterns;
  gone ops.error_patterns;
  joined ops.error_patterns;
  moved jsonb;
  incidents integer;
  untrusted integer;
  merge uuid;
begin
  perform ops_internal.lock_learning();
  if p_by = 'person' and p_actor is distinct from (select auth.uid()) then
    raise exception using
      errcode = 'PL011',
      message = 'only a signed-in person may do this',
      hint = 'Sign in and send your own access token; with the secret key, patterns are merged only by evidence.';
  end if;
  perform ops_internal.lock_patterns(array[p_kept, p_gone]);

  -- The pattern with the live fix is kept, so that the fix stays where a person approved it.
  if ops_internal.has_live_fix(p_gone) and not ops_internal.has_live_fix(p_kept) then
    kept := ops_internal.lock_pattern(p_gone);
    gone := ops_internal.lock_pattern(p_kept);
  else
    kept := ops_internal.lock_pattern(p_kept);
    gone := ops_internal.lock_pattern(p_gone);
  end if;
  perform ops_internal.require_joinable(kept.pattern_id, gone.pattern_id, p_by);

  moved := ops_internal.stamped_signatures(gone.pattern_id);

  update ops.pattern_signatures set pattern_id = kept.pattern_id
  where pattern_signatures.pattern_id = gone.pattern_id;
  select counted.incidents, counted.untrusted into incidents, untrusted
  from ops_internal.move_incidents(gone.pattern_id, kept.pattern_id, ops_internal.names_of(moved)) as counted;
  joined := ops_internal.sum_up(kept, gone);

  insert into ops.pattern_merges (
    kept, gone, merged_by, actor, reason, signatures, incident_count, untrusted_count, kept_before, kept_after, gone_before
  )
  values (
    kept.pattern_id, gone.pattern_id, p_by, p_actor, p_reason, moved, incidents, untrusted,
    ops_internal.remembered(kept), ops_internal.remembered(joined), ops_internal.remembered(gone)
  )
  returning merge_id into merge;
  perform ops_internal.inherit_cannot_links(kept.pattern_id, gone.pattern_id, merge);

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'patterns_merged', 'info', format('%s was merged into %s', gone.pattern_signature, kept.pattern_signature), p_actor,
    jsonb_build_object(
      'merge_id', merge, 'kept', kept.pattern_id, 'gone', gone.pattern_id, 'merged_by', p_by, 'reason', p_reason,
      'signature_count', jsonb_array_length(moved), 'incident_count', incidents
    )
  );
  return merge;
end
$$;

comment on function ops_internal.join_patterns is
  'Merges the second pattern into the first, or the other way round where only the second has a live fix; answers the id of the merge. Raises PL016, PL017, PL020.';

-- Merging, and undoing a merge.

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
  perform ops_internal.lock_learning();
  perform ops_internal.lock_patterns(chosen);

  live := array(select ids.id from unnest(chosen) as ids (id) where ops_internal.has_live_fix(ids.id));
  if cardinality(live) > 1 then
    perform ops_internal.require_joinable(live [1], live [2], 'person');
  end if;
  stays := coalesce(live [1], chosen [1]);

  foreach other in array array_remove(chosen, stays) loop
    -- If two people merge the same patterns at the same time, the second gets the merge of the first as the answer.
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

create function ops.merge_patterns_v1(p_pattern_ids uuid [], p_reason text default null) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.merge_patterns(p_pattern_ids, p_reason) $$;

comment on function ops.merge_patterns_v1 is
  'Merges patterns into the first one, or into the one with the live fix; answers it and the merges, by whose ids they are undone. For an ops_operator or ops_admin in person.';

create function ops_internal.restore_trust(p_pattern_id uuid, p_signatures jsonb, p_since timestamptz) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- A fix approved in the meantime was approved without these signatures, so for that fix they are new.
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

comment on function ops_internal.restore_trust is
  'Gives signatures that came back to a pattern their former times, unless a fix of the pattern was approved while they were away.';

create function ops_internal.recount_ends(p_pattern_id uuid, p_before jsonb) returns void
language sql
set search_path = ''
as $$
  update ops.error_patterns as patterns set
    first_seen = coalesce(earliest.occurred_at, known.first_seen),
    last_seen = coalesce(latest.occurred_at, known.last_seen),
    first_release = case when earliest.occurred_at <> known.first_seen then earliest.release else known.first_release end,
    first_environment = case when earliest.occurred_at <> known.first_seen then earliest.environment else known.first_environment end,
    last_release = case when latest.occurred_at <> known.last_seen then coalesce(latest_details.release, known.last_release) else known.last_release end,
    last_environment = case
      when latest.occurred_at <> known.last_seen then coalesce(latest_details.environment, known.last_environment)
      else known.last_environment
    end,
    learned_from_incidents = latest_logs.ids
  from jsonb_to_record(p_before) as known (
    first_seen timestamptz, last_seen timestamptz, first_release text, first_environment text, last_release text, last_environment text
  )
  -- Only if no error of the pattern counts, the others tell.
  cross join lateral (
    select present.occurrence_count > 0 as is_counted from ops.error_patterns as present where present.pattern_id = p_pattern_id
  ) as told
  left join lateral (
    select incidents.occurred_at, left(logs.release, 200) as release, left(logs.environment, 200) as environment
    from ops.pattern_incidents as incidents
    left join ops.system_logs as logs on logs.id = incidents.system_log_id
    where incidents.pattern_id = p_pattern_id and (incidents.counts or not told.is_counted)
    order by incidents.occurred_at
    limit 1
  ) as earliest on true
  left join lateral (
    select incidents.occurred_at
    from ops.pattern_incidents as incidents
    where incidents.pattern_id = p_pattern_id and (incidents.counts or not told.is_counted)
    order by incidents.occurred_at desc
    limit 1
  ) as latest on true
  cross join lateral (select ops_internal.latest_logs(p_pattern_id, told.is_counted) as ids) as latest_logs
  -- As in learning: release and environment of the latest rows that have them.
  cross join lateral (
    select
      (array_agg(left(logs.release, 200) order by logs.created_at desc, logs.id desc) filter (where logs.release is not null))[1] as release,
      (array_agg(left(logs.environment, 200) order by logs.created_at desc, logs.id desc) filter (where logs.environment is not null))[1] as environment
    from ops.system_logs as logs
    where logs.id = any(latest_logs.ids)
  ) as latest_details
  where patterns.pattern_id = p_pattern_id
$$;

comment on function ops_internal.recount_ends is
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

comment on function ops_internal.lead_to is 'Whether all these signatures lead to a pattern.';

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
    'PL021', format('signatures of the merge were split off from pattern %s since', p_merge.kept), 'Undo that split first.'
  );
end
$$;

comment on function ops_internal.require_undoable_merge is
  'Raises PL021 where a merge was undone, or where what it joined has moved on since.';

create function ops_internal.part_again(p_merge ops.pattern_merges, p_incidents integer, p_untrusted integer) returns void
language plpgsql
set search_path = ''
as $$
declare
  kept ops.error_patterns;
  -- What came under the signatures that go back since they were merged.
  counted_since constant integer := p_incidents - p_untrusted - (p_merge.incident_count - p_merge.untrusted_count);
  untrusted_since constant integer := p_untrusted - p_merge.untrusted_count;
begin
  update ops.error_patterns as patterns set
    status = former.status,
    merged_into = null,
    occurrence_count = former.occurrence_count + counted_since,
    untrusted_occurrences = former.untrusted_occurrences + untrusted_since,
    ignored_until = former.ignored_until,
    ignored_until_count = former.ignored_until_count
  from jsonb_populate_record(null::ops.error_patterns, p_merge.gone_before) as former
  where patterns.pattern_id = p_merge.gone;
  perform ops_internal.recount_ends(p_merge.gone, p_merge.gone_before);
  if counted_since > 0 then
    perform ops_internal.seen_again(array[p_merge.gone]);
  end if;

  update ops.error_patterns as patterns set
    -- The status changes back, unless a person or a new error has changed it since.
    status = case
      when patterns.status = after.status and patterns.resolved_at is not distinct from after.resolved_at then before.status
      else patterns.status
    end,
    occurrence_count = greatest(0, patterns.occurrence_count - before_gone.occurrence_count - counted_since),
    untrusted_occurrences = greatest(0, patterns.untrusted_occurrences - before_gone.untrusted_occurrences - untrusted_since),
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
  if kept.occurrence_count > 0 and kept.last_seen > (p_merge.kept_before ->> 'last_seen')::timestamptz then
    perform ops_internal.seen_again(array[p_merge.kept]);
  end if;
end
$$;

comment on function ops_internal.part_again is
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

comment on function ops_internal.both_patterns is 'Two patterns as they are now.';

create function ops_internal.undo_merge(p_merge_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  merge ops.pattern_merges;
  back record;
begin
  perform ops_internal.lock_learning();
  select * into merge from ops.pattern_merges where pattern_merges.merge_id = p_merge_id for update;
  if not found then
    raise exception using
      errcode = 'PL018', message = format('there is no merge %s', p_merge_id), hint = 'The table ops.pattern_merges lists all merges.';
  end if;
  perform ops_internal.lock_patterns(array[merge.kept, merge.gone]);
  perform ops_internal.require_undoable_merge(merge);

  update ops.pattern_signatures set pattern_id = merge.gone
  where pattern_signatures.signature = any(ops_internal.names_of(merge.signatures));
  perform ops_internal.restore_trust(merge.gone, merge.signatures, merge.created_at);
  select moved.incidents, moved.untrusted into back
  from ops_internal.move_incidents(merge.kept, merge.gone, ops_internal.names_of(merge.signatures)) as moved;
  perform ops_internal.part_again(merge, back.incidents, back.untrusted);

  delete from ops.pattern_cannot_links where pattern_cannot_links.merge_id = p_merge_id;
  perform ops_internal.keep_separate(merge.kept, merge.gone, person, 'Their merge was undone.');
  update ops.pattern_merges set undone_at = clock_timestamp(), undone_by = person where pattern_merges.merge_id = p_merge_id;
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'merge_undone', 'info', 'A merge was undone', person,
    jsonb_build_object('merge_id', p_merge_id, 'kept', merge.kept, 'gone', merge.gone, 'incident_count', back.incidents)
  );
  return ops_internal.both_patterns(merge.kept, merge.gone);
end
$$;

create function ops.undo_merge_v1(p_merge_id uuid) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.undo_merge(p_merge_id) $$;

comment on function ops.undo_merge_v1 is
  'Undoes a merge, whether evidence or a person made it: both patterns get back what was theirs, and evidence never joins them again. For an ops_operator or ops_admin in person.';

-- Splitting a pattern in two, and undoing a split.

create function ops_internal.require_signatures_of(p_pattern_id uuid, p_signatures text []) returns void
language plpgsql
set search_path = ''
as $$
declare
  foreign_ones text [];
begin
  foreign_ones := array(
    select names.signature from unnest(p_signatures) as names (signature)
    where not exists (
      select from ops.pattern_signatures as signatures
      where signatures.signature = names.signature and signatures.pattern_id = p_pattern_id
    )
  );
  perform ops_internal.refuse_if(
    coalesce(cardinality(p_signatures), 0) = 0, 'PL022', 'no signature is named',
    'Name signatures of the pattern; ops.pattern_signatures_v1 lists them.'
  );
  perform ops_internal.refuse_if(
    cardinality(foreign_ones) > 0, 'PL022', format('%s of these signatures are not of pattern %s', cardinality(foreign_ones), p_pattern_id),
    'Name signatures of the pattern; ops.pattern_signatures_v1 lists them.', array_to_string(foreign_ones [1:10], ', ')
  );
end
$$;

comment on function ops_internal.require_signatures_of is 'Raises PL022 unless these are signatures of the pattern, at least one.';

create function ops_internal.free_signature(p_pattern_id uuid, p_signatures text []) returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(
    (
      select names.signature
      from unnest(p_signatures) with ordinality as names (signature, place)
      where not exists (
        select from ops.error_patterns as patterns
        where patterns.pattern_signature = names.signature and patterns.pattern_id <> p_pattern_id
      )
      order by names.place
      limit 1
    ),
    'pattern_' || replace(p_pattern_id::text, '-', '')
  )
$$;

comment on function ops_internal.free_signature is
  'The first of these signatures that no other pattern has as its own, or a made-up one if other patterns, which were merged, have them all.';

create function ops_internal.move_apart(p_source ops.error_patterns, p_signatures text [], p_expression text) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  made constant uuid := gen_random_uuid();
  moving constant text [] := ops_internal.names_of(ops_internal.stamped_signatures(p_source.pattern_id, p_signatures));
  staying constant text [] := array(
    select names.signature from unnest(ops_internal.names_of(ops_internal.stamped_signatures(p_source.pattern_id))) as names (signature)
    where names.signature <> all(p_signatures)
  );
  -- What is known of one signature's errors may be false of the other ones.
  kept constant jsonb := coalesce(p_source.metadata, '{}') - array['sample', 'captured', 'known', 'symptom'];
begin
  if p_source.pattern_signature = any(moving) then
    -- The expression was made for the signatures that move, so it must not find errors for the fix that stays.
    update ops.error_patterns set
      pattern_signature = ops_internal.free_signature(p_source.pattern_id, staying),
      tries_expression = false,
      metadata = kept || jsonb_build_object(
        'template', (select signatures.template from ops.pattern_signatures as signatures where signatures.signature = staying [1])
      )
    where error_patterns.pattern_id = p_source.pattern_id;
  end if;

  insert into ops.error_patterns (
    pattern_id, pattern_signature, pattern_type, error_message_pattern, tries_expression, error_source, severity, occurrence_count, metadata
  )
  select
    made, ops_internal.free_signature(made, moving), p_source.pattern_type, coalesce(p_expression, p_source.error_message_pattern),
    false, p_source.error_source, p_source.severity, 0,
    kept || jsonb_build_object('template', signatures.template, 'split_from', p_source.pattern_id)
  from ops.pattern_signatures as signatures
  where signatures.signature = moving [1];

  update ops.pattern_signatures set pattern_id = made
  where pattern_signatures.signature = any(moving);
  return made;
end
$$;

comment on function ops_internal.move_apart is 'Makes a pattern out of some signatures of another one; answers its id.';

create function ops_internal.split_pattern(
  p_pattern_id uuid, p_signatures text [], p_expression text, p_reason text
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  source ops.error_patterns;
  after ops.error_patterns;
  made uuid;
  moved jsonb;
  incidents integer;
  untrusted integer;
  split uuid;
begin
  perform ops_internal.lock_learning();
  source := ops_internal.lock_pattern(p_pattern_id);
  perform ops_internal.require_signatures_of(p_pattern_id, p_signatures);
  moved := ops_internal.stamped_signatures(p_pattern_id, p_signatures);
  perform ops_internal.refuse_if(
    not exists (
      select from ops.pattern_signatures as signatures
      where signatures.pattern_id = p_pattern_id and signatures.signature <> all(p_signatures)
    ),
    'PL022', 'all signatures of the pattern are named', 'Leave at least one with the pattern.'
  );

  made := ops_internal.move_apart(source, p_signatures, p_expression);
  select counted.incidents, counted.untrusted into incidents, untrusted
  from ops_internal.move_incidents(p_pattern_id, made, p_signatures) as counted;
  update ops.error_patterns set occurrence_count = incidents - untrusted, untrusted_occurrences = untrusted
  where error_patterns.pattern_id = made;
  update ops.error_patterns set
    occurrence_count = greatest(0, source.occurrence_count - (incidents - untrusted)),
    untrusted_occurrences = greatest(0, source.untrusted_occurrences - untrusted),
    ignored_until_count = source.ignored_until_count - (incidents - untrusted)
  where error_patterns.pattern_id = p_pattern_id;
  perform ops_internal.recount_ends(made, ops_internal.remembered(source));
  perform ops_internal.recount_ends(p_pattern_id, ops_internal.remembered(source));
  select * into after from ops.error_patterns where error_patterns.pattern_id = p_pattern_id;

  insert into ops.pattern_splits (
    source, made, actor, reason, signatures, incident_count, untrusted_count, source_before, source_after
  )
  values (
    p_pattern_id, made, person, p_reason, moved, incidents, untrusted, ops_internal.remembered(source), ops_internal.remembered(after)
  )
  returning split_id into split;
  -- Patterns that were kept separate from the whole are kept separate from the part.
  insert into ops.pattern_cannot_links (pattern_a, pattern_b, created_by, reason)
  select distinct least(made, others.id), greatest(made, others.id), person, 'Taken over from the pattern that was split.'
  from ops.pattern_cannot_links as links
  cross join lateral (select case when links.pattern_a = p_pattern_id then links.pattern_b else links.pattern_a end as id) as others
  where p_pattern_id in (links.pattern_a, links.pattern_b);
  perform ops_internal.keep_separate(p_pattern_id, made, person, coalesce(p_reason, 'They were split.'));

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'pattern_split', 'info', 'Pattern split: ' || source.pattern_signature, person,
    jsonb_build_object(
      'split_id', split, 'source', p_pattern_id, 'made', made, 'signatures', to_jsonb(ops_internal.names_of(moved)),
      'incident_count', incidents, 'reason', p_reason
    )
  );
  return ops_internal.both_patterns(p_pattern_id, made)
    || jsonb_build_object('split_id', split, 'signature_count', jsonb_array_length(moved), 'incident_count', incidents);
end
$$;

create function ops.split_pattern_v1(
  p_pattern_id uuid, p_signatures text [], p_expression text default null, p_reason text default null
) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.split_pattern(p_pattern_id, p_signatures, p_expression, p_reason) $$;

comment on function ops.split_pattern_v1 is
  'Moves some signatures of a pattern to a new pattern; the former one keeps its fix. Evidence never merges the two again. For an ops_operator or ops_admin in person.';

create function ops_internal.require_undoable_split(p_split ops.pattern_splits) returns void
language plpgsql
set search_path = ''
as $$
declare
  source ops.error_patterns;
  made ops.error_patterns;
begin
  select * into source from ops.error_patterns where error_patterns.pattern_id = p_split.source;
  select * into made from ops.error_patterns where error_patterns.pattern_id = p_split.made;
  perform ops_internal.refuse_if(
    p_split.undone_at is not null, 'PL021', 'this split was undone before', 'There is nothing to undo.'
  );
  perform ops_internal.refuse_if(
    'merged' in (source.status, made.status), 'PL021',
    format('pattern %s was merged since', case source.status when 'merged' then source.pattern_id else made.pattern_id end),
    'Undo that merge first, or POST /merge the two.'
  );
  perform ops_internal.refuse_if(
    ops_internal.has_live_fix(p_split.made), 'PL021', format('pattern %s has a live fix now', p_split.made),
    'POST /disable it first: a fix does not move to another pattern.'
  );
  perform ops_internal.refuse_if(
    not ops_internal.lead_to(p_split.made, p_split.signatures),
    'PL021', format('signatures were split off from pattern %s since', p_split.made), 'Undo that split first.'
  );
end
$$;

comment on function ops_internal.require_undoable_split is
  'Raises PL021 where a split was undone, or where what it made has moved on since.';

create function ops_internal.has_names_of(p_pattern_id uuid, p_remembered jsonb) returns boolean
language sql
stable
set search_path = ''
as $$
  select patterns.pattern_signature = former.pattern_signature
    and patterns.tries_expression = former.tries_expression
    -- What the catalogue says of a pattern is noted anew when its errors come.
    and patterns.metadata - array['known', 'symptom'] is not distinct from former.metadata - array['known', 'symptom']
  from ops.error_patterns as patterns
  cross join jsonb_populate_record(null::ops.error_patterns, p_remembered) as former
  where patterns.pattern_id = p_pattern_id
$$;

comment on function ops_internal.has_names_of is
  'Whether a pattern has still the signature, the expression and the template that it had.';

create function ops_internal.undo_split(p_split_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  split ops.pattern_splits;
  source ops.error_patterns;
  made ops.error_patterns;
begin
  perform ops_internal.lock_learning();
  select * into split from ops.pattern_splits where pattern_splits.split_id = p_split_id for update;
  if not found then
    raise exception using
      errcode = 'PL018', message = format('there is no split %s', p_split_id), hint = 'The table ops.pattern_splits lists all splits.';
  end if;
  perform ops_internal.lock_patterns(array[split.source, split.made]);
  perform ops_internal.require_undoable_split(split);
  select * into source from ops.error_patterns where error_patterns.pattern_id = split.source;
  select * into made from ops.error_patterns where error_patterns.pattern_id = split.made;

  update ops.pattern_signatures set pattern_id = split.source where pattern_signatures.pattern_id = split.made;
  perform ops_internal.restore_trust(split.source, split.signatures, split.created_at);
  update ops.pattern_incidents set pattern_id = split.source where pattern_incidents.pattern_id = split.made;
  perform ops_internal.sum_up(source, made);
  perform ops_internal.recount_ends(split.source, split.source_before);

  -- The source gets its former signature, expression and template back, unless they were changed since.
  if ops_internal.has_names_of(split.source, split.source_after) then
    update ops.error_patterns set pattern_signature = 'pattern_' || replace(split.made::text, '-', '')
    where error_patterns.pattern_id = split.made;
    update ops.error_patterns as patterns set
      pattern_signature = before.pattern_signature,
      tries_expression = before.tries_expression,
      metadata = before.metadata
    from jsonb_populate_record(null::ops.error_patterns, split.source_before) as before
    where patterns.pattern_id = split.source;
  end if;

  delete from ops.pattern_cannot_links
  where pattern_cannot_links.pattern_a = least(split.source, split.made) and pattern_cannot_links.pattern_b = greatest(split.source, split.made);
  update ops.pattern_splits set undone_at = clock_timestamp(), undone_by = person where pattern_splits.split_id = p_split_id;
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'split_undone', 'info', 'A split was undone', person,
    jsonb_build_object('split_id', p_split_id, 'source', split.source, 'made', split.made)
  );
  return ops_internal.both_patterns(split.source, split.made);
end
$$;

create function ops.undo_split_v1(p_split_id uuid) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.undo_split(p_split_id) $$;

comment on function ops.undo_split_v1 is
  'Undoes a split: the signatures go back with what has come under them since. For an ops_operator or ops_admin in person.';

-- Confirming signatures that came after the approval of a fix.

create function ops_internal.pattern_signatures(p_pattern_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'signature', signatures.signature,
          'algorithm', signatures.algorithm,
          'template', signatures.template,
          'created_at', signatures.created_at,
          'confirmed_at', signatures.confirmed_at,
          'is_trusted', exists (
            select from ops.pattern_fixes as fixes
            where fixes.pattern_id = p_pattern_id
              and fixes.disabled_at is null
              and (signatures.created_at <= fixes.trusts_until or signatures.confirmed_at is not null)
          ),
          -- The message of the latest error that is still in the log.
          'example', (
            select left(logs.message, 8192)
            from ops.pattern_incidents as incidents
            inner join ops.system_logs as logs on logs.id = incidents.system_log_id
            where incidents.pattern_id = p_pattern_id and incidents.signature = signatures.signature
            order by incidents.occurred_at desc
            limit 1
          ),
          'incident_count', (
            select count(*) from ops.pattern_incidents as incidents
            where incidents.pattern_id = p_pattern_id and incidents.signature = signatures.signature
          )
        )
        order by signatures.created_at, signatures.signature
      ),
      '[]'
    )
    from ops.pattern_signatures as signatures
    where signatures.pattern_id = p_pattern_id
  );
end
$$;

create function ops.pattern_signatures_v1(p_pattern_id uuid) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.pattern_signatures(p_pattern_id) $$;

comment on function ops.pattern_signatures_v1 is
  'The signatures of a pattern, with template, number of errors, and whether a live fix of the pattern fires for them. For operators and the engine.';

create function ops_internal.confirm_signatures(p_pattern_id uuid, p_signatures text []) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  pattern constant ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
  fix ops.pattern_fixes;
  confirmed text [];
begin
  -- A signature is confirmed for all fixes of its pattern, each of which has its own guard. This one asks for most of them.
  select * into fix
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_pattern_id and fixes.disabled_at is null
  order by fixes.trusts_until
  limit 1;
  if not found then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no enabled fix',
      hint = 'There is nothing to confirm: an approval includes the signatures that the pattern had when the fix was proposed or, without a proposal, approved.';
  end if;
  perform ops_internal.require_signatures_of(p_pattern_id, p_signatures);

  with changed as (
    update ops.pattern_signatures set confirmed_at = clock_timestamp(), confirmed_by = person
    where pattern_signatures.signature = any(p_signatures)
      and pattern_signatures.pattern_id = p_pattern_id
      and pattern_signatures.created_at > fix.trusts_until
      and pattern_signatures.confirmed_at is null
    returning signature
  )

  select coalesce(array_agg(changed.signature order by changed.signature), '{}') into confirmed from changed;
  if cardinality(confirmed) > 0 then
    insert into ops.roman_events (event_type, severity, description, actor, metadata)
    values (
      'signatures_confirmed', 'info', 'Signatures confirmed for the fix of ' || pattern.pattern_signature, person,
      jsonb_build_object('pattern_id', p_pattern_id, 'version', fix.version, 'sha256', fix.sha256, 'signatures', to_jsonb(confirmed))
    );
  end if;
  return jsonb_build_object('pattern', to_jsonb(pattern), 'confirmed', to_jsonb(confirmed));
end
$$;

create function ops.confirm_signatures_v1(p_pattern_id uuid, p_signatures text []) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.confirm_signatures(p_pattern_id, p_signatures) $$;

comment on function ops.confirm_signatures_v1 is
  'Makes a pattern''s live fix run for these signatures too, which came after its approval. For an ops_admin in person.';

-- Near-duplicates, which are proposed to people and never joined by themselves.

create function ops_internal.similar_patterns(p_pattern_id uuid, p_limit integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  least_score constant numeric := 0.3;
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  perform 1 from ops.error_patterns where error_patterns.pattern_id = p_pattern_id;
  if not found then
    raise exception using
      errcode = 'PL002', message = format('there is no pattern %s', p_pattern_id), hint = 'GET /statistics lists patterns, with their ids.';
  end if;
  return (
    with nearest as (
      select own.template as own_template, found.template, found.pattern_id, found.distance
      from (
        select signatures.template
        from ops.pattern_signatures as signatures
        where signatures.pattern_id = p_pattern_id
        order by signatures.created_at, signatures.signature
        limit 10
      ) as own
      cross join lateral (
        select
          others.template, others.pattern_id,
          left(others.template, 1000) operator(extensions.<->) left(own.template, 1000) as distance
        from ops.pattern_signatures as others
        where others.pattern_id <> p_pattern_id
        order by left(others.template, 1000) operator(extensions.<->) left(own.template, 1000)
        limit 100
      ) as found
    ),

    best as (
      select distinct on (nearest.pattern_id) nearest.*
      from nearest
      where 1 - nearest.distance >= least_score and not ops_internal.is_kept_apart(p_pattern_id, nearest.pattern_id)
      order by nearest.pattern_id, nearest.distance
    ),

    listed as (
      select
        patterns.pattern_id, patterns.pattern_signature, patterns.pattern_type, patterns.status, patterns.severity,
        patterns.occurrence_count, patterns.auto_fix_enabled, patterns.auto_fix_type, patterns.success_rate,
        patterns.confidence_lower_bound, patterns.confidence_outcomes, best.template, best.own_template,
        round((1 - best.distance)::numeric, 3) as score
      from best
      inner join ops.error_patterns as patterns on patterns.pattern_id = best.pattern_id
      order by best.distance, patterns.id
      limit least(greatest(p_limit, 1), 50)
    )

    select coalesce(jsonb_agg(to_jsonb(listed) order by listed.score desc, listed.pattern_id), '[]')
    from listed
  );
end
$$;

create function ops.similar_patterns_v1(p_pattern_id uuid, p_limit integer default 10) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.similar_patterns(p_pattern_id, p_limit) $$;

comment on function ops.similar_patterns_v1 is
  'Patterns whose templates resemble one of this pattern''s, by the share of trigrams in common, best first; none that an operator separated from it. For operators and the engine.';
