-- Approval. A person proposes a fix, the engine tries it, and an administrator approves or rejects exactly these bytes; or an
-- administrator approves a fix without a proposal. Each step is one transaction, and every version is kept.

create function ops_internal.approved(p_pattern ops.error_patterns, p_fix ops.pattern_fixes) returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(p_pattern) || jsonb_build_object(
    'fix', jsonb_build_object(
      'version', p_fix.version, 'sha256', p_fix.sha256, 'mode', p_fix.mode,
      'ends_at', p_fix.ends_at, 'max_heals', p_fix.max_heals, 'heals', p_fix.heals
    )
    || ops_internal.guard_coverage(
      p_pattern.pattern_id, ops_internal.whole_guard(p_fix.pattern_id, p_fix.version, p_fix.guard), p_fix.trusted_writers
    )
  )
$$;

comment on function ops_internal.approved is
  'A pattern, and under fix the version that was approved, with its guard and what is outside it.';

create function ops_internal.put_in_use(
  p_fix ops.pattern_fixes, p_person uuid, p_mode text, p_reason text, p_ends_at timestamptz, p_max_heals integer
) returns ops.pattern_fixes
language plpgsql
set search_path = ''
as $$
declare
  is_change constant boolean := p_fix.mode <> p_mode;
  fix ops.pattern_fixes;
  pattern ops.error_patterns;
begin
  perform ops_internal.require_terms(p_ends_at, p_max_heals);
  update ops.pattern_fixes set
    mode = p_mode,
    mode_changed_at = case when is_change then clock_timestamp() else mode_changed_at end,
    mode_changed_by = case when is_change then p_person else mode_changed_by end,
    mode_reason = case when is_change then p_reason else mode_reason end,
    is_on_probation = is_on_probation or p_fix.mode = 'demoted',
    ends_at = coalesce(p_ends_at, ends_at),
    max_heals = coalesce(p_max_heals, max_heals),
    heals = case when is_change or p_max_heals is not null or heals >= max_heals then 0 else heals end
  where pattern_fixes.id = p_fix.id
  returning * into fix;
  perform ops_internal.refuse_if(
    ops_internal.over_because(fix) is not null, 'PL022',
    'the approval of this fix is over: ' || ops_internal.over_because(fix), 'Send a new ends_at, in the future.'
  );
  fix := ops_internal.rate_fix(fix);
  pattern := ops_internal.show_fix(fix.pattern_id, true);

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'fix_enabled', 'info', 'A fix was enabled: ' || pattern.pattern_signature, p_person,
    jsonb_build_object(
      'pattern_id', fix.pattern_id, 'version', fix.version, 'sha256', fix.sha256, 'former_mode', p_fix.mode, 'reason', p_reason,
      'ends_at', fix.ends_at, 'max_heals', fix.max_heals
    )
  );
  return fix;
end
$$;

comment on function ops_internal.put_in_use is
  'Has an approved fix run from now on, or a shadow go on, on these terms; a term that is null stays as it was, and runs are counted from 0 again. Answers the fix. Raises PL022 where its approval would be over. The caller has locked the pattern.';

