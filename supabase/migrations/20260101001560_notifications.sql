-- Notifications: what happened is written to an outbox in the transaction in which it happens, routed to the targets that want
-- it, grouped into messages, and sent by the function /notify, which a job calls. A target's address is a secret of Vault.

create function ops_internal.severity_rank(p_severity text) returns integer
language sql
immutable
set search_path = ''
as $$ select array_position(array['debug', 'info', 'warning', 'error', 'critical'], p_severity) $$;

comment on function ops_internal.severity_rank is 'The severities in order: debug is 1, critical is 5.';

create function ops_internal.notification_kinds() returns text []
language sql
immutable
set search_path = ''
as $$
  select array[
    'threshold_reached', 'approval_requested', 'approval_expiring', 'violation', 'fix_failed', 'fix_demoted', 'healed_often',
    'storm_stop', 'regression', 'recurrence', 'spike', 'delivery_stalled', 'test'
  ]
$$;

comment on function ops_internal.notification_kinds is
  'What notifications tell of. A regression came back in a release that was to be free of it, a recurrence after a resolve without a release.';

-- The outbox.

create table ops.notifications (
  id bigserial primary key,
  notification_id uuid not null unique default gen_random_uuid(),
  kind text not null constraint notifications_kind_known check (kind = any(ops_internal.notification_kinds())),
  severity text not null constraint notifications_severity_known check (ops_internal.severity_rank(severity) is not null),
  description text not null,
  event_id uuid unique,
  pattern_id uuid,
  details jsonb not null default '{}',
  created_at timestamptz not null default now()
);

comment on table ops.notifications is
  'The outbox: what people are told, one row a happening, written in the transaction in which it happened. Rows that every target has got are deleted after notification_days days.';
comment on column ops.notifications.id is 'Order of happening.';
comment on column ops.notifications.notification_id is 'Stable id.';
comment on column ops.notifications.kind is
  'threshold_reached, approval_requested, approval_expiring, violation, fix_failed, fix_demoted, healed_often, storm_stop, regression, recurrence, spike, delivery_stalled or test.';
comment on column ops.notifications.severity is 'debug, info, warning, error or critical. A critical one does not wait to be grouped.';
comment on column ops.notifications.description is 'One sentence for people, with no text of an error in it.';
comment on column ops.notifications.event_id is 'The event in ops.roman_events that it tells of; null for a test.';
comment on column ops.notifications.pattern_id is 'The pattern that it is about; null if it is about the whole project.';
comment on column ops.notifications.details is 'The particulars of the event, such as proposal_id or application_id.';
comment on column ops.notifications.created_at is 'When it happened.';

-- One notification of a kind for a pattern, and of a proposal, is looked up by these.
create index idx_notifications_pattern on ops.notifications (pattern_id, kind, created_at desc);
create index idx_notifications_kind on ops.notifications (kind, created_at desc);

create table ops.notification_targets (
  target_id uuid primary key default gen_random_uuid(),
  name text not null unique constraint notification_targets_name_short check (char_length(name) between 1 and 100),
  url_secret text not null
  constraint notification_targets_secret_is_own check (url_secret ~ '^notify_[a-z0-9_]{1,100}$'),
  enabled boolean not null default true,
  least_severity text not null default 'warning'
  constraint notification_targets_severity_known check (ops_internal.severity_rank(least_severity) is not null),
  kinds text [] constraint notification_targets_kinds_known check (kinds <@ ops_internal.notification_kinds()),
  pattern_types text []
  constraint notification_targets_types_known check (pattern_types <@ array['database', 'api', 'rls', 'stripe', 'deployment']),
  sources text [],
  pattern_ids uuid [],
  cap_per_hour integer not null default 20 constraint notification_targets_cap_in_bounds check (cap_per_hour between 1 and 1000),
  digest_seconds integer not null default 300
  constraint notification_targets_digest_in_bounds check (digest_seconds between 0 and 86400),
  failures integer not null default 0,
  next_at timestamptz not null default now(),
  lease_until timestamptz,
  last_sent_at timestamptz,
  last_error text,
  last_error_at timestamptz,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  changed_by uuid
);

comment on table ops.notification_targets is
  'Where notifications go, one row an address, each with what it wants to be told. ops.set_notification_target_v1 writes them.';
comment on column ops.notification_targets.target_id is 'Stable id.';
comment on column ops.notification_targets.name is 'What people call it.';
comment on column ops.notification_targets.url_secret is
  'The name of the Vault secret that holds its Apprise URL, such as mailtos://… or slack://…. The name begins with notify_, so that no other secret can be read as a URL.';
comment on column ops.notification_targets.enabled is
  'Whether it is told anything. While it is not, what waits for it is kept, and nothing new is added.';
comment on column ops.notification_targets.least_severity is 'It is told of this severity and of those above it.';
comment on column ops.notification_targets.kinds is 'The kinds that it is told of; null for all.';
comment on column ops.notification_targets.pattern_types is
  'The types of patterns that it is told of; null for all. This and the next two do not hold back what is about the whole project, such as a storm stop.';
comment on column ops.notification_targets.sources is 'The sources of errors that it is told of; null for all.';
comment on column ops.notification_targets.pattern_ids is 'The patterns that it is told of; null for all.';
comment on column ops.notification_targets.cap_per_hour is 'The most messages within an hour. The rest follows later, in one message.';
comment on column ops.notification_targets.digest_seconds is
  'After a message the next one waits for so many seconds, and takes all that came in the meantime; a critical notification does not wait.';
