-- The inbox of the console: what needs a person, in the order out of control, decision, changed, healing; the search over
-- patterns; and what a person does to several of them at once.
--
-- What is rare is collected first and filtered then. What may be much, awaiting a review and being new, is read by an index and
-- counted to 1,000. A spike is what ops_internal.tell_spikes records, and often healed what ops_internal.tell_healed_often does.

create function ops_internal.inbox_out_of_control()
returns table (kind text, urgency integer, place double precision, pattern_id uuid, key text, details jsonb)
language sql
stable
rows 50
set search_path = ''
as $$
  -- A fix that the engine took out of use, until a person decides on it, or approves a later version.
  select
    case when fixes.disabled_at is not null then 'disabled' when fixes.mode = 'expired' then 'approval_over' else 'demoted' end, 1,
    -extract(epoch from coalesce(fixes.disabled_at, fixes.mode_changed_at))::double precision,
    fixes.pattern_id, fixes.pattern_id::text,
    jsonb_build_object(
      'version', fixes.version, 'fix_type', fixes.fix_type, 'at', coalesce(fixes.disabled_at, fixes.mode_changed_at),
      'reason', case when fixes.disabled_at is null then fixes.mode_reason else fixes.disabled_reason end
    )
  from ops.pattern_fixes as fixes
  where fixes.disabled_by is null
    and (fixes.mode in ('demoted', 'expired') or fixes.disabled_at is not null)
    and not exists (
      select from ops.pattern_fixes as later where later.pattern_id = fixes.pattern_id and later.version > fixes.version
    )
  union all
  select * from (
    select distinct on (events.metadata ->> 'pattern_id')
      'changed_fix', 0, -extract(epoch from events.created_at)::double precision, ops_internal.id_in(events.metadata, 'pattern_id'),
      events.metadata ->> 'pattern_id', jsonb_build_object('at', events.created_at, 'reason', events.description)
    from ops.roman_events as events
    where events.event_type = 'fix_refused' and events.created_at > now() - interval '7 days' and events.severity = 'critical'
    order by events.metadata ->> 'pattern_id', events.created_at desc
  ) as refused
  union all
  select
    'healed_often', 2, -week.heals::double precision, often.pattern_id, often.pattern_id::text,
    jsonb_build_object('heals', week.heals, 'at', often.at)
  from (
    select ops_internal.id_in(events.metadata, 'pattern_id') as pattern_id, max(events.created_at) as at
    from ops.roman_events as events
    where events.event_type = 'healed_often' and events.created_at > now() - interval '7 days'
    group by ops_internal.id_in(events.metadata, 'pattern_id')
  ) as often
  cross join lateral (
    select count(*) as heals
    from ops.pattern_applications as applications
    where applications.pattern_id = often.pattern_id
      and applications.applied_at > now() - interval '7 days'
      and applications.success
      and applications.metadata ->> 'purpose' = 'heal'
  ) as week
  where week.heals >= (select ops_internal.setting('heals_per_week')::integer)
$$;

comment on function ops_internal.inbox_out_of_control is
  'Fixes that were refused because they changed, fixes that the engine took out of use and nobody has decided on, also because their approval is over, and fixes that heal again and again.';

