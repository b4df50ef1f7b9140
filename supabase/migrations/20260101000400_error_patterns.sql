-- Patterns (groups of errors with one cause), the signatures that lead to them, and their incidents.

create table ops.error_patterns (
  id bigserial primary key,
  pattern_id uuid not null unique default gen_random_uuid(),

  pattern_signature text not null constraint idx_error_patterns_signature unique,
  pattern_type text not null
  constraint error_patterns_type_known check (pattern_type in ('database', 'api', 'rls', 'stripe', 'deployment')),
  error_message_pattern text not null,
  error_source text,
  severity text not null
  constraint error_patterns_severity_known check (severity in ('debug', 'info', 'warning', 'error', 'critical')),
  status text not null default 'open'
  constraint error_patterns_status_known check (status in ('open', 'archived')),

  occurrence_count integer not null default 1
  constraint error_patterns_occurrences_not_negative check (occurrence_count >= 0),
  first_seen timestamptz not null default now(),
  last_seen timestamptz not null default now(),
  success_rate numeric(5, 2) not null default 0.00
  constraint error_patterns_success_rate_is_percentage check (success_rate between 0 and 100),

  auto_fix_enabled boolean not null default false,
  auto_fix_script text,
  auto_fix_type text
  constraint error_patterns_fix_type_known check (auto_fix_type in ('sql', 'typescript', 'bash', 'api_call')),
  auto_fix_parameters jsonb,

  constitutional_compliant boolean not null default false,
  constitutional_violations jsonb,

  learned_from_incidents bigint [],
  confidence_score numeric(3, 2) not null default 0.50
  constraint error_patterns_confidence_is_share check (confidence_score between 0 and 1),
  confidence_lower_bound numeric(5, 4),
  confidence_outcomes numeric(8, 2) not null default 0,
  consecutive_failures integer not null default 0,

  human_approved boolean not null default false,
  approved_by uuid references auth.users (id) on delete set null,
  approved_at timestamptz,

  metadata jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  constraint error_patterns_enabled_means_approved check (
    not auto_fix_enabled
    or (human_approved and auto_fix_script is not null and auto_fix_type is not null and approved_at is not null)
  )
)
-- Counting an error changes no indexed column; with room on its page it touches no index.
with (fillfactor = 80);

comment on table ops.error_patterns is 'One row a pattern: a group of errors with one cause, and the fix that a person approved for it.';
comment on column ops.error_patterns.id is 'Row number.';
comment on column ops.error_patterns.pattern_id is 'The pattern''s identity. Never changes and is never used again.';
comment on column ops.error_patterns.pattern_signature is 'The first signature; all of them are in ops.pattern_signatures.';
comment on column ops.error_patterns.pattern_type is 'database, api, rls, stripe or deployment.';
comment on column ops.error_patterns.error_message_pattern is 'Regular expression that every message with this signature matches, in Python, RE2, PostgreSQL and JavaScript.';
comment on column ops.error_patterns.error_source is 'The component that the first error came from.';
comment on column ops.error_patterns.severity is 'Severity of the first error: debug, info, warning, error or critical.';
comment on column ops.error_patterns.status is 'open, or archived when unseen for 90 days; an archived pattern that is seen again is open.';
comment on column ops.error_patterns.occurrence_count is 'How many errors were counted; a log row counts once.';
comment on column ops.error_patterns.first_seen is 'Time of the earliest error.';
comment on column ops.error_patterns.last_seen is 'Time of the latest error.';
comment on column ops.error_patterns.success_rate is 'Runs of its fix after which the error stayed away, percent of those decided, 0.00 to 100.00.';
comment on column ops.error_patterns.auto_fix_enabled is 'Whether the fix applies itself. The executor also asks ops.pattern_fixes, which only a person can write.';
comment on column ops.error_patterns.auto_fix_script is 'The fix, as approved. What runs is the pinned version in ops.pattern_fixes.';
comment on column ops.error_patterns.auto_fix_type is 'sql, typescript, bash or api_call.';
comment on column ops.error_patterns.auto_fix_parameters is 'The fix''s parameters, as approved. Secrets are named, never stored.';
comment on column ops.error_patterns.constitutional_compliant is 'Whether the approved fix was found harmless at approval, by the analysis of its script.';
comment on column ops.error_patterns.constitutional_violations is 'The last verdict that forbade its fix; null since the last approval.';
comment on column ops.error_patterns.learned_from_incidents is 'Ids of the latest 20 log rows; all of them are in ops.pattern_incidents.';
comment on column ops.error_patterns.confidence_score is '0.50 at first; then by the last ten decided outcomes of the fix.';
comment on column ops.error_patterns.confidence_lower_bound is
  'With 95 % certainty the live fix helps at least so often: the 5 % quantile of a Beta distribution over its outcomes, older ones counting less. Null before the first.';
