"""System calls that a worker is refused: a list of refusals, and all calls newer than the list,
which do not exist for a worker."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # every namespace: mount, cgroup, uts, ipc, user, pid, net, time
_MAP_SHARED_ANONYMOUS = 0x21
_MAP_GROWSDOWN = 0x100
_O_TMPFILE_BIT = 0o20000000
_FOPEN_W = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_SOCKET_TYPE = 0xF
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15
_FIOSETOWN, _SIOCSPGRP, _TIOCSTI = 0x8901, 0x8902, 0x5412
_ALL_BITS = 0xFFFFFFFF

_PROCESSES = (
    *("fork", "vfork", "execve", "execveat", "setsid", "setpgid", "personality"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"),
    *("kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "timer_create", "setrlimit"),
    *("setpriority", "ioprio_set", "sched_setscheduler", "sched_setparam", "sched_setattr"),
    *("migrate_pages", "move_pages"),
    *("pidfd_open", "pidfd_send_signal", "pidfd_getfd", "kcmp", "unshare", "setns", "seccomp"),
)
_CONNECTIONS = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4"),
    *("sendmsg", "sendmmsg", "recvmsg", "recvmmsg"),  # they can pass descriptors
)
_SHARED_MEMORY = (  # none of it counts as a process's data
    *("memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "userfaultfd"),
    *("msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop", "semtimedop", "semctl"),
    *("mq_open", "mq_unlink"),
)
_FILES = (  # Landlock restricts neither modes, owners, times nor attributes
    *("creat", "mknod", "mknodat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "truncate"),
    *("chmod", "fchmod", "fchmodat", "chown", "lchown", "fchown", "fchownat"),
    *("utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr"),
    *("removexattr", "lremovexattr", "fremovexattr", "name_to_handle_at", "open_by_handle_at"),
    *("inotify_init", "inotify_init1", "fanotify_init", "quotactl", "quotactl_fd"),
    *("sync", "syncfs", "chroot", "mount", "umount2", "pivot_root", "move_mount", "open_tree"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"),
)
_KERNEL = (
    *("io_setup", "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "keyctl"),
    *("perf_event_open", "kexec_load", "kexec_file_load", "add_key", "request_key", "syslog"),
    *("init_module", "finit_module", "delete_module", "reboot", "acct", "swapon", "swapoff"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname"),
    *("setdomainname", "iopl", "ioperm", "modify_ldt", "vhangup"),
)

_DRIVERS = frozenset({"socket", "bind", "listen", "unlink", "symlink"})  # see _drivers_guards


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Stops a call by 32 bits of one argument: if, masked, they are (or are not) a value.

    Attributes:
        high: Check the upper half of the argument instead of the lower.
        answer: The error that the call returns; 0 reports success, although it is never made.
    """

    call: str
    argument: int
    mask: int
    value: int
    when_equal: bool
    high: bool = False
    answer: int = errno.EPERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``denied`` return EPERM, ``absent`` ENOSYS, so that libraries use an older call."""

    denied: tuple[str, ...]
    absent: tuple[str, ...]
    guards: tuple[Guard, ...]


def policy(device: str, pid: int) -> Policy:
    """Return the refusals for a worker on ``device`` whose own process id is ``pid``.

    A GPU's driver is used by ioctl, through device files that are open for writing.
    """
    denied = [*_PROCESSES, *_CONNECTIONS, *_SHARED_MEMORY, *_FILES, *_KERNEL]
    writing = os.O_CREAT | os.O_TRUNC | _O_TMPFILE_BIT
    guards = [
        _unless("clone", 0, _CLONE_THREAD, _CLONE_THREAD),
        _unless("clone", 0, _CLONE_NEW, 0),
        # It would count as stack, not as data.
        _unless("mmap", 3, _MAP_GROWSDOWN, 0),
        # A worker must not end itself as the kernel does if memory is short, nor outlive us.
        _when("tgkill", 2, signal.SIGKILL),
        _unless("tgkill", 0, _ALL_BITS, pid),
        _when("prctl", 0, _PR_SET_PDEATHSIG),
        _when("prctl", 0, _PR_SET_SECCOMP),
        *(_when("fcntl", 1, command) for command in (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX)),
        # Only itself; limits can only be read.
        _unless("sched_setaffinity", 0, _ALL_BITS, 0),
        _unless("prlimit64", 2, _ALL_BITS, 0),
        _unless("prlimit64", 2, _ALL_BITS, 0, high=True),
    ]
    if device == "cpu":
        denied.append("ioctl")
        writing |= os.O_WRONLY | os.O_RDWR
        guards.append(_when("mmap", 3, _MAP_SHARED_ANONYMOUS, mask=_MAP_SHARED_ANONYMOUS))
    else:
        denied = [call for call in denied if call not in _DRIVERS]
        guards = [*_drivers_guards(), *guards]
    guards += [_unless("open", 1, writing, 0), _unless("openat", 2, writing, 0)]
    return Policy(denied=tuple(denied), absent=("clone3", "openat2"), guards=tuple(guards))


def _when(call: str, argument: int, value: int, mask: int = _ALL_BITS) -> Guard:
    return Guard(call=call, argument=argument, mask=mask, value=value, when_equal=True)


def _drivers_guards() -> Sequence[Guard]:
    """Return guards that allow CUDA's start, by a trace of driver 580; else ``cuInit`` fails (304).

    - It names one of its threads by ``fopen(..., "w")`` in /proc, which shows no thread of this
      namespace and does not allow writing. It gets descriptor 0 instead, which is /dev/null
      and stays open. No other code opens files like this: Python and C++ add O_CLOEXEC.
    - It listens on an abstract socket, in the worker's own network. Connecting, accepting and
      passing descriptors stay refused, and no socket type that needs neither is allowed.
    - It removes possible remains of that socket, and links to the device files: neither exists.
    """
    return (
        _answer("open", 1, _FOPEN_W, 0),
        _answer("openat", 2, _FOPEN_W, 0),
        _answer("close", 0, 0, 0),
        _unless("socket", 0, _ALL_BITS, socket.AF_UNIX),
        _unless("socket", 1, _SOCKET_TYPE, socket.SOCK_SEQPACKET),
        *(_answer(call, 0, 0, errno.ENOENT, mask=0) for call in ("unlink", "symlink")),
        *(_when("ioctl", 1, c) for c in (_FIOSETOWN, _SIOCSPGRP, _TIOCSTI)),
    )


def _answer(call: str, argument: int, value: int, answer: int, mask: int = _ALL_BITS) -> Guard:
    return Guard(
        call=call, argument=argument, mask=mask, value=value, when_equal=True, answer=answer
    )


def _unless(call: str, argument: int, mask: int, value: int, *, high: bool = False) -> Guard:
    return Guard(call=call, argument=argument, mask=mask, value=value, when_equal=False, high=high)
