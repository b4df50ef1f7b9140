"""The box in which bash fixes run holds whatever runs in it; here nothing is analysed first."""

import contextlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.box import needs_box

import pattern_engine
from pattern_engine.fixes.bash import executor
from pattern_engine.fixes.bash.analysis import analyse
from pattern_engine.fixes.bash.executor import Bash, prove_box, seccomp_filter
from pattern_engine.fixes.execution import Job, Limits, Outcome
from pattern_engine.settings import Facilities

#: What the rules allow between a limit and the end of all that it stops.
GRACE_MS = 1_000
ROOMY = Limits(timeout_ms=20_000)


def run(
    script: str,
    *,
    parameters: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    limits: Limits = ROOMY,
) -> Outcome:
    """Run a script in the box."""
    job = Job("application", script, parameters or {}, error or {"message": "m"}, limits)
    return Bash(Facilities(bash=True)).run(job)


def ours(mark: str) -> list[str]:
    """Return the command lines of the host's processes that bear a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if mark in line:
                found.append(line)
    return found


def test_nothing_runs_unless_the_operator_switched_it_on() -> None:
    """Off is the default, and says what to do."""
    outcome = Bash(Facilities()).run(Job("application", "echo hi", {}, {}))
    assert (outcome.success, outcome.started, outcome.output) == (False, False, None)
    assert outcome.error is not None
    assert "operator" in outcome.error


@pytest.fixture
def fresh_proof() -> Iterator[None]:
    """Forget that a box was proved, before and after."""
    prove_box.cache_clear()
    yield
    prove_box.cache_clear()


@pytest.mark.usefixtures("fresh_proof")
def test_without_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no way around the box."""
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = run("echo hi")
    assert (outcome.success, outcome.started, outcome.output) == (False, False, None)
    assert outcome.error is not None
    assert "apt-get install bubblewrap" in outcome.error


@pytest.mark.usefixtures("fresh_proof")
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(
            "echo 'bwrap: No permissions to create new namespace' >&2; exit 1", id="fails"
        ),
        pytest.param('while [ "$1" != -- ]; do shift; done; shift; exec "$@"', id="makes no box"),
    ],
)
def test_a_bubblewrap_that_makes_no_box_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str
) -> None:
    """It is tried before a script is trusted to it."""
    fake = tmp_path / "bwrap"
    fake.write_text(f"#!/bin/sh\n{broken}\n")
    fake.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _name: str(fake))
    outcome = run("echo hi")
    assert (outcome.success, outcome.started, outcome.output) == (False, False, None)
    assert outcome.error


