-- The page of a pattern: what it is, when it occurred, what its errors named, why each was healed or not, what was decided
-- about it, and what a merge or a split would do. Whatever grows with the errors is read from the newest back, and bounded; for
-- so little, compiling a query takes longer than running it, and only the values show the planner how little it is.

-- The trail of a pattern: the events that name it, and those of merges and splits, which name two patterns.
create index idx_roman_events_pattern on ops.roman_events ((metadata ->> 'pattern_id'), id desc)
  where metadata ->> 'pattern_id' is not null;
create index idx_roman_events_pairs on ops.roman_events
  using gin ((array[metadata ->> 'kept', metadata ->> 'gone', metadata ->> 'source', metadata ->> 'made']))
  where event_type in ('patterns_merged', 'merge_undone', 'pattern_split', 'split_undone');

create function ops_internal.require_pattern(p_pattern_id uuid) returns ops.error_patterns
language plpgsql
stable
set search_path = ''
as $$
declare
  pattern ops.error_patterns;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  select * into pattern from ops.error_patterns where error_patterns.pattern_id = p_pattern_id;
  if not found then
    raise exception using
      errcode = 'PL002', message = format('there is no pattern %s', p_pattern_id), hint = 'GET /statistics lists patterns, with their ids.';
  end if;
  return pattern;
end
$$;

comment on function ops_internal.require_pattern is
  'The pattern, for operators to look at, whether it was merged or not. Raises PL001 for anybody else, PL002 where there is none.';

create function ops_internal.described_pattern(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'pattern_id', patterns.pattern_id, 'pattern_signature', patterns.pattern_signature, 'pattern_type', patterns.pattern_type,
    'template', patterns.metadata ->> 'template', 'known', patterns.metadata ->> 'known', 'symptom', patterns.metadata ->> 'symptom',
    'error_source', patterns.error_source, 'severity', patterns.severity, 'status', patterns.status, 'merged_into', patterns.merged_into,
    'occurrence_count', patterns.occurrence_count, 'untrusted_occurrences', patterns.untrusted_occurrences,
    'first_seen', patterns.first_seen, 'first_release', patterns.first_release, 'first_environment', patterns.first_environment,
    'last_seen', patterns.last_seen, 'last_release', patterns.last_release, 'last_environment', patterns.last_environment,
    'resolved_at', patterns.resolved_at, 'resolved_by', ops_internal.person(patterns.resolved_by), 'resolved_release', patterns.resolved_release,
    'ignored_until', patterns.ignored_until, 'ignored_until_count', patterns.ignored_until_count,
    'auto_fix_enabled', patterns.auto_fix_enabled, 'has_live_fix', ops_internal.has_live_fix(patterns.pattern_id),
    'success_rate', patterns.success_rate, 'confidence_lower_bound', patterns.confidence_lower_bound,
    'confidence_outcomes', patterns.confidence_outcomes
  )
  from ops.error_patterns as patterns
  where patterns.pattern_id = p_pattern_id
$$;

comment on function ops_internal.described_pattern is 'What the console shows of a pattern wherever it shows one.';

create function ops_internal.latest_incidents(p_pattern_id uuid, p_most integer) returns setof ops.pattern_incidents
language sql
stable
-- So few that the planner looks each log row up.
rows 100
set search_path = ''
as $$
  select incidents.*
  from ops.pattern_incidents as incidents
  where incidents.pattern_id = p_pattern_id
  order by incidents.occurred_at desc
  limit p_most
$$;

comment on function ops_internal.latest_incidents is 'The latest errors of a pattern.';

