-- The journal is sealed in a chain of digests, so that an event that is changed, removed or put in later is found, even if the
-- owner of the database did it. A job seals the events of the last minute together, so that those who record events do not wait
-- for each other. It takes every committed event that has no seal; an event whose transaction ends later is sealed with the next
-- batch, whatever its id is.

create table ops.event_seals (
  id bigint primary key constraint event_seals_id_positive check (id > 0),
  kind text not null constraint event_seals_kind_known check (kind in ('sealed', 'pruned')),
  first_event_id bigint,
  last_event_id bigint,
  events bigint not null,
  pruned bigint,
  through_seal bigint,
  digest bytea not null,
  previous bytea not null,
  sealed_at timestamptz not null,
  seal bytea not null,
  constraint event_seals_pruned_whole check (
    (kind = 'pruned') = (pruned is not null) and (kind = 'pruned') = (through_seal is not null)
  )
);

comment on table ops.event_seals is
  'The chain that seals ops.roman_events: each entry has the digest of a batch of events and that of the entry before. pattern-engine verify-events checks it.';
comment on column ops.event_seals.id is '1, 2, … without gaps.';
comment on column ops.event_seals.kind is
  'sealed: it covers events that were recorded since the entry before; pruned: old events were deleted, and it covers what is left of all earlier entries through through_seal.';
comment on column ops.event_seals.first_event_id is 'The least id of the events that it covers; null if none is left.';
comment on column ops.event_seals.last_event_id is 'The greatest id of the events that it covers; null if none is left.';
comment on column ops.event_seals.events is 'How many events it covers.';
comment on column ops.event_seals.pruned is 'How many events were deleted.';
comment on column ops.event_seals.through_seal is 'The last entry whose events this entry covers in its place.';
comment on column ops.event_seals.digest is 'SHA-256 over the digests of the events that it covers, by seal and id.';
comment on column ops.event_seals.previous is 'The seal of the entry before; that of nothing for the first.';
comment on column ops.event_seals.sealed_at is 'When it was made.';
comment on column ops.event_seals.seal is 'SHA-256 over all other columns.';

alter table ops.event_seals enable row level security;

create policy "Operators read seals" on ops.event_seals
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.event_digest(p_event ops.roman_events) returns bytea
language plpgsql
stable
set search_path = ''
as $$
begin
  -- Only types whose text no setting changes: JSON, and the time as seconds.
  return sha256(convert_to(
    jsonb_build_array(
      p_event.id, p_event.event_id, p_event.event_type, p_event.severity, p_event.description, p_event.actor,
      p_event.metadata, p_event.constitutional_validation, extract(epoch from p_event.created_at)::text
    )::text,
    'UTF8'
  ));
end
$$;

comment on function ops_internal.event_digest is 'SHA-256 of all that an event says; the same in each time zone and under each setting.';

create function ops_internal.seal_digest(p_seal ops.event_seals) returns bytea
language plpgsql
stable
set search_path = ''
as $$
begin
  return sha256(convert_to(
    jsonb_build_array(
      p_seal.id, p_seal.kind, p_seal.first_event_id, p_seal.last_event_id, p_seal.events, p_seal.pruned, p_seal.through_seal,
      encode(p_seal.digest, 'hex'), encode(p_seal.previous, 'hex'), extract(epoch from p_seal.sealed_at)::text
    )::text,
    'UTF8'
  ));
end
$$;

comment on function ops_internal.seal_digest is 'SHA-256 of all columns of an entry but its own seal.';

create function ops_internal.next_seal() returns ops.event_seals
language plpgsql
set search_path = ''
as $$
declare
  last ops.event_seals;
  entry ops.event_seals;
begin
  -- One entry at a time; readers do not wait, and neither does whoever records an event.
  lock table ops.event_seals in share row exclusive mode;
  select * into last from ops.event_seals order by event_seals.id desc limit 1;
  entry.id := coalesce(last.id, 0) + 1;
  entry.previous := coalesce(last.seal, sha256(''));
  entry.sealed_at := clock_timestamp();
  return entry;
end
$$;

comment on function ops_internal.next_seal is
  'The begin of the next entry of the chain. No other transaction adds one until this one has ended.';

create function ops_internal.add_seal(p_seal ops.event_seals) returns void
language plpgsql
set search_path = ''
as $$
declare
  seal ops.event_seals := p_seal;
begin
  seal.seal := ops_internal.seal_digest(seal);
  insert into ops.event_seals select seal.*;
end
$$;

comment on function ops_internal.add_seal is 'Adds an entry to the chain, with its seal.';

create function ops_internal.seal_events(p_most integer default 50000) returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
  entry ops.event_seals := ops_internal.next_seal();
begin
  entry.kind := 'sealed';
  with batch as materialized (
    select unsealed.id from ops.roman_events as unsealed where unsealed.seal_id is null order by unsealed.id limit p_most
  ),

  sealed as (
    update ops.roman_events as events set
      seal_id = entry.id,
      digest = ops_internal.event_digest(events)
    from batch
    where events.id = batch.id
    returning events.id, events.digest
  )

  select min(sealed.id), max(sealed.id), count(*), sha256(string_agg(sealed.digest, '' order by sealed.id))
  into entry.first_event_id, entry.last_event_id, entry.events, entry.digest
  from sealed;
  if entry.events > 0 then
    perform ops_internal.add_seal(entry);
  end if;
  return entry.events;
end
$$;

