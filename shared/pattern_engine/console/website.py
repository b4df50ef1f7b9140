"""The addresses of the console's pages, as a browser sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Site:
    """Where the console is served.

    Attributes:
        origin: Scheme, host and port, as in https://console.example.com.
        prefix: The path before that of a page, as in /functions/v1/console; empty at the root.
        is_local: Whether it is on this machine, where plain http is secure.
    """

    origin: str
    prefix: str
    is_local: bool

    @classmethod
    def at(cls, address: str) -> Self:
        """Return the site at the address of the setting PATTERN_ENGINE_CONSOLE_URL."""
        parts = urlsplit(address)
        return cls(
            origin=f"{parts.scheme}://{parts.netloc}",
            prefix=parts.path.rstrip("/"),
            is_local=parts.hostname in _LOOPBACK,
        )

    def url(self, path: str) -> str:
        """Return the address of a page on this site, from the path below the console."""
        return f"{self.prefix}{path}"

    def path_of(self, requested: str) -> str:
        """Return the path below the console; some gateways remove what is before it."""
        for prefix in (self.prefix, "/console"):
            if prefix and (requested == prefix or requested.startswith(f"{prefix}/")):
                return requested[len(prefix) :] or "/"
        return requested or "/"
