-- Which hosts fixes may reach, and which Vault secrets they may send where. As with tables, the database's owner grants them
-- one by one (pattern-engine fixer grant-host, grant-secret); neither operators nor the secret key can.

create function ops_internal.host_name(p_text text) returns text
language sql
immutable
set search_path = ''
as $$ select regexp_replace(lower(p_text), ':443$', '') $$;

comment on function ops_internal.host_name is
  'A host as it is granted: in lower case, with its port unless that is 443, as in api.example.com and api.example.com:8443.';

create table ops.fix_hosts (
  host text primary key constraint fix_hosts_named check (host = ops_internal.host_name(host) and host ~ '^[^\s/?#@*]+$'),
  granted_at timestamptz not null default now(),
  granted_by text not null default current_user
);

comment on table ops.fix_hosts is
  'Hosts that fixes of type typescript and api_call may reach. Only the database''s owner writes it: pattern-engine fixer grant-host HOST.';
comment on column ops.fix_hosts.host is
  'api.example.com for port 443, else with the port. A local name without a port, which only the settings of a deployment can admit, stands for any port.';
comment on column ops.fix_hosts.granted_at is 'When the host was granted.';
comment on column ops.fix_hosts.granted_by is 'The database role that granted the host.';

alter table ops.fix_hosts enable row level security;

create policy "Operators read granted hosts" on ops.fix_hosts
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create table ops.fix_secrets (
  secret text not null constraint fix_secrets_named check (secret ~ '^[a-z0-9_]{1,64}$' and not starts_with(secret, 'pattern_engine_')),
  host text not null references ops.fix_hosts (host) on delete cascade,
  granted_at timestamptz not null default now(),
  granted_by text not null default current_user,
  primary key (secret, host)
);

comment on table ops.fix_secrets is
  'Vault secrets that fixes may send, each to which host. Only the database''s owner writes it: pattern-engine fixer grant-secret NAME --host HOST.';
comment on column ops.fix_secrets.secret is 'The name of the secret in Vault; those of the engine itself are excluded.';
comment on column ops.fix_secrets.host is 'The host that the secret may be sent to.';
comment on column ops.fix_secrets.granted_at is 'When the secret was granted for this host.';
comment on column ops.fix_secrets.granted_by is 'The database role that granted it.';

create index idx_fix_secrets_host on ops.fix_secrets (host);

alter table ops.fix_secrets enable row level security;

create policy "Operators read granted secrets" on ops.fix_secrets
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.secret_hosts(p_fix jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  given constant jsonb := coalesce(p_fix -> 'secrets', '{}');
begin
  if jsonb_typeof(given) <> 'object' or exists (
    select from jsonb_each(given) as named
    where jsonb_typeof(named.value) <> 'array' or named.value = '[]' or exists (
      select from jsonb_array_elements(named.value) as hosts (host) where jsonb_typeof(hosts.host) <> 'string'
    )
  ) then
    raise exception using
      errcode = 'PL013',
      message = format('secrets is %s', given),
      hint = 'Give for each secret the list of the hosts that it is sent to, as in {"worker_token": ["api.example.com"]}.';
  end if;
  return given;
end
$$;

comment on function ops_internal.secret_hosts is
  'The secrets of a fix, each with the hosts that it is sent to; none by default. Raises PL013 for anything else.';

create function ops_internal.require_granted(p_fix ops.pattern_fixes) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  missing record;
begin
  -- What the parameters allow counts too, whatever the analysis is said to have found.
  select hosts.host into missing
  from (
    select unnest(p_fix.hosts) as host
    union
    select jsonb_array_elements_text(
      case when jsonb_typeof(p_fix.parameters -> 'allowed_hosts') = 'array' then p_fix.parameters -> 'allowed_hosts' else '[]' end
    )
    where p_fix.fix_type in ('typescript', 'api_call')
  ) as hosts
  where not exists (select from ops.fix_hosts as granted where granted.host = ops_internal.host_name(hosts.host))
  order by hosts.host
  limit 1;
  if found then
    raise exception using
      errcode = 'PL031',
      message = format('the host %s is not granted to fixes', missing.host),
      hint = format('The owner of the database runs: pattern-engine fixer grant-host %s', missing.host);
  end if;

  -- Asked before what Vault holds, so that nobody learns from the answer which secrets there are.
  select secrets.secret, hosts.host into missing
  from jsonb_each(p_fix.secrets) as secrets (secret, hosts)
  cross join lateral jsonb_array_elements_text(secrets.hosts) as hosts (host)
  where not exists (
    select from ops.fix_secrets as granted
    where granted.secret = secrets.secret and granted.host = ops_internal.host_name(hosts.host)
  )
  order by secrets.secret, hosts.host
  limit 1;
  if found then
    raise exception using
      errcode = 'PL031',
      message = format('the secret %s is not granted to fixes for the host %s', missing.secret, missing.host),
      hint = format('The owner of the database runs: pattern-engine fixer grant-secret %s --host %s', missing.secret, missing.host);
  end if;

  select names.name into missing
  from jsonb_object_keys(p_fix.secrets) as names (name)
  where not exists (select from vault.decrypted_secrets as secrets where secrets.name = names.name)
  limit 1;
  if found then
    raise exception using
      errcode = 'PL026',
      message = format('Vault has no secret named %s', missing.name),
      hint = 'Run as the owner of the database: select vault.create_secret(value, name)';
  end if;
end
$$;

comment on function ops_internal.require_granted is
  'Raises PL031 unless every host that a fix may reach is granted, and every secret for every host that it is sent to; PL026 where Vault lacks such a secret. Asked at the proposal, at the approval, and before each run.';
