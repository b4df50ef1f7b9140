-- The pages of the console about runs of fixes: the list, one run with all that is known of it, and the errors for which
-- no fix ran. The filters are optional: each plan is made for the values at hand, so that each filter finds its index.

-- Newest first; a claim that a second worker takes over counts from then on.
-- By the purpose first. In an index by time alone a claim would look for the last run of its fix among all runs of the project.
create index idx_pattern_claims_purpose on ops.pattern_claims (purpose, claimed_at, application_id);
create index idx_pattern_verifications_outcome on ops.pattern_verifications (outcome, started_at, application_id);
create index idx_pattern_verifications_overturns on ops.pattern_verifications (started_at, application_id)
where overturned_at is not null;
create index idx_pattern_incidents_held_back on ops.pattern_incidents (id) where gate is not null;
create index idx_pattern_incidents_gate on ops.pattern_incidents (gate, id) where gate is not null;

create function ops_internal.run_state(
  p_claim ops.pattern_claims, p_verification ops.pattern_verifications, p_success boolean
) returns text
language sql
stable
set search_path = ''
as $$
  select case
    when p_claim.finished_at is null and p_claim.lease_until < clock_timestamp() then 'lost'
    when p_claim.finished_at is null then 'running'
    when p_claim.purpose = 'undo' then case when p_success then 'undid' else 'failed' end
    when exists (
      select from ops.pattern_claims as undone
      inner join ops.pattern_applications as ended on ended.application_id = undone.application_id
      where undone.undoes = p_claim.application_id and ended.success
    ) then 'undone'
    when p_verification.overturned_at is not null then 'overturned'
    else coalesce(p_verification.outcome, 'inconclusive')
  end
$$;

comment on function ops_internal.run_state is
  'One word for what is known of a run: running, lost (its worker ended without recording an outcome), pending, verified, failed, inconclusive, overturned, undone; and undid or failed for the undoing of another run.';

