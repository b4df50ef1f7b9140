"""`pattern-engine fixer`: which hosts fixes may reach, and with which secrets of Vault."""

from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Annotated, Final

import typer
from psycopg.rows import dict_row

from pattern_engine.cli.locations import DataDirectory, ProjectDirectory
from pattern_engine.cli.owner import Connection, DatabaseUrl, connect
from pattern_engine.cli.terminal import show
from pattern_engine.fixes.references import SECRET_NAME
from pattern_engine.fixes.urls import AllowedHosts, RefusedUrlError
from pattern_engine.local.errors import StackError

#: Which local names a fix may reach is decided by the settings of each deployment.
_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_LIST = """
select hosts.host,
  array(
    select secrets.secret from ops.fix_secrets as secrets where secrets.host = hosts.host order by 1
  ) as secrets
from ops.fix_hosts as hosts
order by hosts.host
"""
_GRANT_HOST = "insert into ops.fix_hosts (host) values (%s) on conflict do nothing"
_ALLOW = "insert into ops.fix_secrets (secret, host) values (%s, %s) on conflict do nothing"
_FORBID = """
delete from ops.fix_secrets
where secret = %s and (host = any(%s::text[]) or cardinality(%s::text[]) = 0)
returning host
"""
_STOPPED = """
select fixes.pattern_id, fixes.version
from ops.pattern_fixes as fixes
where fixes.disabled_at is null and (
  exists (
    select from unnest(fixes.hosts) as named (host)
    where not exists (select from ops.fix_hosts as granted where granted.host = named.host)
  )
  or exists (
    select from jsonb_each(fixes.secrets) as named (secret, hosts)
    cross join jsonb_array_elements_text(named.hosts) as hosts (host)
    where not exists (
      select from ops.fix_secrets as granted
      where granted.secret = named.secret and granted.host = hosts.host
    )
  )
)
order by fixes.id
"""


def _host(text: str) -> str:
    """Return a host as it is stored."""
    try:
        (host,) = AllowedHosts([text], _ANYWHERE)
    except RefusedUrlError as problem:
        words = str(problem).replace("allowed_hosts", "HOST")
        raise typer.BadParameter(words, param_hint="HOST") from None
    return host


def _secret(text: str) -> str:
    if not SECRET_NAME.fullmatch(text):
        raise typer.BadParameter(
            f"{text!r}: a secret for fixes has a name of up to 64 lower-case letters, digits and "
            "underscores that does not begin with pattern_engine_",
            param_hint="NAME",
        )
    return text


_Host = Annotated[
    str,
    typer.Argument(
        metavar="HOST",
        help="such as api.example.com, or api.example.com:8443 if the port is not 443",
    ),
]
_Secret = Annotated[str, typer.Argument(metavar="NAME", help="its name in Vault")]


def granted_hosts(connection: Connection) -> list[dict[str, object]]:
    """Return each granted host with the names of the secrets that may be sent to it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_LIST).fetchall()


def print_hosts(hosts: Iterable[dict[str, object]]) -> None:
    """Show which hosts fixes may reach, with which secrets."""
    for one in hosts:
        names = one["secrets"]
        secrets = ", ".join(names) if isinstance(names, list) else ""
        show(f"{one['host']!s:32}  {secrets or 'no secrets'}")


def run_grant_host(
    name: _Host,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Let fixes reach a host."""
    host = _host(name)
    with connect(db_url, data_dir, project) as connection:
        connection.execute(_GRANT_HOST, (host,))
    show(f"fixes may now reach {host}")


def run_revoke_host(
    name: _Host,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Take a host and all secrets for it back."""
    host = _host(name)
    with connect(db_url, data_dir, project) as connection:
        connection.execute("delete from ops.fix_hosts where host = %s", (host,))
        stopped = connection.execute(_STOPPED).fetchall()
    show(f"fixes may not reach {host} any more, and send no secret there")
    _print_stopped(stopped)


def _print_stopped(fixes: Iterable[tuple[object, ...]]) -> None:
    """Tell which approved fixes name what is not granted."""
    for pattern_id, version in fixes:
        show(
            f"version {version} of the fix of pattern {pattern_id} needs a grant, and does not run"
        )


def run_grant_secret(
    name: _Secret,
    named: Annotated[
        list[str],
        typer.Option(
            *("--host", "-H"),
            metavar="HOST",
            help="a host that it may be sent to, which is granted, too; may be repeated",
        ),
    ],
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Let fixes send a secret of Vault to a host."""
    secret, hosts = _secret(name), [_host(host) for host in named]
    with connect(db_url, data_dir, project) as connection:
        if not connection.execute("select from vault.secrets where name = %s", (secret,)).rowcount:
            raise StackError(
                f"Vault has no secret named {secret}; create it first: "
                f"select vault.create_secret('THE SECRET', '{secret}')"
            )
        for host in hosts:
            connection.execute(_GRANT_HOST, (host,))
            connection.execute(_ALLOW, (secret, host))
    show(f"fixes may now send the secret {secret} to {', '.join(hosts)}")


def run_revoke_secret(
    name: _Secret,
    named: Annotated[
        list[str] | None,
        typer.Option(*("--host", "-H"), metavar="HOST", help="only for this host; may be repeated"),
    ] = None,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Take a secret back, for some hosts or for all."""
    secret, chosen = _secret(name), [_host(host) for host in named or ()]
    values = (secret, chosen, chosen)
    with connect(db_url, data_dir, project) as connection:
        revoked = connection.execute(_FORBID, values).fetchall()
        stopped = connection.execute(_STOPPED).fetchall()
    hosts = ", ".join(sorted(str(host) for (host,) in revoked)) or "any host, as before"
    show(f"fixes may not send the secret {secret} to {hosts}")
    _print_stopped(stopped)


#: The name of each command → what it runs.
ACTIONS: Final[dict[str, Callable[..., None]]] = {
    "grant-host": run_grant_host,
    "revoke-host": run_revoke_host,
    "grant-secret": run_grant_secret,
    "revoke-secret": run_revoke_secret,
}
