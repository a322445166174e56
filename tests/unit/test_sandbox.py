"""Hostile programs: each is contained, the machine is unharmed, and how it ended is told rightly.

Attacks that can be bounded are also run where nothing stops them, and must succeed there: so each such test would fail
were the sandbox to stop working. `sandboxed=False` takes the sandbox away, `unlimited` the limits too.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from boxed import LIMITS, python, unlimited
from installed import needs_bubblewrap

from effopd.sandbox import programs, run, watch
from effopd.sandbox.run import SandboxError
from effopd.sandbox.seccomp import filter_bytes
from effopd.sandbox.watch import Limits, NotJudgedError

pytestmark = needs_bubblewrap


def alive(marker: str) -> bool:
    """Whether a process of this machine has `marker` in its command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in file.read_bytes():
                return True
        except OSError:
            continue
    return False


def cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().split()[13:15]  # proc(5)
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def server() -> Iterator[int]:
    """A server on loopback that answers whoever connects; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.sendall(b"reached")
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_an_honest_program_reads_its_input_and_is_heard() -> None:
    outcome = python("print(int(input()) * 2)", stdin=b"21\n")
    assert (outcome.end, outcome.status, outcome.stdout) == ("exit", 0, b"42\n")


def test_an_endless_loop_ends_at_its_cpu_limit_and_not_at_the_clock() -> None:
    assert python("while True: pass").end == "cpu time"


def test_a_loop_that_ignores_the_signal_is_killed_all_the_same() -> None:
    ignoring = (
        "import signal\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)\n  except OSError: pass\n"
    )
    outcome = python(ignoring + "while True: pass", limits=Limits(cpu_seconds=1, sleep_seconds=60))
    assert outcome.end == "cpu time"


SLEEPERS = {
    "at once": "import time\ntime.sleep(1000)",
    "in short naps": "import time\nwhile True: time.sleep(0.01)",
    "without output": "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(1000)",
    "talking": "import time\nwhile True:\n  print('x', flush=True)\n  time.sleep(0.02)",
    "for input that never comes": "import os\na, b = os.pipe()\nos.read(a, 1)",
    "with all threads": "import threading, time\n"
    "for _ in range(4): threading.Thread(target=time.sleep, args=(1000,)).start()",
    "stopped": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("how", SLEEPERS)
def test_a_sleeping_program_is_ended(how: str) -> None:
    assert python(SLEEPERS[how]).end == "sleep"


@pytest.mark.parametrize("sandboxed", [True, False])
def test_a_program_that_is_never_given_a_processor_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, sandboxed: bool
) -> None:
    """What waits for a processor is reported as running, as here a sleeping program is."""
    monkeypatch.setattr(watch, "_tasks", lambda process: ("SSR", 0.0, process))
    limits = replace(LIMITS, cpu_seconds=60, patience=1.0)
    with pytest.raises(NotJudgedError, match="not at its end after 1 s"):
        python("import time\ntime.sleep(1000)", sandboxed=sandboxed, limits=limits)


def test_neither_waiting_for_a_processor_nor_for_a_disk_is_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch._Seen(bytearray(), bytearray())
    for states, slept in (("SSS", 1), ("SSR", 1), ("D", 1), ("SST", 2), ("", 2), ("SSSSSSR", 2), ("SZS", 3)):
        monkeypatch.setattr(watch, "_tasks", lambda process, states=states: (states, 0.0, process))
        assert watch._look(os.getpid(), seen, LIMITS, most_tasks=None) is None
        assert seen.slept == slept * watch._LOOK_SECONDS


def test_a_program_that_closes_its_output_and_exits_is_no_failure() -> None:
    assert python("import os\nos.write(1, b'7')\nos.close(1)\nos.close(2)").stdout == b"7"


def test_endless_output_is_cut_off(tmp_path: Path) -> None:
    for descriptor in (1, 2):
        outcome = python(f"import os\nwhile True: os.write({descriptor}, b'x' * 65536)")
        assert outcome.end == "output"
        assert len(outcome.stdout) <= LIMITS.output and len(outcome.stderr) <= 8192


def test_without_limits_they_would_go_on() -> None:
    ignores = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    shuts = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(1000)"
    talks = "import os\nwhile True: os.write(1, b'x' * 65536)"
    running = [unlimited(source) for source in (ignores, shuts, talks)]
    try:
        assert running[2].stdout and len(running[2].stdout.read(LIMITS.output + 1)) > LIMITS.output
        while running[0].poll() is None and cpu_seconds(running[0].pid) <= LIMITS.cpu_seconds:
            time.sleep(0.1)
        assert [process.poll() for process in running] == [None] * 3
    finally:
        for process in running:
            process.kill()
            process.communicate()


def test_a_program_is_nobody() -> None:
    source = """import os
