-- Fixes: every version that a person approved, the errors that workers took for them, what each run did, and whether the
-- error stopped.

create table ops.pattern_fixes (
  id bigserial primary key,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  version integer not null,
  fix_type text not null
  constraint pattern_fixes_type_known check ((ops_internal.fix_limits(fix_type)).max_rows is not null),
  script text not null,
  prepared_script text not null,
  undo_script text,
  prepared_undo_script text,
  sample_table text,
  sample_script text,
  parameters jsonb not null,
  timeout_ms integer not null constraint pattern_fixes_timeout_in_bounds check (timeout_ms between 1 and (ops_internal.fix_limits(fix_type)).max_timeout_ms),
  max_retries integer not null constraint pattern_fixes_retries_in_bounds check (max_retries between 0 and (ops_internal.fix_limits(fix_type)).max_retries),
  max_rows integer not null constraint pattern_fixes_rows_in_bounds check (max_rows between 1 and (ops_internal.fix_limits(fix_type)).max_rows),
  trusted_writers text [] not null,
  target text [] not null,
  guard jsonb constraint pattern_fixes_guard_of_tuples check (jsonb_typeof(guard) = 'array' and guard <> '[]'),
  tables text [] not null,
  hosts text [] not null,
  secrets jsonb not null,
  sha256 text not null,
  mode text not null default 'live' constraint pattern_fixes_mode_known check (mode in ('live', 'shadow', 'demoted', 'expired')),
  mode_changed_at timestamptz not null default clock_timestamp(),
  mode_changed_by uuid,
  mode_reason text,
  is_on_probation boolean not null default false,
  proposal_id uuid,
  proposed_by uuid,
  dry_run_rows integer,
  approved_by uuid not null,
  approved_at timestamptz not null default clock_timestamp(),
  trusts_until timestamptz not null default clock_timestamp(),
  ends_at timestamptz,
  max_heals integer constraint pattern_fixes_heals_in_bounds check (max_heals between 1 and 100000),
  heals integer not null default 0,
  disabled_by uuid,
  disabled_at timestamptz,
  disabled_reason text,
  success_rate numeric(5, 2) not null default 0.00,
  confidence_score numeric(3, 2) not null default 0.50,
  confidence_lower_bound numeric(5, 4),
  confidence_outcomes numeric(8, 2) not null default 0,
  consecutive_failures integer not null default 0,
  rated_at timestamptz not null default clock_timestamp(),
  unique (pattern_id, version),
  constraint pattern_fixes_undo_prepared check ((undo_script is null) = (prepared_undo_script is null)),
  constraint pattern_fixes_sample_whole check ((sample_script is null) = (sample_table is null))
);

comment on table ops.pattern_fixes is
  'Every version of every approved fix. Only people write it, through ops.approve_pattern_v1, ops.decide_fix_v1, ops.enable_fix_v1, ops.disable_pattern_v1 and ops.start_rollback_v1; the secret key can only have the engine demote or disable a fix.';
comment on column ops.pattern_fixes.id is 'Order of approval.';
comment on column ops.pattern_fixes.pattern_id is 'The pattern that it heals.';
comment on column ops.pattern_fixes.version is
  '1, 2, … within the pattern. Several are live at the same time only where no error can be inside the guards of two of them.';
comment on column ops.pattern_fixes.fix_type is 'sql, typescript, bash or api_call.';
comment on column ops.pattern_fixes.script is 'The script as the person typed it.';
comment on column ops.pattern_fixes.prepared_script is
  'What runs: the same statements with every table name qualified. The engine derives it again before each run.';
comment on column ops.pattern_fixes.undo_script is
  'A script of the same type that takes a run back, for POST /rollback; null where there is none.';
comment on column ops.pattern_fixes.prepared_undo_script is
  'The text that runs to undo a run: the undo script with every table name qualified.';
comment on column ops.pattern_fixes.sample_table is 'The one table that the script changes, where it changes one alone.';
comment on column ops.pattern_fixes.sample_script is 'Reads at most five of the rows that the script is about to change.';
comment on column ops.pattern_fixes.parameters is 'The approval''s parameters; SQL sees them as $1.';
comment on column ops.pattern_fixes.timeout_ms is 'A run with all its retries is stopped after this many milliseconds.';
comment on column ops.pattern_fixes.max_retries is
  'How often a run is tried again where a second try is safe: for SQL after a deadlock or a serialisation failure.';
comment on column ops.pattern_fixes.max_rows is 'Rows that a run may touch, cascades included. A run that touches more is undone.';
comment on column ops.pattern_fixes.trusted_writers is 'Database roles whose log rows fire the fix.';
comment on column ops.pattern_fixes.target is
  'Names of the captured values that distinguish one target from another: cooldown and recurrence are decided for each target. Empty: for the whole pattern.';