create function ops_internal.approve_pattern(
  p_pattern_id uuid, p_fix jsonb, p_approved_by uuid, p_mode text, p_ends_at timestamptz, p_max_heals integer
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  fix ops.pattern_fixes;
  pattern ops.error_patterns;
  live ops.pattern_fixes;
begin
  if p_approved_by is distinct from person then
    raise exception using
      errcode = 'PL012',
      message = 'approved_by is not you',
      detail = format('You are %s; approved_by is %s.', person, p_approved_by),
      hint = 'Send your own user id as approved_by.';
  end if;
  fix := ops_internal.composed_fix(p_pattern_id, p_fix);
  fix.mode := p_mode;
  fix.proposed_by := person;
  fix.ends_at := p_ends_at;
  fix.max_heals := p_max_heals;

  pattern := ops_internal.lock_pattern(p_pattern_id);
  perform ops_internal.require_cause(pattern);
  for live in
    select fixes.* from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_pattern_id and fixes.disabled_at is null and fixes.mode = p_mode
      and ops_internal.over_because(fixes) is null
    order by fixes.version
  loop
    -- What was seen since its approval does not make another fix of it.
    if (ops_internal.with_guard(fix, live.guard)).sha256 = live.sha256 then
      if coalesce(p_ends_at, live.ends_at) is distinct from live.ends_at or coalesce(p_max_heals, live.max_heals) is distinct from live.max_heals then
        live := ops_internal.put_in_use(live, person, p_mode, null, p_ends_at, p_max_heals);
      end if;
      return ops_internal.approved(pattern, live);
    end if;
  end loop;
  fix := ops_internal.guarded(fix);
  perform ops_internal.replace_expired(fix, person);
  perform ops_internal.require_room(fix, fix.guard);
  pattern := ops_internal.pin_fix(fix, person);
  return ops_internal.approved(pattern, ops_internal.latest_fix(p_pattern_id));
end
$$;

create function ops.approve_pattern_v1(
  p_pattern_id uuid, p_fix jsonb, p_approved_by uuid, p_mode text default 'live', p_ends_at timestamptz default null,
  p_max_heals integer default null
) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.approve_pattern(p_pattern_id, p_fix, p_approved_by, p_mode, p_ends_at, p_max_heals) $$;

comment on function ops.approve_pattern_v1 is
  'Approves a fix for a pattern as its next version, live or as a shadow, until p_ends_at and for p_max_heals runs if they are given; answers the pattern and, under fix, the guard and what is outside it. For an ops_admin in person; the same fix twice changes nothing but these terms, another one whose guard overlaps raises PL003. What a fix is made of: see ops_internal.composed_fix.';

create function ops_internal.enable_fix(
  p_pattern_id uuid, p_sha256 text, p_reason text, p_two_people boolean, p_ends_at timestamptz, p_max_heals integer
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
  fix ops.pattern_fixes := ops_internal.live_fix(p_pattern_id, null, coalesce(p_sha256, ''));
begin
  if fix.mode = 'live' and p_ends_at is null and p_max_heals is null and ops_internal.over_because(fix) is null then
    return to_jsonb(pattern);
  end if;
  -- Enabling a shadow decides that it runs, as approving does. So the same two people are needed.
  if p_two_people and fix.proposed_by = person then
    raise exception using
      errcode = 'PL029',
      message = 'you proposed this fix; another administrator has to enable it',
      hint = 'Ask another administrator to POST /enable with this digest.';
  end if;
  perform ops_internal.put_in_use(fix, person, 'live', p_reason, p_ends_at, p_max_heals);
  select patterns.* into pattern from ops.error_patterns as patterns where patterns.pattern_id = p_pattern_id;
  return to_jsonb(pattern);
end
$$;

create function ops.enable_fix_v1(
  p_pattern_id uuid, p_sha256 text, p_reason text default null, p_two_people boolean default false,
  p_ends_at timestamptz default null, p_max_heals integer default null
) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.enable_fix(p_pattern_id, p_sha256, p_reason, p_two_people, p_ends_at, p_max_heals) $$;

comment on function ops.enable_fix_v1 is
  'Makes a shadow live, enables a demoted fix on probation or one whose approval is over, and gives a fix other terms. Only the fix with this digest is enabled. For an ops_admin in person; raises PL022 where the approval would be over at once.';

create function ops_internal.disable_pattern(p_pattern_id uuid, p_reason text, p_version integer, p_sha256 text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
begin
  perform ops_internal.lock_pattern(p_pattern_id);
  return to_jsonb(ops_internal.switch_off(ops_internal.live_fix(p_pattern_id, p_version, p_sha256), person, p_reason));
end
$$;

create function ops.disable_pattern_v1(
  p_pattern_id uuid, p_reason text default null, p_version integer default null, p_sha256 text default null
) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.disable_pattern(p_pattern_id, p_reason, p_version, p_sha256) $$;

comment on function ops.disable_pattern_v1 is
  'Disables a fix of a pattern for good, of several the one with this version or digest: to use it again takes a new approval. For an ops_operator or ops_admin in person.';

create table ops.fix_proposals (
  id bigserial primary key,
  proposal_id uuid not null unique default gen_random_uuid(),
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  fix jsonb not null,
  guard jsonb,
  sha256 text not null,
  based_on_version integer,
  analysis jsonb not null,
  dry_run jsonb,
  replay jsonb,
  previewed_at timestamptz,
  proposed_by uuid not null,
  proposed_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  decision text constraint fix_proposals_decision_known check (decision in ('approved', 'rejected')),
  decided_by uuid,
  decided_at timestamptz,
  decision_reason text,
  constraint fix_proposals_decided_whole check (
    (decision is null) = (decided_at is null) and (decision is null) = (decided_by is null)
  )
);

comment on table ops.fix_proposals is
  'Proposed fixes with their analysis, dry-run, replay and decision. Rejected and expired ones are kept.';
comment on column ops.fix_proposals.id is 'Order of proposing.';
comment on column ops.fix_proposals.proposal_id is 'Stable id.';
comment on column ops.fix_proposals.pattern_id is 'The pattern whose errors the fix is meant for.';
comment on column ops.fix_proposals.fix is
  'Type, scripts, parameters, and what the analysis found that it touches, as ops_internal.composed_fix takes them.';
comment on column ops.fix_proposals.guard is
  'The guard that would be approved, out of what the errors had named when the fix was proposed; see ops.pattern_fixes.';
comment on column ops.fix_proposals.sha256 is 'Digest of what would be approved. A decision has to name the same digest.';
comment on column ops.fix_proposals.based_on_version is
  'The latest version of a fix of the pattern when this one was proposed. A later version for some of the same errors makes the proposal stale.';
comment on column ops.fix_proposals.analysis is 'What the script does, as its static analysis says.';
comment on column ops.fix_proposals.dry_run is
  'SQL: the rows by table that a real run touched, which was undone, and the tables of which it touched every row. Other types: a plan of what would be called.';
comment on column ops.fix_proposals.replay is
  'A simulation over stored errors: which of them would have fired the fix, which not and why, and how many rows each run touches.';
comment on column ops.fix_proposals.previewed_at is 'When dry-run and replay were made.';
comment on column ops.fix_proposals.proposed_by is 'Who proposed it.';
comment on column ops.fix_proposals.proposed_at is
  'When it was proposed. Signatures that came to the pattern later would not fire the fix.';
comment on column ops.fix_proposals.expires_at is 'A decision after this is refused.';
comment on column ops.fix_proposals.decision is 'approved or rejected; null while it is open.';
comment on column ops.fix_proposals.decided_by is 'Who approved or rejected it.';
comment on column ops.fix_proposals.decided_at is 'When it was approved or rejected.';
comment on column ops.fix_proposals.decision_reason is 'Why it was approved or rejected.';

create index idx_fix_proposals_pattern on ops.fix_proposals (pattern_id, id desc);
-- What is open, by the time at which it expires.
create index idx_fix_proposals_open on ops.fix_proposals (expires_at) where decision is null;

alter table ops.fix_proposals enable row level security;

create policy "Operators read proposals" on ops.fix_proposals
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.require_proposal(p_proposal_id uuid) returns ops.fix_proposals
language plpgsql
set search_path = ''
as $$
declare
  proposal ops.fix_proposals;
begin
  select * into proposal from ops.fix_proposals where fix_proposals.proposal_id = p_proposal_id for update;
  if not found then
    raise exception using
      errcode = 'PL027',
      message = format('there is no proposal %s', p_proposal_id),
      hint = 'GET /proposals lists them, with their ids.';
  end if;
  return proposal;
end
$$;

comment on function ops_internal.require_proposal is
  'The proposal, locked until the end of the transaction. Raises PL027 where there is none.';

create function ops_internal.closed_because(p_proposal ops.fix_proposals) returns text
language sql
stable
set search_path = ''
as $$
  select case
    when p_proposal.decision is not null
      then format('it was %s by %s at %s', p_proposal.decision, p_proposal.decided_by, p_proposal.decided_at)
    when p_proposal.expires_at <= clock_timestamp() then format('it expired at %s', p_proposal.expires_at)
    else (
      select format('version %s of the fix was approved since', max(later.version))
      from ops.pattern_fixes as later
      where later.pattern_id = p_proposal.pattern_id
        and later.version > coalesce(p_proposal.based_on_version, 0)
        and ops_internal.guards_overlap(later.guard, p_proposal.guard)
      having count(*) > 0
    )
  end
$$;

comment on function ops_internal.closed_because is
  'Why a proposal can no longer be decided on: decided, expired, or stale; null while it is open.';

create function ops_internal.shown_proposal(p_proposal ops.fix_proposals) returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(p_proposal) - 'id' || jsonb_build_object(
    'closed_because', ops_internal.closed_because(p_proposal),
    'identifiers', ops_internal.common_identifiers(p_proposal.pattern_id, 50)
  )
$$;

comment on function ops_internal.shown_proposal is 'A proposal as it is answered.';

create function ops_internal.require_open(p_proposal ops.fix_proposals) returns void
language plpgsql
set search_path = ''
as $$
declare
  problem constant text := ops_internal.closed_because(p_proposal);
begin
  if problem is not null then
    raise exception using
      errcode = 'PL028',
      message = 'nobody can decide on this proposal any more: ' || problem,
      hint = 'POST /propose makes a new one.';
  end if;
end
$$;

comment on function ops_internal.require_open is 'Raises PL028 for a proposal that was decided, is expired, or is stale.';

create function ops_internal.propose_fix(p_pattern_id uuid, p_fix jsonb, p_analysis jsonb, p_seconds double precision) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pattern constant ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
  fix constant ops.pattern_fixes := ops_internal.guarded(ops_internal.composed_fix(p_pattern_id, p_fix));
  proposal ops.fix_proposals;
begin
  perform ops_internal.require_cause(pattern);
  perform ops_internal.require_granted(fix);
  if p_seconds is null or p_seconds not between 1 and 31536000 or jsonb_typeof(p_analysis) is distinct from 'object' then
    raise exception using
      errcode = 'PL022',
      message = 'the proposal has no analysis or no valid length',
      hint = 'Send the analysis as an object, and a length from 1 second to 365 days.';
  end if;
  insert into ops.fix_proposals (pattern_id, fix, guard, sha256, based_on_version, analysis, proposed_by, expires_at)
  values (
    p_pattern_id, p_fix, fix.guard, fix.sha256, (ops_internal.latest_fix(p_pattern_id)).version, p_analysis, person,
    clock_timestamp() + make_interval(secs => p_seconds)
  )
  returning * into proposal;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'fix_proposed', 'info', 'A fix was proposed: ' || pattern.pattern_signature, person,
    jsonb_build_object('pattern_id', p_pattern_id, 'proposal_id', proposal.proposal_id, 'sha256', fix.sha256, 'auto_fix_type', fix.fix_type)
  );
  return ops_internal.shown_proposal(proposal);
end
$$;

create function ops.propose_fix_v1(p_pattern_id uuid, p_fix jsonb, p_analysis jsonb, p_seconds double precision) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.propose_fix(p_pattern_id, p_fix, p_analysis, p_seconds) $$;

comment on function ops.propose_fix_v1 is
  'Proposes a fix for a pattern; the proposal can be decided on for so many seconds, and nothing runs by it. For an ops_operator or ops_admin in person.';

create function ops_internal.open_proposal(p_proposal_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
set jit = off
as $$
declare
  proposal ops.fix_proposals;
begin
  perform ops_internal.require_person(array['ops_operator', 'ops_admin']);
  proposal := ops_internal.require_proposal(p_proposal_id);
  perform ops_internal.require_open(proposal);
  return ops_internal.shown_proposal(proposal);
end
$$;

create function ops.open_proposal_v1(p_proposal_id uuid) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.open_proposal(p_proposal_id) $$;

comment on function ops.open_proposal_v1 is
  'A proposal that can be tried or decided on. For an ops_operator or ops_admin in person; raises PL027 where there is none, PL028 where it was decided, has expired or is stale.';

create function ops_internal.proposed_fix(
  in p_proposal_id uuid,
  out script text, out parameters jsonb, out tables text [], out sample_table text, out sample_script text
)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  proposal ops.fix_proposals;
  fix ops.pattern_fixes;
begin
  select * into proposal from ops.fix_proposals where fix_proposals.proposal_id = p_proposal_id;
  if not found then
    raise exception using errcode = 'PL027', message = format('there is no proposal %s', p_proposal_id);
  end if;
  perform ops_internal.require_open(proposal);
  fix := ops_internal.composed_fix(proposal.pattern_id, proposal.fix);
  script := fix.prepared_script;
  parameters := fix.parameters;
  tables := fix.tables;
  sample_table := fix.sample_table;
  sample_script := fix.sample_script;
end
$$;

comment on function ops_internal.proposed_fix is
  'What a rehearsal of an open proposal runs. Raises PL027 or PL028 where there is none.';

create function ops.rehearse_proposal_v1(p_proposal_id uuid, p_errors jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  error jsonb;
  outcomes jsonb := '[]'::jsonb;
  state text;
  problem text;
  hint text;
begin
  perform ops_internal.require_engine();
  for error in select elements.error from jsonb_array_elements(p_errors) with ordinality as elements (error, place) order by elements.place loop
    begin
      perform ops_internal.require_grants(proposed.tables) from ops_internal.proposed_fix(p_proposal_id) as proposed;
      outcomes := outcomes || (fix.rehearse(p_proposal_id, error) || '{"success": true, "error": null}');
    exception when others then
      get stacked diagnostics state = returned_sqlstate, problem = message_text, hint = pg_exception_hint;
      if state in ('PL027', 'PL028') then
        raise;
      end if;
      outcomes := outcomes || jsonb_build_object(
        'success', false, 'sqlstate', state, 'error', ops_internal.public_error_message(state, problem, null, hint),
        'rows_touched', 0, 'tables', '{}'::jsonb, 'whole_tables', '[]'::jsonb, 'rows_before', null, 'rows_after', null
      );
    end;
  end loop;
  insert into ops.roman_events (event_type, severity, description, metadata)
  select
    'fix_rehearsed', 'info', 'A proposed fix was rehearsed, and each run was undone',
    jsonb_build_object(
      'pattern_id', proposals.pattern_id, 'proposal_id', proposals.proposal_id, 'sha256', proposals.sha256,
      'runs', jsonb_array_length(outcomes),
      'rows_touched', jsonb_path_query_array(outcomes, '$[*].rows_touched')
    )
  from ops.fix_proposals as proposals
  where proposals.proposal_id = p_proposal_id;
  return outcomes;
end
$$;

comment on function ops.rehearse_proposal_v1 is
  'Runs a proposed SQL fix for real, once for each of these errors, and undoes each run: answers what each touched, in order. Sequences that it draws from stay drawn.';

create function ops.note_preview_v1(p_proposal_id uuid, p_dry_run jsonb, p_replay jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  proposal ops.fix_proposals;
begin
  perform ops_internal.require_engine();
  proposal := ops_internal.require_proposal(p_proposal_id);
  perform ops_internal.require_open(proposal);
  update ops.fix_proposals set
    dry_run = p_dry_run,
    replay = p_replay || jsonb_build_object(
      'guard',
      ops_internal.guard_coverage(
        proposal.pattern_id, proposal.guard, ops_internal.trusted_writers(proposal.fix -> 'parameters')
      )
    ),
    previewed_at = clock_timestamp()
  where fix_proposals.id = proposal.id
  returning * into proposal;
  insert into ops.roman_events (event_type, severity, description, metadata)
  values (
    'fix_previewed', 'info', 'The preview of a proposed fix was stored',
    jsonb_build_object(
      'pattern_id', proposal.pattern_id, 'proposal_id', p_proposal_id, 'sha256', proposal.sha256,
      'rows_touched', p_dry_run -> 'rows_touched'
    )
  );
  return ops_internal.shown_proposal(proposal);
end
$$;

comment on function ops.note_preview_v1 is
  'Stores dry-run and replay of an open proposal, with rows scrubbed, and with what is outside its guard. For the engine alone; answers the proposal.';

create function ops.incidents_for_replay_v1(p_pattern_id uuid, p_guard jsonb, p_limit integer, p_policy jsonb) returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select ops_internal.require_engine();

  select coalesce(jsonb_agg(to_jsonb(stored) order by stored.created_at desc), '[]')
  from (
    select
      logs.id, left(logs.message, 65536) as message, left(logs.source, 1000) as source, logs.log_level, logs.created_at, logs.written_by,
      ops_internal.bounded_error_data(logs.error_data) as error_data,
      left(logs.environment, 200) as environment, left(logs.release, 200) as release, true as learned,
      incidents.identifiers, ops_internal.guard_admits(p_guard, incidents.identifiers) as is_inside_guard,
      ops_internal.load_part(incidents.pattern_id, p_policy, logs.created_at) as load
    from (values (true), (false)) as kinds (counts)
    -- Errors that do not count fill what room the others leave, however many they are.
    cross join lateral (
      select each.*
      from ops.pattern_incidents as each
      where each.pattern_id = p_pattern_id
        and each.counts = kinds.counts
        and exists (select from ops.system_logs as kept where kept.id = each.system_log_id)
      order by each.occurred_at desc
      limit least(greatest(p_limit, 1), 100)
    ) as incidents
    inner join ops.system_logs as logs on logs.id = incidents.system_log_id
    order by incidents.counts desc, incidents.occurred_at desc
    limit least(greatest(p_limit, 1), 100)
  ) as stored
$$;

comment on function ops.incidents_for_replay_v1 is
  'The latest errors of a pattern that are still in the log, those that count before others, newest first, each with whether this guard admits it, and what Law 2 says of the errors of the five minutes before it. For the engine.';

create function ops_internal.decide_fix(
  p_proposal_id uuid, p_sha256 text, p_decision text, p_reason text, p_mode text, p_two_people boolean, p_ends_at timestamptz,
  p_max_heals integer
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  proposal ops.fix_proposals := ops_internal.require_proposal(p_proposal_id);
  fix ops.pattern_fixes;
  pattern ops.error_patterns;
begin
  pattern := ops_internal.lock_pattern(proposal.pattern_id);
  perform ops_internal.require_open(proposal);
  if proposal.sha256 is distinct from p_sha256 then
    raise exception using
      errcode = 'PL006',
      message = 'the digest is not that of the proposed fix',
      detail = format('The proposal has digest %s.', proposal.sha256),
      hint = 'Read the fix again, and send the digest of what you have read.';
  end if;

  if p_decision = 'approve' then
    perform ops_internal.require_cause(pattern);
    if p_two_people and proposal.proposed_by = person then
      raise exception using
        errcode = 'PL029',
        message = 'you proposed this fix; another administrator has to approve it',
        hint = 'Ask another administrator to POST /decide with this digest.';
    end if;
    fix := ops_internal.with_guard(ops_internal.composed_fix(proposal.pattern_id, proposal.fix), proposal.guard);
    perform ops_internal.replace_expired(fix, person);
    perform ops_internal.require_room(fix, fix.guard);
    if fix.sha256 <> proposal.sha256 then
      raise exception using
        errcode = 'PL006', message = 'the stored proposal was changed since it was made', hint = 'POST /propose makes a new one.';
    end if;
    -- The First Law would forbid every run of such a fix.
    if (proposal.dry_run ->> 'rows_touched')::integer > fix.max_rows then
      raise exception using
        errcode = 'PL013',
        message = format('the dry-run touched %s rows; max_rows is %s', proposal.dry_run ->> 'rows_touched', fix.max_rows),
        hint = 'Propose it again, with a narrower WHERE or a larger max_rows.';
    end if;
    fix.mode := p_mode;
    fix.mode_reason := p_reason;
    fix.proposal_id := p_proposal_id;
    fix.proposed_by := proposal.proposed_by;
    fix.dry_run_rows := (proposal.dry_run ->> 'rows_touched')::integer;
    fix.trusts_until := proposal.proposed_at;
    fix.ends_at := p_ends_at;
    fix.max_heals := p_max_heals;
    pattern := ops_internal.pin_fix(fix, person);
  elsif p_decision = 'reject' then
    insert into ops.roman_events (event_type, severity, description, actor, metadata)
    values (
      'fix_rejected', 'info', 'A proposed fix was rejected: ' || pattern.pattern_signature, person,
      jsonb_build_object('pattern_id', proposal.pattern_id, 'proposal_id', p_proposal_id, 'reason', p_reason)
    );
  else
    raise exception using
      errcode = 'PL022', message = format('the decision is %s', p_decision), hint = 'Send approve or reject.';
  end if;

  update ops.fix_proposals set
    decision = case p_decision when 'approve' then 'approved' else 'rejected' end,
    decided_by = person,
    decided_at = clock_timestamp(),
    decision_reason = p_reason
  where fix_proposals.id = proposal.id
  returning * into proposal;
  return jsonb_build_object('proposal', ops_internal.shown_proposal(proposal), 'pattern', to_jsonb(pattern));
end
$$;

create function ops.decide_fix_v1(
  p_proposal_id uuid, p_sha256 text, p_decision text, p_reason text, p_mode text default 'live', p_two_people boolean default false,
  p_ends_at timestamptz default null, p_max_heals integer default null
) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.decide_fix(p_proposal_id, p_sha256, p_decision, p_reason, p_mode, p_two_people, p_ends_at, p_max_heals) $$;

comment on function ops.decide_fix_v1 is
  'Approves a proposal, until p_ends_at and for p_max_heals runs if they are given, or rejects it; only the one with this digest. For an ops_admin in person. Where two people are asked for, the engine also refuses to run a fix that one person proposed and approved.';

create function ops_internal.fix_proposals(p_pattern_id uuid, p_open_only boolean, p_limit integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    select coalesce(jsonb_agg(ops_internal.shown_proposal(listed) order by listed.id desc), '[]')
    from (
      select proposals.*
      from ops.fix_proposals as proposals
      where (p_pattern_id is null or proposals.pattern_id = p_pattern_id)
        and (not p_open_only or ops_internal.closed_because(proposals) is null)
      order by proposals.id desc
      limit least(greatest(p_limit, 1), 100)
    ) as listed
  );
end
$$;

create function ops.fix_proposals_v1(p_pattern_id uuid default null, p_open_only boolean default true, p_limit integer default 20) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.fix_proposals(p_pattern_id, p_open_only, p_limit) $$;

comment on function ops.fix_proposals_v1 is
  'Proposals, newest first, of one pattern or of all, those still open or all. For operators and the engine.';

-- For a pattern without a fix: fixes that helped similar patterns, as drafts for a proposal.

create function ops_internal.suggested_fixes(p_pattern_id uuid, p_limit integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    with near as (
      select (similar_ones.entry ->> 'pattern_id')::uuid as pattern_id, (similar_ones.entry ->> 'score')::numeric as score
      from jsonb_array_elements(ops_internal.similar_patterns(p_pattern_id, 50)) as similar_ones (entry)
    ),

    related as (
      select near.pattern_id, near.score, false as is_clustered from near
      union all
      select members.pattern_id, null, true
      from ops.pattern_clusters as clusters
      cross join unnest(clusters.pattern_ids) as members (pattern_id)
      where p_pattern_id = any(clusters.pattern_ids) and members.pattern_id <> p_pattern_id
    ),

    once as (
      select related.pattern_id, max(related.score) as score, bool_or(related.is_clustered) as in_same_cluster
      from related
      group by related.pattern_id
    ),

    drafts as (
      select
        patterns.pattern_id, patterns.pattern_signature, patterns.pattern_type, patterns.metadata ->> 'template' as template,
        once.score, once.in_same_cluster,
        fixes.fix_type as auto_fix_type, fixes.script as auto_fix_script, fixes.parameters as auto_fix_parameters,
        fixes.undo_script, fixes.version, fixes.disabled_at is null and fixes.mode = 'live' as is_live,
        fixes.success_rate, fixes.confidence_score, fixes.confidence_lower_bound, fixes.confidence_outcomes,
        (
          select jsonb_build_object(
            'verified', count(*) filter (where verifications.outcome = 'verified'),
            'failed', count(*) filter (where verifications.outcome = 'failed'),
            'inconclusive', count(*) filter (where verifications.outcome = 'inconclusive'),
            'pending', count(*) filter (where verifications.outcome = 'pending')
          )
          from ops.pattern_verifications as verifications
          where verifications.pattern_id = fixes.pattern_id
            and verifications.fix_version = fixes.version
            and verifications.mode = 'live'
        ) as track_record
      from once
      inner join ops.error_patterns as patterns on patterns.pattern_id = once.pattern_id
      -- As latest_fix() has it, which is too slow to be asked for each of the thousands of a cluster.
      cross join lateral (
        select latest.*
        from ops.pattern_fixes as latest
        where latest.pattern_id = patterns.pattern_id
        order by latest.version desc
        limit 1
      ) as fixes
      -- A fix without outcomes comes before fixes that are known not to help.
      order by coalesce(fixes.confidence_lower_bound, 0.05) desc, once.score desc nulls last, patterns.id
      limit least(greatest(p_limit, 1), 50)
    )

    select coalesce(
      jsonb_agg(
        to_jsonb(drafts)
        order by coalesce(drafts.confidence_lower_bound, 0.05) desc, drafts.score desc nulls last, drafts.pattern_id
      ),
      '[]'
    )
    from drafts
  );
end
$$;

create function ops.suggested_fixes_v1(p_pattern_id uuid, p_limit integer default 10) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.suggested_fixes(p_pattern_id, p_limit) $$;

comment on function ops.suggested_fixes_v1 is
  'Fixes of patterns that are similar by template or in the same cluster, with their outcomes, the most successful first. Drafts: propose one to use it. For operators and the engine.';