create function ops_internal.inbox_unconfirmed()
returns table (kind text, urgency integer, place double precision, pattern_id uuid, key text, details jsonb)
language sql
stable
rows 50
set search_path = ''
as $$
  select
    'unconfirmed_signature', 1, -extract(epoch from max(signatures.refused_at))::double precision, signatures.pattern_id,
    signatures.pattern_id::text,
    jsonb_build_object(
      'at', max(signatures.refused_at), 'signatures', count(*),
      'example', left((array_agg(signatures.template order by signatures.refused_at desc)) [1], 300)
    )
  from ops.pattern_signatures as signatures
  inner join ops.error_patterns as patterns on patterns.pattern_id = signatures.pattern_id and patterns.has_running_fix
  where signatures.refused_at > now() - interval '7 days'
    and signatures.confirmed_at is null
    and not exists (
      select from ops.pattern_fixes as fixes
      where fixes.pattern_id = signatures.pattern_id and fixes.disabled_at is null and fixes.trusts_until >= signatures.created_at
    )
  group by signatures.pattern_id
  union all
  select
    'unconfirmed_identifiers', 1, -extract(epoch from outside.last_seen)::double precision, firing.pattern_id, firing.pattern_id::text,
    jsonb_build_object('at', outside.last_seen, 'identifiers', outside.identifiers, 'occurrences', outside.occurrences)
  from (
    -- So many of those that fired last, however many there are.
    select patterns.pattern_id
    from ops.error_patterns as patterns
    where patterns.auto_fix_enabled and patterns.last_seen > now() - interval '1 day'
    order by patterns.last_seen desc
    limit 100
  ) as firing
  cross join lateral (
    select jsonb_agg(ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard)) as list
    from ops.pattern_fixes as fixes
    where fixes.pattern_id = firing.pattern_id and fixes.disabled_at is null and fixes.mode <> 'demoted'
  ) as guards
  cross join lateral (
    select sets.identifiers, sets.occurrences, sets.last_seen
    from ops.pattern_signatures as signatures
    inner join ops.pattern_identifiers as sets on sets.signature = signatures.signature
    where signatures.pattern_id = firing.pattern_id
      and sets.last_seen > now() - interval '1 day'
      and ops_internal.guarding(sets.identifiers) <> '{}'
      and not exists (
        select from jsonb_array_elements(guards.list) as guard (tuples)
        where ops_internal.guard_admits(nullif(guard.tuples, 'null'), sets.identifiers)
      )
    order by sets.last_seen desc
    limit 1
  ) as outside
$$;

comment on function ops_internal.inbox_unconfirmed is
  'Patterns with a running fix that was not run for a signature that came after its approval, or for what an error of the last day names; of the latter the 100 patterns that were seen last are examined.';

create function ops_internal.inbox_proposals()
returns table (kind text, urgency integer, place double precision, pattern_id uuid, key text, details jsonb)
language sql
stable
rows 50
set search_path = ''
as $$
  select
    'proposal', 0, extract(epoch from proposals.expires_at)::double precision, proposals.pattern_id, proposals.proposal_id::text,
    jsonb_build_object(
      'proposal_id', proposals.proposal_id, 'expires_at', proposals.expires_at, 'fix_type', proposals.fix ->> 'type',
      'proposed_by', proposals.proposed_by, 'at', proposals.proposed_at
    )
  from ops.fix_proposals as proposals
  where proposals.decision is null
    and proposals.expires_at > now()
    -- Only a later version can have closed it, which is quickly seen not to be there.
    and (
      not exists (
        select from ops.pattern_fixes as later
        where later.pattern_id = proposals.pattern_id and later.version > coalesce(proposals.based_on_version, 0)
      )
      or ops_internal.closed_because(proposals) is null
    )
$$;

comment on function ops_internal.inbox_proposals is 'Proposals that can be decided on; the first to expire first.';

create function ops_internal.inbox_changes()
returns table (kind text, urgency integer, place double precision, pattern_id uuid, key text, details jsonb)
language sql
stable
rows 50
set search_path = ''
as $$
  select
    latest.kind, latest.urgency, -extract(epoch from latest.created_at)::double precision, latest.pattern_id, latest.pattern_id::text,
    jsonb_build_object(
      'at', latest.created_at, 'release', latest.metadata -> 'release', 'resolved_release', latest.metadata -> 'resolved_release',
      'errors', latest.metadata -> 'errors', 'usual_errors', latest.metadata -> 'usual_errors'
    )
  from (
    values ('regressed', 0, 'pattern_regressed', interval '7 days'), ('spiked', 1, 'pattern_spiked', interval '1 day')
  ) as kinds (kind, urgency, event_type, age)
  cross join lateral (
    select distinct on (events.metadata ->> 'pattern_id')
      kinds.kind, kinds.urgency, ops_internal.id_in(events.metadata, 'pattern_id') as pattern_id, events.created_at, events.metadata
    from ops.roman_events as events
    where events.event_type = kinds.event_type and events.created_at > now() - kinds.age
    order by events.metadata ->> 'pattern_id', events.created_at desc
  ) as latest
  -- One look-up for each.
  cross join lateral (
    select from ops.error_patterns as patterns where patterns.pattern_id = latest.pattern_id and patterns.status = 'open' offset 0
  ) as still_open
