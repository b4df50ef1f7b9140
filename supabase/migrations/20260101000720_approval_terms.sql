-- The terms of an approval: until when, and for how many runs, it holds. Whoever approves or enables a fix may give them. When
-- they are over, the fix does not run until a person approves or enables it again.

create function ops_internal.require_terms(p_ends_at timestamptz, p_max_heals integer) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_ends_at <= clock_timestamp() or not isfinite(p_ends_at) then
    raise exception using
      errcode = 'PL022',
      message = format('ends_at is %s, and it is %s', p_ends_at, clock_timestamp()),
      hint = 'Give a time in the future, with its zone.';
  end if;
  if p_max_heals not between 1 and 100000 then
    raise exception using
      errcode = 'PL022', message = format('max_heals is %s', p_max_heals), hint = 'Give a whole number from 1 to 100000.';
  end if;
end
$$;

comment on function ops_internal.require_terms is
  'Raises PL022 for an end of an approval that is not in the future, and for a number of runs outside 1 to 100000. Null is no term.';

create function ops_internal.over_because(p_fix ops.pattern_fixes, p_is_counted boolean default false) returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    when p_fix.ends_at <= clock_timestamp()
      then format('it ended at %s', to_char(p_fix.ends_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
    when p_fix.heals >= p_fix.max_heals and not p_is_counted
      then format('it was for %s runs, and as many have begun', p_fix.max_heals)
  end;
end
$$;

comment on function ops_internal.over_because is
  'Why the approval of this fix is over; null while it holds. A run that was counted before is not counted against itself.';

create function ops_internal.expire_fix(p_fix ops.pattern_fixes, p_reason text) returns void
language plpgsql
set search_path = ''
as $$
declare
  pattern ops.error_patterns;
begin
  update ops.pattern_fixes set
    mode = 'expired',
    mode_changed_at = clock_timestamp(),
    mode_changed_by = null,
    mode_reason = p_reason
  where pattern_fixes.id = p_fix.id and pattern_fixes.disabled_at is null and pattern_fixes.mode in ('live', 'shadow');
  if not found then
    return;
  end if;
  pattern := ops_internal.show_fix(p_fix.pattern_id, false);

  insert into ops.roman_events (event_type, severity, description, metadata)
  values (
    'fix_expired', 'warning', 'The approval of a fix is over: ' || pattern.pattern_signature,
    jsonb_build_object(
      'pattern_id', p_fix.pattern_id, 'version', p_fix.version, 'sha256', p_fix.sha256, 'reason', p_reason,
      'former_mode', p_fix.mode, 'ends_at', p_fix.ends_at, 'max_heals', p_fix.max_heals, 'heals', p_fix.heals
    )
  );
end
$$;

comment on function ops_internal.expire_fix is
  'Takes a live fix or a shadow out of use because its approval is over, and records that once. The caller has locked the pattern.';

create function ops_internal.expire_fixes() returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  pattern uuid;
  expired integer := 0;
begin
  -- Locks in the same order as learning; skips a pattern that is being changed, whose turn comes a minute later.
  for pattern in
    select patterns.pattern_id
    from ops.error_patterns as patterns
    where patterns.pattern_id in (
      select fixes.pattern_id
      from ops.pattern_fixes as fixes
      where fixes.ends_at <= clock_timestamp() and fixes.disabled_at is null and fixes.mode in ('live', 'shadow')
    )
    order by patterns.pattern_id
    limit 500
    for no key update skip locked
  loop
    perform ops_internal.expire_fix(fixes, ops_internal.over_because(fixes))
    from ops.pattern_fixes as fixes
    where fixes.pattern_id = pattern and fixes.ends_at <= clock_timestamp() and fixes.disabled_at is null and fixes.mode in ('live', 'shadow');
    expired := expired + 1;
  end loop;
  return expired;
end
$$;

comment on function ops_internal.expire_fixes is
  'Takes the fixes out of use whose approval has reached its end, 500 patterns at most. A cron job calls it every minute, so that the fix asks for a new approval even if its error does not occur; answers of how many patterns.';

create function ops_internal.expire_if_used_up(p_claim ops.pattern_claims) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform ops_internal.expire_fix(fixes, ops_internal.over_because(fixes))
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_claim.pattern_id
    and fixes.version = p_claim.fix_version
    and fixes.heals >= fixes.max_heals
    -- A run whose worker died is counted; another worker may still take it over.
    and not exists (
      select from ops.pattern_claims as claims
      where claims.pattern_id = fixes.pattern_id and claims.fix_version = fixes.version and claims.finished_at is null
    );
end
$$;

comment on function ops_internal.expire_if_used_up is
  'Takes the fix of this run, which has just ended, out of use if its approval allows no further run and none is under way. The caller has locked the pattern.';

create function ops_internal.replace_expired(p_fix ops.pattern_fixes, p_person uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform ops_internal.switch_off(fixes, p_person, 'Its approval was over, and a new version was approved')
  from ops.pattern_fixes as fixes
  where fixes.pattern_id = p_fix.pattern_id
    and fixes.disabled_at is null
    and (fixes.mode = 'expired' or ops_internal.over_because(fixes) is not null)
    and ops_internal.guards_overlap(ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard), p_fix.guard);
end
$$;

comment on function ops_internal.replace_expired is
  'Disables the versions whose approval is over and in whose place this one is about to be approved. The caller has locked the pattern.';
