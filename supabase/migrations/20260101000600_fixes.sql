-- Approved fixes, one row a version; who has taken an error in hand; and what came of it.

create table ops.pattern_fixes (
  id bigserial primary key,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  version integer not null,
  fix_type text not null
  constraint pattern_fixes_type_known check (fix_type in ('sql', 'typescript', 'bash', 'api_call')),
  script text not null,
  prepared_script text not null,
  parameters jsonb not null,
  timeout_ms integer not null constraint pattern_fixes_timeout_in_bounds check (timeout_ms between 1 and 8000),
  max_retries integer not null constraint pattern_fixes_retries_in_bounds check (max_retries between 0 and 10),
  max_rows integer not null constraint pattern_fixes_rows_in_bounds check (max_rows between 1 and 100000),
  trusted_writers text [] not null,
  tables text [] not null,
  sha256 text not null,
  approved_by uuid not null,
  approved_at timestamptz not null default clock_timestamp(),
  disabled_by uuid,
  disabled_at timestamptz,
  disabled_reason text,
  unique (pattern_id, version)
);

comment on table ops.pattern_fixes is
  'Every version of every approved fix. Written by people, through ops.approve_pattern_v1 and ops.disable_pattern_v1 alone; not even the secret key can change a row.';
comment on column ops.pattern_fixes.id is 'Order of approval.';
comment on column ops.pattern_fixes.pattern_id is 'The pattern that it heals.';
comment on column ops.pattern_fixes.version is '1, 2, … within the pattern. Only the latest one can be live.';
comment on column ops.pattern_fixes.fix_type is 'sql, typescript, bash or api_call.';
comment on column ops.pattern_fixes.script is 'The script as the person typed it.';
comment on column ops.pattern_fixes.prepared_script is 'What runs: the same statements with every table name qualified. The engine derives it again before each run.';
comment on column ops.pattern_fixes.parameters is 'The approval''s parameters; SQL sees them as $1.';
comment on column ops.pattern_fixes.timeout_ms is 'A run is cut off after this many milliseconds.';
comment on column ops.pattern_fixes.max_retries is 'How often a run is tried again after a deadlock or a serialisation failure.';
comment on column ops.pattern_fixes.max_rows is 'Rows that a run may touch, cascades included; one more undoes it.';
comment on column ops.pattern_fixes.trusted_writers is 'Database roles whose log rows fire the fix.';
comment on column ops.pattern_fixes.tables is 'The tables that the script names.';
comment on column ops.pattern_fixes.sha256 is 'Digest of script, prepared script, type, parameters and limits.';
comment on column ops.pattern_fixes.approved_by is 'Who approved it. Kept after the person is gone.';
comment on column ops.pattern_fixes.approved_at is 'When. Signatures added later do not fire it.';
comment on column ops.pattern_fixes.disabled_by is 'Who switched it off.';
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
begin
  if tg_op = 'UPDATE'
    and old.disabled_at is null
    and new.disabled_at is not null
    and to_jsonb(new) - array['disabled_by', 'disabled_at', 'disabled_reason']
    = to_jsonb(old) - array['disabled_by', 'disabled_at', 'disabled_reason']
  then
    return new;
  end if;
  raise exception using
    errcode = 'PL006',
    message = case tg_op when 'UPDATE' then 'an approved fix does not change' else 'an approved fix is kept' end,
    hint = 'Disable it; a new version needs a new approval.';
end
$$;

comment on function ops_internal.keep_approved_fixes() is 'An approved fix may be switched off once; nothing else about it changes, and it is never deleted, its pattern neither.';
revoke all on function ops_internal.keep_approved_fixes() from public, anon, authenticated, service_role;

create trigger keep_approved_fixes before update or delete on ops.pattern_fixes
  for each row execute function ops_internal.keep_approved_fixes();

create function ops_internal.fix_digest(
  p_script text, p_prepared_script text, p_type text, p_parameters jsonb,
  p_timeout_ms integer, p_max_retries integer, p_max_rows integer, p_trusted_writers text []
) returns text
language sql
immutable
set search_path = ''
as $$
  select encode(
    sha256(
      convert_to(
        jsonb_build_object(
          'script', p_script, 'prepared_script', p_prepared_script, 'type', p_type, 'parameters', p_parameters,
          'timeout_ms', p_timeout_ms, 'max_retries', p_max_retries, 'max_rows', p_max_rows, 'trusted_writers', p_trusted_writers
        )::text,
        'UTF8'
      )
    ),
    'hex'
  )