print(os.getuid() >= 65534, os.getgid() >= 65534, set(os.getgroups()) <= {65534})
for change in (os.setuid, os.setgid, lambda root: os.setgroups([root])):
  try: change(0)
  except OSError: print('refused')"""
    assert python(source).stdout.split() == [b"True"] * 3 + [b"refused"] * 3


def test_a_child_left_behind_dies_with_its_sandbox() -> None:
    marker = f"left-behind-{os.getpid()}-{time.monotonic_ns()}"
    leave = (
        "import os, subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)', '{marker}'], start_new_session=True)\n"
    )
    permissive = Limits(cpu_seconds=1, sleep_seconds=1, processes=True)  # as for a compiler: the namespace must do it
    assert python(leave, limits=permissive).succeeded
    deadline = time.monotonic() + 5
    while alive(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(marker)


def test_without_the_sandbox_a_child_would_stay() -> None:
    marker = f"stays-{os.getpid()}-{time.monotonic_ns()}"
    leave = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)', '{marker}'],"
        " start_new_session=True, stdin=-3, stdout=-3, stderr=-3)\nprint(child.pid)\n"
    )
    outcome = python(leave, sandboxed=False)
    assert alive(marker)
    subprocess.run(["kill", outcome.stdout.decode().strip()], check=True)


READS = {
    "the list of users": "print(open('/etc/passwd').read())",
    "the home folder": "import os\nprint(os.listdir(os.environ['WHERE']))",
    "this machine's processes": "import os\nprint(os.listdir('/proc'))",
    "the root through a process": "import os\nprint(open('/proc/1/status').read())",
    "the root through itself": "import os\nprint(os.listdir('/proc/self/root/etc'))",
    "a link out of the sandbox": "import os\nos.symlink('/etc/passwd', '/tmp/effopd-l')\n"
    "print(open('/tmp/effopd-l').read())",
    "a path that climbs": "print(open('../../../../../etc/passwd').read())",
    "the project": "print(open('PROJECT').read())",
    "the machine's settings": "print(open('/sys/kernel/mm/transparent_hugepage/enabled').read())",
}


@pytest.mark.parametrize("what", READS)
def test_a_program_cannot_read(what: str) -> None:
    source = READS[what].replace("os.environ['WHERE']", repr(str(Path.home()))).replace("PROJECT", str(Path(__file__)))
    outcome = python(source)
    assert outcome.end == "exit" and outcome.status == 1, outcome
    assert "FileNotFoundError" in outcome.stderr
    Path("/tmp/effopd-l").unlink(missing_ok=True)
    if "climbs" not in what:  # it depends on where an unprotected program starts
        assert python(source, sandboxed=False).succeeded
    Path("/tmp/effopd-l").unlink(missing_ok=True)


def test_a_program_cannot_write_outside_tmp(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")

    def writing(paths: list[str]) -> str:
        attempt = "  try:\n    open(path, 'w').write('x')\n    print('wrote')\n  except OSError: pass\n"
        return f"for path in {paths}:\n{attempt}"

    others = ["/mark", "/box/mark", "/usr/mark", "/dev/mark", "/dev/shm/mark", "/python/mark"]
    assert python(writing([mark, *others])).stdout == b""
    assert not (tmp_path / "mark").exists()
    assert python(writing([mark]), sandboxed=False).stdout == b"wrote\n"


def test_what_one_program_writes_in_tmp_the_next_does_not_find() -> None:
    assert python("open('/tmp/note', 'w').write('x')").succeeded
    assert python("import os\nprint(os.listdir('/tmp'))").stdout == b"[]\n"
    assert not Path("/tmp/note").exists()


def test_the_network_is_gone(server: int) -> None:
    source = f"import socket\nprint(socket.create_connection(('127.0.0.1', {server}), timeout=2).recv(9))"
    assert "Error" in python(source).stderr
    assert python(source, sandboxed=False).stdout == b"b'reached'\n"


def test_a_program_cannot_signal_its_parent_or_anyone() -> None:
    bystander = subprocess.Popen(["sleep", "30"])
    try:
        source = f"""import os, signal
for pid in (os.getppid(), 1, {os.getpid()}, {bystander.pid}, -1):
  try: os.kill(pid, signal.SIGKILL)
  except OSError: pass
print('still here')"""
        outcome = python(source)
        assert bystander.poll() is None
        assert outcome.end in ("exit", "signal")
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("sandboxed", [True, False])
def test_a_program_kills_its_parent_and_others_outside_the_sandbox_alone(sandboxed: bool, tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "30"])
    killer = f"""import os, signal
