-- Approved fixes, one row a version; who has taken an error in hand; and what came of it.

create table ops.pattern_fixes (
  id bigserial primary key,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  version integer not null,
  fix_type text not null
  constraint pattern_fixes_type_known check (fix_type in ('sql', 'typescript', 'bash', 'api_call')),
  script text not null,
  prepared_script text not null,
  undo_script text,
  prepared_undo_script text,
  sample_table text,
  sample_script text,
  parameters jsonb not null,
  timeout_ms integer not null constraint pattern_fixes_timeout_in_bounds check (timeout_ms between 1 and 60000),
  max_retries integer not null constraint pattern_fixes_retries_in_bounds check (max_retries between 0 and 8),
  max_rows integer not null constraint pattern_fixes_rows_in_bounds check (max_rows between 1 and 100000),
  trusted_writers text [] not null,
  target text [] not null,
  tables text [] not null,
  hosts text [] not null,
  secrets text [] not null,
  sha256 text not null,
  mode text not null default 'live' constraint pattern_fixes_mode_known check (mode in ('live', 'shadow', 'demoted')),
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
  disabled_by uuid,
  disabled_at timestamptz,
  disabled_reason text,
  unique (pattern_id, version),
  constraint pattern_fixes_undo_prepared check ((undo_script is null) = (prepared_undo_script is null)),
  constraint pattern_fixes_sample_whole check ((sample_script is null) = (sample_table is null))
);

comment on table ops.pattern_fixes is
  'Every version of every approved fix. Written by people, through ops.approve_pattern_v1 and ops.disable_pattern_v1 alone; not even the secret key can change a row.';
comment on column ops.pattern_fixes.id is 'Order of approval.';
comment on column ops.pattern_fixes.pattern_id is 'The pattern that it heals.';
comment on column ops.pattern_fixes.version is '1, 2, … within the pattern. Only the latest one can be live.';
comment on column ops.pattern_fixes.fix_type is 'sql, typescript, bash or api_call.';
comment on column ops.pattern_fixes.script is 'The script as the person typed it.';
comment on column ops.pattern_fixes.prepared_script is 'What runs: the same statements with every table name qualified. The engine derives it again before each run.';
comment on column ops.pattern_fixes.undo_script is 'A script of the same type that takes a run back, for POST /rollback; null where there is none.';
comment on column ops.pattern_fixes.prepared_undo_script is 'What runs of it.';
comment on column ops.pattern_fixes.sample_table is 'The one table that the script changes, where it changes one alone.';
comment on column ops.pattern_fixes.sample_script is 'Reads at most five of the rows that the script is about to change.';
comment on column ops.pattern_fixes.parameters is 'The approval''s parameters; SQL sees them as $1.';
comment on column ops.pattern_fixes.timeout_ms is 'A run, all its tries together, is cut off after this many milliseconds.';
comment on column ops.pattern_fixes.max_retries is 'How often a run is tried again where a second try is safe: for SQL after a deadlock or a serialisation failure.';
comment on column ops.pattern_fixes.max_rows is 'Rows that a run may touch, cascades included; one more undoes it.';
comment on column ops.pattern_fixes.trusted_writers is 'Database roles whose log rows fire the fix.';
comment on column ops.pattern_fixes.target is
  'Names of the captured values that tell one target from another: cooldown and recurrence are looked at target by target. Empty: for the whole pattern.';
comment on column ops.pattern_fixes.tables is 'The tables that the script names.';
comment on column ops.pattern_fixes.hosts is 'The hosts that it may reach.';
comment on column ops.pattern_fixes.secrets is 'Names of the Vault secrets that it uses.';
comment on column ops.pattern_fixes.sha256 is 'Digest of scripts, type, parameters and limits.';
comment on column ops.pattern_fixes.mode is
  'live: runs by itself; shadow: everything but the run; demoted: failed too often, waits for a person. Changes are in ops.roman_events.';
comment on column ops.pattern_fixes.mode_changed_at is 'Since when. Outcomes are held against it from here.';
comment on column ops.pattern_fixes.mode_changed_by is 'Who changed it; null for the engine.';
comment on column ops.pattern_fixes.mode_reason is 'Why.';
comment on column ops.pattern_fixes.is_on_probation is 'It was demoted and a person put it back: failing again disables it.';
comment on column ops.pattern_fixes.proposal_id is 'The proposal that was approved; null where it was approved without one.';
comment on column ops.pattern_fixes.proposed_by is 'Who proposed it.';
comment on column ops.pattern_fixes.dry_run_rows is 'Rows that the dry-run before the approval touched; null without one.';
comment on column ops.pattern_fixes.approved_by is 'Who approved it. Kept after the person is gone.';
comment on column ops.pattern_fixes.approved_at is 'When.';
comment on column ops.pattern_fixes.trusts_until is 'What the approver saw: signatures added later do not fire it. The time of the proposal, where there was one.';
comment on column ops.pattern_fixes.disabled_by is 'Who switched it off; null for the engine.';
comment on column ops.pattern_fixes.disabled_at is 'When; null while it is live.';
comment on column ops.pattern_fixes.disabled_reason is 'Why.';

