-- Symptoms: errors that only say that something else went wrong. They carry no fix. A job finds the errors that the same
-- request, session or digest logged within a minute, and links the symptom with them.

create table ops.pattern_links (
  symptom_signature text not null references ops.pattern_signatures (signature) on delete cascade,
  cause_signature text not null references ops.pattern_signatures (signature) on delete cascade,
  occurrences bigint not null,
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  primary key (symptom_signature, cause_signature)
);

comment on table ops.pattern_links is
  'Symptoms and what was logged with them: by the same request, session or digest, within a minute. By signature, so that a link goes to another pattern with its signatures.';
comment on column ops.pattern_links.symptom_signature is 'Signature of the symptom.';
comment on column ops.pattern_links.cause_signature is 'Signature of the error that was logged with it.';
comment on column ops.pattern_links.occurrences is 'How many symptoms it was logged with.';
comment on column ops.pattern_links.first_seen is 'Time of the earliest of these symptoms.';
comment on column ops.pattern_links.last_seen is 'Time of the latest of these symptoms.';

create index idx_pattern_links_cause on ops.pattern_links (cause_signature);

alter table ops.pattern_links enable row level security;

create policy "Operators read links" on ops.pattern_links
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create table ops_internal.linking (
  only_row boolean primary key default true constraint linking_has_one_row check (only_row),
  last_incident bigint not null default 0
);

comment on table ops_internal.linking is 'The incident up to which symptoms were linked with what was logged beside them.';
comment on column ops_internal.linking.only_row is 'Holds the table to one row.';
comment on column ops_internal.linking.last_incident is 'The search goes on after this incident.';

insert into ops_internal.linking default values;

create function ops_internal.log_keys(p_error_data jsonb, p_metadata jsonb) returns text []
language sql
immutable
set search_path = ''
as $$
  select coalesce(array_agg(distinct keys.key), '{}')
  from (
    values
    (p_error_data), (p_error_data -> 'headers'), (p_metadata), (p_metadata -> 'headers'), (p_metadata -> 'parsed' -> 0)
  ) as documents (document)
  cross join lateral (
    values
    (documents.document ->> 'request_id'), (documents.document ->> 'requestId'), (documents.document ->> 'x-request-id'),
    (documents.document ->> 'trace_id'), (documents.document ->> 'session_id'), (documents.document ->> 'digest'),
    -- A process of PostgreSQL is named by a small number, so its user has to be the same too.
    (
      'process ' || coalesce(documents.document ->> 'process_id', documents.document ->> 'pid')
      || ' of ' || coalesce(documents.document ->> 'user_name', documents.document ->> 'user')
    )
  ) as keys (key)
  where length(keys.key) between 6 and 200
$$;

comment on function ops_internal.log_keys is
  'What tells that log rows belong together: ids of the request, trace or session, Next.js'' digest, or the server process with its user. The names are those of common loggers, of PostgreSQL''s jsonlog and of Supabase''s log rows.';

create function ops_internal.link_symptoms(p_grace interval default '90 seconds') returns integer
language plpgsql
security definer
set search_path = ''
-- Planned for each call, because only the values show the planner how few rows are that recent.
set plan_cache_mode = 'force_custom_plan'
set enable_seqscan = 'off'
set jit = off
as $$
declare
  -- In a storm, that many of its symptoms tell what they belong to.
  most_incidents constant integer := 20000;
  most_symptoms constant integer := 500;
  most_rows_a_minute constant integer := 2000;
  most_rows constant integer := 10000;
  start bigint;
  through bigint;
  linked integer;
