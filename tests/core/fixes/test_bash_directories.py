"""What bash fixes do to granted directories: within caps, as a whole or not at all, and back."""

import io
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.box import NO_BOX, needs_box

from pattern_engine.fixes.bash.directories import (
    Change,
    Copies,
    DirectoryError,
    Entry,
    Journal,
    entry_at,
)
from pattern_engine.fixes.bash.executor import Bash
from pattern_engine.fixes.execution import Job, Limits, Outcome
from pattern_engine.settings import Facilities

MODES = {"spool": "write", "config": "read"}


class Grants:
    """Two granted directories, and a state directory."""

    def __init__(self, home: Path, **limits: int) -> None:
        self.spool, self.config, self.state = home / "spool", home / "config", home / "state"
        (self.spool / "sub").mkdir(parents=True)
        self.config.mkdir()
        (self.spool / "a.lock").write_text("1")
        (self.spool / "sub" / "app.log").write_text("line\n" * 1_000)
        (self.config / "app.json").write_text("{}")
        (self.spool / "a.lock").chmod(0o640)
        self.facilities = Facilities(
            bash=True,
            bash_directories={"spool": str(self.spool), "config": str(self.config)},
            bash_state_directory=str(self.state),
            **limits,  # type: ignore[arg-type]
        )

    def run(self, script: str, run_id: str = "one", **parameters: Any) -> Outcome:
        """Run a script that was granted both."""
        return Bash(self.facilities).run(self.job(script, run_id, **parameters))

    @staticmethod
    def job(script: str, run_id: str = "one", **parameters: Any) -> Job:
        """Return a job whose approval names both."""
        given = {"directories": MODES, **parameters}
        return Job(run_id, script, given, {"message": "m"}, Limits(timeout_ms=10_000))

    def tree(self) -> dict[str, tuple[int, str, int]]:
        """Return all that is in the directories: rights, content and time of files."""
        return tree(self.spool) | tree(self.config)


def tree(root: Path) -> dict[str, tuple[int, str, int]]:
    """Return all that is in a directory: rights, content and time of files."""
    found = {}
    for path in sorted(root.rglob("*")):
        seen, is_file = path.lstat(), path.is_file()
        found[str(path)] = (
            seen.st_mode,
            path.read_text() if is_file else "",
            seen.st_mtime_ns if is_file else 0,
        )
    return found


@pytest.fixture
def grants(tmp_path: Path) -> Grants:
    """Directories of this test alone."""
    return Grants(tmp_path)


HEALS = (
    "rm /granted/spool/a.lock\n"
    'tail -n 10 "$GRANTED_SPOOL/sub/app.log" > /tmp/kept\ncat /tmp/kept > /granted/spool/sub/app.log\n'
    "mkdir /granted/spool/new\ncp /granted/config/app.json /granted/spool/new/copy.json\n"
    "jq -r .directories.spool params.json"
)


@needs_box
def test_what_a_script_did_is_applied_and_told(grants: Grants) -> None:
    """Files made, changed and deleted, by name; as many rows were touched."""
    outcome = grants.run(HEALS)
    assert outcome.error is None
    assert outcome.output["printed"] == "write\n"
    assert outcome.output["files"] == {
        "made": ["spool/new", "spool/new/copy.json"],
        "changed": ["spool/sub/app.log"],
        "deleted": ["spool/a.lock"],
        "count": 4,
        "bytes": 5_003,
    }
    assert (outcome.rows, outcome.tables) == (4, {"spool": 4})
    assert not (grants.spool / "a.lock").exists()
    assert (grants.spool / "sub" / "app.log").read_text() == "line\n" * 10
    assert (grants.spool / "new" / "copy.json").read_text() == "{}"


@needs_box
def test_a_rehearsal_tells_the_same_and_applies_nothing(grants: Grants) -> None:
    """What the dry-run shows is what a run would do."""
    before = grants.tree()
    rehearsed = Bash(grants.facilities).rehearse(grants.job(HEALS))
    assert grants.tree() == before
    assert rehearsed.output == grants.run(HEALS).output