comment on column ops.notification_targets.failures is 'How many tries to send to it failed in a row. Pauses between tries grow by it.';
comment on column ops.notification_targets.next_at is 'It is not tried before this time.';
comment on column ops.notification_targets.lease_until is 'Until this time a worker is sending to it, and no other worker does.';
comment on column ops.notification_targets.last_sent_at is 'When it accepted a message last.';
comment on column ops.notification_targets.last_error is 'Why the last try failed; null since a message was accepted.';
comment on column ops.notification_targets.last_error_at is 'When the last try failed.';
comment on column ops.notification_targets.created_at is 'When it was made.';
comment on column ops.notification_targets.changed_at is 'When a person changed it last.';
comment on column ops.notification_targets.changed_by is 'Who changed it last. Kept after the account is deleted.';

create table ops.notification_messages (
  message_id uuid primary key default gen_random_uuid(),
  target_id uuid not null references ops.notification_targets (target_id) on delete cascade,
  state text not null default 'waiting' constraint notification_messages_state_known check (state in ('waiting', 'sent', 'dead')),
  tries integer not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  tried_at timestamptz,
  finished_at timestamptz,
  last_error text
);

comment on table ops.notification_messages is 'The messages to each target: several notifications may share one.';
comment on column ops.notification_messages.message_id is
  'Stable id; every try carries it: as the Message-ID of a mail, as Idempotency-Key of a webhook, and at the end of the text.';
comment on column ops.notification_messages.target_id is 'Whom it is for.';
comment on column ops.notification_messages.state is
  'waiting: to be sent, or being sent; sent: the target accepted it; dead: given up after notification_tries tries, until a person retries it.';
comment on column ops.notification_messages.tries is 'How often a worker began to send it, since a person retried it last.';
comment on column ops.notification_messages.created_at is 'When it was made.';
comment on column ops.notification_messages.tried_at is 'When a worker began to send it last.';
comment on column ops.notification_messages.finished_at is 'When it was sent or given up.';
comment on column ops.notification_messages.last_error is 'Why its last try failed.';

create index idx_notification_messages_waiting on ops.notification_messages (target_id, created_at) where state = 'waiting';
create index idx_notification_messages_finished on ops.notification_messages (target_id, state, finished_at desc);
create index idx_notification_messages_state on ops.notification_messages (state, created_at desc);

create table ops.notification_deliveries (
  notification_id bigint not null references ops.notifications (id) on delete cascade,
  target_id uuid not null references ops.notification_targets (target_id) on delete cascade,
  message_id uuid references ops.notification_messages (message_id) on delete set null,
  primary key (notification_id, target_id)
);

comment on table ops.notification_deliveries is 'Which target is to be told of which notification, and by which message.';
comment on column ops.notification_deliveries.notification_id is 'The notification: ops.notifications.id.';
comment on column ops.notification_deliveries.target_id is 'The target.';
comment on column ops.notification_deliveries.message_id is 'The message that tells it; null while it waits to be grouped.';

create index idx_notification_deliveries_waiting on ops.notification_deliveries (target_id, notification_id) where message_id is null;
create index idx_notification_deliveries_message on ops.notification_deliveries (message_id);
create index idx_notification_deliveries_target on ops.notification_deliveries (target_id);

alter table ops.notifications enable row level security;
alter table ops.notification_targets enable row level security;
alter table ops.notification_messages enable row level security;
alter table ops.notification_deliveries enable row level security;

create policy "Operators read notifications" on ops.notifications
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create policy "Operators read notification targets" on ops.notification_targets
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create policy "Operators read notification messages" on ops.notification_messages
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create policy "Operators read notification deliveries" on ops.notification_deliveries
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

-- From a happening to the targets.

create function ops_internal.id_in(p_details jsonb, p_name text) returns uuid
language sql
immutable
set search_path = ''
as $$
  select case
    when p_details ->> p_name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (p_details ->> p_name)::uuid
  end
$$;

comment on function ops_internal.id_in is 'An id out of the particulars of an event; null if there is none.';

create function ops_internal.notify(
  p_kind text, p_severity text, p_description text, p_details jsonb default '{}', p_event_id uuid default null
) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  -- Once, and not in a condition, where it would be computed for each row that is compared.
  about constant uuid := ops_internal.id_in(p_details, 'pattern_id');
  pattern ops.error_patterns;
  stored bigint;
begin
  select * into pattern from ops.error_patterns as patterns where patterns.pattern_id = about;
  insert into ops.notifications (kind, severity, description, event_id, pattern_id, details)
  values (p_kind, p_severity, p_description, p_event_id, about, coalesce(p_details, '{}'))
  returning id into stored;
  insert into ops.notification_deliveries (notification_id, target_id)
  select stored, targets.target_id
  from ops.notification_targets as targets
  where targets.enabled
    and ops_internal.severity_rank(p_severity) >= ops_internal.severity_rank(targets.least_severity)
    and p_kind = any(coalesce(targets.kinds, array[p_kind]))
    and (
      about is null
      or (
        coalesce(pattern.pattern_type = any(targets.pattern_types), targets.pattern_types is null)
        and coalesce(pattern.error_source = any(targets.sources), targets.sources is null)
        and coalesce(about = any(targets.pattern_ids), targets.pattern_ids is null)
      )
    );
  return stored;
end
$$;

comment on function ops_internal.notify is
  'Writes a notification to the outbox and routes it to the targets that want it; answers its id.';

create function ops_internal.notify_of_event() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  kind constant text := case new.event_type
    when 'fix_proposed' then 'approval_requested'
    when 'fix_expired' then 'approval_requested'
    when 'constitutional_violation' then 'violation'
    when 'fix_refused' then 'violation'
    when 'pattern_applied' then 'fix_failed'
    when 'verification_overturned' then 'fix_failed'
    when 'pattern_disabled' then 'fix_demoted'
    when 'pattern_spiked' then 'spike'
    when 'pattern_regressed' then case when new.metadata ->> 'resolved_release' is null then 'recurrence' else 'regression' end
    else new.event_type
  end;
  least constant text := case
    when kind in ('storm_stop', 'delivery_stalled') or new.event_type = 'fix_refused' then 'critical'
    when kind in ('fix_failed', 'fix_demoted') then 'error'
    else 'warning'
  end;
  about constant uuid := ops_internal.id_in(new.metadata, 'pattern_id');
  severity text := least;
