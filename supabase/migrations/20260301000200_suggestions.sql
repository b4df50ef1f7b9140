-- For a pattern without a fix: what helped patterns that are like it. Drafts, never more.

create function ops_internal.suggested_fixes(p_pattern_id uuid, p_limit integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    with near as (
      select (similar_ones.entry ->> 'pattern_id')::uuid as pattern_id, (similar_ones.entry ->> 'score')::numeric as score
      from jsonb_array_elements(ops_internal.similar_patterns(p_pattern_id, 50)) as similar_ones (entry)
    ),

    related as (
      select near.pattern_id, near.score, false as is_clustered from near
      union all
      select members.pattern_id, null, true
      from ops.pattern_clusters as clusters
      cross join unnest(clusters.pattern_ids) as members (pattern_id)
      where p_pattern_id = any(clusters.pattern_ids) and members.pattern_id <> p_pattern_id
    ),

    once as (
      select related.pattern_id, max(related.score) as score, bool_or(related.is_clustered) as in_same_cluster
      from related
      group by related.pattern_id
    ),

    drafts as (
      select
        patterns.pattern_id, patterns.pattern_signature, patterns.pattern_type, patterns.metadata ->> 'template' as template,
        once.score, once.in_same_cluster,
        fixes.fix_type as auto_fix_type, fixes.script as auto_fix_script, fixes.parameters as auto_fix_parameters,
        fixes.undo_script, fixes.version, fixes.disabled_at is null and fixes.mode = 'live' as is_live,
        patterns.success_rate, patterns.confidence_score, patterns.confidence_lower_bound, patterns.confidence_outcomes,
        (
          select jsonb_build_object(
            'verified', count(*) filter (where verifications.outcome = 'verified'),
            'failed', count(*) filter (where verifications.outcome = 'failed'),
            'inconclusive', count(*) filter (where verifications.outcome = 'inconclusive'),
            'pending', count(*) filter (where verifications.outcome = 'pending')
          )
          from ops.pattern_verifications as verifications
          where verifications.pattern_id = fixes.pattern_id
            and verifications.fix_version = fixes.version
            and verifications.mode = 'live'
        ) as track_record
      from once
      inner join ops.error_patterns as patterns on patterns.pattern_id = once.pattern_id
      cross join lateral ops_internal.latest_fix(patterns.pattern_id) as fixes
      where fixes.version is not null
      -- One that nothing is known of comes before those that are known not to help.
      order by coalesce(patterns.confidence_lower_bound, 0.05) desc, once.score desc nulls last, patterns.id
      limit least(greatest(p_limit, 1), 50)
    )

    select coalesce(
      jsonb_agg(
        to_jsonb(drafts)
        order by coalesce(drafts.confidence_lower_bound, 0.05) desc, drafts.score desc nulls last, drafts.pattern_id
      ),
      '[]'
    )
    from drafts
  );
end
$$;

comment on function ops_internal.suggested_fixes(uuid, integer) is 'The work of ops.suggested_fixes_v1, with the rights that only it has.';

create function ops.suggested_fixes_v1(p_pattern_id uuid, p_limit integer default 10) returns jsonb
language sql
stable
set search_path = ''
as $$ select ops_internal.suggested_fixes(p_pattern_id, p_limit) $$;

comment on function ops.suggested_fixes_v1(uuid, integer) is
  'Fixes of patterns that resemble this one, by template or by cluster, with their track record, those that helped most first. Drafts: propose one to use it. For operators and the engine.';

revoke all on function ops_internal.suggested_fixes(uuid, integer), ops.suggested_fixes_v1(uuid, integer)
from public, anon, authenticated, service_role;
grant execute on function ops_internal.suggested_fixes(uuid, integer), ops.suggested_fixes_v1(uuid, integer)
to authenticated, service_role;

-- PostgREST reads the schema anew.
notify pgrst, 'reload schema';
