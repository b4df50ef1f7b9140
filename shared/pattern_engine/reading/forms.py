"""The forms of what drivers, libraries and programmers write around a message.

Each form is an expression with the message in the group `rest`, and what else the form tells in
groups with the names of `ReadError`'s fields. Most texts have none of these forms, so each form
also says what is cheaper to look at than its expression is to match.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.reading.sqlstates import STATE
from pattern_engine.text.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["KIND", "trailers", "wrappers"]

#: A class of exceptions: of its words one says that it is one, or it has a package before it.
KIND: Final = r"(?:[A-Za-z_$][\w$]*(?:\.|::|\\|/(?=[\w.]+[.\w]*[A-Z])))*[A-Z][\w$]*"


class Form(NamedTuple):
    """One form of what stands around a message."""

    needs: str
    """A part of every text of this form."""
    pattern: str
    origin: str | None = None
    """The service or runtime that the form tells."""
    edge: str = ""
    """What the first character of such a text is one of, or the last one of a text with a trailer."""
    most: int = 0
    """Characters of such a trailer at most; 0 if it may be of any length."""


#: The first wrapper that matches a text is taken off, and the rest is read again.
_WRAPPERS: Final = (
    # JavaScript's consoles, Python's and Ruby's loggers, PHP
    Form("Uncaught ", r"Uncaught (?:\(in promise\) ?:? ?)?(?P<rest>\S.*)", edge="U"),
    Form(
        "ejection",
        r"(?:Uncaught |Unhandled )(?:Promise |promise )?[Rr]ejection(?: at: [^\n]*? reason)?:? \s*(?P<rest>\S.*)",
        edge="U",
    ),
    Form(
        "Unhandled ",
        r"(?:Unhandled [Ee]xception\W{1,3}|Unhandled Runtime Error\s+)(?P<rest>\S.*)",
        edge="U",
    ),
    Form("⨯ ", r"⨯ (?P<rest>\S.*)", edge="⨯"),
    Form("pq: ", r"(?:[^:\n]{1,80}: ){0,4}?pq: (?P<rest>.*)", "postgres"),
    # Prisma
    Form("`. ", r".*?[Cc]ode: `(?P<code>\w+)`\. [Mm]essage: `(?P<rest>.*)`.*"),
    Form(
        "` invocation",
        r"Invalid `[^`\n]*` invocation(?: in\n[^\n]*)?:\s*\n(?:\s*(?:→?\s*[0-9]+ [^\n]*|\{\n.*?\n\})\n)*\s*(?P<rest>\S.*)",
        edge="I",
    ),
    # Knex: the statement, a dash, the message.
    Form(
        " - ",
        r"(?:select|insert into|update|delete from|with|alter|create|drop|truncate|call|begin|"
        r"SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH) .*? - (?P<rest>[^-\n]*[^-].*)",
        edge="abcdistuwSIUDW",
    ),
    # tslog
    Form(
        "Error  ",
        r".*?\n\s*(?P<kind>[A-Z]\w*Error)\s{2,}(?P<rest>\S.*?)(?=\nerror stack:|\Z)",
    ),
    Form(" (", rf"(?P<kind>{KIND}) \((?P<rest>\S+ \S+ .*)\):?\s*"),  # Rails
    Form(" (", rf"(?P<kind>{KIND}) \((?P<rest>\S+ \S.*)\):\s*"),
    Form("**", rf"\*\*(?P<kind>{KIND})\*\*[^\n]*\n+(?P<rest>\S.*)", edge="*"),
    Form("**", r"(?P<mark>\*\*)(?P<rest>\S.*\S)(?P=mark)\s*", edge="*"),  # Markdown
    Form("b'", r"b'(?P<rest>.*)'\s*", edge="b"),
    Form("{:cause", r".{0,400}?\{:cause \"(?P<rest>(?:[^\"\\]|\\.)*)\".*"),  # Clojure
    # Erlang's binaries, Dart's and Swift's exceptions
    Form(
        ">>,",
        rf".*?<<\"(?P<code>{STATE})\">>,\w+,<<\"(?P<rest>(?:[^\"\\]|\\.)+)\">>.*",
        "postgres",
    ),
    Form(
        "Severity.",
        rf".*?Severity\.\w+ (?P<code>{STATE}): (?P<rest>.*?)(?: (?:hint|detail|table|constraint|column|schema): .*)?\Z",
        "postgres",
    ),
    # sqlx and tokio-postgres
    Form("from database: ", r".*?error returned from database: (?P<rest>.*)"),
    Form("db error: ", r".*?db error: (?P<rest>.*)"),
    # 23505 and its message beside it, as Haskell's and other drivers show their values.
    Form('" "', rf".*?\"(?P<code>{STATE})\" \"(?P<rest>(?:[^\"\\]|\\.)+)\".*", "postgres"),
    Form('", "', rf".*?\"(?P<code>{STATE})\", \"(?P<rest>(?:[^\"\\]|\\.)+)\".*", "postgres"),
    # supabase-py's repr
    Form("Message: ", r"Error (?P<code>\w{5,8}):\nMessage: (?P<rest>[^\n]*).*", edge="E"),
    Form(
        " failed: ", r"(?:DBD::Pg::\w+ |DBI )[\w ]{1,60} failed: (?P<rest>.*)", "postgres", edge="D"
    ),
    # (psycopg2.errors.UniqueViolation) duplicate key …, <class 'asyncpg.exceptions.X'>: …
    Form(") ", rf"\((?P<kind>{KIND}|[a-z_]+(?:\.\w+)+)\) (?P<rest>.*)", edge="("),
    Form("<class '", r"<class '[\w.]+'>:? (?P<rest>.*)", edge="<"),
    # SQLSTATE[42P01]: Undefined table: 7 ERROR:  …; SQLSTATE[08006] [7] connection to …
    Form(
        "SQLSTATE[",
        r"SQLSTATE\[(?P<code>\w{5})\]:? ?(?:\[[0-9]+\]:? ?)?(?:[A-Z<][\w <>&;]*: [0-9]+ ?)?(?P<rest>.*)",
        edge="S",
    ),
    # PHP's loggers print an exception in their context.
    Form(
        "[object]",
        r"(?>.*\[object\] \()(?P<kind>[\w\\]+)\(code: (?P<code>\w+)\): (?P<rest>.*?)"
        r"(?: at \S+\.php:[0-9]+\).*|\)\Z)",
    ),
    Form(": ", rf"\[?(?P<code>{STATE})\]?: (?P<rest>.*)", "postgres", edge="[0123456789HPXF"),
    Form("0x", rf"(?:(?P<kind>{KIND}) )?\(?(?:0x[0-9A-Fa-f]{{8}}\)?: )(?P<rest>.*)"),
    # HTTP 400 from GET /rest/v1/customers: {…}; Request failed with status 404: …
    Form(
        "HTTP",
        r"HTTP(?:/[0-9.]+)? (?P<status>[3-5][0-9]{2})[^:{\n]{0,200}:\s{1,3}(?P<rest>\S+ \S+ .*|[{\[\"].*)",
        edge="H",
    ),
    Form(
        "status",
        r"[\w ]{1,60}status(?: code)? (?P<status>[3-5][0-9]{2})[^:{\n]{0,60}:\s{1,3}(?P<rest>\S+ \S+ .*|[{\[\"].*)",
    ),
    Form("Request req_", r"Request req_\w+: (?P<rest>.*)", "stripe", edge="R"),
    Form("#<", r"#<(?P<kind>[A-Z][\w:]*): (?P<rest>.*)>\s*", edge="#"),
    Form(" error ", r"<\w+ error (?P<rest>.*)>", edge="<"),
    Form("[", r"\[(?=[A-Z]\w*(?:Error|Exception): )(?P<rest>.*)\]\s*(?:\{.*\}\s*)?", edge="["),
    Form('"', r"\"(?P<rest>[^\"]*\s[^\"]*\s[^\"]*)\"\Z", edge='"'),
    Form("'", r"'(?P<rest>[^']*\s[^']*\s[^']*)'\Z", edge="'"),
)
_DIGITS: Final = "0123456789"
_AFTER_STATE: Final = f"{_DIGITS}ABCDEFGHIJKLMNOPQRSTUVWXYZ'])"
#: What may stand at the end of a text.
_TRAILERS: Final = (
    Form("(SQLSTATE", rf" \(SQLSTATE[:=]? ?(?P<code>{STATE})\)\)?\s*\Z", edge=")", most=80),
    Form(
        "ode",
        rf" \(?\[?(?:Code|code)[:= ]+'?(?P<code>{STATE})'?\]?\)?\s*\Z",
        edge=_AFTER_STATE,
        most=80,
    ),
    Form(
        "tate",
        rf" \(?\[?(?:SQL ?[Ss]tate|sqlstate)[:= ]+'?(?P<code>{STATE})'?\]?\)?\s*\Z",
        edge=_AFTER_STATE,
        most=80,
    ),
    Form(")", rf" \((?P<code>{STATE}|PGRST[0-9X]{{3}})\)\s*\Z", edge=")", most=80),
    Form("]", rf" \[(?P<code>{STATE}|PGRST[0-9X]{{3}})\]\s*\Z", edge="]", most=80),
    Form("\n[SQL: ", r"\n\[SQL: (?P<statement>.*)\Z"),
    Form("\n(Back", r"\n\(Background on this error at: .*\Z"),
    Form(
        "SQL: ",
        r" ?\((?:Connection: [^,)]*, )?(?:Host: .*?, )?SQL: (?P<statement>.*)\)\s*\Z",
        edge=")",
    ),
    Form(" [for St", r" \[for Statement \"(?P<statement>.*)\Z"),
    Form("; SQL ", r"; SQL (?:\[(?P<statement>[^\]]*)\]|statement).*\Z"),
    Form("; nested", r"; nested exception is .*\Z"),
    Form(" []", r" (?:\[\]|\{[^{}\n]*\}) \[\]\s*\Z", edge="]"),  # Monolog's context and extra
    # A logger that writes one line has joined the sections.
    Form(":  ", r" (?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT):  \S.*\Z"),
    Form(" LINE ", r" LINE [0-9]+: .*\Z"),
    Form("POSITION", r"\n\n\nPOSITION: [0-9]+\s*\Z", edge=_DIGITS),
    Form(
        "://",
        r" at (?:[\w$.<>]{1,80} \()?(?:https?|file|webpack|app)://[^\s]*:[0-9]+(?::[0-9]+)?\)?\s*\Z",
        edge=f"{_DIGITS})",
    ),
    Form("://", r" \((?:https?|file)://[^\s)]*\)\s*\Z", edge=")"),
    Form("\nparams", r"\nparams: .*\Z"),
    Form(".php", r"\s(?:at|in) /?[\w./\\-]+\.php(?::[0-9]+| on line [0-9]+)\)?.*\Z"),
    Form("[rows:", r"\n\[[0-9.]+m?s\] \[rows:.*\Z"),
    Form("\n", r"\n\s*[)>\]}]+:?\s*\Z", edge=")>]}:"),
    Form("\\n", r"\\n['\"]?\)*\s*\Z", edge="n'\")"),
)


class Compiled(NamedTuple):
    """A form with its expression compiled."""

    needs: str
    expression: re.Pattern[str]
    origin: str | None
    most: int


def wrappers(text: str) -> tuple[Compiled, ...]:
    """Return the wrappers that may stand around a text that is not empty, by its first character."""
    return _wrappers(text[0], "\n" in text)


def trailers(text: str) -> tuple[Compiled, ...]:
    """Return the trailers that a text that is not empty may have, by its last character."""
    return _trailers(text[-1], "\n" in text)


@lru_cache(maxsize=512)
def _wrappers(first: str, in_lines: bool) -> tuple[Compiled, ...]:
    return tuple(_with_edge(_WRAPPERS, first, in_lines))


@lru_cache(maxsize=512)
def _trailers(last: str, in_lines: bool) -> tuple[Compiled, ...]:
    return tuple(_with_edge(_TRAILERS, last, in_lines))


def _with_edge(forms: Iterable[Form], edge: str, in_lines: bool) -> Iterator[Compiled]:
    for form in forms:
        if (not form.edge or edge in form.edge) and (in_lines or "\n" not in form.needs):
            yield Compiled(form.needs, compiled(form.pattern, re.DOTALL), form.origin, form.most)