begin
  if kind in ('threshold_reached', 'regression', 'recurrence', 'spike') then
    select patterns.severity into severity
    from ops.error_patterns as patterns
    where patterns.pattern_id = about
      and ops_internal.severity_rank(patterns.severity) > ops_internal.severity_rank(least);
  end if;
  perform ops_internal.notify(kind, coalesce(severity, least), new.description, new.metadata, new.event_id);
  return null;
end
$$;

comment on function ops_internal.notify_of_event is
  'Writes the notification of an event. What is about errors is at least a warning, and as severe as the pattern.';

create trigger notify_of_event after insert on ops.roman_events
  for each row
  when (
    new.event_type in (
      'threshold_reached', 'fix_proposed', 'fix_expired', 'approval_expiring', 'constitutional_violation', 'fix_failed', 'fix_demoted',
      'pattern_applied', 'verification_overturned', 'pattern_disabled', 'fix_refused', 'healed_often', 'storm_stop',
      'pattern_regressed', 'pattern_spiked', 'delivery_stalled'
    )
    -- A run that went well, or was watched only, a signature that waits to be confirmed, and what a person did: nobody is told.
    and (
      new.event_type not in ('pattern_applied', 'fix_failed', 'verification_overturned', 'fix_demoted', 'pattern_disabled', 'fix_refused')
      or (new.severity = 'warning' and new.event_type <> 'fix_refused' and new.actor is null)
      or (new.severity = 'critical' and new.event_type = 'fix_refused')
    )
  )
  execute function ops_internal.notify_of_event();

-- Happenings that no transaction of their own tells of. A job looks for them each minute.

create function ops_internal.tell_expiring() returns bigint
language sql
set search_path = ''
as $$
  with ending as (
    select
      'Nobody has decided on a proposed fix, and it expires soon: ' as description, proposals.pattern_id,
      proposals.proposed_at as begins_at, proposals.expires_at as ends_at,
      jsonb_build_object('proposal_id', proposals.proposal_id, 'expires_at', proposals.expires_at) as subject
    from ops.fix_proposals as proposals
    where proposals.decision is null
      and proposals.expires_at > clock_timestamp()
      and proposals.expires_at <= clock_timestamp() + make_interval(mins => ops_internal.setting('expiring_minutes')::integer)
      and ops_internal.closed_because(proposals) is null
    union all
    select
      'The approval of a fix ends soon: ', fixes.pattern_id, fixes.mode_changed_at, fixes.ends_at,
      jsonb_build_object('version', fixes.version, 'ends_at', fixes.ends_at)
    from ops.pattern_fixes as fixes
    where fixes.ends_at > clock_timestamp()
      and fixes.ends_at <= clock_timestamp() + make_interval(mins => ops_internal.setting('expiring_minutes')::integer)
      and fixes.disabled_at is null
      and fixes.mode in ('live', 'shadow')
  ),

  events as (
    insert into ops.roman_events (event_type, severity, description, metadata)
    select
      'approval_expiring', 'warning', ending.description || patterns.pattern_signature,
      jsonb_build_object('pattern_id', ending.pattern_id) || ending.subject
    from ending
    inner join ops.error_patterns as patterns on patterns.pattern_id = ending.pattern_id
    -- Of what lives so short a time people have been told a moment ago.
    where clock_timestamp() >= ending.begins_at + (ending.ends_at - ending.begins_at) / 2
      and not exists (
        select from ops.notifications as told
        where told.pattern_id = ending.pattern_id and told.kind = 'approval_expiring' and told.details @> ending.subject
      )
    returning id
  )

  select count(*) from events
$$;

comment on function ops_internal.tell_expiring is
  'Tells, once each, of open proposals and of approvals that end within expiring_minutes minutes; answers how many.';

create function ops_internal.tell_healed_often() returns bigint
language sql
set search_path = ''
as $$
  with settings as (
    select ops_internal.setting('heals_per_week')::integer as heals_per_week, clock_timestamp() - interval '7 days' as since
  ),

  healed as (
    select latest.pattern_id, patterns.pattern_signature, week.heals
    from settings
    cross join lateral (
      select distinct applications.pattern_id
      from ops.pattern_applications as applications
      where applications.applied_at > clock_timestamp() - interval '15 minutes' and applications.success
    ) as latest
    cross join lateral (
      select count(*) as heals
      from ops.pattern_applications as applications
      where applications.pattern_id = latest.pattern_id
        and applications.success
        and applications.applied_at > settings.since
        and applications.metadata ->> 'purpose' = 'heal'
    ) as week
    inner join ops.error_patterns as patterns on patterns.pattern_id = latest.pattern_id
    where week.heals >= settings.heals_per_week
      and not exists (
        select from ops.notifications as told
        where told.pattern_id = latest.pattern_id and told.kind = 'healed_often' and told.created_at > settings.since
      )
  ),

  events as (
    insert into ops.roman_events (event_type, severity, description, metadata)
    select
      'healed_often', 'warning',
      format('Healed %s times in 7 days: the fix works, and the cause is still there: %s', healed.heals, healed.pattern_signature),
      to_jsonb(healed)
    from healed
    returning id
  )

  select count(*) from events
$$;

comment on function ops_internal.tell_healed_often is
  'Tells, at most once in seven days for a pattern, that its fix ran well heals_per_week times in seven days; answers how many.';

