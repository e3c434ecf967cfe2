"""Facts about a machine and its accounts, as adapters measure them for a check-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """The device that scores models."""

    kind: Literal["cpu", "cuda"]
    name: str
    memory_bytes: int  # of the device; of the machine if it is a CPU
    flops: float  # a second, of the fastest large product: in bfloat16 on a GPU


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFacts:
    """The disk of the state folder, which need not exist yet."""

    folder: str
    is_writable: bool
    free_bytes: int  # for this user
    model_bytes: int  # already taken by fetched models


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """Answer of the model host to a request with this machine's token."""

    endpoint: str
    has_token: bool
    user: str | None  # owner of the token; ``None``: there is no token, or it is refused
    answered_s: float  # duration of the request
    skew_s: float | None  # by how much this clock is ahead of the hub's; ``None``: it names no time
