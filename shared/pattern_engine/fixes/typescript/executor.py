"""Running a TypeScript fix in Deno, with no permission but to fetch from the approval's hosts.

There is no file system, environment, subprocess, library or further module to reach, and no code is
made from text. The answer of `launcher.mjs` follows a word that the fix does not know. The process
has its own process group; at a limit the whole group is killed. Its directory is always deleted.

Host names are resolved during the run: an approved host with a private address is not reached,
unless PATTERN_ENGINE_API_CALL_NETWORKS has its network. (Deno denies networks of IPv4
alone; of IPv6 only the loopback address is denied.)
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.addresses import NOT_PUBLIC_4
from pattern_engine.fixes.bounded import Ended, run_bounded
from pattern_engine.fixes.execution import Job, Limits, Outcome, Stop
from pattern_engine.fixes.retries import tried
from pattern_engine.fixes.typescript import deno, hosts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network

    from pattern_engine.settings import Facilities

__all__ = ["Typescript"]

_LAUNCHER: Final = Path(__file__).with_name("launcher.mjs")
#: What Deno itself has resident, about 40 MB, and V8's young objects: beside the limit.
_RUNTIME_BYTES: Final = 96 * 1024 * 1024
_MIN_HEAP_MB: Final = 16
_MB: Final = 1024 * 1024
_ERROR_KEYS: Final = ("message", "source", "captured", "system_log_id")
_ERROR_CHARACTERS: Final = 500
_NEVER_SETTLES: Final = "Top-level await promise never resolved"
#: Of version 6 Deno can deny addresses, not networks.
_PRIVATE_6: Final = (ipaddress.IPv6Address("::1"), ipaddress.IPv6Address("::"))
_STOPPED: Final[dict[Stop, str]] = {
    "time": "the script was stopped after {limits.timeout_ms} ms",
    "output": "the script was stopped at {limits.max_output_bytes} bytes of output",
    "memory": "the script was stopped at {limits.max_memory_bytes} bytes of memory",
}


class Typescript:
    """Runs fixes of type typescript.

    A fix is a module that exports `default (params, error) => result`, or a plain script that finds
    `params` and `error` as globals. The result must be JSON; without one, what was printed is the
    output. A module ends when its function has answered, a script when all that it began has ended.
    """

    def __init__(self, facilities: Facilities) -> None:
        self._facilities = facilities

    def run(self, job: Job) -> Outcome:
        """Run a fix to its end or to its limits.

        It is tried again, up to `max_retries` times, only where the parameter `retry_safe` is true
        and it met no limit. All tries have `timeout_ms` together.
        """
        program = deno.find()
        if program is None:
            return Outcome(success=False, error=deno.MISSING, started=False)
        try:
            command = [program, "run", *deno.CLOSED, *self._permissions(job)]
        except ValueError as failure:
            return Outcome(success=False, error=str(failure), started=False)
        return tried(job, lambda left_ms: _once(command, job, left_ms))

    def _permissions(self, job: Job) -> Iterable[str]:
        reachable = hosts.allowed_hosts(job.parameters, self._facilities.api_networks)
        if reachable:
            yield f"--allow-net={','.join(reachable.endpoints)}"
            yield f"--deny-net={','.join(self._unreachable())}"
            if self._facilities.api_ca_file:
                yield f"--cert={self._facilities.api_ca_file}"
        heap = max(job.limits.max_memory_bytes // _MB, _MIN_HEAP_MB)
        yield f"--v8-flags=--max-old-space-size={heap},--disallow-code-generation-from-strings"

    def _unreachable(self) -> Iterable[str]:
        """Private addresses without those that this deployment offers."""
        offered = self._facilities.api_networks
        networks: list[IPv4Network] = list(NOT_PUBLIC_4)
        for one in offered:
            if one.version == 4:
                networks = [part for network in networks for part in _without(network, one)]
        yield from map(str, networks)
        yield from (
            f"[{address}]" for address in _PRIVATE_6 if not any(address in one for one in offered)
        )


def _without(network: IPv4Network, offered: IPv4Network) -> Iterable[IPv4Network]:
    """What of a network is left without another one."""
    if not network.overlaps(offered):
        return [network]
    return [] if network.subnet_of(offered) else network.address_exclude(offered)


def _once(command: list[str], job: Job, left_ms: int) -> Outcome:
    word = f"\n{secrets.token_hex(16)}:"
    limits = dataclasses.replace(
        job.limits,
        timeout_ms=left_ms,
        # The answer's word is no output of the fix's.
        max_output_bytes=job.limits.max_output_bytes + len(word),
        max_memory_bytes=job.limits.max_memory_bytes + _RUNTIME_BYTES,
    )
    with deno.private_home() as (home, environment):
        given = home / "fix.json"
        given.write_text(_input(job, word), encoding="utf-8")
        started = [*command, f"--allow-read={given}", str(_LAUNCHER), str(given)]
        try:
            ended = run_bounded(started, cwd=str(home), environment=environment, limits=limits)
        except OSError as failure:
            error = f"Deno cannot be started: {failure.strerror}"
            return Outcome(success=False, error=error, started=False)
    return _outcome(ended, word.encode(), job.limits)


def _input(job: Job, word: str) -> str:
    return json.dumps(
        {
            # As it was analysed: a module, whatever it holds.
            "script": job.script.removeprefix("\ufeff") + "\nexport {};",
            "params": dict(job.parameters),
            "error": {key: job.error.get(key) for key in _ERROR_KEYS},
            "word": word,
        }
    )


def _outcome(ended: Ended, word: bytes, limits: Limits) -> Outcome:
    printed, found, answer = ended.stdout.partition(word)
    stopped = ended.stopped or ("memory" if _is_out_of_memory(ended) else None)
    if stopped:
        error = _STOPPED[stopped].format(limits=limits)
        kept = _text(printed[: limits.max_output_bytes])
        return Outcome(success=False, output=kept, error=error, stopped=stopped)
    console = _text(printed + ended.stderr)
    if not found:
        return Outcome(success=False, output=console, error=_without_answer(ended))
    try:
        said = json.loads(answer)
    except RecursionError:
        return Outcome(success=False, output=console, error="the result is nested too deeply")
    if "error" in said:
        return Outcome(success=False, output=console, error=_sentence(said["error"]))
    return Outcome(success=True, output=console if said["result"] is None else said["result"])


def _is_out_of_memory(ended: Ended) -> bool:
    """Whether V8 gave up; only it can end the process by a signal, whatever the fix prints."""
    return ended.exit_code < 0 and b"out of memory" in ended.stderr


def _without_answer(ended: Ended) -> str:
    if ended.exit_code < 0:
        return f"the runtime ended with signal {-ended.exit_code}"
    if _NEVER_SETTLES.encode() in ended.stderr:
        return "the script awaits a promise that never settles: check each await"
    return "the script ended without a result; it may have ended the process"


def _text(printed: bytes) -> str | None:
    return printed.decode(errors="replace").strip() or None


def _sentence(error: str) -> str:
    """An error on one line, without the runtime's own places."""
    line = error.strip().partition("\n")[0].removeprefix("TypeError: SyntaxError:").strip()
    line = re.sub(r"(?:file|blob|ext):[^\s)\"']+", "the script", line)
    return line[:_ERROR_CHARACTERS]