create function ops_internal.tell_spikes() returns bigint
language sql
set search_path = ''
as $$
  with settings as (
    select
      ops_internal.setting('spike_errors')::integer as spike_errors,
      ops_internal.setting('spike_multiple')::integer as spike_multiple,
      clock_timestamp() - interval '5 minutes' as since
  ),

  -- The latest errors, however many there are.
  latest as (
    select logs.id
    from settings
    cross join lateral (
      select rows.id from ops.system_logs as rows
      where rows.created_at > settings.since and rows.log_level in ('error', 'critical')
      order by rows.created_at desc
      limit 20000
    ) as logs
  ),

  often as (
    select incidents.pattern_id, count(*) as errors
    from latest
    inner join ops.pattern_incidents as incidents on incidents.system_log_id = latest.id
    where incidents.counts
    group by incidents.pattern_id
    having count(*) >= (select settings.spike_errors from settings)
  ),

  spikes as (
    select often.pattern_id, patterns.pattern_signature, often.errors, day.errors / 287 as usual_errors
    from often
    cross join settings
    inner join ops.error_patterns as patterns on patterns.pattern_id = often.pattern_id
    -- The five minutes are one part of 288 of a day. Of the day before no more is counted than decides.
    cross join lateral (
      select count(*) as errors
      from (
        select from ops.pattern_incidents as earlier
        where earlier.pattern_id = often.pattern_id
          and earlier.occurred_at between settings.since - interval '1435 minutes' and settings.since
          and earlier.counts
        limit often.errors * 287 / settings.spike_multiple + 1
      ) as counted
    ) as day
    where patterns.status = 'open'
      and day.errors * settings.spike_multiple <= often.errors * 287
      and not exists (
        select from ops.notifications as told
        where told.pattern_id = often.pattern_id and told.kind = 'spike' and told.created_at > clock_timestamp() - interval '1 hour'
      )
  ),

  events as (
    insert into ops.roman_events (event_type, severity, description, metadata)
    select
      'pattern_spiked', 'warning',
      format('%s errors in 5 minutes, where %s are usual: %s', spikes.errors, spikes.usual_errors, spikes.pattern_signature),
      to_jsonb(spikes)
    from spikes
    returning id
  )

  select count(*) from events
$$;

comment on function ops_internal.tell_spikes is
  'Tells, at most once an hour for a pattern, that it had spike_errors errors in five minutes and spike_multiple times what it had in five minutes of the day before; answers how many.';

create function ops_internal.tell_stalled() returns bigint
language sql
set search_path = ''
as $$
  with oldest as (
    select logs.id as system_log_id, logs.created_at, ops_internal.setting('stalled_minutes')::integer as minutes
    from ops_internal.sweep as sweep
    cross join lateral ops_internal.unlearned_ids(
      sweep.settled_id, 9223372036854775807, 1, false,
      clock_timestamp() - make_interval(mins => ops_internal.setting('stalled_minutes')::integer)
    ) as unlearned (id)
    inner join ops.system_logs as logs on logs.id = unlearned.id
    where not exists (
      select from ops.notifications as told
      where told.kind = 'delivery_stalled' and told.created_at > clock_timestamp() - interval '1 hour'
    )
  ),

  events as (
    insert into ops.roman_events (event_type, severity, description, metadata)
    select
      'delivery_stalled', 'critical', format('Errors have not been learned for more than %s minutes', oldest.minutes), to_jsonb(oldest)
    from oldest
    returning id
  )

  select count(*) from events
$$;

comment on function ops_internal.tell_stalled is
  'Tells, at most once an hour, that an error waits to be learned for more than stalled_minutes minutes; answers how many.';

create function ops_internal.watch() returns bigint
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- One run at a time, so that nothing is told twice.
  if not pg_try_advisory_xact_lock(hashtextextended('ops_internal.watch', 0)) then
    return 0::bigint;
  end if;
  return ops_internal.tell_expiring() + ops_internal.tell_healed_often() + ops_internal.tell_spikes() + ops_internal.tell_stalled();
end
$$;

comment on function ops_internal.watch is
  'Looks for what no transaction tells of: proposals that expire, fixes that heal often, spikes, and errors that are not learned; answers how many events it recorded.';

-- Sending. A worker takes one message at a time, with a lease on its target: no other worker sends to that target meanwhile. A
-- worker that ends between sending and recording leaves the lease to run out; then the same message goes again, under the same id.

create function ops_internal.has_work(p_target ops.notification_targets) returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from ops.notification_messages as messages where messages.target_id = p_target.target_id and messages.state = 'waiting'
  ) or exists (
    select from ops.notification_deliveries as deliveries
    where deliveries.target_id = p_target.target_id and deliveries.message_id is null
  )
$$;

comment on function ops_internal.has_work is 'Whether something waits for a target.';

create function ops_internal.may_group(p_target ops.notification_targets) returns boolean
language sql
stable
set search_path = ''
as $$
  with waiting as (
    select bool_or(notifications.kind = 'test') as has_test, bool_or(notifications.severity = 'critical') as has_critical
    from ops.notification_deliveries as deliveries
    inner join ops.notifications as notifications on notifications.id = deliveries.notification_id
    where deliveries.target_id = p_target.target_id and deliveries.message_id is null
  )

  select coalesce(
    waiting.has_test
    or (
      (waiting.has_critical or coalesce(p_target.last_sent_at, '-infinity') <= clock_timestamp() - make_interval(secs => p_target.digest_seconds))
      and p_target.cap_per_hour > (
        select count(*) from ops.notification_messages as messages
        where messages.target_id = p_target.target_id
          and messages.state = 'sent'
          and messages.finished_at > clock_timestamp() - interval '1 hour'
      )
    ),
    false
  )
  from waiting
$$;

comment on function ops_internal.may_group is
  'Whether what waits for a target becomes a message now: its grouping interval is over or something is critical, and its cap leaves room. A test is sent at once.';

create function ops_internal.next_message(p_target ops.notification_targets) returns ops.notification_messages
language plpgsql
set search_path = ''
as $$
declare
  most_together constant integer := 100;
  message ops.notification_messages;
