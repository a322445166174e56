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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from installed import needs_bubblewrap

from effopd.sandbox import programs, run, watch
from effopd.sandbox.run import SandboxError
from effopd.sandbox.seccomp import filter_bytes
from effopd.sandbox.watch import Limits, NotJudgedError, Outcome

pytestmark = needs_bubblewrap

LIMITS = Limits(cpu_seconds=1, sleep_seconds=1, memory=512 << 20, scratch=8 << 20, output=1 << 20)


def python(source: str, *, sandboxed: bool = True, limits: Limits = LIMITS, stdin: bytes = b"") -> Outcome:
    program = programs.prepare("python", source, sandboxed=sandboxed)
    assert not isinstance(program, str)
    return program.run(stdin, limits)


def unlimited(source: str) -> subprocess.Popen[bytes]:
    """The program as a plain process in a session of its own, for programs that bound themselves."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", source],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


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


MEMORY_BOMBS = {
    "one block": "x = 'a' * SIZE",
    "many blocks": "x = []\nwhile len(x) < SIZE >> 24: x.append(bytearray(b'a') * (1 << 24))",
    "maps": "import mmap\nx = [mmap.mmap(-1, 1 << 26) for _ in range(SIZE >> 26)]\nfor m in x: m.write(bytes(1 << 26))",
}


@pytest.mark.parametrize("bomb", MEMORY_BOMBS)
def test_a_memory_bomb_ends_itself_in_the_sandbox_alone(bomb: str) -> None:
    endless, bounded = (MEMORY_BOMBS[bomb].replace("SIZE", str(size)) for size in (10**12, LIMITS.memory))
    for source in (endless, bounded):
        outcome = python(source)
        assert outcome.end == "exit" and outcome.status == 1
        assert "MemoryError" in outcome.stderr or "Cannot allocate" in outcome.stderr
    peak = "\nimport resource\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    harmed, _ = unlimited(bounded + peak).communicate(timeout=60)
    assert int(harmed) * 1024 > LIMITS.memory


def test_memory_outside_the_address_space_is_closed() -> None:
    assert python("import os\nos.memfd_create('x')").stderr.rstrip().endswith("Operation not permitted")
    assert python("import os\nprint(hasattr(os, 'memfd_create'))", sandboxed=False).stdout == b"True\n"
    full = python("for i in range(100):\n  open(f'/tmp/{i}', 'wb').write(bytes(1 << 20))")
    assert "No space left" in full.stderr or "File too large" in full.stderr


def test_a_fork_bomb_cannot_start_a_second_process() -> None:
    outcome = python("import os\nwhile True: os.fork()")
    assert outcome.end == "exit" and "Operation not permitted" in outcome.stderr


FORK_BOMBS = {  # each process marks its life and waits for its children; five doublings make 32
    "python": """import os
for _ in range(5):
  try: os.fork()
  except PermissionError: pass
os.write(1, b"x")
try:
  while True: os.wait()
except ChildProcessError: pass""",
    "c++": """#include <unistd.h>
#include <sys/wait.h>
int main(){ for(int i=0;i<5;i++) fork(); if(write(1,"x",1)!=1) return 1; while(wait(nullptr)>0); }""",
}


@pytest.mark.parametrize("language", ["python", "c++"])
def test_a_bounded_fork_bomb_multiplies_outside_the_sandbox_alone(language: Literal["python", "c++"]) -> None:
    for sandboxed, lives in ((True, b"x"), (False, b"x" * 32)):
        program = programs.prepare(language, FORK_BOMBS[language], sandboxed=sandboxed)
        assert not isinstance(program, str)
        assert program.run(b"", LIMITS).stdout == lives


@pytest.mark.parametrize("sandboxed", [True, False])
def test_system_calls_made_by_hand_start_processes_outside_the_sandbox_alone(sandboxed: bool) -> None:
    source = """#include <unistd.h>
#include <sys/syscall.h>
#include <stdio.h>
#include <errno.h>
int main(){ long a=syscall(SYS_clone,17L,0,0,0,0); if(a==0)_exit(0); int e=errno;
  struct{unsigned long long f[11];}args={{0,0,0,0,17}}; long b=syscall(SYS_clone3,&args,88L);
  if(b==0)_exit(0); int g=errno;
  printf("%ld %d %ld %d",a,e,b,g);}"""
    program = programs.prepare("c++", source, sandboxed=sandboxed)
    assert not isinstance(program, str)
    said = program.run(b"", LIMITS).stdout
    if sandboxed:
        assert said == b"-1 1 -1 38"  # EPERM, ENOSYS
    else:
        first, _, second, _ = map(int, said.split())
        assert first > 0 and second > 0


THREAD_BOMBS = {  # each tries to have 2,000 threads, says how many it got, and ends
    "small stacks": """#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
