"""Requirements of a network on a validator's machine."""

from __future__ import annotations

from dataclasses import dataclass

GB = 1_000_000_000
# Machines and devices keep a part of their memory: an A40 of "48 GB" offers 47.8 GB.
RESERVED = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Numbers of one network, those of ``min_compute.yml`` for all that score real models.

    Open files are an estimate of ours, as is the memory.
    """

    network: str
    memory_bytes: int
    disk_bytes: int  # models on disk, or the whole folder of simnet
    open_files: int
    gpu_bytes: int | None = None  # ``None``: no GPU is needed, as for the two below
    gpu_flops: float | None = None  # in bfloat16
    is_lenient: bool = True  # networks for trials are slow without a GPU, but possible

    @property
    def needs_gpu(self) -> bool:
        return self.gpu_bytes is not None


def needs_of(network: str, *, is_for_trials: bool) -> Needs:
    """Return the needs of a network.

    Args:
        is_for_trials: False for networks on which rounds that are missed cost something.
    """
    if network == "simnet":
        return Needs(network=network, memory_bytes=4 * GB, disk_bytes=2 * GB, open_files=256)
    return Needs(
        network=network,
        memory_bytes=64 * GB,
        disk_bytes=3000 * GB,
        open_files=4096,
        gpu_bytes=48 * GB,
        gpu_flops=38e12,
        is_lenient=is_for_trials,
    )