begin
  select last_incident into start from ops_internal.linking for update skip locked;
  if not found then
    return 0;  -- Another run is under way.
  end if;
  -- What was logged within the minute after a symptom has been learned by then.
  through := coalesce(
    (
      select incidents.id - 1 from ops.pattern_incidents as incidents
      where incidents.id > start and incidents.learned_at >= now() - p_grace
      order by incidents.id
      limit 1
    ),
    (select max(incidents.id) from ops.pattern_incidents as incidents),
    0
  );
  if through <= start then
    return 0;
  end if;
  start := greatest(start, through - most_incidents);

  with latest as materialized (
    select incidents.id, incidents.pattern_id, incidents.signature, incidents.occurred_at, incidents.system_log_id
    from ops.pattern_incidents as incidents
    inner join ops.error_patterns as patterns on patterns.pattern_id = incidents.pattern_id
    where incidents.id > start and incidents.id <= through
      and incidents.system_log_id is not null
      and incidents.counts
      and patterns.metadata ->> 'symptom' is not null
    order by incidents.id desc
    limit most_symptoms
  ),

  symptoms as materialized (
    select latest.id, latest.pattern_id, latest.signature, latest.occurred_at, keys.key
    from latest
    inner join ops.system_logs as logs on logs.id = latest.system_log_id
    cross join lateral unnest(ops_internal.log_keys(logs.error_data, logs.metadata)) as keys (key)
  ),

  minutes as (
    select distinct date_trunc('minute', symptoms.occurred_at) + make_interval(mins => steps.step) as minute
    from symptoms
    cross join generate_series(-1, 1) as steps (step)
  ),

  rows as materialized (
    select logs.*
    from minutes
    cross join lateral (
      select errors.id, errors.created_at, errors.error_data, errors.metadata
      from ops.system_logs as errors
      where errors.log_level in ('error', 'critical')
        and errors.created_at >= minutes.minute and errors.created_at < minutes.minute + interval '1 minute'
        and errors.written_by = any((select ops_internal.counted_writers())::text [])
      order by errors.created_at desc
      limit most_rows_a_minute
    ) as logs
    order by minutes.minute desc
    limit most_rows
  ),

  nearby as materialized (
    select rows.id, rows.created_at, keys.key
    from rows
    cross join lateral unnest(ops_internal.log_keys(rows.error_data, rows.metadata)) as keys (key)
  ),

  matches as materialized (
    select distinct symptoms.id, symptoms.pattern_id, symptoms.signature, symptoms.occurred_at, nearby.id as log_id
    from symptoms
    inner join nearby
      on nearby.key = symptoms.key
      and nearby.created_at between symptoms.occurred_at - interval '1 minute' and symptoms.occurred_at + interval '1 minute'
  ),

  pairs as (
    select distinct matches.id, matches.signature as symptom_signature, matches.occurred_at, causes.signature as cause_signature
    from matches
    -- The limit has each one looked up by its log row.
    cross join lateral (
      select incidents.pattern_id, incidents.signature
      from ops.pattern_incidents as incidents
      where incidents.system_log_id = matches.log_id and incidents.counts
      limit 1
    ) as causes
    inner join ops.error_patterns as patterns on patterns.pattern_id = causes.pattern_id
    where causes.pattern_id <> matches.pattern_id and patterns.metadata ->> 'symptom' is null
  ),

  stored as (
    insert into ops.pattern_links as links (symptom_signature, cause_signature, occurrences, first_seen, last_seen)
    select pairs.symptom_signature, pairs.cause_signature, count(*), min(pairs.occurred_at), max(pairs.occurred_at)
    from pairs
    -- A signature may have gone with its pattern.
    inner join ops.pattern_signatures as symptoms on symptoms.signature = pairs.symptom_signature
    inner join ops.pattern_signatures as causes on causes.signature = pairs.cause_signature
    group by pairs.symptom_signature, pairs.cause_signature
    on conflict (symptom_signature, cause_signature) do update set
      occurrences = links.occurrences + excluded.occurrences,
      first_seen = least(links.first_seen, excluded.first_seen),
      last_seen = greatest(links.last_seen, excluded.last_seen)
    returning symptom_signature
  )

  select count(*)::integer into linked from stored;
  update ops_internal.linking set last_incident = through where linking.last_incident < through;
  return linked;
end
$$;

comment on function ops_internal.link_symptoms is
  'Links symptoms that were learned since the last run with the errors that their request, session or digest logged within a minute; answers how many pairs were seen. At most 500 symptoms among the latest 20,000 incidents, and the latest 2,000 errors of a minute, 10,000 in all.';

