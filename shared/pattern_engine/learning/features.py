"""The features of an error: those of the specification, and those of your own extractors.

Source: specification, "Error Feature Extraction" and "Custom Feature Extractors". To add your own:

    @extractor("has_customer_id", "is_timeout")
    def of_our_domain(message: str, source: str) -> dict[str, Feature]:
        return {"has_customer_id": "customer_id" in message, "is_timeout": "timed out" in message}

The decorator declares the names, so that a name that is already taken stops the start of the
process. If an extractor raises or returns an undeclared name, the error is learned without its
features, and `failed_extractors` has the reason.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

__all__ = [
    "SEVERITIES",
    "ErrorFeatures",
    "Extractor",
    "Feature",
    "contains_sql",
    "extract",
    "extractor",
    "severity_from_score",
    "severity_score",
]

Feature = bool | int | float | str | None
ExtractFunction = Callable[[str, str], Mapping[str, Feature]]

#: Severity → the number that clustering and sorting use; info and warning have the same number.
SEVERITIES: Final[dict[str, int]] = {"debug": 1, "info": 2, "warning": 2, "error": 3, "critical": 5}
_OF_SCORE: Final = {5: "critical", 4: "error", 3: "error", 2: "warning", 1: "debug"}

_SEVERITY_WORDS: Final = (
    (5, ("fatal", "critical", "catastrophic")),
    (3, ("error", "failed", "exception")),
    (2, ("warning", "warn")),
)

# A keyword alone counts only in capitals, because "failed to update the user from cache" is
# English; in small letters only a whole statement counts.
_SQL: Final = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|FROM|WHERE)\b"
    r"|(?i:\bselect\s[^;]{0,200}?\sfrom\s|\binsert\s+into\s|\bupdate\s+\S+\s+set\s|\bdelete\s+from\s)"
)
# "at " marks a frame at the start of a line or before a position in a file, not in "failed at
# 10:30". "Error:" is the specification's keyword for the first line of a trace.
_STACK_TRACE: Final = re.compile(
    r"(?i:stack ?trace)|Error:|Traceback \(most recent call last\)"
    r"|(?:^|\n)[ \t]*at \S|\bat \S+ \(\S+:\d+(?::\d+)?\)|(?:^|\n)[ \t]+File \"[^\"\n]+\", line \d+"
)
_URL: Final = re.compile(r"https?://", re.IGNORECASE)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ERROR_CODE: Final = re.compile(
    r"\b(?:PGRST[0-9]{1,3}|PGRSTX[0-9]{2}"  # PostgREST
    r"|(?<=SQLSTATE )[0-9A-Z]{5}|(?<=SQLSTATE\[)[0-9A-Z]{5}|(?<=SQLSTATE: )[0-9A-Z]{5}"
    r"|[0-9]{2}P[0-9]{2}|0A000|2BP01|P0[0-9]{3}|XX00[0-2]"  # SQLSTATE that cannot be a number
    r"|ERR_[A-Z0-9_]+"  # Node.js and the specification's ERR_404
    r"|E(?:ACCES|ADDRINUSE|ADDRNOTAVAIL|AGAIN|CONN[A-Z]+|EXIST|HOSTDOWN|HOSTUNREACH|MFILE|NET[A-Z]+"
    r"|NOENT|NOMEM|NOSPC|NOTFOUND|PERM|PIPE|TIMEDOUT|AI_AGAIN)"  # errno
    r"|(?!SHA|UTF|ISO|AES|RFC)[A-Z]{1,6}-?[0-9]{3,6})\b"  # TS2322, ORA-00942, E1234
)


@dataclass(frozen=True, slots=True)
class Extractor:
    """A function that adds the declared features."""

    names: frozenset[str]
    function: ExtractFunction

    def __post_init__(self) -> None:
        _require_own_names(self.names)

    @property
    def title(self) -> str:
        """The function's name, under which a failure is noted."""
        return str(getattr(self.function, "__name__", repr(self.function)))


