"""A program stops at each of its limits, and none of its processes is left."""

import os
import sys
import time
from pathlib import Path

import pytest

from pattern_engine.fixes.bounded import Ended, run_bounded
from pattern_engine.fixes.execution import Limits

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="memory and descendants are read from /proc"
)

#: The longest time between a limit and the end of all processes.
GRACE_MS = 1_000
#: Starts a program that leaves its parent's session.
DETACHED = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True); "
#: Holds more memory than is allowed here, for longer than is allowed.
HOG = "import time; held = bytearray(96 << 20); time.sleep(30)"
MEMORY = Limits(timeout_ms=20_000, max_memory_bytes=64 << 20)


def run(code: str, limits: Limits | None = None, **environment: str) -> Ended:
    """Run Python code within limits."""
    return run_bounded(
        [sys.executable, "-c", code], cwd="/", environment=environment, limits=limits or Limits()
    )


def is_alive(pid: int) -> bool:
    """Tell whether a process still runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_that_ends_by_itself_has_its_exit_code() -> None:
    """The result has the exit code and both streams of the program."""
    ended = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (3, b"out\n", b"err\n")
    assert ended.stopped is None


def test_it_sees_the_environment_that_it_is_given_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program has no environment variable of the engine."""
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    ended = run("import os; print(sorted(os.environ))", ONE="1", LC_ALL="C.UTF-8")
    assert ended.stdout == b"['LC_ALL', 'ONE']\n"


def test_it_has_nothing_to_read() -> None:
    """Standard input is empty."""
    assert run("import sys; print(repr(sys.stdin.read()))").stdout == b"''\n"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import time; time.sleep(30)", id="sleeping"),
        pytest.param("while True: pass", id="busy"),
        pytest.param(
            "import os, time; os.close(1); os.close(2); time.sleep(30)", id="with closed streams"
        ),
        pytest.param(
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(30)",
            id="deaf to signals",
        ),
    ],
)
def test_time_stops_it(code: str) -> None:
    """A program is killed at its time limit, whatever it does with signals and streams."""
    began = time.monotonic()
    ended = run(code, Limits(timeout_ms=400))
    assert ended.stopped == "time"
    assert 0.4 <= time.monotonic() - began < 0.4 + GRACE_MS / 1000


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_one_byte_too_much_stops_it(stream: str) -> None:
    """Output up to the limit is kept; one byte more stops the program."""
    limits = Limits(max_output_bytes=1_000, timeout_ms=20_000)
    fits = run(f"import sys; sys.{stream}.write('x' * 1000)", limits)
    assert (fits.stopped, len(fits.stdout + fits.stderr)) == (None, 1_000)
    flood = run(f"import sys\nwhile True: sys.{stream}.write('x' * 1001)", limits)
    assert (flood.stopped, len(flood.stdout + flood.stderr)) == ("output", 1_000)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(HOG, id="its own"),
        pytest.param(f"import os; os.close(1); os.close(2); {HOG}", id="with closed streams"),
        pytest.param(DETACHED.format(code=HOG) + "p.wait()", id="of a child that left the session"),
    ],
)
def test_memory_stops_it(code: str) -> None:
    """The memory of all descendants counts."""
    ended = run(code, MEMORY)
    assert ended.stopped == "memory"


def test_memory_is_that_of_all_processes_together() -> None:
    """The memory limit applies to all processes together."""
    half = "import time; held = bytearray(40 << 20); time.sleep(30)"
    both = DETACHED.format(code=half) + half
    assert run(both, MEMORY).stopped == "memory"


@pytest.mark.parametrize("end", ["", "; time.sleep(30)"], ids=["ended", "stopped"])
def test_no_child_outlives_it(end: str) -> None:
    """Every process that a program started ends with it, whether it ended or was stopped."""
    code = (
        "import subprocess, sys, time\n"
        "for leaves in (False, True):\n"
        "    child = subprocess.Popen(['sleep', '30'], start_new_session=leaves)\n"
        "    print(child.pid, flush=True)\n"
        f"pass{end}"
    )
    # A child in a session of its own is found through its parent, as long as that lives; one that
    # outlived its parent is found by its session.
    ended = run(code, Limits(timeout_ms=1_000), PATH=os.environ["PATH"])
    children = [int(line) for line in ended.stdout.split()]
    assert len(children) == 2
    assert not is_alive(children[0])
    if end:
        assert not is_alive(children[1])
    elif is_alive(children[1]):
        os.kill(children[1], 9)


def test_open_files_are_inherited_when_named() -> None:
    """A listed descriptor is inherited under its number."""
    reading, writing = os.pipe()
    try:
        os.write(writing, b"told")
        ended = run_bounded(
            [sys.executable, "-c", f"import os; print(os.read({reading}, 10))"],
            cwd="/",
            environment={},
            limits=Limits(),
            files=[reading],
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert ended.stdout == b"b'told'\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_root_may_run_it_as_somebody_without_rights() -> None:
    """User, group and supplementary groups are those of the given user."""
    ended = run_bounded(["/usr/bin/id"], cwd="/", environment={}, limits=Limits(), user=65_534)
    assert b"uid=65534" in ended.stdout
    assert b"groups=65534" in ended.stdout


def test_a_program_that_does_not_exist_is_an_error() -> None:
    """A program that does not exist raises OSError."""
    with pytest.raises(FileNotFoundError):
        run_bounded(["/does/not/exist"], cwd="/", environment={}, limits=Limits())


def test_it_takes_no_time_to_notice_that_it_ended() -> None:
    """A run takes as long as the program, not as long as its limit."""
    began = time.monotonic()
    ended = run("pass", Limits(timeout_ms=30_000))
    assert ended.stopped is None
    assert time.monotonic() - began < 10
