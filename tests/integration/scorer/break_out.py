"""What a model that runs code in its worker would try, in the order that spares it longest."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from sn37.adapters.scoring.messages import Ready, Scored, receive_order
from sn37.adapters.scoring.sandbox import kernel

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_TRACEME = 16, 0
PR_SET_PDEATHSIG, PR_SET_SECCOMP = 1, 22
NEW_USER, NEW_PROCESSES, NEW_NET = 0x10000000, 0x20000000, 0x40000000


def library(name: str, *arguments: object) -> None:
    """Call the C library."""
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def fork_and_leave() -> None:
    """A child that leaves at once, if it comes to be."""
    if os.fork() == 0:
        os._exit(0)


def share_memory() -> None:
    """Memory that counts as nobody's data."""
    mmap.mmap(-1, 1 << 20, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)


def grow_a_stack() -> None:
    """Memory that counts as a stack."""
    mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x100)


def start_a_thread() -> None:
    """What libraries need."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def write_as_c_does(path: Path) -> None:
    """Without O_CLOEXEC, as a driver names its threads; twice, for what closing it leaves."""
    LIBC.fopen.restype = ctypes.c_void_p
    LIBC.fputs.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    LIBC.fclose.argtypes = (ctypes.c_void_p,)
    for _ in range(2):
        if not (file := LIBC.fopen(bytes(path), b"w")):
            raise OSError(ctypes.get_errno(), "fopen")
        LIBC.fputs(b"owned", file)
        LIBC.fclose(file)


def listen_for(name: str) -> socket.socket:
    """Wait for others to connect by a name, or by a path."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(name)
    listening.listen()
    return listening


def call_out(name: str) -> None:
    """Connect to whoever has a name."""
    socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(name)


def into(path: Path) -> Callable[[], object]:
    """Write a file."""
    return lambda: path.write_text("owned")


def access(path: Path) -> None:
    """Ask for a right over a file."""
    if not os.access(path, os.F_OK):
        raise FileNotFoundError(errno.ENOENT, str(path))


def statx(path: Path) -> None:
    """Ask the newer call, by number."""
    buffer = ctypes.create_string_buffer(256)
    number = {"x86_64": 332}.get(os.uname().machine, 291)
    name = ctypes.create_string_buffer(bytes(path))
    kernel.syscall("statx", number, -100, name, 0, 0x7FF, buffer)


def glances(given: Mapping[str, str]) -> Mapping[str, Callable[[], object]]:
    """Questions that open nothing: does it exist, how large is it, who owns it."""
    home, wallet, other = (Path(given[n]) for n in ("home", "wallet", "other"))
    return {
        "size of the wallet": (wallet / "hotkeys" / "default").stat,
        "size of another model": (other / "config.json").stat,
        "look at home": home.lstat,
        "look at users": Path("/etc/passwd").stat,
        "look at a temporary folder": Path("/var/tmp").stat,
        "look at the validator": Path("/proc", given["pid"]).stat,
        "look at the first process": Path("/proc/1").stat,
        "look at the interpreter's home": Path("/root/.bashrc").lstat,
        "right over the wallet": lambda: access(wallet),
        "newer call on the wallet": lambda: statx(wallet / "hotkeys" / "default"),
        "link to the host": lambda: os.stat("/proc/self/root/etc/passwd"),  # noqa: PTH116
        "up from the model": Path(given["model"], "../other/config.json").stat,
        "room on the disk of home": lambda: os.statvfs(home),
        "go home": lambda: os.chdir(home),
        "call a program": lambda: os.stat("/bin/true"),  # noqa: PTH116
    }