create function ops_internal.latest_example(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object('message', left(logs.message, 8192), 'system_log_id', logs.id, 'occurred_at', latest.occurred_at)
  from ops_internal.latest_incidents(p_pattern_id, 100) as latest
  inner join ops.system_logs as logs on logs.id = latest.system_log_id
  order by latest.counts desc, latest.occurred_at desc
  limit 1
$$;

comment on function ops_internal.latest_example is
  'The message of the latest error of a pattern that is still in the log, one that counts if there is any; null without one.';

-- Its fixes, proposals, signatures, merges and splits.

create function ops_internal.shown_fixes(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(shown) order by shown.version desc), '[]')
  from (
    select
      fixes.version, fixes.fix_type, fixes.mode, fixes.mode_changed_at, fixes.mode_reason, fixes.sha256, fixes.proposal_id,
      fixes.ends_at, fixes.max_heals,
      case when fixes.disabled_at is null then fixes.mode else 'disabled' end as state,
      ops_internal.person(fixes.proposed_by) as proposed_by, ops_internal.person(fixes.approved_by) as approved_by, fixes.approved_at,
      fixes.disabled_at, ops_internal.person(fixes.disabled_by) as disabled_by, fixes.disabled_reason,
      fixes.success_rate, fixes.confidence_lower_bound, fixes.confidence_outcomes, fixes.consecutive_failures,
      ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard) as guard,
      case
        when fixes.disabled_at is null then ops_internal.guard_coverage(
          fixes.pattern_id, ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard), fixes.trusted_writers
        ) - 'guard'
      end as coverage,
      (
        select jsonb_object_agg(outcomes.outcome, outcomes.number)
        from (
          select latest.outcome, count(*) as number
          from (
            select verifications.outcome
            from ops.pattern_verifications as verifications
            where verifications.pattern_id = fixes.pattern_id and verifications.fix_version = fixes.version and verifications.mode = 'live'
            order by verifications.started_at desc
            limit 1000
          ) as latest
          group by latest.outcome
        ) as outcomes
      ) as outcomes
    from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_pattern_id
    order by fixes.version desc
    limit 20
  ) as shown
$$;

comment on function ops_internal.shown_fixes is
  'The latest 20 versions of the fixes of a pattern, each with its record over the latest 1,000 runs; with those that are not disabled, what of the latest 1,000 errors is outside their guard.';

create function ops_internal.shown_proposals(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(shown) order by shown.proposed_at desc), '[]')
  from (
    select
      proposals.proposal_id, proposals.fix ->> 'type' as fix_type, proposals.proposed_at, proposals.expires_at, proposals.sha256,
      ops_internal.person(proposals.proposed_by) as proposed_by, proposals.decided_at,
      ops_internal.person(proposals.decided_by) as decided_by, proposals.decision_reason,
      case
        when proposals.decision is not null then proposals.decision
        when proposals.expires_at <= now() then 'expired'
        else 'awaiting review'
      end as state
    from ops.fix_proposals as proposals
    where proposals.pattern_id = p_pattern_id
    order by proposals.id desc
    limit 20
  ) as shown
$$;

comment on function ops_internal.shown_proposals is 'The latest 20 proposals for a pattern.';

create function ops_internal.shown_signatures(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  with latest as materialized (
    select incidents.signature, count(*) as errors, max(incidents.occurred_at) as last_seen, max(incidents.system_log_id) as system_log_id
    from ops_internal.latest_incidents(p_pattern_id, 3000) as incidents
    group by incidents.signature
  ),

  live as (
    select min(fixes.trusts_until) as trusts_until
    from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_pattern_id and fixes.disabled_at is null
  ),

  listed as (
    select signatures.*
    from ops.pattern_signatures as signatures
    where signatures.pattern_id = p_pattern_id
    order by signatures.created_at desc, signatures.signature
    limit 200
  )

  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'signature', listed.signature, 'algorithm', listed.algorithm, 'template', left(listed.template, 2000),
        'created_at', listed.created_at, 'confirmed_at', listed.confirmed_at, 'confirmed_by', ops_internal.person(listed.confirmed_by),
        -- Null where there is no fix to be trusted by.
        'is_trusted', listed.created_at <= live.trusts_until or (live.trusts_until is not null and listed.confirmed_at is not null),
        'errors', coalesce(latest.errors, 0), 'last_seen', latest.last_seen,
        'example', (select left(logs.message, 2000) from ops.system_logs as logs where logs.id = latest.system_log_id)
      )
      order by coalesce(latest.errors, 0) desc, listed.created_at, listed.signature
    ),
    '[]'
  )
  from listed
  cross join live
  left join latest on latest.signature = listed.signature
