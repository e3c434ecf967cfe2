"""How often Python looks for garbage in cycles."""

from __future__ import annotations

import gc

# New objects between two looks, and looks before one at older and at all objects. A pool is
# hundreds of thousands of objects, none of them in a cycle; Python's own 700, 10 and 10 spend a
# quarter of the time in which one is collected on walking those that are there already.
THRESHOLDS = (50_000, 20, 100)


def look_less_often() -> None:
    """For the rest of the process."""
    gc.set_threshold(*THRESHOLDS)