comment on column ops.pattern_fixes.guard is
  'A list of tuples of identifiers, such as {"constraint": "orders_pkey", "table": "orders"}: the fix runs only for errors that name one of them, or one that is in ops.fix_confirmations. Null: the errors of the pattern named none, and the fix runs for all.';
comment on column ops.pattern_fixes.tables is 'The tables that the script names.';
comment on column ops.pattern_fixes.hosts is 'The hosts that the script may reach.';
comment on column ops.pattern_fixes.secrets is 'The Vault secrets that the fix uses, each with the hosts that it is sent to.';
comment on column ops.pattern_fixes.sha256 is 'Digest of scripts, type, parameters, limits and guard.';
comment on column ops.pattern_fixes.mode is
  'live: runs without being asked; shadow: everything is done but the run; demoted: failed too often, expired: its approval is over; neither runs until a person enables it. Changes are in ops.roman_events.';
comment on column ops.pattern_fixes.mode_changed_at is
  'Since when the fix has this mode. Only outcomes since then count against it.';
comment on column ops.pattern_fixes.mode_changed_by is 'Who changed the mode; null for the engine.';
comment on column ops.pattern_fixes.mode_reason is 'Why the mode was changed.';
comment on column ops.pattern_fixes.is_on_probation is
  'The fix was demoted and a person enabled it again. If it fails again, it is disabled.';
comment on column ops.pattern_fixes.proposal_id is 'The proposal that was approved; null where it was approved without one.';
comment on column ops.pattern_fixes.proposed_by is 'Who proposed it.';
comment on column ops.pattern_fixes.dry_run_rows is 'Rows that the dry-run before the approval touched; null without one.';
comment on column ops.pattern_fixes.approved_by is 'Who approved it. Kept after the account is deleted.';
comment on column ops.pattern_fixes.approved_at is 'When the fix was approved.';
comment on column ops.pattern_fixes.trusts_until is
  'Signatures that came to the pattern after this time do not fire the fix, since its approver did not see them. The time of the proposal, if there was one, else of the approval.';
comment on column ops.pattern_fixes.ends_at is 'When the approval ends; null for none. The fix then does not run until a person approves it again.';
comment on column ops.pattern_fixes.max_heals is
  'How many runs the approval is for, whatever their outcome; null for any number. Then a person has to approve the fix again.';
comment on column ops.pattern_fixes.heals is 'How many runs have begun under this approval; counted only where it is for a number of runs.';
comment on column ops.pattern_fixes.disabled_by is 'Who disabled the fix; null for the engine.';
comment on column ops.pattern_fixes.disabled_at is 'When the fix was disabled; null while it is not.';
comment on column ops.pattern_fixes.disabled_reason is 'Why the fix was disabled.';
comment on column ops.pattern_fixes.success_rate is
  'Runs after which the error stayed away, percent of those decided, 0.00 to 100.00. Earlier versions for the same errors count, too.';
comment on column ops.pattern_fixes.confidence_score is
  '0.50 at first, then by the last ten decided outcomes of this and of earlier versions for the same errors.';
comment on column ops.pattern_fixes.confidence_lower_bound is
  'With 95 % certainty this version helps at least this often: the 5 % quantile of a Beta distribution over its outcomes, in which older ones count less. Null before the first outcome.';
comment on column ops.pattern_fixes.confidence_outcomes is
  'How many outcomes the lower bound rests on; an outcome of 30 days ago counts as half of one.';
comment on column ops.pattern_fixes.consecutive_failures is
  'Failed outcomes of this version in a row, since it was last put in use.';
comment on column ops.pattern_fixes.rated_at is 'When these figures were computed.';

-- A job looks every minute for approvals that have ended.
create index idx_pattern_fixes_ending on ops.pattern_fixes (ends_at) where ends_at is not null and disabled_at is null;
-- What is out of use, and no person has disabled.
create index idx_pattern_fixes_out_of_use on ops.pattern_fixes (pattern_id)
  where disabled_by is null and (mode in ('demoted', 'expired') or disabled_at is not null);

alter table ops.pattern_fixes enable row level security;

create policy "Operators read approved fixes" on ops.pattern_fixes
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.keep_approved_fixes() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  may_change constant text [] := array[
    'mode', 'mode_changed_at', 'mode_changed_by', 'mode_reason', 'is_on_probation', 'ends_at', 'max_heals',
    'disabled_by', 'disabled_at', 'disabled_reason'
  ];
  figures constant text [] := array[
    'success_rate', 'confidence_score', 'confidence_lower_bound', 'confidence_outcomes', 'consecutive_failures',
    'rated_at', 'heals'
  ];
  before constant jsonb := to_jsonb(old) - figures;
  after constant jsonb := case tg_op when 'UPDATE' then to_jsonb(new) - figures end;