$$;

comment on function ops_internal.inbox_changes is
  'Patterns that came back within seven days after they were resolved, and those with a spike within a day; open ones alone.';

create function ops_internal.inbox_healing()
returns table (kind text, urgency integer, place double precision, pattern_id uuid, key text, details jsonb)
language sql
stable
rows 50
set search_path = ''
as $$
  select
    'running', 0, -extract(epoch from max(claims.claimed_at))::double precision, claims.pattern_id, claims.pattern_id::text,
    jsonb_build_object(
      'application_id', (array_agg(claims.application_id order by claims.claimed_at desc)) [1], 'at', max(claims.claimed_at),
      'runs', count(*), 'late', count(*) filter (where claims.lease_until < now())
    )
  from ops.pattern_claims as claims
  where claims.finished_at is null and claims.purpose <> 'shadow'
  group by claims.pattern_id
  union all
  select
    'verifying', 1, extract(epoch from min(verifications.due_at))::double precision, verifications.pattern_id,
    verifications.pattern_id::text,
    jsonb_build_object(
      'application_id', (array_agg(verifications.application_id order by verifications.started_at desc)) [1],
      'at', max(verifications.started_at), 'due_at', min(verifications.due_at), 'runs', count(*)
    )
  from ops.pattern_verifications as verifications
  where verifications.outcome = 'pending' and verifications.mode = 'live'
  group by verifications.pattern_id
$$;

comment on function ops_internal.inbox_healing is
  'Patterns whose fix runs now, and those whose run is watched until it is known whether the error stays away.';

create function ops_internal.similar_words(p_text text)
returns table (pattern_id uuid, score double precision)
language sql
stable
set search_path = ''
-- Without a bitmap the search of the index ends with the limit.
set enable_bitmapscan = off
as $$
  select found.pattern_id, extensions.word_similarity(p_text, found.template)::double precision
  from (
    select signatures.pattern_id, left(signatures.template, 1000) as template
    from ops.pattern_signatures as signatures
    where left(signatures.template, 1000) operator(extensions.%>) p_text
    limit 50
  ) as found
$$;

comment on function ops_internal.similar_words is 'Up to 50 patterns whose template has words like these, and how like.';

create function ops_internal.search_patterns(p_text text)
returns table (pattern_id uuid, score double precision)
language plpgsql
stable
set search_path = ''
as $$
#variable_conflict use_column
declare
  most constant integer := 500;
  named constant uuid := ((regexp_match(p_text, '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')) [1])::uuid;
  words constant text := nullif(websearch_to_tsquery('simple', p_text)::text, '');
  hits uuid [];
begin
  if named is not null then
    return query select named, 9::double precision;
    return;
  end if;
  hits := array(
    select signatures.pattern_id
    from ops.pattern_signatures as signatures
    -- The last word may be unfinished.
    where to_tsvector('simple', left(signatures.template, 1000)) @@ (words || ':*')::tsquery
    limit most
  );
  hits := hits || array(select signatures.pattern_id from ops.pattern_signatures as signatures where signatures.signature = p_text);
  if cardinality(hits) = 0 and length(p_text) >= 3 then
    hits := array(
      select signatures.pattern_id
      from ops.pattern_signatures as signatures
      where left(signatures.template, 1000) ilike '%' || regexp_replace(p_text, '([\\%_])', '\\\1', 'g') || '%'
      limit most
    );
  end if;
  if cardinality(hits) > 0 then
    return query select distinct ids.id, 1::double precision from unnest(hits) as ids (id);
  elsif length(p_text) >= 3 then
    return query select alike.pattern_id, max(alike.score) from ops_internal.similar_words(p_text) as alike group by alike.pattern_id;
  end if;
end
$$;

