"""Granted directories: copies of them for the box, and applying what a script did to these.

A script works on copies in memory, of plain files and directories alone: a link, a device, a socket
or a second name of a file would lead out of the directory, so a directory with one of them is
refused. What comes back is read as data; nothing of it is unpacked on the host.

It is applied as a whole or not at all. Before anything is renamed, what there was and what there
will be is written to `open/RUN` in the state directory; when all is done, that file is moved to
`kept/RUN`. A run that was killed has left its file in `open`, and is undone at the next start, not
finished: nobody recorded that it succeeded. What is kept takes a run back until its file's time.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import io
import itertools
import json
import os
import stat
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Change", "Copies", "DirectoryError", "Entry", "Journal", "entry_at"]

_LIMITS: Final = "PATTERN_ENGINE_BASH_COPY_FILES or PATTERN_ENGINE_BASH_COPY_BYTES"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


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

    roots: Mapping[str, str]  # name → path on the host
    modes: Mapping[str, str]  # name → `read` or `write`
    max_bytes: int
    max_files: int
    entries: dict[str, Entry] = field(default_factory=dict)
    """What was found, by `NAME/path`; without rights to write where it is granted for reading."""

    def packed(self) -> bytes:
        """Read the directories and pack them; DirectoryError if they are beyond the limits."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path, entry in itertools.chain(*map(self._found, self.roots)):
                self.entries[path], content = entry, entry.content or b""
                member = tarfile.TarInfo(path)
                member.type = tarfile.DIRTYPE if entry.content is None else tarfile.REGTYPE
                member.mode, member.size = entry.mode & 0o777, len(content)
                member.mtime = entry.mtime_ns // 1_000_000_000
                archive.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    def _found(self, name: str) -> Iterator[tuple[str, Entry]]:
        """Yield what is in a directory, itself first."""
        root, closed = self.roots[name], 0 if self.modes[name] == "write" else 0o222
        files = size = 0
        for top, folders, names, directory in os.fwalk(root, onerror=_refuse):
            at = f"{name}/{os.path.relpath(top, root)}"
            for one in [*([] if top != root else ["."]), *sorted([*folders, *names])]:
                if entry := entry_at(directory, one, self.max_bytes):
                    files, size = files + 1, size + len(entry.content or b"")
                    if files > self.max_files + 1 or size > self.max_bytes:
                        most = f"{self.max_files} files or {self.max_bytes} bytes"
                        hint = f"grant a smaller directory, or raise {_LIMITS}"
                        raise DirectoryError(f"{name} holds more than {most}: {hint}")
                    yield os.path.normpath(f"{at}/{one}"), entry._replace(mode=entry.mode & ~closed)

    def difference(self, back: bytes) -> list[Change]:
        """Return the changes in the order to apply them; DirectoryError for one that may not be."""
        try:
            with tarfile.open(fileobj=io.BytesIO(back), mode="r:") as archive:
                after = dict(self._unpacked(archive))
        except DirectoryError:
            raise
        except Exception as problem:  # noqa: BLE001  a script may have written the archive itself
            raise DirectoryError(f"what came back from the box is damaged: {problem}") from None
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
                raise DirectoryError(f"{change.path!a} has unprintable characters: rename it")
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
            yield path, Entry(kind | kept | member.mode & 0o777, content)


class _Run(NamedTuple):
    """What one run did, as it is kept; its name is also that of what it is about to put."""

    name: str
    roots: Mapping[str, str]
    changes: list[Change]

    @classmethod
    def read(cls, path: Path) -> _Run:
        try:
            name, roots, changes = json.loads(path.read_text())
            return cls(name, roots, [Change(at, *map(_entry, two)) for at, *two in changes])
        except (ValueError, TypeError) as problem:
            hint = "look at the granted directories, repair them by hand and delete this file"
            raise DirectoryError(f"{path} is damaged ({problem}): {hint}") from None

    @contextlib.contextmanager
    def at(self, path: str) -> Iterator[tuple[int, str]]:
        """Open the directory of a path without following a link; yields it and the last name."""
        root, *below = path.split("/")
        with contextlib.ExitStack() as stack:
            directory = None
            for parent in (self.roots[root], *below[:-1]):
                directory = os.open(parent, _FOLDER, dir_fd=directory)
                stack.callback(os.close, directory)
            yield directory or 0, below[-1] if below else "."

    def now(self, path: str) -> Entry | None:
        """Return what there is at a path; what no run puts anywhere if it is odd or larger."""
        try:
            with self.at(path) as (directory, name):
                return entry_at(directory, name, max(change.size for change in self.changes))
        except FileNotFoundError:
            return None
        except (OSError, DirectoryError):
            return Entry(0, None)

    def put(self, path: str, old: Entry | None, new: Entry | None) -> None:
        """Replace what is at a path by one call to the system, which is done or not."""
        with self.at(path) as (directory, name):
            if new is None:
                _remove(directory, name)
            else:
                owner = new if new.owner >= 0 else old or entry_at(directory, ".", 0) or new
                # Of a directory that stays, only the rights change.
                made = name if old is not None and new.content is None else self.name
                if made == self.name and new.content is None:
                    os.mkdir(made, 0o700, dir_fd=directory)
                flags = _FOLDER if new.content is None else _NEW_FILE
                _fill(os.open(made, flags, 0o600, dir_fd=directory), new, owner)
                os.rename(made, name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)

    def foreign(self) -> list[str]:
        """Return the paths at which there is neither what was before the run nor what it put."""
        now = {change.path: self.now(change.path) for change in self.changes}
        known = {at for at, *both in self.changes if any(_like(now[at], one) for one in both)}
        return [path for path in now if path not in known]

    def undo(self) -> list[str]:
        """Put back what there was, but for foreign paths, which are returned. May be repeated."""
        foreign = self.foreign()
        for change in reversed(self.changes):
            with contextlib.suppress(OSError), self.at(change.path) as (directory, _):
                _remove(directory, self.name)
            now = self.now(change.path)
            if change.path not in foreign and not _like(now, change.before):
                try:
                    self.put(change.path, now, change.before)
                except OSError:  # a directory in which somebody has put something, for instance
                    foreign.append(change.path)
        return foreign


