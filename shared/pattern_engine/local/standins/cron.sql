-- Stand-in for the extension pg_cron, with the SQL interface of its version 1.6, for servers that do
-- not have it. `pattern_engine.local.worker` reads the schedules and runs the jobs.

create schema if not exists cron;
comment on schema cron is 'Stand-in for pg_cron.';

create table if not exists cron.job (
  jobid bigserial primary key,
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost',
  nodeport int not null default coalesce(inet_server_port(), 5432),
  database text not null default current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  unique (jobname, username)
);
comment on table cron.job is 'Jobs: schedule, command, database and user.';

create table if not exists cron.job_run_details (
  jobid bigint,
  runid bigserial primary key,
  job_pid int,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamptz,
  end_time timestamptz
);
comment on table cron.job_run_details is 'Runs of jobs.';

alter table cron.job enable row level security;
alter table cron.job_run_details enable row level security;
do $policies$
begin
  if not exists (select from pg_policy where polrelid = 'cron.job'::regclass) then
    create policy cron_job_policy on cron.job using (username = current_user);
    create policy cron_job_run_details_policy on cron.job_run_details
      using (username = current_user);
  end if;
end
$policies$;

create or replace function cron._check_schedule(schedule text) returns void
language plpgsql immutable
set search_path = ''
as $$
declare
  part constant text := '[0-9A-Za-z*,/$-]+';
begin
  if schedule !~ ('^\s*' || part || '(\s+' || part || '){4}\s*$')
    and schedule !~* '^\s*@(yearly|annually|monthly|weekly|daily|midnight|hourly)\s*$'
    and schedule !~* '^\s*([1-9]|[1-5][0-9])\s+seconds?\s*$'
  then
    raise exception 'invalid schedule: %', schedule
      using hint = 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''';
  end if;
end
$$;
comment on function cron._check_schedule is 'Refuse an invalid schedule, with the message of pg_cron.';

create or replace function cron.schedule(job_name text, schedule text, command text)
returns bigint
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
declare
  id bigint;
begin
  perform cron._check_schedule(schedule);
  insert into cron.job as known (jobname, schedule, command)
  values (job_name, schedule, command)
  on conflict on constraint job_jobname_username_key
  do update set schedule = excluded.schedule, command = excluded.command, active = true
  returning known.jobid into id;
  return id;
end
$$;
comment on function cron.schedule(text, text, text) is 'Create or change a job by its name.';

create or replace function cron.schedule(schedule text, command text)
returns bigint
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
declare
  id bigint;
begin
  perform cron._check_schedule(schedule);
  insert into cron.job (schedule, command) values (schedule, command) returning jobid into id;
  return id;
end
$$;
comment on function cron.schedule(text, text) is 'Create a job without a name.';

create or replace function cron.unschedule(job_name text)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  delete from cron.job where jobname = job_name and username = current_user;
  if not found then
    raise exception 'could not find valid entry for job ''%''', job_name;
  end if;
  return true;
end
$$;
comment on function cron.unschedule(text) is 'Remove a job by its name.';

create or replace function cron.unschedule(job_id bigint)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  delete from cron.job where jobid = job_id;
  if not found then
    raise exception 'could not find valid entry for job ''%''', job_id;
  end if;
  return true;
end
$$;
comment on function cron.unschedule(bigint) is 'Remove a job by its id.';

create or replace function cron.alter_job(
  job_id bigint,
  schedule text default null,
  command text default null,
  database text default null,
  username text default null,
  active boolean default null
) returns void
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
begin
  if schedule is not null then
    perform cron._check_schedule(schedule);
  end if;
  update cron.job as known
  set schedule = coalesce(schedule, known.schedule),
    command = coalesce(command, known.command),
    database = coalesce(database, known.database),
    username = coalesce(username, known.username),
    active = coalesce(active, known.active)
  where known.jobid = job_id;
  if not found then
    raise exception 'Job % does not exist or you don''t own it', job_id;
  end if;
end
$$;
comment on function cron.alter_job is 'Change the given values of a job and keep the others.';

revoke all on all functions in schema cron from public;
