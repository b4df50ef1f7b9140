-- Splitting a pattern in two, and undoing that.

create table ops.pattern_splits (
  id bigserial primary key,
  split_id uuid not null unique default gen_random_uuid(),
  source uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  made uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  actor uuid not null,
  reason text,
  signatures jsonb not null,
  incident_count integer not null,
  source_before jsonb not null,
  source_after jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  undone_at timestamptz,
  undone_by uuid
);

comment on table ops.pattern_splits is 'Every split of a pattern in two, with all that it takes to undo it.';
comment on column ops.pattern_splits.id is 'Order of splitting.';
comment on column ops.pattern_splits.split_id is 'Stable id of the split, by which it is undone.';
comment on column ops.pattern_splits.source is 'The pattern that was split. It keeps its fixes.';
comment on column ops.pattern_splits.made is 'The pattern that was made.';
comment on column ops.pattern_splits.actor is 'Who did it. Kept after the person is gone.';
comment on column ops.pattern_splits.reason is 'Why.';
comment on column ops.pattern_splits.signatures is 'The signatures that moved, each with the times at which it had come to its pattern and was confirmed.';
comment on column ops.pattern_splits.incident_count is 'How many incidents moved.';
comment on column ops.pattern_splits.source_before is 'Counts, times and status of the source before.';
comment on column ops.pattern_splits.source_after is 'The same afterwards: what has changed since is not undone.';
comment on column ops.pattern_splits.created_at is 'When.';
comment on column ops.pattern_splits.undone_at is 'When it was undone; null while it holds.';
comment on column ops.pattern_splits.undone_by is 'Who undid it.';

create index idx_pattern_splits_source on ops.pattern_splits (source);
create index idx_pattern_splits_made on ops.pattern_splits (made);

alter table ops.pattern_splits enable row level security;

create policy "Operators read splits" on ops.pattern_splits
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.pattern_splits from public, anon, authenticated, service_role;
revoke all on sequence ops.pattern_splits_id_seq from public, anon, authenticated, service_role;
grant select on table ops.pattern_splits to authenticated, service_role;

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

comment on function ops_internal.require_signatures_of(uuid, text []) is 'Raises PL022 unless these are signatures of the pattern, at least one.';

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

comment on function ops_internal.free_signature(uuid, text []) is
  'The first of these signatures that no other pattern has as its own; a made-up one where each is taken, by patterns that were merged.';

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
begin
  if p_source.pattern_signature = any(moving) then
    -- Its expression was made for what moves: whatever looks like that is no reason to run the fix that stays.
    update ops.error_patterns set
      pattern_signature = ops_internal.free_signature(p_source.pattern_id, staying),
      tries_expression = false,
      metadata = (coalesce(p_source.metadata, '{}') - 'sample') || jsonb_build_object(
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
    (coalesce(p_source.metadata, '{}') - 'sample') || jsonb_build_object('template', signatures.template, 'split_from', p_source.pattern_id)
  from ops.pattern_signatures as signatures
  where signatures.signature = moving [1];

  update ops.pattern_signatures set pattern_id = made
  where pattern_signatures.signature = any(moving);
  return made;
end
$$;

comment on function ops_internal.move_apart(ops.error_patterns, text [], text) is
  'Makes a pattern out of some signatures of another one; answers its id.';

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
  split uuid;
begin
  perform ops_internal.stop_learning();
  source := ops_internal.lock_pattern(p_pattern_id);
  perform ops_internal.require_signatures_of(p_pattern_id, p_signatures);
  moved := ops_internal.stamped_signatures(p_pattern_id, p_signatures);
  perform ops_internal.refuse_if(
    not exists (
      select from ops.pattern_signatures as signatures
      where signatures.pattern_id = p_pattern_id and signatures.signature <> all(p_signatures)
    ),
    'PL022', 'all signatures of the pattern are named', 'Leave it one at least.'
  );

  made := ops_internal.move_apart(source, p_signatures, p_expression);
  update ops.pattern_incidents set pattern_id = made
  where pattern_incidents.pattern_id = p_pattern_id and pattern_incidents.signature = any(p_signatures);
  get diagnostics incidents = row_count;
  update ops.error_patterns set occurrence_count = incidents where error_patterns.pattern_id = made;
  update ops.error_patterns set
    occurrence_count = greatest(0, source.occurrence_count - incidents),
    ignored_until_count = source.ignored_until_count - incidents
  where error_patterns.pattern_id = p_pattern_id;
  perform ops_internal.recount_ends(made, ops_internal.remembered(source));
  perform ops_internal.recount_ends(p_pattern_id, ops_internal.remembered(source));
  select * into after from ops.error_patterns where error_patterns.pattern_id = p_pattern_id;

  insert into ops.pattern_splits (source, made, actor, reason, signatures, incident_count, source_before, source_after)
  values (
    p_pattern_id, made, person, p_reason, moved, incidents, ops_internal.remembered(source), ops_internal.remembered(after)
  )
  returning split_id into split;
  -- Whatever was kept apart from the whole is kept apart from the part.
  insert into ops.pattern_cannot_links (pattern_a, pattern_b, created_by, reason)
  select distinct least(made, others.id), greatest(made, others.id), person, 'Taken over from the pattern that was split.'
  from ops.pattern_cannot_links as links
  cross join lateral (select case when links.pattern_a = p_pattern_id then links.pattern_b else links.pattern_a end as id) as others
  where p_pattern_id in (links.pattern_a, links.pattern_b);
  perform ops_internal.tell_apart(p_pattern_id, made, person, coalesce(p_reason, 'They were split.'));

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

comment on function ops_internal.split_pattern(uuid, text [], text, text) is 'The work of ops.split_pattern_v1, with the rights that only it has.';

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
    ops_internal.has_live_fix(p_split.made), 'PL021', format('pattern %s has got a live fix since', p_split.made),
    'POST /disable it first: a fix does not move to another pattern.'
  );
  perform ops_internal.refuse_if(
    not ops_internal.lead_to(p_split.made, p_split.signatures),
    'PL021', format('signatures were split off from %s since', p_split.made), 'Undo that split first.'
  );
