"""How much free space is too little."""

from __future__ import annotations

# Models leave 1 GiB free. Less than half of that means that something else fills the disk.
LOW_BYTES = 2**29