alter table ops.pattern_fixes enable row level security;

create policy "Operators read approved fixes" on ops.pattern_fixes
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.pattern_fixes from public, anon, authenticated, service_role;
revoke all on sequence ops.pattern_fixes_id_seq from public, anon, authenticated, service_role;
grant select on table ops.pattern_fixes to authenticated, service_role;

create function ops_internal.keep_approved_fixes() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  may_change constant text [] := array[
    'mode', 'mode_changed_at', 'mode_changed_by', 'mode_reason', 'is_on_probation', 'disabled_by', 'disabled_at', 'disabled_reason'
  ];
begin
  if tg_op = 'UPDATE'
    and old.disabled_at is null
    and (new.disabled_at is not null or (new.disabled_by is null and new.disabled_reason is null))
    and to_jsonb(new) - may_change = to_jsonb(old) - may_change
  then
    return new;
  end if;
  raise exception using
    errcode = 'PL006',
    message = case tg_op when 'UPDATE' then 'an approved fix does not change' else 'an approved fix is kept' end,
    hint = 'Disable it; a new version needs a new approval.';
end
$$;

comment on function ops_internal.keep_approved_fixes() is 'An approved fix may change its mode, and be switched off once; nothing else about it changes, and it is never deleted, its pattern neither.';
revoke all on function ops_internal.keep_approved_fixes() from public, anon, authenticated, service_role;

create trigger keep_approved_fixes before update or delete on ops.pattern_fixes
  for each row execute function ops_internal.keep_approved_fixes();

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
          'trusted_writers', p_fix.trusted_writers, 'target', p_fix.target,
          'tables', p_fix.tables, 'hosts', p_fix.hosts, 'secrets', p_fix.secrets
        )::text,
        'UTF8'
      )
    ),
    'hex'
  )
$$;

comment on function ops_internal.fix_digest(ops.pattern_fixes) is 'SHA-256 over everything that decides what a fix does.';
revoke all on function ops_internal.fix_digest(ops.pattern_fixes) from public, anon, authenticated, service_role;
grant execute on function ops_internal.fix_digest(ops.pattern_fixes) to service_role;

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

create unique index idx_pattern_claims_once on ops.pattern_claims (pattern_id, fix_version, system_log_id) where purpose <> 'undo';

comment on table ops.pattern_claims is
  'Who has taken which error in hand: a fix version runs once for a log row. A claim without finished_at is running, or its worker died.';
comment on column ops.pattern_claims.application_id is 'The application that it becomes in ops.pattern_applications.';
comment on column ops.pattern_claims.lock_key is 'Key of the advisory lock that a run holds, by which it is found and cancelled.';
comment on column ops.pattern_claims.pattern_id is 'The pattern.';
comment on column ops.pattern_claims.system_log_id is 'The log row that fired it; null when the error was reported without one.';
comment on column ops.pattern_claims.fix_version is 'The version of the fix.';
comment on column ops.pattern_claims.sha256 is 'Digest of the fix that was checked before claiming.';
comment on column ops.pattern_claims.purpose is 'heal: the fix runs; shadow: it would have run; undo: a person takes a run back.';
comment on column ops.pattern_claims.undoes is 'The run that is taken back.';
comment on column ops.pattern_claims.target is 'Digest of the captured values that name the target; empty for the whole pattern.';
comment on column ops.pattern_claims.source is 'The source whose silence or noise tells whether the error stopped.';
comment on column ops.pattern_claims.policy is 'The engine''s thresholds at that moment, by which the outcome is judged.';
comment on column ops.pattern_claims.claimed_by is 'The person who asked for it; null for the engine.';
comment on column ops.pattern_claims.lease_until is 'When its worker is taken to be dead if nothing was recorded.';
comment on column ops.pattern_claims.error is
  'What the script learns about the error; SQL sees it as $2. Once the claim is finished, its message is the scrubbed one and what was captured is gone.';
comment on column ops.pattern_claims.constitutional_validation is 'The verdict of the Four Laws.';
comment on column ops.pattern_claims.claimed_at is 'When it was taken.';
comment on column ops.pattern_claims.finished_at is 'When its outcome was recorded.';

create index idx_pattern_claims_log on ops.pattern_claims (system_log_id);
create index idx_pattern_claims_fix on ops.pattern_claims (pattern_id, fix_version);
create index idx_pattern_claims_undoes on ops.pattern_claims (undoes);
create index idx_pattern_claims_unfinished on ops.pattern_claims (lease_until) where finished_at is null;
-- Cooldown and budgets look at the latest runs of a pattern.
create index idx_pattern_claims_latest on ops.pattern_claims (pattern_id, claimed_at desc);
create index idx_pattern_claims_claimed on ops.pattern_claims (claimed_at desc);

