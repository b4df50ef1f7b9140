"""`pattern-engine fixer`: which hosts fixes may reach, and with which secrets of Vault."""

import argparse
from collections.abc import Iterable
from ipaddress import ip_network

from psycopg.rows import dict_row

from pattern_engine.cli.login import Connection, add_database_options, connect
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
        raise argparse.ArgumentTypeError(str(problem).replace("allowed_hosts", "HOST")) from None
    return host


def _secret(text: str) -> str:
    if not SECRET_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r}: a secret for fixes has a name of up to 64 lower-case letters, digits and "
            "underscores that does not begin with pattern_engine_"
        )
    return text


def add_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `grant-host`, `revoke-host`, `grant-secret` and `revoke-secret`."""
    host = "such as api.example.com, or api.example.com:8443 if the port is not 443"
    one = actions.add_parser("grant-host", help="let fixes reach a host")
    one.add_argument("host", metavar="HOST", type=_host, help=host)
    one.set_defaults(run=run_grant_host)
    two = actions.add_parser("revoke-host", help="take a host and all secrets for it back")
    two.add_argument("host", metavar="HOST", type=_host, help=host)
    two.set_defaults(run=run_revoke_host)
    three = actions.add_parser("grant-secret", help="let fixes send a secret of Vault to a host")
    three.add_argument("secret", metavar="NAME", type=_secret, help="its name in Vault")
    three.add_argument(
        *("--host", "-H"),
        dest="hosts",
        action="append",
        required=True,
        type=_host,
        metavar="HOST",
        help="a host that it may be sent to, which is granted, too; may be repeated",
    )
    three.set_defaults(run=run_grant_secret)
    four = actions.add_parser("revoke-secret", help="take a secret back, for some hosts or for all")
    four.add_argument("secret", metavar="NAME", type=_secret, help="its name in Vault")
    four.add_argument(
        *("--host", "-H"),
        dest="hosts",
        action="append",
        default=[],
        type=_host,
        metavar="HOST",
        help="only for this host; may be repeated",
    )
    four.set_defaults(run=run_revoke_secret)
    for action in (one, two, three, four):
        add_database_options(action)


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


def run_grant_host(options: argparse.Namespace) -> int:
    """Let fixes reach a host."""
    with connect(options) as connection:
        connection.execute(_GRANT_HOST, (options.host,))
    show(f"fixes may now reach {options.host}")
    return 0


def run_revoke_host(options: argparse.Namespace) -> int:
    """Take a host back; with it go the grants of all secrets for it."""
    with connect(options) as connection:
        connection.execute("delete from ops.fix_hosts where host = %s", (options.host,))
        stopped = connection.execute(_STOPPED).fetchall()
    show(f"fixes may not reach {options.host} any more, and send no secret there")
    _print_stopped(stopped)
    return 0


def _print_stopped(fixes: Iterable[tuple[object, ...]]) -> None:
    """Tell which approved fixes name what is not granted."""
    for pattern_id, version in fixes:
        show(
            f"version {version} of the fix of pattern {pattern_id} needs a grant, and does not run"
        )


def run_grant_secret(options: argparse.Namespace) -> int:
    """Let fixes send a secret to hosts, which are granted, too."""
    with connect(options) as connection:
        if not connection.execute(
            "select from vault.secrets where name = %s", (options.secret,)
        ).rowcount:
            raise StackError(
                f"Vault has no secret named {options.secret}; create it first: "
                f"select vault.create_secret('THE SECRET', '{options.secret}')"
            )
        for host in options.hosts:
            connection.execute(_GRANT_HOST, (host,))
            connection.execute(_ALLOW, (options.secret, host))
    show(f"fixes may now send the secret {options.secret} to {', '.join(options.hosts)}")
    return 0


def run_revoke_secret(options: argparse.Namespace) -> int:
    """Take a secret back, for the hosts that were named or for all."""
    values = (options.secret, options.hosts, options.hosts)
    with connect(options) as connection:
        revoked = connection.execute(_FORBID, values).fetchall()
        stopped = connection.execute(_STOPPED).fetchall()
    hosts = ", ".join(sorted(str(host) for (host,) in revoked)) or "any host, as before"
    show(f"fixes may not send the secret {options.secret} to {hosts}")
    _print_stopped(stopped)
    return 0
