-- The privileges on the schema cron, for the real pg_cron and the stand-in, as on a hosted project.

grant usage on schema cron to postgres with grant option;
grant all on all tables in schema cron to postgres with grant option;
grant all on all sequences in schema cron to postgres with grant option;
grant execute on all functions in schema cron to postgres with grant option;

-- The functions of the real pg_cron write to the table themselves; those of the stand-in write with
-- the privileges of their caller, so they need the grants above.
do $real$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    revoke all on table cron.job from postgres;
    grant select on table cron.job to postgres with grant option;
  end if;
end
$real$;
