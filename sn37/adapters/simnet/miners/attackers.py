"""Repositories that try to cheat, made from an honest miner's files.

Nothing in them is marked as bad: each looks like the same attack on the real host. This module
uses the standard library alone, so that the validator's process can make them.
"""

from __future__ import annotations

import json
import math
import pickle
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sn37.adapters.admission.files import CONFIG, INDEX, SINGLE
from sn37.adapters.admission.header import DTYPE_BYTES, read_header
from sn37.adapters.simnet.miners.roster import HANGING_TEMPLATE, Miner, Trick

_NAN = {"BF16": b"\xc0\x7f", "F16": b"\x00\x7e", "F32": b"\x00\x00\xc0\x7f"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor in memory, row-major."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def forge(miner: Miner, source: Path, target: Path) -> None:
    """Fill the empty folder ``target`` with the miner's forgery of the model in ``source``."""
    for file in sorted(source.iterdir()):
        shutil.copyfile(file, target / file.name)
    match miner.trick:
        case Trick.RESHARD:
            tensors = read_tensors(target / SINGLE)
            (target / SINGLE).unlink()
            half = len(tensors) // 2
            write_sharded(
                target,
                {
                    "model-00001-of-00002.safetensors": tensors[:half],
                    "model-00002-of-00002.safetensors": tensors[half:],
                },
            )
        case Trick.RENAME:
            tensors = read_tensors(target / SINGLE)
            (target / SINGLE).unlink()
            write_sharded(target, {"weights.safetensors": tensors})
        case Trick.EDIT:
            _edit_config(target, {"_name_or_path": "entirely-my-own-work", "use_cache": False})
        case Trick.NON_FINITE:
            first, *rest = read_tensors(target / SINGLE)
            nan = _NAN[first.dtype]
            write_tensors(
                target / SINGLE, [replace(first, data=nan + first.data[len(nan) :]), *rest]
            )
        case Trick.HANG:
            (target / "chat_template.jinja").write_text(HANGING_TEMPLATE)
        case Trick.PICKLE:
            checkpoint = {"model.embed_tokens.weight": [0.0]}
            (target / "pytorch_model.bin").write_bytes(pickle.dumps(checkpoint, protocol=2))
        case Trick.WIDEN:
            _widen(target, miner.factor)
        case Trick.NONE | Trick.COPY | Trick.BRANCH | Trick.HIDE:
            pass  # the files are a plain copy; the trick is not in them


def read_tensors(path: Path) -> list[Tensor]:
    """Return every tensor of a safetensors file of a few megabytes, in the order of its bytes."""
    data = path.read_bytes()
    return [
        Tensor(name=span.name, dtype=span.dtype, shape=span.shape, data=data[span.begin : span.end])
        for span in read_header(path).tensors
    ]


def write_tensors(path: Path, tensors: Sequence[Tensor]) -> None:
    """Write a safetensors file with the tensors in the given order."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + math.prod(tensor.shape) * DTYPE_BYTES[tensor.dtype]
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format requires data aligned to 8 bytes
    path.write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(tensor.data for tensor in tensors)
    )


def write_sharded(folder: Path, shards: Mapping[str, Sequence[Tensor]]) -> None:
    """Write shards and the index that names the shard of every tensor."""
    for name, tensors in shards.items():
        write_tensors(folder / name, tensors)
    index = {
        "metadata": {"total_size": sum(len(t.data) for ts in shards.values() for t in ts)},
        "weight_map": {t.name: name for name, tensors in shards.items() for t in tensors},
    }
    (folder / INDEX).write_text(json.dumps(index, indent=2))


def _widen(folder: Path, factor: int) -> None:
    """Widen every MLP by ``factor`` with zeros, which does not change the function."""
    widened: list[Tensor] = []
    for tensor in read_tensors(folder / SINGLE):
        item = DTYPE_BYTES[tensor.dtype]
        if tensor.name.endswith(("gate_proj.weight", "up_proj.weight")):
            rows, columns = tensor.shape
            shape, data = (rows * factor, columns), tensor.data
            data += bytes(len(data) * (factor - 1))
        elif tensor.name.endswith("down_proj.weight"):
            rows, columns = tensor.shape
            shape, row = (rows, columns * factor), columns * item
            data = b"".join(
                tensor.data[i : i + row] + bytes(row * (factor - 1))
                for i in range(0, len(tensor.data), row)
            )
        else:
            widened.append(tensor)
            continue
        widened.append(replace(tensor, shape=shape, data=data))
    write_tensors(folder / SINGLE, widened)
    config = json.loads((folder / CONFIG).read_text())
    _edit_config(folder, {"intermediate_size": config["intermediate_size"] * factor})


def _edit_config(folder: Path, changes: Mapping[str, object]) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | changes, indent=2, sort_keys=True) + "\n")
