-- The application's log. It belongs to the application: the engine reads it and never changes it.

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
  event_id text unique,
  user_id uuid default auth.uid() references auth.users (id) on delete set null,
  written_by text not null default current_user
);

comment on table ops.system_logs is 'What the applications logged. Errors and criticals are learned from.';
comment on column ops.system_logs.id is 'Row number; each row is counted once, however often it is delivered.';
comment on column ops.system_logs.created_at is 'When it happened. May lie in the past, not before 1970; a time in the future becomes now.';
comment on column ops.system_logs.log_level is 'debug, info, warning, error or critical.';
comment on column ops.system_logs.message is 'The message as the application wrote it.';
comment on column ops.system_logs.source is 'The component that wrote it. The engine''s own rows have pattern-engine.';
comment on column ops.system_logs.error_data is 'Stack trace, code and whatever else the application has on the error.';
comment on column ops.system_logs.metadata is 'Anything else.';
comment on column ops.system_logs.environment is 'production, staging, …';
comment on column ops.system_logs.release is 'The application''s version.';
comment on column ops.system_logs.event_id is 'The client''s own id of the event, so that a repeated insert is refused.';
comment on column ops.system_logs.user_id is 'The signed-in user who wrote the row; null for the service role.';
comment on column ops.system_logs.written_by is 'The database role that wrote the row, set by a trigger: by default only service_role''s rows fire fixes.';

create index idx_system_logs_created_at on ops.system_logs using brin (created_at);
create index idx_system_logs_recent on ops.system_logs (created_at desc, log_level)
  where log_level in ('error', 'critical');
-- Whether a source was heard of while an error had to stay away.
create index idx_system_logs_source on ops.system_logs (source, created_at);
create index idx_system_logs_user on ops.system_logs (user_id);

create function ops_internal.stamp_log_row() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.written_by := current_user::text;
  -- Readers reckon with the time, and few of them know -infinity or years before Christ.
  new.created_at := greatest(least(new.created_at, clock_timestamp()), 'epoch');
  return new;
end
$$;

comment on function ops_internal.stamp_log_row() is
  'Records who wrote a log row, whatever the writer says, and keeps its time between 1970 and now.';

revoke all on function ops_internal.stamp_log_row() from public, anon, authenticated, service_role;

create trigger stamp_log_row before insert on ops.system_logs
  for each row execute function ops_internal.stamp_log_row();

alter table ops.system_logs enable row level security;

create policy "Signed-in users write their own log rows" on ops.system_logs
  for insert to authenticated
  with check (user_id = (select auth.uid()));

create policy "Authors read their own log rows and operators read all" on ops.system_logs
  for select to authenticated
  using (user_id = (select auth.uid()) or (select ops_internal.caller_role()) is not null);

revoke all on table ops.system_logs from public, anon, authenticated, service_role;
revoke all on sequence ops.system_logs_id_seq from public, anon, authenticated, service_role;
grant select on table ops.system_logs to authenticated;
grant insert (
  created_at, log_level, message, source, error_data, metadata, environment, release, event_id, user_id
) on table ops.system_logs to authenticated;
grant select, insert, update, delete on table ops.system_logs to service_role;
grant usage on sequence ops.system_logs_id_seq to authenticated, service_role;

create function ops_internal.is_own_source(p_source text) returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_source = 'pattern-engine' or p_source like 'pattern-engine/%', false)
$$;

comment on function ops_internal.is_own_source(text) is
  'Whether a log row was written by the engine itself, which never learns from itself.';

revoke all on function ops_internal.is_own_source(text) from public, anon, authenticated, service_role;
grant execute on function ops_internal.is_own_source(text) to service_role;
