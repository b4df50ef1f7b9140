"""What commands may do with their arguments, and where paths may lead."""

from __future__ import annotations

import getopt
import re
from typing import Final

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.bash.language import COMMANDS, FIND, HINTS, Command
from pattern_engine.fixes.bash.script import DATA, INSIDE, LOOSE, MARKS

__all__ = ["GRANTED", "Commands", "does_more"]

Values = list[list[str]]  # what each argument may be
GRANTED: Final = "/granted"  # where the granted directories are in the box
_OUTSIDE: Final = rf"^~|(?:^|/)(?=[.{DATA}])(?=[^/]*\.)(?!\.(?:/|$))[.*?\[\]{DATA}]+(?:/|$)"
_CREDENTIALS: Final = (
    r"(?:^|/)(?:[^/]*\.env(?:\.(?!sample|example|dist).*)?|\.(?:ssh|aws|gnupg|pgpass|netrc|npmrc)"
    r"|\.(?:docker|kube)|id_(?:rsa|dsa|ecdsa|ed25519)|shadow|[^/]*\.pem)(?:/|$)"
)
#: Why a path is refused wherever it leads.
_NOWHERE: Final = (
    (LOOSE, "it may be several words: write the variable in quotes"),
    (r"[{,]/", "braces may lead it elsewhere: write the paths out"),
    (f"^{DATA}", "data say where this leads: put ./ or a directory before it"),
    (_OUTSIDE, "it leads outside: write a path below the working directory or a granted one"),
    (_CREDENTIALS, "this is where credentials are kept: use another file"),
)
_EVERYTHING: Final = re.compile(rf"(?:\./*)+\*?|\*|{GRANTED}(?:/[^/]*)?/*|/(?:box|tmp)/*\*?")
_MODE: Final = r"0?[0-7]{3}|[ugoa]*[-+=][rwxX]*(?:,[ugoa]*[-+=][rwxX]*)*"
_SIZE: Final = r"[-+<>%/]?(?:\d{0,8}|\d{1,5}[kK]B?|\d{1,2}[mM]B?)"
#: What text has to look like, as an operand or behind an option, else the rule, and a hint.
_FORMS: Final = {
    "chmod": (_MODE, "privilege", "write a mode of three digits, or of r, w and x"),
    "date": (r"\+.*", "privilege", "a fix does not set the clock: write a format, as in +%F"),
    "hostname": (r"", "privilege", "a fix does not set names: leave the word out"),
    "command": (r"-v|[\w.]+", "command", "run it without command, which hides it"),
    "set": (r"[-+][euxfCEo]+|pipefail|errexit|nounset|noglob", "option", "write -euo pipefail"),
    "shopt": (r"-[su]|(?:null|fail|dot)glob|globstar", "option", "set options of globs alone"),
    "sleep": (r"[1-5]?\d?(?:\.\d+)?s?", "unbounded", "sleep less than a minute"),
    "seq": (r"-?\d{1,6}", "unbounded", "count to 999999 at most"),
    "printf": (r"(?!.*%[^%a-zA-Z]*\d{5}).*", "unbounded", "pad to 9999 at most"),
    "truncate -s": (_SIZE, "unbounded", "up to 99M are allowed"),
    "head -c": (_SIZE, "unbounded", "up to 99M are allowed"),
    "xargs -P": (r"\d", "unbounded", "up to 9 processes are allowed"),
}
#: Options that may have a word, of which getopt knows nothing; those of sed make it write.
_GLUED: Final = re.compile(
    r"-I(?:date|hours|minutes|seconds|ns)|--(?:iso-8601|rfc-3339|preserve|color)=[\w,]+"
)
_EDITS: Final = re.compile(r"(?:-[nErsz]*i|--in-place=?)(?:[\w~-]|\.(?!\.))*")
_OPTION_FORMS: Final = {"-m": "chmod", "--mode": "chmod", "-e": "sed", "--expression": "sed"}
#: Addresses, and the commands of sed that do nothing but edit.
_SED: Final = re.compile(
    rf"""
    (?:[\s;{{}}!,]+ | \d+(?:~\d+)? | \$ | [+~]\d+ | /(?:\\.|[^/\\])*/[IM]*
    | \\(?P<a>[^\w\s\\])(?:\\.|(?!(?P=a))[^\\])*(?P=a)[IM]*
    | s(?P<s>[^\w\s\\{DATA}])(?:(?:\\.|(?!(?P=s))[^\\])*(?P=s)){{2}}[gpiImM0-9]*(?=[\s;}}\#]|$)
    | y(?P<y>[^\w\s\\{DATA}])(?:(?:\\.|(?!(?P=y))[^\\])*(?P=y)){{2}}
    | [aic](?:\\.|[^\\\n])* | \#[^\n]* | [:btT][ \t\w]* | [dDgGhHnNpPxz=lqQ][ \t0-9]*)*
    """,
    re.VERBOSE | re.DOTALL,
)
#: Of awk: strings, comments, and expressions where one may begin. What is in them is not run.
_AWK_TEXT: Final = re.compile(
    r'"/dev/stderr"()|"(?:[^"\\\n]|\\.)*"|(?:^|(?<=[(,{\[;\n!~&|}]))(\s*)/(?:[^/\\\n"]|\\.)+/|#[^\n]*'
)
_AWK: Final = re.compile(
    rf"\b(?:system|getline|ENVIRON|PROCINFO|ARGV)\b|[@`\"{DATA}]|(?<!\|)\|(?!\|)"
    r"|\b(?:while|for)\s*\(\s*(?:;\s*;|[1-9]\d*\s*\))"
    r"|\bprintf?\b(?:[^;{}\n>(]|\([^()]*\))*>(?!>?\s*E)"
)
#: Of jq: what is no key, nor begins a string.
_JQ: Final = re.compile(
    r'(?<![.\w$"])(?:env|input_filename|get_search_list|import|include)\b|\$ENV|\$__prog'
    rf'|(?<!"){DATA}'
)