begin
  select * into message
  from ops.notification_messages as messages
  where messages.target_id = p_target.target_id and messages.state = 'waiting'
  order by messages.created_at
  limit 1;
  if found or not ops_internal.may_group(p_target) then
    return message;
  end if;
  insert into ops.notification_messages (target_id) values (p_target.target_id) returning * into message;
  update ops.notification_deliveries as deliveries set message_id = message.message_id
  where deliveries.target_id = p_target.target_id
    and deliveries.notification_id in (
      select waiting.notification_id
      from ops.notification_deliveries as waiting
      where waiting.target_id = p_target.target_id and waiting.message_id is null
      order by waiting.notification_id
      limit most_together
    );
  return message;
end
$$;

comment on function ops_internal.next_message is
  'The message that is to be sent to a target next, made of what waits if there is none yet; null if nothing is due. The caller has locked the target.';

create function ops_internal.close_message(p_message_id uuid, p_state text, p_error text) returns void
language sql
set search_path = ''
as $$
  update ops.notification_messages as messages set
    state = p_state,
    last_error = p_error,
    finished_at = case when p_state <> 'waiting' then clock_timestamp() end
  where messages.message_id = p_message_id
$$;

comment on function ops_internal.close_message is 'Records what became of a message.';

create function ops_internal.told(p_notification ops.notifications) returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(p_notification) - 'event_id' || jsonb_build_object(
    'pattern', (
      select jsonb_build_object(
        'pattern_id', patterns.pattern_id,
        'pattern_signature', patterns.pattern_signature,
        'template', left(coalesce(patterns.metadata ->> 'template', patterns.error_message_pattern), 2000),
        'pattern_type', patterns.pattern_type,
        'severity', patterns.severity,
        'error_source', left(patterns.error_source, 200),
        'occurrence_count', patterns.occurrence_count,
        'first_seen', patterns.first_seen,
        'last_seen', patterns.last_seen,
        'last_release', patterns.last_release
      )
      from ops.error_patterns as patterns
      where patterns.pattern_id = p_notification.pattern_id
    ),
    'proposal', (
      select jsonb_build_object(
        'proposal_id', proposals.proposal_id,
        'fix_type', proposals.fix ->> 'type',
        'sha256', proposals.sha256,
        'operations', proposals.analysis -> 'operations',
        'dry_run', proposals.dry_run - array['rows_before', 'rows_after', 'sees', 'request', 'output'],
        'expires_at', proposals.expires_at,
        'closed_because', ops_internal.closed_because(proposals)
      )
      from ops.fix_proposals as proposals
      where proposals.proposal_id = ops_internal.id_in(p_notification.details, 'proposal_id')
    ),
    'fix', (
      select jsonb_build_object(
        'version', fixes.version, 'fix_type', fixes.fix_type, 'sha256', fixes.sha256, 'mode', fixes.mode, 'tables', to_jsonb(fixes.tables)
      )
      from ops.pattern_fixes as fixes
      where fixes.pattern_id = p_notification.pattern_id and fixes.mode <> 'shadow'
      order by fixes.disabled_at is null desc, fixes.version desc
      limit 1
    )
  )
$$;

comment on function ops_internal.told is 'A notification with what a message says about its pattern, its proposal and its fix.';

create function ops.take_notification_v1() returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  -- Longer than a worker takes for one message.
  lease constant interval := interval '3 minutes';
  most_tries constant integer := ops_internal.setting('notification_tries')::integer;
  target ops.notification_targets;
  message ops.notification_messages;
begin
  perform ops_internal.require_engine();
  for target in
    select targets.*
    from ops.notification_targets as targets
    where targets.enabled
      and targets.next_at <= clock_timestamp()
      and coalesce(targets.lease_until, '-infinity') <= clock_timestamp()
      and ops_internal.has_work(targets)
    -- A target that failed comes last, so that it keeps no other one waiting.
    order by targets.failures, targets.next_at, targets.target_id
    for no key update skip locked
  loop
    message := ops_internal.next_message(target);
    if message.tries >= most_tries then
      perform ops_internal.close_message(message.message_id, 'dead', coalesce(message.last_error, 'The worker ended each time it was sending this message'));
      message := ops_internal.next_message(target);
    end if;
    continue when message.message_id is null;
    update ops.notification_targets as targets set lease_until = clock_timestamp() + lease where targets.target_id = target.target_id;
    update ops.notification_messages as messages set tries = messages.tries + 1, tried_at = clock_timestamp()
    where messages.message_id = message.message_id
    returning * into message;
    return jsonb_build_object(
      'message_id', message.message_id,
      'try', message.tries,
      'created_at', message.created_at,
      'target', target.name,
      'url_secret', target.url_secret,
      'url', (
        select secrets.decrypted_secret from vault.decrypted_secrets as secrets where secrets.name = target.url_secret
      ),
      'notifications', (
        select coalesce(jsonb_agg(ops_internal.told(notifications) order by notifications.id), '[]')
        from ops.notification_deliveries as deliveries
        inner join ops.notifications as notifications on notifications.id = deliveries.notification_id
        where deliveries.message_id = message.message_id
      )
    );
  end loop;
  return null;
end
$$;

comment on function ops.take_notification_v1 is
  'Hands the next message that is due to a worker, with the URL of its target and a lease of three minutes on it; null if nothing is due. For the engine alone.';

create function ops.finish_notification_v1(
  p_message_id uuid, p_try integer, p_error text default null, p_included bigint [] default null
) returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  most_tries constant integer := ops_internal.setting('notification_tries')::integer;
  retry_seconds constant integer := ops_internal.setting('notification_retry_seconds')::integer;
  message ops.notification_messages;
  state text;