class Journal:
    """What runs did to granted directories; all engines that share a directory share this."""

    def __init__(self, home: str) -> None:
        self._home = Path(home).expanduser()
        for name in ("open", "kept", "locks"):
            (self._home / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home.chmod(0o700)

    @contextlib.contextmanager
    def locked(self, names: Sequence[str] = (), seconds: float = 60) -> Iterator[None]:
        """Hold the locks of directories, so that no two runs work on one; or the journal's."""
        until = time.monotonic() + seconds
        with contextlib.ExitStack() as stack:
            for name in sorted(names) or ["the journal"]:
                file = stack.enter_context((self._home / "locks" / _hash(name)).open("w"))
                while True:
                    with contextlib.suppress(BlockingIOError):
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    if time.monotonic() > until:
                        raise DirectoryError(f"another run works on {name}")
                    time.sleep(0.05)
            yield

    def apply(
        self, run_id: str, roots: Mapping[str, str], changes: list[Change], keep_seconds: float
    ) -> None:
        """Apply changes, all or none: DirectoryError if a file changed, or a write is refused."""
        run = _Run(f".pattern-engine-{_hash(run_id)}", roots, changes)
        written = json.dumps(run, default=lambda content: base64.b64encode(content).decode())
        note = Entry(0o600, written.encode(), int((time.time() + keep_seconds) * 1e9))
        with self.locked():
            path = self._home / "locks" / run.name
            _fill(os.open(path, _NEW_FILE, 0o600), note, note)
            path = self._move(path, "open")
            try:
                for change in changes:
                    if run.now(change.path) != change.before:
                        reason = "changed while the script ran; nothing of the run remains"
                        raise DirectoryError(f"{change.path} {reason}")  # noqa: TRY301  undone below
                    run.put(change.path, change.before, change.after)
            except (OSError, DirectoryError) as problem:
                self._undo(run, path)
                raise DirectoryError(str(problem)) from problem
            self._move(path, "kept")

    def recover(self) -> list[str]:
        """Undo runs that were killed, and forget old ones; return the foreign paths, which stay."""
        with self.locked():
            opened = [*(self._home / "open").iterdir()]
            foreign = [one for path in opened for one in self._undo(_Run.read(path), path)]
            for path in (self._home / "kept").iterdir():
                if path.stat().st_mtime < time.time():
                    path.unlink()
            for path in (self._home / "locks").glob(".pattern-engine-*"):
                path.unlink()  # written halfway
        return foreign

    def take_back(self, run_id: str) -> list[Change]:
        """Restore what a run replaced; DirectoryError if nothing is kept, or a file changed."""
        kept = self._home / "kept" / f".pattern-engine-{_hash(run_id)}"
        with self.locked():
            if not kept.exists():
                reason = "it changed no file, was taken back before, or its undo_hours are over"
                raise DirectoryError(f"nothing is kept of this run: {reason}")
            run = _Run.read(kept)
            # Once the file is moved, whoever starts next ends this.
            if foreign := run.foreign() or self._undo(run, self._move(kept, "open")):
                raise DirectoryError(f"{', '.join(foreign)} changed since the run: repair by hand")
        return run.changes

    def _undo(self, run: _Run, path: Path) -> list[str]:
        """Undo a run; if some of it cannot be undone, what it replaced is kept for its time."""
        if foreign := run.undo():
            self._move(path, "kept")
        else:
            path.unlink()
        return foreign

    def _move(self, path: Path, folder: str) -> Path:
        """Move a run's file, so that this is known after a loss of power too."""
        path = path.rename(self._home / folder / path.name)
        directory = os.open(path.parent, _FOLDER)
        os.fsync(directory)
        os.close(directory)
        return path


def _entry(given: list[Any] | None) -> Entry | None:
    if given is None:
        return None
    mode, content, *rest = given
    return Entry(mode, None if content is None else base64.b64decode(content), *rest)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _like(one: Entry | None, other: Entry | None) -> bool:
    """Tell whether two have the same rights and content."""
    return (one and one[:2]) == (other and other[:2])


def _remove(directory: int, name: str) -> None:
    """Remove a file, or a directory that is empty."""
    try:
        os.unlink(name, dir_fd=directory)
    except IsADirectoryError:
        os.rmdir(name, dir_fd=directory)


def _fill(opened: int, new: Entry, owner: Entry) -> None:
    """Give a file or directory that was just opened all that it has; names lead nowhere here."""
    try:
        if new.content is not None:
            with open(opened, "wb", closefd=False) as file:
                file.write(new.content)
        if os.geteuid() == 0:
            os.chown(opened, owner.owner, owner.group)
        os.chmod(opened, new.mode & 0o7777)
        if new.mtime_ns:
            os.utime(opened, ns=(new.mtime_ns, new.mtime_ns))
        os.fsync(opened)
    finally:
        os.close(opened)


def _refuse(problem: OSError) -> None:
    raise problem