begin
  if after = before or (
    old.disabled_at is null
    and (new.disabled_at is not null or (new.disabled_by is null and new.disabled_reason is null))
    and after - may_change = before - may_change
  ) then
    return new;
  end if;
  raise exception using
    errcode = 'PL006',
    message = case tg_op when 'UPDATE' then 'an approved fix does not change' else 'an approved fix is kept' end,
    hint = 'Disable it; a new version needs a new approval.';
end
$$;

comment on function ops_internal.keep_approved_fixes is
  'Lets an approved fix be rated, change its mode, be given other terms by a person, and be disabled once. Nothing else about it changes, and neither it nor its pattern is ever deleted.';

create trigger keep_approved_fixes before update or delete on ops.pattern_fixes
  for each row execute function ops_internal.keep_approved_fixes();

create table ops.pattern_claims (
  application_id uuid primary key default gen_random_uuid(),
  lock_key integer not null unique generated always as identity,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  system_log_id bigint references ops.system_logs (id) on delete set null,
  fix_version integer not null,
  sha256 text not null,
  purpose text not null default 'heal' constraint pattern_claims_purpose_known check (purpose in ('heal', 'shadow', 'undo')),
  undoes uuid references ops.pattern_claims (application_id) on delete cascade,
  target text not null default '',
  source text,
  error jsonb not null,
  constitutional_validation jsonb,
  policy jsonb not null,
  claimed_at timestamptz not null default clock_timestamp(),
  claimed_by uuid,
  lease_until timestamptz not null default clock_timestamp() + interval '1 minute',
  finished_at timestamptz,
  foreign key (pattern_id, fix_version) references ops.pattern_fixes (pattern_id, version),
  constraint pattern_claims_undo_names_run check ((purpose = 'undo') = (undoes is not null))
);

comment on table ops.pattern_claims is
  'Which errors workers have claimed, each for one fix version: a fix version runs once for a log row. A claim without finished_at is running, or its worker died.';
comment on column ops.pattern_claims.application_id is 'The application that it becomes in ops.pattern_applications.';
comment on column ops.pattern_claims.lock_key is 'Key of the advisory lock that a run holds, by which it is found and cancelled.';
comment on column ops.pattern_claims.pattern_id is 'The pattern of the error.';
comment on column ops.pattern_claims.system_log_id is 'The log row that fired it; null when the error was reported without one.';
comment on column ops.pattern_claims.fix_version is 'The version of the fix.';
comment on column ops.pattern_claims.sha256 is 'Digest of the fix that was checked before claiming.';
comment on column ops.pattern_claims.purpose is
  'heal: the fix runs; shadow: it would have run; undo: a person ordered that a run is undone.';
comment on column ops.pattern_claims.undoes is 'The run that is undone.';
comment on column ops.pattern_claims.target is 'Digest of the captured values that name the target; empty for the whole pattern.';
comment on column ops.pattern_claims.source is
  'The source of the error. If it goes on logging without the error, the error has stopped.';
comment on column ops.pattern_claims.error is
  'The error as the script sees it; SQL sees it as $2. When the claim is finished, the message is replaced by the scrubbed one and the captured values are removed.';
comment on column ops.pattern_claims.constitutional_validation is 'The verdict of the Four Laws.';
comment on column ops.pattern_claims.policy is
  'The thresholds of the engine when the error was claimed. The outcome is judged by them.';
comment on column ops.pattern_claims.claimed_at is 'When a worker claimed the error, for the last time.';
comment on column ops.pattern_claims.claimed_by is 'The person who ordered the run; null for the engine.';
comment on column ops.pattern_claims.lease_until is 'After this time, with no outcome recorded, the worker counts as dead.';
comment on column ops.pattern_claims.finished_at is
  'When the outcome was recorded; null while the script runs, or after its worker died.';

create unique index idx_pattern_claims_once on ops.pattern_claims (pattern_id, fix_version, system_log_id) where purpose <> 'undo';
create index idx_pattern_claims_log on ops.pattern_claims (system_log_id);
-- The cooldown looks at the last run of a fix for a target.
create index idx_pattern_claims_target on ops.pattern_claims (pattern_id, fix_version, target, claimed_at desc);
create index idx_pattern_claims_undoes on ops.pattern_claims (undoes);
create index idx_pattern_claims_unfinished on ops.pattern_claims (lease_until) where finished_at is null;
-- Budgets look at the latest runs of a pattern.
create index idx_pattern_claims_latest on ops.pattern_claims (pattern_id, claimed_at desc);

alter table ops.pattern_claims enable row level security;