begin
  perform ops_internal.require_engine();
  -- The target first, as a worker that takes a message does.
  perform from ops.notification_targets as targets
  where targets.target_id = (select messages.target_id from ops.notification_messages as messages where messages.message_id = p_message_id)
  for no key update;
  select * into message from ops.notification_messages as messages where messages.message_id = p_message_id for no key update;
  -- The target accepted it: that holds whoever says so, and how late. A failure counts only for the latest try.
  if not found or message.state = 'sent' or (p_error is not null and (message.state <> 'waiting' or message.tries <> p_try)) then
    update ops.notification_targets as targets set lease_until = null
    where targets.target_id = message.target_id and message.tries = p_try;
    return coalesce(message.state, 'gone');
  end if;
  state := case when p_error is null then 'sent' when message.tries >= most_tries then 'dead' else 'waiting' end;
  perform ops_internal.close_message(p_message_id, state, left(p_error, 1000));
  if p_error is null then
    update ops.notification_deliveries as deliveries set message_id = null
    where deliveries.message_id = p_message_id and deliveries.notification_id <> all(p_included);
  end if;
  update ops.notification_targets as targets set
    failures = case when p_error is null then 0 else targets.failures + 1 end,
    next_at = clock_timestamp() + case
      when p_error is null then interval '0'
      else least(make_interval(secs => retry_seconds) * 2 ^ least(targets.failures, 20), interval '1 hour')
    end,
    lease_until = case when message.tries = p_try then null else targets.lease_until end,
    last_sent_at = case when p_error is null then clock_timestamp() else targets.last_sent_at end,
    last_error = left(p_error, 1000),
    last_error_at = case when p_error is null then targets.last_error_at else clock_timestamp() end
  where targets.target_id = message.target_id;
  return state;
end
$$;

comment on function ops.finish_notification_v1 is
  'Records that a target accepted a message, with the notifications that had room in it (the others wait again), or why it did not; answers the state of the message. Tries are further apart the more of them fail. For the engine alone.';

create function ops_internal.send_notifications() returns bigint
language sql
security definer
set search_path = ''
as $$
  select ops_internal.call_function('/notify', '{}')
  where exists (
    select from ops.notification_targets as targets
    where targets.enabled
      and targets.next_at <= clock_timestamp()
      and coalesce(targets.lease_until, '-infinity') <= clock_timestamp()
      and ops_internal.has_work(targets)
  )
$$;

comment on function ops_internal.send_notifications is
  'Calls the notify function if something waits for a target that may be tried now; answers the request''s id, or null.';

create function ops_internal.prune_notifications() returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
  before constant timestamptz := now() - make_interval(days => ops_internal.setting('notification_days')::integer);
  pruned bigint;
begin
  delete from ops.notifications as old
  where old.created_at < before
    and not exists (
      select from ops.notification_deliveries as deliveries
      left join ops.notification_messages as messages on messages.message_id = deliveries.message_id
      where deliveries.notification_id = old.id and messages.state is distinct from 'sent'
    );
  get diagnostics pruned = row_count;
  delete from ops.notification_messages as messages
  where messages.state = 'sent'
    and messages.finished_at < before
    and not exists (select from ops.notification_deliveries as deliveries where deliveries.message_id = messages.message_id);
  return pruned;
end
$$;

comment on function ops_internal.prune_notifications is
  'Deletes notifications older than notification_days days for which nothing is left to send, and their messages; answers how many notifications. Dead letters are kept until a person retries them or deletes their target.';

-- Managing targets.

create function ops_internal.require_target(p_target_id uuid) returns ops.notification_targets
language plpgsql
set search_path = ''
as $$
declare
  target ops.notification_targets;
begin
  select * into target from ops.notification_targets as targets where targets.target_id = p_target_id for no key update;
  perform ops_internal.refuse_if(
    not found, 'PL041', format('there is no notification target %s', p_target_id),
    'list_notification_targets_v1 lists them, with their ids.'
  );
  return target;
end
$$;

comment on function ops_internal.require_target is 'The target, locked. Raises PL041 if there is none.';

create function ops_internal.shown_target(p_target ops.notification_targets) returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(p_target) || jsonb_build_object(
    'has_secret', exists (select from vault.decrypted_secrets as secrets where secrets.name = p_target.url_secret),
    'waiting', (
      select count(*) from ops.notification_deliveries as deliveries
      left join ops.notification_messages as messages on messages.message_id = deliveries.message_id
      where deliveries.target_id = p_target.target_id and coalesce(messages.state, 'waiting') = 'waiting'
    ),
    'dead', (
      select count(*) from ops.notification_messages as messages
      where messages.target_id = p_target.target_id and messages.state = 'dead'
    ),
    'sent_last_hour', (
      select count(*) from ops.notification_messages as messages
      where messages.target_id = p_target.target_id
        and messages.state = 'sent'
        and messages.finished_at > clock_timestamp() - interval '1 hour'
    )
  )
$$;

comment on function ops_internal.shown_target is
  'A target as it is answered: its columns, whether Vault has its secret, how many notifications wait, how many messages are dead and were sent within the hour.';

