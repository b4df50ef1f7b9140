-- The fast path from a log row to the engine, and the scheduled jobs that send what the fast path has lost.
--
-- Both read two secrets from Vault: pattern_engine_functions_url, the base URL of the functions, and
-- pattern_engine_webhook_secret, which the functions know too. Without them nothing is sent.

create function ops_internal.call_function(p_path text, p_body jsonb) returns bigint
language plpgsql
set search_path = ''
as $$
declare
  functions_url text;
  webhook_secret text;
begin
  select secrets.decrypted_secret into functions_url
  from vault.decrypted_secrets as secrets where secrets.name = 'pattern_engine_functions_url';
  select secrets.decrypted_secret into webhook_secret
  from vault.decrypted_secrets as secrets where secrets.name = 'pattern_engine_webhook_secret';
  if functions_url is null or webhook_secret is null then
    return null;
  end if;
  return net.http_post(
    url := rtrim(functions_url, '/') || p_path,
    body := p_body,
    headers := jsonb_build_object('Content-Type', 'application/json', 'x-webhook-secret', webhook_secret),
    timeout_milliseconds := 30000
  );
end
$$;

comment on function ops_internal.call_function is
  'Posts to one of the engine''s functions through pg_net; answers the request''s id, or null where Vault has no URL or secret.';

create function ops_internal.post_log_ids(p_ids bigint []) returns integer
language plpgsql
set search_path = ''
as $$
declare
  most_per_call constant integer := 500;
  calls integer := 0;
  first_place integer;
begin
  for first_place in select generate_series(1, coalesce(cardinality(p_ids), 0), most_per_call) loop
    if ops_internal.call_function(
      '/webhook',
      jsonb_build_object(
        'type', 'INSERT', 'table', 'system_logs', 'schema', 'ops',
        'ids', to_jsonb(p_ids [first_place:first_place + most_per_call - 1])
      )
    ) is not null then
      calls := calls + 1;
    end if;
  end loop;
  return calls;
end
$$;

comment on function ops_internal.post_log_ids is
  'Posts these ids to the webhook function, at most 500 a call; answers how many calls were made.';

-- Learning what was not learned. The webhook is the fast path and may lose calls. Each minute the sweep looks for what it lost.

create table ops_internal.learning_tries (
  system_log_id bigint primary key references ops.system_logs (id) on delete cascade,
  tries integer not null default 1,
  next_at timestamptz not null,
  last_error text,
  gave_up_at timestamptz
);

comment on table ops_internal.learning_tries is
  'Log rows that the sweep tries to learn, until they are learned; and those that it gave up, with the reason.';
comment on column ops_internal.learning_tries.system_log_id is 'The log row.';
comment on column ops_internal.learning_tries.tries is
  'How often it was taken. The more often, the fewer rows are taken with it: a row that ends its worker is alone in the end.';
comment on column ops_internal.learning_tries.next_at is 'When it is tried again, unless it was learned.';
comment on column ops_internal.learning_tries.last_error is 'What went wrong at the last try.';
comment on column ops_internal.learning_tries.gave_up_at is
  'When the sweep gave it up. To have it tried again, delete this row and post the log row''s id to the webhook.';

create index idx_learning_tries_due on ops_internal.learning_tries (tries, next_at) where gave_up_at is null;
create index idx_learning_tries_given_up on ops_internal.learning_tries (gave_up_at) where gave_up_at is not null;

create table ops_internal.sweep (
  only_row boolean primary key default true constraint sweep_has_one_row check (only_row),
  settled_id bigint not null default 0,
  seen_id bigint not null default 0,
  drawn_id bigint not null default 0,
  seen_until xid8 not null default pg_current_xact_id(),
  taken_before timestamptz not null default '-infinity',
  taken_id bigint not null default 0,
  busy_until timestamptz not null default '-infinity'
);

comment on table ops_internal.sweep is
  'The position up to which the log was searched for errors that were never learned, so that the search of the next minute continues there.';
