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

create function ops_internal.announce_log_rows() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform ops_internal.post_log_ids(array(
    select new_rows.id
    from new_rows
    where new_rows.log_level in ('error', 'critical') and not ops_internal.is_own_source(new_rows.source)
    order by new_rows.id
  ));
  return null;
exception when others then
  -- The insert of the application must not fail because of us; the cron job sends the rows later.
  raise warning 'pattern engine: the webhook was not called: %', sqlerrm;
  return null;
end
$$;

comment on function ops_internal.announce_log_rows is
  'Announces new errors and criticals to the webhook function. Never fails the insert, never announces the engine''s own rows.';

create trigger announce_log_rows after insert on ops.system_logs
  referencing new table as new_rows
  for each statement execute function ops_internal.announce_log_rows();

create table ops_internal.sweep (
  only_row boolean primary key default true constraint sweep_has_one_row check (only_row),
  settled_id bigint not null default 0,
  seen_id bigint not null default 0,
  drawn_id bigint not null default 0,
  seen_until xid8 not null default pg_current_xact_id()
);

comment on table ops_internal.sweep is
  'The position up to which the log was searched for errors that were never learned, so that the search of the next minute continues there.';
comment on column ops_internal.sweep.only_row is 'Holds the table to one row.';
comment on column ops_internal.sweep.settled_id is 'Every error up to this log row was learned.';
comment on column ops_internal.sweep.seen_id is 'The last log row at the sweep before seen_until.';
comment on column ops_internal.sweep.drawn_id is 'The last log row at the time of seen_until; the next seen_id.';
comment on column ops_internal.sweep.seen_until is
  'Transactions from this number on began after the last sweep. A log row draws its id a moment before its transaction gets a number, so there is one sweep in between: once all transactions before seen_until have ended, no row up to seen_id can appear any more.';

insert into ops_internal.sweep default values;

create function ops_internal.unlearned_ids(p_after bigint, p_through bigint, p_most integer) returns setof bigint
language sql
stable
set search_path = ''
as $$
  select logs.id
  from ops.system_logs as logs
  where logs.id > p_after
    and logs.id <= p_through
    and logs.log_level in ('error', 'critical')
    and not ops_internal.is_own_source(logs.source)
    and not exists (select from ops.pattern_incidents as incidents where incidents.system_log_id = logs.id)
  order by logs.id
  limit p_most
$$;

comment on function ops_internal.unlearned_ids is 'Errors in this range of log rows that were never learned, oldest first.';

create function ops_internal.send_unlearned(p_grace interval default '30 seconds') returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  most_at_once constant integer := 5000;
  progress ops_internal.sweep;
  last_id constant bigint := coalesce((select max(logs.id) from ops.system_logs as logs), 0);
begin
  select * into progress from ops_internal.sweep for update skip locked;
  if not found then
    return 0;  -- Another sweep is under way.
  end if;

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

  -- The webhook may still deliver rows that are younger than the grace.
  return ops_internal.post_log_ids(array(
    select logs.id
    from ops_internal.unlearned_ids(progress.settled_id, last_id, most_at_once) as ids
    inner join ops.system_logs as logs on logs.id = ids
    where logs.created_at < now() - p_grace
    order by logs.id
  ));
end
$$;

comment on function ops_internal.send_unlearned is
  'Sends the errors that were never learned, oldest first, at most 5,000 at a time; answers how many calls were made.';

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
