-- What a project decides about itself, where the database has to know it: whose errors count, and how much users may write.

create table ops.project_settings (
  name text primary key,
  value jsonb not null,
  default_value jsonb not null,
  meaning text not null,
  least integer,
  most integer,
  choices text [],
  changed_by uuid,
  changed_at timestamptz,
  reason text
);

comment on table ops.project_settings is
  'The project''s settings, one row each. ops.change_setting_v1 changes a value and records an event; nothing else does.';
comment on column ops.project_settings.name is 'Name of the setting.';
comment on column ops.project_settings.value is 'What holds now.';
comment on column ops.project_settings.default_value is 'What holds until somebody changes it.';
comment on column ops.project_settings.meaning is 'What it decides.';
comment on column ops.project_settings.least is 'The smallest number allowed; null for a list.';
comment on column ops.project_settings.most is 'The largest number allowed; null for a list.';
comment on column ops.project_settings.choices is 'What a list may hold; null for a number.';
comment on column ops.project_settings.changed_by is 'The person who changed it last; null while it has its first value. Kept after the account is deleted.';
comment on column ops.project_settings.changed_at is 'When it was changed last.';
comment on column ops.project_settings.reason is 'Why it was changed last.';

insert into ops.project_settings (name, value, default_value, meaning, least, most, choices)
select given.name, given.value, given.value, given.meaning, given.least, given.most, given.choices
from (
  values
    (
      'counted_writers', '["service_role", "postgres"]'::jsonb,
      'The database roles whose log rows count in every number that permits, forbids, judges, ranks or notifies. service_role always counts. Add authenticated so that errors which signed-in users write themselves, from a browser, are ranked too. It holds for errors that are learned from then on.',
      null, null, array['service_role', 'postgres', 'authenticated']
    ),
    (
      'user_rows_per_minute', '100',
      'How many log rows a signed-in user may write in a minute. Beyond that an insert is refused whole, with status 429.',
      0, 1000000, null
    ),
    (
      'user_learns_per_minute', '100',
      'How many errors a signed-in user may report by /learn in a minute. Beyond that a report is refused, with status 429.',
      0, 1000000, null
    ),
    (
      'user_reports_per_minute', '20',
      'How many of these may be errors without a log row.',
      0, 1000000, null
    ),
    (
      'row_bytes', '4194304',
      'The largest log row, in bytes, of any writer: message, error_data, metadata and its other texts together. A larger row is refused with status 413.',
      65536, 104857600, null
    ),
    (
      'user_row_bytes', '1048576',
      'The largest log row of a signed-in user, in bytes.',
      65536, 104857600, null
    ),
    (
      'load_multiple', '3',
      'How many times the project''s usual number of errors in five minutes it takes to forbid fixes by Law 2. The threshold errors_at_maximum is the least.',
      1, 1000, null
    ),
    (
      'review_occurrences', '5',
      'How many times an error has to occur until its pattern asks for a review: then a notification is sent, and it is listed as awaiting approval.',
      1, 1000000, null
    ),
    (
      'expiring_minutes', '60',
      'How many minutes before an approval ends, or a proposed fix expires on which nobody has decided, a notification says so.',
      1, 10080, null
    ),
    (
      'heals_per_week', '10',
      'How often a fix has to run well within seven days until a notification says that the cause is still there.',
      1, 1000000, null
    ),
    (
      'spike_errors', '50',
      'How many errors of a pattern in five minutes are a spike at the least.',
      1, 20000, null
    ),
    (
      'spike_multiple', '10',
      'How many times what is usual for a pattern in five minutes of the day before is a spike.',
      2, 1000, null
    ),
    (
      'stalled_minutes', '10',
      'How many minutes an error may wait to be learned until a notification says that the delivery is stalled.',
      1, 1440, null
    ),
    (
      'notification_tries', '10',
      'How often a message is tried until it is a dead letter, which waits for a person.',
      1, 100, null
    ),
    (
      'notification_retry_seconds', '60',
      'How many seconds after the first failed try the second one follows. The pause doubles with each failure, up to an hour.',
      1, 3600, null
    ),
    (
      'notification_days', '30',
      'How many days a notification is kept after every target has got it.',
      1, 3650, null
    )
) as given (name, value, meaning, least, most, choices);

alter table ops.project_settings enable row level security;

create policy "Operators read settings" on ops.project_settings
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.setting(p_name text) returns jsonb
language sql
stable
security definer
set search_path = ''
as $$ select settings.value from ops.project_settings as settings where settings.name = p_name $$;

comment on function ops_internal.setting is 'The value of one of the project''s settings.';

