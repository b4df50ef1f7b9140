"""The place in the application that threw an error: a module and a function.

Line numbers, addresses and where the application is installed say nothing about the cause. Frames
of libraries and of the runtime are skipped.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pattern_engine.reading.error import Frame, ReadError

__all__ = ["is_vendored", "place_of", "thrown_by_application"]

#: Parts of a path that tell a library's or the runtime's file.
_VENDORED_PARTS: Final = (
    "node_modules", "site-packages", "dist-packages", "lib/python", "deno.land", "/go/pkg/mod/",
    "/usr/local/go/", "/go/src/", "/vendor/", "/gems/", "vendor_ruby", "/rustc/", ".cargo/registry",
    "dart:", "/_internal/", "<frozen ", "/usr/lib/", "/usr/share/perl", "polyfills",
)  # fmt: skip
#: Beginnings of paths and of packages that are not the application's.
_VENDORED_STARTS: Final = (
    "node:", "internal/", "<", "npm:", "jsr:", "ext:", "https://esm.", "https://cdn.",
    "https://jsr.", "java.", "javax.", "jakarta.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.",
    "scala.", "groovy.", "org.springframework.", "org.apache.", "org.hibernate.", "io.netty.",
    "reactor.", "com.zaxxer.", "org.postgresql.", "org.junit.", "runtime.", "net/http.", "reflect.",
    "testing.", "System.", "Microsoft.", "Npgsql.", "package:flutter/", "asyncpg/", "psycopg",
    "lib/ecto", "lib/postgrex", "lib/gen_", "lib/db_connection", "gen_server.erl", "std::", "core::",
    "com.mysql.", "oracle.", "com.google.common.", "okhttp3.", "retrofit2.", "com.fasterxml.",
    "clojure.", "akka.", "zio.", "cats.", "doobie.", "slick.", "java/", "sun/", "native",
)  # fmt: skip
_NOTHING: Final = frozenset(
    {"", "<anonymous>", "<module>", "<lambda>", "<unknown>", "?", "(anonymous)"}
)
_OVERFLOW: Final = re.compile(
    r"(?i)stack ?overflow|call stack|stack level|recursion|function nesting"
).search
_OWNERS: Final = re.compile(r"(?:Object|globalThis|Module|exports|Function|window|Generator)\.")
_BUILD_HASH: Final = re.compile(r"[.-](?=[A-Za-z]*[0-9])[0-9A-Za-z_]{4,}")
#: Vite and esbuild add eight letters and digits to the name of a bundle that a browser loads. Letters
#: alone are taken for them if there are capitals, even where they are the name of a component.
_BUNDLE: Final = re.compile(r"https?://").match
_BUNDLE_HASH: Final = re.compile(r"(?:\A|[.-])(?=[a-z_-]*[0-9A-Z])[\w-]{8}\Z", re.ASCII)
_UNSTABLE: Final = re.compile(
    r"<anonymous>|\$\$?Lambda.*|\$[0-9]+|::\{\{closure\}\}|\(anonymous.*|\.func[0-9.]+|\.<locals>|/[0-9]+\Z"
)


def is_vendored(function: str, place: str) -> bool:
    """Return whether a frame is a library's or the runtime's."""
    return (
        place.startswith(_VENDORED_STARTS)
        or function.startswith(_VENDORED_STARTS)
        or any(map(place.__contains__, _VENDORED_PARTS))
    )


def thrown_by_application(frames: Sequence[Frame]) -> bool:
    """Return whether the first frame that has a place is the application's own."""
    for frame in frames:
        if frame.place or frame.function:
            return not is_vendored(frame.function, frame.place)
    return False


def place_of(error: ReadError) -> str | None:
    """Return `module.function` of the application's innermost named frame; None where there is none.

    Where the stack has overflown, any function of the recursion may be the innermost: it is named by
    the first of them in the order of the alphabet.
    """
    own = [frame for frame in error.frames if not is_vendored(frame.function, frame.place)]
    named = next((each for each in own if each.function not in _NOTHING), own[0] if own else None)
    if named is None:
        return None
    if _OVERFLOW(error.kind or "") or _OVERFLOW(error.message):
        repeated = {each for each, times in Counter(own).items() if times > 1}
        named = min(repeated, default=named)
    return _place(named.function, named.place)


@lru_cache(maxsize=4096)
def _place(function: str, place: str) -> str:
    function = _UNSTABLE.sub("", _OWNERS.sub("", function)).strip(". ")
    file = place.replace("\\", "/").rpartition("/")[2].partition("?")[0]
    module = file.rpartition(".")[0] or file
    module = _BUILD_HASH.sub("", _BUNDLE_HASH.sub("", module) if _BUNDLE(place) else module)
    if "." in function and place.endswith((".java", ".kt", ".scala", ".groovy")):
        return ".".join(function.split(".")[-2:])  # a package, a class and a method
    # Ruby writes of a block in total of the class Cart: block in Cart#total.
    last = function.rpartition("#")[2].rpartition(" in ")[2].rpartition("/")[2].replace("::", ".")
    return f"{module}.{last}" if module and last else module or last or file