comment on function ops_internal.search_patterns is
  'Up to 500 patterns that a text finds: by an id or a signature; by the words of the templates, of which the last may be unfinished; else by a part of a template; else by words that are like these.';

create function ops_internal.inbox_entries(p_filters jsonb)
returns table (section text, kind text, urgency integer, place double precision, pattern_id uuid, key text, details jsonb)
language plpgsql
stable
set search_path = ''
-- The filters that are not set cost nothing, and no plan is worth a compilation.
set plan_cache_mode = force_custom_plan
set jit = off
as $$
#variable_conflict use_column
declare
  most constant integer := 1001;
  asked_type constant text := p_filters ->> 'type';
  asked_severities constant text [] := case
    when p_filters ->> 'severity' is not null then array(
      select severities.name from unnest(array['debug', 'info', 'warning', 'error', 'critical']) as severities (name)
      where ops_internal.severity_rank(severities.name) >= ops_internal.severity_rank(p_filters ->> 'severity')
    )
  end;
  asked_source constant text := p_filters ->> 'source';
  asked_environment constant text := p_filters ->> 'environment';
  asked_text constant text := left(p_filters ->> 'search', 200);
  asked_status constant text := p_filters ->> 'status';
  asked_section constant text := p_filters ->> 'section';
  is_search constant boolean := asked_text is not null or asked_status is not null;
  after_urgency constant integer := (p_filters -> 'after' ->> 0)::integer;
  after_place constant double precision := (p_filters -> 'after' ->> 1)::double precision;
  after_key constant text := p_filters -> 'after' ->> 2;
  review_occurrences constant integer := ops_internal.setting('review_occurrences')::integer;
begin
  return query
  with admitted as not materialized (
    select patterns.*
    from ops.error_patterns as patterns
    where patterns.status <> 'merged'
      and (asked_type is null or patterns.pattern_type = asked_type)
      and (asked_severities is null or patterns.severity = any(asked_severities))
      and (asked_source is null or (left(patterns.error_source, 100) = left(asked_source, 100) and patterns.error_source = asked_source))
      and (asked_environment is null or asked_environment in (patterns.last_environment, patterns.first_environment))
      and (asked_status is null or patterns.status = case asked_status when 'snoozed' then 'ignored' else asked_status end)
      and (asked_status is distinct from 'snoozed' or coalesce(patterns.ignored_until::text, patterns.ignored_until_count::text) is not null)
  ),

  rare as (
    select case entries.kind when 'approval_over' then 'decision' else 'control' end as section, entries.*
    from ops_internal.inbox_out_of_control() as entries
    where not is_search and coalesce(asked_section in ('control', 'decision'), true)
    union all
    select 'decision', entries.*
    from ops_internal.inbox_proposals() as entries
    where not is_search and coalesce(asked_section = 'decision', true)
    union all
    select 'decision', entries.*
    from ops_internal.inbox_unconfirmed() as entries
    where not is_search and coalesce(asked_section = 'decision', true)
    union all
    select 'changed', entries.*
    from ops_internal.inbox_changes() as entries
    where not is_search and coalesce(asked_section = 'changed', true)
    union all
    select 'healing', entries.*
    from ops_internal.inbox_healing() as entries
    where not is_search and coalesce(asked_section = 'healing', true)
  ),

  awaiting as (
    select patterns.pattern_id, patterns.occurrence_count
    from admitted as patterns
    where not is_search
      and coalesce(asked_section = 'decision', true)
      and patterns.status = 'open'
      and not patterns.has_running_fix
      and patterns.occurrence_magnitude >= (4 * ln(review_occurrences))::smallint
      and patterns.occurrence_count >= review_occurrences
      -- It is listed already.
      and not exists (
        select from ops.fix_proposals as proposals
        where proposals.pattern_id = patterns.pattern_id and proposals.decision is null and proposals.expires_at > now()
      )
      and not exists (
        select from ops.pattern_fixes as fixes
        where fixes.pattern_id = patterns.pattern_id
          and fixes.disabled_by is null
          and (fixes.mode in ('demoted', 'expired') or fixes.disabled_at is not null)
      )
      and (
        after_urgency is null or after_urgency < 2
        or (
          patterns.occurrence_magnitude <= (4 * ln(greatest(-after_place, 1)))::smallint
          and (-patterns.occurrence_count, patterns.pattern_id::text) > (after_place, after_key)
        )
      )
    order by patterns.occurrence_magnitude desc, patterns.occurrence_count desc, patterns.pattern_id
    limit most
  ),

  fresh as (
    select patterns.pattern_id, patterns.first_seen
    from admitted as patterns
    where not is_search
      and coalesce(asked_section = 'changed', true)
      and patterns.status = 'open'
      and patterns.first_seen > now() - interval '1 day'
      and patterns.occurrence_count > 0
      and (patterns.occurrence_count < review_occurrences or patterns.has_running_fix)
      and (after_urgency is null or after_urgency < 2 or patterns.first_seen <= to_timestamp(-after_place))
    order by patterns.first_seen desc
    limit most
  ),

  found as (
    select patterns.pattern_id, -matches.score * 1e12 - extract(epoch from patterns.last_seen)::double precision as place
    from ops_internal.search_patterns(asked_text) as matches
    inner join admitted as patterns on patterns.pattern_id = matches.pattern_id
    where asked_text is not null
    union all
    (
      select patterns.pattern_id, -extract(epoch from patterns.first_seen)::double precision
      from admitted as patterns
      where asked_text is null
        and asked_status is not null
        and (after_place is null or patterns.first_seen <= to_timestamp(-after_place))
      order by patterns.first_seen desc
      limit most
    )
  ),

  entries as (
    select rare.*
    from rare
    inner join admitted as patterns on patterns.pattern_id = rare.pattern_id
    union all
    select 'decision', 'review', 2, -awaiting.occurrence_count::double precision, awaiting.pattern_id, awaiting.pattern_id::text, '{}'::jsonb
    from awaiting
    union all
    select
      'changed', 'new', 2, -extract(epoch from fresh.first_seen)::double precision, fresh.pattern_id, fresh.pattern_id::text,
      jsonb_build_object('at', fresh.first_seen)
    from fresh
    union all
    select 'found', 'found', 2, found.place, found.pattern_id, found.pattern_id::text, '{}'::jsonb
    from found
  )

  select entries.*
  from entries
  where coalesce(entries.section = asked_section, true)
    and (after_urgency is null or (entries.urgency, entries.place, entries.key) > (after_urgency, after_place, after_key));
