"""What Linux offers an ordinary user for locking a process in, by its system calls."""

import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path

# linux/sched.h, linux/prctl.h, linux/mount.h, linux/landlock.h
NAMESPACES = 0x10000000 | 0x00020000 | 0x40000000 | 0x20000000 | 0x08000000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, IOCTL = 1, 2, 4, 8, 1 << 15
TRUNCATE = 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
# What a rule may grant for a file that is no folder.
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL
# The rights that each version of Landlock's interface knows.
KNOWN = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
ALL = KNOWN[5]

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int, second: int = 0) -> None:
    """Change a setting of this process; raises OSError where that cannot be."""
    arguments = [ctypes.c_ulong(number) for number in (value, second, 0, 0)]
    _checked(_libc.prctl(option, *arguments), "prctl")


def die_with_parent() -> None:
    """Have this process killed when its parent ends, however that ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def enter_namespaces() -> None:
    """Leave network, mounts, shared memory and, for children, processes of the system.

    Raises OSError where the system does not let this user do so.
    """
    user, group = os.getuid(), os.getgid()
    _checked(_libc.unshare(NAMESPACES), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    # Never 0 within: what is executed next then starts without any capability.
    Path("/proc/self/uid_map").write_text(f"{user or 1000} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group or 1000} {group} 1")


def read_only_but(folder: str) -> None:
    """Make everything read-only save `folder`; needs namespaces of its own."""
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    _mount(folder, folder, "", MS_BIND)
    _set_mount("/", set_=MOUNT_ATTR_RDONLY, flags=AT_RECURSIVE)
    _set_mount(folder, clear=MOUNT_ATTR_RDONLY)
    _mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "size=256m")
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = (source, target, kind, data)
    source_, target_, kind_, data_ = (word.encode() or None for word in words)
    result = _libc.mount(source_, target_, kind_, ctypes.c_ulong(flags), data_)
    _checked(result, f"mount {target}")


def _set_mount(target: str, set_: int = 0, clear: int = 0, flags: int = 0) -> None:
    attributes = (ctypes.c_uint64 * 4)(set_, clear, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    path = os.fsencode(target)
    result = _libc.syscall(MOUNT_SETATTR, AT_FDCWD, path, flags, attributes, size)
    _checked(result, f"mount_setattr {target}")


def landlock_version() -> int:
    """The version of Landlock's interface, 0 where the kernel has none of it."""
    return max(0, _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1))


def confine(rules: Iterable[tuple[str, int]]) -> None:
    """Take from this process all access to files but the rights that the rules give.

    A rule is a path, with all that lies below it, and its rights; a path that does not
    exist is passed over. From Landlock's version 4 on TCP is closed too, from version 6
    on signals reach no process outside.
    """
    version = landlock_version()
    known = KNOWN[max(number for number in KNOWN if number <= version)]
    handled = (known, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    attributes = (ctypes.c_uint64 * 3)(*handled)
    # Older kernels know a shorter structure, and take zeros for what lies behind it.
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    made = _libc.syscall(CREATE_RULESET, attributes, size, 0)
    ruleset = _checked(made, "landlock_create_ruleset")
    for path, rights in rules:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = rights & known & (ALL if Path(path).is_dir() else OF_FILES)
        rule = ctypes.create_string_buffer(
            allowed.to_bytes(8, "little") + place.to_bytes(4, "little")
        )
        _checked(_libc.syscall(ADD_RULE, ruleset, 1, rule, 0), f"landlock {path}")
        os.close(place)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    _checked(_libc.syscall(RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)
