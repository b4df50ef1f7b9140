"""Whatever the analysis lets pass, the box holds: the world outside is the same afterwards."""

import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.box import needs_box
from tests.core.fixes import bash_directory_scripts, bash_scripts

from pattern_engine.fixes.bash.analysis import analyse
from pattern_engine.fixes.bash.executor import Bash
from pattern_engine.fixes.execution import Job, Limits
from pattern_engine.settings import Facilities

pytest.importorskip("tree_sitter_bash", reason="the extra `fixes` is not installed")


LIMITS = Limits(timeout_ms=3_000)
LET_PASS = [
    script
    for corpus, parameters in (
        ([one for scripts in bash_scripts.REFUSED.values() for one in scripts], {}),
        (bash_directory_scripts.REFUSED, {"directories": bash_directory_scripts.DIRECTORIES}),
    )
    for script in corpus
    if analyse(script, parameters).accepted
]


class World:
    """What is around the granted directories, and a listener on the loopback."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.roots = {name: home / name for name in bash_directory_scripts.DIRECTORIES}
        for root in (*self.roots.values(), home / "outside"):
            root.mkdir()
            (root / "app.json").write_text('{"a": 1}')
            (root / "a.lock").write_text("1")
        self.writable = {
            self.roots[name]
            for name, mode in bash_directory_scripts.DIRECTORIES.items()
            if mode == "write"
        }

    def seen(self) -> dict[str, Any]:
        """Return what a script must not change, whatever was granted."""
        files = {
            str(path): (path.lstat().st_mode, _digest(path), path.lstat().st_uid)
            for path in sorted(self.home.rglob("*"))
            if path.parts[len(self.home.parts)] != "state"
            and not any(root == path or root in path.parents for root in self.writable)
        }
        watched = (Path("/etc"), Path("/usr/local/bin"), Path("/"), self.home)
        names = {
            str(path): sorted({one.name for one in path.iterdir()} - {"state"}) for path in watched
        }
        return {"files": files, "names": names, "boxes": self.boxes()}

    @staticmethod
    def boxes() -> list[str]:
        """Return the processes that are in a box of this process."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes()
                parent = path.with_name("stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if b"bwrap" in line and parent == str(os.getpid()):
                found.append(str(path))
        return found

    def odd(self) -> list[str]:
        """Return what a script left in writable directories that is no plain file of ours."""
        return [
            str(path)
            for root in self.writable
            for path in root.rglob("*")
            if path.is_symlink()
            or not (path.is_file() or path.is_dir())
            or (path.is_file() and path.lstat().st_nlink > 1)
            or path.lstat().st_mode & 0o7000
        ]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@needs_box
@pytest.mark.parametrize("script", [*LET_PASS, *bash_directory_scripts.HOSTILE_RUNS])
def test_a_hostile_script_changes_nothing_outside(script: str, tmp_path: Path) -> None:
    """Neither files, nor processes, nor names elsewhere; and nothing is received."""
    world = World(tmp_path)
    facilities = Facilities(
        bash=True,
        bash_directories={name: str(path) for name, path in world.roots.items()},
        bash_state_directory=str(tmp_path / "state"),
        bash_copy_bytes=8 << 20,
    )
    parameters = {"directories": bash_directory_scripts.DIRECTORIES}
    before = world.seen()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
    ):
        port = listener.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        hostile = script.replace("PORT", str(port))
        Bash(facilities).run(Job("application", hostile, parameters, {"message": "m"}, LIMITS))
        for receiver in (listener, datagrams):
            receiver.setblocking(False)
            with pytest.raises(BlockingIOError):
                receiver.accept() if receiver is listener else receiver.recv(1)
    assert world.seen() == before
    assert world.odd() == []


@needs_box
def test_this_would_notice_a_change(tmp_path: Path) -> None:
    """A world in which one byte, right or name is different is not the same world."""
    world = World(tmp_path)
    before = world.seen()
    (world.roots["templates"] / "app.json").write_text("changed")
    assert world.seen() != before
    (world.roots["spool"] / "link").symlink_to("/etc")
    assert world.odd()