comment on column ops_internal.sweep.only_row is 'Holds the table to one row.';
comment on column ops_internal.sweep.settled_id is 'Every error up to this log row was learned or given up.';
comment on column ops_internal.sweep.seen_id is 'The last log row at the sweep before seen_until.';
comment on column ops_internal.sweep.drawn_id is 'The last log row at the time of seen_until; the next seen_id.';
comment on column ops_internal.sweep.seen_until is
  'Transactions from this number on began after the last sweep. A log row draws its id a moment before its transaction gets a number, so there is one sweep in between: once all transactions before seen_until have ended, no row up to seen_id can appear any more.';
comment on column ops_internal.sweep.taken_before is
  'The worker of this sweep takes errors that happened before this time. The webhook may still deliver those that are younger.';
comment on column ops_internal.sweep.taken_id is 'The last row that the worker of this sweep has taken.';
comment on column ops_internal.sweep.busy_until is 'Until this time a worker is sweeping, and no other one is called.';

insert into ops_internal.sweep default values;

create function ops_internal.unlearned_ids(
  p_after bigint, p_through bigint, p_most integer, p_untried boolean default false, p_before timestamptz default 'infinity'
) returns setof bigint
language sql
stable
set search_path = ''
-- Rows are read in their order until there are enough of them, and each is looked up, however large the tables are.
set enable_hashjoin = 'off'
set enable_mergejoin = 'off'
set enable_seqscan = 'off'
set enable_sort = 'off'
as $$
  select logs.id
  from ops.system_logs as logs
  where logs.id > p_after
    and logs.id <= p_through
    and logs.created_at < p_before
    and logs.log_level in ('error', 'critical')
    and not ops_internal.is_own_source(logs.source)
    and not exists (select from ops.pattern_incidents as incidents where incidents.system_log_id = logs.id)
    and not exists (
      select from ops_internal.learning_tries as tries
      where tries.system_log_id = logs.id and (p_untried or tries.gave_up_at is not null)
    )
  order by logs.id
  limit p_most
$$;

comment on function ops_internal.unlearned_ids is
  'Errors in this range of log rows that were neither learned nor given up, oldest first; on demand without those that the sweep has taken, and only those that happened before a time.';

-- Announcing. A call for each error would cost more than all the rest, so errors that come together share one: while a call
-- is on its way, or a worker is about to look again by itself, further errors are not announced. What falls between two calls
-- all the same, or was never announced, the sweep finds.
--
-- Both times are sequences, in milliseconds since 1970: everybody sees a new value at once, nobody waits for the transaction
-- that set it, and after a crash of the server they begin anew.

create unlogged sequence ops_internal.announced_until;
comment on sequence ops_internal.announced_until is
  'Until this time the last announcement may be on its way; the worker that it reaches ends it.';

create unlogged sequence ops_internal.attended_until;
comment on sequence ops_internal.attended_until is
  'Until this time some worker learns, and it looks for new errors once more after it.';

create function ops_internal.milliseconds() returns bigint
language sql
set search_path = ''
as $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;

comment on function ops_internal.milliseconds is 'The time of the clock, in milliseconds since 1970.';

create function ops_internal.announce_log_rows() returns trigger
language plpgsql
security definer
set search_path = ''
-- Whatever is locked, the insert of the application waits no longer than this.
set lock_timeout = '5ms'
as $$
declare
  -- An announcement arrives within this time, or never.
  most_under_way constant integer := 1000;
  first_id bigint;
  last_id bigint;
  present bigint;
  is_quiet boolean;
