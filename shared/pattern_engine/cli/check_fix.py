"""`pattern-engine check-fix`: find out offline whether a script could be approved, and why not.

This is the static analysis alone: it needs no settings, no database and no network. An approval
runs the same analysis and checks more.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from pattern_engine import fixes
from pattern_engine.approval.models import FixParameters
from pattern_engine.cli.terminal import AsJson, show
from pattern_engine.fixes.analysis import Analysis, Finding
from pattern_engine.limits import MAX_TIMEOUT_MS, FixType
from pattern_engine.text import strict_json

_ACCEPTED, _REFUSED, _WRONG_USAGE = 0, 1, 2


class _UsageError(Exception):
    """The script was not checked, because the command was used wrongly."""


commands = typer.Typer()


@commands.command("check-fix")
def run(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="file with the script; - reads standard input"),
    ],
    fix_type: Annotated[FixType, typer.Option("--type", help="type of the fix")],
    params: Annotated[
        Path | None,
        typer.Option(metavar="PARAMS.json", help="file with its parameters, a JSON object"),
    ] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Find out offline whether a script could be approved.

    The exit code is 0 if it is accepted, 1 if it is refused, 2 if it was not checked.
    """
    try:
        analysis = _checked(fix_type, _read(file), _parameters(params))
    except _UsageError as problem:
        show(f"pattern-engine: {problem}", error=True)
        return _WRONG_USAGE
    answer = _show_json if as_json else _show
    answer(fix_type, analysis)
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
    """Return the parameters, read as strictly as an approval reads them."""
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
        raise _UsageError(f"{path} does not contain a JSON object")
    return given


def _checked(fix_type: str, raw: bytes, parameters: dict[str, object]) -> Analysis:
    """Return the analysis of a script, with what is wrong with its parameters first."""
    try:
        script = raw.decode()
    except UnicodeDecodeError as problem:
        message = f"the script is not UTF-8: {problem.reason} at byte {problem.start}"
        return Analysis("", (Finding("encoding", message),))
    wrong = tuple(_wrong_limits(fix_type, parameters))
    try:
        analysis = fixes.analyse(fix_type, script, parameters)
    except ImportError as problem:
        raise _UsageError(
            f"scripts of type {fix_type} cannot be analysed, since a Python package is missing "
            f"({problem}): install the engine with its extra `fixes`"
        ) from problem
    return replace(analysis, findings=(*wrong, *analysis.findings))


def _wrong_limits(fix_type: str, parameters: dict[str, object]) -> Iterator[Finding]:
    """Yield what an approval would refuse about the limits."""
    try:
        FixParameters.model_validate(parameters)
    except ValidationError as problem:
        for each in problem.errors():
            place = ".".join(map(str, each["loc"]))
            yield Finding("parameters", f"{place}: {each['msg']}")
        return
    for name in FixParameters.model_fields:
        if name in parameters and parameters[name] is None:
            yield Finding("parameters", f"{name} is null: leave it out or set a value")
    timeout, most = parameters.get("timeout_ms"), MAX_TIMEOUT_MS[fix_type]
    if isinstance(timeout, int) and timeout > most:
        yield Finding("parameters", f"timeout_ms is {timeout}; {fix_type} allows at most {most}")


def _show_json(fix_type: str, analysis: Analysis) -> None:
    findings = [finding._asdict() for finding in analysis.findings]
    head = {"accepted": analysis.accepted, "type": fix_type, "findings": findings}
    show(json.dumps(head | analysis.as_dict(), indent=2))


def _show(fix_type: str, analysis: Analysis) -> None:
    show(f"{fix_type}: {'accepted' if analysis.accepted else 'refused'}")
    for finding in analysis.findings:
        show(f"  {finding.rule}: {finding.message}")
    for name, values in analysis.as_dict().items():
        if values:
            show(f"  {name.replace('_', ' ')}: {', '.join(values)}")
