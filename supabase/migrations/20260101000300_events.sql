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
  created_at timestamptz not null default now()
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

create index idx_roman_events_type on ops.roman_events (event_type, created_at desc);
create index idx_roman_events_created_at on ops.roman_events using brin (created_at);

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
language sql
set search_path = ''
as $$
  insert into ops.roman_events (event_type, severity, description, metadata, constitutional_validation)
  values (p_event_type, p_severity, p_description, p_metadata, p_validation)
  returning event_id
$$;

comment on function ops.record_event_v1 is 'Appends one event to the journal; answers its id.';