create policy "Operators read claims" on ops.pattern_claims
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create table ops.pattern_applications (
  id bigserial primary key,
  application_id uuid not null unique default gen_random_uuid(),
  pattern_id uuid references ops.error_patterns (pattern_id) on delete cascade,
  system_log_id bigint references ops.system_logs (id) on delete set null,
  applied_at timestamptz not null default now(),
  success boolean not null,
  execution_time_ms integer,
  fix_script_executed text,
  fix_parameters_used jsonb,
  error_before text,
  error_after text,
  system_state_before jsonb,
  system_state_after jsonb,
  constitutional_validation jsonb,
  metadata jsonb
);

comment on table ops.pattern_applications is 'Every time that a fix was applied to an error, and how it ended.';
comment on column ops.pattern_applications.id is 'Order of recording.';
comment on column ops.pattern_applications.application_id is 'The claim that this application began as.';
comment on column ops.pattern_applications.pattern_id is 'The pattern.';
comment on column ops.pattern_applications.system_log_id is 'The log row that fired it.';
comment on column ops.pattern_applications.applied_at is 'When the run ended.';
comment on column ops.pattern_applications.success is
  'Whether the script itself ended well. Whether the error stopped is in ops.pattern_verifications.';
comment on column ops.pattern_applications.execution_time_ms is 'How long the script took.';
comment on column ops.pattern_applications.fix_script_executed is 'The script that ran.';
comment on column ops.pattern_applications.fix_parameters_used is 'Its parameters.';
comment on column ops.pattern_applications.error_before is 'The error''s message, scrubbed of secrets and personal data.';
comment on column ops.pattern_applications.error_after is 'Why the script failed; null when it did not.';
comment on column ops.pattern_applications.system_state_before is
  'System entropy before the run; for SQL on one table a sample of its rows, scrubbed.';
comment on column ops.pattern_applications.system_state_after is
  'Rows touched by the run, in all and per table, and the same sample of rows; what another script answered.';
comment on column ops.pattern_applications.constitutional_validation is 'The verdict of the Four Laws.';
comment on column ops.pattern_applications.metadata is
  'Version and digest of the fix, the purpose of the run, and the limit at which it was stopped.';

create index idx_pattern_applications_pattern on ops.pattern_applications (pattern_id);
create index idx_pattern_applications_success on ops.pattern_applications (success);
create index idx_pattern_applications_applied on ops.pattern_applications (applied_at desc);
create index idx_pattern_applications_stats on ops.pattern_applications (pattern_id, success, applied_at desc);
create index idx_pattern_applications_log on ops.pattern_applications (system_log_id);
create index idx_pattern_applications_latest on ops.pattern_applications (pattern_id, applied_at desc);

alter table ops.pattern_applications enable row level security;

create policy "Operators read applications" on ops.pattern_applications
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create table ops.pattern_verifications (
  application_id uuid primary key references ops.pattern_claims (application_id) on delete cascade,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  fix_version integer not null,
  mode text not null constraint pattern_verifications_mode_known check (mode in ('live', 'shadow')),
  target text not null default '',
  source text,
  error_at timestamptz,
  started_at timestamptz not null,
  due_at timestamptz not null,
  late_until timestamptz not null,
  outcome text not null default 'pending'
  constraint pattern_verifications_outcome_known check (outcome in ('pending', 'verified', 'failed', 'inconclusive')),
  reason text,
  decided_at timestamptz,
  overturned_at timestamptz,
  recurrence bigint,
  policy jsonb not null,
  constraint pattern_verifications_decided check ((outcome = 'pending') = (decided_at is null))
);

comment on table ops.pattern_verifications is
  'Whether the error stopped, one row for each run and each shadow run. A run that went well is pending until the error has stayed away for its time.';
comment on column ops.pattern_verifications.application_id is 'The run.';
comment on column ops.pattern_verifications.pattern_id is 'The pattern.';
comment on column ops.pattern_verifications.fix_version is 'The version of the fix.';
comment on column ops.pattern_verifications.mode is
  'live: the fix ran; shadow: it did not run, and this row records whether the error stopped without it.';
comment on column ops.pattern_verifications.target is 'If the fix names a target, only errors of the same target are a recurrence.';
comment on column ops.pattern_verifications.source is
  'Where the error came from. Unless this source logs something, the absence of the error proves nothing.';
comment on column ops.pattern_verifications.error_at is 'When the error that the run was for was logged; null where it has no log row.';
comment on column ops.pattern_verifications.started_at is
  'When the run ended. An error later than this plus settle_seconds is a recurrence.';
comment on column ops.pattern_verifications.due_at is
  'Until when the error has to stay away: three times its usual distance or the 95th percentile of its gaps, whichever is longer, within bounds.';
comment on column ops.pattern_verifications.late_until is 'A recurrence until then overturns a verified outcome.';
comment on column ops.pattern_verifications.outcome is 'pending, verified, failed or inconclusive.';
comment on column ops.pattern_verifications.reason is 'Why it was decided so.';
comment on column ops.pattern_verifications.decided_at is 'When the outcome was last decided.';
comment on column ops.pattern_verifications.overturned_at is 'When a late recurrence overturned it.';
comment on column ops.pattern_verifications.recurrence is 'The log row of the recurrence.';
comment on column ops.pattern_verifications.policy is 'The thresholds that decide on the outcome.';