create function ops_internal.linked_patterns(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  with own as (
    select signatures.signature from ops.pattern_signatures as signatures where signatures.pattern_id = p_pattern_id
  ),

  links as (
    select 'causes' as side, links.cause_signature as signature, links.occurrences, links.first_seen, links.last_seen
    from ops.pattern_links as links
    inner join own on own.signature = links.symptom_signature
    union all
    select 'symptoms', links.symptom_signature, links.occurrences, links.first_seen, links.last_seen
    from ops.pattern_links as links
    inner join own on own.signature = links.cause_signature
  ),

  summed as (
    select
      links.side, signatures.pattern_id, sum(links.occurrences)::bigint as occurrences,
      min(links.first_seen) as first_seen, max(links.last_seen) as last_seen
    from links
    inner join ops.pattern_signatures as signatures on signatures.signature = links.signature
    where signatures.pattern_id <> p_pattern_id
    group by links.side, signatures.pattern_id
  ),

  ranked as (
    select
      summed.*, patterns.metadata ->> 'template' as template,
      row_number() over (partition by summed.side order by summed.occurrences desc, summed.last_seen desc) as place
    from summed
    inner join ops.error_patterns as patterns on patterns.pattern_id = summed.pattern_id
  )

  select jsonb_build_object('causes', '[]'::jsonb, 'symptoms', '[]'::jsonb) || coalesce(
    (
      select jsonb_object_agg(sides.side, sides.patterns)
      from (
        select ranked.side, jsonb_agg(to_jsonb(ranked) - array['side', 'place'] order by ranked.place) as patterns
        from ranked
        where ranked.place <= 10
        group by ranked.side
      ) as sides
    ),
    '{}'
  )
$$;

comment on function ops_internal.linked_patterns is
  'causes: what was logged with this symptom; symptoms: what this error was logged with. The ten most frequent of each.';

create function ops_internal.require_cause(p_pattern ops.error_patterns) returns void
language plpgsql
set search_path = ''
as $$
declare
  symptom constant text := p_pattern.metadata ->> 'symptom';
  cause jsonb;
begin
  if symptom is null then
    return;
  end if;
  cause := ops_internal.linked_patterns(p_pattern.pattern_id) -> 'causes' -> 0;
  raise exception using
    errcode = 'PL030',
    message = 'this error is only a symptom, and a fix for it would heal nothing: ' || symptom,
    detail = coalesce((cause ->> 'template'), ''),
    hint = case
      when cause is null then 'GET /facets shows the patterns that are logged with it, once there are any.'
      else format('It was logged with pattern %s %s times; propose the fix for that one.', cause ->> 'pattern_id', cause ->> 'occurrences')
    end;
end
$$;

comment on function ops_internal.require_cause is
  'Raises PL030 for a pattern that the catalogue knows as a symptom, with what to look for instead and the pattern that it was most often logged with.';

-- What the errors of a pattern named, and what it was logged with.

create function ops_internal.facets(p_pattern_id uuid, p_values integer) returns jsonb
language sql
stable
set search_path = ''
as $$
  with summed as (
    select
      named.name, named.value, sum(seen.occurrences)::bigint as occurrences,
      min(seen.first_seen) as first_seen, max(seen.last_seen) as last_seen
    from ops_internal.seen_identifiers(p_pattern_id) as seen
    cross join lateral (
      select pairs.key as name, pairs.value from jsonb_each_text(seen.identifiers) as pairs
      union all
      select 'frame', seen.frame where seen.frame is not null
    ) as named
    group by named.name, named.value
  ),

  ranked as (
    select
      summed.*, count(*) over (partition by summed.name) as different,
      row_number() over (partition by summed.name order by summed.occurrences desc, summed.last_seen desc, summed.value) as place
    from summed
  ),

  names as (
    select
      ranked.name, max(ranked.different) as different,
      jsonb_agg(to_jsonb(ranked) - array['name', 'different', 'place'] order by ranked.place) as values
    from ranked
    where ranked.place <= p_values
    group by ranked.name
  )

  select coalesce(jsonb_agg(to_jsonb(names) order by names.name), '[]') from names
$$;

comment on function ops_internal.facets is
  'Of each name that errors of a pattern have a value for: how many different values, and the most frequent ones with how often, first and last seen.';

create function ops_internal.common_identifiers(p_pattern_id uuid, p_most integer) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(common) order by common.occurrences desc, common.last_seen desc), '[]')
  from (
    select
      seen.identifiers, sum(seen.occurrences)::bigint as occurrences, min(seen.first_seen) as first_seen, max(seen.last_seen) as last_seen
    from ops_internal.seen_identifiers(p_pattern_id) as seen
    where seen.identifiers <> '{}'
    group by seen.identifiers
    order by occurrences desc, last_seen desc
    limit p_most
  ) as common
$$;

comment on function ops_internal.common_identifiers is
  'The sets of identifiers that errors of a pattern named most often, whatever place threw them.';

create function ops_internal.pattern_facets(p_pattern_ids uuid [], p_values integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  most_values constant integer := least(greatest(p_values, 1), 100);
  missing uuid;
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  select ids.id into missing
  from unnest(p_pattern_ids) as ids (id)
  where not exists (select from ops.error_patterns as patterns where patterns.pattern_id = ids.id)
  limit 1;
  if found then
    raise exception using
      errcode = 'PL002', message = format('there is no pattern %s', missing), hint = 'GET /statistics lists patterns, with their ids.';
  end if;
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'pattern_id', patterns.pattern_id,
          'pattern_signature', patterns.pattern_signature,
          'occurrence_count', patterns.occurrence_count,
          'untrusted_occurrences', patterns.untrusted_occurrences,
          'template', patterns.metadata ->> 'template',
          'known', patterns.metadata ->> 'known',
          'symptom', patterns.metadata ->> 'symptom',
          'merged_into', patterns.merged_into,
          'facets', ops_internal.facets(patterns.pattern_id, most_values),
          'identifiers', ops_internal.common_identifiers(patterns.pattern_id, most_values)
        ) || ops_internal.linked_patterns(patterns.pattern_id)
        order by ids.place
      ),
      '[]'
    )
    from unnest(p_pattern_ids [1:51]) with ordinality as ids (id, place)
    inner join ops.error_patterns as patterns on patterns.pattern_id = ids.id
  );
end
$$;

create function ops.pattern_facets_v1(p_pattern_ids uuid [], p_values integer default 10) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.pattern_facets(p_pattern_ids, p_values) $$;

comment on function ops.pattern_facets_v1 is
  'What the errors of up to 51 patterns named, in order: facets, sets of identifiers, and the patterns that each was logged with. For operators and the engine; raises PL002.';