@dataclass(frozen=True, slots=True)
class ErrorFeatures:
    """The features of one error; lengths are in characters, `severity_score` is 1 to 5."""

    message_length: int
    word_count: int
    has_stack_trace: bool
    has_sql: bool
    has_url: bool
    has_uuid: bool
    error_code: str | None
    source_component: str
    severity_score: int
    custom: Mapping[str, Feature] = field(default_factory=dict)
    failed_extractors: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return one flat JSON object; it has `failed_extractors` only if an extractor failed."""
        features = {name: getattr(self, name) for name in _OWN_NAMES}
        features |= self.custom
        if self.failed_extractors:
            features["failed_extractors"] = dict(self.failed_extractors)
        return features


_BUILT_IN: Final = frozenset(each.name for each in fields(ErrorFeatures))
#: The engine's own features, in order; `as_dict` adds the custom ones.
_OWN_NAMES: Final = tuple(
    each.name for each in fields(ErrorFeatures) if each.name not in {"custom", "failed_extractors"}
)
_REGISTERED: Final[list[Extractor]] = []


def _require_own_names(names: frozenset[str]) -> None:
    if not names:
        raise ValueError("the extractor declares no feature: pass the names to @extractor")
    if clash := names & _BUILT_IN:
        raise ValueError(f"the engine has features named {sorted(clash)}: choose other names")


def extractor(*names: str) -> Callable[[ExtractFunction], ExtractFunction]:
    """Register a function that adds the named features to every error learned by this process.

    Raises:
        ValueError: no name; one is a built-in feature's, or another registered extractor's.
    """
    declared = frozenset(names)
    _require_own_names(declared)
    for known in _REGISTERED:
        if clash := declared & known.names:
            raise ValueError(
                f"extractor {known.title} has features named {sorted(clash)}: choose other names"
            )

    def register(function: ExtractFunction) -> ExtractFunction:
        _REGISTERED.append(Extractor(declared, function))
        return function

    return register


def extract(
    message: str,
    source: str | None = None,
    severity: str | None = None,
    extractors: Sequence[Extractor] = (),
) -> ErrorFeatures:
    """Return the features of an error, by the registered extractors and the ones passed.

    A given severity is used instead of the words of the message.
    """
    component = source or "unknown"
    custom, failed = _custom(message, component, (*_REGISTERED, *extractors))
    code = _ERROR_CODE.search(message)
    return ErrorFeatures(
        message_length=len(message),
        word_count=len(message.split()),
        has_stack_trace=_STACK_TRACE.search(message) is not None,
        has_sql=contains_sql(message),
        has_url=_URL.search(message) is not None,
        has_uuid=_UUID.search(message) is not None,
        error_code=code[0] if code else None,
        source_component=component,
        severity_score=SEVERITIES[severity] if severity else severity_score(message),
        custom=custom,
        failed_extractors=failed,
    )


def contains_sql(message: str) -> bool:
    """Return whether a message quotes SQL, by the specification's keywords as whole words."""
    return _SQL.search(message) is not None


def severity_score(message: str) -> int:
    """Return the number of the highest severity whose words a message contains, or else 1."""
    folded = message.lower()
    for score, words in _SEVERITY_WORDS:
        if any(word in folded for word in words):
            return score
    return 1


def severity_from_score(score: int) -> str:
    """Return a severity score as text: 1 debug, 2 warning, 3 error, 5 critical."""
    return _OF_SCORE[score]


def _custom(
    message: str, source: str, extractors: Sequence[Extractor]
) -> tuple[dict[str, Feature], dict[str, str]]:
    custom: dict[str, Feature] = {}
    failed: dict[str, str] = {}
    for each in extractors:
        try:
            custom |= _checked(each, each.function(message, source))
        except Exception as failure:  # noqa: BLE001  an extractor that fails must not stop learning
            failed[each.title] = f"{type(failure).__name__}: {failure}"
    return custom, failed


def _checked(origin: Extractor, found: Mapping[str, Feature]) -> dict[str, Feature]:
    """Return an extractor's features if all are declared and are JSON scalars."""
    for name, value in found.items():
        if name not in origin.names:
            raise ValueError(f"feature {name!r} was not declared")
        if not isinstance(value, bool | int | float | str | None):
            raise TypeError(f"feature {name!r} is a {type(value).__name__}, not a JSON scalar")
    return dict(found)
