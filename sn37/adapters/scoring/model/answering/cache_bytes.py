"""Memory of the keys and values of answers. The parent reads it, too, so no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# By type of device. If all slots of a batch need more, it has fewer slots.
CACHE_BYTES: Mapping[str, int] = MappingProxyType({"cpu": 1 << 30, "cuda": 8 << 30})