class Commands:
    """Checks commands; collects what is found against them, and what they do."""

    def __init__(self, granted: dict[str, str]) -> None:
        self.findings: list[Finding] = []
        self.operations: list[str] = []
        self.destructive: list[str] = []
        self.at = ""  # where the script is being read, for people
        write = "|".join(re.escape(one) for one, mode in granted.items() if mode == "write") or "-"
        read = "|".join(map(re.escape, granted)) or "-"
        own = rf"(?!/)|/(?:box|tmp)/|{GRANTED}"
        self._readable = re.compile(rf"{own}/(?:{read})(?:/|$)|/usr/share/|/dev/std|/dev/null$")
        self._writable = re.compile(rf"{own}/(?:{write})(?:/|$)|/dev/(?:null|stdout|stderr)$")

    def refuse(self, rule: str, message: str) -> None:
        """Note a finding at the present place."""
        self.findings.append(Finding(rule, f"{self.at}: {_shown(message)}"))

    def path(self, path: str, verb: str = "", *, destroys: bool = False) -> None:
        """Check a path that is read, or, with a verb, written to."""
        reason = next((why for pattern, why in _NOWHERE if re.search(pattern, path)), None)
        known = self._writable if verb else self._readable
        is_device = path.startswith("/dev/") and verb not in ("", "write", "empty", "tee")
        if reason is None and (is_device or not known.match(path)):
            reason = f"this is not granted: write a path below ., /tmp or {GRANTED}/NAME, and name"
            reason += f' that in `directories`, as "{"write" if verb else "read"}"'
        if reason is not None:
            self.refuse("path" if verb else "read", f"{verb} {path}: {reason}")
        elif verb and path and not path.startswith("/dev/"):
            self.operations.append(_shown(f"{verb} {path}"))
            self.destructive += self.operations[-1:] if destroys else []

    def check(self, name: str, values: Values, given: str) -> None:
        """Check a command with its arguments; `given` is a line of what it reads from its input."""
        known = COMMANDS.get(name)
        if known is None:
            listed = "use one that docs/how-to/approve-a-fix.md lists, without a path"
            rule, hint = HINTS.get(name, ("command", listed))
            self.refuse(rule, f"{name} is not in the language of fixes: {hint}")
        elif name == "find":
            self._find(values)
        elif known.role == "run":
            options, words = self._options(name, known, values)
            if mark := options.get("-I"):
                words = [[one.replace(mark, given) for one in word] for word in words]
            elif name == "xargs":
                words = [*(words or [["echo"]]), [given]]
            self._run(words[1:] if name == "timeout" else words)
        else:
            self._listed(name, known, values)

    def _listed(self, name: str, known: Command, values: Values) -> None:
        """Check a command of which the table says what its operands are."""
        role, glued = known.role, _EDITS if name == "sed" else _GLUED
        named = [at for at, one in enumerate(values) if name == "jq" and one[0][:5] == "--arg"]
        words = [one for at, one in enumerate(values) if not {at, at - 1, at - 2} & {*named}]
        values = [one for one in words if not glued.fullmatch(one[0])]
        options, operands = self._options(name, known, values) if role != "any" else ({}, values)
        texts = len(operands) if role in ("any", "text") else 0
        if role.startswith("then-"):
            role = "write" if name == "sed" and len(values) < len(words) else role[5:]
            texts = 0 if options.keys() & {"-e", "--expression", "--regexp"} else 1
        self._text(name, operands[:texts])
        operands, last = operands[texts:], len(operands) - texts - 1
        for index, value in enumerate(operands):
            reads = role == "read" or (role == "copy" and index < last)
            for path in (path for path in value if path != "-"):
                if name == "rm" and _EVERYTHING.fullmatch(path):
                    self.refuse("path", f"rm {path} removes all that there is: name what goes")
                self.path(path, "" if reads else name, destroys=role == "lose")

    def _options(self, name: str, known: Command, values: Values) -> tuple[dict[str, str], Values]:
        """Check the options of a command; return them, and its operands."""
        first = {value[0]: value for value in reversed(values)}
        parse = getopt.getopt if known.role == "run" else getopt.gnu_getopt
        try:
            found, operands = parse([value[0] for value in values], known.short, known.long)
        except getopt.GetoptError as problem:
            self.refuse("option", f"{name}: {problem.msg}; write it without that option")
            return {}, []
        for option, value in found:
            if name != "grep":
                self._text(_OPTION_FORMS.get(option, f"{name} {option}"), [[value]])
            if "/" in value[:-1] and (name == "sort" or known.role in ("write", "lose", "copy")):
                self.path(value)
        return dict(found), [first.get(one, [one]) for one in operands]

    def _text(self, name: str, operands: Values) -> None:
        """Check what is no path: a number, a mode, a program."""
        pattern, rule, hint = _FORMS.get(name, (".*", "", ""))
        for one in (one for value in operands for one in value):
            if not re.fullmatch(pattern, re.sub(f"[{MARKS}]", "1", one), re.DOTALL):
                self.refuse(rule, f"{name} {one[:40]}: {hint}")
            if does_more(name, re.sub(f"[{MARKS}]", DATA, one)):
                hint = "let it edit and print alone, without data in its code"
                self.refuse(name, f"this program of {name} does more, or is not understood: {hint}")

    def _run(self, words: Values) -> None:
        """Check the command that another one runs."""
        for name in words[0] if words else ():
            self.check(name, words[1:], DATA)

    def _find(self, values: Values) -> None:
        """Check find: where it starts, and what it does with what it finds."""
        starts: list[str] = []
        waiting = iter(values)
        for value in waiting:
            if f"{value[0]}=" in FIND:
                next(waiting, None)
            elif value[0] == "-exec":
                inner = [*iter(lambda: next(waiting, [";"]), [";"])]
                end = inner.index(["+"]) if ["+"] in inner else len(inner)
                self._run([[one.replace("{}", INSIDE) for one in each] for each in inner[:end]])
            elif value[0][:1] in ("-", "(", "!") and value[0] not in FIND:
                self.refuse("option", f"find {value[0]} is not in the language: use -exec, -delete")
            elif value[0] not in FIND:
                starts += value
        for start in starts or ["."]:
            self.path(start)
            if ["-delete"] in values:
                self.path(start, "find -delete", destroys=True)


def _shown(path: str) -> str:
    """Return a text for people: what is not known of it is dots."""
    return re.sub(f"[{MARKS}]", "…", path)


def does_more(name: str, program: str) -> bool:
    """Tell whether a program of sed, awk or jq does more than to edit and print."""
    if name == "sed":
        match = _SED.match(program)
        return match is None or match.end() < len(program)
    if name == "awk":
        return bool(_AWK.search(_AWK_TEXT.sub(lambda one: "E" if one[1] == "" else "_", program)))
    return name == "jq" and _JQ.search(program) is not None
