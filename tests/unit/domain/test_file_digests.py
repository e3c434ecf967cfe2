"""Digests over a repository's files."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.digests import FileDigest, content_digest, directory_hash, model_hashes


class Vector(TypedDict):
    file_sha256_hex: dict[str, str]
    directory_hash: str


VECTORS: list[Vector] = json.loads(
    (Path(__file__).parents[2] / "data" / "directory_hash_v1.json").read_text()
)


def file(path: str = "config.json", size: int = 3, content: str = "abc") -> FileDigest:
    return FileDigest(path, size, sha256(content.encode()).hexdigest())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["directory_hash"])
def test_directory_hashes_are_those_of_existing_tools(vector: Vector) -> None:
    files = vector["file_sha256_hex"]
    assert directory_hash(files) == vector["directory_hash"]
    assert directory_hash(dict(reversed(files.items()))) == vector["directory_hash"]


def test_a_directory_hash_walks_files_before_folders() -> None:
    one, two = sha256(b"1").hexdigest(), sha256(b"2").hexdigest()
    walked = b64encode(bytes.fromhex(two)) + b64encode(bytes.fromhex(one))
    assert directory_hash({"a/x": one, "b": two}) == b64encode(sha256(walked).digest()).decode()


def test_a_directory_hash_binds_no_names() -> None:
    digest = sha256(b"1").hexdigest()
    assert directory_hash({"a": digest}) == directory_hash({"b": digest})


def test_the_content_digest_is_sha256_of_canonical_json() -> None:
    text = (
        f'[["a.json",1,"{sha256(b"1").hexdigest()}"],'
        f'["model.safetensors",2,"{sha256(b"2").hexdigest()}"]]'
    )
    files = [file("model.safetensors", 2, "2"), file("a.json", 1, "1")]
    assert content_digest(files) == b64encode(sha256(text.encode()).digest()).decode()


@given(st.permutations([file("a"), file("b/c"), file("b.c"), file("Z")]))
@settings(max_examples=40)
def test_the_order_of_files_does_not_matter(files: list[FileDigest]) -> None:
    assert content_digest(files) == content_digest(sorted(files, key=lambda f: f.path))


@pytest.mark.parametrize(
    "other", [file(path="x.json"), file(size=4), file(content="abd")], ids=["path", "size", "bytes"]
)
def test_the_content_digest_binds_name_size_and_bytes(other: FileDigest) -> None:
    assert content_digest([other]) != content_digest([file()])


def test_a_text_of_each_form_binds_the_hash_of_its_kind() -> None:
    files = [file(), file("model.safetensors", 5, "weights")]
    hashes = model_hashes(files)
    assert hashes.bound_by(CommitmentFormat.V1) == directory_hash({f.path: f.sha256 for f in files})
    assert hashes.bound_by(CommitmentFormat.V2) == content_digest(files)


def test_a_path_may_not_occur_twice() -> None:
    with pytest.raises(ValueError, match=r"file 'config.json' occurs twice"):
        content_digest([file(), file(content="other")])


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a/"])
def test_a_path_stays_inside_its_repository(path: str) -> None:
    with pytest.raises(ValueError, match="must be relative"):
        file(path)


def test_a_file_digest_is_checked() -> None:
    with pytest.raises(ValueError, match="size -1 must not be negative"):
        file(size=-1)
    with pytest.raises(ValueError, match="is not a hex sha256"):
        FileDigest("a", 1, "A" * 64)
    with pytest.raises(ValueError, match="is not a hex sha256"):
        directory_hash({"a": "00"})
