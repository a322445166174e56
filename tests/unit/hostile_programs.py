"""Programs that try to get out, to learn of the machine, or to use it up. Who succeeds says BREACH.

Each is a Python or a C++ program by what it tries; none needs luck, and none asks what the sandbox is.
"""

# ruff: noqa: E501 - a program on one line stands beside what it tries

from __future__ import annotations

import os
from pathlib import Path

_HOME, _HERE = Path.home(), Path(__file__).resolve()

_SECRETS = [
    "/etc/passwd", "/etc/shadow", "/etc/hostname", "/etc/resolv.conf", "/etc/machine-id", f"{_HOME}/.bashrc",
    f"{_HOME}/.ssh/id_rsa", f"{_HOME}/.cache/huggingface/token", f"{_HOME}/.netrc", f"{_HERE}", f"{_HERE.parents[2]}/params.yaml",
    "/proc/self/environ", "/proc/1/environ", "/proc/meminfo", "/proc/version", "/proc/mounts", "/proc/kcore",
    "/sys/class/net", "/sys/fs/cgroup", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda",
    "/dev/kvm", "/dev/fuse", "/dev/loop0", "/dev/net/tun", "/run/docker.sock", "/var/run/docker.sock", "/run/systemd",
    "/var/log/dpkg.log", "/root", "/home", "/opt", "/srv", "/mnt", "/media", "/boot", "/var",
    "/box/../etc/passwd", "/usr/local", "/usr/share",
]  # fmt: skip
_WRITTEN = [
    "/mark", "/box/mark", "/box/main.py", "/usr/mark", "/usr/bin/prlimit", "/usr/lib/mark", "/python/mark",
    "/python/bin/python3", "/python/lib/mark", "/dev/mark", "/dev/shm/mark", "/etc/mark", "/lib/mark", f"{_HERE.parent}/mark",
    f"{_HOME}/mark", "/dev/pts/mark",
]  # fmt: skip
_FAMILIES = {
    "an address": 2, "IPv6": 10, "netlink": 16, "a packet": 17, "the kernel's crypto": 38, "Bluetooth": 31, "a hypervisor": 40,
    "XDP": 44, "CAN": 29, "TIPC": 30, "RDS": 21, "QIPCRTR": 42, "SMC": 43, "phonet": 35,
}  # fmt: skip
# x86-64 numbers; where a number means something else the program fails as well
_CALLS = {
    "trace": (101, 0, 0), "read another's memory": (310, 1, 0, 0, 0, 0, 0), "write another's memory": (311, 1, 0, 0, 0, 0, 0),
    "leave its namespaces": (272, 0x10000000), "enter a namespace": (308, 3, 0), "change the root": (161, b"/tmp"),
    "pivot": (155, b"/tmp", b"/tmp"), "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "unmount": (166, b"/tmp", 2),
    "open a tree": (428, -100, b"/", 1), "open a file system": (430, b"tmpfs", 0), "change a mount": (442, -100, b"/", 0, 0, 0),
    "load a filter into the kernel": (321, 0, 0, 0), "count events": (298, 0, 0, -1, -1, 0), "handle faults": (323, 0),
    "ring": (425, 8, 0), "keep keys": (248, b"user", b"x", b"y", 1, -3), "ask for keys": (249, b"user", b"x", 0, 0),
    "control keys": (250, 0, -3, 0), "open by handle": (304, -1, 0, 0), "get a handle": (303, -100, b"/", 0, 0, 0),
    "load a kernel": (246, 0, 0, 0, 0), "load a module": (313, 0, b"", 0), "remove a module": (176, b"x", 0),
    "reboot": (169, 0xFEE1DEAD, 672274793, 0x1234567, 0), "read the kernel's log": (103, 3, b"x" * 16, 8),
    "share memory": (29, 0, 4096, 0o1600), "queue messages": (68, 0, 0o1600), "make semaphores": (64, 0, 1, 0o1600),
    "keep memory in a file": (319, b"x", 0), "keep secret memory": (447, 0), "set the clock": (227, 0, b"\0" * 16),
    "watch all files": (300, 0, 0), "start accounting": (163, b"/tmp/a"), "swap": (167, b"/tmp/a", 0),
    "queue disk requests": (206, 128, b"\0" * 8), "take another's file": (438, 0, 0, 0), "hang a name on a file": (188, b"/tmp", b"user.x", b"1", 1, 0),
    "fork": (57,), "fork in place": (58,), "clone": (56, 17, 0, 0, 0, 0), "clone anew": (435, b"\0" * 88, 88), "become root": (105, 0),
    "ports": (172, 3), "another personality for the next": (435, b"\0" * 64, 64), "limits of another": (302, 1, 7, 0, b"\0" * 16),
}  # fmt: skip
_CALL = """import ctypes
libc = ctypes.CDLL(None, use_errno=True)
found = libc.syscall(*{arguments})
if found == 0 and {arguments}[0] in (57, 58, 56, 435): libc._exit(0)
if found >= 0: print("BREACH", found)"""
_OTHERS = {
    "import pip": "import site\nsite.main()\nimport pip\nprint('BREACH')",
    "import numpy from anywhere": "import glob, sys\nsys.path += glob.glob('/**/*-packages', recursive=True)\nimport numpy\nprint('BREACH')",
    "list packages": "import glob\nif [p for f in glob.glob('/**/*-packages', recursive=True) for p in glob.glob(f + '/*')]: print('BREACH')",
    "run perl": "import os\nos.execv('/usr/bin/perl', ['perl', '-e', 'print \"BREACH\"'])",
    "run the shell": "import os\nos.execv('/bin/sh', ['sh', '-c', 'echo BREACH'])",
    "run the system's Python": "import os\nos.execv('/usr/bin/python3', ['python3', '-c', 'print(\"BREACH\")'])",
    "run a compiler": "import os\nos.execv('/usr/bin/g++', ['g++', '--version'])",
    "run bubblewrap": "import os\nos.execv('/usr/bin/bwrap', ['bwrap', '--version'])",
    "start a process": "import subprocess\nprint('BREACH', subprocess.run(['/usr/bin/prlimit']).returncode)",
    "spawn": "import os\nos.posix_spawn('/usr/bin/prlimit', ['prlimit'], {})\nprint('BREACH')",
    "raise its limits": "import resource as r\nfor w in (r.RLIMIT_CPU, r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE):\n"
    "  try: r.setrlimit(w, (r.RLIM_INFINITY, r.RLIM_INFINITY))\n  except ValueError: continue\n  print('BREACH')",
    "be nice to itself": "import os\nos.nice(-5)\nprint('BREACH')",
    "take real time": "import os\nos.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nprint('BREACH')",
    "see other processes": "import os\nfor pid in range(5, 5000):\n  try: os.kill(pid, 0)\n  except ProcessLookupError: continue\n  except PermissionError: pass\n  print('BREACH', pid)",
    "kill everybody": "import os\nos.kill(-1, 9)",
    "kill its parent": f"import os\nos.kill(os.getppid(), 9)\nos.kill({os.getpid()}, 9)",
    "kill its group": "import os\nos.killpg(0, 9)",
    "read its environment": "import os\nif set(os.environ) - {'PATH', 'LANG', 'HOME', 'LD_LIBRARY_PATH', 'ONLINE_JUDGE', 'PWD', 'LC_CTYPE'}: print('BREACH', os.environ)",
    "read its grader's environment": f"print('BREACH', open('/proc/{os.getpid()}/environ', 'rb').read(9))",
    "use open descriptors": "import os\nfor d in range(3, 64):\n  try: os.write(d, b'x')\n  except OSError: continue\n  print('BREACH', d)",
    "read open descriptors": "import os\nfor d in range(3, 64):\n  try: print('BREACH', os.read(d, 100))\n  except OSError: pass",
    "learn the host's name": "import os, platform\nif platform.node() != 'box': print('BREACH')",
    "link out": "import os\nos.symlink('/etc/passwd', '/tmp/l')\nprint('BREACH', open('/tmp/l').read())",
    "link what it reads": "import os\nos.link('/box/main.py', '/tmp/l')\nprint('BREACH')",
    "make a device": "import os, stat\nos.mknod('/tmp/d', 0o600 | stat.S_IFBLK, os.makedev(254, 0))\nprint('BREACH')",
    "change owners": "import os\nos.chown('/box/main.py', 0, 0)\nprint('BREACH')",
    "set a bit for root": "import os\nopen('/tmp/x', 'w')\nos.chown('/tmp/x', 0, 0)\nos.chmod('/tmp/x', 0o4755)\nprint('BREACH')",
    "type into the terminal": "import fcntl, termios\nfcntl.ioctl(0, termios.TIOCSTI, b'x')\nprint('BREACH')",
    "look up a name": "import socket\nsocket.gethostbyname('localhost')\nsocket.create_connection(('127.0.0.1', 22), 1)\nprint('BREACH')",
    "reach an abstract socket": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0/tmp/.X11-unix/X0')\nprint('BREACH')",
    "become the user that it is outside": "import os\nos.setresuid(0, 0, 0)\nprint('BREACH')",
    "gain groups": "import os\nos.setgroups([0])\nprint('BREACH')",
    "core": "import os, resource\nresource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))\nprint('BREACH')",
}  # fmt: skip
_CXX = {
    "C++: read the list of users": '#include <fstream>\n#include <iostream>\nint main(){ std::ifstream f("/etc/passwd"); if(f) std::cout<<"BREACH"; }',
    "C++: fork": '#include <unistd.h>\n#include <cstdio>\nint main(){ if(fork()>=0) puts("BREACH"); }',
    "C++: run a program": '#include <cstdlib>\n#include <cstdio>\nint main(){ if(system("/usr/bin/prlimit")==0) puts("BREACH"); }',
    "C++: open a socket": '#include <sys/socket.h>\n#include <cstdio>\nint main(){ if(socket(AF_INET,SOCK_STREAM,0)>=0||socket(40,1,0)>=0) puts("BREACH"); }',
    "C++: a pair of sockets for the hypervisor": '#include <sys/socket.h>\n#include <cstdio>\nint main(){ int s[2]; if(socketpair(40,1,0,s)==0) puts("BREACH"); }',
    "C++: calls of another architecture": '#include <cstdio>\nint main(){ long r; asm volatile("int $0x80":"=a"(r):"a"(20)); if(r>0) puts("BREACH"); }',
    "C++: calls by x32's numbers": '#include <unistd.h>\n#include <cstdio>\nint main(){ if(syscall(0x40000000+39)>0) puts("BREACH"); }',
    "C++: compile in a file": '#include "/etc/passwd"\nint main(){ }',
    "C++: assemble a file": 'asm(".incbin \\"/etc/passwd\\"");\nint main(){ }',
    "C++: include without end": "#include __FILE__\nint main(){ }",
    "C++: include noise": '#include "/dev/urandom"\nint main(){ }',
    "C++: templates without end": "template<int n> struct A { enum { v = A<n-1>::v + A<n-2>::v }; };\nint main(){ return A<1000000>::v; }",
    "C++: a large binary": "char x[1ll<<36] = {1};\nint main(){ }",
}  # fmt: skip
_BOMBS = {
    "spin": "while True: pass",
    "spin in C": "sum(iter(int, 1))",
    "ignore signals": "import signal\nfor n in range(1, 65):\n  try: signal.signal(n, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nwhile True: pass",
    "a large power": "print(9 ** 9 ** 9)",
    "a regular expression": "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
    "a block of memory": "x = bytearray(1 << 40)",
    "memory bit by bit": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "mapped memory": "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 24)); x[-1].write(b'x' * (1 << 24))",
    "recursion": "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
    "output": "while True: print('x' * 100000)",
    "complaints": "import sys\nwhile True: sys.stderr.write('x' * 100000)",
    "a full disk": "f = open('/tmp/f', 'wb')\nwhile True: f.write(b'x' * (1 << 20))",
    "many full files": "for n in range(10 ** 6): open(f'/tmp/{n}', 'wb').write(b'x' * 65536)",
    "empty files": "import os\nn = 0\nwhile True: os.close(os.open(f'/tmp/{n}', os.O_CREAT)); n += 1",
    "folders": "import os\nn = 0\nwhile True: os.mkdir(f'/tmp/{n}'); n += 1",
    "folders in folders": "import os\nwhile True: os.mkdir('d'); os.chdir('d')",
    "links": "import os\nn = 0\nwhile True: os.symlink('x' * 4000, f'/tmp/{n}'); n += 1",
    "hard links": "import os\nopen('/tmp/f', 'w')\nn = 0\nwhile True: os.link('/tmp/f', f'/tmp/{n}'); n += 1",
    "pipes for files": "import os\nn = 0\nwhile True: os.mkfifo(f'/tmp/{n}'); n += 1",
    "sockets for files": "import socket\nn = 0\nwhile True: s = socket.socket(socket.AF_UNIX); s.bind(f'/tmp/{n}'); s.close(); n += 1",
    "open files": "x = []\nwhile True: x.append(open('/dev/zero'))",
    "pipes": "import os\nwhile True: r, w = os.pipe(); os.set_blocking(w, False); os.write(w, b'x' * 65536)",
    "sockets": "import socket\nx = []\nwhile True: x.append(socket.socketpair()); x[-1][0].setblocking(False); x[-1][0].send(b'x' * 100000)",
    "sockets in sockets": "import array, os, socket\na, b = socket.socketpair()\na.setblocking(False)\n"
    "while True: r, w = os.pipe(); socket.send_fds(a, [b'x'], [r, w]); os.close(r); os.close(w)",
    "threads": "import threading\nwhile True: threading.Thread(target=threading.Event().wait).start()",
    "timers": "import ctypes\nl = ctypes.CDLL('librt.so.1')\nt = ctypes.c_void_p()\nwhile l.timer_create(0, None, ctypes.byref(t)) == 0: pass\nraise SystemExit('no more')",
    "locks": "import fcntl\nf = open('/tmp/f', 'w')\nfor n in range(10 ** 9): fcntl.lockf(f, fcntl.LOCK_EX, 1, 2 * n)",
    "sleep": "import time\ntime.sleep(10 ** 6)",
    "naps": "import time\nwhile True: time.sleep(0.001)",
    "wait for nothing": "import threading\nthreading.Event().wait()",
    "stop itself": "import os\nos.kill(os.getpid(), 19)",
    "no output and sleep": "import os, time\nos.close(0); os.close(1); os.close(2)\ntime.sleep(10 ** 6)",
    "exit in a thread": "import os, threading\nthreading.Thread(target=os._exit, args=(0,)).start()\nwhile True: pass",
    "a status of the sandbox": "import os\nos._exit(125)",
    "a signal's status": "import os\nos._exit(137)",
    "abort": "import os\nos.abort()",
    "crash": "import ctypes\nctypes.string_at(0)",
}  # fmt: skip

PYTHON: dict[str, str] = {
    **{f"read {path}": f"import os\nprint('BREACH', os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}, 'rb').read(9))" for path in _SECRETS},
    **{f"write {path}": f"open({path!r}, 'a').write('x')\nprint('BREACH')" for path in _WRITTEN},
    **{f"open a socket for {name}": f"import socket\nfor kind in (1, 2, 3, 5):\n  try: socket.socket({number}, kind)\n  except OSError: continue\n  print('BREACH')" for name, number in _FAMILIES.items()},
    **{f"call the kernel to {name}": _CALL.format(arguments=arguments) for name, arguments in _CALLS.items()},
    **_OTHERS,
    **_BOMBS,
}  # fmt: skip
CXX = _CXX