end
$$;

comment on function ops_internal.inbox_entries is
  'The entries of the inbox that the filters admit: type, severity (the least), source, environment, search, status (snoozed, and those of a pattern), section, and after, the place of the last entry that was shown. With search or status there is one section, found.';

create function ops_internal.console_inbox(p_filters jsonb, p_limit integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  most constant integer := least(greatest(coalesce(p_limit, 10), 1), 200);
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  perform ops_internal.refuse_if(
    jsonb_typeof(p_filters) is distinct from 'object'
    or coalesce(p_filters ->> 'status' not in ('open', 'snoozed', 'ignored', 'resolved', 'archived'), false)
    or coalesce(p_filters ->> 'section' not in ('control', 'decision', 'changed', 'healing', 'found'), false)
    or coalesce(ops_internal.severity_rank(p_filters ->> 'severity') is null and p_filters ->> 'severity' is not null, false),
    'PL022', format('the filters are %s', left(p_filters::text, 200)),
    'Send an object with type, severity, source, environment, search, status, section and after; leave out what is not to be filtered.'
  );
  return (
    with ordered as (
      select
        entries.*,
        row_number() over (partition by entries.section order by entries.urgency, entries.place, entries.key) as number,
        count(*) over (partition by entries.section) as total
      from ops_internal.inbox_entries(p_filters) as entries
    ),

    shown as (
      select
        ordered.section, ordered.total, ordered.number,
        jsonb_build_object(
          'kind', ordered.kind, 'key', ordered.key, 'place', jsonb_build_array(ordered.urgency, ordered.place, ordered.key),
          'pattern_id', patterns.pattern_id, 'template', left(coalesce(patterns.metadata ->> 'template', patterns.pattern_signature), 500),
          'pattern_type', patterns.pattern_type, 'severity', patterns.severity, 'status', patterns.status,
          'error_source', left(patterns.error_source, 100), 'environment', left(patterns.last_environment, 100),
          'release', left(patterns.last_release, 100), 'occurrence_count', patterns.occurrence_count,
          'untrusted_occurrences', patterns.untrusted_occurrences, 'first_seen', patterns.first_seen, 'last_seen', patterns.last_seen,
          'ignored_until', patterns.ignored_until, 'ignored_until_count', patterns.ignored_until_count,
          'auto_fix_enabled', patterns.auto_fix_enabled, 'details', ordered.details
        ) || case
          when ordered.kind = 'proposal'
            then jsonb_build_object('proposed_by', ops_internal.person((ordered.details ->> 'proposed_by')::uuid))
          else '{}'
        end as entry
      from ordered
      inner join ops.error_patterns as patterns on patterns.pattern_id = ordered.pattern_id
      where ordered.number <= most
    )

    select coalesce(jsonb_object_agg(sections.section, sections.answer), '{}')
    from (
      select
        shown.section,
        jsonb_build_object(
          'total', max(shown.total), 'entries', jsonb_agg(shown.entry order by shown.number),
          'next', case
            when max(shown.total) > most then (array_agg(shown.entry -> 'place' order by shown.number desc)) [1]
          end
        ) as answer
      from shown
      group by shown.section
    ) as sections
  );
end
$$;

create function ops.console_inbox_v1(p_filters jsonb default '{}', p_limit integer default 10) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_inbox(p_filters, p_limit) $$;

comment on function ops.console_inbox_v1 is
  'The inbox of the console: for each section that has entries (control, decision, changed, healing; or found) how many there are, counted to about 1,000, the first of them, and next, which as the filter after asks for those that follow. The filters are those of ops_internal.inbox_entries. For operators.';

create function ops_internal.console_sources() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    -- Each step reads one entry of the index.
    with recursive sources as (
      (select left(patterns.error_source, 100) as name from ops.error_patterns as patterns order by left(patterns.error_source, 100) limit 1)
      union all
      select (
        select left(patterns.error_source, 100)
        from ops.error_patterns as patterns
        where left(patterns.error_source, 100) > sources.name
        order by left(patterns.error_source, 100)
        limit 1
      )
      from sources
      where sources.name is not null
    )

    select coalesce(jsonb_agg(listed.name), '[]')
    from (select sources.name from sources where sources.name is not null limit 100) as listed
  );