comment on function ops_internal.seal_events is
  'Seals the committed events that have no seal, the oldest first; answers how many. A job calls it every minute.';

-- Checking. An entry vouches for the events that it sealed, unless a later one for what pruning left of them.

create function ops_internal.broken_seals(p_through bigint default null)
returns table (seal_id bigint, event_id bigint, problem text)
language sql
stable
set search_path = ''
as $$
  with entries as (
    select
      seals.*,
      row_number() over (order by seals.id) as place,
      lag(seals.seal, 1, sha256('')) over (order by seals.id) as former,
      ops_internal.seal_digest(seals) as seal_now
    from ops.event_seals as seals
  ),

  prunings as (
    select seals.id, seals.through_seal from ops.event_seals as seals where seals.kind = 'pruned'
  ),

  vouchers as (
    select entries.* from entries
    where entries.kind = 'pruned' or entries.id > (select coalesce(max(prunings.through_seal), 0) from prunings)
  ),

  checked as (
    select
      recorded.id, recorded.seal_id, recorded.digest, ops_internal.event_digest(recorded) as digest_now,
      case
        when recorded.seal_id <= (select coalesce(max(prunings.through_seal), 0) from prunings)
          then (select min(prunings.id) from prunings where prunings.through_seal >= recorded.seal_id)
        else own.id
      end as voucher
    from ops.roman_events as recorded
    left join ops.event_seals as own on own.id = recorded.seal_id
    where recorded.seal_id <= p_through or (p_through is null and recorded.seal_id is not null)
  ),

  sums as (
    select
      checked.voucher, count(*) as events, sha256(string_agg(checked.digest_now, '' order by checked.seal_id, checked.id)) as digest,
      min(checked.id) filter (where checked.digest_now is distinct from checked.digest) as changed
    from checked
    group by checked.voucher
  ),

  problems as (
    select least(entries.id, entries.place) as seal_id, null::bigint as event_id, case
      when entries.id <> entries.place then format('seal %s is missing', entries.place)
      when entries.previous <> entries.former then format('seal %s does not continue the seal before it', entries.id)
      when entries.seal <> entries.seal_now then format('seal %s was changed after it was made', entries.id)
    end as problem
    from entries
    union all
    select vouchers.id, sums.changed, case
      when sums.changed is not null then format('event %s was changed after seal %s', sums.changed, vouchers.id)
      when coalesce(sums.events, 0) < vouchers.events
        then format('%s of the %s events of seal %s are missing, out of %s to %s', vouchers.events - coalesce(sums.events, 0), vouchers.events, vouchers.id, vouchers.first_event_id, vouchers.last_event_id)
      when coalesce(sums.events, 0) > vouchers.events
        then format('%s events were put below seal %s', sums.events - vouchers.events, vouchers.id)
      when coalesce(sums.digest, sha256('')) <> vouchers.digest
        then format('the events %s to %s are not those of seal %s', vouchers.first_event_id, vouchers.last_event_id, vouchers.id)
    end
    from vouchers
    left join sums on sums.voucher = vouchers.id
    where p_through is null or vouchers.id <= p_through or vouchers.through_seal <= p_through
    union all
    select checked.seal_id, checked.id, format('event %s names seal %s, which does not exist', checked.id, checked.seal_id)
    from checked
    where checked.voucher is null
  )

  select problems.seal_id, problems.event_id, problems.problem
  from problems
  where problems.problem is not null
  order by problems.seal_id, problems.event_id nulls first
$$;

comment on function ops_internal.broken_seals is
  'What is wrong with the chain and with the events that it covers, all of them or those through one entry, the first entry first; nothing if all is as it was sealed.';

create function ops_internal.prune_events(p_keep interval default '180 days') returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
  entry ops.event_seals := ops_internal.next_seal();
  after_seal constant bigint := (select coalesce(max(seals.through_seal), 0) from ops.event_seals as seals);
  broken record;
begin
  entry.kind := 'pruned';
  select max(seals.id) into entry.through_seal
  from ops.event_seals as seals
  where seals.id > after_seal and seals.sealed_at < now() - p_keep;
  if entry.through_seal is null then
    return 0::bigint;
  end if;
  -- What was altered is evidence, and deleting its neighbours would hide it.
  select * into broken from ops_internal.broken_seals(entry.through_seal) limit 1;
  if found then
    raise exception using
      errcode = 'data_corrupted',
      message = 'no event is deleted, because the journal was altered: ' || broken.problem,
      hint = 'Run: pattern-engine verify-events';
  end if;

  with gone as (
    delete from ops.roman_events as events
    where events.seal_id > after_seal and events.seal_id <= entry.through_seal and events.actor is null
    returning events.id
  )

  select count(*) into entry.pruned from gone;
  if entry.pruned = 0 then
    return 0::bigint;
  end if;
  select min(events.id), max(events.id), count(*), coalesce(sha256(string_agg(events.digest, '' order by events.seal_id, events.id)), sha256(''))
  into entry.first_event_id, entry.last_event_id, entry.events, entry.digest
  from ops.roman_events as events
  where events.seal_id > after_seal and events.seal_id <= entry.through_seal;
  perform ops_internal.add_seal(entry);
  return entry.pruned;
end
$$;

comment on function ops_internal.prune_events is
  'Deletes the engine''s own events that were sealed longer ago than this; answers how many. What a person decided is kept, and an entry of the chain records what was deleted and covers what is left. Raises data_corrupted if the events or the chain were altered.';