@needs_box
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (HEALS + "\nexit 3", "exit code 3"),
        (HEALS + "\nsleep 30", "stopped after"),
        ("rm /granted/spool/a.lock; ln -s /etc/passwd /granted/spool/x", "no plain file"),
        ("ln /granted/spool/a.lock /granted/spool/b.lock", "no plain file"),
        ("mkfifo /granted/spool/x", "no plain file"),
        ("echo x > /granted/config/app.json", "Permission denied"),
        ("chmod u+w /granted/config/app.json; echo x > /granted/config/app.json", "for reading"),
        ("rm -rf /granted/config/app.json 2>/dev/null; chmod u+w /granted/config", "for reading"),
        ("rm -r /granted/spool/* ; head -c 9M /dev/zero > /granted/spool/x", ""),
    ],
)
def test_a_run_that_fails_changes_nothing(tmp_path: Path, script: str, said: str) -> None:
    """At its exit code, its time, at what is no plain file, or where it may only read."""
    grants = Grants(tmp_path, bash_copy_bytes=1 << 20)
    before = grants.tree()
    job = grants.job(script)
    outcome = Bash(grants.facilities).run(Job(*(job.application_id, script, job.parameters, {}),
                                              Limits(timeout_ms=2_000)))  # fmt: skip
    assert not outcome.success
    assert said in str(outcome.error)
    assert (grants.tree(), outcome.rows) == (before, 0)


@needs_box
@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        ({"max_files": 3}, "4 files and 5003 bytes, max_files is 3"),
        ({"max_bytes": 5_002}, "5003 bytes"),
    ],
)
def test_beyond_its_caps_nothing_of_a_run_remains(
    grants: Grants, parameters: dict[str, Any], numbers: str
) -> None:
    """The failure tells the numbers; at the caps it still passes."""
    before = grants.tree()
    outcome = grants.run(HEALS, **parameters)
    assert (outcome.success, outcome.stopped, outcome.rows) == (False, "rows", 0)
    assert numbers in str(outcome.error)
    assert grants.tree() == before
    assert grants.run(HEALS, max_files=4, max_bytes=5_003).success


@needs_box
@pytest.mark.parametrize("limit", [{"bash_copy_bytes": 5_000}, {"bash_copy_files": 2}])
def test_a_directory_beyond_the_limits_is_not_copied(tmp_path: Path, limit: dict[str, int]) -> None:
    """It is said before anything runs, with what to do."""
    outcome = Grants(tmp_path, **limit).run("true")
    assert (outcome.success, outcome.started) == (False, False)
    assert str(limit.popitem()[1]) in str(outcome.error)


SPECIAL: dict[str, Callable[[Path], object]] = {
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "a link to a directory": lambda path: path.symlink_to("/etc"),
    "a pipe": os.mkfifo,
    "a second name": lambda path: path.hardlink_to(path.parent / "a.lock"),
    "a socket": lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
}


