"""The system user that runs PostgreSQL when we are root, since PostgreSQL refuses to be root."""

import os
import pwd
import subprocess
from pathlib import Path

from pattern_engine.local.errors import ServerNotFoundError

_NAMES = ("postgres", "pattern-engine")


def server_account() -> tuple[int, int] | None:
    """Return the ids of the user and group to run the server as; None means: as ourselves.

    Root uses the user `postgres` where a package made one, else makes `pattern-engine`.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    return _made_account(_NAMES[-1])


def _made_account(name: str) -> tuple[int, int]:
    command = ["useradd", "--system", "--user-group", "--no-create-home", name]
    try:
        subprocess.run([*command, "--shell", "/usr/sbin/nologin"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerNotFoundError(
            f"PostgreSQL does not run as root, and the system user {name!r} could not be made "
            f"({error}); make it, or run as another user"
        ) from error
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid


def can_reach(account: tuple[int, int], path: Path) -> bool:
    """Tell whether the account may enter a directory, the directories above it included."""
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