create function ops_internal.require_target_fields(p_target jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  known constant text [] := array[
    'target_id', 'name', 'url_secret', 'enabled', 'least_severity', 'kinds', 'pattern_types', 'sources', 'pattern_ids',
    'cap_per_hour', 'digest_seconds'
  ];
  unknown text;
  field text;
begin
  perform ops_internal.refuse_if(
    jsonb_typeof(p_target) is distinct from 'object', 'PL022', 'the target is no object', 'Send its fields as an object of JSON.'
  );
  unknown := (select string_agg(given, ', ') from jsonb_object_keys(p_target) as given where given <> all(known));
  perform ops_internal.refuse_if(
    unknown is not null, 'PL022', format('a target has no field %s', unknown), format('Its fields are: %s.', array_to_string(known, ', '))
  );
  foreach field in array array['kinds', 'pattern_types', 'sources', 'pattern_ids'] loop
    perform ops_internal.refuse_if(
      coalesce(jsonb_typeof(p_target -> field), 'null') <> 'null'
      and (
        jsonb_typeof(p_target -> field) <> 'array'
        or not p_target @? ('$.' || field || '[*]')::jsonpath
        or p_target @? ('strict $.' || field || '[*] ? (@.type() != "string")')::jsonpath
      ),
      'PL022', format('%s is %s', field, left((p_target -> field)::text, 200)), 'Give a list of texts that is not empty, or null for all.'
    );
  end loop;
end
$$;

comment on function ops_internal.require_target_fields is 'Raises PL022 unless these are fields of a target, and its lists are lists of texts.';

create function ops_internal.require_target_values(p_target ops.notification_targets) returns void
language plpgsql
set search_path = ''
as $$
declare
  severities constant text := 'debug, info, warning, error, critical';
  types constant text [] := array['database', 'api', 'rls', 'stripe', 'deployment'];
begin
  perform ops_internal.refuse_if(
    coalesce(char_length(trim(p_target.name)), 0) not between 1 and 100, 'PL022', 'the target has no name of 1 to 100 characters',
    'Give it a name that people recognise.'
  );
  perform ops_internal.refuse_if(
    coalesce(p_target.url_secret, '') !~ '^notify_[a-z0-9_]{1,100}$', 'PL022', 'url_secret is not the name of a secret for notifications',
    'Store the Apprise URL in Vault under a name such as notify_on_call, and give that name; never send the URL itself.'
  );
  perform ops_internal.refuse_if(
    ops_internal.severity_rank(p_target.least_severity) is null, 'PL022', format('least_severity is %s', p_target.least_severity),
    format('Give one of %s.', severities)
  );
  perform ops_internal.refuse_if(
    not coalesce(p_target.kinds <@ ops_internal.notification_kinds(), true), 'PL022',
    format('kinds is %s', array_to_string(p_target.kinds, ', ')),
    format('Give a list of %s.', array_to_string(ops_internal.notification_kinds(), ', '))
  );
  perform ops_internal.refuse_if(
    not coalesce(p_target.pattern_types <@ types, true), 'PL022', format('pattern_types is %s', array_to_string(p_target.pattern_types, ', ')),
    format('Give a list of %s.', array_to_string(types, ', '))
  );
  perform ops_internal.refuse_if(
    coalesce(p_target.cap_per_hour not between 1 and 1000, true), 'PL022', format('cap_per_hour is %s', p_target.cap_per_hour),
    'Give a whole number from 1 to 1000.'
  );
  perform ops_internal.refuse_if(
    coalesce(p_target.digest_seconds not between 0 and 86400, true), 'PL022', format('digest_seconds is %s', p_target.digest_seconds),
    'Give a whole number from 0 to 86400.'
  );
  perform ops_internal.refuse_if(p_target.enabled is null, 'PL022', 'enabled is null', 'Give true or false.');
  perform ops_internal.refuse_if(
    exists (
      select from ops.notification_targets as others where others.name = p_target.name and others.target_id <> p_target.target_id
    ),
    'PL022', format('another target is called %s', p_target.name), 'Give it another name.'
  );
end
$$;

comment on function ops_internal.require_target_values is 'Raises PL022 unless each value of a target is within its bounds and its name is its own.';

create function ops_internal.set_notification_target(p_target jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  former ops.notification_targets;
  target ops.notification_targets;
begin
  perform ops_internal.require_target_fields(p_target);
  if p_target ->> 'target_id' is not null then
    former := ops_internal.require_target(ops_internal.id_in(p_target, 'target_id'));
  else
    former.target_id := gen_random_uuid();
    former.enabled := true;
    former.least_severity := 'warning';
    former.cap_per_hour := 20;
    former.digest_seconds := 300;
    former.failures := 0;
    former.created_at := now();
  end if;
  target := former;
  begin
    target := jsonb_populate_record(former, p_target - 'target_id');
  exception when data_exception then
    raise exception using
      errcode = 'PL022', message = 'a field of the target has a value of the wrong type: ' || sqlerrm,
      hint = 'enabled is true or false, cap_per_hour and digest_seconds are whole numbers, pattern_ids are ids of patterns.';
  end;
  target.changed_by := person;
  target.changed_at := clock_timestamp();
  -- A new address, or an operator who switches it on again, begins anew.
  if former.url_secret is distinct from target.url_secret or target.enabled > former.enabled then
    target.failures := 0;
    target.next_at := clock_timestamp();
  end if;
  target.next_at := coalesce(target.next_at, clock_timestamp());
  perform ops_internal.require_target_values(target);
  insert into ops.notification_targets select target.*
  on conflict (target_id) do update set
    name = excluded.name, url_secret = excluded.url_secret, enabled = excluded.enabled, least_severity = excluded.least_severity,
    kinds = excluded.kinds, pattern_types = excluded.pattern_types, sources = excluded.sources, pattern_ids = excluded.pattern_ids,
    cap_per_hour = excluded.cap_per_hour, digest_seconds = excluded.digest_seconds, failures = excluded.failures,
    next_at = excluded.next_at, changed_at = excluded.changed_at, changed_by = excluded.changed_by;
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'notification_target_set', 'warning', 'Notification target set: ' || target.name, person,
    jsonb_build_object('target_id', target.target_id, 'target', to_jsonb(target), 'before', case when former.name is not null then to_jsonb(former) end)
  );
  return ops_internal.shown_target(target);
end
$$;

create function ops.set_notification_target_v1(p_target jsonb) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.set_notification_target(p_target) $$;

comment on function ops.set_notification_target_v1 is
  'Makes a notification target, or changes the fields given of the one whose target_id is given: name, url_secret, enabled, least_severity, kinds, pattern_types, sources, pattern_ids, cap_per_hour, digest_seconds. For an ops_admin in person; answers the target as list_notification_targets_v1 does. Raises PL022, PL041.';

create function ops_internal.delete_notification_target(p_target_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  target constant ops.notification_targets := ops_internal.require_target(p_target_id);
  shown constant jsonb := ops_internal.shown_target(target);
begin
  delete from ops.notification_targets as targets where targets.target_id = p_target_id;
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'notification_target_deleted', 'warning', 'Notification target deleted: ' || target.name, person,
    jsonb_build_object('target_id', p_target_id, 'target', shown)
  );
  return shown;
end
$$;

create function ops.delete_notification_target_v1(p_target_id uuid) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.delete_notification_target(p_target_id) $$;

comment on function ops.delete_notification_target_v1 is
  'Deletes a notification target with all that waits for it and its dead letters; the notifications themselves are kept. For an ops_admin in person; answers what it was. Raises PL041.';

create function ops_internal.list_notification_targets() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    select coalesce(jsonb_agg(ops_internal.shown_target(targets) order by targets.name), '[]')
    from ops.notification_targets as targets
  );
