"""A filter of system calls: no sockets of the file system, which no mount stops."""

import ctypes
import errno
import os

from d2l_classroom.grading import kernel

# linux/prctl.h, linux/seccomp.h
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
KILL, DENY, ALLOW = 0x80000000, 0x00050000 | errno.EPERM, 0x7FFF0000
# linux/bpf_common.h: instructions, and where a call's parts are in seccomp_data.
LOAD, AND, IS, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
NUMBER, ARCHITECTURE, FIRST, SECOND = 0, 4, 16, 24
# Of each machine: linux/audit.h's name, the numbers of socket and socketpair.
MACHINES = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
# It makes sockets, too, and no filter sees that.
IO_URING_SETUP = 425
# Numbers from here on are those of x32, a second set for the same calls.
X32 = 0x40000000
INET, INET6, NETLINK = 2, 10, 16
STREAM, SEQPACKET, KIND = 1, 5, 0xF


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_uint16),
        ("filter", ctypes.POINTER(_Instruction)),
    )


def refuse_local() -> bool:
    """Leave this process, for good, IP sockets alone; returns whether it is done.

    A pair of sockets stays possible, of the kinds that cannot be connected anew. False
    where the kernel has no filters, or the machine is one whose calls are not known.
    """
    machine = MACHINES.get(os.uname().machine)
    if machine is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    instructions = _instructions(*machine)
    array = (_Instruction * len(instructions))(*instructions)
    program = _Program(len(array), array)
    try:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program))
    except OSError:
        return False
    return True


def _instructions(architecture: int, socket: int, pair: int) -> list[tuple[int, ...]]:
    """The filter: code, how many to skip if so, and if not, and the value."""
    return [
        (LOAD, 0, 0, ARCHITECTURE),
        (IS, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 12, 0, X32),
        (IS, 11, 0, IO_URING_SETUP),
        (IS, 2, 0, socket),
        (IS, 5, 0, pair),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, FIRST),
        (IS, 7, 0, INET),
        (IS, 6, 0, INET6),
        (IS, 5, 4, NETLINK),
        (LOAD, 0, 0, SECOND),
        (AND, 0, 0, KIND),
        (IS, 2, 0, STREAM),
        (IS, 1, 0, SEQPACKET),
        (RETURN, 0, 0, DENY),
        (RETURN, 0, 0, ALLOW),
    ]