@pytest.mark.usefixtures("fresh_proof")
def test_on_an_unknown_processor_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of its system calls are not known, so they could not be closed."""
    monkeypatch.setattr(executor, "seccomp_filter", lambda: seccomp_filter("riscv64"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert not run("echo hi").started


@needs_box
def test_a_script_finds_its_parameters_and_its_error_as_data() -> None:
    """Nothing of them is spliced into the script: quotes and commands stay text."""
    evil = "'; touch hacked; \"$(touch hacked)` \n é ✓"
    outcome = run(
        "cat params.json; echo; cat error.json; echo; ls",
        parameters={"x": evil, "n": [1, None]},
        error={"message": evil},
    )
    parameters, error, *files = str(outcome.output).splitlines()
    assert json.loads(parameters) == {"x": evil, "n": [1, None]}
    assert json.loads(error) == {"message": evil}
    assert files == ["error.json", "params.json"]


@needs_box
@pytest.mark.parametrize(
    ("printed", "output"),
    [
        ("""printf '{"a": [1, 2.5, null]}\\n'""", {"a": [1, 2.5, None]}),
        ("echo 7", 7),
        ("echo two words", "two words\n"),
        (":", ""),
        ("echo NaN", "NaN\n"),
        ("""printf '"\\\\u0000"'""", '"\\u0000"'),
        ("""printf '"\\\\ud800"'""", '"\\ud800"'),
        ("printf 'a\\0b'", "a\N{REPLACEMENT CHARACTER}b"),
        ("printf '\\xff'", "\N{REPLACEMENT CHARACTER}"),
        ("echo 1e999", "1e999\n"),
        ("printf '[%.0s' {1..20000}", "[" * 20_000),
    ],
)
def test_what_is_printed_is_the_output(printed: str, output: object) -> None:
    """JSON is read as such, if a database can store it; anything else is text that it can."""
    outcome = run(printed)
    assert (outcome.success, outcome.error) == (True, None)
    assert outcome.output == output


@needs_box
def test_an_exit_code_is_a_failure_and_the_last_line_says_why() -> None:
    """Of a long complaint the last line is kept, up to 500 characters."""
    outcome = run("echo part; echo first >&2; echo 'no such user' >&2; exit 3")
    assert (outcome.success, outcome.stopped, outcome.started) == (False, None, True)
    assert outcome.error == "exit code 3: no such user"
    assert outcome.output == "part\n"
    assert run("exit 4").error == "exit code 4"
    assert len(str(run("printf 'x%.0s' {1..2000} >&2; exit 5").error)) == len("exit code 5: ") + 500


@needs_box
def test_pipefail_and_the_usual_tools_work() -> None:
    """The box is narrow, but a script runs in it."""
    outcome = run(
        "set -euo pipefail\ntmp=$(mktemp -d)\ntrap 'rm -rf \"$tmp\"' EXIT\n"
        "printf '%s\\n' b a c | sort > \"$tmp/x\"\nawk '{ print NR, $1 }' \"$tmp/x\" | sed 's/ /:/' | tr '\\n' ' '\n"
        "echo data > y && gzip y && gunzip -c y.gz && date -u +%Z && cat <(echo sub)"
    )
    assert outcome.error is None
    assert outcome.output == "1:a 2:b 3:c data\nUTC\nsub\n"


@needs_box
def test_the_host_is_not_there(tmp_path: Path) -> None:
    """No file but programs, no process, no name, no user and no environment of the host."""
    os.environ["PATTERN_ENGINE_TEST_SECRET"] = "hunter2"
    try:
        outcome = run(
            "for path in /etc/passwd /etc/shadow /etc/hosts /root /home /var /run /sys /boot /opt /mnt /srv"
            f' {tmp_path} {Path(__file__).parent}; do [ -e "$path" ] && echo "$path is there"; done\n'
            "ls /usr/local; echo processes: $(ls -d /proc/[0-9]* | wc -l)\n"
            "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | sort -u; hostname; id -u; id -G; env | sort"
        )
    finally:
        del os.environ["PATTERN_ENGINE_TEST_SECRET"]
    lines = str(outcome.output).splitlines()
    assert "hunter2" not in str(outcome.output)
    assert not [line for line in lines if "is there" in line]
    processes = next(line for line in lines if line.startswith("processes: "))
    assert int(processes.split()[1]) < 6
    assert "box" in lines
    assert lines.count("65534") == 2
    names = {line.partition("=")[0] for line in lines if "=" in line}
    assert names == {"PATH", "HOME", "LANG", "PWD", "SHLVL", "_"}


@needs_box
@pytest.mark.parametrize(
    "write",
    [
        "echo x > /x", "echo x > /usr/x", "echo x > /etc/x", "echo x > /dev/shm/x", "echo x > /dev/x",
        "echo x > /usr/local/x", "echo x >> /fix", "rm -f /usr/bin/true", "mkdir /home",
        "echo core > /proc/sys/kernel/core_pattern", "echo h > /proc/sysrq-trigger",
        "echo 1 > /proc/sys/kernel/ns_last_pid", "echo 0 > /proc/sys/vm/overcommit_memory",
    ],
)  # fmt: skip
def test_nothing_outside_can_be_written(write: str) -> None:
    """Only the working directory and /tmp can be."""
    assert not run(write).success
    assert run("echo x > /box/x && echo x > /tmp/x && echo ok").output == "ok\n"


@needs_box
@pytest.mark.parametrize("namespace", ["user", "pid", "net", "ipc", "uts", "cgroup", "mnt"])
def test_no_namespace_is_shared_with_the_host(namespace: str) -> None:
    """Each of them by itself: one brake must not hide that another is off."""
    inside = str(run(f"readlink /proc/self/ns/{namespace}").output).strip()
    assert inside.startswith(f"{namespace}:[")
    assert inside != str(Path(f"/proc/self/ns/{namespace}").readlink())


@needs_box
def test_there_is_no_network() -> None:
    """Not even the host's own loopback, nor the family that speaks to a virtual machine's host."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        outcome = run(
            f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected\n"
            f"exec 4<>/dev/udp/127.0.0.1/{port} && echo connected\n"
            "ls /sys/class/net\ncat /proc/net/tcp /proc/net/dev"
        )
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert "connected" not in str(outcome.output)


