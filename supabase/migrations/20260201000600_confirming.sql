-- Confirming signatures for a fix that was approved before they came, and what a fix no longer fires for.

create function ops_internal.pattern_signatures(p_pattern_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object(
          'signature', signatures.signature,
          'algorithm', signatures.algorithm,
          'template', signatures.template,
          'created_at', signatures.created_at,
          'confirmed_at', signatures.confirmed_at,
          'is_trusted', fixes.version is not null
          and (signatures.created_at <= fixes.trusts_until or signatures.confirmed_at is not null),
          -- The message of the latest error that is still in the log.
          'example', (
            select left(logs.message, 8192)
            from ops.pattern_incidents as incidents
            inner join ops.system_logs as logs on logs.id = incidents.system_log_id
            where incidents.pattern_id = p_pattern_id and incidents.signature = signatures.signature
            order by incidents.occurred_at desc
            limit 1
          ),
          'incident_count', (
            select count(*) from ops.pattern_incidents as incidents
            where incidents.pattern_id = p_pattern_id and incidents.signature = signatures.signature
          )
        )
        order by signatures.created_at, signatures.signature
      ),
      '[]'
    )
    from ops.pattern_signatures as signatures
    left join ops.pattern_fixes as fixes on fixes.pattern_id = signatures.pattern_id and fixes.disabled_at is null
    where signatures.pattern_id = p_pattern_id
  );
end
$$;

comment on function ops_internal.pattern_signatures(uuid) is 'The work of ops.pattern_signatures_v1, with the rights that only it has.';

create function ops_internal.confirm_signatures(p_pattern_id uuid, p_signatures text []) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_admin']);
  pattern constant ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
  fix ops.pattern_fixes;
  confirmed text [];
begin
  select * into fix
  from ops.pattern_fixes
  where pattern_fixes.pattern_id = p_pattern_id and pattern_fixes.disabled_at is null;
  if not found then
    raise exception using
      errcode = 'PL014',
      message = 'this pattern has no enabled fix',
      hint = 'There is nothing to confirm: an approval is for all signatures that the pattern has at that time.';
  end if;
  perform ops_internal.require_signatures_of(p_pattern_id, p_signatures);

  with changed as (
    update ops.pattern_signatures set confirmed_at = clock_timestamp(), confirmed_by = person
    where pattern_signatures.signature = any(p_signatures)
      and pattern_signatures.pattern_id = p_pattern_id
      and pattern_signatures.created_at > fix.trusts_until
      and pattern_signatures.confirmed_at is null
    returning signature
  )

  select coalesce(array_agg(changed.signature order by changed.signature), '{}') into confirmed from changed;
  if cardinality(confirmed) > 0 then
    insert into ops.roman_events (event_type, severity, description, actor, metadata)
    values (
      'signatures_confirmed', 'info', 'Signatures confirmed for the fix of ' || pattern.pattern_signature, person,
      jsonb_build_object('pattern_id', p_pattern_id, 'version', fix.version, 'sha256', fix.sha256, 'signatures', to_jsonb(confirmed))
    );
  end if;
  return jsonb_build_object('pattern', to_jsonb(pattern), 'confirmed', to_jsonb(confirmed));
end
$$;

comment on function ops_internal.confirm_signatures(uuid, text []) is 'The work of ops.confirm_signatures_v1, with the rights that only it has.';

create function ops.pattern_signatures_v1(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$ select ops_internal.pattern_signatures(p_pattern_id) $$;

comment on function ops.pattern_signatures_v1(uuid) is
  'The signatures of a pattern, with template, number of errors, and whether its live fix fires for them. For operators and the engine.';

create function ops.confirm_signatures_v1(p_pattern_id uuid, p_signatures text []) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.confirm_signatures(p_pattern_id, p_signatures) $$;

comment on function ops.confirm_signatures_v1(uuid, text []) is
  'Has a pattern''s live fix fire for signatures that came after its approval. For an ops_admin in person.';

revoke all on function
  ops_internal.pattern_signatures(uuid),
  ops_internal.confirm_signatures(uuid, text []),
  ops.pattern_signatures_v1(uuid),
  ops.confirm_signatures_v1(uuid, text [])
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.pattern_signatures(uuid),
  ops_internal.confirm_signatures(uuid, text []),
  ops.pattern_signatures_v1(uuid),
  ops.confirm_signatures_v1(uuid, text [])
to authenticated, service_role;
