"""The system user that runs PostgreSQL when the stack is started by root.

PostgreSQL refuses to run as root.
"""

import os
import pwd
import subprocess
from pathlib import Path

from pattern_engine.local.errors import ServerNotFoundError

_NAMES = ("postgres", "pattern-engine")


def server_account() -> tuple[int, int] | None:
    """Return the ids of the user and group that run the server; None means the present user.

    Root uses the user `postgres` if a package has created it, and else creates `pattern-engine`.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    return _create_account(_NAMES[-1])


def _create_account(name: str) -> tuple[int, int]:
    command = ["useradd", "--system", "--user-group", "--no-create-home", name]
    try:
        subprocess.run([*command, "--shell", "/usr/sbin/nologin"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerNotFoundError(
            f"PostgreSQL refuses to run as root, and the system user {name!r} could not be "
            f"created ({error}); create it, or start the stack as another user"
        ) from error
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid


def can_reach(account: tuple[int, int], path: Path) -> bool:
    """Return whether the account may enter and read a directory and those above it."""
    user, group = account
    return (
        subprocess.run(
            ["test", "-r", str(path), "-a", "-x", str(path)],
            user=user,
            group=group,
            extra_groups=[],
            cwd="/",
            check=False,
        ).returncode
        == 0
    )
