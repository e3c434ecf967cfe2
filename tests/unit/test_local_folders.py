"""Folders on a miner's own disk: what is left out, and what a refusal says to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sn37.adapters.admission.files import ListedFile, listing, select
from sn37.adapters.admission.header import (
    PREFIX_BYTES,
    Header,
    TensorSpan,
    check_index,
    header_bytes,
    parse_header,
)
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def said(folder: Path) -> str:
    with pytest.raises(ModelRejected) as caught:
        listing(folder)
    assert caught.value.reason is Reason.UNSAFE_FILE
    return str(caught.value)


def snapshot(root: Path, name: str = "models--some-body--a.model") -> Path:
    """A revision as huggingface_hub keeps it: links to blobs."""
    blob = root / "hub" / name / "blobs" / "abc"
    folder = root / "hub" / name / "snapshots" / COMMIT
    blob.parent.mkdir(parents=True)
    folder.mkdir(parents=True)
    blob.write_text("{}")
    (folder / "config.json").symlink_to("../../blobs/abc")
    return folder


def test_a_snapshot_of_the_hubs_cache_is_told_what_to_do(tmp_path: Path) -> None:
    told = said(snapshot(tmp_path))
    assert "cache of huggingface_hub" in told
    assert "cp -rL" in told
    assert f"some-body/a.model@{COMMIT}" in told


def test_a_snapshot_named_by_a_relative_path_is_told_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(snapshot(tmp_path))
    assert f"some-body/a.model@{COMMIT}" in said(Path())


def test_t22_a_link_is_not_followed_wherever_it_points(tmp_path: Path) -> None:
    for number, target in enumerate(("/etc/passwd", "nowhere", "..", "config.json")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "config.json").symlink_to(target)
        told = said(folder)
        assert "link" in told
        assert "cp -rL" in told
    out = snapshot(tmp_path, "models--x--y")
    (out / "config.json").unlink()
    (out / "config.json").symlink_to("/etc/passwd")  # out of the cache, from within
    assert "which is not followed" in said(out)


def test_what_a_download_leaves_behind_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / ".cache" / "huggingface" / "download").mkdir(parents=True)
    assert [file.path for file in listing(tmp_path)] == ["config.json"]


def test_only_a_folder_of_that_name_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("")
    assert [file.path for file in listing(tmp_path)] == [".cache"]
    (tmp_path / ".cache").unlink()
    (tmp_path / ".cache").symlink_to(tmp_path)
    said(tmp_path)
    (tmp_path / ".cache").unlink()
    (tmp_path / ".Cache").mkdir()
    said(tmp_path)


def spans(*names: str) -> Header:
    return Header(
        tensors=tuple(
            TensorSpan(name=name, dtype="F32", shape=(2,), begin=0, end=8) for name in names
        )
    )


SHARDS = {"1.safetensors": spans("a", "b"), "2.safetensors": spans("c")}
RIGHT: dict[str, object] = {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}


@pytest.mark.parametrize(
    ("weight_map", "told"),
    [
        ({k: v for k, v in RIGHT.items() if k != "b"}, "does not name 'b', which is in 1.safe"),
        (RIGHT | {"b": "2.safetensors"}, "puts 'b' in '2.safetensors', but it is in 1.safe"),
        (RIGHT | {"aa": "1.safetensors"}, "puts 'aa' in '1.safetensors', but no shard has it"),
        (RIGHT | {"c": 1, "z": "x"}, "puts 'c' in 1, but it is in 2.safetensors"),
        (RIGHT | {"\x1b[2J": "x"}, "no shard has it"),
        ([], "must map"),
        (None, "must map"),
    ],
)
def test_an_index_that_does_not_match_names_the_first_tensor(weight_map: object, told: str) -> None:
    check_index(json.dumps({"metadata": {"total_size": 1}, "weight_map": RIGHT}).encode(), SHARDS)
    with pytest.raises(ModelRejected) as caught:
        check_index(json.dumps({"weight_map": weight_map}).encode(), SHARDS)
    assert caught.value.reason is Reason.BAD_HEADER
    assert told in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_index_has_no_other_keys() -> None:
    text = json.dumps({"weight_map": RIGHT, "auto_map": {}}).encode()
    with pytest.raises(ModelRejected, match="auto_map"):
        check_index(text, SHARDS)


def selection_said(*names: str) -> str:
    listed = [ListedFile(name, 1) for name in ("config.json", "model.safetensors", *names)]
    with pytest.raises(ModelRejected) as caught:
        select(listed, max_bytes=10**6)
    assert caught.value.reason is Reason.UNSAFE_FILE
    return str(caught.value)


def test_all_files_that_are_not_read_are_named_at_once() -> None:
    assert selection_said("training_args.bin") == (
        "training_args.bin is not an accepted file: remove it"
    )
    assert selection_said("a.bin", "README.md", "b.py", "tokenizer.json") == (
        "a.bin is not an accepted file: remove it; also not accepted: 'b.py'"
    )
    many = selection_said(*(f"checkpoint-{number}.bin" for number in range(60)))
    assert many.endswith("'checkpoint-8.bin' and 51 more")
    assert len(many) < 300


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_is_told_to_be_merged(name: str) -> None:
    assert "merge it into the model" in selection_said(name)


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"PK\x03\x04\x00\x00\x08\x08", "torch.save"),
        (b"GGUF\x03\x00\x00\x00", "GGUF"),
        (b"anything else", "at most 4194304 are allowed"),
    ],
)
def test_another_format_under_the_name_of_safetensors_is_named(start: bytes, told: str) -> None:
    with pytest.raises(ModelRejected, match="not safetensors") as caught:
        header_bytes(start[:PREFIX_BYTES], 10**10)
    assert caught.value.reason is Reason.BAD_HEADER
    assert told in str(caught.value)


def test_a_file_that_is_cut_off_is_said_to_be() -> None:
    text = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    whole = PREFIX_BYTES + len(text) + 16
    parse_header(text, whole)
    with pytest.raises(ModelRejected, match="cut off, transfer it again"):
        parse_header(text, whole - 1)
    with pytest.raises(ModelRejected, match=rf"end at byte {whole} of {whole + 1}$"):
        parse_header(text, whole + 1)
