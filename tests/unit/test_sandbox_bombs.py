"""Programs that multiply, or take all the memory: each ends itself in the sandbox, and goes on outside of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
from boxed import LIMITS, python, unlimited
from installed import needs_bubblewrap

from effopd.sandbox import programs
from effopd.sandbox.watch import Limits

pytestmark = needs_bubblewrap

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
