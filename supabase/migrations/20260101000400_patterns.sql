-- Patterns (groups of errors with one cause), the errors counted for each, and the life of a pattern: open, resolved,
-- ignored, archived, and open again when it is seen again.

create table ops.error_patterns (
  id bigserial primary key,
  pattern_id uuid not null unique default gen_random_uuid(),

  pattern_signature text not null constraint idx_error_patterns_signature unique,
  pattern_type text not null
  constraint error_patterns_type_known check (pattern_type in ('database', 'api', 'rls', 'stripe', 'deployment')),
  error_message_pattern text not null,
  tries_expression boolean not null default true,
  error_source text,
  severity text not null
  constraint error_patterns_severity_known check (severity in ('debug', 'info', 'warning', 'error', 'critical')),

  status text not null default 'open'
  constraint error_patterns_status_known check (status in ('open', 'resolved', 'ignored', 'archived', 'merged')),
  resolved_at timestamptz,
  resolved_by uuid,
  resolved_release text,
  ignored_until timestamptz,
  ignored_until_count integer,
  merged_into uuid references ops.error_patterns (pattern_id) on delete set null,

  occurrence_count integer not null default 1
  constraint error_patterns_occurrences_not_negative check (occurrence_count >= 0),
  untrusted_occurrences integer not null default 0
  constraint error_patterns_untrusted_not_negative check (untrusted_occurrences >= 0),
  occurrence_magnitude smallint not null generated always as (4 * ln(greatest(occurrence_count, 1))) stored,
  first_seen timestamptz not null default now(),
  first_release text,
  first_environment text,
  last_seen timestamptz not null default now(),
  last_release text,
  last_environment text,
  learned_from_incidents bigint [],

  auto_fix_enabled boolean not null default false,
  has_running_fix boolean not null default false,
  auto_fix_script text,
  auto_fix_type text
  constraint error_patterns_fix_type_known check (auto_fix_type is null or (ops_internal.fix_limits(auto_fix_type)).max_rows is not null),
  auto_fix_parameters jsonb,
  constitutional_compliant boolean not null default false,
  constitutional_violations jsonb,
  human_approved boolean not null default false,
  approved_by uuid references auth.users (id) on delete set null,
  approved_at timestamptz,

  success_rate numeric(5, 2) not null default 0.00
  constraint error_patterns_success_rate_is_percentage check (success_rate between 0 and 100),
  confidence_score numeric(3, 2) not null default 0.50
  constraint error_patterns_confidence_is_share check (confidence_score between 0 and 1),
  confidence_lower_bound numeric(5, 4),
  confidence_outcomes numeric(8, 2) not null default 0,
  consecutive_failures integer not null default 0,

  metadata jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  constraint error_patterns_enabled_means_approved check (
    not (auto_fix_enabled or has_running_fix)
    or (human_approved and auto_fix_script is not null and auto_fix_type is not null and approved_at is not null)
  ),
  constraint error_patterns_merged_pattern_is_empty check (status <> 'merged' or occurrence_count + untrusted_occurrences = 0)
)
-- Counting an error changes no indexed column. With free space on the page, the new row version needs no index entry.
with (fillfactor = 80);

comment on table ops.error_patterns is
  'One row a pattern: a group of errors with one cause, and the fix that a person approved for it.';
comment on column ops.error_patterns.id is 'Row number.';
comment on column ops.error_patterns.pattern_id is 'Identity of the pattern. It never changes and is never used again.';
comment on column ops.error_patterns.pattern_signature is 'The first signature. ops.pattern_signatures has all of them.';
comment on column ops.error_patterns.pattern_type is 'database, api, rls, stripe or deployment.';
comment on column ops.error_patterns.error_message_pattern is
  'Regular expression that every message with this signature matches, in Python, RE2, PostgreSQL and JavaScript.';
comment on column ops.error_patterns.tries_expression is
  'Whether the fix may find an error of unknown signature by its expression: made by grouping/v1, or by hand.';
comment on column ops.error_patterns.error_source is 'The component that the first error came from.';
comment on column ops.error_patterns.severity is 'Severity of the first error: debug, info, warning, error or critical.';
comment on column ops.error_patterns.status is
  'open; resolved, until it is seen again; ignored, until a time or a count; archived when unseen for 90 days; merged into another pattern.';
