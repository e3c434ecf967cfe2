"""Number of positions that a model has, from the headers of its weights.

Rotary models compute positions without a limit. Bart, GPT-2 and OPT read them from a table in
the weights: a token beyond its end cannot be scored.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sn37.adapters.admission.files import listing, weight_files
from sn37.adapters.admission.header import Header, read_header

# By the last part of a table's module. The first two rows of Bart and OPT belong to no token.
_RESERVED_ROWS = {"wpe": 0, "embed_positions": 2}


def positions_of(headers: Iterable[Header]) -> int | None:
    """Return the positions of the shortest table; ``None`` if the weights have no table."""
    found = [
        max(0, tensor.shape[0] - _RESERVED_ROWS[module])
        for header in headers
        for tensor in header.tensors
        if tensor.shape and (module := _module(tensor.name)) in _RESERVED_ROWS
    ]
    return min(found, default=None)


def positions_in(folder: Path) -> int | None:
    """Return the positions of an admitted folder.

    Raises:
        ModelRejected: Its files have changed since.
        OSError: The folder cannot be read.
    """
    names = weight_files([file.path for file in listing(folder)])
    return positions_of(read_header(folder / name) for name in names)


def _module(name: str) -> str:
    parts = name.split(".")
    return parts[-2] if len(parts) > 1 and parts[-1] == "weight" else ""