@needs_box
@pytest.mark.parametrize("family", [2, 10, 16, 17, 40])
def test_no_socket_but_a_local_one_can_be_made(family: int) -> None:
    """AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK: closed by the kernel's filter."""
    for interpreter, code in (
        ("perl", f"socket(S, {family}, 1, 0) or die \"$!\\n\"; print 'made'"),
        ("python3", f"import socket; socket.socket({family}, 1); print('made')"),
    ):
        if not Path(f"/usr/bin/{interpreter}").exists():
            continue
        flag = "-e" if interpreter == "perl" else "-c"
        outcome = run(f"{interpreter} {flag} '{code}'".replace("'made'", '"made"'))
        assert not outcome.success
        assert "Address family not supported" in str(outcome.error)


@needs_box
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.skipif(not Path("/usr/bin/perl").exists(), reason="there is no perl to call with")
@pytest.mark.parametrize("call", ["319, $name, 0", "29, 0, 1 << 30, 0600"])
def test_no_memory_can_be_had_that_nobody_counts(call: str) -> None:
    """A memfd or a shared segment is in no tmpfs, and in no process's resident memory."""
    outcome = run(f'perl -e \'$name = "x"; syscall({call}) >= 0 or die "$!\\n"; print 1\'')
    assert not outcome.success
    assert "Operation not permitted" in str(outcome.error)


@needs_box
def test_a_local_socket_can_be_made() -> None:
    """The filter closes what it names, and nothing else."""
    if not Path("/usr/bin/perl").exists():
        pytest.skip("there is no perl to make a socket with")
    assert run("perl -e 'socket(S, 1, 1, 0) or die; print 1'").output == 1


@needs_box
def test_no_privilege_is_there_or_can_be_gained() -> None:
    """No capability, none through a user namespace, none through a program with the setuid bit."""
    outcome = run(
        "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp:' /proc/self/status\n"
        "unshare -Ur true && echo unshared\nmount -t tmpfs x /tmp && echo mounted\n"
        "chroot / true && echo chrooted\nsu -c true && echo su\nchown 0 params.json && echo chowned\n"
        "cp /usr/bin/id . && chmod u+s id && ./id -u\nnsenter -t 1 -a true && echo entered\ntrue"
    )
    lines = str(outcome.output).splitlines()
    capabilities = [line.split()[1] for line in lines if line.startswith("Cap")]
    assert capabilities == ["0000000000000000"] * 5
    assert "NoNewPrivs:\t1" in lines
    assert "Seccomp:\t2" in lines
    assert lines[-1] == "65534"
    assert not {"unshared", "mounted", "chrooted", "su", "chowned", "entered"} & set(lines)


HOGS = {
    "sleeping": "sleep 300",
    "busy": "while :; do :; done",
    "deaf": "trap '' TERM INT HUP; while :; do sleep 1; done",
    "in the background": "sleep 300 & setsid sleep 301 & nohup sleep 302 & wait",
    "a fork bomb": ":(){ :|:& };: ; while :; do sleep 1; done",
    "another fork bomb": "f() { f & f & wait; }; f",
    "deaf forks": "for i in {1..500}; do (trap '' TERM; setsid sleep 300) & done; wait",
    "closed streams": "exec >&- 2>&-; sleep 300",
    "stopped": "kill -STOP $$; sleep 300",
}


@needs_box
@pytest.mark.parametrize("name", HOGS)
def test_time_stops_whatever_runs(name: str) -> None:
    """Within a second of the limit nothing of it is left."""
    # A limit that no other test has marks the command line of this box, and of what it starts.
    memory = (256 << 20) + os.getpid() * 1024
    mark = f"-v {4 * memory // 1024} "
    outcome = run(HOGS[name], limits=Limits(timeout_ms=700, max_memory_bytes=memory))
    assert (outcome.success, outcome.stopped) == (False, "time")
    assert outcome.duration_ms < 700 + GRACE_MS
    assert not ours(mark)


