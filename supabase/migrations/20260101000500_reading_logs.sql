-- Log rows as the engine needs them: what they say, and whose they are.

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
    message = format('log row %s is not yours, or carries another message', wrong.system_log_id),
    hint = 'Send the id of a row that you wrote, with exactly its message.';
end
$$;

comment on function ops_internal.require_own_log_rows(jsonb) is
  'Raises PL004 for a log row that does not exist, PL005 for one that a person claims and that is not his or says something else.';

revoke all on function ops_internal.require_own_log_rows(jsonb) from public, anon, authenticated, service_role;
grant execute on function ops_internal.require_own_log_rows(jsonb) to service_role;

create function ops.read_logs_v1(p_ids bigint []) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', logs.id,
        -- Learning reads a part of it; a log row may hold any amount.
        'message', left(logs.message, 65536),
        'source', logs.source,
        'log_level', logs.log_level,
        'created_at', logs.created_at,
        'written_by', logs.written_by,
        'error_data', case when pg_column_size(logs.error_data) <= 262144 then logs.error_data end,
        'environment', logs.environment,
        'release', logs.release,
        'learned', exists (select from ops.pattern_incidents as incidents where incidents.system_log_id = logs.id)
      )
      order by logs.id
    ),
    '[]'
  )
  from ops.system_logs as logs
  where logs.id = any(p_ids)
    and logs.log_level in ('error', 'critical')
    and not ops_internal.is_own_source(logs.source)
$$;

comment on function ops.read_logs_v1(bigint []) is
  'The errors and criticals among these log rows, without the engine''s own, and whether each was learned before.';

revoke all on function ops.read_logs_v1(bigint []) from public, anon, authenticated, service_role;
grant execute on function ops.read_logs_v1(bigint []) to service_role;
