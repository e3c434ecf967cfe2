"""Repositories that no validator may accept, made from an honest one."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sn37.adapters.simnet.miners.attackers import Tensor, write_sharded, write_tensors
from sn37.domain.reasons import Reason
from tests.integration.hub.hub_models import Q_PROJ, some_tensors, write_model
from tests.integration.hub.hub_repositories import HubFile, hub_files
from tests.integration.hub.hub_state import Hub

Files = Mapping[str, HubFile]
WEIGHTS, CONFIG, INDEX = "model.safetensors", "config.json", "model.safetensors.index.json"
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Hostile:
    """What is wrong with a repository, and the reason it must be given."""

    name: str
    reason: Reason
    spoil: Callable[[Files, Path], Files]
    says: str = ""  # part of what the miner is told


def zoo() -> tuple[Hostile, ...]:
    """All of them; names are unique."""
    return (*_NAMES_AND_SIZES, *_CONFIGS, *_HEADERS, *_WEIGHTS)


def publish_hostile(hub: Hub, hostile: Hostile, scratch: Path) -> str:
    """Publish it as ``eve/model``; return the revision."""
    (scratch / "made").mkdir()
    good = hub_files(write_model(scratch / "good"))
    return hub.publish("eve/model", dict(hostile.spoil(good, scratch / "made")))


def _named(name: str, data: bytes = b"x") -> Callable[[Files, Path], Files]:
    return lambda good, _: {**good, name: HubFile(data)}


def _claiming(name: str, size: int) -> Callable[[Files, Path], Files]:
    return lambda good, _: {**good, name: HubFile(b"", lfs=True, claimed_size=size)}


def _without(name: str) -> Callable[[Files, Path], Files]:
    return lambda good, _: {path: file for path, file in good.items() if path != name}


def _config(**changes: object) -> Callable[[Files, Path], Files]:
    def spoil(good: Files, _: Path) -> Files:
        config = json.loads(good[CONFIG].data) | changes
        return {**good, CONFIG: HubFile(json.dumps(config).encode())}

    return spoil


def _raw(name: str, data: bytes) -> Callable[[Files, Path], Files]:
    return lambda good, _: {**good, name: HubFile(data, lfs=name == WEIGHTS)}


def _header(edit: Callable[[dict[str, dict[str, object]]], object]) -> Callable[..., Files]:
    """Rewrite the header of the weights; ``edit`` changes it or returns another text."""

    def spoil(good: Files, _: Path) -> Files:
        data = good[WEIGHTS].data
        stop = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:stop])
        text = edit(header)
        encoded = text if isinstance(text, bytes) else json.dumps(header).encode()
        weights = len(encoded).to_bytes(8, "little") + encoded + data[stop:]
        return {**good, WEIGHTS: HubFile(weights, lfs=True)}

    return spoil


def _tensors(change: Callable[[list[Tensor]], list[Tensor]]) -> Callable[[Files, Path], Files]:
    def spoil(good: Files, folder: Path) -> Files:
        write_tensors(folder / WEIGHTS, change(some_tensors()))
        return {**good, **hub_files(folder)}

    return spoil


def _shards(edit: Callable[[dict[str, str]], object]) -> Callable[[Files, Path], Files]:
    """Two shards whose index is then edited."""

    def spoil(good: Files, folder: Path) -> Files:
        tensors = some_tensors()
        write_sharded(folder, {"a.safetensors": tensors[:2], "b.safetensors": tensors[2:]})
        index = json.loads((folder / INDEX).read_text())
        edit(index["weight_map"])
        (folder / INDEX).write_text(json.dumps(index))
        rest = {path: file for path, file in good.items() if path != WEIGHTS}
        return {**rest, **hub_files(folder)}

    return spoil


def _many_headers(good: Files, _: Path) -> Files:
    """Each shard within the limits, all together far beyond: 100 x 1,000 tensors."""
    rest = {path: file for path, file in good.items() if path != WEIGHTS}
    entry = '"%d.{}": {{"dtype":"BF16","shape":[1],"data_offsets":[{},{}]}}'
    for shard in range(100):
        rows = (entry.format(i, 2 * i, 2 * i + 2) % shard for i in range(1000))
        text = ("{" + ",".join(rows) + "}").encode()
        data = len(text).to_bytes(8, "little") + text + bytes(2000)
        rest[f"s{shard}.safetensors"] = HubFile(data, lfs=True)
    return {**rest, INDEX: HubFile(b'{"weight_map": {}}')}


def _set(tensor: str, **fields: object) -> Callable[[dict[str, dict[str, object]]], object]:
    return lambda header: header[tensor].update(fields)


def _first(data: bytes) -> Callable[[list[Tensor]], list[Tensor]]:
    """Overwrite the first bytes of the first tensor."""
    return lambda ts: [replace(ts[0], data=data + ts[0].data[len(data) :]), *ts[1:]]


def _loud(value: bytes, tensors: tuple[str, ...]) -> Callable[[list[Tensor]], list[Tensor]]:
    """Fill some tensors with one bfloat16 value."""
    return lambda ts: [
        replace(t, data=value * (len(t.data) // 2)) if t.name in tensors else t for t in ts
    ]


_Q0 = Q_PROJ.format(0)
_EMBED = "model.embed_tokens.weight"
_PICKLE = pickle.dumps({"w": [0.0]}, protocol=2)
_DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
_QUOTES = b'"' + b'\\"' * 500_000

_NAMES_AND_SIZES = (
    Hostile("t19 pickle", Reason.UNSAFE_FILE, _named("pytorch_model.bin", _PICKLE)),
    Hostile("t20 code", Reason.UNSAFE_FILE, _named("modeling_x.py", b"import os")),
    Hostile("t22 parent folder", Reason.UNSAFE_FILE, _named("../../evil.json")),
    Hostile("t22 absolute path", Reason.UNSAFE_FILE, _named("/etc/cron.d/evil")),
    Hostile("t22 subfolder", Reason.UNSAFE_FILE, _named("original/config.json")),
    Hostile("t22 symlink by name", Reason.UNSAFE_FILE, _named("config.json/../link")),
    Hostile("t22 control characters", Reason.UNSAFE_FILE, _named("a\x1b[2J.safetensors")),
    Hostile("t22 right-to-left name", Reason.UNSAFE_FILE, _named("\u202egnp.safetensors")),
    Hostile("t22 case clash", Reason.UNSAFE_FILE, _named("CONFIG.json", b"{}")),
    Hostile("t22 case clash of weights", Reason.UNSAFE_FILE, _claiming("Model.safetensors", 100)),
    Hostile("t22 very long name", Reason.UNSAFE_FILE, _named("x" * 300 + ".safetensors")),
    Hostile("t20 adapter", Reason.UNSAFE_FILE, _claiming("adapter_model.safetensors", 100)),
    Hostile("t19 empty weights", Reason.UNSAFE_FILE, _claiming(WEIGHTS, 0)),
    Hostile(
        "t22 ten thousand files",
        Reason.TOO_MANY_FILES,
        lambda good, _: {**good, **{f"f{i}.json": HubFile(b"{}") for i in range(10_000)}},
    ),
    Hostile(
        "t22 fifty thousand files",
        Reason.TOO_MANY_FILES,
        lambda good, _: {**good, **{f"f{i}.json": HubFile(b"{}") for i in range(50_000)}},
        "listing exceeds",
    ),
    Hostile("t22 a terabyte", Reason.TOO_LARGE, _claiming(WEIGHTS, 1 << 40)),
    Hostile("t12 tokenizer of 500 MB", Reason.TOO_LARGE, _claiming("tokenizer.json", 500 << 20)),
    Hostile("t13 template of 2 MB", Reason.TOO_LARGE, _claiming("x.jinja", 2 << 20)),
    Hostile("t22 documentation of 5 GB", Reason.TOO_LARGE, _claiming("README.md", 5 * GIB)),
    Hostile("config missing", Reason.BAD_CONFIG, _without(CONFIG), "missing"),
    Hostile("weights missing", Reason.UNLOADABLE, _without(WEIGHTS)),
    Hostile("t04 weights nobody loads", Reason.UNLOADABLE, _claiming("more.safetensors", 100)),
)
_CONFIGS = (
    Hostile("t20 auto_map", Reason.BAD_CONFIG, _config(auto_map={"AutoModel": "x--y.Z"})),
    Hostile("t11 quantised", Reason.BAD_CONFIG, _config(quantization_config={"bits": 4})),
    Hostile("t20 kernel by name", Reason.BAD_CONFIG, _config(_attn_implementation="x/y")),
    Hostile("t21 a billion layers", Reason.BAD_CONFIG, _config(num_hidden_layers=10**9)),
    Hostile("t21 negative vocabulary", Reason.BAD_CONFIG, _config(vocab_size=-1)),
    Hostile("t21 infinite rope", Reason.BAD_CONFIG, _raw(CONFIG, b'{"rope_theta": 1e999}')),
    Hostile("t21 nested deeply", Reason.BAD_CONFIG, _raw(CONFIG, _DEEP), "nested"),
    Hostile("t21 quadratic quotes", Reason.BAD_CONFIG, _raw(CONFIG, _QUOTES)),
    Hostile(
        "t21 one key twice",
        Reason.BAD_CONFIG,
        _raw(CONFIG, b'{"architectures": [], "architectures": []}'),
        "twice",
    ),
    Hostile("t21 not text", Reason.BAD_CONFIG, _raw(CONFIG, b"\xff\xfe{}")),
    Hostile("t20 code in the tokenizer", Reason.BAD_CONFIG,
            _raw("tokenizer_config.json", b'{"auto_map": {}}')),
    Hostile("t11 another architecture", Reason.ARCHITECTURE,
            _config(architectures=["MambaForCausalLM"])),
    Hostile("t04 tied weights that lie", Reason.UNLOADABLE,
            lambda good, folder: _config(tie_word_embeddings=True)(
                _tensors(lambda ts: [*ts, replace(ts[0], name="lm_head.weight")])(good, folder),
                folder,
            ), "ties"),
)  # fmt: skip
_HEADERS = (
    Hostile("t23 header of 2 GB", Reason.BAD_HEADER,
            lambda good, _: {**good, WEIGHTS: HubFile((2 * GIB).to_bytes(8, "little") + bytes(99),
                                                      lfs=True)}),
    Hostile("t23 header beyond the file", Reason.BAD_HEADER,
            _raw(WEIGHTS, (2**64 - 1).to_bytes(8, "little") + bytes(99))),
    Hostile("t23 header is no JSON", Reason.BAD_HEADER, _header(lambda _: b"{]")),
    Hostile("t23 header nested deeply", Reason.BAD_HEADER, _header(lambda _: _DEEP)),
    Hostile("t23 header of small pieces", Reason.BAD_HEADER,
            _header(lambda _: b"{" + b",".join(b'"%d":{}' % i for i in range(200_000)) + b"}")),
    Hostile("t23 tensors overlap", Reason.BAD_HEADER, _header(_set(_Q0, data_offsets=[0, 512]))),
    Hostile("t23 gap between tensors", Reason.BAD_HEADER, _header(lambda h: h.pop(_Q0))),
    Hostile("t23 trailing bytes", Reason.BAD_HEADER,
            lambda good, _: {**good, WEIGHTS: HubFile(good[WEIGHTS].data + b"more", lfs=True)}),
    Hostile("t23 truncated shard", Reason.BAD_HEADER,
            lambda good, _: {**good, WEIGHTS: HubFile(good[WEIGHTS].data[:-9], lfs=True)}),
    Hostile("t11 shape against bytes", Reason.BAD_HEADER, _header(_set(_Q0, shape=[1 << 20]))),
    Hostile("t11 packed integers", Reason.BAD_HEADER, _header(_set(_Q0, dtype="I32"))),
    Hostile("t11 no header at all", Reason.BAD_HEADER, _raw(WEIGHTS, b"PK\x03\x04")),
    Hostile("t23 a hundred full headers", Reason.BAD_HEADER, _many_headers, "tensors, at most"),
    Hostile("t11 index names what is not there", Reason.BAD_HEADER,
            _shards(lambda m: m.update({"ghost.weight": "ghost.safetensors"}))),
    Hostile("t11 index leaves a tensor out", Reason.BAD_HEADER, _shards(lambda m: m.pop(_EMBED))),
    Hostile("t11 index points outside", Reason.BAD_HEADER,
            _shards(lambda m: m.update({_EMBED: "../../secret.safetensors"}))),
    Hostile("t04 tensors that are ignored", Reason.UNLOADABLE,
            _tensors(lambda ts: [*ts, replace(ts[-1], name="x.rotary_emb.inv_freq")])),
    Hostile("t11 too many parameters", Reason.PARAMETERS,
            _tensors(lambda ts: [*ts, Tensor(name="model.layers.0.z", dtype="BF16",
                                             shape=(11_000_000, 2), data=bytes(44_000_000))])),
)  # fmt: skip
_WEIGHTS = (
    Hostile("t10 NaN", Reason.NON_FINITE, _tensors(_first(b"\xc0\x7f"))),
    Hostile("t10 infinity", Reason.NON_FINITE, _tensors(_first(b"\x80\xff"))),
    Hostile("t10 one huge norm", Reason.NORM, _tensors(_loud(b"\x00\x43", (_Q0,))), "holds 128"),
    Hostile("t10 large norms", Reason.NORM,
            _tensors(_loud(b"\x80\x41", (_Q0, Q_PROJ.format(1)))), "2 of 2"),
)  # fmt: skip