end
$$;

comment on function ops_internal.require_undoable_split(ops.pattern_splits) is
  'Raises PL021 where a split was undone, or where what it made has moved on since.';

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
  perform ops_internal.stop_learning();
  select * into split from ops.pattern_splits where pattern_splits.split_id = p_split_id for update;
  if not found then
    raise exception using
      errcode = 'PL018', message = format('there is no split %s', p_split_id), hint = 'Read ops.pattern_splits for those that there were.';
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

  -- The names that the source had, unless it has got others since.
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

comment on function ops_internal.undo_split(uuid) is 'The work of ops.undo_split_v1, with the rights that only it has.';

create function ops_internal.has_names_of(p_pattern_id uuid, p_remembered jsonb) returns boolean
language sql
stable
set search_path = ''
as $$
  select patterns.pattern_signature = former.pattern_signature
    and patterns.tries_expression = former.tries_expression
    and patterns.metadata is not distinct from former.metadata
  from ops.error_patterns as patterns
  cross join jsonb_populate_record(null::ops.error_patterns, p_remembered) as former
  where patterns.pattern_id = p_pattern_id
$$;

comment on function ops_internal.has_names_of(uuid, jsonb) is 'Whether a pattern has still the signature, the expression and the template that it had.';

create function ops.split_pattern_v1(
  p_pattern_id uuid, p_signatures text [], p_expression text default null, p_reason text default null
) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.split_pattern(p_pattern_id, p_signatures, p_expression, p_reason) $$;

comment on function ops.split_pattern_v1(uuid, text [], text, text) is
  'Makes a pattern of its own out of some signatures of another, which keeps its fix; evidence never joins the two again. For an ops_operator or ops_admin in person.';

create function ops.undo_split_v1(p_split_id uuid) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.undo_split(p_split_id) $$;

comment on function ops.undo_split_v1(uuid) is
  'Undoes a split: the signatures go back with what has come under them since. For an ops_operator or ops_admin in person.';

revoke all on function
  ops_internal.require_signatures_of(uuid, text []),
  ops_internal.free_signature(uuid, text []),
  ops_internal.move_apart(ops.error_patterns, text [], text),
  ops_internal.split_pattern(uuid, text [], text, text),
  ops_internal.require_undoable_split(ops.pattern_splits),
  ops_internal.undo_split(uuid),
  ops_internal.has_names_of(uuid, jsonb),
  ops.split_pattern_v1(uuid, text [], text, text),
  ops.undo_split_v1(uuid)
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.split_pattern(uuid, text [], text, text),
  ops_internal.undo_split(uuid),
  ops.split_pattern_v1(uuid, text [], text, text),
  ops.undo_split_v1(uuid)
to authenticated, service_role;