create index idx_pattern_verifications_pending on ops.pattern_verifications (due_at) where outcome = 'pending';
create index idx_pattern_verifications_verified on ops.pattern_verifications (late_until) where outcome = 'verified';
create index idx_pattern_verifications_latest on ops.pattern_verifications (pattern_id, started_at desc);
create index idx_pattern_verifications_target on ops.pattern_verifications (pattern_id, target, started_at desc);
create index idx_pattern_verifications_decided on ops.pattern_verifications (pattern_id, started_at desc)
  where mode = 'live' and outcome in ('verified', 'failed');
create index idx_pattern_verifications_overturned on ops.pattern_verifications (pattern_id, overturned_at)
  where overturned_at is not null;

alter table ops.pattern_verifications enable row level security;

create policy "Operators read verifications" on ops.pattern_verifications
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.latest_fix(p_pattern_id uuid) returns ops.pattern_fixes
language sql
stable
set search_path = ''
as $$
  select fixes.*
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_pattern_id
  order by fixes.version desc
  limit 1
$$;

comment on function ops_internal.latest_fix is 'The latest version of a pattern''s fix, disabled or not; null without one.';

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

comment on function ops_internal.has_live_fix is 'Whether a version of the pattern''s fix is approved and not disabled.';

create function ops_internal.fix_digest(p_fix ops.pattern_fixes) returns text
language sql
immutable
set search_path = ''
as $$
  select encode(
    sha256(
      convert_to(
        jsonb_build_object(
          'script', p_fix.script, 'prepared_script', p_fix.prepared_script,
          'undo_script', p_fix.undo_script, 'prepared_undo_script', p_fix.prepared_undo_script,
          'sample_table', p_fix.sample_table, 'sample_script', p_fix.sample_script,
          'type', p_fix.fix_type, 'parameters', p_fix.parameters,
          'timeout_ms', p_fix.timeout_ms, 'max_retries', p_fix.max_retries, 'max_rows', p_fix.max_rows,
          'trusted_writers', p_fix.trusted_writers, 'target', p_fix.target, 'guard', p_fix.guard,
          'tables', p_fix.tables, 'hosts', p_fix.hosts, 'secrets', p_fix.secrets
        )::text,
        'UTF8'
      )
    ),
    'hex'
  )
$$;

comment on function ops_internal.fix_digest is 'SHA-256 over everything that decides what a fix does.';

create function ops_internal.is_pinned(p_fix ops.pattern_fixes) returns boolean
language sql
immutable
set search_path = ''
as $$ select p_fix.sha256 = ops_internal.fix_digest(p_fix) $$;

comment on function ops_internal.is_pinned is 'Whether the digest of a stored fix matches its bytes.';

create function ops_internal.shown_fix(p_pattern_id uuid) returns ops.pattern_fixes
language sql
stable
set search_path = ''
as $$
  select fixes.*
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_pattern_id
  order by
    fixes.disabled_at is not null,
    fixes.disabled_at is null and fixes.mode = 'shadow',
    case when fixes.disabled_at is null then fixes.version else -fixes.version end
  limit 1
$$;

comment on function ops_internal.shown_fix is
  'The fix that the columns of a pattern show: the oldest that is not disabled and no shadow; without one, the oldest shadow; without one, the latest; null without any.';

create function ops_internal.is_as_approved(p_fix ops.pattern_fixes, p_pattern ops.error_patterns) returns boolean
language sql
stable
set search_path = ''
as $$
  select
    ops_internal.is_pinned(p_fix)
    and (
      (
        p_pattern.auto_fix_script is not distinct from p_fix.script
        and p_pattern.auto_fix_type is not distinct from p_fix.fix_type
        and coalesce(p_pattern.auto_fix_parameters, '{}') = p_fix.parameters
      )
      -- The pattern shows one fix.
      or (ops_internal.shown_fix(p_fix.pattern_id)).version <> p_fix.version
    )
$$;

comment on function ops_internal.is_as_approved is
  'Whether what is pinned, and what the pattern shows of it, are both what a person approved.';

