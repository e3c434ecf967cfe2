"""Layers by which a host can confine a worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Layer(StrEnum):
    """A layer of confinement, in the order in which they are applied and reported."""

    USER = "user"
    PID = "pid"
    NET = "net"
    IPC = "ipc"
    MOUNT = "mount"
    CAPABILITIES = "capabilities"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"


NAMESPACES = (Layer.USER, Layer.PID, Layer.NET, Layer.IPC, Layer.MOUNT)
ESSENTIAL = frozenset({Layer.LANDLOCK, Layer.SECCOMP})


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """A layer, whether this host has it, what is lost without it and how to get it."""

    layer: str
    present: bool
    essential: bool
    lost: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """The layers that this host has, and the version of its Landlock (0: none)."""

    layers: frozenset[Layer]
    landlock_abi: int = 0

    @property
    def missing(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in Layer if layer not in self.layers)

    @property
    def is_weak(self) -> bool:
        """True if a worker could read any file or make any call."""
        return not self.layers >= ESSENTIAL

    @property
    def label(self) -> str:
        """Short form, for receipts: ``user,pid,net,ipc,mount,capabilities,landlock6,seccomp``."""
        names = (
            f"{layer}{self.landlock_abi}" if layer is Layer.LANDLOCK else layer.value
            for layer in Layer
            if layer in self.layers
        )
        return ",".join(names) or "none"

    def on(self, device: str) -> Sandbox:
        """Return the layers that confine workers on a device.

        A GPU's driver needs paths that are not documented, so its workers keep the host's root.
        """
        kept = self.layers if device == "cpu" else self.layers - {Layer.MOUNT}
        return replace(self, layers=kept)

    def rows(self) -> tuple[LayerRow, ...]:
        """Return every layer, for display."""
        return tuple(
            LayerRow(
                layer=layer.value,
                present=layer in self.layers,
                essential=layer in ESSENTIAL,
                lost=LOSSES[layer].lost,
                fix=LOSSES[layer].fix,
            )
            for layer in Layer
        )

    def encode(self) -> str:
        """Return JSON for the processes that find the layers or apply them."""
        return json.dumps({"layers": sorted(self.layers), "landlock_abi": self.landlock_abi})

    @classmethod
    def decode(cls, text: str) -> Sandbox:
        """Parse the JSON of :meth:`encode`."""
        fields = json.loads(text)
        return cls(
            layers=frozenset(Layer(name) for name in fields["layers"]),
            landlock_abi=fields["landlock_abi"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Protection that a host loses without a layer, and how to get the layer."""

    lost: str
    fix: str


_NAMESPACES_FIX = (
    "allow user namespaces (sysctl user.max_user_namespaces; on Ubuntu also "
    "kernel.apparmor_restrict_unprivileged_userns=0), or run as root; in a container see "
    "docs/validator.md"
)
LOSSES: Mapping[Layer, Loss] = {
    Layer.USER: Loss(
        lost="a worker runs as the validator's user, without a boundary between the two",
        fix=_NAMESPACES_FIX,
    ),
    Layer.PID: Loss(
        lost="a worker can see that other processes exist on the machine",
        fix=_NAMESPACES_FIX,
    ),
    Layer.NET: Loss(
        lost="only seccomp prevents a worker's connections",
        fix=_NAMESPACES_FIX,
    ),
    Layer.IPC: Loss(
        lost="only seccomp prevents a worker's use of others' shared memory",
        fix=_NAMESPACES_FIX,
    ),
    Layer.MOUNT: Loss(
        lost="a worker sees which paths exist and how large files are, but not their content; "
        "a worker on a GPU sees that in any case",
        fix=_NAMESPACES_FIX,
    ),
    Layer.CAPABILITIES: Loss(
        lost="a worker keeps the privileges of root",
        fix="run the validator as an ordinary user",
    ),
    Layer.LANDLOCK: Loss(
        lost="a worker can read every file that the validator can read, including its wallet",
        fix="Linux 5.13 or newer with landlock in its list of security modules (kernel "
        "parameter lsm=landlock,...); a container's seccomp profile must allow it",
    ),
    Layer.SECCOMP: Loss(
        lost="a worker can open connections, change files and start programs",
        fix="Linux on x86-64 or aarch64 with CONFIG_SECCOMP_FILTER",
    ),
}
