-- The log of the applications. It belongs to them: the engine reads it and never changes a row.

create table ops.system_logs (
  id bigserial primary key,
  created_at timestamptz not null default now(),
  log_level text not null default 'error'
  constraint system_logs_level_known check (log_level in ('debug', 'info', 'warning', 'error', 'critical')),
  message text not null,
  source text,
  error_data jsonb,
  metadata jsonb,
  environment text,
  release text,
  event_id text,
  user_id uuid default auth.uid() references auth.users (id) on delete set null,
  written_by text not null default current_user
);

comment on table ops.system_logs is 'What the applications logged. Errors and criticals are learned from.';
comment on column ops.system_logs.id is 'Each row is counted once, however often it is delivered.';
comment on column ops.system_logs.created_at is
  'When the error happened. The trigger moves a time before 1970 to 1970, and a time in the future to now.';
comment on column ops.system_logs.log_level is
  'debug, info, warning, error or critical. A trigger translates other words and numbers; what it does not know is error.';
comment on column ops.system_logs.message is
  'The message as the application wrote it; a trigger writes "no message" where there is none.';
comment on column ops.system_logs.source is 'The component that wrote it. The engine''s own rows have pattern-engine.';
comment on column ops.system_logs.error_data is 'Stack trace, code and other data that the application sends with the error.';
comment on column ops.system_logs.metadata is 'Whatever else the application records with the row.';
comment on column ops.system_logs.environment is 'production, staging, …';
comment on column ops.system_logs.release is 'The application''s version.';
comment on column ops.system_logs.event_id is
  'The client''s own id of the event, so that a repeated insert of the same writer is refused. Two users may use the same one.';
comment on column ops.system_logs.user_id is 'The signed-in user who wrote the row; null for the service role.';
comment on column ops.system_logs.written_by is
  'The database role that wrote the row, set by a trigger: by default only service_role''s rows fire fixes.';

create index idx_system_logs_created_at on ops.system_logs using brin (created_at);
create index idx_system_logs_recent on ops.system_logs (created_at desc, log_level)
  where log_level in ('error', 'critical');
-- A row of an index holds at most 2,704 bytes, and no text of an application may make an insert fail. So these two hold no
-- more of a text than fits: verification asks whether a source logged anything in a time, and a client repeats an insert.
create index idx_system_logs_source on ops.system_logs (coalesce(left(source, 100), ''), created_at);
create unique index system_logs_event_once on ops.system_logs (written_by, user_id, md5(event_id)) nulls not distinct
  where event_id is not null;
create index idx_system_logs_user on ops.system_logs (user_id);

alter table ops.system_logs enable row level security;

create policy "Signed-in users write their own log rows" on ops.system_logs
  for insert to authenticated
  with check (user_id = (select auth.uid()));

create policy "Authors read their own log rows and operators read all" on ops.system_logs
  for select to authenticated
  using (user_id = (select auth.uid()) or (select ops_internal.caller_role()) is not null);

create function ops_internal.stamp_log_row() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  level constant text not null := coalesce(lower(btrim(new.log_level)), 'error');
begin
  new.written_by := current_user::text;
  -- The words and numbers of loggers; the numbers are those of pino and bunyan. An error table refuses no errors, so
  -- that whatever is unknown is one.
  new.log_level := case
    when level in ('debug', 'info', 'warning', 'error', 'critical') then level
    when level in ('trace', 'verbose', 'silly', 'fine', '10', '20') then 'debug'
    when level in ('information', 'informational', 'notice', 'log', 'http', '30') then 'info'
    when level in ('warn', '40') then 'warning'
    when level in ('fatal', 'crit', 'alert', 'emerg', 'emergency', 'panic', '60') then 'critical'
    else 'error'
  end;
  new.message := coalesce(new.message, 'no message');
  -- Programs that read the log compute with the time, and few of them accept -infinity or a year before Christ.
  new.created_at := greatest(least(new.created_at, clock_timestamp()), 'epoch');
  return new;
end
$$;

comment on function ops_internal.stamp_log_row is
  'Sets the role that wrote a log row and ignores the value that the writer sent; limits its time to between 1970 and now; takes any level and a missing message.';

create trigger stamp_log_row before insert on ops.system_logs
  for each row execute function ops_internal.stamp_log_row();

