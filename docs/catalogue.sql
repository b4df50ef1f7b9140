-- What the reference page of the database asks the catalogue, by name. %(oid)s is a relation,
-- %(roles)s are the roles of interest.

-- name: relations
-- Tables and materialised views.
select c.oid, n.nspname as schema, c.relname as name, c.relkind::text as kind,
  obj_description(c.oid, 'pg_class') as comment
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('ops', 'ops_internal') and c.relkind in ('r', 'm')
order by n.nspname, c.relname;

-- name: columns
-- Columns of a relation, in order.
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
  case when a.attidentity <> '' then 'generated' else pg_get_expr(d.adbin, d.adrelid) end as given,
  col_description(a.attrelid, a.attnum) as comment
from pg_attribute as a
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = %(oid)s and a.attnum > 0 and not a.attisdropped
order by a.attnum;

-- name: constraints
-- Keys and checks of a table: primary, unique, foreign, check.
select pg_get_constraintdef(oid) as definition
from pg_constraint where conrelid = %(oid)s and contype in ('p', 'u', 'f', 'c')
order by array_position(array['p', 'u', 'f', 'c'], contype::text), conname;

-- name: indexes
-- Indexes that belong to no constraint.
select pg_get_indexdef(i.indexrelid) as definition
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
where i.indrelid = %(oid)s
  and not exists (
    select from pg_constraint as k where k.conindid = i.indexrelid and k.contype in ('p', 'u')
  )
order by c.relname;

-- name: policies
-- Policies of a table.
select p.polname as name, p.polcmd::text as command, array(
  select rolname from pg_roles where oid = any(p.polroles) order by rolname
) as roles
from pg_policy as p where p.polrelid = %(oid)s order by p.polname;

-- name: rights
-- What the API roles and the fixer may do with a relation, or with some of its columns.
select r.rolname as role, lower(a.privilege_type) as privilege, null as attribute
from pg_class as c
cross join lateral aclexplode(c.relacl) as a
join pg_roles as r on r.oid = a.grantee
where c.oid = %(oid)s and r.rolname = any(%(roles)s)
union all
select r.rolname, lower(a.privilege_type), t.attname
from pg_attribute as t
cross join lateral aclexplode(t.attacl) as a
join pg_roles as r on r.oid = a.grantee
where t.attrelid = %(oid)s and r.rolname = any(%(roles)s)
order by 1, 2, 3;

-- name: functions
-- Functions, and who may call them.
select n.nspname as schema, p.proname as name, pg_get_function_arguments(p.oid) as arguments,
  pg_get_function_result(p.oid) as result, p.prosecdef as definer, p.prosrc as source,
  obj_description(p.oid, 'pg_proc') as comment, pg_get_userbyid(p.proowner) as owner,
  array(
    select r.rolname from aclexplode(p.proacl) as a join pg_roles as r on r.oid = a.grantee
    where r.rolname = any(%(roles)s) order by r.rolname
  ) as roles
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
where n.nspname in ('ops', 'ops_internal', 'fix')
order by n.nspname, p.proname, arguments;

-- name: triggers
-- Triggers, each with what its function says of itself.
select n.nspname || '.' || c.relname as relation, t.tgname as name, p.proname as function,
  obj_description(p.oid, 'pg_proc') as comment
from pg_trigger as t
join pg_class as c on c.oid = t.tgrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_proc as p on p.oid = t.tgfoid
where not t.tgisinternal and n.nspname in ('ops', 'ops_internal')
order by 1, 2;

-- name: jobs
-- Scheduled jobs.
select jobname, schedule, command
from cron.job where jobname like 'pattern-engine-%%'
order by jobname collate "C";
