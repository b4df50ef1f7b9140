-- What the engine has learned and healed.

create materialized view ops.pattern_stats as
select
  patterns.pattern_id,
  patterns.pattern_signature,
  patterns.pattern_type,
  patterns.occurrence_count,
  patterns.success_rate,
  patterns.confidence_score,
  count(applications.application_id) as total_applications,
  avg(applications.execution_time_ms) as avg_execution_time
from ops.error_patterns as patterns
left join ops.pattern_applications as applications on applications.pattern_id = patterns.pattern_id
-- Grouping by the primary key allows the other columns to be selected.
group by patterns.id;

comment on materialized view ops.pattern_stats is
  'Applications per pattern, as of the last refresh. Row-level security does not reach it, so it is private; read it through ops.pattern_stats_v1.';
comment on column ops.pattern_stats.pattern_id is 'The pattern.';
comment on column ops.pattern_stats.pattern_signature is 'Its first signature.';
comment on column ops.pattern_stats.pattern_type is 'database, api, rls, stripe or deployment.';
comment on column ops.pattern_stats.occurrence_count is 'Errors counted.';
comment on column ops.pattern_stats.success_rate is 'Percent of the decided runs after which the error stayed away.';
comment on column ops.pattern_stats.confidence_score is '0 to 1.';
comment on column ops.pattern_stats.total_applications is 'How often its fix was applied.';
comment on column ops.pattern_stats.avg_execution_time is 'Mean run time of its fix, in milliseconds.';

-- Refreshing without blocking readers takes a unique index.
create unique index idx_pattern_stats_pattern on ops.pattern_stats (pattern_id);

create function ops_internal.pattern_stats() returns setof ops.pattern_stats
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform ops_internal.require_engine_or_operator(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return query select * from ops.pattern_stats order by pattern_stats.occurrence_count desc;
end
$$;

create function ops.pattern_stats_v1() returns setof ops.pattern_stats
language sql stable set search_path = ''
as $$ select * from ops_internal.pattern_stats() $$;

comment on function ops.pattern_stats_v1 is
  'Applications per pattern as of the last refresh, most frequent patterns first. For operators and the engine.';

create function ops_internal.statistics() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  least_occurrences constant integer := ops_internal.setting('review_occurrences')::integer;
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
            top.pattern_id, top.pattern_signature, top.pattern_type, top.severity, top.error_source,
            top.metadata ->> 'template' as template, top.occurrence_count,
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
            waiting.metadata ->> 'template' as template, waiting.occurrence_count, waiting.untrusted_occurrences,
            waiting.first_seen, waiting.last_seen,
            case when latest.id is not null then jsonb_build_object(
              'version', latest.version,
              'state', case when latest.disabled_at is null then latest.mode else 'disabled' end,
              'reason', case when latest.disabled_at is null then latest.mode_reason else latest.disabled_reason end
            ) end as last_fix
          from ops.error_patterns as waiting
          left join lateral ops_internal.latest_fix(waiting.pattern_id) as latest on true
          where waiting.occurrence_count >= least_occurrences and not waiting.has_running_fix and waiting.status = 'open'
          order by waiting.occurrence_count desc, waiting.id
          limit 200
        ) as awaiting
      ),
      'untrusted', (
        select jsonb_build_object(
          'patterns', count(*) filter (where others.occurrence_count = 0),
          'occurrences', coalesce(sum(others.untrusted_occurrences), 0)
        )
        from ops.error_patterns as others
        where others.status <> 'merged' and others.untrusted_occurrences > 0
      ),
      'unlearnable', jsonb_build_object(
        'total', (select count(*) from ops_internal.learning_tries as tries where tries.gave_up_at is not null),
        'latest', (
          select coalesce(jsonb_agg(to_jsonb(latest) order by latest.gave_up_at desc, latest.system_log_id desc), '[]')
          from (
            select tries.system_log_id, left(logs.source, 200) as source, tries.last_error as reason, tries.gave_up_at
            from ops_internal.learning_tries as tries
            inner join ops.system_logs as logs on logs.id = tries.system_log_id
            where tries.gave_up_at is not null
            order by tries.gave_up_at desc, tries.system_log_id desc
            limit 10
          ) as latest
        )
      ),
      'as_of', now()
    )
    from ops.error_patterns as patterns
    -- Patterns of errors none of which counts are in no figure but that above.
    where patterns.status <> 'merged' and (patterns.occurrence_count > 0 or patterns.untrusted_occurrences = 0)
  );
end
$$;

create function ops.statistics_v1() returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.statistics() $$;

comment on function ops.statistics_v1 is
  'The key figures, the 10 best fixes and the 200 most frequent patterns that await approval, and the errors that could not be learned, as of now. For operators and the engine.';

create function ops.ping_v1() returns integer
language sql
immutable
set search_path = ''
as $$ select 1 $$;

comment on function ops.ping_v1 is 'Answers 1, which shows that the database can be reached.';
