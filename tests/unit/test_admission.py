"""Admission rules that need nothing but the standard library."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.admission.config import check_config, check_names
from sn37.adapters.admission.files import MAX_FILES, ListedFile, listing, select
from sn37.adapters.admission.header import (
    MAX_HEADER_BYTES,
    Header,
    header_bytes,
    parse_header,
    read_header,
)
from sn37.adapters.admission.strict_json import StrictJsonError, parse_object
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.ports.errors import ModelRejected

LIMITS = ModelConstraints(
    min_parameters=1,
    max_parameters=1000,
    max_bytes=10_000,
    max_tokens=64,
    architectures=frozenset({"LlamaForCausalLM"}),
)
GOOD = ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja")


def files(*names: str, size: int = 10) -> list[ListedFile]:
    return [ListedFile(name, size) for name in names]


def refusal(listed: list[ListedFile]) -> Reason:
    with pytest.raises(ModelRejected) as caught:
        select(listed, max_bytes=LIMITS.max_bytes)
    return caught.value.reason


def test_documentation_is_tolerated_but_never_read() -> None:
    chosen = select(
        files(*GOOD, "README.md", "LICENSE", ".gitattributes"), max_bytes=LIMITS.max_bytes
    )
    assert [file.path for file in chosen] == sorted(GOOD)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "weights.pt",
        "weights.pkl",
        "modeling_llama.py",
        "adapter_config.json",
        "adapter_model.safetensors",
        "README.md.py",
        ".env",
        "..",
        "../config.json",
        "/etc/passwd",
        "sub/config.json",
        "a\nb.safetensors",
        "modèle.safetensors",
        "-rf.safetensors",
        "x" * 200 + ".safetensors",
        "",
    ],
)
def test_t19_t20_t22_a_file_that_is_not_expected_is_refused(name: str) -> None:
    assert refusal(files(*GOOD, name)) is Reason.UNSAFE_FILE


def test_t22_too_many_files_are_refused_before_their_names_are_read() -> None:
    assert refusal(files(*("x.bin",) * (MAX_FILES + 1))) is Reason.TOO_MANY_FILES


def test_t22_a_repository_larger_than_allowed_is_refused() -> None:
    assert refusal(files(*GOOD, size=3_000)) is Reason.TOO_LARGE


def test_an_empty_file_is_refused() -> None:
    assert refusal([*files(*GOOD[1:]), ListedFile("config.json", 0)]) is Reason.UNSAFE_FILE


def test_a_repository_without_configuration_is_refused() -> None:
    assert refusal(files("model.safetensors")) is Reason.BAD_CONFIG


@pytest.mark.parametrize(
    "weights",
    [
        ("shard.safetensors",),
        ("model.safetensors", "more.safetensors"),
        ("model.safetensors.index.json",),
        ("model.safetensors.index.json", "model.safetensors", "more.safetensors"),
        (),
    ],
)
def test_t04_tensors_that_would_be_hashed_but_not_loaded_are_refused(
    weights: tuple[str, ...],
) -> None:
    assert refusal(files("config.json", *weights)) is Reason.UNLOADABLE


def test_shards_with_an_index_may_have_any_safetensors_name() -> None:
    names = ("a.safetensors", "b.safetensors", "config.json", "model.safetensors.index.json")
    assert [file.path for file in select(files(*names), max_bytes=10**6)] == list(names)


def test_t22_links_and_subfolders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("/etc/passwd")
    with pytest.raises(ModelRejected, match="link"):
        listing(tmp_path)
    (tmp_path / "link.json").unlink()
    (tmp_path / "sub").mkdir()
    with pytest.raises(ModelRejected, match="sub"):
        listing(tmp_path)


def test_t22_a_folder_of_very_many_files_is_refused_early(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.json").write_text("{}")
    with pytest.raises(ModelRejected) as caught:
        listing(tmp_path)
    assert caught.value.reason is Reason.TOO_MANY_FILES


def config(**extra: object) -> bytes:
    plain = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 128}
    return json.dumps(plain | extra).encode()


def test_a_plain_configuration_gives_its_architecture() -> None:
    text = config(rope_scaling=None, sliding_window=None, is_causal=True)
    assert check_config(text, LIMITS).architecture == "LlamaForCausalLM"


@pytest.mark.parametrize(
    "text",
    [
        config(auto_map={"AutoModel": "x.Y"}),
        config(quantization_config={}),
        config(text_config={"deep": [{"auto_map": {}}]}),
        config(_attn_implementation="flash_attention_2"),
        config(num_hidden_layers=10**9),
        config(text_config={"decoder_layers": 10**9}),
        config(num_labels=10**9),
        config(is_causal=False),
        config(is_causal=1),
        config(text_config={"use_bidirectional_attention": True}),
        config(vocab_size=-1),
        config(hidden_size=True),
        config(rope_theta=1e300),
        config(rope_theta=10**4000),
        b'{"architectures": ["LlamaForCausalLM"], "rope_theta": 1e999}',
        config(architectures=[]),
        config(architectures=["LlamaForCausalLM", "Other"]),
        b'{"architectures": ["LlamaForCausalLM"], "rope_theta": NaN}',
        b'{"architectures": ["LlamaForCausalLM"], "architectures": ["Other"]}',
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"a":' + b"9" * 10_000 + b"}",
        b'"' + b'\\"' * 200_000,  # hours, if each quote were tried as a beginning
        b"{" + b'"a":1,' * 50_000 + b'"z":1,"z":1}',
        b"[]",
        b"\xff\xfe",
        b"",
    ],
)
def test_t20_t21_a_dangerous_or_absurd_configuration_is_refused(text: bytes) -> None:
    with pytest.raises(ModelRejected) as caught:
        check_config(text, LIMITS)
    assert caught.value.reason is Reason.BAD_CONFIG


@pytest.mark.parametrize(
    ("family", "tied", "tensor", "refused"),
    [
        ("llama", None, "lm_head.weight", False),
        ("llama", True, "lm_head.weight", True),
        ("gemma", None, "lm_head.weight", True),
        ("gemma", False, "lm_head.weight", False),
        ("llama", None, "model.layers.0.self_attn.rotary_emb.inv_freq", True),
        ("gpt_neox", None, "gpt_neox.layers.0.attention.masked_bias", True),
        ("gpt_neox", None, "gpt_neox.layers.0.attention.query_key_value.bias", False),
    ],
)
def test_t04_a_tensor_that_would_be_ignored_is_refused(
    family: str, tied: bool | None, tensor: str, refused: bool
) -> None:
    names = {"llama": "LlamaForCausalLM", "gemma": "GemmaForCausalLM"}
    architecture = names.get(family, "GPTNeoXForCausalLM")
    limits = replace(LIMITS, architectures=frozenset({architecture}))
    said = {} if tied is None else {"tie_word_embeddings": tied}
    text = {"architectures": [architecture], "model_type": family} | said
    checked = check_config(json.dumps(text).encode(), limits)
    if not refused:
        check_names(checked, {"model.norm.weight", tensor})
        return
    with pytest.raises(ModelRejected) as caught:
        check_names(checked, {"model.norm.weight", tensor})
    assert caught.value.reason is Reason.UNLOADABLE


def test_tied_embeddings_are_tied_or_not() -> None:
    with pytest.raises(ModelRejected, match="neither true nor false"):
        check_config(config(tie_word_embeddings="yes"), LIMITS)


def test_an_architecture_that_is_not_allowed_has_its_own_reason() -> None:
    with pytest.raises(ModelRejected) as caught:
        check_config(config(architectures=["MambaForCausalLM"]), LIMITS)
    assert caught.value.reason is Reason.ARCHITECTURE


def tensor(begin: int, end: int, *, dtype: str = "F32", shape: object = None) -> dict[str, object]:
    default = [(end - begin) // 4]
    return {"dtype": dtype, "shape": shape or default, "data_offsets": [begin, end]}


def parsed(document: object, data_bytes: int) -> Header:
    text = json.dumps(document).encode()
    return parse_header(text, 8 + len(text) + data_bytes)


def test_a_header_counts_parameters_without_the_data() -> None:
    header = parsed({"b": tensor(8, 24), "a": tensor(0, 8), "__metadata__": {"format": "pt"}}, 24)
    assert header.parameters == 6
    assert [span.name for span in header.tensors] == ["a", "b"]


@pytest.mark.parametrize(
    ("document", "data_bytes"),
    [
        ({"a": tensor(0, 8), "b": tensor(4, 12)}, 12),  # overlap
        ({"a": tensor(0, 8), "b": tensor(12, 16)}, 16),  # gap
        ({"a": tensor(0, 8), "b": tensor(0, 8)}, 8),  # the same bytes twice
        ({"a": tensor(0, 8)}, 12),  # trailing bytes
        ({"a": tensor(0, 8)}, 4),  # beyond the end
        ({"a": tensor(4, 12)}, 12),  # does not begin at 0
        ({"a": tensor(0, 8, shape=[3])}, 8),  # shape against bytes
        ({"a": tensor(0, 8, shape=[-1, -2])}, 8),
        ({"a": tensor(0, 8, shape=[1 << 60, 1 << 60])}, 8),
        ({"a": tensor(0, 8, shape=[True, 2])}, 8),
        ({"a": tensor(0, 8, shape=[1] * 9 + [2])}, 8),
        ({"a": tensor(0, 8, dtype="U8", shape=[8])}, 8),  # a quantised pack
        ({"a": tensor(0, 8) | {"extra": 1}}, 8),
        ({"a": {"dtype": "F32", "shape": [2]}}, 8),
        ({"a\n": tensor(0, 8)}, 8),
        ({"a": tensor(0, 8), "__metadata__": {"x": 1}}, 8),
        ({}, 0),
    ],
)
def test_t11_t23_a_header_that_does_not_describe_its_bytes_once_is_refused(
    document: object, data_bytes: int
) -> None:
    with pytest.raises(ModelRejected) as caught:
        parsed(document, data_bytes)
    assert caught.value.reason is Reason.BAD_HEADER


def test_t23_duplicate_tensor_names_are_refused() -> None:
    one = json.dumps(tensor(0, 8))
    text = f'{{"a": {one}, "a": {one}}}'.encode()
    with pytest.raises(ModelRejected, match="twice"):
        parse_header(text, 8 + len(text) + 8)


@pytest.mark.parametrize("length", [0, 1, 93, MAX_HEADER_BYTES + 1, 2**64 - 1])
def test_t23_a_header_length_beyond_the_file_or_the_cap_is_refused(length: int) -> None:
    with pytest.raises(ModelRejected):
        header_bytes(length.to_bytes(8, "little"), 100)


@given(st.binary(max_size=200))
def test_t23_no_bytes_make_the_parser_fail_in_another_way(data: bytes) -> None:
    try:
        parse_header(data, 1_000)
        header_bytes(data, 1_000)
    except ModelRejected as refused:
        assert refused.reason is Reason.BAD_HEADER  # noqa: PT017 - both outcomes are right


def test_a_header_is_read_from_a_file(tmp_path: Path) -> None:
    text = json.dumps({"a": tensor(0, 8)}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 8)
    assert read_header(path).tensors[0].shape == (2,)


def test_brackets_inside_strings_do_not_count_as_depth() -> None:
    assert parse_object(b'{"a": "' + b"[" * 100 + b'"}') == {"a": "[" * 100}


def test_an_unclosed_string_of_brackets_is_refused() -> None:
    with pytest.raises(StrictJsonError):
        parse_object(b'{"a": "' + b"[" * 100_000)