end
$$;

create function ops.list_notification_targets_v1() returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.list_notification_targets() $$;

comment on function ops.list_notification_targets_v1 is
  'The notification targets by name: an array of the columns of ops.notification_targets, with has_secret, waiting (notifications), dead and sent_last_hour (messages). For an operator of any role.';

create function ops_internal.list_notification_messages(p_state text, p_limit integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  perform ops_internal.refuse_if(
    coalesce(p_state, '') not in ('waiting', 'sent', 'dead'), 'PL022', format('the state is %s', p_state), 'Send waiting, sent or dead.'
  );
  return (
    select coalesce(
      jsonb_agg(
        to_jsonb(latest) || jsonb_build_object(
          'notifications', (
            select coalesce(jsonb_agg(to_jsonb(notifications) order by notifications.id), '[]')
            from ops.notification_deliveries as deliveries
            inner join ops.notifications as notifications on notifications.id = deliveries.notification_id
            where deliveries.message_id = latest.message_id
          )
        )
        order by latest.created_at desc
      ),
      '[]'
    )
    from (
      select messages.*, targets.name as target_name
      from ops.notification_messages as messages
      inner join ops.notification_targets as targets on targets.target_id = messages.target_id
      where messages.state = p_state
      order by messages.created_at desc
      limit least(greatest(coalesce(p_limit, 50), 1), 500)
    ) as latest
  );
end
$$;

create function ops.list_notification_messages_v1(p_state text default 'dead', p_limit integer default 50) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.list_notification_messages(p_state, p_limit) $$;

comment on function ops.list_notification_messages_v1 is
  'The latest messages in a state (waiting, sent or dead, which are the dead letters), newest first: an array of the columns of ops.notification_messages, with target_name and notifications (rows of ops.notifications). For an operator of any role. Raises PL022.';

create function ops_internal.retry_notification(p_message_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  target ops.notification_targets;
  message ops.notification_messages;
begin
  select * into message from ops.notification_messages as messages where messages.message_id = p_message_id;
  perform ops_internal.refuse_if(
    not found, 'PL041', format('there is no message %s', p_message_id), 'list_notification_messages_v1 lists them, with their ids.'
  );
  target := ops_internal.require_target(message.target_id);
  select * into message from ops.notification_messages as messages where messages.message_id = p_message_id for no key update;
  perform ops_internal.refuse_if(
    message.state = 'sent', 'PL021', format('the message was sent at %s', message.finished_at), 'There is nothing left to retry.'
  );
  update ops.notification_messages as messages set state = 'waiting', tries = 0, finished_at = null
  where messages.message_id = p_message_id and messages.state = 'dead';
  update ops.notification_targets as targets set failures = 0, next_at = clock_timestamp() where targets.target_id = target.target_id;
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'notification_retried', 'info', 'A message is sent again to ' || target.name, person,
    jsonb_build_object('message_id', p_message_id, 'target_id', target.target_id, 'former_state', message.state)
  );
  perform ops_internal.send_notifications();
  return (
    select to_jsonb(messages) || jsonb_build_object('target_name', target.name)
    from ops.notification_messages as messages
    where messages.message_id = p_message_id
  );
end
$$;

create function ops.retry_notification_v1(p_message_id uuid) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.retry_notification(p_message_id) $$;

comment on function ops.retry_notification_v1 is
  'Has a dead letter, or a message that waits for its next try, sent now, under the same id. For an ops_operator or ops_admin in person; answers the message. Raises PL041, and PL021 if it was sent.';

create function ops_internal.test_notification_target(p_target_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  target constant ops.notification_targets := ops_internal.require_target(p_target_id);
  stored ops.notifications;
begin
  perform ops_internal.refuse_if(not target.enabled, 'PL022', format('the target %s is not enabled', target.name), 'Enable it first.');
  insert into ops.notifications (kind, severity, description, details)
  values ('test', 'info', 'A test: this target receives notifications', jsonb_build_object('target_id', p_target_id, 'asked_by', person))
  returning * into stored;
  insert into ops.notification_deliveries (notification_id, target_id) values (stored.id, p_target_id);
  update ops.notification_targets as targets set failures = 0, next_at = clock_timestamp() where targets.target_id = p_target_id;
  perform ops_internal.send_notifications();
  return to_jsonb(stored);
end
$$;

create function ops.test_notification_target_v1(p_target_id uuid) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.test_notification_target(p_target_id) $$;

comment on function ops.test_notification_target_v1 is
  'Sends a test to one target at once, whatever its routes, its cap and its pauses are, together with what waits for it. For an ops_admin in person; answers the notification. last_sent_at and last_error of the target tell what became of it. Raises PL022, PL041.';
