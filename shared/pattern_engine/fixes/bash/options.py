"""Which options of commands are understood, and what they take. An option not listed is refused.

A line reads: the letters without a word of their own, the letters with one, and the long options;
those that take a word end with `=`. What stands for a file is checked in `commands`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.fixes.bash.words import merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.fixes.bash.words import Value

__all__ = ["OPTIONS", "READING", "WRITING", "Given", "Option", "read_options"]


class Options(NamedTuple):
    """The options of one command."""

    flags: str = ""
    with_word: str = ""
    long: str = ""


#: Commands whose arguments are all paths that are read.
_READING: Final = {
    "cat": Options("AbeEnstTuv", "", "number show-all squeeze-blank"),
    "head": Options("qvz0123456789", "nc", "lines= bytes= quiet verbose zero-terminated"),
    "tail": Options("qvz0123456789", "nc", "lines= bytes= quiet verbose zero-terminated"),
    "wc": Options("clmwL", "", "bytes chars lines words max-line-length"),
    "sort": Options("bdfgiMhnRrVcCmsuz", "kot", "output= key= field-separator= unique reverse"
        " numeric-sort version-sort human-numeric-sort stable check zero-terminated ignore-case"
        " sort= merge general-numeric-sort month-sort"),
    "cut": Options("nsz", "bcdf", "delimiter= fields= bytes= characters= complement only-delimited"
        " output-delimiter= zero-terminated"),
    "nl": Options("p", "bdfhilnsvw", ""),
    "tac": Options("br", "s", ""),
    "rev": Options(),
    "fold": Options("bs", "w", "width= spaces bytes"),
    "column": Options("tex", "scNo", "table separator="),
    "paste": Options("sz", "d", "serial delimiters="),
    "join": Options("iz", "12aejotv", ""),
    "comm": Options("123z", "", "check-order nocheck-order output-delimiter= total"),
    "diff": Options("abBdeEfhilnNpqrstTuwyZ0123456789", "CUIxW", "brief unified unified= recursive"
        " ignore-all-space ignore-case ignore-blank-lines side-by-side suppress-common-lines"
        " exclude= new-file text color color= label="),
    "cmp": Options("bls", "in", "silent quiet bytes="),
    **dict.fromkeys(
        ("sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "md5sum", "b2sum", "cksum"),
        Options("bctwz", "a", "check quiet status strict warn ignore-missing tag zero text binary"),
    ),
    "base64": Options("di", "w", "decode ignore-garbage wrap="),
    "od": Options("bcdoxsv", "AjNtw", ""),
    "xxd": Options("bipru", "clsg", ""),
    "hexdump": Options("bcCdovx", "ns", ""),
    "strings": Options("af", "nt", ""),
    "stat": Options("Lt", "c", "format= printf= terse dereference"),
    "du": Options("abchHkLlmsSx0", "Bdt", "max-depth= summarize human-readable bytes apparent-size"
        " total all block-size= exclude="),
    "df": Options("ahHiklmPT", "Bt", "output output= human-readable block-size= inodes"),
    "ls": Options("aABcCdfFgGhHiklLmnNopqQrRsStuUvxXZ1", "ITw", "all almost-all color="
        " human-readable full-time time-style= sort= reverse recursive directory size"
        " group-directories-first ignore= quoting-style= time= numeric-uid-gid"),
    "file": Options("bikLz", "F", "brief mime mime-type mime-encoding"),
    "readlink": Options("efmnqsvz", "", "canonicalize no-newline"),
    "realpath": Options("emLPqsz", "", "relative-to= canonicalize-missing no-symlinks"),
    "zcat": Options("fv", "", ""),
    "iconv": Options("cls", "ft", "from-code= to-code= list silent"),
    "zgrep": Options("ciEFhHlnoqvwx", "em", ""),
    "tsort": Options(),
    "expand": Options("i", "t", ""),
    "unexpand": Options("a", "t", ""),
    "fmt": Options("cstu", "wg", "width="),
    "pr": Options("dFtT", "hlow", ""),
    "shuf": Options("erz", "in", "echo repeat head-count= input-range="),
    "numfmt": Options("z", "d", "to= from= suffix= format= padding= field= round= delimiter= header"
        " invalid= to-unit= from-unit="),
}  # fmt: skip

#: Commands whose arguments are all paths that are written to, or go away.
_WRITING: Final = {
    "rm": Options("fiIrRdv", "", "force recursive dir verbose one-file-system preserve-root"
        " preserve-root= interactive="),
    "rmdir": Options("pv", "", "parents verbose ignore-fail-on-non-empty"),
    "unlink": Options(),
    "mv": Options("bfinTuvZ", "tS", "force no-clobber verbose backup backup= suffix= update"
        " target-directory= no-target-directory"),
    "cp": Options("abdfHiLlnPprRsTuvxZ", "tS", "archive force no-clobber recursive verbose update"
        " preserve preserve= parents no-dereference no-target-directory target-directory= backup"
        " backup= suffix= reflink= sparse= remove-destination"),
    "touch": Options("acfhm", "dtr", "date= no-create reference= time="),
    "mkdir": Options("pv", "m", "parents mode= verbose"),
    "tee": Options("aip", "", "append ignore-interrupts"),
    "truncate": Options("co", "sr", "size= no-create"),
    "ln": Options("bfFiLnPrsTv", "tS", "symbolic force relative no-dereference verbose"),
    "install": Options("bcCdDpsTvZ", "mtS", "mode= directory verbose compare target-directory="
        " preserve-timestamps"),
    "gzip": Options("cdfklnNqrtv123456789", "S", "keep force best fast stdout decompress test list"
        " verbose quiet no-name name recursive suffix="),
    "gunzip": Options("cfklnNqrtv", "S", "keep force stdout test list verbose quiet"),
    "bzip2": Options("cdfkqtvsz123456789", "", "keep force best fast stdout decompress test"),
    "bunzip2": Options("cfkqvs", "", "keep force stdout"),
    "xz": Options("cdefklqtvz0123456789", "T", "keep force stdout decompress test list threads="),
    "unxz": Options("cfkqv", "", "keep force stdout"),
    "zstd": Options("cdfklqrtvz0123456789", "oT", "keep force stdout decompress test rm"),
    "shred": Options("fuvxz", "ns", "remove zero iterations= force verbose"),
    "sync": Options("df", "", ""),
    "split": Options("dexz", "abClnt", "bytes= lines= numeric-suffixes suffix-length= number="
        " additional-suffix= line-bytes= verbose"),
    "csplit": Options("kqsz", "bfn", "prefix= suffix-format= digits= quiet elide-empty-files"),
    "uniq": Options("cdDiuz", "fsw", "count repeated unique ignore-case skip-fields= skip-chars="
        " check-chars= zero-terminated all-repeated"),
    "chmod": Options("cfRv", "", "changes recursive verbose reference="),
}  # fmt: skip

#: Commands whose arguments are text, or have a meaning that `commands` knows.
_OTHER: Final = {
    "date": Options("uIR", "dr", "date= utc iso-8601 iso-8601= rfc-3339= rfc-email reference="
        " universal"),
    "seq": Options("w", "fs", "format= separator= equal-width"),
    "sleep": Options(),
    "basename": Options("az", "s", "suffix= multiple zero"),
    "dirname": Options("z", "", "zero"),
    "tr": Options("cCdst", "", "complement delete squeeze-repeats truncate-set1"),
    "mktemp": Options("dqtu", "p", "directory dry-run quiet suffix= tmpdir tmpdir="),
    "grep": Options("abcEFGHhIiLlnoPqRrsTUvwxyzZ0123456789", "ABCemdD", "count extended-regexp"
        " fixed-strings perl-regexp ignore-case invert-match line-number line-regexp no-messages"
        " only-matching quiet silent recursive regexp= word-regexp max-count= include= exclude="
        " exclude-dir= files-with-matches files-without-match with-filename no-filename null text"
        " null-data after-context= before-context= context= color= color basic-regexp"),
    "sed": Options("nErsuz", "e", "quiet silent regexp-extended expression= in-place in-place="
        " separate null-data unbuffered posix"),
    "awk": Options("", "Fv", "field-separator= assign= posix re-interval"),
    "jq": Options("abceCjMnrRsS", "", "arg argjson slurpfile rawfile args jsonargs raw-output"
        " raw-input compact-output null-input exit-status slurp sort-keys join-output tab indent"
        " ascii-output monochrome-output color-output raw-output0 seq stream unbuffered"),
    "xargs": Options("0rtpx", "nIPLdEsi", "null no-run-if-empty max-args= replace= max-procs="
        " max-lines= delimiter= verbose exit"),
    "timeout": Options("v", "ks", "kill-after= signal= preserve-status foreground verbose"),
    "nice": Options("", "n", "adjustment="),
    "bc": Options("lqsw", "", "mathlib quiet standard"),
    "uname": Options("amnoprsv", "", ""),
    "nproc": Options("", "", "all ignore="),
    "hostname": Options("sf", "", ""),
    "id": Options("ugn", "", ""),
    "type": Options("apPtf", "", ""),
    "which": Options("a", "", ""),
    "wait": Options("n", "", ""),
    "tput": Options(),
    "read": Options("ers", "adinNptu", ""),
    "mapfile": Options("t", "dnOsu", ""),
    "readarray": Options("t", "dnOsu", ""),
    "cd": Options("LPe", "", ""),
    "pushd": Options("n", "", ""),
    "popd": Options("n", "", ""),
    "pwd": Options("LP", "", ""),
    "command": Options("vV", "", ""),
    "trap": Options("lp", "", ""),
}  # fmt: skip

OPTIONS: Final = {**_READING, **_WRITING, **_OTHER}
READING: Final = frozenset(_READING)
WRITING: Final = frozenset(_WRITING)


class Option(NamedTuple):
    """An option with its word; `name` has no dashes."""

    name: str
    word: Value | None


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a command, told apart."""

    options: tuple[Option, ...]
    operands: tuple[Value, ...]
    unknown: tuple[str, ...]
    """Options that are not listed."""

    def words_of(self, *names: str) -> list[Value]:
        """Return the words of some options."""
        return [word for name, word in self.options if name in names and word is not None]

    def has(self, *names: str) -> bool:
        """Tell whether one of some options is given."""
        return any(name in names for name, _ in self.options)


