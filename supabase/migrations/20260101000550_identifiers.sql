-- What the errors of a pattern named: each distinct set of identifiers (constraint, table, role …), how often, and when.
--
-- A set is kept with the signature of its errors. Where a merge, a split or the undoing of one moves a signature to another
-- pattern, its sets go with it, and nothing has to be added up again.

create table ops.pattern_identifiers (
  signature text not null references ops.pattern_signatures (signature) on delete cascade,
  digest uuid not null,
  identifiers jsonb not null constraint pattern_identifiers_object check (jsonb_typeof(identifiers) = 'object'),
  frame text,
  occurrences bigint not null,
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  primary key (signature, digest)
)
-- Counting changes no indexed column. With free space on the page, the new row version needs no index entry.
with (fillfactor = 80);

comment on table ops.pattern_identifiers is
  'One row for each distinct set of identifiers that errors with a signature named, at most 500 a signature. What comes after that is counted in the row without identifiers: a fix is guarded by sets that were seen, and those must not go while others come.';
comment on column ops.pattern_identifiers.signature is 'The signature of the errors; ops.pattern_signatures has its pattern.';
comment on column ops.pattern_identifiers.digest is 'ops_internal.identifiers_digest of the identifiers and the frame.';
comment on column ops.pattern_identifiers.identifiers is
  'Name and value, as {"constraint": "orders_pkey", "table": "orders"}; without values that hold personal data or secrets. Empty in the row that counts the sets beyond the 500.';
comment on column ops.pattern_identifiers.frame is
  'The place in the application that threw the error, if it is known. It tells errors apart for people and never decides whether a fix runs.';
comment on column ops.pattern_identifiers.occurrences is 'How many errors were counted with this set.';
comment on column ops.pattern_identifiers.first_seen is 'Time of the earliest of them.';
comment on column ops.pattern_identifiers.last_seen is 'Time of the latest of them.';

alter table ops.pattern_identifiers enable row level security;

create policy "Operators read identifiers" on ops.pattern_identifiers
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.identifiers_digest(p_identifiers jsonb, p_frame text) returns uuid
language sql
immutable
set search_path = ''
as $$ select md5(p_identifiers::text || coalesce(p_frame, ''))::uuid $$;

comment on function ops_internal.identifiers_digest is
  'Key of a set of identifiers with its frame. jsonb has one text for equal objects, whatever the order in which they were written.';

create function ops_internal.add_identifiers(p_sets jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  most_sets constant integer := 500;
begin
  -- The caller holds the rows of the patterns, so nobody else counts under these signatures now.
  with fresh as (
    select
      given.*,
      row_number() over (partition by given.signature order by given.first_seen, given.digest)
      + (select count(*) from ops.pattern_identifiers as stored where stored.signature = given.signature) <= most_sets as fits
    from jsonb_to_recordset(p_sets) as given (
      signature text, digest uuid, identifiers jsonb, frame text, occurrences bigint, first_seen timestamptz, last_seen timestamptz
    )
    where not exists (
      select from ops.pattern_identifiers as stored
      where stored.signature = given.signature and stored.digest = given.digest
    )
  )

  insert into ops.pattern_identifiers as stored (signature, digest, identifiers, frame, occurrences, first_seen, last_seen)
  select
    fresh.signature, ops_internal.identifiers_digest(sets.identifiers, sets.frame), sets.identifiers, sets.frame,
    sum(fresh.occurrences), min(fresh.first_seen), max(fresh.last_seen)
  from fresh
  cross join lateral (
    select case when fresh.fits then fresh.identifiers else '{}' end as identifiers, case when fresh.fits then fresh.frame end as frame
  ) as sets
  group by fresh.signature, sets.identifiers, sets.frame
  on conflict (signature, digest) do update set
    occurrences = stored.occurrences + excluded.occurrences,
    first_seen = least(stored.first_seen, excluded.first_seen),
    last_seen = greatest(stored.last_seen, excluded.last_seen);
end
$$;

comment on function ops_internal.add_identifiers is
  'Adds the sets of identifiers that are not there yet; one beyond the 500 of a signature is counted in the row without identifiers. The patterns of the signatures are locked by the caller.';

create function ops_internal.seen_identifiers(p_pattern_id uuid)
returns table (identifiers jsonb, frame text, occurrences bigint, first_seen timestamptz, last_seen timestamptz)
language sql
stable
set search_path = ''
as $$
  select
    stored.identifiers, stored.frame, sum(stored.occurrences)::bigint, min(stored.first_seen), max(stored.last_seen)
  from (
    select sets.*
    from ops.pattern_signatures as signatures
    inner join ops.pattern_identifiers as sets on sets.signature = signatures.signature
    where signatures.pattern_id = p_pattern_id
    limit 20000
  ) as stored
  group by stored.identifiers, stored.frame
$$;

comment on function ops_internal.seen_identifiers is
  'The sets of identifiers that errors of a pattern named, with the frame; one row for a set that came under several signatures. At most 20,000 rows of ops.pattern_identifiers are read.';