void* rest(void*){ pause(); return nullptr; }
int main(){ pthread_attr_t a; pthread_t t; int n=0; pthread_attr_init(&a); pthread_attr_setstacksize(&a,16384);
  while(n<2000 && !pthread_create(&t,&a,rest,nullptr)) n++;
  printf("%d\\n",n); fflush(stdout); _exit(0); }""",
    "one stack for all": """#include <sched.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>
alignas(16) static char stack[65536];
int rest(void*){ for(;;) syscall(SYS_pause); }
int main(){ int n=0, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM;
  while(n<2000 && clone(rest,stack+sizeof stack,flags,nullptr)>0) n++;
  printf("%d\\n",n); fflush(stdout); _exit(0); }""",
}


@pytest.mark.parametrize("bomb", THREAD_BOMBS)
def test_a_bounded_thread_bomb_multiplies_outside_the_sandbox_alone(bomb: str) -> None:
    for sandboxed, threads in ((True, LIMITS.threads - 1), (False, 2000)):
        program = programs.prepare("c++", THREAD_BOMBS[bomb], sandboxed=sandboxed)
        assert not isinstance(program, str)
        assert program.run(b"", LIMITS).stdout == b"%d\n" % threads


@pytest.mark.skipif(os.geteuid() != 0, reason="the test above is an ordinary user's already")
@pytest.mark.parametrize("bomb", THREAD_BOMBS)
def test_a_thread_bomb_that_an_ordinary_user_runs_is_bounded_too(bomb: str) -> None:
    # the ordinary user may not see where this Python is, so everything is loaded first and the program needs none
    grade = f"""import os, sys
from pathlib import Path
from effopd.sandbox import programs, run
program = programs.prepare("c++", {THREAD_BOMBS[bomb]!r})
os.setgroups([])
os.setgid(1 << 29)
os.setuid(1 << 29)
sys.base_prefix = "/usr"
print(program.run(b"", run.Limits()).stdout.decode())"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        inside = os.environ | {"TMPDIR": folder}
        ended = subprocess.run([sys.executable, "-c", grade], env=inside, capture_output=True, check=False, timeout=60)
    assert ended.stdout.split() == [b"%d" % (LIMITS.threads - 1)], ended.stderr


def test_the_threads_of_one_program_are_not_counted_with_anothers() -> None:
    crowd = programs.prepare("c++", THREAD_BOMBS["small stacks"].replace("_exit(0)", "sleep(2); _exit(0)"))
    assert not isinstance(crowd, str)
    with ThreadPoolExecutor(3) as pool:
        said = list(pool.map(lambda _: crowd.run(b"", LIMITS).stdout, range(3)))
    assert said == [b"%d\n" % (LIMITS.threads - 1)] * 3


def test_a_compiler_may_not_multiply_without_end_either() -> None:
    bomb = """import os, time
n = 0
try:
  while n < 2000:
    if not os.fork(): time.sleep(9)
    n += 1
except OSError: pass
print(n)"""
    outcome = python(bomb, limits=Limits(processes=True))
    assert outcome.stdout == b"%d\n" % (LIMITS.threads - 1)


def test_a_program_out_of_time_with_all_its_threads_ended_by_them() -> None:
    for then, end in (("for(;;);", "threads"), ("sleep(60);", "threads"), ("_exit(1);", "exit")):
        program = programs.prepare("c++", THREAD_BOMBS["one stack for all"].replace("_exit(0);", then))
        assert not isinstance(program, str)
        assert program.run(b"", LIMITS).end == end


def test_threads_still_work() -> None:
    source = "import threading\nt = [threading.Thread(target=print, args=('x',)) for _ in range(3)]\n"
    assert python(source + "for x in t: x.start()\nfor x in t: x.join()").stdout == b"x\nx\nx\n"
    with_the_library = """#include <thread>
#include <vector>
#include <atomic>
#include <stdio.h>
int main(){ std::atomic<int> n{0}; std::vector<std::thread> t;
  for(int i=0;i<4;i++) t.emplace_back([&]{ n++; });
  for(auto& x: t) x.join(); printf("%d",n.load()); }"""
    program = programs.prepare("c++", with_the_library)
    assert not isinstance(program, str)
    assert program.run(b"", LIMITS).stdout == b"4"


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