begin
  select min(new_rows.id), max(new_rows.id) into first_id, last_id
  from new_rows
  where new_rows.log_level in ('error', 'critical') and not ops_internal.is_own_source(new_rows.source);
  if first_id is null then
    return null;
  end if;
  present := (extract(epoch from clock_timestamp()) * 1000)::bigint;
  -- A transaction that has lasted for a while may last longer, and nobody looks for its rows then.
  if clock_timestamp() - now() < interval '1 second' then
    select present < greatest(announced.last_value, attended.last_value) into is_quiet
    from ops_internal.announced_until as announced
    cross join ops_internal.attended_until as attended;
    if is_quiet then
      return null;
    end if;
    perform setval('ops_internal.announced_until', present + most_under_way);
  end if;
  perform ops_internal.call_function(
    '/webhook',
    jsonb_build_object('type', 'INSERT', 'table', 'system_logs', 'schema', 'ops', 'first', first_id, 'last', last_id)
  );
  return null;
exception when others then
  -- The insert of the application must not fail because of us; the sweep finds the rows later.
  raise warning 'pattern engine: the webhook was not called: %', sqlerrm;
  return null;
end
$$;

comment on function ops_internal.announce_log_rows is
  'Announces new errors and criticals to the webhook function, unless they will be looked for anyway. Never fails the insert, and never keeps it waiting for more than a few milliseconds; never announces the engine''s own rows.';

create trigger announce_log_rows after insert on ops.system_logs
  referencing new table as new_rows
  for each statement execute function ops_internal.announce_log_rows();