@needs_box
def test_what_a_script_leaves_behind_ends_with_it() -> None:
    """A script that ends well does not wait for its children, and takes them along."""
    outcome = run(
        "setsid sleep 987654 >/dev/null 2>&1 & nohup sleep 987654 >/dev/null 2>&1 &\necho ok"
    )
    assert outcome.output == "ok\n"
    assert outcome.duration_ms < 10_000
    assert not ours("sleep 987654")


@needs_box
def test_no_file_is_left_on_the_host() -> None:
    """All that a script writes is in memory that goes with the box."""
    name = f"left-behind-{os.getpid()}"
    assert run(f"touch /tmp/{name} /box/{name}; ls /box/{name}").success
    assert not Path(f"/tmp/{name}").exists()
    assert not Path(f"/box/{name}").exists()
    assert run("ls").output == "error.json\nparams.json\n"


@needs_box
@pytest.mark.parametrize("stream", ["", " >&2"])
def test_a_flood_of_output_is_stopped(stream: str) -> None:
    """One byte over the limit is too much, on either stream."""
    limits = Limits(timeout_ms=20_000, max_output_bytes=1_000)
    outcome = run(f"while :; do echo xxxxxxxxxxxxxxxx{stream}; done", limits=limits)
    assert outcome.stopped == "output"
    assert outcome.duration_ms < GRACE_MS * 5
    assert len(str(outcome.output)) <= 1_000


@needs_box
@pytest.mark.parametrize(
    "hog",
    [
        pytest.param("x=$(head -c 400M /dev/zero | tr '\\0' a); sleep 30", id="one process"),
        pytest.param(
            "for i in 1 2 3 4 5 6; do (x=$(head -c 30M /dev/zero | tr '\\0' a); sleep 30) & done; wait",
            id="several processes",
        ),
    ],
)
def test_memory_is_limited_for_all_processes_together(hog: str) -> None:
    """It is what the processes of the box hold together."""
    limits = Limits(timeout_ms=20_000, max_memory_bytes=64 << 20)
    outcome = run(hog, limits=limits)
    assert (outcome.success, outcome.stopped) == (False, "memory")


@needs_box
@pytest.mark.parametrize("where", ["/box", "/tmp"])
def test_no_more_can_be_written_than_the_box_has_room_for(where: str) -> None:
    """In one file or in many; the host's disk is not touched."""
    outcome = run(
        f"cd {where}; for i in {{1..40}}; do head -c 2M /dev/zero > $i || break; done 2> /dev/null\n"
        f"du -sk . | cut -f1\nhead -c 100M /dev/zero > big; du -sk . | cut -f1"
    )
    sizes = [int(line) for line in str(outcome.output).split()]
    assert len(sizes) == 2
    assert max(sizes) * 1024 <= executor.WORK_BYTES


#: Starts as many processes as it can, and counts them without starting another.
FORKS = (
    "exec 2>/dev/null; (for i in {1..200}; do sleep 30 & done) &\n"
    "for i in {1..20}; do read -rt 0.1 -u 9; done 9<> <(:)\nset -- /proc/[0-9]*; echo $#"
)


@needs_box
def test_processes_and_open_files_are_counted() -> None:
    """A fork bomb meets a wall long before its time is over, as root and as anybody."""
    assert 50 <= int(run(FORKS, limits=Limits(timeout_ms=5_000)).output) <= 70
    opened = run(
        'for i in {10..400}; do eval "exec $i</dev/null" || break; done 2>/dev/null; ls /proc/$$/fd | wc -l'
    )
    assert not opened.success or int(str(opened.output)) <= 256
    assert run("ulimit -c; ulimit -u unlimited 2>/dev/null && echo raised; true").output == 0


AS_ANYBODY = """
import sys
sys.path.insert(0, {path!r})
from pattern_engine.fixes.bash.executor import Bash
from pattern_engine.fixes.execution import Job, Limits
from pattern_engine.settings import Facilities
for script in {scripts!r}:
    outcome = Bash(Facilities(bash=True)).run(Job("a", script, {{}}, {{}}, Limits(timeout_ms=3000)))
    print(outcome.stopped, ascii(outcome.output), outcome.error)
"""