create function ops_internal.run_page(p_filters jsonb, p_most integer)
returns table (application_id uuid, moment timestamptz)
language plpgsql
stable
set search_path = ''
-- Planned for each call: only the values show which of the filters are given.
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  wanted constant text := p_filters ->> 'outcome';
  pattern constant uuid := (p_filters ->> 'pattern')::uuid;
  kind constant text := p_filters ->> 'type';
  of_mode constant text := p_filters ->> 'mode';
  before constant timestamptz := coalesce((p_filters ->> 'before')::timestamptz, 'infinity');
  before_id constant uuid := coalesce((p_filters ->> 'before_id')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  -- Only patterns with fixes can have runs.
  patterns constant uuid [] := case when kind is not null then array(
    select known.pattern_id
    from (select distinct fixes.pattern_id from ops.pattern_fixes as fixes) as fixed
    inner join ops.error_patterns as known on known.pattern_id = fixed.pattern_id
    where known.pattern_type = kind
  ) end;
  undone constant uuid [] := case when wanted = 'undone' then array(
    select undoing.undoes from ops.pattern_claims as undoing where undoing.purpose = 'undo'
  ) end;
begin
  if wanted in ('pending', 'verified', 'failed', 'inconclusive', 'overturned') then
    return query
    select runs.application_id, runs.started_at
    from ops.pattern_verifications as runs
    where (wanted = 'overturned' or runs.outcome = wanted)
      and (wanted <> 'overturned' or runs.overturned_at is not null)
      and (pattern is null or runs.pattern_id = pattern)
      and (kind is null or runs.pattern_id = any(patterns))
      and (of_mode is null or runs.mode = case of_mode when 'heal' then 'live' else of_mode end)
      and (runs.started_at, runs.application_id) < (before, before_id)
    order by runs.started_at desc, runs.application_id desc
    limit p_most;
  else
    return query
    select latest.application_id, latest.claimed_at
    from unnest(array['heal', 'shadow', 'undo']) as purposes (purpose)
    cross join lateral (
      select claims.application_id, claims.claimed_at
      from ops.pattern_claims as claims
      where claims.purpose = purposes.purpose
        and (wanted is distinct from 'running' or claims.finished_at is null)
        and (
          wanted is distinct from 'undone'
          or claims.application_id = any(undone)
        )
        and (pattern is null or claims.pattern_id = pattern)
        and (kind is null or claims.pattern_id = any(patterns))
        and (claims.claimed_at, claims.application_id) < (before, before_id)
      order by claims.claimed_at desc, claims.application_id desc
      limit p_most
    ) as latest
    where of_mode is null or purposes.purpose = of_mode
    order by latest.claimed_at desc, latest.application_id desc
    limit p_most;
  end if;
end
$$;

comment on function ops_internal.run_page is
  'The newest runs that fit the filters outcome, pattern, type and mode (heal, shadow or undo), from a place in that order on.';

create function ops_internal.console_applications(p_filters jsonb) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  most constant integer := 50;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    with page as materialized (
      select found.*, row_number() over (order by found.moment desc, found.application_id desc) as place
      from ops_internal.run_page(p_filters, most + 1) as found
    )

    select jsonb_build_object(
      'runs', (
        select coalesce(jsonb_agg(to_jsonb(listed) - 'place' order by listed.place), '[]')
        from (
          select
            page.place, claims.application_id, claims.purpose, claims.undoes, claims.claimed_at, claims.source,
            claims.fix_version, fixes.fix_type, patterns.pattern_id, patterns.pattern_type,
            left(patterns.metadata ->> 'template', 400) as template,
            applications.applied_at, applications.execution_time_ms,
            (applications.system_state_after ->> 'rows_touched')::bigint as rows_touched,
            verifications.due_at,
            left(coalesce(verifications.reason, applications.error_after), 400) as reason,
            ops_internal.run_state(claims, verifications, applications.success) as state
          from page
          inner join ops.pattern_claims as claims on claims.application_id = page.application_id
          inner join ops.error_patterns as patterns on patterns.pattern_id = claims.pattern_id
          inner join ops.pattern_fixes as fixes on fixes.pattern_id = claims.pattern_id and fixes.version = claims.fix_version
          left join ops.pattern_applications as applications on applications.application_id = claims.application_id
          left join ops.pattern_verifications as verifications on verifications.application_id = claims.application_id
          where page.place <= most
        ) as listed
      ),
      'next', (
        select jsonb_build_object('before', last.moment, 'before_id', last.application_id)
        from page as last
        where last.place = most and exists (select from page as further where further.place > most)
      ),
      'pattern', (
        select left(patterns.metadata ->> 'template', 400)
        from ops.error_patterns as patterns
        where patterns.pattern_id = (p_filters ->> 'pattern')::uuid
      )
    )
  );
end
$$;

create function ops.console_applications_v1(p_filters jsonb default '{}') returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_applications(p_filters) $$;

comment on function ops.console_applications_v1 is
  'The newest 50 runs that fit the filters outcome, pattern, type and mode, from before and before_id on: a page of the console. For operators.';

create function ops_internal.run_evidence(p_verification ops.pattern_verifications, p_writers text []) returns jsonb
language plpgsql
stable
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  most_counted constant integer := 10000;
  moment constant timestamptz := clock_timestamp();
  since constant timestamptz := p_verification.started_at
  + make_interval(secs => coalesce((p_verification.policy ->> 'settle_seconds')::double precision, 0));
  recurred_at constant timestamptz := (
    select logs.created_at from ops.system_logs as logs where logs.id = p_verification.recurrence
  );
  -- What is looked at: from when the run had settled until the error came back, the window was over, or now.
  through constant timestamptz := least(coalesce(recurred_at, p_verification.due_at), moment);
begin
  return jsonb_build_object(
    'since', since,
    'through', through,
    'seconds', greatest(extract(epoch from through - p_verification.started_at), 0),
    'window_seconds', extract(epoch from p_verification.due_at - p_verification.started_at),
    'is_over', p_verification.due_at <= moment,
    'recurred_at', recurred_at,
    'rows_of_source', (
      select count(*)
      from (
        select from ops.system_logs as logs
        where coalesce(left(logs.source, 100), '') = coalesce(left(p_verification.source, 100), '')  -- As in the index.
          and logs.source is not distinct from p_verification.source
          and logs.created_at > since
          and logs.created_at <= through
          and logs.written_by = any(p_writers)
        limit most_counted
      ) as counted
    ),
    'most_counted', most_counted
  );
