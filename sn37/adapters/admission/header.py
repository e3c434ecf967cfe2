"""Parser of a safetensors header and of an index of shards, for untrusted bytes.

Format: 8 bytes little-endian length n, n bytes of JSON ``{name: {dtype, shape,
data_offsets: [begin, end]}}``, then the data. Parameters can be counted from these first
bytes alone, which a hub serves by a ranged request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sn37.adapters.admission.files import INDEX
from sn37.adapters.admission.strict_json import StrictJsonError, parse_object
from sn37.domain.canonical import JsonValue
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

PREFIX_BYTES = 8
MAX_HEADER_BYTES = 4 << 20  # 1,000 tensors take about 100 KB; parsed it takes 30 times as much
MAX_TENSORS = 32_768
MAX_NAME_CHARS = 256
MAX_DIMENSIONS = 8

# Other formats under the name of a safetensors file, by their first bytes. Read as a header's
# length, each of them exceeds the limit by far.
_OTHER_FORMATS = {
    b"version ": "a Git LFS pointer: fetch the file itself with git lfs pull",
    b"PK\x03\x04": "a file of torch.save: save the model with save_pretrained",
    b"GGUF": "a GGUF file: save the model with save_pretrained",
}

# The types in which models are trained. Integers and 8-bit floats could hide parameters in
# quantised form (attack 11).
DTYPE_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpan:
    """One tensor of a file; ``begin`` and ``end`` count from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The tensors of one safetensors file, in the order of their bytes."""

    tensors: tuple[TensorSpan, ...]

    @property
    def parameters(self) -> int:
        return sum(math.prod(tensor.shape) for tensor in self.tensors)


def header_bytes(prefix: bytes, file_bytes: int) -> int:
    """Return the length of the header's JSON, from the first bytes of a file of ``file_bytes``.

    Raises:
        ModelRejected: ``bad_header``.
    """
    if len(prefix) < PREFIX_BYTES:
        raise _bad("the file is shorter than 8 bytes")
    for start, what in _OTHER_FORMATS.items():
        if prefix.startswith(start):
            raise _bad(f"not safetensors, but {what}")
    length = int.from_bytes(prefix[:PREFIX_BYTES], "little")
    if not 2 <= length <= min(MAX_HEADER_BYTES, file_bytes - PREFIX_BYTES):
        raise _bad(
            f"not safetensors, or cut off: its first bytes announce a header of {length} bytes, "
            f"the file has {file_bytes}, and at most {MAX_HEADER_BYTES} are allowed"
        )
    return length


def parse_header(text: bytes, file_bytes: int) -> Header:
    """Return the header in the JSON ``text``; it must describe every byte of the data once.

    Raises:
        ModelRejected: ``bad_header``.
    """
    try:
        document = parse_object(text, max_depth=4)
    except StrictJsonError as error:
        raise _bad(str(error)) from error
    _check_metadata(document.pop("__metadata__", None))
    if not document:
        raise _bad("it has no tensors")
    if len(document) > MAX_TENSORS:
        raise _bad(f"it has {len(document)} tensors, at most {MAX_TENSORS} are allowed")
    start = PREFIX_BYTES + len(text)
    tensors = sorted(
        (_tensor(name, value, start) for name, value in document.items()), key=lambda t: t.begin
    )
    position = start
    for tensor in tensors:
        if tensor.begin != position:
            what = "overlaps the one before" if tensor.begin < position else "leaves a gap"
            raise _bad(f"tensor {tensor.name!a} {what}")
        position = tensor.end
    if position != file_bytes:
        hint = ": the file is cut off, transfer it again" if position > file_bytes else ""
        raise _bad(f"tensors end at byte {position} of {file_bytes}{hint}")
    return Header(tensors=tuple(tensors))


def read_header(path: Path) -> Header:
    """Return the header of a local file; read nothing but the header.

    Raises:
        ModelRejected: ``bad_header``.
        OSError: The file cannot be read.
    """
    file_bytes = path.stat().st_size
    with path.open("rb") as file:
        length = header_bytes(file.read(PREFIX_BYTES), file_bytes)
        text = file.read(length)
    if len(text) != length:
        raise _bad("the file became shorter while it was read: check it again")
    return parse_header(text, file_bytes)


def check_index(text: bytes, headers: dict[str, Header]) -> None:
    """Check that the index names every tensor of every shard, and nothing else.

    Raises:
        ModelRejected: ``bad_header`` with the first tensor that does not match.
    """
    try:
        document = parse_object(text, max_depth=4)
    except StrictJsonError as error:
        raise ModelRejected(f"{INDEX}: {error}", reason=Reason.BAD_HEADER) from error
    if unknown := sorted(document.keys() - {"metadata", "weight_map"}):
        raise _bad(f"{INDEX}: key {ascii(unknown[0])[:60]} is unknown: save the model again")
    claimed = document.get("weight_map")
    if not isinstance(claimed, dict):
        raise _bad(f"{INDEX}: weight_map must map the name of each tensor to its file")
    actual: dict[str, str] = {}
    for name, header in headers.items():
        for tensor in header.tensors:
            if tensor.name in actual:
                raise ModelRejected(
                    f"tensor {tensor.name!a} is in two shards: keep one of them",
                    reason=Reason.BAD_HEADER,
                )
            actual[tensor.name] = name
    for tensor_name in sorted(claimed.keys() | actual.keys()):
        if claimed.get(tensor_name) != actual.get(tensor_name):
            raise _bad(_mismatch(tensor_name, claimed, actual))


def _mismatch(tensor: str, claimed: dict[str, JsonValue], actual: dict[str, str]) -> str:
    name, again = ascii(tensor[:MAX_NAME_CHARS]), "save the model again"
    if tensor not in claimed:
        return f"{INDEX} does not name {name}, which is in {actual[tensor]}: {again}"
    where = ascii(claimed[tensor])[:MAX_NAME_CHARS]
    if tensor not in actual:
        return f"{INDEX} puts {name} in {where}, but no shard has it: {again}"
    return f"{INDEX} puts {name} in {where}, but it is in {actual[tensor]}: {again}"


def _tensor(name: str, value: JsonValue, start: int) -> TensorSpan:
    where = ascii(name[:60])
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable() or not name.isascii():
        raise _bad(
            f"invalid tensor name {where}: use 1 to {MAX_NAME_CHARS} printable ASCII characters"
        )
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _bad(
            f"tensor {where} needs dtype, shape and data_offsets and nothing else: save the file "
            "again with safetensors"
        )
    dtype = value["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise _bad(
            f"tensor {where}: dtype {ascii(dtype)[:20]} is not one of F32, F16, BF16: save the "
            "model in bfloat16"
        )
    shape = _integers(value["shape"], where, smallest=0)
    if 0 in shape:
        raise _bad(
            f"tensor {where} has no elements (shape {list(shape)}): no accepted model has such a "
            "tensor, remove it"[:200]
        )
    if len(shape) > MAX_DIMENSIONS:
        raise _bad(f"tensor {where}: {len(shape)} dimensions, at most {MAX_DIMENSIONS}")
    offsets = _integers(value["data_offsets"], where, smallest=0)
    if len(offsets) != 2:
        raise _bad(f"tensor {where}: data_offsets must be [begin, end]")
    begin, end = offsets
    if end - begin != math.prod(shape) * DTYPE_BYTES[dtype]:
        raise _bad(f"tensor {where}: {end - begin} bytes do not fit {dtype} {list(shape)}"[:200])
    return TensorSpan(name=name, dtype=dtype, shape=shape, begin=start + begin, end=start + end)


def _integers(value: JsonValue, where: str, *, smallest: int) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise _bad(f"tensor {where}: shape and data_offsets must be lists")
    found: list[int] = []
    for item in value:
        # No tensor has 2^48 elements or bytes; the limit also keeps products small.
        if not isinstance(item, int) or isinstance(item, bool) or not smallest <= item < 1 << 48:
            raise _bad(f"tensor {where}: {ascii(item)[:40]} is not a size or an offset")
        found.append(item)
    return tuple(found)


def _check_metadata(value: JsonValue) -> None:
    if value is None:  # as the format's own library reads it
        return
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise _bad("__metadata__ must map text to text")


def _bad(message: str) -> ModelRejected:
    return ModelRejected(message, reason=Reason.BAD_HEADER)
