"""`pattern-engine check-fix`: what speaks against a script, before anybody proposes it.

The static analysis alone: no settings, no database, no network. An approval asks the same and more.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from pattern_engine import fixes
from pattern_engine.approval.models import FixParameters
from pattern_engine.fixes.analysis import Analysis, Finding
from pattern_engine.limits import FIX_TYPES, MAX_TIMEOUT_MS
from pattern_engine.text import strict_json

_ACCEPTED, _REFUSED, _WRONG_USAGE = 0, 1, 2


class _UsageError(Exception):
    """What was asked for cannot be done."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `check-fix`."""
    check = commands.add_parser("check-fix", help="tell offline whether a script could be approved")
    check.add_argument("file", metavar="FILE", help="the script; - reads standard input")
    check.add_argument("--type", choices=FIX_TYPES, required=True, help="type of the fix")
    check.add_argument(
        "--params", type=Path, metavar="PARAMS.json", help="its parameters, a JSON object"
    )
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check a script; the exit code is 0 if it is accepted, 1 if not, 2 if it was not checked."""
    try:
        analysis = _checked(options.type, _read(options.file), _parameters(options.params))
    except _UsageError as problem:
        print(f"pattern-engine: {problem}", file=sys.stderr)
        return _WRONG_USAGE
    show = _show_json if options.json else _show
    show(options.type, analysis)
    return _ACCEPTED if analysis.accepted else _REFUSED


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    return _bytes_of(Path(name))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise _UsageError(f"{path} cannot be read: {problem.strerror}") from problem


def _parameters(path: Path | None) -> dict[str, object]:
    """The parameters, read as strictly as an approval reads them."""
    if path is None:
        return {}
    try:
        given = strict_json.parse(_bytes_of(path).decode())
    except UnicodeDecodeError as problem:
        raise _UsageError(
            f"{path} is not UTF-8: {problem.reason} at byte {problem.start}"
        ) from None
    except strict_json.StrictJsonError as problem:
        raise _UsageError(f"{path} is not valid JSON: {problem}") from problem
    if not isinstance(given, dict):
        raise _UsageError(f"{path} is not a JSON object")
    return given


def _checked(fix_type: str, raw: bytes, parameters: dict[str, object]) -> Analysis:
    """The analysis of a script under its parameters, with what is wrong with those."""
    try:
        script = raw.decode()
    except UnicodeDecodeError as problem:
        told = f"the script is not UTF-8: {problem.reason} at byte {problem.start}"
        return Analysis("", (Finding("encoding", told),))
    wrong = tuple(_wrong_limits(fix_type, parameters))
    try:
        analysis = fixes.analyse(fix_type, script, parameters)
    except ImportError as problem:
        raise _UsageError(
            f"scripts of type {fix_type} cannot be analysed here: {problem}"
        ) from problem
    return replace(analysis, findings=(*wrong, *analysis.findings))


def _wrong_limits(fix_type: str, parameters: dict[str, object]) -> Iterator[Finding]:
    """What an approval would refuse about the limits."""
    try:
        FixParameters.model_validate(parameters)
    except ValidationError as problem:
        for each in problem.errors():
            place = ".".join(map(str, each["loc"]))
            yield Finding("parameters", f"{place}: {each['msg']}")
        return
    for name in FixParameters.model_fields:
        if name in parameters and parameters[name] is None:
            yield Finding("parameters", f"{name} is null: leave it out, or give a value")
    timeout, most = parameters.get("timeout_ms"), MAX_TIMEOUT_MS[fix_type]
    if isinstance(timeout, int) and timeout > most:
        yield Finding("parameters", f"timeout_ms is {timeout}, {most} are allowed for {fix_type}")


def _show_json(fix_type: str, analysis: Analysis) -> None:
    findings = [finding._asdict() for finding in analysis.findings]
    head = {"accepted": analysis.accepted, "type": fix_type, "findings": findings}
    print(json.dumps(head | analysis.as_dict(), indent=2))


def _show(fix_type: str, analysis: Analysis) -> None:
    print(f"{fix_type}: {'accepted' if analysis.accepted else 'refused'}")
    for finding in analysis.findings:
        print(f"  {finding.rule}: {finding.message}")
    for name, values in analysis.as_dict().items():
        if values:
            print(f"  {name.replace('_', ' ')}: {', '.join(values)}")