create function ops.read_new_logs_v1(p_first bigint, p_last bigint, p_look text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  most constant integer := 500;
  -- Errors whose ids were drawn earlier may be committed a little later.
  overlap constant integer := 200;
  most_ahead constant integer := 10000;
  -- About what learning takes.
  least_attended_ms constant integer := 50;
  present constant bigint := ops_internal.milliseconds();
  newest constant bigint := coalesce((select max(logs.id) from ops.system_logs as logs), 0);
  ids bigint [];
  attended_ms integer;
begin
  perform ops_internal.require_engine();
  if p_look = 'first' then
    -- It has arrived. Whoever looks now, the errors after that look need an announcement of their own.
    perform setval('ops_internal.announced_until', 1);
  end if;
  if p_last < newest - most_ahead then
    -- A long transaction wrote these rows: nobody else looks for them.
    ids := array(select ops_internal.unlearned_ids(p_first - 1, p_last, most, true));
    return jsonb_build_object('logs', ops.read_logs_v1(ids), 'is_full', cardinality(ids) = most, 'again_after_ms', null);
  end if;
  if p_look <> 'next' and present < (select attended.last_value from ops_internal.attended_until as attended) then
    return jsonb_build_object('logs', '[]'::jsonb, 'is_full', false, 'again_after_ms', null);
  end if;

  ids := array(select ops_internal.unlearned_ids(p_first - overlap, newest, most, true));
  if p_look = 'last' and ids = '{}' then
    return jsonb_build_object('logs', '[]'::jsonb, 'is_full', false, 'again_after_ms', null);
  end if;
  attended_ms := least_attended_ms + cardinality(ids);
  perform setval('ops_internal.attended_until', present + attended_ms);
  return jsonb_build_object('logs', ops.read_logs_v1(ids), 'is_full', cardinality(ids) = most, 'again_after_ms', attended_ms);
end
$$;

comment on function ops.read_new_logs_v1 is
  'The errors from the announced ones on that nobody has learned, at most 500 at a time. p_look is first for an announcement, next where the call before had 500, and last for the look after again_after_ms, when nobody relies on the caller any more. No rows and no time: somebody else looks, or nothing is left.';

create function ops_internal.give_up(p_ids bigint [], p_reason text) returns void
language sql
set search_path = ''
as $$
  with given_up as (
    update ops_internal.learning_tries as tries set gave_up_at = now(), last_error = coalesce(tries.last_error, p_reason)
    where tries.system_log_id = any(p_ids) and tries.gave_up_at is null
    returning tries.system_log_id, tries.tries, tries.last_error
  )

  insert into ops.roman_events (event_type, severity, description, metadata)
  select 'learning_given_up', 'warning', 'An error could not be learned: log row ' || given_up.system_log_id, to_jsonb(given_up)
  from given_up
$$;

comment on function ops_internal.give_up is 'Gives up the learning of these log rows, with an event for each; what went wrong before is kept as the reason.';

create function ops_internal.take_again(p_most integer) returns bigint []
language plpgsql
set search_path = ''
as $$
declare
  most_tries constant integer := 5;
  least_tries integer;
  ids bigint [];
begin
  perform ops_internal.give_up(
    array(
      select tries.system_log_id from ops_internal.learning_tries as tries
      where tries.gave_up_at is null and tries.next_at <= now() and tries.tries >= most_tries
    ),
    'The worker ended each time it was learning this error'
  );
  least_tries := (
    select min(tries.tries) from ops_internal.learning_tries as tries where tries.gave_up_at is null and tries.next_at <= now()
  );
  ids := array(
    select tries.system_log_id
    from ops_internal.learning_tries as tries
    where tries.gave_up_at is null and tries.next_at <= now() and tries.tries = least_tries
    order by tries.system_log_id
    limit greatest(p_most / 8 ^ least_tries, 1)::integer
  );
  update ops_internal.learning_tries as tries set tries = tries.tries + 1, next_at = now() + interval '1 minute' * 2 ^ tries.tries
  where tries.system_log_id = any(ids);
  return ids;
end
$$;

comment on function ops_internal.take_again is
  'Takes errors whose last try is over and did not learn them, fewer at each try, and gives up those that were tried often enough.';

create function ops.take_unlearned_v1() returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  most constant integer := 500;
  busy constant interval := interval '1 minute';
  last_id constant bigint := coalesce((select max(logs.id) from ops.system_logs as logs), 0);
  progress ops_internal.sweep;
  ids bigint [];
begin
  perform ops_internal.require_engine();
  select * into progress from ops_internal.sweep for update;
  delete from ops_internal.learning_tries as tries
  using ops.pattern_incidents as incidents
  where incidents.system_log_id = tries.system_log_id and tries.gave_up_at is null;

  ids := array(
    select ops_internal.unlearned_ids(
      greatest(progress.taken_id, progress.settled_id), last_id, most, true, progress.taken_before
    )
  );
  if ids <> '{}' then
    progress.taken_id := ids [cardinality(ids)];
    insert into ops_internal.learning_tries (system_log_id, next_at)
    select taken.id, now() + busy
    from unnest(ids) as taken (id)
    on conflict (system_log_id) do nothing;
  else
    progress.taken_id := progress.settled_id;
    ids := ops_internal.take_again(most);
  end if;
  update ops_internal.sweep set
    taken_id = progress.taken_id,
    busy_until = case when ids = '{}' then '-infinity' else clock_timestamp() + busy end
  where only_row;
  return to_jsonb(ids);
end
$$;

comment on function ops.take_unlearned_v1 is
  'Hands the next errors that were never learned to the worker of a sweep: the ids of up to 500, of fewer that were taken before, of none if all are learned. A worker that ends without learning them costs them a try.';

create function ops.note_failures_v1(p_failures jsonb) returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  -- A failure that was noted is the row's own: the rows beside it were learned.
  most_tries constant integer := 3;
begin
  perform ops_internal.require_engine();
  update ops_internal.learning_tries as tries set last_error = left(failures.error, 1000)
  from jsonb_to_recordset(p_failures) as failures (system_log_id bigint, error text)
  where tries.system_log_id = failures.system_log_id and tries.gave_up_at is null;

  perform ops_internal.give_up(
    array(
      select tries.system_log_id
      from ops_internal.learning_tries as tries
      inner join jsonb_to_recordset(p_failures) as failures (system_log_id bigint) on failures.system_log_id = tries.system_log_id
      where tries.tries >= most_tries
    ),
    'unknown'
  );
end
$$;

comment on function ops.note_failures_v1 is
  'Records why the sweep could not learn these log rows: a list of system_log_id and error. At the third time a row is given up.';

create function ops.count_unlearnable_v1() returns integer
language sql
stable
security definer
set search_path = ''
as $$
  select ops_internal.require_engine();

  select count(*)::integer from ops_internal.learning_tries as tries where tries.gave_up_at is not null
$$;

comment on function ops.count_unlearnable_v1 is 'How many errors the sweep gave up; statistics_v1 names the latest.';

create function ops.call_webhook_v1(p_call jsonb) returns boolean
language sql
security definer
set search_path = ''
as $$
  select ops_internal.require_engine();

  select ops_internal.call_function('/webhook', p_call) is not null
$$;

comment on function ops.call_webhook_v1 is
  'Posts a call to the webhook function: how a call that has worked for long enough goes on. Answers whether it was posted.';

create function ops_internal.send_unlearned(p_grace interval default '30 seconds') returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  progress ops_internal.sweep;
  last_id constant bigint := coalesce((select max(logs.id) from ops.system_logs as logs), 0);
begin
  select * into progress from ops_internal.sweep for update skip locked;
  if not found then
    return 0;  -- A worker is taking rows at this moment.
  end if;
  delete from ops_internal.learning_tries as tries
  using ops.pattern_incidents as incidents
  where incidents.system_log_id = tries.system_log_id;

  if pg_snapshot_xmin(pg_current_snapshot()) >= progress.seen_until then
    update ops_internal.sweep set
      settled_id = coalesce(
        (select ids - 1 from ops_internal.unlearned_ids(progress.settled_id, progress.seen_id, 1) as ids),
        greatest(progress.settled_id, progress.seen_id)
      ),
      seen_id = progress.drawn_id,
      drawn_id = last_id,
      seen_until = pg_current_xact_id()
    where only_row
    returning * into progress;
  end if;

  if progress.busy_until > clock_timestamp() or not (
    exists (select from ops_internal.unlearned_ids(progress.settled_id, last_id, 1, true, now() - p_grace))
    or exists (select from ops_internal.learning_tries as tries where tries.gave_up_at is null and tries.next_at <= now())
  ) then
    return 0;
  end if;
  update ops_internal.sweep set taken_before = now() - p_grace where only_row;
  return case when ops.call_webhook_v1('{"type": "SWEEP", "table": "system_logs", "schema": "ops"}') then 1 else 0 end;
end
$$;

comment on function ops_internal.send_unlearned is
  'Calls the worker of a sweep if there are errors that were never learned and no worker is at it; answers how many calls were made.';

create function ops_internal.unhandled_ids(p_grace interval, p_most_age interval) returns setof bigint
language plpgsql
stable
set search_path = ''
-- Planned for each call, because only the values show the planner how few rows are that recent.
set plan_cache_mode = 'force_custom_plan'
as $$
begin
  return query
  select logs.id
  from ops.system_logs as logs
  inner join ops.pattern_incidents as incidents on incidents.system_log_id = logs.id
  inner join ops.error_patterns as patterns on patterns.pattern_id = incidents.pattern_id
  where logs.log_level in ('error', 'critical')
    and logs.created_at > now() - p_most_age
    and incidents.learned_at < now() - p_grace
    and incidents.refusal is null
    and patterns.has_running_fix
    and not exists (
      select from ops.pattern_claims as claims
      where claims.system_log_id = logs.id
        and (claims.finished_at is not null or claims.lease_until > clock_timestamp())
    )
  order by logs.id
  limit 5000;
end
$$;

comment on function ops_internal.unhandled_ids is
  'Recent errors with an enabled fix for which neither a run nor a refusal is recorded: their worker ended between learning and healing.';

create function ops_internal.send_unhandled(
  p_grace interval default '30 seconds', p_most_age interval default '15 minutes'
) returns integer
language sql
security definer
set search_path = ''
as $$ select ops_internal.post_log_ids(array(select ops_internal.unhandled_ids(p_grace, p_most_age))) $$;

comment on function ops_internal.send_unhandled is
  'Sends the errors again whose worker ended between learning and healing; answers how many calls were made. What was refused, or ran, is not among them.';
