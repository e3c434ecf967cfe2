"""Lines about the machine: interpreter, packages, device, memory, disk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sn37.app.doctor.needs import GB, RESERVED, Needs
from sn37.app.doctor.topics import (
    DEVICE,
    DEVICE_MEMORY,
    DEVICE_SPEED,
    DISK,
    MEMORY,
    OPEN_FILES,
    PACKAGE,
    PYTHON,
)
from sn37.domain.check_line import Check
from sn37.ports.host_facts import DeviceFacts, DiskFacts

OLDEST_PYTHON = (3, 11)
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?([^;]*)")
_LEADING_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def check_python(found: Sequence[int]) -> Check:
    """Compare the version of the interpreter."""
    shown = ".".join(map(str, found[:3]))
    if tuple(found[:2]) < OLDEST_PYTHON:
        return PYTHON.failed(f"{shown}, needed is 3.11 or newer")
    return PYTHON.ok(shown)


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Versions from ``oldest`` up to, but not including, ``end``; empty: no limit."""

    oldest: str = ""
    end: str = ""

    def has(self, version: str) -> bool:
        """True if a version lies in the range, by its leading numbers."""
        number = _numbers(version)
        return not (
            (self.oldest and number < _numbers(self.oldest))
            or (self.end and number >= _numbers(self.end))
        )

    def __str__(self) -> str:
        parts = [f">={self.oldest}" if self.oldest else "", f"<{self.end}" if self.end else ""]
        return ",".join(filter(None, parts)) or "any"


def version_ranges(requirements: Sequence[str]) -> Mapping[str, VersionRange]:
    """Return the range of each package, from the requirements in a distribution's metadata.

    The first requirement on a package counts.
    """
    found: dict[str, VersionRange] = {}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None:
            continue
        limits = dict(re.findall(r"(>=|<)\s*([0-9][^,\s]*)", match[2]))
        found.setdefault(
            _normalized(match[1]), VersionRange(limits.get(">=", ""), limits.get("<", ""))
        )
    return found


def check_package(name: str, found: str | None, ranges: Mapping[str, VersionRange]) -> Check:
    """Check that a package is there, in a version of its range.

    Args:
        found: Its version, empty if it names none; ``None`` if it is not installed.
    """
    if found is None:
        return PACKAGE.failed("not installed; the validator does not start", name)
    needed = ranges.get(_normalized(name), VersionRange())
    if found and not needed.has(found):
        return PACKAGE.warning(f"{found}, this release was tested with {needed}", name)
    return PACKAGE.ok(found or "of unknown version", name)


def check_driver(*, is_there: bool) -> Check:
    """Report whether a GPU's driver is there, without opening the device."""
    if is_there:
        return DEVICE.ok("the driver of a GPU is there")
    return DEVICE.warning(
        "no GPU: models are scored on the CPU, which is fast enough only for those of simnet"
    )


def check_device(facts: DeviceFacts, needs: Needs) -> Iterator[Check]:
    """Yield the device, its memory and its speed."""
    if facts.kind == "cpu":
        yield _cpu(facts, needs)
        yield DEVICE_SPEED.ok(
            f"{facts.flops / 1e12:.2f} TFLOP/s on the CPU; no limit applies to it"
        )
        return
    yield DEVICE.ok(facts.name)
    if needs.gpu_bytes is None or needs.gpu_flops is None:
        yield DEVICE_SPEED.ok(f"{facts.flops / 1e12:.1f} TFLOP/s in bfloat16; none is needed")
        return
    yield _device_memory(facts.memory_bytes, needs.gpu_bytes)
    yield _device_speed(facts.flops, needs.gpu_flops)


def _cpu(facts: DeviceFacts, needs: Needs) -> Check:
    if not needs.needs_gpu:
        return DEVICE.ok(f"CPU, {facts.name}; {needs.network} needs no GPU")
    detail = (
        f"models are scored on the CPU, {facts.name}; rounds of {needs.network} with real models "
        "need a GPU"
    )
    return DEVICE.warning(detail) if needs.is_lenient else DEVICE.failed(detail)


def _device_memory(found: int, needed: int) -> Check:
    detail = f"{found / GB:.1f} GB; needed: {needed / GB:.0f} GB"
    return (DEVICE_MEMORY.ok if found >= needed * (1 - RESERVED) else DEVICE_MEMORY.warning)(detail)


def _device_speed(found: float, needed: float) -> Check:
    detail = f"{found / 1e12:.1f} TFLOP/s in bfloat16; needed: {needed / 1e12:.0f} TFLOP/s"
    return (DEVICE_SPEED.ok if found >= needed else DEVICE_SPEED.warning)(detail)


def check_memory(found_bytes: int, needs: Needs) -> Check:
    """Compare the memory that this process may use."""
    detail = f"{found_bytes / GB:.1f} GB; needed: {needs.memory_bytes / GB:.0f} GB"
    enough = found_bytes >= needs.memory_bytes * (1 - RESERVED)
    return MEMORY.ok(detail) if enough else MEMORY.warning(detail)


def check_disk(facts: DiskFacts, needs: Needs, *, largest_bytes: int = 0) -> Check:
    """Compare the disk of the state folder.

    Args:
        largest_bytes: Largest model that the schedule allows.
    """
    if not facts.is_writable:
        return DISK.failed(f"{facts.folder} cannot be written")
    room = facts.free_bytes + facts.model_bytes
    detail = f"{facts.folder}: {facts.free_bytes / GB:,.1f} GB free"
    if facts.model_bytes:
        detail += f", {facts.model_bytes / GB:,.1f} GB of models"
    if room < largest_bytes:
        return DISK.failed(f"{detail}, the largest model may have {largest_bytes / GB:,.1f} GB")
    detail += f"; needed: {needs.disk_bytes / GB:,.0f} GB"
    return DISK.ok(detail) if room >= needs.disk_bytes else DISK.warning(detail)


def check_open_files(found: int, needs: Needs) -> Check:
    """Compare how many files this process may have open."""
    detail = f"{found:,} at once; needed: {needs.open_files:,}"
    return OPEN_FILES.ok(detail) if found >= needs.open_files else OPEN_FILES.warning(detail)


def _numbers(version: str) -> tuple[int, ...]:
    match = _LEADING_NUMBERS.match(version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
