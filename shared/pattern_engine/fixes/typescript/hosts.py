"""Which hosts a TypeScript fix may reach: those of the parameter `allowed_hosts`, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.urls import AllowedHosts, RefusedUrlError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pattern_engine.fixes.addresses import Network

_MAX_HOSTS: Final = 50


def allowed_hosts(
    parameters: Mapping[str, object], networks: Collection[Network] = ()
) -> AllowedHosts | None:
    """Return the hosts; None where the parameter names none.

    Raises:
        ValueError: they are no list of hosts that are public, or in `networks`; it says why.
    """
    given = parameters.get("allowed_hosts", [])
    if given == []:
        return None
    if isinstance(given, list | tuple) and len(given) > _MAX_HOSTS:
        raise ValueError(f"allowed_hosts has {len(given)} names, {_MAX_HOSTS} are allowed")
    try:
        return AllowedHosts(given, networks)
    except RefusedUrlError as problem:
        raise ValueError(str(problem)) from None
