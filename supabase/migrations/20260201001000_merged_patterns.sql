-- A pattern that was merged into another is no pattern of its own any more: nothing counts it, nothing groups it.

create or replace function ops_internal.statistics() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  least_occurrences constant integer := 5;
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    select jsonb_build_object(
      'total_patterns', count(*),
      'enabled_patterns', count(*) filter (where patterns.auto_fix_enabled),
      'approved_patterns', count(*) filter (where patterns.human_approved),
      'avg_success_rate', coalesce(round(avg(patterns.success_rate), 2), 0),
      'total_applications', (select count(*) from ops.pattern_applications),
      'patterns_by_type', jsonb_build_object(
        'database', count(*) filter (where patterns.pattern_type = 'database'),
        'api', count(*) filter (where patterns.pattern_type = 'api'),
        'rls', count(*) filter (where patterns.pattern_type = 'rls'),
        'stripe', count(*) filter (where patterns.pattern_type = 'stripe'),
        'deployment', count(*) filter (where patterns.pattern_type = 'deployment')
      ),
      'top_patterns', (
        select coalesce(jsonb_agg(to_jsonb(best)), '[]')
        from (
          select
            top.pattern_id, top.pattern_signature, top.pattern_type, top.occurrence_count,
            top.success_rate, top.confidence_score, top.auto_fix_enabled
          from ops.error_patterns as top
          where top.auto_fix_enabled
          order by top.success_rate desc, top.occurrence_count desc, top.id
          limit 10
        ) as best
      ),
      'awaiting_approval', (
        select coalesce(jsonb_agg(to_jsonb(awaiting)), '[]')
        from (
          select
            waiting.pattern_id, waiting.pattern_signature, waiting.pattern_type, waiting.severity, waiting.error_source,
            waiting.metadata ->> 'template' as template, waiting.occurrence_count, waiting.first_seen, waiting.last_seen
          from ops.error_patterns as waiting
          where waiting.occurrence_count >= least_occurrences and not waiting.auto_fix_enabled and waiting.status = 'open'
          order by waiting.occurrence_count desc, waiting.id
          limit 200
        ) as awaiting
      ),
      'as_of', now()
    )
    from ops.error_patterns as patterns
    where patterns.status <> 'merged'
  );
end
$$;

create or replace function ops_internal.start_clustering() returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  session uuid;
begin
  perform ops_internal.require_engine_or_operator(array['ops_operator', 'ops_admin']);

  -- A session that never came back: its process was ended from outside.
  update ops.learning_sessions set status = 'aborted', completed_at = now()
  where learning_sessions.session_type = 'clustering'
    and learning_sessions.status = 'running'
    and learning_sessions.started_at < now() - interval '1 hour';

  insert into ops.learning_sessions (session_type, input_data)
  values ('clustering', jsonb_build_object('least_occurrences', 3, 'requested_by', (select auth.uid())))
  returning session_id into session;

  return jsonb_build_object(
    'session_id', session,
    'patterns', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object(
            'pattern_id', patterns.pattern_id,
            'pattern_type', patterns.pattern_type,
            'severity', patterns.severity,
            'occurrence_count', patterns.occurrence_count,
            'success_rate', patterns.success_rate,
            'confidence_score', patterns.confidence_score
          )
          order by patterns.id
        ),
        '[]'
      )
      from ops.error_patterns as patterns
      where patterns.occurrence_count >= 3 and patterns.status not in ('archived', 'merged')
    )
  );
end
$$;

-- PostgREST reads the schema anew.
notify pgrst, 'reload schema';
