"""The keys and passwords of one stack.

They are created once and kept in its directory, in a file that only the present user can read.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

_FILE = "keys.json"


def _random_hex(bytes_of_randomness: int = 24) -> str:
    return secrets.token_hex(bytes_of_randomness)


@dataclass(frozen=True)
class Keys:
    """All secrets of one stack; `repr` shows none of them."""

    publishable_key: str = field(
        default_factory=lambda: f"sb_publishable_{_random_hex(16)}", repr=False
    )
    secret_key: str = field(default_factory=lambda: f"sb_secret_{_random_hex(16)}", repr=False)
    jwt_secret: str = field(default_factory=lambda: _random_hex(32), repr=False)
    webhook_secret: str = field(default_factory=_random_hex, repr=False)
    admin_password: str = field(default_factory=_random_hex, repr=False)
    postgres_password: str = field(default_factory=_random_hex, repr=False)

    @classmethod
    def load_or_create(cls, directory: Path) -> "Keys":
        """Return the keys kept in a directory; create them the first time."""
        file = directory / _FILE
        if file.exists():
            return cls(**json.loads(file.read_text()))
        keys = cls()
        write_private(file, json.dumps(asdict(keys), indent=2))
        return keys


def write_private(file: Path, text: str) -> None:
    """Write a file that only the present user can read, either completely or not at all."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    unfinished.replace(file)