comment on column ops.error_patterns.resolved_at is 'When it was last resolved. An error that happened later is a regression.';
comment on column ops.error_patterns.resolved_by is 'Who resolved it. Kept after the person is gone.';
comment on column ops.error_patterns.resolved_release is 'The release that resolved the pattern, if the person named one.';
comment on column ops.error_patterns.ignored_until is 'An ignored pattern that is seen at or after this time is open again.';
comment on column ops.error_patterns.ignored_until_count is 'An ignored pattern whose occurrence_count reaches this is open again.';
comment on column ops.error_patterns.merged_into is
  'The pattern that this one was merged into. The row stays: its id is never used again, and its fixes and their history remain with it.';
comment on column ops.error_patterns.occurrence_count is
  'How many errors were counted. A log row counts once. Only rows of the writers that the setting counted_writers names are among them.';
comment on column ops.error_patterns.untrusted_occurrences is
  'How many more errors others wrote, such as signed-in users. Nothing is permitted, forbidden, judged, ranked or reopened by them.';
comment on column ops.error_patterns.occurrence_magnitude is
  'Four times the natural logarithm of occurrence_count, rounded. By it patterns are found in the order of their counts; an index of the count itself would have to be written with each error.';
comment on column ops.error_patterns.first_seen is
  'Time of the earliest error that was counted; of the earliest of all while none was. The same holds for the other times, releases and environments.';
comment on column ops.error_patterns.first_release is 'The application''s version in its earliest error, if the log row said so.';
comment on column ops.error_patterns.first_environment is 'Where its earliest error happened, if the log row said so.';
comment on column ops.error_patterns.last_seen is 'Time of the latest error.';
comment on column ops.error_patterns.last_release is 'The application''s version in its latest error that said so.';
comment on column ops.error_patterns.last_environment is 'Where its latest error that said so happened.';
comment on column ops.error_patterns.learned_from_incidents is
  'Ids of the latest 20 log rows; all of them are in ops.pattern_incidents.';
comment on column ops.error_patterns.auto_fix_enabled is
  'Whether a fix of the pattern is live. The approval enables it, and an operator or the engine disables it. A shadow runs nothing, so it is not enabled.';
comment on column ops.error_patterns.has_running_fix is
  'Whether a fix of the pattern is live or a shadow, so that the engine looks for it.';
comment on column ops.error_patterns.auto_fix_script is
  'The fix, as approved. What runs is the pinned version in ops.pattern_fixes.';
comment on column ops.error_patterns.auto_fix_type is 'sql, typescript, bash or api_call.';
comment on column ops.error_patterns.auto_fix_parameters is 'The fix''s parameters, as approved. Secrets are named, never stored.';
comment on column ops.error_patterns.constitutional_compliant is
  'Whether the approved fix was found harmless at approval, by the analysis of its script.';
comment on column ops.error_patterns.constitutional_violations is
  'The last verdict that forbade the fix to run; null since the last approval.';
comment on column ops.error_patterns.human_approved is 'Whether a person approved a fix.';
comment on column ops.error_patterns.approved_by is 'Who approved the fix.';
comment on column ops.error_patterns.approved_at is 'When the fix was approved.';
comment on column ops.error_patterns.success_rate is
  'Runs of its fix after which the error stayed away, percent of those decided, 0.00 to 100.00.';
comment on column ops.error_patterns.confidence_score is '0.50 at first, then by the last ten decided outcomes of the fix.';
comment on column ops.error_patterns.confidence_lower_bound is
  'With 95 % certainty the live fix helps at least this often: the 5 % quantile of a Beta distribution over its outcomes, in which older ones count less. Null before the first outcome.';
comment on column ops.error_patterns.confidence_outcomes is
  'How many outcomes the lower bound rests on; an outcome of 30 days ago counts as half of one.';
comment on column ops.error_patterns.consecutive_failures is
  'Failed outcomes of the live fix in a row, since it was last put in use.';
comment on column ops.error_patterns.metadata is
  'Template, features, sample and captured values of the first error; known, the entry of the catalogue; symptom, what to look for instead of a fix.';
