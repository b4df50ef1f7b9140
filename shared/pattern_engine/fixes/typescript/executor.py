"""Running a TypeScript fix in Deno, with no permission but to speak to the proxy of its run.

There is no file system, environment, subprocess, library or further module to reach, and no code is
made from text. What the script fetches goes through `proxy`, which checks it and adds secrets. The
answer of `launcher.mjs` follows a word that the fix does not know. The process has its own process
group; at a limit the whole group is killed. Its directory is always deleted.
"""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.fixes.bounded import Ended, run_bounded
from pattern_engine.fixes.connection import Bounds, Resolve, Wire, system_addresses, trusted
from pattern_engine.fixes.execution import Job, Limits, Outcome, Stop
from pattern_engine.fixes.references import UnsendableError
from pattern_engine.fixes.retries import tried
from pattern_engine.fixes.typescript import deno, hosts
from pattern_engine.fixes.typescript.analysis import analyse
from pattern_engine.fixes.typescript.proxy import Proxy, serving
from pattern_engine.fixes.typescript.sending import Sender

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from pattern_engine.settings import Facilities

__all__ = ["Typescript"]

_LAUNCHER: Final = Path(__file__).with_name("launcher.mjs")
#: What Deno itself has resident, about 40 MB, and V8's young objects: beside the limit.
_RUNTIME_BYTES: Final = 96 * 1024 * 1024
_MIN_HEAP_MB: Final = 16
_MB: Final = 1024 * 1024
_ERROR_KEYS: Final = ("message", "source", "captured", "system_log_id")
_ERROR_CHARACTERS: Final = 500
_MAX_REHEARSAL_MS: Final = 5_000
_TOO_DEEP: Final = "the result is nested too deeply"
_NEVER_SETTLES: Final = "Top-level await promise never resolved"
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

    def __init__(self, facilities: Facilities, resolve: Resolve = system_addresses) -> None:
        self._networks = facilities.api_networks
        self._ca_file = facilities.api_ca_file
        self._resolve = resolve

    def unavailable(self) -> str | None:
        """Return why no fix can run here: without Deno none can."""
        return None if deno.find() else deno.MISSING

    def run(self, job: Job) -> Outcome:
        """Run a fix to its end or to its limits.

        It is tried again, up to `max_retries` times, only where the parameter `retry_safe` is true
        and it met no limit. All tries have `timeout_ms` together.
        """
        try:
            sender = self._sender(job)
            if sender is None:
                return tried(job, lambda left_ms: _once(job, None, left_ms))
            sender.require_secrets()
            bounds = Bounds(job.limits.timeout_ms, job.limits.max_answer_bytes)
            wire = Wire(bounds, self._resolve, self._networks, trusted(self._ca_file))
        except OSError:
            return _not_started(f"the file of trusted certificates {self._ca_file} cannot be read")
        except (UnsendableError, ValueError) as failure:
            return _not_started(str(failure))
        sender.wire = wire
        try:
            outcome = tried(job, lambda left_ms: _once(job, sender, left_ms))
        finally:
            wire.close()
        return _masked(outcome, sender)

    def rehearse(self, job: Job) -> Outcome:
        """Run a fix that sends nothing: each request is checked, and answered by an empty object.

        The output has `requests`, those that it would have sent, each with `method`, `url` and the
        names of its `headers`, and the `output` and `error` of the script. The rehearsal fails if a
        request was refused, or the script failed before its first one. What a script makes of
        answers that no host has given proves nothing.
        """
        limits = dataclasses.replace(
            job.limits, timeout_ms=min(job.limits.timeout_ms, _MAX_REHEARSAL_MS)
        )
        job = dataclasses.replace(job, limits=limits, secrets={})
        try:
            sender = self._sender(job)
        except ValueError as failure:
            return _not_started(str(failure))
        outcome = _once(job, sender, limits.timeout_ms)
        sent = sender.rehearsed if sender else []
        problem = next(iter(sender.refused), None) if sender else None
        if problem is None and not sent:
            problem = outcome.error
        told = {"requests": sent, "output": outcome.output, "error": outcome.error}
        return dataclasses.replace(outcome, success=problem is None, output=told, error=problem)

    def _sender(self, job: Job) -> Sender | None:
        """Return what checks the script's requests; None where it may reach no host.

        Raises:
            ValueError: if the parameters name no valid hosts or headers.
        """
        reachable = hosts.allowed_hosts(job.parameters, self._networks)
        if reachable is None:
            hosts.secret_headers(job.parameters, None)
            return None

        def methods() -> frozenset[str]:
            # The analysis that was made before the run is remembered.
            found = analyse(job.script, job.parameters, self._networks)
            return frozenset(operation.partition(" ")[0] for operation in found.operations)

        return Sender(job, reachable, methods, self._networks)


