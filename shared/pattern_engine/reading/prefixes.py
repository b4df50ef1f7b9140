"""What loggers, containers and servers write before a message on its line.

A prefix is a time, a level, or both, with what stands between and after them: process ids, hosts,
threads, names of loggers. It is recognised by its parts and not by the logger, since every project
configures its own; PostgreSQL's `log_line_prefix` is one of many.
"""

from __future__ import annotations

import re
from typing import Final

from pattern_engine.text.compiled import compiled

__all__ = ["without_margin", "without_prefix"]

_DATE: Final = (
    r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}"
    r"|[0-9]{1,2}[-/.](?:[0-9]{1,2}|[A-Z][a-z]{2})[-/.][0-9]{2,4})"
)
_CLOCK: Final = (
    r"(?:[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,:][0-9]{1,9})?|[0-9]{1,2}:[0-9]{2}(?=[AP]M\b))"
)
_ZONE: Final = r"(?: ?(?:Z\b|[AP]M\b|UTC|GMT|CES?T|[A-Z]{3,4}(?= [\[\-0-9])|[+-][0-9]{2}:?(?:[0-9]{2})?(?![0-9])))"
_MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY: Final = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?"
#: 2026-11-29T09:25:22.497543Z, Nov 29 09:37:40, Thu, 29 Nov 2026 09:37:40 GMT, E1129 09:37:40.1, …
_TIME: Final = (
    rf"(?:{_DATE}[T ,:]{{1,3}}{_CLOCK}{_ZONE}?"
    rf"|{_DAY}{_MONTH} {{1,2}}[0-9]{{1,2}},? (?:[0-9]{{4}} )?{_CLOCK}{_ZONE}?(?: [0-9]{{4}}\b)?"
    rf"|{_DAY}[0-9]{{1,2}} {_MONTH} [0-9]{{4}} {_CLOCK}{_ZONE}?"
    rf"|{_CLOCK}{_ZONE}?"
    rf"|[EWIF][0-9]{{4}} {_CLOCK}(?: +[0-9]{{1,8}} [\w.-]+:[0-9]+\])?"
    r"|[0-9]{10}(?:\.[0-9]{1,9}|[0-9]{3}\b))"
)
#: A host, an address or a tag may stand before the time, and the time may stand in brackets.
_TIMED: Final = rf"(?:[\[(<]|(?:[^\s0-9\[\]-]*[0-9\[\]-]\S{{0,60}} {{1,3}}){{1,3}}[\[(<]?)??{_TIME}[\])>]?(?=[\s|:;,\[\]-]|\Z)[\s|:;,-]{{0,4}}"
_LEVEL: Final = (
    r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRIT|CRITICAL|FATAL|SEVERE|ALERT|EMERG"
    r"|EMERGENCY|PANIC|FTL|WRN|ERRO|FATA|[Tt]race|[Dd]ebug|[Ii]nfo|[Ww]arn|[Ww]arning|[Ee]rror"
    r"|[Ff]atal|[Cc]ritical|err|crit|fail)"
)
#: `ERROR:  ` is PostgreSQL's label and `Error: ` a kind of exception: neither is a level.
_LEVEL_WORD: Final = (
    rf"(?:^|(?<=[\s\[(<|:/]))(?:(?P<level>{_LEVEL})(?=[\]\s)>|:/,]|\Z)|level=\w+)"
    r"(?!:  )(?:/[\w.-]{1,40})?\s*[\])>|]?[\s:|-]{0,6}"
)
_SENTENCE: Final = r"(?:^|\s)[a-z]{2,} [a-z]{2,} |[a-z]{3,}: "
_FIRST_LEVEL: Final = (
    rf"(?:[\[<(]{_LEVEL}[\])>]|(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|SEVERE|CRITICAL|ALERT)"
    r"|(?:warn|info)(?=:|\s{1,4}-))(?:(?=\s)|:(?=\S)|:(?: | {3,9})(?! ))[\s:|-]{0,12}"
)
#: After the level: a logger's name with a mark behind it, brackets, dashes.
_LOGGER: Final = (
    r"(?:\[[^\]\n]{0,120}\]:?|[\w:./-]{1,80}\](?=\s)|in [\w.]{1,60}(?=: )|[0-9]+#[0-9]+:|\*[0-9]+(?=\s)"
    r"|[\w./-]{1,80}\.[a-z]{1,5}:[0-9]{1,6}(?=\s)|\{[^}\n]{0,60}\}|\([\w.: -]{0,60}\):?|[-–—|»>:]+"
    r"|[\w.$/@<>#-]{1,80}(?:[:.][\w<>$-]{1,60}){0,4}(?:\([^)\n]{0,60}\))?(?=\s{1,30}(?:[-|–»]|: |--|\[))"
    r"|[a-z_]\w{0,40}(?:\.\w{1,40}){1,8}(?=:)|[\w.$<>`]{1,120}(?=\|)|(?!pq:)[a-z][\w-]{0,40}(?=:[^\s/]|: )|[A-Z]\w*Thread\S* |[0-9]{1,8}(?= ?---)"
    r"|PID[=:]\S+)\s{0,40}"
)
_PROCESS: Final = (
    r"(?:[\w.-]{1,60} )?[\w./-]{1,60}(?:\[[0-9]{1,8}\]|\([0-9]{1,8}\)): |\[[^\]\n]{1,80}\]:? "
    r"|[\w./-]{1,80}\.[a-z]{1,5}:[0-9]{1,6}: |[\w.$]{1,120} [\w$<>]{1,60}\n(?=[A-Z]{4,7}: )"
)
#: db-1 | …, kubectl's, the container runtime's, syslog's, PostgreSQL's line counter, Heroku's, Fly's.
_CONTAINER: Final = (
    r"(?:[A-Za-z][\w.-]{0,60} {1,20}\| {1,2}|\[?pod/\S{1,120} "
    rf"|{_TIME} (?:stdout|stderr) [FP] "
    r"|<[0-9]{1,3}>(?:1 \S{1,40} \S{1,80} \S{1,60} \S{1,20} \S{1,40} (?:-|\[[^\]\n]{0,300}\]) )?"
    r"|\[[0-9]{1,6}-[0-9]{1,6}\] )"
)
_INITIAL: Final = r"[DIWEFA], \[[^\]\n]{1,60}\] {1,3}[A-Z]{3,5} -- [^:\n]{0,60}: "
#: Tags in brackets before a message, as Rails, NestJS and many a wrapper write them.
_TAGS: Final = r"(?:\[[\w:./@#, +-]{1,80}\] {1,4}){1,6}(?=\S)"
#: A prefix starts with a digit or a bracket, a level, a month or a day, a letter and a comma, or
#: with a word that has a digit or a bracket or is a container's.
_MAY_START: Final = re.compile(
    r"[\[(<0-9]|[A-Z]{3,9}[\s:]|[A-Z][a-z]{2},? |[A-Z], \[|warn|info|[^\s0-9\[\]-]*[0-9\[\]-]\S* "
    r"|[A-Za-z][\w.-]{0,60} {1,20}\|"
).match