comment on column ops.error_patterns.created_at is 'When the row was made.';
comment on column ops.error_patterns.updated_at is 'When the row last changed.';

-- With the severity, because people ask for both, and of a type alone there may be a fifth of all patterns.
create index idx_error_patterns_type on ops.error_patterns (pattern_type, severity);
create index idx_error_patterns_enabled on ops.error_patterns (auto_fix_enabled);
create index idx_error_patterns_firing on ops.error_patterns (last_seen) where auto_fix_enabled;
create index idx_error_patterns_approved_by on ops.error_patterns (approved_by);
create index idx_error_patterns_expressions on ops.error_patterns (id desc) where has_running_fix and tries_expression;
-- The inbox: what awaits a review, the most frequent first; what is new, or in another state; and what one source logged.
create index idx_error_patterns_awaiting on ops.error_patterns (occurrence_magnitude desc)
  where status = 'open' and not has_running_fix;
create index idx_error_patterns_first_seen on ops.error_patterns (status, first_seen desc);
create index idx_error_patterns_source on ops.error_patterns (left(error_source, 100));
create index idx_error_patterns_merged_into on ops.error_patterns (merged_into);
-- The job that links symptoms looks each minute for those that were seen.
create index idx_error_patterns_symptoms on ops.error_patterns (pattern_id) where metadata ->> 'symptom' is not null;

alter table ops.error_patterns enable row level security;

create policy "Operators read patterns" on ops.error_patterns
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create trigger touch_updated_at before update on ops.error_patterns
  for each row execute function ops_internal.touch_updated_at();

create function ops_internal.stamp_expression() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.tries_expression := true;
  return new;
end
$$;

comment on function ops_internal.stamp_expression is
  'Marks an expression that a person wrote, so that it is matched against errors with an unknown signature.';

create trigger stamp_expression before update of error_message_pattern on ops.error_patterns
  for each row
  when (new.error_message_pattern is distinct from old.error_message_pattern)
  execute function ops_internal.stamp_expression();

create table ops.pattern_incidents (
  id bigserial primary key,
  pattern_id uuid not null references ops.error_patterns (pattern_id) on delete cascade,
  signature text not null,
  system_log_id bigint unique references ops.system_logs (id) on delete set null,
  occurred_at timestamptz not null default now(),
  learned_at timestamptz not null default now(),
  identifiers jsonb not null default '{}',
  frame text,
  gate text,
  refusal text,
  target text,
  written_by text not null default 'service_role',
  counts boolean not null default true
);

comment on table ops.pattern_incidents is
  'Every error that was counted. A log row is in it once, which makes learning safe to repeat.';
comment on column ops.pattern_incidents.id is 'Order of learning.';
comment on column ops.pattern_incidents.pattern_id is 'The pattern that it counts for.';
comment on column ops.pattern_incidents.signature is 'The signature of the error that led to the pattern.';
comment on column ops.pattern_incidents.system_log_id is
  'The log row; null when the error was reported without one, or the row is gone.';
comment on column ops.pattern_incidents.occurred_at is 'When the error happened.';
comment on column ops.pattern_incidents.learned_at is 'When it was counted.';
comment on column ops.pattern_incidents.identifiers is
  'What the error named, as {"constraint": "orders_pkey"}; without values that hold personal data or secrets.';
comment on column ops.pattern_incidents.frame is 'The place in the application that threw the error, if it is known.';
comment on column ops.pattern_incidents.gate is
  'What kept the fix from this error: laws, outside_guard, unconfirmed, paused, demoted, expired, shadow, before_approval, too_old, writer, no_error, two_people, not_live, not_granted or changed; null if nothing was recorded.';
comment on column ops.pattern_incidents.refusal is 'Why the fix did not run for this error.';
comment on column ops.pattern_incidents.written_by is
  'The role that wrote the log row; for an error without one, authenticated if a person reported it, else service_role.';
comment on column ops.pattern_incidents.counts is
  'Whether it is in its pattern''s occurrence_count, or else in untrusted_occurrences; decided when it was learned.';
comment on column ops.pattern_incidents.target is
  'Digest of the captured values that name the target of the fix, where it has one.';

