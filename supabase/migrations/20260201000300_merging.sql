-- Merging patterns, by evidence or by a person, and what must never be merged again.
--
-- Whoever moves signatures calls ops_internal.stop_learning before he takes any other lock, and then locks patterns by id.

alter table ops.error_patterns
  add column merged_into uuid references ops.error_patterns (pattern_id) on delete set null,
  add constraint error_patterns_merged_pattern_is_empty check (status <> 'merged' or occurrence_count = 0);

comment on column ops.error_patterns.merged_into is 'The pattern that it was merged into. The row stays: its id is never used again, its fixes and their history are its own.';
create index idx_error_patterns_merged_into on ops.error_patterns (merged_into);

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
comment on column ops.pattern_merges.merge_id is 'Stable id of the merge, by which it is undone.';
comment on column ops.pattern_merges.kept is 'The pattern that stayed.';
comment on column ops.pattern_merges.gone is 'The pattern that was merged into it.';
comment on column ops.pattern_merges.merged_by is 'evidence: the templates of both are alike; person: somebody decided it.';
comment on column ops.pattern_merges.actor is 'The person; null for evidence. Kept after the person is gone.';
comment on column ops.pattern_merges.reason is 'Why.';
comment on column ops.pattern_merges.signatures is
  'The signatures that moved, each with the times at which it had come to its pattern and was confirmed. When the merge is undone, incidents go with them, later ones too.';
comment on column ops.pattern_merges.incident_count is 'How many incidents moved.';
comment on column ops.pattern_merges.kept_before is 'Counts, times and status of the kept pattern before.';
comment on column ops.pattern_merges.kept_after is 'The same afterwards: what has changed since is not undone.';
comment on column ops.pattern_merges.gone_before is 'Counts, times and status of the merged pattern before.';
comment on column ops.pattern_merges.created_at is 'When.';
comment on column ops.pattern_merges.undone_at is 'When it was undone; null while it holds.';
comment on column ops.pattern_merges.undone_by is 'Who undid it.';

create index idx_pattern_merges_kept on ops.pattern_merges (kept);
create index idx_pattern_merges_gone on ops.pattern_merges (gone);

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

comment on table ops.pattern_cannot_links is 'Pairs of patterns that a person told apart, by a split or by undoing a merge. Evidence never joins them.';
comment on column ops.pattern_cannot_links.id is 'Row number.';
comment on column ops.pattern_cannot_links.pattern_a is 'One pattern, the one with the smaller id.';
comment on column ops.pattern_cannot_links.pattern_b is 'The other.';
comment on column ops.pattern_cannot_links.created_at is 'When.';
comment on column ops.pattern_cannot_links.created_by is 'The person who told them apart.';
comment on column ops.pattern_cannot_links.reason is 'Why.';
comment on column ops.pattern_cannot_links.merge_id is 'The merge by which a pattern took the link over from the one merged into it; null for a person''s own.';

create index idx_pattern_cannot_links_b on ops.pattern_cannot_links (pattern_b);
create index idx_pattern_cannot_links_merge on ops.pattern_cannot_links (merge_id);

alter table ops.pattern_merges enable row level security;
alter table ops.pattern_cannot_links enable row level security;

create policy "Operators read merges" on ops.pattern_merges
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create policy "Operators read which patterns are kept apart" on ops.pattern_cannot_links
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.pattern_merges, ops.pattern_cannot_links from public, anon, authenticated, service_role;
revoke all on sequence ops.pattern_merges_id_seq, ops.pattern_cannot_links_id_seq from public, anon, authenticated, service_role;
grant select on table ops.pattern_merges, ops.pattern_cannot_links to authenticated, service_role;

