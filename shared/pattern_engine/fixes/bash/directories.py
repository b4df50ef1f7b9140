"""Copies of granted directories: what goes into the box, what comes back, and the difference.

A script works on copies in memory, of plain files and directories alone: a link, a device, a socket
or a second name of a file would lead out of the directory, so a directory with one of them is
refused. What comes back is read as data; nothing of it is unpacked on the host.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Change", "Copies", "DirectoryError", "Entry", "entry_at"]

_RIGHTS: Final = 0o777


class DirectoryError(Exception):
    """A granted directory cannot be copied, or what became of it cannot be applied."""


class Entry(NamedTuple):
    """A file, or a directory, which has no content, at one moment."""

    mode: int
    content: bytes | None
    mtime_ns: int = 0
    inode: int = 0
    owner: int = -1
    group: int = -1


class Change(NamedTuple):
    """What became of one path, `NAME/path`; None stands for there being nothing."""

    path: str
    before: Entry | None
    after: Entry | None

    @property
    def kind(self) -> str:
        """What the script did."""
        return "made" if not self.before else "changed" if self.after else "deleted"

    @property
    def size(self) -> int:
        """Bytes that were replaced or written, whichever is more."""
        return max(len(one.content or b"") for one in (self.before, self.after) if one)


def entry_at(directory: int, name: str, max_bytes: int = 1 << 40) -> Entry | None:
    """Read what there is at a name, None if nothing; DirectoryError if it is no plain file."""
    hint = "is not copied: a fix gets plain files with one name, up to the limit of bytes"
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as problem:  # a link, a socket, or a file that this process may not read
        raise DirectoryError(f"{name} ({problem.strerror}) {hint}") from None
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, opened)
        found = os.fstat(opened)
        mode, *owner = found.st_mode, found.st_ino, found.st_uid, found.st_gid
        if stat.S_ISDIR(mode):
            return Entry(mode, None, 0, *owner)
        if not stat.S_ISREG(mode) or found.st_nlink > 1 or found.st_size > max_bytes:
            seen = f"{stat.filemode(mode)}, {found.st_size} bytes, {found.st_nlink} names"
            raise DirectoryError(f"{name} ({seen}) {hint}")
        return Entry(mode, os.read(opened, found.st_size), found.st_mtime_ns, *owner)


@dataclass(slots=True)
class Copies:
    """The directories of one run, packed for the box."""

    roots: Mapping[str, str]
    """Name → path on the host."""
    modes: Mapping[str, str]
    """Name → `read` or `write`."""
    max_bytes: int
    max_files: int
    entries: dict[str, Entry] = field(default_factory=dict)
    """What was found, by `NAME/path`; without rights to write where it is granted for reading."""

    def packed(self) -> bytes:
        """Read the directories and pack them; DirectoryError if they are beyond the limits."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, root in self.roots.items():
                files = size = 0
                for path, entry in self._found(name, root):
                    content = entry.content or b""
                    files, size = files + 1, size + len(content)
                    if files > self.max_files + 1 or size > self.max_bytes:
                        reason = f"holds more than {self.max_files} files or {self.max_bytes} bytes"
                        hint = (
                            "raise PATTERN_ENGINE_BASH_COPY_FILES or PATTERN_ENGINE_BASH_COPY_BYTES"
                        )
                        raise DirectoryError(
                            f"{name} {reason}: grant a smaller directory, or {hint}"
                        )
                    member = tarfile.TarInfo(path)
                    member.type = tarfile.DIRTYPE if entry.content is None else tarfile.REGTYPE
                    member.mode, member.size = entry.mode & _RIGHTS, len(content)
                    member.mtime = entry.mtime_ns // 1_000_000_000
                    archive.addfile(member, io.BytesIO(content))
                    self.entries[path] = entry
        return buffer.getvalue()

    def _found(self, name: str, root: str) -> Iterator[tuple[str, Entry]]:
        """Yield what is in a directory, itself first."""
        closed = 0 if self.modes[name] == "write" else 0o222
        for top, folders, files, directory in os.fwalk(root, onerror=_refuse):
            at = f"{name}/{os.path.relpath(top, root)}"
            for one in [*([] if top != root else ["."]), *sorted([*folders, *files])]:
                if entry := entry_at(directory, one, self.max_bytes):
                    yield os.path.normpath(f"{at}/{one}"), entry._replace(mode=entry.mode & ~closed)

    def difference(self, back: bytes) -> list[Change]:
        """Return what a script changed, in the order in which to apply it.

        It is a DirectoryError if there is what is no plain file, or a change of what is read-only.
        """
        try:
            with tarfile.open(fileobj=io.BytesIO(back), mode="r:") as archive:
                after = dict(self._unpacked(archive))
        except DirectoryError:
            raise
        except Exception as problem:  # noqa: BLE001  a script may have written the archive itself
            reason = f"what came back from the box is damaged: {problem}"
            raise DirectoryError(reason) from None
        gone, left = list[Change](), list[Change]()
        for path in sorted(self.entries.keys() | after.keys()):
            old, new = self.entries.get(path), after.get(path)
            if old and (new is None or (old.content is None) != (new.content is None)):
                gone.append(Change(path, old, None))
                old = None
            if new and (old is None or old[:2] != new[:2]):
                left.append(Change(path, old, new))
        for change in (*gone, *left):
            root, *parts = change.path.split("/")
            if not parts and not change.after:
                raise DirectoryError(f"{root} itself did not come back from the box")
            if self.modes[root] != "write":
                reason = f"the script {change.kind} {change.path}, which is granted for reading"
                raise DirectoryError(reason)
            if not change.path.isprintable():
                reason = "has a name with characters that nobody can read: choose another one"
                raise DirectoryError(f"{change.path!a} {reason}")
        # What is deleted goes first, and from within outwards.
        return [*reversed(gone), *left]

    def _unpacked(self, archive: tarfile.TarFile) -> Iterator[tuple[str, Entry]]:
        left = self.max_bytes * len(self.roots)
        for member in archive:
            path, before = member.name, self.entries.get(member.name)
            root, *parts = path.split("/")
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise DirectoryError(f"the script left {path!a}, which is no plain file: use cp")
            if not 0 <= member.size <= left or root not in self.roots or {"", ".", ".."} & {*parts}:
                raise DirectoryError(f"{path!a} is too large, or in none of the directories")
            left -= member.size
            file = archive.extractfile(member)
            content = file.read() if file else None
            # A file that runs with the rights of its owner does so with its own content alone.
            kept = before.mode & 0o7000 if before and before.content == content else 0
            kind = stat.S_IFDIR if member.isdir() else stat.S_IFREG
            yield path, Entry(kind | kept | member.mode & _RIGHTS, content)


def _refuse(problem: OSError) -> None:
    raise problem
