-- Near-duplicates: proposed to people, never joined by themselves.

create function ops_internal.similar_patterns(p_pattern_id uuid, p_limit integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  least_score constant numeric := 0.3;
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  perform 1 from ops.error_patterns where error_patterns.pattern_id = p_pattern_id;
  if not found then
    raise exception using
      errcode = 'PL002', message = format('there is no pattern %s', p_pattern_id), hint = 'GET /statistics lists patterns, with their ids.';
  end if;
  return (
    with nearest as (
      select own.template as own_template, found.template, found.pattern_id, found.distance
      from (
        select signatures.template
        from ops.pattern_signatures as signatures
        where signatures.pattern_id = p_pattern_id
        order by signatures.created_at, signatures.signature
        limit 10
      ) as own
      cross join lateral (
        select
          others.template, others.pattern_id,
          others.template operator(extensions.<->) own.template as distance
        from ops.pattern_signatures as others
        where others.pattern_id <> p_pattern_id
        order by others.template operator(extensions.<->) own.template
        limit 100
      ) as found
    ),

    best as (
      select distinct on (nearest.pattern_id) nearest.*
      from nearest
      where 1 - nearest.distance >= least_score and not ops_internal.is_kept_apart(p_pattern_id, nearest.pattern_id)
      order by nearest.pattern_id, nearest.distance
    ),

    listed as (
      select
        patterns.pattern_id, patterns.pattern_signature, patterns.pattern_type, patterns.status, patterns.severity,
        patterns.occurrence_count, patterns.auto_fix_enabled, best.template, best.own_template,
        round((1 - best.distance)::numeric, 3) as score
      from best
      inner join ops.error_patterns as patterns on patterns.pattern_id = best.pattern_id
      order by best.distance, patterns.id
      limit least(greatest(p_limit, 1), 50)
    )

    select coalesce(jsonb_agg(to_jsonb(listed) order by listed.score desc, listed.pattern_id), '[]')
    from listed
  );
end
$$;

comment on function ops_internal.similar_patterns(uuid, integer) is 'The work of ops.similar_patterns_v1, with the rights that only it has.';

create function ops.similar_patterns_v1(p_pattern_id uuid, p_limit integer default 10) returns jsonb
language sql
stable
set search_path = ''
as $$ select ops_internal.similar_patterns(p_pattern_id, p_limit) $$;

comment on function ops.similar_patterns_v1(uuid, integer) is
  'Patterns whose templates resemble one of this pattern''s, by the share of trigrams in common, best first; none that a person told apart. For operators and the engine.';

revoke all on function ops_internal.similar_patterns(uuid, integer), ops.similar_patterns_v1(uuid, integer)
from public, anon, authenticated, service_role;
grant execute on function ops_internal.similar_patterns(uuid, integer), ops.similar_patterns_v1(uuid, integer)
to authenticated, service_role;