def attempts(given: Mapping[str, str]) -> Mapping[str, Callable[[], object]]:
    """By name. ``given``: the validator's pid; paths of home, wallet, model, other_model."""
    victim = int(given["pid"])
    proc = Path("/proc", given["pid"])
    home, wallet, model, other = (Path(given[n]) for n in ("home", "wallet", "model", "other"))
    buffer = ctypes.create_string_buffer(64)
    limits = ctypes.create_string_buffer(struct.pack("=QQ", 1, 1), 16)
    return {
        "read the model": (model / "config.json").read_bytes,
        "list the model": lambda: os.listdir(model),  # noqa: PTH208
        "read itself": Path("/proc/self/status").read_text,
        "import": lambda: __import__("wave"),
        "start a thread": start_a_thread,
        "write into the model": into(model / "model.safetensors"),
        "add to the model": into(model / "more"),
        "add as C does": lambda: write_as_c_does(model / "more"),
        "add a link to the model": lambda: (model / "more").symlink_to(home),
        "empty the model": lambda: os.close(os.open(model / "config.json", os.O_TRUNC)),
        "remove the model": (model / "config.json").unlink,
        "rename the model": lambda: (model / "config.json").rename(model / "other.json"),
        "hide the model": lambda: (model / "config.json").chmod(0),
        "date the model": lambda: os.utime(model / "config.json", (0, 0)),
        "read another model": (other / "config.json").read_bytes,
        "list other models": lambda: os.listdir(other.parent),  # noqa: PTH208
        "write home": into(home / "owned"),
        "unnamed file": lambda: os.open(home, os.O_TMPFILE | os.O_WRONLY),
        "read the wallet": (wallet / "hotkeys" / "default").read_bytes,
        "list the wallet": lambda: os.listdir(wallet),  # noqa: PTH208
        "open the wallet to all": lambda: wallet.chmod(0o777),
        "read passwords": Path("/etc/shadow").read_bytes,
        "read users": Path("/etc/passwd").read_bytes,
        "temporary file": into(Path("/tmp/sn37-owned")),
        "shared memory file": into(Path("/dev/shm/sn37-owned")),
        "validator's environment": (proc / "environ").read_bytes,
        "validator's memory": lambda: (proc / "mem").open("rb"),
        "validator's map": (proc / "maps").read_bytes,
        "validator's command": (proc / "cmdline").read_bytes,
        "validator's files": lambda: os.listdir(proc / "fd"),  # noqa: PTH208
        "read its memory": lambda: library("process_vm_readv", victim, buffer, 0, buffer, 0, 0),
        "trace it": lambda: library("ptrace", PTRACE_ATTACH, victim, None, None),
        "be traced": lambda: library("ptrace", PTRACE_TRACEME, 0, None, None),
        "kill the validator": lambda: os.kill(victim, signal.SIGKILL),
        "kill all": lambda: os.kill(-1, signal.SIGKILL),
        "stop the validator": lambda: library("tgkill", victim, victim, signal.SIGSTOP),
        "slow the validator": lambda: os.setpriority(os.PRIO_PROCESS, victim, 19),
        "pin the validator": lambda: os.sched_setaffinity(victim, {0}),
        "hold the validator": lambda: os.pidfd_open(victim),
        "internet socket": socket.socket,
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "unix messages": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        "call a name": lambda: call_out("\0sn37"),
        "call a path": lambda: call_out("/run/systemd/journal/stdout"),
        "be called": lambda: listen_for("\0sn37-called").accept(),
        "be called by a path": lambda: listen_for(str(home / "socket")),
        "kernel socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "pair of sockets": socket.socketpair,
        "fork": fork_and_leave,
        "own session": os.setsid,
        "execute": lambda: os.execv("/bin/true", ["true"]),
        "shell": lambda: subprocess.run(["/bin/true"], check=True),
        "mount": lambda: library("mount", b"none", b"/", b"tmpfs", 0, None),
        "unmount": lambda: library("umount2", b"/proc", 2),
        "change root": lambda: os.chroot("/"),
        "new users": lambda: kernel.unshare(NEW_USER),
        "new network": lambda: kernel.unshare(NEW_NET),
        "old network": lambda: library("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0),
        "memory file": lambda: os.memfd_create("owned"),
        "shared memory": share_memory,
        "shared segment": lambda: library("shmget", 0, ctypes.c_size_t(1 << 20), 0o1600),
        "second stack": grow_a_stack,
        "less memory": lambda: library("setrlimit", resource.RLIMIT_DATA, limits),
        "die for memory": lambda: library("setrlimit", resource.RLIMIT_CPU, limits),
        "outlive the parent": lambda: kernel.prctl(PR_SET_PDEATHSIG, 0),
        "other filter": lambda: kernel.prctl(PR_SET_SECCOMP, 1),
        "kernel messages": lambda: os.open("/dev/kmsg", os.O_RDONLY),
        "terminal": lambda: os.open("/dev/tty", os.O_RDWR),
        "full device": lambda: os.open("/dev/full", os.O_RDONLY),
        "GPU": lambda: os.open("/dev/nvidia0", os.O_RDWR),
        "keys": lambda: kernel.syscall("keyctl", {"x86_64": 250}.get(os.uname().machine, 219), 0),
        "rings": lambda: kernel.syscall("io_uring_setup", 425, 8, ctypes.create_string_buffer(120)),
        "newer call": lambda: kernel.syscall("mseal", 462, 0, 0, 0),
    }


def outcome(attempt: Callable[[], object]) -> str:
    """Allowed, or the name of the error."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "allowed"


def main(stream: socket.socket) -> None:
    """Try everything, tell what became of it, then do the job."""
    order = receive_order(stream)
    given = json.loads(order.template or "")
    tried = {**glances(given), **attempts(given)}
    found = {name: outcome(attempt) for name, attempt in tried.items()}
    stream.sendall(Ready(found).encode())
    for block in order.blocks:
        stream.sendall(
            Scored((0.5,) * len(block.pairs), 1, (200.0,) * len(block.controls)).encode()
        )
    sys.exit(0)