@needs_box
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", SPECIAL)
def test_what_leads_out_of_a_directory_is_not_copied(
    grants: Grants, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither links, special files nor second names, in a writable or a readable directory."""
    monkeypatch.chdir(grants.spool)
    SPECIAL[kind](Path("x") if kind == "a socket" else grants.spool / "x")
    outcome = grants.run("true")
    assert (outcome.success, outcome.started) == (False, False)
    assert "plain files" in str(outcome.error) or "one name" in str(outcome.error)


@needs_box
def test_what_changed_outside_meanwhile_is_not_overwritten(grants: Grants) -> None:
    """The whole run is undone, and fails with the name of the file."""
    log = grants.spool / "sub" / "app.log"

    def meddle() -> None:
        time.sleep(0.5)
        log.write_text("somebody else's line\n")

    thread = threading.Thread(target=meddle)
    thread.start()
    outcome = grants.run(f"{HEALS}\nsleep 1.5")
    thread.join()
    assert not outcome.success
    assert "spool/sub/app.log changed while the script ran" in str(outcome.error)
    assert log.read_text() == "somebody else's line\n"
    assert (grants.spool / "a.lock").read_text() == "1"
    assert not (grants.spool / "new").exists()


@needs_box
def test_runs_on_one_directory_follow_one_another(grants: Grants) -> None:
    """Of ten that count up at once, each counts."""
    (grants.spool / "n").write_text("0\n")
    script = "n=$(cat /granted/spool/n)\nsleep 0.1\necho $((n + 1)) > /granted/spool/n"
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(
            target=lambda number=number: outcomes.append(grants.run(script, str(number)))
        )
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.error for outcome in outcomes] == [None] * 6
    assert (grants.spool / "n").read_text() == "6\n"


@needs_box
def test_rights_and_owner_stay(grants: Grants) -> None:
    """A changed file keeps them; a new one gets the owner of its directory."""
    if os.geteuid() == 0:
        os.chown(grants.spool, 12_345, 12_345)
        os.chown(grants.spool / "a.lock", 12_346, 12_346)
    assert grants.run(
        "echo 2 > /granted/spool/a.lock; echo 3 > /granted/spool/b; chmod 600 /granted/spool/b"
    ).success
    changed, made = ((grants.spool / name).stat() for name in ("a.lock", "b"))
    assert (stat.S_IMODE(changed.st_mode), stat.S_IMODE(made.st_mode)) == (0o640, 0o600)
    if os.geteuid() == 0:
        assert (changed.st_uid, made.st_gid) == (12_346, 12_345)


@needs_box
def test_a_run_is_taken_back_once(grants: Grants) -> None:
    """Content, rights, time and directories are as they were; then nothing of it is kept."""
    before = grants.tree()
    assert grants.run(HEALS).success
    executor = Bash(grants.facilities)
    taken = executor.take_back("one")
    assert (taken.success, taken.rows) == (True, 4)
    assert grants.tree() == before
    again = executor.take_back("one")
    assert (again.success, again.started) == (False, False)
    assert "nothing is kept" in str(again.error)


@needs_box
def test_what_changed_since_is_not_taken_back(grants: Grants) -> None:
    """Nothing is restored at all, and it can be tried again once the file is as the run left it."""
    assert grants.run(HEALS).success
    log = grants.spool / "sub" / "app.log"
    left = log.read_text()
    log.write_text("newer\n")
    after = grants.tree()
    executor = Bash(grants.facilities)
    refused = executor.take_back("one")
    assert "spool/sub/app.log changed since the run" in str(refused.error)
    assert grants.tree() == after
    log.write_text(left)
    assert executor.take_back("one").success


@needs_box
def test_what_is_kept_goes_when_its_time_is_over(grants: Grants) -> None:
    """The next run forgets it."""
    assert grants.run(HEALS, undo_hours=0).success
    assert len(list((grants.state / "kept").iterdir())) == 1
    assert grants.run("true", "two").success
    assert list((grants.state / "kept").iterdir()) == []
    assert stat.S_IMODE(grants.state.stat().st_mode) == 0o700


@needs_box
def test_a_directory_that_is_not_granted_here_does_not_start(grants: Grants) -> None:
    """What an approval names, the deployment must have granted."""
    job = Job("one", "true", {"directories": {"other": "write"}}, {}, Limits())
    outcome = Bash(grants.facilities).run(job)
    assert not outcome.started
    assert "PATTERN_ENGINE_BASH_DIRECTORIES" in str(outcome.error)


# What follows needs no box: applying is a matter of the journal alone.

#: Ends a process at the n-th call by which it would change something on disk.
DIES = """
import json, os, signal, sys
sys.path[:0] = {path!r}
from pattern_engine.fixes.bash.directories import Journal
from tests_directories import changes
step, what = int(sys.argv[1]), sys.argv[2]
journal = Journal({state!r})
roots, found = changes({home!r}) if what == "apply" else ({{}}, [])
seen = 0
def count(event, arguments):
    global seen
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.utime"):
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
if what == "apply":
    journal.apply("one", roots, found, 3600)
else:
    journal.take_back("one")
"""

#: What makes the changes of a run: a file made, changed, deleted; directories made and deleted; a
#: file that becomes a directory.
CHANGES = """
import os, stat
from pattern_engine.fixes.bash.directories import Change, Entry, entry_at
def changes(home):
    root = os.open(home, os.O_RDONLY)
    old = {name: entry_at(root, name) for name in ("a", "b", "d", "x")}
    sub = os.open(home + "/d", os.O_RDONLY)
    inner = entry_at(sub, "inner")
    file, folder = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755
    return {"r": home}, [
        Change("r/x", old["x"], None),
        Change("r/d/inner", inner, None),
        Change("r/d", old["d"], None),
        Change("r/b", old["b"], None),
        Change("r/a", old["a"], Entry(stat.S_IFREG | 0o600, b"changed")),
        Change("r/n", None, Entry(folder, None)),
        Change("r/n/new", None, Entry(file, b"new")),
        Change("r/x", None, Entry(folder, None)),
    ]
"""


@pytest.mark.parametrize("what", ["apply", "take back"])
def test_a_process_that_is_killed_leaves_nothing_in_between(tmp_path: Path, what: str) -> None:
    """Killed at any step and started again, a run was done as a whole, or is undone as a whole."""
    (tmp_path / "tests_directories.py").write_text(CHANGES)
    home, state = tmp_path / "home", tmp_path / "state"
    code = DIES.format(path=[*sys.path, str(tmp_path)], state=str(state), home=str(home))
    undone: dict[str, Any] = {}
    ends = set()
    for step in range(1, 60):
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)
        (home / "d").mkdir(parents=True)
        for name in ("a", "b", "x", "d/inner"):
            (home / name).write_text(name)
            os.utime(home / name, ns=(1_000_000_000, 1_000_000_000))
        before = tree(home)
        if what == "take back":
            done = subprocess.run([sys.executable, "-c", code, "0", "apply"], check=False)
            assert done.returncode == 0
        after = plain(tree(home)) if what == "take back" else undone.get("after", {})
        command = [sys.executable, "-c", code, str(step), what]
        done = subprocess.run(command, check=False, capture_output=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        assert Journal(str(state)).recover() == []
        found = tree(home)
        if done.returncode == 0:
            ends.add("finished")
            assert (plain(found) == after) if what == "apply" and after else True
            break
        if found == before:
            ends.add("undone")
        else:
            ends.add("whole")
            undone.setdefault("after", plain(found))
            assert plain(found) == (after or undone["after"])
            assert (home / "n" / "new").exists()
            assert not (home / "b").exists()
    else:
        pytest.fail("it never came to its end")
    assert step > 12
    assert {"undone", "finished"} <= ends
    assert list((state / "open").iterdir()) == []
    assert list(home.rglob(".pattern-engine-*")) == []


def plain(found: dict[str, tuple[int, str, int]]) -> dict[str, tuple[int, str]]:
    """Return a tree without times."""
    return {path: (mode, content) for path, (mode, content, _) in found.items()}


def test_a_file_that_was_written_since_the_kill_stays(tmp_path: Path) -> None:
    """What somebody else wrote is newer than what the run replaced."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("a", "b"):
        (home / name).write_text(name)
    root = os.open(home, os.O_RDONLY)
    changes = [Change(f"r/{name}", entry_at(root, name), None) for name in ("a", "b")]
    os.close(root)
    journal = Journal(str(tmp_path / "state"))
    journal.apply("one", {"r": str(home)}, changes, 60)
    kept = next((tmp_path / "state" / "kept").iterdir())
    kept.rename(tmp_path / "state" / "open" / kept.name)
    (home / "b").write_text("newer")
    assert journal.recover() == ["r/b"]
    assert ((home / "a").read_text(), (home / "b").read_text()) == ("a", "newer")


def test_a_lock_that_somebody_holds_is_waited_for_and_named(tmp_path: Path) -> None:
    """No longer than told."""
    journal = Journal(str(tmp_path / "state"))
    with (
        journal.locked(["/x"], 1),
        pytest.raises(DirectoryError, match="another run works on /x"),
        journal.locked(["/x"], 0.1),
    ):
        pass


def test_what_comes_back_is_not_believed(tmp_path: Path) -> None:
    """Garbage, paths that lead out and missing directories are refused."""
    copies = Copies({"spool": str(tmp_path)}, {"spool": "write"}, 1_000, 10)
    copies.packed()
    with pytest.raises(DirectoryError):
        copies.difference(b"x" * 2_000)
    for name in ("spool/../x", "other/x", "/etc/x"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
        with pytest.raises(DirectoryError):
            copies.difference(buffer.getvalue())
    assert isinstance(copies.entries["spool"], Entry)
    assert json.dumps(copies.modes)


def packed(*members: tuple[str, dict[str, Any]], content: bytes = b"x") -> bytes:
    """Return an archive of one directory and these members, whatever they are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, given in (
            ("spool", {"type": tarfile.DIRTYPE, "mode": 0o755, "size": 0}),
            *members,
        ):
            member = tarfile.TarInfo(name)
            for key, value in {"size": len(content), "mode": 0o644, **given}.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content if member.size else b""))
    return buffer.getvalue()


def chained() -> bytes:
    """Return an archive in which one long name follows another, deeper than Python calls."""
    member = tarfile.TarInfo("spool/x")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2
    return (member.tobuf(tarfile.GNU_FORMAT) + b"x\0".ljust(512, b"\0")) * 5_000


def negative() -> bytes:
    """Return an archive with a file of a negative size, which makes a reader go in circles."""
    header = bytearray(tarfile.TarInfo("spool/x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (-512).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) * 3


LIES = {
    "an absolute path": packed(("/spool/x", {})),
    "a path upwards": packed(("spool/../x", {})),
    "a path in place": packed(("spool/./x", {})),
    "an empty name": packed(("spool//x", {})),
    "a link": packed(("spool/x", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})),
    "a second name": packed(("spool/x", {"type": tarfile.LNKTYPE, "linkname": "spool/a"})),
    "a device": packed(("spool/x", {"type": tarfile.BLKTYPE, "size": 0})),
    "a sparse file": packed(("spool/x", {"pax_headers": {"GNU.sparse.map": "0,1,9999999999,0",
                                                         "GNU.sparse.size": "9999999999"}})),
    "a sparse file without sense": packed(("spool/x", {"pax_headers": {"GNU.sparse.map": "a"}})),
    "a huge size": packed(("spool/x", {"pax_headers": {"size": "999999999999"}})),
    "too large a file": packed(("spool/x", {}), content=b"x" * 2_000),
    "a name with a zero": packed(("spool/x", {"pax_headers": {"path": "spool/a\0b"}})),
    "a name with a new line": packed(("spool/a\nb", {})),
    "a name that is not UTF-8": packed(("spool/\udcff", {})),
    "a chain of long names": chained(),
    "a negative size": negative(),
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_an_archive_that_a_script_wrote_is_refused(lie: str, tmp_path: Path) -> None:
    """A script can write to the file in which directories come back; each lie is a plain failure."""
    copies = Copies({"spool": str(tmp_path)}, {"spool": "write"}, 1_000, 10)
    copies.packed()
    with pytest.raises(DirectoryError) as refused:
        copies.difference(LIES[lie])
    assert str(refused.value).isprintable()


def test_new_content_does_not_run_with_the_rights_of_an_owner(tmp_path: Path) -> None:
    """A file keeps its setuid bit where its content stays, and loses it where that changes."""
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(0o4755)
    for content, mode in ((b"old", None), (b"new", 0o755)):
        copies = Copies({"spool": str(tmp_path)}, {"spool": "write"}, 1_000, 10)
        copies.packed()
        copies.entries["spool"] = copies.entries["spool"]._replace(mode=stat.S_IFDIR | 0o755)
        found = copies.difference(packed(("spool/x", {"mode": 0o755}), content=content))
        assert [stat.S_IMODE(one.after.mode) for one in found if one.after] == (
            [mode] if mode else []
        )


class Home:
    """A directory with two files, of which a run changes one, and a file outside."""

    def __init__(self, tmp_path: Path) -> None:
        self.root, self.outside = tmp_path / "home", tmp_path / "outside"
        self.root.mkdir()
        for path in (self.root / "a", self.root / "b", self.outside):
            path.write_text(path.name)
            path.chmod(0o600)
        self.journal = Journal(str(tmp_path / "state"))
        self.state = tmp_path / "state"

    def apply(self, *more: Change) -> None:
        """Change one file, and what else is given."""
        root = os.open(self.root, os.O_RDONLY)
        before = entry_at(root, "a")
        os.close(root)
        changes = [Change("r/a", before, Entry(stat.S_IFREG | 0o666, b"new")), *more]
        self.journal.apply("one", {"r": str(self.root)}, changes, 60)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_link_that_waits_at_the_name_of_a_run_is_not_written_to(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    """Who may write to the directory can lead a run nowhere."""
    home = Home(tmp_path)
    home.apply()
    (name,) = (path.name for path in (home.state / "kept").iterdir())
    link(home.root / name, home.outside)
    with pytest.raises(DirectoryError):
        home.apply()
    assert (home.outside.read_text(), (home.root / "a").read_text()) == ("outside", "new")


@pytest.mark.parametrize("call", ["chmod", "chown", "utime"])
def test_a_link_that_is_swapped_in_meanwhile_is_not_followed(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights and owner are given to the file that was written, wherever its name leads by now."""
    home = Home(tmp_path)
    real, before = getattr(os, call), home.outside.stat()

    def swapped(*arguments: Any, **named: Any) -> None:
        for path in home.root.glob(".pattern-engine-*"):
            path.unlink()
            path.symlink_to(home.outside)
        real(*arguments, **named)

    monkeypatch.setattr(os, call, swapped)
    home.apply()
    after = home.outside.stat()
    assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (
        before.st_mode, before.st_uid, before.st_mtime_ns,
    )  # fmt: skip


def test_a_file_that_grew_without_bounds_is_not_read(tmp_path: Path) -> None:
    """What is larger than all that a run knows has changed; it does not fill the memory."""
    home = Home(tmp_path)
    root = os.open(home.root, os.O_RDONLY)
    change = Change("r/b", entry_at(root, "b"), None)
    os.close(root)
    os.truncate(home.root / "b", 1 << 40)
    with pytest.raises(DirectoryError, match="r/b changed while the script ran"):
        home.apply(change)
    assert (home.root / "a").read_text() == "a"


def test_each_step_is_on_disk_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """After a loss of power nothing is renamed that the journal does not know, or counted undone."""
    home, seen = Home(tmp_path), list[str]()
    rename, fsync = os.rename, os.fsync

    def renamed(source: Any, target: Any, **named: Any) -> None:
        rename(source, target, **named)
        seen.append(Path(target).parent.name or "home")

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        seen.append(f"{Path(f'/proc/self/fd/{descriptor}').readlink().name} is on disk")

    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "fsync", synced)
    home.apply()
    for place in ("open", "home", "kept"):
        assert seen[seen.index(place) + 1] == f"{place} is on disk"
    assert seen.index("open") < seen.index("home") < seen.index("kept")


def test_what_cannot_be_undone_is_kept(tmp_path: Path) -> None:
    """A directory in which somebody has put something stays, and what the run replaced as well."""
    home = Home(tmp_path)
    home.apply(Change("r/n", None, Entry(stat.S_IFDIR | 0o755, None)))
    (kept,) = (home.state / "kept").iterdir()
    kept.rename(home.state / "open" / kept.name)
    (home.root / "n" / "theirs").write_text("theirs")
    assert home.journal.recover() == ["r/n"]
    assert ((home.root / "a").read_text(), (home.root / "n" / "theirs").exists()) == ("a", True)
    assert kept.exists()


def test_an_empty_file_is_taken_back(tmp_path: Path) -> None:
    """A file without content, deleted or made, is a file as every other one."""
    home = Home(tmp_path)
    (home.root / "b").write_text("")
    root = os.open(home.root, os.O_RDONLY)
    old = entry_at(root, "b")
    os.close(root)
    home.apply(Change("r/b", old, None), Change("r/c", None, Entry(stat.S_IFREG | 0o600, b"")))
    assert sorted(path.name for path in home.root.iterdir()) == ["a", "c"]
    home.journal.take_back("one")
    assert {path.name: path.read_text() for path in home.root.iterdir()} == {"a": "a", "b": ""}


@pytest.mark.parametrize("left", ["", "[", "[]", '["x", {"r": "/"}, [["r/a", [1]', "null"])
def test_a_damaged_journal_is_named(tmp_path: Path, left: str) -> None:
    """Nothing runs until somebody has looked: half of a run may be in the directories."""
    grants = Grants(tmp_path)
    executor = Bash(grants.facilities)
    executor.take_back("one")
    (grants.state / "open" / "run").write_text(left)
    for outcome in (executor.take_back("one"), *([grants.run("true")] if NO_BOX is None else [])):
        assert (outcome.success, outcome.started) == (False, False)
        assert f"{grants.state}/open/run is damaged" in str(outcome.error)


@needs_box
def test_a_directory_that_is_gone_is_not_made(grants: Grants) -> None:
    """A granted directory that does not exist, or a part that cannot be read, stops the run."""
    shutil.rmtree(grants.spool)
    outcome = grants.run("echo 1 > /granted/spool/x")
    assert (outcome.success, outcome.started) == (False, False)
    assert not grants.spool.exists()
