"""Our reader of headers against the format's own library, over valid and odd files.

What ours reads, the library reads alike. What the library opens and ours refuses is in
``STRICTER``, each with the words that a miner is told.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from sn37.adapters.admission.admit import inspect
from sn37.adapters.admission.header import PREFIX_BYTES, Header, header_bytes, parse_header
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected
from sn37.testing.builders import some_constraints

# Why each is refused though the library opens it.
STRICTER = {
    "no tensor": "there is nothing to score",
    "dtype": "integers and 8-bit floats are how packed weights hide parameters",
    "has no elements": "a tensor that nobody loads could tell a copy from its original",
    "dimensions": "no architecture has any",
    "invalid tensor name": "it is printed in logs and pages",
    "appears twice": "the library keeps the last one: which is counted?",
    "nothing else": "an unknown key or another form is read by this library alone",
}
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "I8": 1, "BOOL": 1, "F8_E4M3": 1}


def ours(data: bytes) -> Header | str:
    try:
        length = header_bytes(data[:PREFIX_BYTES], len(data))
        return parse_header(data[PREFIX_BYTES : PREFIX_BYTES + length], len(data))
    except ModelRejected as refused:
        told = str(refused)
        right = refused.reason is Reason.BAD_HEADER and told.isprintable()
    assert right
    return told


def theirs(data: bytes) -> dict[str, Any] | None:
    try:
        return dict(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError:
        return None


def agree(data: bytes) -> None:
    mine, other = ours(data), theirs(data)
    if isinstance(mine, str):
        if other is not None:
            assert any(re.search(words, mine) for words in STRICTER), mine
        return
    assert other is not None
    assert {span.name for span in mine.tensors} == other.keys()
    for span in mine.tensors:
        assert list(span.shape) == other[span.name]["shape"]
        assert span.dtype == other[span.name]["dtype"]
        assert data[span.begin : span.end] == bytes(other[span.name]["data"])


def file(text: bytes, data: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + data


NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "model.norm.weight", "", "\u00e9", "a\n", "x" * 300, "__metadata__"]
    ),
    st.text(max_size=4),
)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3]), max_size=10)


@st.composite
def a_file(draw: st.DrawFn) -> bytes:
    """A file laid out as the library would, then perhaps changed in one place."""
    entries: list[tuple[str, Any]] = []
    position = 0
    for name in draw(st.lists(NAMES, max_size=4)):
        dtype, shape = draw(st.sampled_from(sorted(SIZES))), draw(SHAPES)
        if draw(st.booleans()):
            dtype = "BF16"
        size = math.prod(shape) * SIZES[dtype]
        value: Any = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
        change = draw(st.sampled_from(["none"] * 12 + ["extra", "list", "drop", "move", "text"]))
        if change == "extra":
            value["extra"] = draw(st.sampled_from([None, 1, "x", {}]))
        elif change == "list":
            value = list(value.values())
        elif change == "drop":
            del value[draw(st.sampled_from(sorted(value)))]
        elif change == "move":
            value["data_offsets"][draw(st.sampled_from([0, 1]))] += draw(st.sampled_from([-1, 1]))
        elif change == "text":
            value["shape"] = draw(st.sampled_from(["2", None, [2.0], [True], [-1], [1 << 63]]))
        entries.append((name, value))
    if draw(st.booleans()):
        entries.append(
            ("__metadata__", draw(st.sampled_from([{"format": "pt"}, {}, None, {"a": 1}, [], "x"])))
        )
    pairs = draw(st.permutations(entries))
    text = "{" + ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs) + "}"
    before = draw(st.sampled_from([""] * 6 + [" ", "\ufeff"]))
    after = draw(st.sampled_from([""] * 3 + [" " * 7, "\n", "\0", "x"]))
    more = draw(st.sampled_from([0] * 8 + [-1, 1]))
    return file((before + text + after).encode(), bytes(max(0, position + more)))


@given(a_file())
@settings(max_examples=500, deadline=None)
def test_t23_what_is_read_is_what_the_formats_own_library_reads(data: bytes) -> None:
    agree(data)


@given(st.binary(max_size=120))
@settings(max_examples=100, deadline=None)
def test_t23_no_bytes_are_read_in_two_ways(data: bytes) -> None:
    agree(data)
    agree(file(data, b""))


PLAIN = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "no tensor"),
        ({"a": PLAIN | {"dtype": "I64", "shape": [1]}}, "save the model in bfloat16"),
        ({"a": PLAIN, "b": PLAIN | {"shape": [0, 5], "data_offsets": [8, 8]}}, "remove it"),
        ({"a": PLAIN | {"shape": [1] * 8 + [2]}}, "at most 8"),
        ({"\u00e9": PLAIN}, "printable ASCII"),
        ({"a": PLAIN | {"note": 1}}, "save the file again"),
        ({"a": list(PLAIN.values())}, "save the file again"),
    ],
)
def test_what_the_library_opens_and_we_refuse_says_what_to_do(
    document: dict[str, object], words: str
) -> None:
    data = file(json.dumps(document).encode(), bytes(8 if document else 0))
    assert theirs(data) is not None
    refused = ours(data)
    assert isinstance(refused, str)
    assert words in refused


def test_metadata_that_is_null_is_read_as_none() -> None:
    data = file(json.dumps({"__metadata__": None, "a": PLAIN}).encode(), bytes(8))
    assert theirs(data) is not None
    assert isinstance(ours(data), Header)


def test_a_header_that_is_refused_names_its_file(tmp_path: Path) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs")
    with pytest.raises(ModelRejected, match=r"^model.safetensors: not safetensors, but a Git LFS"):
        inspect(tmp_path, some_constraints())