create function ops_internal.require_setting(p_setting ops.project_settings, p_value jsonb) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_setting.choices is not null then
    perform ops_internal.refuse_if(
      jsonb_typeof(p_value) <> 'array'
      or exists (
        select from jsonb_array_elements(case jsonb_typeof(p_value) when 'array' then p_value else '[]' end) as elements (element)
        where jsonb_typeof(elements.element) <> 'string' or (elements.element #>> '{}') <> all(p_setting.choices)
      ),
      'PL022', format('%s is %s', p_setting.name, left(p_value::text, 200)),
      format('Give a list of %s.', array_to_string(p_setting.choices, ', '))
    );
  else
    perform ops_internal.refuse_if(
      jsonb_typeof(p_value) <> 'number'
      or case jsonb_typeof(p_value) when 'number' then
        (p_value #>> '{}')::numeric <> trunc((p_value #>> '{}')::numeric)
        or (p_value #>> '{}')::numeric not between p_setting.least and p_setting.most
      end,
      'PL022', format('%s is %s', p_setting.name, left(p_value::text, 200)),
      format('Give a whole number from %s to %s.', p_setting.least, p_setting.most)
    );
  end if;
end
$$;

comment on function ops_internal.require_setting is 'Raises PL022 unless this value fits the setting.';

create function ops_internal.change_setting(p_name text, p_value jsonb, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  former ops.project_settings;
  setting ops.project_settings;
begin
  perform ops_internal.refuse_if(
    coalesce(trim(p_reason), '') = '', 'PL022', 'the change has no reason', 'Say why the setting is changed.'
  );
  select * into former from ops.project_settings where project_settings.name = p_name for update;
  if not found then
    raise exception using
      errcode = 'PL022',
      message = format('there is no setting %s', p_name),
      hint = format('The settings are: %s.', (select string_agg(known.name, ', ' order by known.name) from ops.project_settings as known));
  end if;
  perform ops_internal.require_setting(former, coalesce(p_value, former.default_value));

  update ops.project_settings set
    value = coalesce(p_value, former.default_value),
    changed_by = person,
    changed_at = clock_timestamp(),
    reason = p_reason
  where project_settings.name = p_name
  returning * into setting;
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'setting_changed', 'warning', 'Setting changed: ' || p_name, person,
    jsonb_build_object('name', p_name, 'former_value', former.value, 'value', setting.value, 'reason', p_reason)
  );
  return to_jsonb(setting);
end
$$;

create function ops.change_setting_v1(p_name text, p_value jsonb, p_reason text) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.change_setting(p_name, p_value, p_reason) $$;

comment on function ops.change_setting_v1 is
  'Changes one of the project''s settings, or gives it its default for a null value; answers it. For an ops_admin in person, with a reason.';

-- Who counts. Everyone may write log rows who signs up, so that a number made of all rows would be theirs to choose.

create function ops_internal.counted_writers() returns text []
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select array['service_role'] || array(select jsonb_array_elements_text(settings.value))
    from ops.project_settings as settings
    where settings.name = 'counted_writers'
  );
end
$$;

comment on function ops_internal.counted_writers is
  'The roles whose log rows count in the numbers of the project: service_role, and those that the setting names. What a fix is judged by are the rows of its own trusted_writers, by which it runs.';

-- Quotas of users.

create unlogged table ops_internal.user_quotas (
  user_id uuid not null,
  name text not null,
  minute timestamptz not null,
  used integer not null,
  primary key (user_id, name)
)
with (fillfactor = 50);

comment on table ops_internal.user_quotas is
  'How much of each limit every user took in the latest minute in which the user took something. A crash of the server may empty it.';
comment on column ops_internal.user_quotas.user_id is 'The user.';
comment on column ops_internal.user_quotas.name is 'The setting that holds the limit.';
comment on column ops_internal.user_quotas.minute is 'The minute.';
comment on column ops_internal.user_quotas.used is 'What was taken in it.';

create function ops_internal.take_quota(p_user_id uuid, p_name text, p_amount integer) returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  allowed constant integer := ops_internal.setting(p_name)::integer;
  -- All rows of a request are of one minute.
  moment constant timestamptz := now();
  taken ops_internal.user_quotas;
begin
  insert into ops_internal.user_quotas as quotas (user_id, name, minute, used)
  -- A user takes of the own quota alone; the engine takes for the user who reports.
  values (coalesce((select auth.uid()), p_user_id), p_name, date_trunc('minute', moment), p_amount)
  on conflict (user_id, name) do update set
    used = excluded.used + case when quotas.minute >= excluded.minute then quotas.used else 0 end,
    minute = greatest(quotas.minute, excluded.minute)
  returning * into taken;
  if taken.used <= allowed then
    return 0;
  end if;
  return greatest(1, ceil(extract(epoch from taken.minute + interval '1 minute' - clock_timestamp())))::integer;
end
$$;

comment on function ops_internal.take_quota is
  'Takes so much of a user''s quota for this minute. Answers 0, or the seconds to wait if that is more than the setting allows: the caller then raises an error, which gives it back.';

create function ops_internal.quota_message(p_name text) returns text
language sql
stable
set search_path = ''
as $$
  select format(
    case p_name
      when 'user_rows_per_minute' then 'you may write %s log rows a minute'
      when 'user_learns_per_minute' then 'you may report %s errors a minute'
      else 'you may report %s errors without a log row a minute'
    end,
    ops_internal.setting(p_name)
  )
$$;

comment on function ops_internal.quota_message is 'What a user is told who took more than a limit allows.';