-- With counts, because charts of a pattern add up all errors of many days.
create index idx_pattern_incidents_pattern on ops.pattern_incidents (pattern_id, occurred_at desc) include (counts);
-- Verification looks for errors of the same target. Most errors have none.
create index idx_pattern_incidents_target on ops.pattern_incidents (pattern_id, target, occurred_at) where target is not null;

alter table ops.pattern_incidents enable row level security;

create policy "Operators read incidents" on ops.pattern_incidents
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.lock_pattern(p_pattern_id uuid) returns ops.error_patterns
language plpgsql
set search_path = ''
as $$
declare
  pattern ops.error_patterns;
begin
  select * into pattern
  from ops.error_patterns
  where error_patterns.pattern_id = p_pattern_id
  for no key update;
  if not found then
    raise exception using
      errcode = 'PL002',
      message = format('there is no pattern %s', p_pattern_id),
      hint = 'GET /statistics lists the patterns that await approval, with their ids.';
  end if;
  if pattern.status = 'merged' then
    raise exception using
      errcode = 'PL020',
      message = format('pattern %s was merged', p_pattern_id),
      detail = format('It was merged into %s.', coalesce(pattern.merged_into::text, 'a pattern that was deleted')),
      hint = 'Use that one, or POST /undo the merge.';
  end if;
  return pattern;
end
$$;

comment on function ops_internal.lock_pattern is
  'The pattern, locked until the end of the transaction. Raises PL002 where there is none, PL020 where it was merged into another.';

create function ops_internal.lock_patterns(p_pattern_ids uuid []) returns void
language sql
set search_path = ''
as $$
  select from ops.error_patterns
  where error_patterns.pattern_id = any(p_pattern_ids)
  order by error_patterns.pattern_id
  for no key update
$$;

comment on function ops_internal.lock_patterns is
  'Locks these patterns until the end of the transaction, in the order in which everyone locks several: by id.';

create function ops_internal.latest_logs(p_pattern_id uuid, p_counted boolean) returns bigint []
language sql
stable
set search_path = ''
as $$
  select array(
    select incidents.system_log_id
    from ops.pattern_incidents as incidents
    where incidents.pattern_id = p_pattern_id
      and incidents.system_log_id is not null
      and (incidents.counts or not p_counted)
    order by incidents.occurred_at desc, incidents.system_log_id desc
    limit 20
  )
$$;

comment on function ops_internal.latest_logs is
  'The latest 20 log rows of a pattern, out of its incidents, or of those that count.';

create function ops_internal.tell_decision(
  p_event_type text, p_description text, p_pattern ops.error_patterns, p_person uuid, p_reason text
) returns void
language sql
set search_path = ''
as $$
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    p_event_type, 'info', p_description || p_pattern.pattern_signature, p_person,
    jsonb_build_object(
      'pattern_id', p_pattern.pattern_id,
      'pattern_signature', p_pattern.pattern_signature,
      'occurrence_count', p_pattern.occurrence_count,
      'resolved_release', p_pattern.resolved_release,
      'ignored_until', p_pattern.ignored_until,
      'ignored_until_count', p_pattern.ignored_until_count,
      'reason', p_reason
    )
  )
$$;

comment on function ops_internal.tell_decision is 'Records the decision of a person about a pattern as an event.';

create function ops_internal.release_order(p_release text) returns text []
language sql
immutable
set search_path = ''
as $$
  -- The name of what is released, six numbers, and the parts of a pre-release, which comes before its release: "~" sorts behind
  -- every letter and digit.
  select
    coalesce(version.found [1], '')
    || array(
      select lpad(coalesce((string_to_array(version.found [2], '.')) [places.place], '0'), 20, '0')
      from generate_series(1, 6) as places (place)
      order by places.place
    )
    || coalesce(
      (
        select array_agg(case when parts.part ~ '^[0-9]{1,20}$' then '0' || lpad(parts.part, 20, '0') else '1' || parts.part end order by parts.place)
        from string_to_table(version.found [3], '.') with ordinality as parts (part, place)
      ),
      array['~']
    )
  from (
    select regexp_match(left(p_release, 200), '^(.*@)?v?([0-9]{1,20}(?:[.][0-9]{1,20}){0,5})(?:-([0-9A-Za-z.-]+))?(?:[+].*)?$')
  ) as version (found)
  where version.found is not null