$$;

comment on function ops_internal.shown_signatures is
  'The newest 200 signatures of a pattern: how many of its latest 3,000 errors each has, the latest of them, and whether every live fix runs for it.';

create function ops_internal.steering_of(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  with merges as (
    select
      'merge' as kind, done.merge_id as id, done.kept, done.gone as other, done.kept = p_pattern_id as is_kept, done.merged_by as by,
      done.actor, done.reason, jsonb_array_length(done.signatures) as signatures, done.incident_count, done.created_at, done.undone_at, done.undone_by
    from ops.pattern_merges as done
    where done.kept = p_pattern_id or done.gone = p_pattern_id
    order by done.id desc
    limit 50
  ),

  splits as (
    select
      'split', done.split_id, done.source, done.made, done.source = p_pattern_id, 'person', done.actor, done.reason,
      jsonb_array_length(done.signatures), done.incident_count, done.created_at, done.undone_at, done.undone_by
    from ops.pattern_splits as done
    where done.source = p_pattern_id or done.made = p_pattern_id
    order by done.id desc
    limit 50
  ),

  steps as (select * from merges union all select * from splits)

  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'kind', steps.kind, 'id', steps.id, 'is_kept', steps.is_kept, 'by', steps.by, 'actor', ops_internal.person(steps.actor),
        'reason', steps.reason, 'signatures', steps.signatures, 'incident_count', steps.incident_count, 'created_at', steps.created_at,
        'undone_at', steps.undone_at, 'undone_by', ops_internal.person(steps.undone_by),
        'other', others.pattern_id, 'other_template', others.metadata ->> 'template', 'other_status', others.status
      )
      order by steps.created_at desc
    ),
    '[]'
  )
  from steps
  inner join ops.error_patterns as others
    on others.pattern_id = case when steps.is_kept then steps.other else steps.kept end
$$;

comment on function ops_internal.steering_of is
  'The latest merges and splits of a pattern, 50 of each, with the other pattern; is_kept tells whether this one stayed.';

create function ops_internal.kept_apart_from(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(apart) order by apart.created_at desc), '[]')
  from (
    select
      others.pattern_id, others.metadata ->> 'template' as template, links.reason, links.created_at,
      ops_internal.person(links.created_by) as created_by
    from ops.pattern_cannot_links as links
    inner join ops.error_patterns as others
      on others.pattern_id = case when links.pattern_a = p_pattern_id then links.pattern_b else links.pattern_a end
    where (links.pattern_a = p_pattern_id or links.pattern_b = p_pattern_id) and others.status <> 'merged'
    order by links.created_at desc
    limit 20
  ) as apart
$$;

comment on function ops_internal.kept_apart_from is 'The patterns that a person separated from this one; evidence never joins them.';