$$;

comment on function ops_internal.fix_digest(text, text, text, jsonb, integer, integer, integer, text []) is
  'SHA-256 over everything that decides what a fix does.';
revoke all on function ops_internal.fix_digest(text, text, text, jsonb, integer, integer, integer, text []) from public, anon, authenticated, service_role;
grant execute on function ops_internal.fix_digest(text, text, text, jsonb, integer, integer, integer, text []) to service_role;

create table ops.pattern_claims (
  application_id uuid primary key default gen_random_uuid(),
  lock_key integer not null unique generated always as identity,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  system_log_id bigint references ops.system_logs (id) on delete set null,
  fix_version integer not null,
  sha256 text not null,
  error jsonb not null,
  constitutional_validation jsonb,
  claimed_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  unique (pattern_id, fix_version, system_log_id),
  foreign key (pattern_id, fix_version) references ops.pattern_fixes (pattern_id, version)
);

comment on table ops.pattern_claims is
  'Who has taken which error in hand: a fix version runs once for a log row. A claim without finished_at is running, or its worker died.';
comment on column ops.pattern_claims.application_id is 'The application that it becomes in ops.pattern_applications.';
comment on column ops.pattern_claims.lock_key is 'Key of the advisory lock that a run holds, by which it is found and cancelled.';
comment on column ops.pattern_claims.pattern_id is 'The pattern.';
comment on column ops.pattern_claims.system_log_id is 'The log row that fired it; null when the error was reported without one.';
comment on column ops.pattern_claims.fix_version is 'The version of the fix.';
comment on column ops.pattern_claims.sha256 is 'Digest of the fix that was checked before claiming.';
comment on column ops.pattern_claims.error is
  'What the script learns about the error; SQL sees it as $2. Once the claim is finished, its message is the scrubbed one and what was captured is gone.';
comment on column ops.pattern_claims.constitutional_validation is 'The verdict of the Four Laws.';
comment on column ops.pattern_claims.claimed_at is 'When it was taken.';
comment on column ops.pattern_claims.finished_at is 'When its outcome was recorded.';

create index idx_pattern_claims_log on ops.pattern_claims (system_log_id);
create index idx_pattern_claims_unfinished on ops.pattern_claims (claimed_at) where finished_at is null;

alter table ops.pattern_claims enable row level security;

create policy "Operators read claims" on ops.pattern_claims
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.pattern_claims from public, anon, authenticated, service_role;
revoke all on sequence ops.pattern_claims_lock_key_seq from public, anon, authenticated, service_role;
grant select on table ops.pattern_claims to authenticated;
grant select, insert, update on table ops.pattern_claims to service_role;

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
comment on column ops.pattern_applications.success is 'Whether the script itself ended well.';
comment on column ops.pattern_applications.execution_time_ms is 'How long the script took.';
comment on column ops.pattern_applications.fix_script_executed is 'The script that ran.';
comment on column ops.pattern_applications.fix_parameters_used is 'Its parameters.';
comment on column ops.pattern_applications.error_before is 'The error''s message, scrubbed of secrets and personal data.';
comment on column ops.pattern_applications.error_after is 'Why the script failed; null when it did not.';
comment on column ops.pattern_applications.system_state_before is 'System entropy and recent errors before the run.';
comment on column ops.pattern_applications.system_state_after is 'Rows touched by the run, in all and per table.';
comment on column ops.pattern_applications.constitutional_validation is 'The verdict of the Four Laws.';
comment on column ops.pattern_applications.metadata is 'Version and digest of the fix.';

create index idx_pattern_applications_pattern on ops.pattern_applications (pattern_id);
create index idx_pattern_applications_success on ops.pattern_applications (success);
create index idx_pattern_applications_applied on ops.pattern_applications (applied_at desc);
create index idx_pattern_applications_stats on ops.pattern_applications (pattern_id, success, applied_at desc);
create index idx_pattern_applications_log on ops.pattern_applications (system_log_id);
-- The last ten applications decide the confidence, after each run.
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