create function ops_internal.show_figures(p_pattern_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  update ops.error_patterns as patterns set
    success_rate = shown.success_rate,
    confidence_score = shown.confidence_score,
    confidence_lower_bound = shown.confidence_lower_bound,
    confidence_outcomes = shown.confidence_outcomes,
    consecutive_failures = shown.consecutive_failures
  from ops_internal.shown_fix(p_pattern_id) as shown
  where patterns.pattern_id = p_pattern_id
    and (
      patterns.success_rate, patterns.confidence_score, patterns.confidence_lower_bound, patterns.confidence_outcomes,
      patterns.consecutive_failures
    ) is distinct from (
      shown.success_rate, shown.confidence_score, shown.confidence_lower_bound, shown.confidence_outcomes,
      shown.consecutive_failures
    );
end
$$;

comment on function ops_internal.show_figures is
  'Has the columns of a pattern show how well the fix does that they show. The caller has locked the pattern.';

create function ops_internal.show_fix(p_pattern_id uuid, p_enable boolean) returns ops.error_patterns
language sql
set search_path = ''
as $$
  update ops.error_patterns as patterns set
    auto_fix_enabled = (p_enable or patterns.auto_fix_enabled) and 'live' = any(running.modes),
    has_running_fix = (p_enable or patterns.has_running_fix) and running.modes && array['live', 'shadow'],
    auto_fix_script = shown.script,
    auto_fix_type = shown.fix_type,
    auto_fix_parameters = shown.parameters,
    -- The account of an approver may be gone; the version keeps its id.
    approved_by = (select users.id from auth.users as users where users.id = shown.approved_by),
    approved_at = shown.approved_at
  from
    ops_internal.shown_fix(p_pattern_id) as shown,
    (
      select array(
        select fixes.mode from ops.pattern_fixes as fixes
        where fixes.pattern_id = p_pattern_id and fixes.disabled_at is null
      ) as modes
    ) as running
  where patterns.pattern_id = p_pattern_id;

  select ops_internal.show_figures(p_pattern_id);

  select patterns.* from ops.error_patterns as patterns where patterns.pattern_id = p_pattern_id;
$$;

comment on function ops_internal.show_fix is
  'Has the columns of a pattern show the fix that they should, and whether any fix of the pattern runs, with p_enable or where it was enabled before; answers the pattern. The caller has locked it.';

create function ops_internal.limit_parameter(
  p_parameters jsonb, p_name text, p_default integer, p_least integer, p_most integer
) returns integer
language plpgsql
immutable
set search_path = ''
as $$
declare
  given constant jsonb := coalesce(p_parameters -> p_name, to_jsonb(p_default));
begin
  if jsonb_typeof(given) = 'number' and (given #>> '{}') ~ '^[0-9]{1,9}$' and given::integer between p_least and p_most then
    return given::integer;
  end if;
  raise exception using
    errcode = 'PL013',
    message = format('%s is %s', p_name, given),
    hint = format('Give a whole number from %s to %s.', p_least, p_most);
end
$$;

comment on function ops_internal.limit_parameter is
  'One limit out of the parameters, or its default. Raises PL013 outside its bounds.';

create function ops_internal.require_parameters(p_parameters jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  if jsonb_typeof(p_parameters) <> 'object' then
    raise exception using
      errcode = 'PL013',
      message = format('the parameters are %s', p_parameters),
      hint = 'Give a JSON object.';
  end if;
  return coalesce(p_parameters, '{}');
end
$$;

comment on function ops_internal.require_parameters is 'The parameters, none by default. Raises PL013 unless they are an object.';

create function ops_internal.trusted_writers(p_parameters jsonb) returns text []
language plpgsql
immutable
set search_path = ''
as $$
declare
  given constant jsonb := coalesce(p_parameters -> 'trusted_writers', '["service_role"]');
begin
  if jsonb_typeof(given) <> 'array' or exists (
    select from jsonb_array_elements(given) as writers (writer)
    where jsonb_typeof(writers.writer) <> 'string' or (writers.writer #>> '{}') not in ('service_role', 'authenticated', 'postgres')
  ) then
    raise exception using
      errcode = 'PL013',
      message = format('trusted_writers is %s', given),
      hint = 'Give a list of service_role, authenticated and postgres.';
  end if;
  return array(select jsonb_array_elements_text(given));
end
$$;

comment on function ops_internal.trusted_writers is
  'The roles whose log rows fire a fix, out of its parameters; service_role alone by default.';

create function ops_internal.text_list(p_parameters jsonb, p_name text) returns text []
language plpgsql
immutable
set search_path = ''
as $$
declare
  given constant jsonb := coalesce(p_parameters -> p_name, '[]');
begin
  if jsonb_typeof(given) <> 'array' or exists (
    select from jsonb_array_elements(given) as elements (element) where jsonb_typeof(elements.element) <> 'string'
  ) then
    raise exception using errcode = 'PL013', message = format('%s is %s', p_name, given), hint = 'Give a list of texts.';
  end if;
  return array(select jsonb_array_elements_text(given));
end
$$;

comment on function ops_internal.text_list is
  'A list of names out of the parameters, empty by default. Raises PL013 for anything else.';

create function ops_internal.require_when(p_parameters jsonb) returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  given constant jsonb := coalesce(p_parameters -> 'when', '{}');
  combinations numeric := 1.0;
  wanted record;
begin
  if jsonb_typeof(given) = 'object' then
    for wanted in select named.key, named.value from jsonb_each(given) as named loop
      combinations := combinations * case
        when wanted.value = '"*"' then 1
        when jsonb_typeof(wanted.value) <> 'array' then null
        when exists (
          select from jsonb_array_elements(wanted.value) as elements (element)
          where jsonb_typeof(elements.element) <> 'string' or length(elements.element #>> '{}') not between 1 and 200
            or elements.element = '"*"'
        ) then null
        else jsonb_array_length(wanted.value)
      end;
    end loop;
    if combinations between 1 and 100 then
      return;
    end if;
  end if;
  raise exception using
    errcode = 'PL013',
    message = format('when is %s', left(given::text, 1000)),
    hint = 'Give for each name either "*" or a list of values, as in {"constraint": ["orders_pkey"], "table": "*"}; at most 100 combinations.';
end
$$;

comment on function ops_internal.require_when is
  'Raises PL013 unless the parameter when, if there is one, has "*" or a list of values for each name.';

create function ops_internal.require_whole_fix(p_fix jsonb) returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  texts constant text [] := array[
    'type', 'script', 'prepared_script', 'undo_script', 'prepared_undo_script', 'sample_table', 'sample_script'
  ];
  others constant text [] := array['parameters', 'tables', 'hosts', 'secrets'];
  problem text;
begin
  if jsonb_typeof(p_fix) is distinct from 'object' then
    problem := format('it is %s', coalesce(jsonb_typeof(p_fix), 'missing'));
  else
    select format('%s is %s', parts.key, coalesce(jsonb_typeof(parts.value), 'missing')) into problem
    from (
      select given.key, given.value from jsonb_each(p_fix) as given
      union all
      select needed.key, null from unnest(array['type', 'script', 'prepared_script']) as needed (key) where not p_fix ? needed.key
    ) as parts (key, value)
    where not (
      (parts.key = any(texts[:3]) and jsonb_typeof(parts.value) is not distinct from 'string')
      or (parts.key = any(texts[4:]) and jsonb_typeof(parts.value) in ('string', 'null'))
      or (parts.key = any(others) and parts.value is not null)
    )
    order by parts.key
    limit 1;
    problem := coalesce(problem, case
      when (ops_internal.fix_limits(p_fix ->> 'type')).max_rows is null then format('its type is %s', p_fix -> 'type')
      when trim(p_fix ->> 'script') = '' or trim(p_fix ->> 'prepared_script') = '' then 'its script is empty'
      when ((p_fix ->> 'undo_script') is null) <> ((p_fix ->> 'prepared_undo_script') is null)
        then 'it has one of undo_script and prepared_undo_script'
      when ((p_fix ->> 'sample_table') is null) <> ((p_fix ->> 'sample_script') is null)
        then 'it has one of sample_table and sample_script'
    end);
  end if;
  if problem is not null then
    raise exception using
      errcode = 'PL013',
      message = 'this is not a complete fix: ' || problem,
      hint = 'Give type, script and prepared_script; the only other keys are the fields of ops_internal.composed_fix.';
  end if;
end
$$;

comment on function ops_internal.require_whole_fix is
  'Raises PL013 unless this has what makes a fix, in its form, and nothing that its digest would not cover.';

create function ops_internal.composed_fix(p_pattern_id uuid, p_fix jsonb) returns ops.pattern_fixes
language plpgsql
immutable
set search_path = ''
as $$
declare
  parameters constant jsonb := ops_internal.require_parameters(p_fix -> 'parameters');
  fix ops.pattern_fixes;
  limits record;
begin
  perform ops_internal.require_whole_fix(p_fix);
  fix.pattern_id := p_pattern_id;
  fix.fix_type := p_fix ->> 'type';
  fix.script := p_fix ->> 'script';
  fix.prepared_script := p_fix ->> 'prepared_script';
  fix.undo_script := p_fix ->> 'undo_script';
  fix.prepared_undo_script := p_fix ->> 'prepared_undo_script';
  fix.sample_table := p_fix ->> 'sample_table';
  fix.sample_script := p_fix ->> 'sample_script';
  fix.parameters := parameters;
  limits := ops_internal.fix_limits(fix.fix_type);
  fix.timeout_ms := ops_internal.limit_parameter(parameters, 'timeout_ms', 5000, 1, limits.max_timeout_ms);
  fix.max_retries := ops_internal.limit_parameter(parameters, 'max_retries', 0, 0, limits.max_retries);
  fix.max_rows := ops_internal.limit_parameter(parameters, 'max_rows', 1000, 1, limits.max_rows);
  fix.trusted_writers := ops_internal.trusted_writers(parameters);
  fix.target := ops_internal.text_list(parameters, 'target');
  perform ops_internal.require_when(parameters);
  fix.tables := ops_internal.text_list(p_fix, 'tables');
  fix.hosts := ops_internal.text_list(p_fix, 'hosts');
  fix.secrets := ops_internal.secret_hosts(p_fix);
  fix.sha256 := ops_internal.fix_digest(fix);
  return fix;
end
$$;

comment on function ops_internal.composed_fix is
  'A fix as it would be pinned without a guard, limits and digest worked out, out of type, script, prepared_script, undo_script, prepared_undo_script, sample_table, sample_script, parameters, tables, hosts and secrets.';

create function ops_internal.pin_fix(p_fix ops.pattern_fixes, p_person uuid) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  fix ops.pattern_fixes := p_fix;
  pattern ops.error_patterns;
begin
  if fix.mode is null or fix.mode not in ('live', 'shadow') then
    raise exception using
      errcode = 'PL022', message = format('the mode is %s', coalesce(fix.mode, 'null')), hint = 'Approve a fix as live or as shadow.';
  end if;
  perform ops_internal.require_granted(fix);
  perform ops_internal.require_terms(fix.ends_at, fix.max_heals);
  fix.id := nextval('ops.pattern_fixes_id_seq');
  fix.version := coalesce((ops_internal.latest_fix(fix.pattern_id)).version, 0) + 1;
  fix.approved_by := p_person;
  fix.approved_at := clock_timestamp();
  fix.trusts_until := coalesce(fix.trusts_until, fix.approved_at);
  fix.mode_changed_at := fix.approved_at;
  fix.mode_changed_by := p_person;
  fix.is_on_probation := false;
  fix.heals := 0;
  fix.success_rate := 0;
  fix.confidence_score := 0.5;
  fix.confidence_outcomes := 0;
  fix.consecutive_failures := 0;
  fix.rated_at := fix.approved_at;
  insert into ops.pattern_fixes select fix.*;
  perform ops_internal.rate_fix(fix);

  update ops.error_patterns set human_approved = true, constitutional_compliant = true, constitutional_violations = null
  where error_patterns.pattern_id = fix.pattern_id;
  pattern := ops_internal.show_fix(fix.pattern_id, true);

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'pattern_approved', 'info', 'Pattern approved for auto-fix: ' || pattern.pattern_signature, p_person,
    jsonb_build_object(
      'pattern_id', fix.pattern_id, 'approved_by', p_person, 'auto_fix_type', fix.fix_type, 'version', fix.version,
      'sha256', fix.sha256, 'mode', fix.mode, 'ends_at', fix.ends_at, 'max_heals', fix.max_heals, 'guard', fix.guard,
      'proposal_id', fix.proposal_id, 'proposed_by', fix.proposed_by
    )
  );
  return pattern;
end
$$;

comment on function ops_internal.pin_fix is
  'Stores a composed fix as the next version of its pattern''s, approved by this person; answers the pattern. Raises PL022 for another mode than live or shadow, and what ops_internal.require_granted and ops_internal.require_terms raise. Its caller has locked the pattern.';

create function ops_internal.switch_off(p_fix ops.pattern_fixes, p_person uuid, p_reason text) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  pattern ops.error_patterns;
begin
  update ops.pattern_fixes set
    disabled_by = p_person,
    disabled_at = clock_timestamp(),
    disabled_reason = p_reason
  where pattern_fixes.id = p_fix.id;

  pattern := ops_internal.show_fix(p_fix.pattern_id, false);

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'pattern_disabled', case when p_person is null then 'warning' else 'info' end,
    'Auto-fix disabled: ' || pattern.pattern_signature, p_person,
    jsonb_build_object('pattern_id', p_fix.pattern_id, 'version', p_fix.version, 'reason', p_reason)
  );
  return pattern;
end
$$;

comment on function ops_internal.switch_off is
  'Disables a fix, for a person or, with null, for the engine; answers the pattern. The caller has locked the pattern.';

create function ops_internal.demote(p_fix ops.pattern_fixes, p_person uuid, p_reason text) returns void
language plpgsql
set search_path = ''
as $$
declare
  pattern ops.error_patterns;
begin
  update ops.pattern_fixes set
    mode = 'demoted',
    mode_changed_at = clock_timestamp(),
    mode_changed_by = p_person,
    mode_reason = p_reason
  where pattern_fixes.id = p_fix.id;

  pattern := ops_internal.show_fix(p_fix.pattern_id, false);

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'fix_demoted', 'warning', 'A fix was demoted: ' || pattern.pattern_signature, p_person,
    jsonb_build_object('pattern_id', p_fix.pattern_id, 'version', p_fix.version, 'reason', p_reason)
  );
end
$$;

comment on function ops_internal.demote is
  'Takes a fix out of use until a person enables it again. The caller has locked the pattern.';
