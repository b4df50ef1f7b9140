"""Static analysis of a TypeScript fix: Deno's own parser reads it, and lists say what is allowed.

The parser is the one that reads the script when it runs. Deno lends it to tests of lint plugins, so
the analysis is such a test (`analyser.mjs`): the script is data to it, none of it runs, and
comments such as `deno-lint-ignore` say nothing to it. `tree.mjs` proves that it read every piece of
the text; `scopes.mjs` separates the script's names from globals; `text.mjs` reads its constants;
`rules.mjs`, `loops.mjs` and `hosts.mjs` refuse. `globals.mjs` lists the globals that are accepted.

The analysis tells a person early what a script does. The guarantee is the box: the script has no
permissions and no way to make code of text, and it has limits of time, memory and output. So the
analysis does not compute a key's value at run time, or whether the script ends.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.fixes.analysis import Analysis, Finding, unreadable
from pattern_engine.fixes.bounded import run_bounded
from pattern_engine.fixes.credentials import credential_by_name, known_credential
from pattern_engine.fixes.execution import Limits
from pattern_engine.fixes.typescript import deno, hosts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pattern_engine.fixes.addresses import Network

__all__ = ["analyse"]

_ANALYSER: Final = Path(__file__).with_name("analyser.mjs")
_MARK: Final = "pattern-engine-analysis:"
_HEAP_MB: Final = 512
#: For the analysis itself. A script of the largest size takes about a second.
_LIMITS: Final = Limits(
    timeout_ms=10_000,
    max_output_bytes=8 * 1024 * 1024,
    max_memory_bytes=1024 * 1024 * 1024,
)
_MAX_FINDINGS: Final = 50


def analyse(
    script: str, parameters: Mapping[str, object] | None = None, networks: Collection[Network] = ()
) -> Analysis:
    """Analyse a script under an approval's parameters.

    Two of those are read: `allowed_hosts`, the hosts that the script may reach, as "host" (port
    443) or "host:port", and `headers`, the headers with secrets that the proxy adds for a host.
    Without `allowed_hosts` the script reaches none. `networks` are those that the settings of a
    deployment add to the public Internet.
    """
    if problem := unreadable(script):
        return _refused(problem)
    try:
        listed = hosts.allowed_hosts(parameters or {}, networks)
        allowed = tuple(listed or ())
    except ValueError as failure:
        return _refused(Finding("parameters", str(failure)))
    if problems := tuple(hosts.header_problems(parameters or {}, listed)):
        return Analysis(prepared_script="", findings=problems)
    program = deno.find()
    if program is None:
        return _refused(Finding("unavailable", deno.MISSING))
    try:
        found = _analysed(program, script, allowed)
        return replace(found, secrets=hosts.secrets(parameters or {}, listed))
    except _UnreadError as failure:
        return _refused(Finding(*failure.args))


class _UnreadError(Exception):
    """The script could not be read; it holds the rule and the reason."""


def _refused(finding: Finding) -> Analysis:
    return Analysis(prepared_script="", findings=(finding,))


# Called when a fix is proposed, approved, and before each of its runs. The result depends only on
# the script and the hosts. A failure to read it in time is not cached.
@lru_cache(maxsize=64)
def _analysed(program: str, script: str, allowed: tuple[str, ...]) -> Analysis:
    read = _read(program, script, allowed)
    findings = [Finding(one["rule"], one["message"]) for one in read["refusals"]]
    findings += _credentials(script, read["literals"])
    return Analysis(
        prepared_script="" if findings else script,
        findings=tuple(dict.fromkeys(findings))[:_MAX_FINDINGS],
        operations=tuple(read["operations"]),
        destructive=tuple(read["destructive"]),
        hosts=allowed,
    )


def _read(program: str, script: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    """Have the script read.

    Raises:
        _UnreadError: the reader did not start, died, or took too long.
    """
    with deno.private_home() as (home, environment):
        given = home / "script.json"
        given.write_text(json.dumps({"script": script, "hosts": allowed}), encoding="utf-8")
        command = [
            *(program, "test", *deno.CLOSED, f"--allow-read={given}"),
            f"--v8-flags=--max-old-space-size={_HEAP_MB},--disallow-code-generation-from-strings",
            *(str(_ANALYSER), "--", str(given)),
        ]
        try:
            ended = run_bounded(command, cwd=str(home), environment=environment, limits=_LIMITS)
        except OSError as failure:
            reason = f"Deno cannot be started: {failure.strerror}"
            raise _UnreadError("unavailable", reason) from failure
    for line in ended.stdout.decode(errors="replace").splitlines():
        if ended.exit_code == 0 and line.startswith(_MARK):
            read: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return read
    raise _UnreadError(
        "depth", "the script cannot be read within limits: make it shorter and less nested"
    )


def _credentials(script: str, literals: list[dict[str, str]]) -> list[Finding]:
    advice = "store it in Vault and name the secret in the parameter headers"
    found = [
        Finding("credential", f"{literal['place']}: this holds a {kind}: {advice}")
        for literal in literals
        if (kind := credential_by_name(literal["name"], literal["text"]))
    ]
    # In comments and regular expressions too: the script is stored whole.
    if not found and (kind := known_credential(script)):
        found.append(Finding("credential", f"the script holds a {kind}: {advice}"))
    return found