@needs_box
@pytest.mark.skipif(os.geteuid() != 0, reason="this user is already nobody in particular")
def test_the_box_is_the_same_for_a_user_without_rights() -> None:
    """An operator need not be root, and the limit on processes holds for both."""
    scripts = [
        "id -u; [ -e /root ] || echo ok",
        FORKS,
        ":(){ :|:& };: ; while :; do sleep 1; done",
    ]
    path = str(Path(pattern_engine.__file__).parents[1])
    code = AS_ANYBODY.format(path=path, scripts=scripts)
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [python, "-c", code], capture_output=True, text=True, cwd="/", user=12_345,
                group=12_345, extra_groups=[], env={"PATH": os.environ["PATH"]}, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                break
    else:
        pytest.skip("a user without rights can read neither a Python nor this package")
    first, counted, bomb = done.stdout.splitlines()
    assert first == r"None '65534\nok\n' None"
    assert 50 <= int(counted.split()[1]) <= 70
    assert bomb.startswith("time ")


@needs_box
def test_a_failure_is_tried_again_only_where_that_is_safe() -> None:
    """Each try has a fresh box and the same time for all of them."""
    limits = Limits(timeout_ms=10_000, max_retries=3)
    once = run("exit 1", limits=limits)
    assert (
        once.duration_ms < run("exit 1", limits=limits, parameters={"retry_safe": True}).duration_ms
    )
    again = run("ls | wc -l >&2; touch x; exit 1", limits=limits, parameters={"retry_safe": True})
    assert again.error == "exit code 1: 2"
    assert again.duration_ms >= (0.1 + 0.1 + 0.2) * 1000
    for told in ("yes", 1, None):
        assert (
            run("exit 1", limits=limits, parameters={"retry_safe": told}).duration_ms < 400 + 2_000
        )


@needs_box
def test_tries_end_with_the_time_of_all() -> None:
    """Many tries take no longer than one may; a try stopped by a limit is not repeated."""
    limits = Limits(timeout_ms=900, max_retries=1_000)
    outcome = run("exit 1", limits=limits, parameters={"retry_safe": True})
    assert outcome.duration_ms < 900 + GRACE_MS
    assert not outcome.success
    stopped = run("sleep 30", limits=limits, parameters={"retry_safe": True})
    assert stopped.stopped == "time"
    assert stopped.duration_ms < 900 + GRACE_MS


@needs_box
def test_an_engine_that_dies_takes_the_box_along() -> None:
    """Nobody is left to stop a script whose engine was killed, so it ends at once."""
    mark = f"{time.monotonic_ns()}"
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pattern_engine.fixes.bash.executor import Bash\n"
        "from pattern_engine.fixes.execution import Job, Limits\n"
        "from pattern_engine.settings import Facilities\n"
        f"Bash(Facilities(bash=True)).run(Job('a', 'sleep {mark}', {{}}, {{}}, Limits(timeout_ms=60000)))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as engine:
        _until(lambda: bool(ours(f"sleep {mark}")))
        engine.kill()
    _until(lambda: not ours(f"sleep {mark}"))


def _until(told: Any) -> None:
    patience = time.monotonic() + 15
    while not told():
        assert time.monotonic() < patience
        time.sleep(0.02)


@needs_box
def test_several_run_at_once_and_apart() -> None:
    """Threads of one engine share nothing but the engine."""
    outcomes: dict[int, Outcome] = {}

    def one(number: int) -> None:
        outcomes[number] = run(f"echo {number} > x; sleep 0.3; cat x; ls | wc -l")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: outcome.output for number, outcome in outcomes.items()} == {
        number: f"{number}\n3\n" for number in range(6)
    }


@needs_box
def test_what_cannot_be_handed_over_does_not_start() -> None:
    """An executor does not raise for what a job holds."""
    assert not run("echo \ud800").started
    assert not run("echo hi", parameters={"x": "\ud800"}).started


@needs_box
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_an_accepted_script_runs() -> None:
    """What the analysis takes for a fix, the box can run."""
    script = (
        "set -euo pipefail\nname=$(jq -r .name params.json)\n"
        'jq -n --arg name "$name" --arg message "$(jq -r .message error.json)" \'{name: $name, message: $message}\''
    )
    analysis = analyse(script, {"name": "Ada"})
    assert analysis.accepted
    outcome = run(analysis.prepared_script, parameters={"name": "Ada"}, error={"message": "no"})
    assert outcome.output == {"name": "Ada", "message": "no"}