alter table ops.pattern_claims enable row level security;

create policy "Operators read claims" on ops.pattern_claims
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.pattern_claims from public, anon, authenticated, service_role;
revoke all on sequence ops.pattern_claims_lock_key_seq from public, anon, authenticated, service_role;
grant select on table ops.pattern_claims to authenticated;
grant select on table ops.pattern_claims to service_role;
-- Not undoes, nor claimed_by: a run is taken back by a person's order alone.
grant insert (
  pattern_id, system_log_id, fix_version, sha256, purpose, target, source, error, constitutional_validation, policy, lease_until
) on table ops.pattern_claims to service_role;
grant update (
  sha256, error, constitutional_validation, policy, claimed_at, lease_until, finished_at
) on table ops.pattern_claims to service_role;

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
comment on column ops.pattern_applications.application_id is 'The claim that it was.';
comment on column ops.pattern_applications.pattern_id is 'The pattern.';
comment on column ops.pattern_applications.system_log_id is 'The log row that fired it.';
comment on column ops.pattern_applications.applied_at is 'When.';
comment on column ops.pattern_applications.success is 'Whether the script itself ended well. Whether the error stopped is in ops.pattern_verifications.';
comment on column ops.pattern_applications.execution_time_ms is 'How long the script took.';
comment on column ops.pattern_applications.fix_script_executed is 'The script that ran.';
comment on column ops.pattern_applications.fix_parameters_used is 'Its parameters.';
comment on column ops.pattern_applications.error_before is 'The error''s message, scrubbed of secrets and personal data.';
comment on column ops.pattern_applications.error_after is 'Why the script failed; null when it did not.';
comment on column ops.pattern_applications.system_state_before is 'System entropy before the run; for SQL on one table a sample of its rows, scrubbed.';
comment on column ops.pattern_applications.system_state_after is 'Rows touched by the run, in all and per table, and the same sample of rows; what another script answered.';
comment on column ops.pattern_applications.constitutional_validation is 'The verdict of the Four Laws.';
comment on column ops.pattern_applications.metadata is 'Version and digest of the fix, what it was for, and at which limit it was stopped.';

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

revoke all on table ops.pattern_applications from public, anon, authenticated, service_role;
revoke all on sequence ops.pattern_applications_id_seq from public, anon, authenticated, service_role;
grant select on table ops.pattern_applications to authenticated;
grant select, insert, update, delete on table ops.pattern_applications to service_role;
grant usage on sequence ops.pattern_applications_id_seq to service_role;

create table ops.pattern_verifications (
  application_id uuid primary key references ops.pattern_claims (application_id) on delete cascade,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  fix_version integer not null,
  mode text not null constraint pattern_verifications_mode_known check (mode in ('live', 'shadow')),
  target text not null default '',
  source text,
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
comment on column ops.pattern_verifications.mode is 'live: the fix ran; shadow: it did not, and this tells what became of the error without it.';
comment on column ops.pattern_verifications.target is 'Where the fix names a target: only errors of this one are a recurrence.';
comment on column ops.pattern_verifications.source is 'Where the error came from: without any log row from there, nothing is proved.';
comment on column ops.pattern_verifications.started_at is 'When the run ended. An error later than this, and a moment, is a recurrence.';
comment on column ops.pattern_verifications.due_at is
  'Until when the error has to stay away: three times its usual distance or the 95th percentile of its gaps, whichever is longer, within bounds.';
comment on column ops.pattern_verifications.late_until is 'A recurrence until then overturns a verified outcome.';
comment on column ops.pattern_verifications.outcome is 'pending, verified, failed or inconclusive.';
comment on column ops.pattern_verifications.reason is 'Why.';
comment on column ops.pattern_verifications.decided_at is 'When it was decided, for the last time.';
comment on column ops.pattern_verifications.overturned_at is 'When a late recurrence overturned it.';
comment on column ops.pattern_verifications.recurrence is 'The log row of the recurrence.';
comment on column ops.pattern_verifications.policy is 'The thresholds by which it is judged.';

create index idx_pattern_verifications_pending on ops.pattern_verifications (due_at) where outcome = 'pending';
create index idx_pattern_verifications_verified on ops.pattern_verifications (late_until) where outcome = 'verified';
create index idx_pattern_verifications_latest on ops.pattern_verifications (pattern_id, started_at desc);

alter table ops.pattern_verifications enable row level security;

create policy "Operators read verifications" on ops.pattern_verifications
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.pattern_verifications from public, anon, authenticated, service_role;
-- What is verified, the database finds out by itself: nobody writes it.
grant select on table ops.pattern_verifications to authenticated, service_role;