$$;

comment on function ops_internal.release_order is
  'What orders releases that are versions, as 1.4.0, v1.4.0-rc.1 or shop@1.4.0, by semantic versioning; null for other releases, as the hash of a commit.';

create function ops_internal.is_earlier_release(p_release text, p_other text) returns boolean
language sql
immutable
set search_path = ''
as $$
  select case
    when p_release = p_other then false
    when one.parts [1] = other.parts [1] then one.parts collate "C" < other.parts
  end
  from
    (select ops_internal.release_order(p_release)) as one (parts),
    (select ops_internal.release_order(p_other)) as other (parts)
$$;

comment on function ops_internal.is_earlier_release is
  'Whether a release came before another one; null where their names do not tell.';

create function ops_internal.has_regressed(p_pattern ops.error_patterns) returns boolean
language sql
stable
set search_path = ''
as $$
  with latest as (
    select coalesce(logs.release, '') as release, incidents.occurred_at
    from ops.pattern_incidents as incidents
    left join ops.system_logs as logs on logs.id = incidents.system_log_id
    where incidents.pattern_id = p_pattern.pattern_id and incidents.counts
    order by incidents.occurred_at desc
    limit 1000
  )

  select exists (
    select from latest
    where latest.occurred_at > p_pattern.resolved_at
      and (
        latest.release = ''
        or not coalesce(
          ops_internal.is_earlier_release(latest.release, p_pattern.resolved_release),
          -- Names that tell no order: the pattern was seen in this release before it was resolved in another one.
          latest.release <> p_pattern.resolved_release
          and latest.release = any(array(select old.release from latest as old where old.occurred_at <= p_pattern.resolved_at)),
          false
        )
      )
  )
$$;

comment on function ops_internal.has_regressed is
  'Whether a pattern that was resolved in a release occurred since in that or a later one. Instances of an earlier release that still run, and their errors, are no regression. Looks at the latest 1000 errors.';

create function ops_internal.seen_again(p_pattern_ids uuid []) returns void
language sql
set search_path = ''
as $$
  with woken as (
    select patterns.pattern_id, patterns.status, patterns.ignored_until, patterns.ignored_until_count
    from ops.error_patterns as patterns
    where patterns.pattern_id = any(p_pattern_ids)
      and case patterns.status
        when 'archived' then true
        -- An error that happened before and was delivered late is no regression.
        when 'resolved' then
          patterns.last_seen > patterns.resolved_at
          and (patterns.resolved_release is null or ops_internal.has_regressed(patterns))
        when 'ignored' then
          coalesce(now() >= patterns.ignored_until, false)
          or coalesce(patterns.occurrence_count >= patterns.ignored_until_count, false)
        else false
      end
  ),

  opened as (
    update ops.error_patterns as patterns set
      status = 'open',
      ignored_until = null,
      ignored_until_count = null
    from woken
    where patterns.pattern_id = woken.pattern_id
    returning
      patterns.pattern_id, patterns.pattern_signature, patterns.occurrence_count, patterns.last_seen,
      patterns.last_release, patterns.last_environment, patterns.resolved_at, patterns.resolved_release,
      woken.status as former_status, woken.ignored_until, woken.ignored_until_count
  )

  insert into ops.roman_events (event_type, severity, description, metadata)
  select
    case opened.former_status when 'resolved' then 'pattern_regressed' else 'pattern_reopened' end,
    case opened.former_status when 'resolved' then 'warning' else 'info' end,
    case opened.former_status
      when 'resolved' then 'A resolved pattern came back: ' || opened.pattern_signature
      when 'ignored' then 'An ignored pattern reached its limit: ' || opened.pattern_signature
      else 'An archived pattern came back: ' || opened.pattern_signature
    end,
    jsonb_build_object(
      'pattern_id', opened.pattern_id,
      'pattern_signature', opened.pattern_signature,
      'former_status', opened.former_status,
      'occurrence_count', opened.occurrence_count,
      'last_seen', opened.last_seen,
      'release', opened.last_release,
      'environment', opened.last_environment
    )
    || case opened.former_status
      when 'resolved' then jsonb_build_object('resolved_at', opened.resolved_at, 'resolved_release', opened.resolved_release)
      when 'ignored' then jsonb_build_object(
        'ignored_until', opened.ignored_until, 'ignored_until_count', opened.ignored_until_count
      )
      else '{}'
    end
  from opened