end
$$;

create function ops.console_sources_v1() returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_sources() $$;

comment on function ops.console_sources_v1 is 'The first hundred sources of errors by name, to choose a filter from. For operators.';

-- Several patterns at once: first what would happen, then exactly that, or nothing.

create function ops_internal.state_digest(p_pattern_ids uuid []) returns text
language sql
stable
set search_path = ''
as $$
  select md5(
    coalesce(
      string_agg(
        concat_ws(
          ' ', patterns.pattern_id, patterns.status, patterns.merged_into, patterns.ignored_until, patterns.ignored_until_count,
          patterns.has_running_fix, ops_internal.has_live_fix(patterns.pattern_id),
          (
            select md5(string_agg(signatures.signature, ' ' order by signatures.signature))
            from ops.pattern_signatures as signatures
            where signatures.pattern_id = patterns.pattern_id
          )
        ),
        ', ' order by patterns.pattern_id
      ),
      ''
    )
  )
  from ops.error_patterns as patterns
  where patterns.pattern_id = any(p_pattern_ids)
$$;

comment on function ops_internal.state_digest is
  'A digest of what decides what a merge, an ignore or a reopening does to these patterns: status, fixes and signatures, but not the counts, which change with every error.';

create function ops_internal.require_some_patterns(p_pattern_ids uuid []) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform ops_internal.refuse_if(
    coalesce(cardinality(p_pattern_ids), 0) not between 1 and 200 or array_position(p_pattern_ids, null) is not null, 'PL022',
    format('%s patterns are chosen', coalesce(cardinality(p_pattern_ids), 0)), 'Choose from 1 to 200 patterns.'
  );