def read_options(name: str, values: list[Value], *, permuted: bool = True) -> Given:
    """Tell options and operands of a command apart.

    A value whose beginning is not known counts as an operand. With `permuted` unset, nothing after
    the first operand is an option, as with commands that run others.
    """
    known = OPTIONS.get(name, Options())
    options: list[Option] = []
    operands: list[Value] = []
    unknown: list[str] = []
    waiting = iter(values)
    for value in waiting:
        if not _is_option(value):
            operands.append(value)
            if permuted:
                continue
            operands += waiting
        elif value == ("--",):
            operands += waiting
        else:
            for option in _one(known, value, waiting):
                (unknown if isinstance(option, str) else options).append(option)  # type: ignore[arg-type]
    return Given(tuple(options), tuple(operands), tuple(unknown))


def _is_option(value: Value) -> bool:
    head = value[0] if value else ""
    return isinstance(head, str) and head.startswith("-") and value != ("-",)


def _one(known: Options, value: Value, waiting: Iterator[Value]) -> Iterator[Option | str]:
    head = str(value[0])
    if head.startswith("--"):
        yield _long(known, value, waiting)
        return
    for index, letter in enumerate(head[1:], 1):
        if letter in known.with_word:
            rest: Value = merged((head[index + 1 :], *value[1:]))
            yield Option(letter, rest or next(waiting, ()))
            return
        yield Option(letter, None) if letter in known.flags else f"-{letter}"
    if len(value) > 1:
        yield f"{head}…"


def _long(known: Options, value: Value, waiting: Iterator[Value]) -> Option | str:
    head = str(value[0])
    name, equals, first = head[2:].partition("=")
    listed = known.long.split()
    if equals and f"{name}=" in listed:
        return Option(name, merged((first, *value[1:])))
    if len(value) == 1 and not equals and name in listed:
        return Option(name, None)
    if len(value) == 1 and not equals and f"{name}=" in listed:
        return Option(name, next(waiting, ()))
    return f"--{name}"