create function ops_internal.console_pattern(p_pattern_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  pattern constant ops.error_patterns := ops_internal.require_pattern(p_pattern_id);
begin
  return ops_internal.described_pattern(p_pattern_id) || ops_internal.linked_patterns(p_pattern_id) || jsonb_build_object(
    'created_at', pattern.created_at,
    'sample', left(pattern.metadata ->> 'sample', 8192),
    'kept', case when pattern.status = 'merged' then ops_internal.described_pattern(pattern.merged_into) end,
    'example', ops_internal.latest_example(p_pattern_id),
    'cluster', (
      select jsonb_build_object('cluster_id', clusters.cluster_id, 'cluster_name', clusters.cluster_name, 'cluster_size', clusters.cluster_size)
      from ops.pattern_clusters as clusters
      where p_pattern_id = any(clusters.pattern_ids)
      limit 1
    ),
    'fixes', ops_internal.shown_fixes(p_pattern_id),
    'proposals', ops_internal.shown_proposals(p_pattern_id),
    'signatures', ops_internal.shown_signatures(p_pattern_id),
    'signature_count', (select count(*) from ops.pattern_signatures as signatures where signatures.pattern_id = p_pattern_id),
    'steering', ops_internal.steering_of(p_pattern_id),
    'kept_apart', ops_internal.kept_apart_from(p_pattern_id)
  );
end
$$;

create function ops.console_pattern_v1(p_pattern_id uuid) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_pattern(p_pattern_id) $$;

comment on function ops.console_pattern_v1 is
  'What the page of a pattern shows but for its occurrences, errors and trail: state, example, cluster, fixes with their records, proposals, signatures, merges and splits, causes and symptoms. For operators; raises PL002.';

-- When it occurred, in which releases, what its errors named, and why they were not healed.

create function ops_internal.occurrences(p_pattern_id uuid, p_unit text, p_until timestamptz) returns jsonb
language sql
stable
set search_path = ''
as $$
  with steps as (
    select case p_unit when 'hour' then interval '1 hour' else interval '24 hours' end as step, case p_unit when 'hour' then 48 else 60 end as number
  ),

  bounds as (
    select steps.step, date_trunc(p_unit, p_until, 'UTC') - steps.step * (steps.number - 1) as start, date_trunc(p_unit, p_until, 'UTC') as stop
    from steps
  ),

  buckets as (
    select generate_series(bounds.start, bounds.stop, bounds.step) as at, bounds.step from bounds
  ),

  summed as materialized (
    select buckets.at, buckets.step, counted.trusted, counted.others
    from buckets
    cross join lateral (
      select count(*) filter (where incidents.counts) as trusted, count(*) filter (where not incidents.counts) as others
      from ops.pattern_incidents as incidents
      where incidents.pattern_id = p_pattern_id and incidents.occurred_at >= buckets.at and incidents.occurred_at < buckets.at + buckets.step
    ) as counted
  ),

  -- The first and the last error of each bucket tell in which releases the application ran.
  told as (
    select ends.release, ends.occurred_at
    from summed
    cross join lateral (
      (
        select logs.release, incidents.occurred_at
        from ops.pattern_incidents as incidents
        inner join ops.system_logs as logs on logs.id = incidents.system_log_id
        where incidents.pattern_id = p_pattern_id
          and incidents.occurred_at >= summed.at and incidents.occurred_at < summed.at + summed.step
        order by incidents.occurred_at
        limit 1
      )
      union all
      (
        select logs.release, incidents.occurred_at
        from ops.pattern_incidents as incidents
        inner join ops.system_logs as logs on logs.id = incidents.system_log_id
        where incidents.pattern_id = p_pattern_id
          and incidents.occurred_at >= summed.at and incidents.occurred_at < summed.at + summed.step
        order by incidents.occurred_at desc
        limit 1
      )
    ) as ends
    where summed.trusted + summed.others > 0 and ends.release is not null
  )

  select jsonb_build_object(
    'unit', p_unit,
    'buckets', (
      select jsonb_agg(
        jsonb_build_array(extract(epoch from summed.at)::bigint, summed.trusted, summed.others) order by summed.at
      )
      from summed
    ),
    'releases', (
      select coalesce(jsonb_agg(jsonb_build_object('release', left(firsts.release, 200), 'at', firsts.at) order by firsts.at), '[]')
      from (select told.release, min(told.occurred_at) as at from told group by told.release order by at desc limit 30) as firsts
    )
  )
$$;

comment on function ops_internal.occurrences is
  'How often a pattern occurred in each of the last 48 hours or 60 days (unit hour or day, in UTC), those that count and the others apart, and when each release was first among the first and last errors of an hour or day.';

create function ops_internal.log_facets(p_pattern_id uuid, p_values integer) returns jsonb
language sql
stable
set search_path = ''
as $$
  with named as (
    select pairs.name, left(pairs.value, 200) as value, latest.occurred_at
    from ops_internal.latest_incidents(p_pattern_id, 1000) as latest
    left join ops.system_logs as logs on logs.id = latest.system_log_id
    cross join lateral (
      values ('source', logs.source), ('environment', logs.environment), ('release', logs.release), ('written_by', latest.written_by)
    ) as pairs (name, value)
    where pairs.value is not null
  ),

  summed as (
    select named.name, named.value, count(*) as occurrences, min(named.occurred_at) as first_seen, max(named.occurred_at) as last_seen
    from named
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

comment on function ops_internal.log_facets is
  'Sources, environments, releases and writers of the latest 1,000 errors of a pattern, as ops_internal.facets answers what errors named.';

create function ops_internal.unhealed_reasons(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(reasons) order by reasons.errors desc, reasons.last_seen desc), '[]')
  from (
    select left(latest.refusal, 300) as refusal, count(*) as errors, max(latest.occurred_at) as last_seen
    from ops_internal.latest_incidents(p_pattern_id, 1000) as latest
    where latest.refusal is not null
    group by left(latest.refusal, 300)
    order by errors desc, last_seen desc
    limit 10
  ) as reasons
$$;

comment on function ops_internal.unhealed_reasons is 'Why no fix ran for the latest 1,000 errors of a pattern, the ten most frequent reasons.';

create function ops_internal.console_pattern_occurrences(p_pattern_id uuid, p_unit text) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  pattern constant ops.error_patterns := ops_internal.require_pattern(p_pattern_id);
  unit constant text := coalesce(p_unit, case when pattern.first_seen > now() - interval '48 hours' then 'hour' else 'day' end);
begin
  perform ops_internal.refuse_if(unit not in ('hour', 'day'), 'PL022', format('the unit is %s', left(unit, 20)), 'Ask for hour or day.');
  return ops_internal.occurrences(p_pattern_id, unit, now()) || jsonb_build_object(
    'facets', ops_internal.facets(p_pattern_id, 8) || ops_internal.log_facets(p_pattern_id, 8),
    'refusals', ops_internal.unhealed_reasons(p_pattern_id)
  );
end
$$;

create function ops.console_pattern_occurrences_v1(p_pattern_id uuid, p_unit text default null) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_pattern_occurrences(p_pattern_id, p_unit) $$;

comment on function ops.console_pattern_occurrences_v1 is
  'When a pattern occurred, by hour or day, with releases; what its errors named and where they came from; why they were not healed. For operators; raises PL002.';

-- Its errors, page by page.

create function ops_internal.console_pattern_incidents(p_pattern_id uuid, p_filters jsonb, p_before jsonb) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  pattern constant ops.error_patterns := ops_internal.require_pattern(p_pattern_id);
  filters constant jsonb := coalesce(p_filters, '{}');
  named constant jsonb := filters - array['source', 'environment', 'release', 'written_by', 'frame', 'refusal', 'signature'];
  a_page constant integer := 10;
  most_read constant integer := case filters when '{}' then a_page + 1 else 2000 end;
  before_at constant timestamptz := coalesce((p_before ->> 'at')::timestamptz, 'infinity');
  before_id constant bigint := coalesce((p_before ->> 'id')::bigint, 9223372036854775807);
  answer jsonb;
begin
  with read as materialized (
    select incidents.*
    from ops.pattern_incidents as incidents
    where incidents.pattern_id = pattern.pattern_id
      and incidents.occurred_at <= before_at and (incidents.occurred_at, incidents.id) < (before_at, before_id)
    order by incidents.occurred_at desc, incidents.id desc
    limit most_read
  ),

  fitting as materialized (
    select read.*, logs.id as log_id
    from read
    left join ops.system_logs as logs on logs.id = read.system_log_id
    where read.identifiers @> named
      and (not filters ? 'source' or left(logs.source, 200) = filters ->> 'source')
      and (not filters ? 'environment' or left(logs.environment, 200) = filters ->> 'environment')
      and (not filters ? 'release' or left(logs.release, 200) = filters ->> 'release')
      and (not filters ? 'written_by' or read.written_by = filters ->> 'written_by')
      and (not filters ? 'frame' or read.frame = filters ->> 'frame')
      and (not filters ? 'refusal' or left(read.refusal, 300) = filters ->> 'refusal')
      and (not filters ? 'signature' or read.signature = filters ->> 'signature')
    order by read.occurred_at desc, read.id desc
    limit a_page
  ),

  shown as (
    select
      fitting.id, fitting.occurred_at, fitting.signature, fitting.system_log_id, fitting.identifiers, fitting.frame, fitting.refusal,
      fitting.written_by, fitting.counts, left(logs.message, 8192) as message, length(logs.message) as length,
      left(logs.source, 200) as source, left(logs.environment, 200) as environment, left(logs.release, 200) as release, logs.log_level,
      left(logs.error_data::text, 8192) as error_data, runs.application_id, runs.purpose, runs.finished_at is null as is_running,
      runs.success, runs.outcome
    from fitting
    left join ops.system_logs as logs on logs.id = fitting.log_id
    left join lateral (
      select claims.application_id, claims.purpose, claims.finished_at, applications.success, verifications.outcome
      from ops.pattern_claims as claims
      left join ops.pattern_applications as applications on applications.application_id = claims.application_id
      left join ops.pattern_verifications as verifications on verifications.application_id = claims.application_id
      where claims.system_log_id = fitting.system_log_id and claims.purpose <> 'undo'
      order by claims.claimed_at desc
      limit 1
    ) as runs on true
  ),

  -- Where the page ends: after its last error or, if fewer fit, after the last that was looked at.
  ends as (
    (select fitting.occurred_at, fitting.id from fitting where (select count(*) from fitting) = a_page order by fitting.occurred_at, fitting.id limit 1)
    union all
    (
      select read.occurred_at, read.id from read
      where (select count(*) from fitting) < a_page and (select count(*) from read) = most_read
      order by read.occurred_at, read.id limit 1
    )
  )

  select jsonb_build_object(
    'incidents', coalesce((select jsonb_agg(to_jsonb(shown) order by shown.occurred_at desc, shown.id desc) from shown), '[]'),
    'next', (select jsonb_build_object('at', ends.occurred_at, 'id', ends.id) from ends),
    'read', (select count(*) from read)
  )
  into answer;
  return answer;
end
$$;

create function ops.console_pattern_incidents_v1(p_pattern_id uuid, p_filters jsonb default '{}', p_before jsonb default null) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_pattern_incidents(p_pattern_id, p_filters, p_before) $$;

comment on function ops.console_pattern_incidents_v1 is
  'Up to ten errors of a pattern, newest first, each with what was logged and what became of it; next is where the following page begins. Filters are values of facets, refusal and signature; each call looks at up to 2,000 errors for them. For operators; raises PL002.';

-- Its trail.

create function ops_internal.console_pattern_trail(p_pattern_id uuid, p_before bigint) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  pattern constant ops.error_patterns := ops_internal.require_pattern(p_pattern_id);
  before constant bigint := coalesce(p_before, 9223372036854775807);
  a_page constant integer := 30;
begin
  return (
    with found as (
      (
        select events.*
        from ops.roman_events as events
        where events.metadata ->> 'pattern_id' = pattern.pattern_id::text and events.id < before
        order by events.id desc
        limit a_page
      )
      union
      (
        select events.*
        from ops.roman_events as events
        where events.event_type in ('patterns_merged', 'merge_undone', 'pattern_split', 'split_undone')
          and array[events.metadata ->> 'kept', events.metadata ->> 'gone', events.metadata ->> 'source', events.metadata ->> 'made']
          @> array[pattern.pattern_id::text]
          and events.id < before
        order by events.id desc
        limit a_page
      )
    ),

    listed as (select * from found order by found.id desc limit a_page)

    select jsonb_build_object(
      'events', coalesce(
        jsonb_agg(
          jsonb_build_object(
            'id', listed.id, 'event_type', listed.event_type, 'severity', listed.severity, 'description', listed.description,
            'actor', ops_internal.person(listed.actor), 'created_at', listed.created_at,
            'metadata', listed.metadata - array['pattern_id', 'pattern_signature']
          )
          order by listed.id desc
        ),
        '[]'
      ),
      'next', case when count(*) = a_page then min(listed.id) end
    )
    from listed
  );
end
$$;

create function ops.console_pattern_trail_v1(p_pattern_id uuid, p_before bigint default null) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_pattern_trail(p_pattern_id, p_before) $$;

comment on function ops.console_pattern_trail_v1 is
  'Up to 30 events about a pattern, newest first, with the person who did it; next is where the following page begins. For operators; raises PL002.';

-- All of the above at once.

create function ops_internal.console_pattern_page(
  p_pattern_id uuid, p_unit text, p_filters jsonb, p_before jsonb, p_events_before bigint
) returns jsonb
language sql
stable
security definer
set search_path = ''
set jit = off
as $$
  select jsonb_build_object(
    'pattern', ops_internal.console_pattern(p_pattern_id),
    'occurrences', ops_internal.console_pattern_occurrences(p_pattern_id, p_unit),
    'incidents', ops_internal.console_pattern_incidents(p_pattern_id, p_filters, p_before),
    'trail', ops_internal.console_pattern_trail(p_pattern_id, p_events_before)
  )
$$;

create function ops.console_pattern_page_v1(
  p_pattern_id uuid, p_unit text default null, p_filters jsonb default '{}', p_before jsonb default null,
  p_events_before bigint default null
) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_pattern_page(p_pattern_id, p_unit, p_filters, p_before, p_events_before) $$;

comment on function ops.console_pattern_page_v1 is
  'A pattern, its occurrences, a page of its errors and of its trail, as the four functions for them answer. For operators; raises PL002.';

-- What a merge would do, and finding the pattern to merge with.

create function ops_internal.console_merge(p_pattern_id uuid, p_other uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  pattern constant ops.error_patterns := ops_internal.require_pattern(p_pattern_id);
  other constant ops.error_patterns := ops_internal.require_pattern(p_other);
  -- As ops_internal.join_patterns decides it.
  turns constant boolean := ops_internal.has_live_fix(p_other) and not ops_internal.has_live_fix(p_pattern_id);
  kept constant uuid := case when turns then p_other else p_pattern_id end;
  gone constant uuid := case when turns then p_pattern_id else p_other end;
begin
  return jsonb_build_object(
    'kept', ops_internal.described_pattern(kept),
    'gone', ops_internal.described_pattern(gone),
    'is_same', p_pattern_id = p_other,
    'merged', (
      select coalesce(jsonb_agg(jsonb_build_object('pattern_id', pair.pattern_id, 'merged_into', pair.merged_into)), '[]')
      from unnest(array[pattern, other]) as pair
      where pair.status = 'merged'
    ),
    'two_live_fixes', ops_internal.has_live_fix(p_pattern_id) and ops_internal.has_live_fix(p_other),
    'kept_apart', ops_internal.is_kept_apart(p_pattern_id, p_other),
    'fixes', (
      select coalesce(jsonb_agg(jsonb_build_object('version', fixes.version, 'fix_type', fixes.fix_type, 'mode', fixes.mode) order by fixes.version), '[]')
      from ops.pattern_fixes as fixes
      where fixes.pattern_id = kept and fixes.disabled_at is null
    ),
    'signatures', (
      select coalesce(jsonb_agg(left(moving.template, 500) order by moving.created_at), '[]')
      from (
        select signatures.template, signatures.created_at
        from ops.pattern_signatures as signatures
        where signatures.pattern_id = gone
        order by signatures.created_at
        limit 10
      ) as moving
    ),
    'signature_count', (select count(*) from ops.pattern_signatures as signatures where signatures.pattern_id = gone),
    'samples', ops_internal.samples_of(gone, null),
    'kept_samples', ops_internal.samples_of(kept, null)
  );
end
$$;

create function ops_internal.samples_of(p_pattern_id uuid, p_signatures text []) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(samples.message), '[]')
  from (
    select left(logs.message, 2000) as message
    from ops_internal.latest_incidents(p_pattern_id, 3000) as latest
    inner join ops.system_logs as logs on logs.id = latest.system_log_id
    where p_signatures is null or latest.signature = any(p_signatures)
    limit 3
  ) as samples
$$;

comment on function ops_internal.samples_of is
  'Up to three messages of the latest 3,000 errors of a pattern, of all or of these signatures.';

create function ops.console_merge_v1(p_pattern_id uuid, p_other uuid) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_merge(p_pattern_id, p_other) $$;

comment on function ops.console_merge_v1 is
  'What merging two patterns would do: which is kept, what joins it, its fixes, which would not run for what joins, and what forbids it. Changes nothing. For operators; raises PL002.';

create function ops_internal.console_find_patterns(p_text text, p_but uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    with best as (
      select patterns.pattern_id, found.score, patterns.last_seen
      from ops_internal.search_patterns(left(btrim(p_text), 200)) as found
      inner join ops.error_patterns as patterns on patterns.pattern_id = found.pattern_id
      where patterns.pattern_id <> p_but and patterns.status <> 'merged'
      order by found.score desc, patterns.last_seen desc, patterns.pattern_id
      limit 10
    )

    select coalesce(
      jsonb_agg(ops_internal.described_pattern(best.pattern_id) order by best.score desc, best.last_seen desc, best.pattern_id), '[]'
    )
    from best
  );
end
$$;

create function ops.console_find_patterns_v1(p_text text, p_but uuid) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_find_patterns(p_text, p_but) $$;

comment on function ops.console_find_patterns_v1 is
  'Up to ten patterns, other than one, that a text finds as in the inbox; the last seen first. For operators.';

-- What a split would do.

create function ops_internal.console_split(p_pattern_id uuid, p_signatures text [], p_name text, p_value text) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  pattern constant ops.error_patterns := ops_internal.require_pattern(p_pattern_id);
  going constant text [] := coalesce(p_signatures, '{}');
  staying constant text [] := array(
    select signatures.signature from ops.pattern_signatures as signatures
    where signatures.pattern_id = pattern.pattern_id and signatures.signature <> all(going)
  );
begin
  return (
    with latest as materialized (
      select incidents.* from ops_internal.latest_incidents(p_pattern_id, 3000) as incidents
    ),

    named as (
      select
        latest.signature, count(*) as errors,
        count(*) filter (
          where p_value = case p_name
            when 'source' then left(logs.source, 200)
            when 'environment' then left(logs.environment, 200)
            when 'release' then left(logs.release, 200)
            when 'written_by' then latest.written_by
            when 'frame' then latest.frame
            else latest.identifiers ->> p_name
          end
        ) as fitting
      from latest
      left join ops.system_logs as logs on logs.id = latest.system_log_id
      where p_name is not null
      group by latest.signature
    )

    select jsonb_build_object(
      'pattern', ops_internal.described_pattern(p_pattern_id),
      'signatures', ops_internal.shown_signatures(p_pattern_id),
      'named', (select coalesce(jsonb_object_agg(named.signature, jsonb_build_array(named.fitting, named.errors)), '{}') from named),
      'read', (select count(*) from latest),
      'going', jsonb_build_object(
        'errors', (select count(*) from latest where latest.signature = any(going)), 'samples', ops_internal.samples_of(p_pattern_id, going)
      ),
      'staying', jsonb_build_object(
        'signatures', cardinality(staying), 'errors', (select count(*) from latest where latest.signature <> all(going)),
        'samples', ops_internal.samples_of(p_pattern_id, staying)
      ),
      'fixes', (
        select coalesce(jsonb_agg(jsonb_build_object('version', fixes.version, 'fix_type', fixes.fix_type, 'mode', fixes.mode) order by fixes.version), '[]')
        from ops.pattern_fixes as fixes
        where fixes.pattern_id = p_pattern_id and fixes.disabled_at is null
      )
    )
  );
end
$$;

create function ops.console_split_v1(
  p_pattern_id uuid, p_signatures text [] default '{}', p_name text default null, p_value text default null
) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_split(p_pattern_id, p_signatures, p_name, p_value) $$;

comment on function ops.console_split_v1 is
  'The signatures of a pattern, how many of the latest 3,000 errors of each have a value of a facet, and what splitting some of them off would move, with samples of both sides. Changes nothing. For operators; raises PL002.';