end
$$;

comment on function ops_internal.require_some_patterns is 'Raises PL022 unless these are 1 to 200 patterns.';

create function ops_internal.console_chosen(p_pattern_ids uuid []) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  perform ops_internal.require_some_patterns(p_pattern_ids);
  return jsonb_build_object(
    'digest', ops_internal.state_digest(p_pattern_ids),
    'patterns', (
      select coalesce(jsonb_agg(to_jsonb(chosen) order by chosen.has_fix desc, chosen.occurrence_count desc, chosen.pattern_id), '[]')
      from (
        select
          patterns.pattern_id, left(coalesce(patterns.metadata ->> 'template', patterns.pattern_signature), 500) as template,
          patterns.status, patterns.severity, left(patterns.error_source, 100) as error_source, patterns.occurrence_count,
          patterns.untrusted_occurrences, patterns.last_seen, patterns.ignored_until, patterns.ignored_until_count, patterns.merged_into,
          patterns.has_running_fix, ops_internal.has_live_fix(patterns.pattern_id) as has_fix,
          (
            select count(*) from ops.pattern_signatures as signatures where signatures.pattern_id = patterns.pattern_id
          ) as signatures
        from ops.error_patterns as patterns
        where patterns.pattern_id = any(p_pattern_ids)
      ) as chosen
    )
  );
end
$$;

create function ops.console_chosen_v1(p_pattern_ids uuid []) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_chosen(p_pattern_ids) $$;

comment on function ops.console_chosen_v1 is
  'Chosen patterns as they are now, to show what would happen to them, and the digest with which ops.console_steer_v1 does it. For operators.';

create function ops_internal.console_steer(
  p_action text, p_pattern_ids uuid [], p_digest text, p_until timestamptz, p_occurrences integer, p_reason text
) returns jsonb
language plpgsql
security definer
set search_path = ''
set jit = off
as $$
declare
  pattern_id uuid;
begin
  perform ops_internal.require_person(array['ops_operator', 'ops_admin']);
  perform ops_internal.require_some_patterns(p_pattern_ids);
  perform ops_internal.refuse_if(
    coalesce(p_action not in ('ignore', 'reopen', 'merge'), true), 'PL022', format('the action is %s', p_action),
    'Send ignore, reopen or merge.'
  );
  if p_action = 'merge' then
    perform ops_internal.lock_learning();
  end if;
  perform ops_internal.lock_patterns(p_pattern_ids);
  if ops_internal.state_digest(p_pattern_ids) is distinct from p_digest then
    raise exception using
      errcode = 'PL044',
      message = 'the chosen patterns changed after they were shown to you',
      detail = 'Somebody, or an error, has changed their status, their fixes or their signatures. Nothing was done.',
      hint = 'Look at them again, and decide again.';
  end if;
  if p_action = 'merge' then
    return ops_internal.merge_patterns(p_pattern_ids, p_reason);
  end if;
  foreach pattern_id in array p_pattern_ids loop
    if p_action = 'ignore' then
      perform ops_internal.ignore_pattern(pattern_id, p_until, p_occurrences, p_reason);
    else
      perform ops_internal.reopen_pattern(pattern_id, p_reason);
    end if;
  end loop;
  return jsonb_build_object('patterns', cardinality(p_pattern_ids));
end
$$;

create function ops.console_steer_v1(
  p_action text, p_pattern_ids uuid [], p_digest text, p_until timestamptz default null, p_occurrences integer default null,
  p_reason text default null
) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.console_steer(p_action, p_pattern_ids, p_digest, p_until, p_occurrences, p_reason) $$;

comment on function ops.console_steer_v1 is
  'Ignores, reopens or merges all of these patterns, or none: as ops.ignore_pattern_v1, ops.reopen_pattern_v1 and ops.merge_patterns_v1 do. Raises PL044 where they have another digest than ops.console_chosen_v1 told. For an ops_operator or ops_admin in person.';