def _not_started(error: str) -> Outcome:
    return Outcome(success=False, error=error, started=False)


def _masked(outcome: Outcome, sender: Sender) -> Outcome:
    """Return an outcome without the secrets of the run, however the script came by them."""

    def masked(value: Any) -> Any:  # noqa: ANN401  JSON
        if isinstance(value, str):
            return sender.masked(value)
        if isinstance(value, dict):
            return {sender.masked(key): masked(child) for key, child in value.items()}
        return [masked(child) for child in value] if isinstance(value, list) else value

    try:
        output = masked(outcome.output)
    except RecursionError:
        return dataclasses.replace(outcome, success=False, output=None, error=_TOO_DEEP)
    error = outcome.error and sender.masked(outcome.error)
    return dataclasses.replace(outcome, output=output, error=error)


def _flags(job: Job, proxy: Proxy | None) -> Iterable[str]:
    if proxy is not None:
        yield f"--allow-net={proxy.endpoint}"
    heap = max(job.limits.max_memory_bytes // _MB, _MIN_HEAP_MB)
    yield f"--v8-flags=--max-old-space-size={heap},--disallow-code-generation-from-strings"


def _once(job: Job, sender: Sender | None, left_ms: int) -> Outcome:
    program = deno.find()
    if program is None:
        return _not_started(deno.MISSING)
    word = f"\n{secrets.token_hex(16)}:"
    limits = dataclasses.replace(
        job.limits,
        timeout_ms=left_ms,
        # The answer's word is no output of the fix's.
        max_output_bytes=job.limits.max_output_bytes + len(word),
        max_memory_bytes=job.limits.max_memory_bytes + _RUNTIME_BYTES,
    )
    with deno.private_home() as (home, environment), _proxy(sender) as proxy:
        given = home / "fix.json"
        given.write_text(_input(job, word, proxy), encoding="utf-8")
        flags = (*deno.CLOSED, *_flags(job, proxy), f"--allow-read={given}")
        command = [program, "run", *flags, str(_LAUNCHER), str(given)]
        try:
            ended = run_bounded(command, cwd=str(home), environment=environment, limits=limits)
        except OSError as failure:
            return _not_started(f"Deno cannot be started: {failure.strerror}")
    return _outcome(ended, word.encode(), job.limits)


def _proxy(sender: Sender | None) -> AbstractContextManager[Proxy | None]:
    return nullcontext() if sender is None else serving(sender)


def _input(job: Job, word: str, proxy: Proxy | None) -> str:
    return json.dumps(
        {
            # As it was analysed: a module, whatever it holds.
            "script": job.script.removeprefix("\ufeff") + "\nexport {};",
            "params": dict(job.parameters),
            "error": {key: job.error.get(key) for key in _ERROR_KEYS},
            "word": word,
            "proxy": proxy and {"address": f"http://{proxy.endpoint}/", "word": proxy.word},
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
        return Outcome(success=False, output=console, error=_TOO_DEEP)
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