create function ops_internal.bound_log_row() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  is_user constant boolean := current_user <> 'service_role' and (select auth.uid()) is not null;
  -- The size of a value in memory; PostgreSQL has it at hand, and need not make text of it.
  size constant bigint := coalesce(octet_length(new.message), 0)::bigint
    + coalesce(pg_column_size(new.error_data), 0) + coalesce(pg_column_size(new.metadata), 0)
    + coalesce(octet_length(new.source), 0) + coalesce(octet_length(new.event_id), 0)
    + coalesce(octet_length(new.environment), 0) + coalesce(octet_length(new.release), 0);
  most_bytes bigint;
  wait_seconds integer;
begin
  -- No setting refuses less, so that for most rows none has to be read.
  if size > 65536 then
    most_bytes := least(
      ops_internal.setting('row_bytes')::bigint, case when is_user then ops_internal.setting('user_row_bytes')::bigint end
    );
    if size > most_bytes then
      raise exception using
        errcode = 'PT413',
        message = format('the log row has %s bytes, and at most %s are allowed', size, most_bytes),
        detail = 'Message, error_data, metadata and the other texts of a row are counted together.',
        hint = 'Cut the message or error_data; grouping reads the first 64 KiB of a message and 256 KiB of error_data.';
    end if;
  end if;
  if is_user then
    wait_seconds := ops_internal.take_quota((select auth.uid()), 'user_rows_per_minute', 1);
    if wait_seconds > 0 then
      -- In this form PostgREST takes the status and headers of its answer from an error.
      raise sqlstate 'PGRST' using
        message = json_build_object(
          'code', 'PL040',
          'message', ops_internal.quota_message('user_rows_per_minute'),
          'details', 'Nothing of this request was written.',
          'hint', format('Send it again in %s seconds.', wait_seconds)
        )::text,
        detail = json_build_object('status', 429, 'headers', json_build_object('Retry-After', wait_seconds::text))::text;
    end if;
  end if;
  return new;
end
$$;

comment on function ops_internal.bound_log_row is
  'Refuses a log row that is too large, and the rows of a user beyond those that a user may write in a minute.';

-- Triggers of one kind run in the order of their names, and this one before the row is stamped. For the rows of the service
-- role the condition is all that it costs, unless one is large.
create trigger bound_log_row before insert on ops.system_logs
  for each row
  when (
    current_user <> 'service_role'
    or coalesce(octet_length(new.message), 0) + coalesce(pg_column_size(new.error_data), 0)
    + coalesce(pg_column_size(new.metadata), 0) > 16384
    or coalesce(octet_length(new.source), 0) + coalesce(octet_length(new.event_id), 0)
    + coalesce(octet_length(new.environment), 0) + coalesce(octet_length(new.release), 0) > 16384
  )
  execute function ops_internal.bound_log_row();

create function ops_internal.is_own_source(p_source text) returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_source = 'pattern-engine' or p_source like 'pattern-engine/%', false)
$$;

comment on function ops_internal.is_own_source is
  'Whether a log row was written by the engine, which does not learn from its own rows.';

create function ops_internal.may_heal(p_log ops.system_logs) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return p_log.log_level in ('error', 'critical') and not ops_internal.is_own_source(p_log.source);
end
$$;

comment on function ops_internal.may_heal is
  'Whether a fix may run for a log row at all: it is an error or critical of the application, and not the engine''s own.';

create function ops_internal.require_own_log_rows(p_errors jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  wrong record;
begin
  select errors.system_log_id, logs.id is null as missing
  into wrong
  from jsonb_to_recordset(p_errors) as errors (system_log_id bigint, claimed_by uuid, error_message text)
  left join ops.system_logs as logs on logs.id = errors.system_log_id
  where errors.system_log_id is not null
    and (
      logs.id is null
      or (
        errors.claimed_by is not null
        and (logs.user_id is distinct from errors.claimed_by or logs.message is distinct from errors.error_message)
      )
    )
  order by logs.id is null desc
  limit 1;

  if not found then
    return;
  end if;
  if wrong.missing then
    raise exception using
      errcode = 'PL004',
      message = format('there is no log row %s', wrong.system_log_id),
      hint = 'Insert the error into ops.system_logs first and send the id of that row, or send no system_log_id.';
  end if;
  raise exception using
    errcode = 'PL005',
    message = format('log row %s was written by somebody else, or has another message', wrong.system_log_id),
    hint = 'Send the id of a row that you wrote, with exactly its message.';
end
$$;

comment on function ops_internal.require_own_log_rows is
  'Raises PL004 for a log row that does not exist, PL005 for one that a person names and did not write, or that has another message.';