def without_prefix(text: str) -> str | None:
    """Return a text without the first prefix of its first line; None where there is none."""
    if not _MAY_START(text):
        return None
    found = compiled(_CONTAINER).match(text) or compiled(_INITIAL).match(text)
    if found:
        return text[found.end() :]
    timed = compiled(_TIMED).match(text)
    if timed:
        return _after_time(text, timed.end())
    level = compiled(_FIRST_LEVEL).match(text)
    if level and (timed := compiled(_TIMED).match(text, level.end())) is not None:
        return text[_after_loggers(text, timed.end()) :]
    if level:
        return text[_after_loggers(text, level.end()) :]
    tags = compiled(_TAGS).match(text)
    return text[tags.end() :] if tags else None


def _after_time(text: str, start: int) -> str:
    end = text.find("\n", start)
    end = min(len(text) if end < 0 else end, start + 240)
    level = compiled(_LEVEL_WORD).search(text, start, end)
    if level and not compiled(_SENTENCE).search(text, start, level.start()):
        return text[_after_loggers(text, level.end()) :]
    while (process := compiled(_PROCESS).match(text, start)) is not None:
        start = process.end()
    return text[start:]


def _after_loggers(text: str, start: int) -> int:
    for _ in range(6):
        logger = compiled(_LOGGER).match(text, start)
        if logger is None or logger.end() >= len(text):
            break
        start = logger.end()
    return start


#: What a container, a router or syslog writes before every line of a text of several lines.
_MARGIN: Final = (
    rf"(?:[A-Za-z][\w.-]{{0,60}} {{1,20}}\| ?|\[[0-9a-f-]{{36}}\] ?|> ?|\[?pod/\S{{1,120}} )?(?:{_TIME} ?)?(?:[VDIWEF]/[\w.-]{{1,40}} ?\( ?[0-9]{{1,8}}\): )?"
    r"(?:(?:[\w.-]{1,60} )?(?:stdout|stderr) [FP] |(?:[\w.-]{1,60} )?[\w./-]{1,60}\[[\w./-]{1,30}\]:? ?(?:\w{3} )?(?:\[\w+\] ?)?)?"
)
_VARYING: Final = re.compile(r"[0-9]+")
_NUMBER: Final = "[0-9]+"


def without_margin(text: str) -> str | None:
    """Return a text without what stands before each of its lines; None where nothing does."""
    if "\n" not in text:
        return None
    found = compiled(_MARGIN).match(text)
    if found is None or not found[0].strip():
        return None
    margin = _VARYING.sub(_NUMBER, re.escape(found[0].rstrip())) + " ?"
    second = text.index("\n") + 1
    if not re.compile(margin).match(text, second):
        return None
    return re.sub(f"^{margin}", "", text, flags=re.MULTILINE)
