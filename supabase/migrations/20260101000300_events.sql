-- The engine's journal. It is append-only.

create table ops.roman_events (
  id bigserial primary key,
  event_id uuid not null unique default gen_random_uuid(),
  event_type text not null,
  severity text not null default 'info'
  constraint roman_events_severity_known check (severity in ('debug', 'info', 'warning', 'error', 'critical')),
  description text,
  actor uuid,
  metadata jsonb,
  constitutional_validation jsonb,
  created_at timestamptz not null default now(),
  seal_id bigint,
  digest bytea
);

comment on table ops.roman_events is
  'Everything that the engine or a person did. Append-only. The events of the engine are deleted after 180 days, the decisions of people never.';
comment on column ops.roman_events.id is 'Order of recording.';
comment on column ops.roman_events.event_id is 'Stable id of the event.';
comment on column ops.roman_events.event_type is
  'pattern_learned, pattern_approved, pattern_disabled, pattern_applied, constitutional_violation, fix_refused, patterns_clustered, pattern_archived, ….';
comment on column ops.roman_events.severity is 'debug, info, warning, error or critical.';
comment on column ops.roman_events.description is 'One sentence for people.';
comment on column ops.roman_events.actor is 'The person who did it; null for the engine. Kept after the person is gone.';
comment on column ops.roman_events.metadata is 'The event''s particulars, for machines.';
comment on column ops.roman_events.constitutional_validation is
  'The action profile and the verdict of each law, where one was asked for.';
comment on column ops.roman_events.created_at is 'When it was recorded.';
comment on column ops.roman_events.seal_id is 'The entry of ops.event_seals that covers it; null until the job of the next minute.';
comment on column ops.roman_events.digest is 'SHA-256 of the event when it was sealed.';

create index idx_roman_events_type on ops.roman_events (event_type, created_at desc);
create index idx_roman_events_created_at on ops.roman_events using brin (created_at);
-- What the job of the next minute seals.
create index idx_roman_events_unsealed on ops.roman_events (id) where seal_id is null;

alter table ops.roman_events enable row level security;

create policy "Operators read events" on ops.roman_events
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops.record_event_v1(
  p_event_type text,
  p_severity text,
  p_description text,
  p_metadata jsonb default null,
  p_validation jsonb default null
) returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  reported constant text [] := array['fix_refused'];
  recorded uuid;
begin
  perform ops_internal.require_engine();
  perform ops_internal.refuse_if(
    p_event_type is null or p_event_type <> all(reported),
    'PL022', format('the type of the event is %s', coalesce(p_event_type, 'null')),
    'The engine reports only events of the type ' || array_to_string(reported, ', ') || '; the database records all others itself.'
  );
  insert into ops.roman_events (event_type, severity, description, metadata, constitutional_validation)
  values (p_event_type, p_severity, p_description, coalesce(p_metadata, '{}') || '{"reported_by": "engine"}', p_validation)
  returning event_id into recorded;
  return recorded;
end
$$;

comment on function ops.record_event_v1 is
  'Appends an event that only the engine can know of, marked as reported by it; answers its id. Raises PL022 for a type that the database records itself.';

-- The log belongs to the applications, and the service role may change and delete its rows. Verdicts rest on them, so that the
-- journal tells of it.

create function ops_internal.record_changed_logs() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  -- A role that logged in itself is the database's owner, or a scheduled job; the API sets the role of its caller.
  by_role constant text := coalesce(nullif(current_setting('role', true), 'none'), session_user);
  changed bigint [];
begin
  if tg_op = 'DELETE' then
    select array_agg(old_rows.id order by old_rows.id) into changed from old_rows;
  else
    select array_agg(old_rows.id order by old_rows.id) into changed
    from old_rows
    left join new_rows on new_rows.id = old_rows.id
    -- Deleting the account of a writer takes nothing from what was written.
    where to_jsonb(new_rows) - 'user_id' is distinct from to_jsonb(old_rows) - 'user_id';
  end if;
  insert into ops.roman_events (event_type, severity, description, metadata)
  select
    case tg_op when 'DELETE' then 'log_rows_deleted' else 'log_rows_changed' end,
    case by_role when 'service_role' then 'warning' else 'info' end,
    format('%s rows of the log were %s by %s', cardinality(changed), case tg_op when 'DELETE' then 'deleted' else 'changed' end, by_role),
    jsonb_build_object(
      'by', by_role, 'rows', cardinality(changed), 'first_id', changed [1], 'last_id', changed [cardinality(changed)],
      'ids', to_jsonb(changed [1:100])
    )
  where changed is not null;
  return null;
end
$$;

comment on function ops_internal.record_changed_logs is
  'Records in the journal which rows of the log a statement changed or deleted, and which role did; the first hundred ids by name.';

create trigger record_changed_logs after update on ops.system_logs
  referencing old table as old_rows new table as new_rows
  for each statement execute function ops_internal.record_changed_logs();

create trigger record_deleted_logs after delete on ops.system_logs
  referencing old table as old_rows
  for each statement execute function ops_internal.record_changed_logs();