for pid in ({bystander.pid}, os.getppid()):
  try: os.kill(pid, signal.SIGKILL)
  except OSError: pass"""
    parent = f"""from effopd.sandbox import programs, run
programs.prepare("python", {killer!r}, sandboxed={sandboxed}).run(b"", run.Limits())
print("survived")"""
    inside = os.environ | {"TMPDIR": str(tmp_path)}  # who is killed does not clean up
    try:
        ended = subprocess.run([sys.executable, "-c", parent], env=inside, capture_output=True, check=False, timeout=60)
        if sandboxed:
            assert (ended.returncode, ended.stdout, bystander.poll()) == (0, b"survived\n", None)
        else:
            assert (ended.returncode, bystander.wait(timeout=5)) == (-signal.SIGKILL, -signal.SIGKILL)
    finally:
        bystander.kill()
        bystander.wait()


def test_a_program_that_kills_itself_is_told_from_one_out_of_time() -> None:
    outcome = python("import os\nos.kill(os.getpid(), 9)")
    assert (outcome.end, outcome.status) == ("signal", 9)


def test_new_namespaces_and_mounts_are_refused() -> None:
    source = """#define _GNU_SOURCE
#include <sched.h>
#include <sys/mount.h>
#include <stdio.h>
int main(){ printf("%d %d", unshare(CLONE_NEWUSER|CLONE_NEWNS), mount("none","/tmp","tmpfs",0,0)); }"""
    program = programs.prepare("c++", source)
    assert not isinstance(program, str)
    assert program.run(b"", LIMITS).stdout == b"-1 -1"


def test_a_program_that_imitates_a_broken_sandbox_fools_nobody() -> None:
    outcome = python("import sys\nprint('bwrap: execvp: no', file=sys.stderr)\nsys.exit(1)")
    assert (outcome.end, outcome.status) == ("exit", 1)


def test_a_broken_sandbox_says_so_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.sys, "base_prefix", "/no/such/python")
    with pytest.raises(SandboxError, match="install bubblewrap"):
        python("print(1)")


def test_the_compiler_is_confined_too() -> None:
    leak = '#include <stdio.h>\n#include "/etc/passwd"\nint main(){}'
    complaint = programs.prepare("c++", leak)
    assert isinstance(complaint, str) and "No such file" in complaint and "root:" not in complaint
    endless = (
        "template<int n> struct A { enum { v = A<n-1>::v + A<n-2>::v + 1 }; };\nint main(){ return A<100000>::v; }"
    )
    assert isinstance(programs.prepare("c++", endless), str)


def test_nothing_is_left_on_this_machine_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where no other test keeps its boxes meanwhile
    boxes: list[str] = []
    made = tempfile.mkdtemp
    monkeypatch.setattr("tempfile.mkdtemp", lambda *given: (boxes.append(made(*given)), boxes[-1])[1])
    python("while True: pass")
    python("x = 'a' * 10**10")
    assert len(boxes) == 2 and all(Path(box).parent == tmp_path for box in boxes)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_grader_left_goes_at_the_next_start_and_what_a_living_one_uses_does_not(tmp_path: Path) -> None:
    asleep = """from effopd.sandbox import programs, run, watch
run.check_sandbox()
program = programs.prepare("python", "print('running', flush=True)\\nimport time\\ntime.sleep(1000)")
print("began", flush=True)
program.run(b"", watch.Limits(sleep_seconds=600))"""
    inside = os.environ | {"TMPDIR": str(tmp_path)}
    graders = []
    for _ in range(2):
        graders.append(subprocess.Popen([sys.executable, "-c", asleep], env=inside, stdout=subprocess.PIPE, text=True))
        assert graders[-1].stdout and graders[-1].stdout.readline() == "began\n"
    while len(boxes := list(tmp_path.iterdir())) < 2:
        time.sleep(0.01)
    graders[0].kill()
    graders[0].wait()
    subprocess.run(
        [sys.executable, "-c", "from effopd.sandbox.run import check_sandbox\ncheck_sandbox()"], env=inside, check=True
    )
    (left,) = tmp_path.iterdir()
    assert left in boxes and graders[1].poll() is None
    assert not alive(str(next(box for box in boxes if box != left))), "the sandbox has ended with its grader"
    graders[1].kill()
    graders[1].wait()


def test_the_filter_lets_compilers_fork_and_solutions_not() -> None:
    assert len(filter_bytes(True)) < len(filter_bytes(False))
    assert len(filter_bytes(False)) % 8 == 0
