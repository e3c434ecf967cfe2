"""The filter over system calls, run by an interpreter of its language."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct

import pytest

from sn37.adapters.scoring.sandbox.bpf import (
    ABSENT,
    ALLOW,
    AND,
    ANSWER,
    ARCHITECTURES,
    DENY,
    IF_AT_LEAST,
    IF_EQUAL,
    IF_GREATER,
    KILL_PROCESS,
    LOAD,
    RETURN,
    X32_BIT,
    Instruction,
    assemble,
)
from sn37.adapters.scoring.sandbox.policy import policy
from sn37.adapters.scoring.sandbox.syscalls import LAST_KNOWN, NUMBERS

COMPARISONS = {
    IF_EQUAL: lambda a, k: a == k,
    IF_GREATER: lambda a, k: a > k,
    IF_AT_LEAST: lambda a, k: a >= k,
}
PID = 7
MACHINES = sorted(ARCHITECTURES)
THREAD = 0x3D0F00  # the flags that glibc starts a thread with
# The calls of a program that loads and computes, with their numbers (x86-64, aarch64).
NEEDED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "pread64": (17, 67),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "exit": (60, 93),
    "getdents64": (217, 61),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "exit_group": (231, 94),
    "newfstatat": (262, 79),
    "getrandom": (318, 278),
    "rseq": (334, 293),
    "cachestat": (451, 451),
}


def run(program: tuple[Instruction, ...], number: int, *arguments: int, audit: int) -> int:
    """What the kernel would do about a call."""
    data = struct.pack("<IIQ6Q", number, audit, 0, *(*arguments, *(0,) * 6)[:6])
    accumulator, at = 0, 0
    while True:
        step = program[at]
        at += 1
        if step.code == RETURN:
            return step.k
        if step.code == LOAD:
            (accumulator,) = struct.unpack_from("<I", data, step.k)
        elif step.code == AND:
            accumulator &= step.k
        else:
            at += step.if_true if COMPARISONS[step.code](accumulator, step.k) else step.if_false


class Filter:
    def __init__(self, machine: str, device: str = "cpu") -> None:
        self._program = assemble(policy(device, PID), machine)
        self._architecture = ARCHITECTURES[machine]

    def number(self, name: str) -> int | None:
        return (NUMBERS.get(name) or NEEDED[name])[self._architecture.column]

    def call(self, name: str, *arguments: int) -> int:
        number = self.number(name)
        assert number is not None
        return self.raw(number, *arguments)

    def raw(self, number: int, *arguments: int) -> int:
        return run(self._program, number, *arguments, audit=self._architecture.audit)

    def foreign(self, number: int, audit: int) -> int:
        return run(self._program, number, audit=audit)


@pytest.fixture(params=MACHINES)
def cpu(request: pytest.FixtureRequest) -> Filter:
    return Filter(request.param)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_t25_every_listed_call_is_refused_on_every_architecture(machine: str, device: str) -> None:
    calls, rules = Filter(machine, device), policy(device, PID)
    for names, answer in ((rules.denied, DENY), (rules.absent, ABSENT)):
        for name in names:
            if calls.number(name) is not None:
                assert calls.call(name) == answer, name


def test_t25_what_reaches_other_processes_or_the_network_is_on_the_list() -> None:
    listed = {
        *("connect", "accept", "accept4", "sendmsg", "sendmmsg", "recvmsg", "recvmmsg"),
        *("socketpair", "execve", "execveat", "fork", "vfork", "ptrace", "kill"),
        *("process_vm_readv", "process_vm_writev", "pidfd_getfd", "mount", "unshare", "setns"),
        *("io_uring_setup", "bpf", "userfaultfd", "open_by_handle_at", "memfd_create"),
    }
    assert listed <= set(policy("cuda", PID).denied)
    assert listed | {"socket", "bind", "listen"} <= set(policy("cpu", PID).denied)


def test_a_program_that_loads_and_computes_is_let_through(cpu: Filter) -> None:
    for name in NEEDED:
        assert cpu.call(name) == ALLOW, name


def test_every_name_of_the_policy_has_a_number_somewhere() -> None:
    for device in ("cpu", "cuda"):
        rules = policy(device, PID)
        for name in (*rules.denied, *rules.absent, *(guard.call for guard in rules.guards)):
            assert any(number is not None for number in NUMBERS[name]), name
        assert len(set(rules.denied)) == len(rules.denied)


def test_numbers_differ_within_an_architecture_and_agree_where_the_kernel_says() -> None:
    for column in range(len(MACHINES)):
        numbers = [n[column] for n in NUMBERS.values() if n[column] is not None]
        assert len(set(numbers)) == len(numbers)
    for name, (x86, arm) in NUMBERS.items():
        if x86 is not None and x86 >= 424:
            assert x86 == arm, name


def test_t25_calls_newer_than_the_list_do_not_exist(cpu: Filter) -> None:
    assert cpu.raw(LAST_KNOWN + 1) == ABSENT
    assert cpu.raw(100_000) == ABSENT


def test_t25_a_call_of_another_architecture_ends_the_worker(cpu: Filter) -> None:
    for audit in (0x40000003, 0x40000028):  # 32-bit x86 and ARM
        assert cpu.foreign(1, audit) == KILL_PROCESS


def test_t25_the_second_interface_of_x86_is_refused() -> None:
    assert Filter("x86_64").raw(X32_BIT | 1) == DENY


def test_threads_can_be_started_and_processes_cannot(cpu: Filter) -> None:
    assert cpu.call("clone", THREAD) == ALLOW
    assert cpu.call("clone", signal.SIGCHLD) == DENY
    assert cpu.call("clone", 0x4100 | signal.SIGCHLD) == DENY  # vfork's flags
    for namespace in (0x02000000, 0x10000000, 0x20000000, 0x40000000, 0x80):
        assert cpu.call("clone", THREAD | namespace) == DENY


def test_files_are_opened_for_reading_only(cpu: Filter) -> None:
    reading = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NONBLOCK
    assert cpu.call("openat", 0, 0, reading) == ALLOW
    for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_TMPFILE | os.O_RDWR):
        assert cpu.call("openat", 0, 0, reading | flag) == DENY


def test_a_gpu_s_files_can_be_opened_for_writing_and_none_can_be_made() -> None:
    for machine in MACHINES:
        cuda = Filter(machine, "cuda")
        assert cuda.call("ioctl", 3, 0xC020462A) == ALLOW
        assert cuda.call("ioctl", 3, 0x8901) == DENY  # whom a socket signals
        assert cuda.call("openat", 0, 0, os.O_RDWR) == ALLOW
        for flag in (os.O_CREAT, os.O_TRUNC, os.O_TMPFILE | os.O_RDWR):
            assert cuda.call("openat", 0, 0, flag) == DENY


def test_the_start_of_cuda_gets_the_answers_that_it_waits_for() -> None:
    """As traced on a machine with an H200 and driver 580, in the order of ``cuInit``."""
    null = 0
    for machine in MACHINES:
        cuda = Filter(machine, "cuda")
        # fopen("/proc/self/task/2/comm", "w") gives /dev/null, which no fclose closes.
        assert cuda.call("openat", 0, 0, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) == ANSWER | null
        assert cuda.call("close", null) == ANSWER
        assert cuda.call("close", 3) == ALLOW
        packets = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC
        assert cuda.call("socket", socket.AF_UNIX, packets, 0) == ALLOW
        assert cuda.call("connect", 10) == DENY  # to a service for several processes
        assert cuda.call("unlinkat", 0, 0) == DENY
        assert cuda.call("bind", 17) == ALLOW
        assert cuda.call("listen", 17, 128) == ALLOW
    nothing_there = ANSWER | errno.ENOENT
    assert {Filter("x86_64", "cuda").call(c, 1, 2) for c in ("unlink", "symlink")} == {
        nothing_there
    }


@pytest.mark.parametrize("machine", MACHINES)
def test_t25_a_driver_s_calls_serve_nothing_else(machine: str) -> None:
    cuda, cpu = Filter(machine, "cuda"), Filter(machine)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        assert cuda.call("socket", socket.AF_UNIX, kind, 0) == DENY
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, 1 << 32 | socket.AF_INET):
        assert cuda.call("socket", family, socket.SOCK_SEQPACKET, 0) == DENY
    python = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    assert cuda.call("openat", 0, 0, python) == DENY
    assert cpu.call("openat", 0, 0, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) == DENY
    assert cpu.call("close", 0) == ALLOW


def test_t24_memory_that_no_limit_counts_is_refused(cpu: Filter) -> None:
    private, shared, anonymous, fixed, grows = 2, 1, 0x20, 0x10, 0x100
    assert cpu.call("mmap", 0, 4096, 3, private | anonymous | fixed) == ALLOW
    assert cpu.call("mmap", 0, 4096, 1, shared) == ALLOW  # a file's pages, as safetensors does
    assert cpu.call("mmap", 0, 4096, 3, shared | anonymous) == DENY
    assert cpu.call("mmap", 0, 4096, 3, 3 | anonymous) == DENY  # MAP_SHARED_VALIDATE
    assert cpu.call("mmap", 0, 4096, 3, private | anonymous | grows) == DENY


def test_t24_a_worker_cannot_end_as_if_memory_had_run_out(cpu: Filter) -> None:
    assert cpu.call("tgkill", PID, 8, signal.SIGABRT) == ALLOW
    assert cpu.call("tgkill", PID, 8, signal.SIGKILL) == DENY
    assert cpu.call("tgkill", 1, 1, signal.SIGABRT) == DENY  # where others can be seen
    assert cpu.call("prlimit64", 0, 0, 0, 0x7FFF0000) == ALLOW
    for new_limit in (0x7FFF0000, 0x7FFF_0000_0000):  # addresses with an empty half
        assert cpu.call("prlimit64", 0, 0, new_limit, 0) == DENY


def test_t24_a_worker_cannot_outlive_its_parent(cpu: Filter) -> None:
    assert cpu.call("prctl", 1) == DENY  # PR_SET_PDEATHSIG
    assert cpu.call("prctl", 15) == ALLOW  # PR_SET_NAME, which libraries use for threads


def test_commands_that_send_signals_are_refused(cpu: Filter) -> None:
    assert cpu.call("fcntl", 3, 3) == ALLOW  # F_GETFL
    for command in (8, 10, 15):
        assert cpu.call("fcntl", 3, command) == DENY


def test_the_program_fits_the_kernel_s_limits(cpu: Filter) -> None:
    for machine in MACHINES:
        program = assemble(policy("cpu", PID), machine)
        assert len(program) <= 4096
        for at, step in enumerate(program):
            assert len(step.encode()) == 8
            if step.code in COMPARISONS:
                assert at + 1 + max(step.if_true, step.if_false) < len(program)
