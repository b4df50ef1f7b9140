-- Scheduled work. Each job has a fixed name and calls one function; scheduling a name again replaces the job.

create function ops_internal.refresh_pattern_stats() returns void
language sql
security definer
set search_path = ''
as $$ refresh materialized view concurrently ops.pattern_stats $$;

comment on function ops_internal.refresh_pattern_stats is 'Refreshes ops.pattern_stats without blocking its readers.';

create function ops_internal.request_clustering() returns bigint
language sql
security definer
set search_path = ''
as $$ select ops_internal.call_function('/cluster', '{}') $$;

comment on function ops_internal.request_clustering is 'Asks the cluster function for a new clustering, through pg_net.';

create function ops_internal.archive_patterns(p_unseen interval default '90 days') returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  archived integer;
begin
  -- Locks in the same order as learning, so that the two never deadlock; skips a pattern that is being learned at this moment.
  with unseen as (
    update ops.error_patterns set status = 'archived'
    where error_patterns.pattern_id in (
      select old.pattern_id
      from ops.error_patterns as old
      where old.status = 'open' and old.last_seen < now() - p_unseen
      order by old.pattern_id
      for no key update skip locked
    )
    returning pattern_id, pattern_signature, last_seen
  ),

  events as (
    insert into ops.roman_events (event_type, severity, description, metadata)
    select 'pattern_archived', 'info', 'Pattern archived: ' || unseen.pattern_signature, to_jsonb(unseen)
    from unseen
    returning id
  )

  select count(*)::integer into archived from events;
  return archived;
end
$$;

comment on function ops_internal.archive_patterns is
  'Archives the patterns unseen for so long; answers how many. Seen again, a pattern is open again, with its fix and its history.';

select cron.schedule('pattern-engine-refresh-stats', '0 0 * * *', 'select ops_internal.refresh_pattern_stats()');
select cron.schedule('pattern-engine-cluster', '30 0 * * *', 'select ops_internal.request_clustering()');
select cron.schedule('pattern-engine-archive', '0 1 * * *', 'select ops_internal.archive_patterns()');
select cron.schedule('pattern-engine-prune-events', '15 1 * * *', 'select ops_internal.prune_events()');
select cron.schedule('pattern-engine-seal-events', '* * * * *', 'select ops_internal.seal_events()');
select cron.schedule('pattern-engine-send-unlearned', '* * * * *', 'select ops_internal.send_unlearned()');
select cron.schedule('pattern-engine-send-unhandled', '* * * * *', 'select ops_internal.send_unhandled()');
select cron.schedule('pattern-engine-count-errors', '* * * * *', 'select ops_internal.count_errors()');
select cron.schedule('pattern-engine-expire-fixes', '* * * * *', 'select ops_internal.expire_fixes()');
select cron.schedule('pattern-engine-count-figures', '* * * * *', 'select ops_internal.count_figures()');
select cron.schedule('pattern-engine-recover', '* * * * *', 'select ops.recover_applications_v1()');
select cron.schedule('pattern-engine-link-symptoms', '* * * * *', 'select ops_internal.link_symptoms()');
select cron.schedule('pattern-engine-verify', '* * * * *', 'select ops.verify_applications_v1()');
select cron.schedule('pattern-engine-watch', '* * * * *', 'select ops_internal.watch()');
select cron.schedule('pattern-engine-send-notifications', '* * * * *', 'select ops_internal.send_notifications()');
select cron.schedule('pattern-engine-prune-notifications', '45 1 * * *', 'select ops_internal.prune_notifications()');
