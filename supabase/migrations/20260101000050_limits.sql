-- The types of fixes and the bounds of their limits.
-- Generated from `pattern_engine.limits` by `python -m docs.generate limits`; do not edit.

create function ops_internal.fix_limits(
  in p_fix_type text, out max_timeout_ms integer, out max_retries integer, out max_rows integer
)
language sql
immutable
set search_path = ''
as $$
  select limits.max_timeout_ms, limits.max_retries, limits.max_rows
  from (
    values
      ('sql', 8000, 8, 100000),
      ('typescript', 60000, 8, 100000),
      ('bash', 60000, 8, 100000),
      ('api_call', 60000, 8, 100000)
  ) as limits (fix_type, max_timeout_ms, max_retries, max_rows)
  where limits.fix_type = p_fix_type
$$;

comment on function ops_internal.fix_limits is
  'The most that a fix of this type may ask for; nulls where there is no such type.';