$$;

comment on function ops_internal.seen_again is
  'Opens those of these patterns that must not stay resolved, ignored or archived, with an event for each. Learning calls it after counting errors that count, for patterns whose status is not open.';

create function ops_internal.tell_reached(p_pattern_ids uuid []) returns void
language sql
set search_path = ''
as $$
  insert into ops.roman_events (event_type, severity, description, metadata)
  select
    'threshold_reached', 'warning',
    format('An error occurred %s times, and no fix is in use: %s', patterns.occurrence_count, patterns.pattern_signature),
    jsonb_build_object(
      'pattern_id', patterns.pattern_id, 'pattern_signature', patterns.pattern_signature,
      'occurrence_count', patterns.occurrence_count
    )
  from ops.error_patterns as patterns
  where patterns.pattern_id = any(p_pattern_ids) and patterns.status = 'open' and not patterns.has_running_fix
$$;

comment on function ops_internal.tell_reached is
  'Records that these patterns have reached review_occurrences, unless a fix is in use or nobody wants to hear of them. Whoever raises the count past it calls this.';

create function ops_internal.resolve_pattern(p_pattern_id uuid, p_release text, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
begin
  if pattern.status = 'resolved' then
    return to_jsonb(pattern);
  end if;
  update ops.error_patterns set
    status = 'resolved',
    resolved_at = clock_timestamp(),
    resolved_by = person,
    resolved_release = p_release,
    ignored_until = null,
    ignored_until_count = null
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;
  perform ops_internal.tell_decision('pattern_resolved', 'Pattern resolved: ', pattern, person, p_reason);
  return to_jsonb(pattern);
end
$$;

create function ops.resolve_pattern_v1(p_pattern_id uuid, p_release text default null, p_reason text default null) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.resolve_pattern(p_pattern_id, p_release, p_reason) $$;

comment on function ops.resolve_pattern_v1 is
  'Marks a pattern as resolved; an error that happens later is a regression, but not one of an earlier release than the named one. For an ops_operator or ops_admin in person.';

create function ops_internal.ignore_pattern(
  p_pattern_id uuid, p_until timestamptz, p_occurrences integer, p_reason text
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
begin
  perform ops_internal.refuse_if(
    p_until <= now(), 'PL022', format('until is %s, which has passed', p_until), 'Give a time in the future.'
  );
  perform ops_internal.refuse_if(
    p_occurrences not between 1 and 1000000000, 'PL022', format('occurrences is %s', p_occurrences),
    'Give a number from 1 to 1000000000: how many more errors are ignored.'
  );
  update ops.error_patterns set
    status = 'ignored',
    ignored_until = p_until,
    ignored_until_count = pattern.occurrence_count + p_occurrences
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;
  perform ops_internal.tell_decision('pattern_ignored', 'Pattern ignored: ', pattern, person, p_reason);
  return to_jsonb(pattern);
end
$$;

create function ops.ignore_pattern_v1(
  p_pattern_id uuid, p_until timestamptz default null, p_occurrences integer default null, p_reason text default null
) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.ignore_pattern(p_pattern_id, p_until, p_occurrences, p_reason) $$;

comment on function ops.ignore_pattern_v1 is
  'Ignores a pattern until a time, until so many more errors, whichever comes first, or for good. For an ops_operator or ops_admin in person.';

create function ops_internal.reopen_pattern(p_pattern_id uuid, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
begin
  if pattern.status = 'open' then
    return to_jsonb(pattern);
  end if;
  update ops.error_patterns set status = 'open', ignored_until = null, ignored_until_count = null
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;
  perform ops_internal.tell_decision('pattern_reopened', 'Pattern reopened: ', pattern, person, p_reason);
  return to_jsonb(pattern);
end
$$;

create function ops.reopen_pattern_v1(p_pattern_id uuid, p_reason text default null) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.reopen_pattern(p_pattern_id, p_reason) $$;

comment on function ops.reopen_pattern_v1 is
  'Opens a resolved, ignored or archived pattern. For an ops_operator or ops_admin in person.';