create or replace function ops_internal.lock_pattern(p_pattern_id uuid) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  pattern ops.error_patterns;
begin
  select * into pattern
  from ops.error_patterns
  where error_patterns.pattern_id = p_pattern_id
  for no key update;
  if not found then
    raise exception using
      errcode = 'PL002',
      message = format('there is no pattern %s', p_pattern_id),
      hint = 'GET /statistics lists the patterns that await approval, with their ids.';
  end if;
  if pattern.status = 'merged' then
    raise exception using
      errcode = 'PL020',
      message = format('pattern %s was merged', p_pattern_id),
      detail = format('It was merged into %s.', coalesce(pattern.merged_into::text, 'a pattern that is gone')),
      hint = 'Use that one, or POST /undo the merge.';
  end if;
  return pattern;
end
$$;

comment on function ops_internal.lock_pattern(uuid) is
  'The pattern, locked until the end of the transaction. Raises PL002 where there is none, PL020 where it was merged into another.';

create function ops_internal.has_live_fix(p_pattern_id uuid) returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_pattern_id and fixes.disabled_at is null
  )
$$;

comment on function ops_internal.has_live_fix(uuid) is 'Whether a version of the pattern''s fix is approved and not disabled.';

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

comment on function ops_internal.is_kept_apart(uuid, uuid) is 'Whether a person told these two patterns apart.';

create function ops_internal.may_join(p_one uuid, p_other uuid) returns boolean
language sql
stable
set search_path = ''
as $$
  select not ops_internal.is_kept_apart(p_one, p_other)
    and not (ops_internal.has_live_fix(p_one) and ops_internal.has_live_fix(p_other))
$$;

comment on function ops_internal.may_join(uuid, uuid) is
  'Whether evidence may join these two: no person told them apart, and they have not both a live fix.';

revoke all on function
  ops_internal.has_live_fix(uuid), ops_internal.is_kept_apart(uuid, uuid), ops_internal.may_join(uuid, uuid)
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.has_live_fix(uuid), ops_internal.is_kept_apart(uuid, uuid), ops_internal.may_join(uuid, uuid)
to service_role;

create function ops_internal.remembered(p_pattern ops.error_patterns) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select to_jsonb(p_pattern) - array[
    'id', 'pattern_id', 'pattern_type', 'error_source', 'severity', 'success_rate', 'auto_fix_enabled', 'auto_fix_script',
    'auto_fix_type', 'auto_fix_parameters', 'constitutional_compliant', 'constitutional_violations', 'confidence_score',
    'confidence_lower_bound', 'confidence_outcomes', 'consecutive_failures', 'human_approved', 'approved_by', 'approved_at', 'created_at', 'updated_at'
  ]
$$;

comment on function ops_internal.remembered(ops.error_patterns) is
  'What a merge or a split changes of a pattern: counts, times, status, first signature and expression.';

create function ops_internal.latest_logs(p_pattern_id uuid) returns bigint []
language sql
stable
set search_path = ''
as $$
  select array(
    select incidents.system_log_id
    from ops.pattern_incidents as incidents
    where incidents.pattern_id = p_pattern_id and incidents.system_log_id is not null
    order by incidents.occurred_at desc, incidents.system_log_id desc
    limit 20
  )
$$;

comment on function ops_internal.latest_logs(uuid) is 'The latest 20 log rows of a pattern, out of its incidents.';

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

comment on function ops_internal.stamped_signatures(uuid, text []) is
  'Signatures of a pattern, all or only these, with the times at which they came to it and were confirmed.';

create function ops_internal.joined_status(p_kept ops.error_patterns, p_gone ops.error_patterns) returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when p_gone.status = 'open' and p_kept.status = 'archived' then 'open'
    when p_gone.status = 'open' and p_kept.status = 'resolved' and p_gone.last_seen > p_kept.resolved_at then 'open'
    else p_kept.status
  end
$$;

comment on function ops_internal.joined_status(ops.error_patterns, ops.error_patterns) is
  'Status of the kept pattern after a merge: its own, unless it was resolved or archived and the other brings later errors.';

