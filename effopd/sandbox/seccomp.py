"""The system-call filter of a sandboxed program, as the BPF bytes that the kernel takes (seccomp(2), Linux).

Namespaces hide the machine and limits bound a process; this closes what limits do not count: new processes, memory that
lives outside any process's address space, and kernel interfaces that a contest solution has no use for.
"""

from __future__ import annotations

import errno
import platform
import socket
import struct
from functools import cache

CLONE_THREAD = 0x00010000

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000  # what a filter may return
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF instructions
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little-endian

# name: (x86-64, arm64) numbers of system calls; None where an architecture has none of that name
_FORKS: dict[str, tuple[int, int | None]] = {"fork": (57, None), "vfork": (58, None)}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_SOCKETS = {"socket": (41, 198), "socketpair": (53, 199)}  # of one family alone, as event loops wake themselves by
_REFUSED: dict[str, tuple[int, int | None]] = {
    # memory that no address-space limit counts
    "io_setup": (206, 0), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # other processes and namespaces
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41),
    "mount": (165, 40), "umount2": (166, 39), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442), "pidfd_getfd": (438, 438),
    # kernel interfaces with a history of escapes
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "syslog": (103, 116), "acct": (163, 89), "quotactl": (179, 60),
    "fanotify_init": (300, 262), "swapon": (167, 224), "settimeofday": (164, 170), "clock_settime": (227, 112),
}  # fmt: skip
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


class UnknownArchitectureError(RuntimeError):
    """This processor's system-call numbers are not known here, so no filter can be made."""


@cache
def filter_bytes(allow_processes: bool) -> bytes:
    """The filter for this machine. allow_processes: whether fork is allowed, which compilers need and solutions do not.

    Threads are always allowed. Raises `UnknownArchitectureError` on processors other than x86-64 and arm64.
    """
    if platform.machine() not in _ARCHITECTURES:
        raise UnknownArchitectureError(
            f"no system-call filter for the processor {platform.machine()!r}; known: {', '.join(_ARCHITECTURES)}"
        )
    column, architecture = _ARCHITECTURES[platform.machine()]
    denied = _return_error(errno.EPERM)
    program = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_EQUAL, architecture, yes=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
        _instruction(_JUMP_AT_LEAST, 0x40000000, no=1),  # x86's x32 numbers would step around the list below
        _instruction(_RETURN, _KILL),
    ]
    refused = _REFUSED if allow_processes else _REFUSED | _FORKS
    for number in (numbers[column] for numbers in refused.values()):
        if number is not None:
            program += [_instruction(_JUMP_EQUAL, number, no=1), denied]
    for number in (numbers[column] for numbers in _SOCKETS.values()):
        program += [
            _instruction(_JUMP_EQUAL, number, no=4),
            _instruction(_LOAD, _FIRST_ARGUMENT),
            _instruction(_JUMP_EQUAL, socket.AF_UNIX, yes=1),
            _return_error(errno.EAFNOSUPPORT),
            _instruction(_LOAD, _NUMBER),
        ]
    if not allow_processes:
        # clone3 hides its flags from filters: where it seems to be missing, the C library falls back to clone
        program += [_instruction(_JUMP_EQUAL, _CLONE3[column], no=1), _return_error(errno.ENOSYS)]
        program += [
            _instruction(_JUMP_EQUAL, _CLONE[column], no=3),
            _instruction(_LOAD, _FIRST_ARGUMENT),
            _instruction(_JUMP_BITS, CLONE_THREAD, yes=1),
            denied,
        ]
    program.append(_instruction(_RETURN, _ALLOW))
    return b"".join(program)


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One `struct sock_filter`; yes and no say how many instructions a jump skips."""
    return struct.pack("<HBBI", code, yes, no, value)


def _return_error(number: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | number)