end
$$;

comment on function ops_internal.run_evidence is
  'What the verdict on a run rests on: for how long it was looked at, when the error came back, and how many rows its source wrote in that time, of writers that the fix trusts; 10,000 are counted at the most.';

create function ops_internal.console_application(p_application_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  run ops.pattern_claims;
  fix ops.pattern_fixes;
  application ops.pattern_applications;
  verification ops.pattern_verifications;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  select * into run from ops.pattern_claims where pattern_claims.application_id = p_application_id;
  perform ops_internal.refuse_if(
    run.application_id is null, 'PL010', format('there is no application %s', p_application_id), 'The list of applications has them all.'
  );
  select * into fix from ops.pattern_fixes where pattern_fixes.pattern_id = run.pattern_id and pattern_fixes.version = run.fix_version;
  select * into application from ops.pattern_applications where pattern_applications.application_id = p_application_id;
  select * into verification from ops.pattern_verifications where pattern_verifications.application_id = p_application_id;
  return jsonb_build_object(
    'run', to_jsonb(run) - array['error', 'policy', 'constitutional_validation', 'lock_key'] || jsonb_build_object(
      'state', ops_internal.run_state(run, verification, application.success),
      'claimed_by', ops_internal.person(run.claimed_by),
      'message', coalesce(application.error_before, run.error ->> 'scrubbed'),
      'undo_problem', ops_internal.undo_problem(run)
    ),
    'validation', run.constitutional_validation,
    'application', to_jsonb(application) - 'constitutional_validation',
    'verification', to_jsonb(verification) - 'policy',
    'evidence', case when verification.application_id is not null
      then ops_internal.run_evidence(verification, fix.trusted_writers)
    end,
    'fix', to_jsonb(fix) || jsonb_build_object(
      'approved_by', ops_internal.person(fix.approved_by),
      'disabled_by', ops_internal.person(fix.disabled_by),
      'mode_changed_by', ops_internal.person(fix.mode_changed_by)
    ),
    'pattern', (
      select jsonb_build_object(
        'template', patterns.metadata ->> 'template', 'pattern_type', patterns.pattern_type, 'status', patterns.status,
        'last_seen', patterns.last_seen, 'occurrence_count', patterns.occurrence_count
      )
      from ops.error_patterns as patterns
      where patterns.pattern_id = run.pattern_id
    ),
    'log', (
      select jsonb_build_object(
        'id', logs.id, 'created_at', logs.created_at, 'log_level', logs.log_level, 'source', left(logs.source, 1000),
        'environment', logs.environment, 'release', logs.release, 'written_by', logs.written_by, 'learned_at', incidents.learned_at
      )
      from ops.system_logs as logs
      left join ops.pattern_incidents as incidents on incidents.system_log_id = logs.id
      where logs.id = run.system_log_id
    ),
    'undoings', (
      select coalesce(jsonb_agg(to_jsonb(undoing) order by undoing.claimed_at), '[]')
      from (
        select
          claims.application_id, claims.claimed_at, ops_internal.person(claims.claimed_by) as claimed_by,
          ended.applied_at, ended.success, ended.error_after
        from ops.pattern_claims as claims
        left join ops.pattern_applications as ended on ended.application_id = claims.application_id
        where claims.undoes = p_application_id
      ) as undoing
    ),
    'later', (
      select coalesce(jsonb_agg(to_jsonb(following) order by following.claimed_at), '[]')
      from (
        select
          claims.application_id, claims.claimed_at, claims.fix_version, claims.purpose,
          ops_internal.run_state(claims, judged, ended.success) as state
        from ops.pattern_claims as claims
        left join ops.pattern_applications as ended on ended.application_id = claims.application_id
        left join ops.pattern_verifications as judged on judged.application_id = claims.application_id
        where claims.pattern_id = run.pattern_id
          and claims.claimed_at > run.claimed_at
          and claims.target = run.target
          and claims.purpose <> 'undo'
        order by claims.claimed_at
        limit 3
      ) as following
    )
  );
end
$$;

create function ops.console_application_v1(p_application_id uuid) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_application(p_application_id) $$;

comment on function ops.console_application_v1 is
  'All that is known of one run: the claim, how it ended, the verdict of the Four Laws, whether the error stopped and what that rests on, its fix, and what followed. Raises PL010 where there is none. For operators.';

-- Errors for which no fix ran.

create function ops_internal.held_back_page(p_filters jsonb, p_most integer) returns bigint []
language plpgsql
stable
set search_path = ''
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  wanted constant text := p_filters ->> 'gate';
  pattern constant uuid := (p_filters ->> 'pattern')::uuid;
  before constant bigint := coalesce((p_filters ->> 'before')::bigint, 9223372036854775807);
  before_at constant timestamptz := coalesce(
    (select last.occurred_at from ops.pattern_incidents as last where last.id = before), 'infinity'
  );
begin
  if pattern is not null then
    -- By time, as the index of a pattern has them.
    return array(
      select incidents.id
      from ops.pattern_incidents as incidents
      where incidents.pattern_id = pattern
        and (wanted is null or incidents.gate = wanted)
        and (incidents.occurred_at, incidents.id) < (before_at, before)
        and (incidents.gate is not null or (wanted is null and not exists (
          select from ops.pattern_claims as claims where claims.system_log_id = incidents.system_log_id
        )))
      order by incidents.occurred_at desc, incidents.id desc
      limit p_most
    );
  elsif wanted = 'no_fix' then
    return array(
      select incidents.id
      from ops.pattern_incidents as incidents
      where incidents.id < before
        and incidents.gate is null
        and not exists (select from ops.pattern_claims as claims where claims.system_log_id = incidents.system_log_id)
      order by incidents.id desc
      limit p_most
    );
  end if;
  return array(
    select incidents.id
    from ops.pattern_incidents as incidents
    where incidents.id < before and incidents.gate is not null and (wanted is null or incidents.gate = wanted)
    order by incidents.id desc
    limit p_most
  );
end
$$;

comment on function ops_internal.held_back_page is
  'The latest errors for which no fix ran, that fit the filters gate and pattern, from one of them on. The gate no_fix stands for errors for which there was no fix at all.';

create function ops_internal.console_held_back(p_filters jsonb) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  most constant integer := 50;
  found bigint [];
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  found := ops_internal.held_back_page(p_filters, most + 1);
  return jsonb_build_object(
    'errors', (
      select coalesce(jsonb_agg(to_jsonb(listed) - 'place' order by listed.place), '[]')
      from (
        select
          named.place, incidents.id, incidents.occurred_at, incidents.gate, left(incidents.refusal, 1000) as refusal,
          incidents.system_log_id, incidents.counts, patterns.pattern_id, patterns.status, patterns.has_running_fix,
          patterns.metadata ->> 'symptom' is not null as is_symptom,
          left(patterns.metadata ->> 'template', 400) as template, left(logs.source, 200) as source
        from unnest(found) with ordinality as named (id, place)
        inner join ops.pattern_incidents as incidents on incidents.id = named.id
        inner join ops.error_patterns as patterns on patterns.pattern_id = incidents.pattern_id
        left join ops.system_logs as logs on logs.id = incidents.system_log_id
        where named.place <= most
      ) as listed
    ),
    'next', case when cardinality(found) > most then found [most] end,
    'pattern', (
      select left(patterns.metadata ->> 'template', 400)
      from ops.error_patterns as patterns
      where patterns.pattern_id = (p_filters ->> 'pattern')::uuid
    )
  );
end
$$;

create function ops.console_held_back_v1(p_filters jsonb default '{}') returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_held_back(p_filters) $$;

comment on function ops.console_held_back_v1 is
  'The latest 50 errors for which no fix ran, and what kept it from them, that fit the filters gate and pattern, from before on. For operators.';