create function ops_internal.sum_up(p_kept ops.error_patterns, p_gone ops.error_patterns) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  answer ops.error_patterns;
begin
  update ops.error_patterns set
    status = 'merged',
    merged_into = p_kept.pattern_id,
    occurrence_count = 0,
    learned_from_incidents = '{}',
    ignored_until = null,
    ignored_until_count = null
  where error_patterns.pattern_id = p_gone.pattern_id;

  update ops.error_patterns set
    occurrence_count = p_kept.occurrence_count + p_gone.occurrence_count,
    first_seen = least(p_kept.first_seen, p_gone.first_seen),
    last_seen = greatest(p_kept.last_seen, p_gone.last_seen),
    first_release = case when p_gone.first_seen < p_kept.first_seen then p_gone.first_release else p_kept.first_release end,
    first_environment = case when p_gone.first_seen < p_kept.first_seen then p_gone.first_environment else p_kept.first_environment end,
    last_release = case when p_gone.last_seen > p_kept.last_seen then p_gone.last_release else p_kept.last_release end,
    last_environment = case when p_gone.last_seen > p_kept.last_seen then p_gone.last_environment else p_kept.last_environment end,
    learned_from_incidents = ops_internal.latest_logs(p_kept.pattern_id),
    status = ops_internal.joined_status(p_kept, p_gone),
    ignored_until_count = p_kept.ignored_until_count + p_gone.occurrence_count
  where error_patterns.pattern_id = p_kept.pattern_id
  returning * into answer;

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

comment on function ops_internal.sum_up(ops.error_patterns, ops.error_patterns) is
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
      message = 'a person told these patterns apart',
      detail = format('They are %s and %s.', p_kept, p_gone),
      hint = 'Only a person joins them again, by POST /merge.';
  end if;
end
$$;

comment on function ops_internal.require_joinable(uuid, uuid, text) is
  'Raises PL016 where both patterns have a live fix, PL017 where evidence would join what a person told apart.';

create function ops_internal.inherit_cannot_links(p_kept uuid, p_gone uuid, p_merge_id uuid) returns void
language sql
set search_path = ''
as $$
  -- Who joins two patterns knows better than who told them apart.
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

comment on function ops_internal.inherit_cannot_links(uuid, uuid, uuid) is
  'What was kept apart from the merged pattern is kept apart from the one that stays; the two themselves no longer are.';

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
  merge uuid;
begin
  perform ops_internal.stop_learning();
  if p_by = 'person' and p_actor is distinct from (select auth.uid()) then
    raise exception using
      errcode = 'PL011',
      message = 'this takes a person',
      hint = 'Sign in and send your own access token; the secret key joins by evidence alone.';
  end if;
  perform ops_internal.lock_patterns(array[p_kept, p_gone]);

  -- A fix stays where a person approved it.
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
  update ops.pattern_incidents set pattern_id = kept.pattern_id
  where pattern_incidents.pattern_id = gone.pattern_id
    and pattern_incidents.signature = any(array(select one ->> 'signature' from jsonb_array_elements(moved) as one));
  get diagnostics incidents = row_count;
  joined := ops_internal.sum_up(kept, gone);

  insert into ops.pattern_merges (
    kept, gone, merged_by, actor, reason, signatures, incident_count, kept_before, kept_after, gone_before
  )
  values (
    kept.pattern_id, gone.pattern_id, p_by, p_actor, p_reason, moved, incidents,
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

comment on function ops_internal.join_patterns(uuid, uuid, text, uuid, text) is
  'Merges the second pattern into the first, or the other way round where only the second has a live fix; answers the id of the merge. Raises PL016, PL017, PL020.';

revoke all on function
  ops_internal.remembered(ops.error_patterns),
  ops_internal.latest_logs(uuid),
  ops_internal.stamped_signatures(uuid, text []),
  ops_internal.joined_status(ops.error_patterns, ops.error_patterns),
  ops_internal.sum_up(ops.error_patterns, ops.error_patterns),
  ops_internal.require_joinable(uuid, uuid, text),
  ops_internal.inherit_cannot_links(uuid, uuid, uuid),
  ops_internal.join_patterns(uuid, uuid, text, uuid, text)
from public, anon, authenticated, service_role;
grant execute on function ops_internal.join_patterns(uuid, uuid, text, uuid, text) to service_role;