comment on column ops.error_patterns.confidence_outcomes is 'How many outcomes that rests on, an outcome of 30 days ago counting a half.';
comment on column ops.error_patterns.consecutive_failures is 'Failed outcomes of the live fix in a row, since it was last put in use.';
comment on column ops.error_patterns.human_approved is 'Whether a person approved a fix.';
comment on column ops.error_patterns.approved_by is 'Who approved it.';
comment on column ops.error_patterns.approved_at is 'When.';
comment on column ops.error_patterns.metadata is 'Template and features of the first error.';
comment on column ops.error_patterns.created_at is 'When the row was made.';
comment on column ops.error_patterns.updated_at is 'When the row last changed.';

create index idx_error_patterns_type on ops.error_patterns (pattern_type);
create index idx_error_patterns_enabled on ops.error_patterns (auto_fix_enabled);
create index idx_error_patterns_approved_by on ops.error_patterns (approved_by);
create function ops_internal.touch_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

comment on function ops_internal.touch_updated_at() is 'Keeps updated_at.';
revoke all on function ops_internal.touch_updated_at() from public, anon, authenticated, service_role;

create trigger touch_updated_at before update on ops.error_patterns
  for each row execute function ops_internal.touch_updated_at();

alter table ops.error_patterns enable row level security;

create policy "Operators read patterns" on ops.error_patterns
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.error_patterns from public, anon, authenticated, service_role;
revoke all on sequence ops.error_patterns_id_seq from public, anon, authenticated, service_role;
grant select on table ops.error_patterns to authenticated;
grant select, insert, update, delete on table ops.error_patterns to service_role;
grant usage on sequence ops.error_patterns_id_seq to service_role;

create table ops.pattern_signatures (
  signature text primary key,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  algorithm text not null,
  template text not null,
  created_at timestamptz not null default now(),
  refused_at timestamptz
);

comment on table ops.pattern_signatures is
  'Keys to patterns, many to one: a better algorithm, a merge or a generalised template adds keys, and the pattern stays.';
comment on column ops.pattern_signatures.signature is 'pattern_ and a digest of the normalised message and the algorithm''s name.';
comment on column ops.pattern_signatures.pattern_id is 'The pattern that it leads to.';
comment on column ops.pattern_signatures.algorithm is 'The grouping algorithm that made it, as grouping/v1.';
comment on column ops.pattern_signatures.template is 'The normalised message that it is the digest of.';
comment on column ops.pattern_signatures.created_at is 'When it came to this pattern. A fix applies only to signatures that its approver could see.';
comment on column ops.pattern_signatures.refused_at is 'When it was last told that a fix was not run for it.';

create index idx_pattern_signatures_pattern on ops.pattern_signatures (pattern_id);
-- Operators search the templates for parts of a word, and for what is near to it.
create index idx_pattern_signatures_trigram on ops.pattern_signatures
  using gist (template extensions.gist_trgm_ops (siglen = 64));

alter table ops.pattern_signatures enable row level security;

create policy "Operators read signatures" on ops.pattern_signatures
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.pattern_signatures from public, anon, authenticated, service_role;
grant select on table ops.pattern_signatures to authenticated;
grant select, insert, update, delete on table ops.pattern_signatures to service_role;

create table ops.pattern_incidents (
  id bigserial primary key,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  signature text not null,
  system_log_id bigint unique references ops.system_logs (id) on delete set null,
  occurred_at timestamptz not null default now(),
  learned_at timestamptz not null default now(),
  refusal text,
  target text
);

comment on table ops.pattern_incidents is 'Every error that was counted. A log row is in it once, which makes learning safe to repeat.';
comment on column ops.pattern_incidents.id is 'Order of learning.';
comment on column ops.pattern_incidents.pattern_id is 'The pattern that it counts for.';
comment on column ops.pattern_incidents.signature is 'The signature that led there.';
comment on column ops.pattern_incidents.system_log_id is 'The log row; null when the error was reported without one, or the row is gone.';
comment on column ops.pattern_incidents.occurred_at is 'When the error happened.';
comment on column ops.pattern_incidents.learned_at is 'When it was counted.';
comment on column ops.pattern_incidents.refusal is 'Why the fix was not run for it, where there was one.';
comment on column ops.pattern_incidents.target is 'Digest of the captured values that name the target of the fix, where it has one.';

create index idx_pattern_incidents_pattern on ops.pattern_incidents (pattern_id, occurred_at desc);

alter table ops.pattern_incidents enable row level security;

create policy "Operators read incidents" on ops.pattern_incidents
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.pattern_incidents from public, anon, authenticated, service_role;
revoke all on sequence ops.pattern_incidents_id_seq from public, anon, authenticated, service_role;
grant select on table ops.pattern_incidents to authenticated;
grant select, insert, update, delete on table ops.pattern_incidents to service_role;
grant usage on sequence ops.pattern_incidents_id_seq to service_role;
