"""Commitment texts: what is read, what is refused and why, and what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, CompetitionId, Digest, EntryKey, Hotkey
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import (
    MAX_TEXT_BYTES,
    Commitment,
    CommitmentBook,
    CommitmentFault,
    MalformedCommitment,
    format_commitment,
    parse_commitment,
    parse_legacy_commitment,
    secure_hash,
)
from sn37.domain.submission.models import ModelRef
from sn37.testing.builders import a_commitment, a_model_ref

REVISION = "0123456789abcdef0123456789abcdef01234567"
HASH = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
TAIL = f"{REVISION}:{HASH}"


class Vector(TypedDict):
    namespace: str
    name: str
    commit: str
    model_hash: str
    hotkey: str
    competition: int
    secure_hash: str
    text: str


VECTORS: list[Vector] = json.loads(
    (Path(__file__).parents[2] / "data" / "commitment_v1.json").read_text()
)
# Hugging Face has no repository whose name ends in a dot, so nobody can have published it.
IMPOSSIBLE = "nxiqnx-zqvs."


def parse(raw: bytes | str) -> Commitment | MalformedCommitment:
    return parse_commitment(raw, hotkey=Hotkey("alice"), block=Block(7), extrinsic_index=3)


def fault_of(raw: bytes | str) -> CommitmentFault:
    parsed = parse(raw)
    assert isinstance(parsed, MalformedCommitment)
    return parsed.fault


def text_of(
    *,
    namespace: str = "ns",
    name: str = "model",
    revision: str = REVISION,
    bound: str = HASH,
    competition: str = "1",
) -> str:
    return f"2:{namespace}:{name}:{revision}:{bound}:{competition}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_secure_hashes_are_those_of_existing_tools(vector: Vector) -> None:
    assert (
        secure_hash(Digest(vector["model_hash"]), Hotkey(vector["hotkey"])) == vector["secure_hash"]
    )


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["name"] != IMPOSSIBLE], ids=lambda v: v["name"]
)
def test_texts_of_existing_tools_are_read_and_written_alike(vector: Vector) -> None:
    model = ModelRef(
        repo=f"{vector['namespace']}/{vector['name']}",
        revision=vector["commit"],
        secure_hash=Digest(vector["secure_hash"]),
    )
    competition = CompetitionId(vector["competition"])

    parsed = parse_commitment(
        vector["text"].encode(), hotkey=Hotkey(vector["hotkey"]), block=Block(9)
    )

    assert parsed == Commitment(
        hotkey=Hotkey(vector["hotkey"]),
        block=Block(9),
        competition=competition,
        model=model,
        format=CommitmentFormat.V1,
    )
    assert format_commitment(model, competition, CommitmentFormat.V1) == vector["text"]


def test_a_text_that_names_an_impossible_repository_is_refused_for_its_name() -> None:
    [vector] = [v for v in VECTORS if v["name"] == IMPOSSIBLE]
    assert fault_of(vector["text"]) is CommitmentFault.NAME


def test_a_version_2_text_is_read() -> None:
    assert parse(text_of(competition="12")) == Commitment(
        hotkey=Hotkey("alice"),
        block=Block(7),
        extrinsic_index=3,
        competition=CompetitionId(12),
        model=ModelRef(repo="ns/model", revision=REVISION, secure_hash=Digest(HASH)),
        format=CommitmentFormat.V2,
    )


def test_bytes_and_text_are_read_alike() -> None:
    assert parse(text_of().encode()) == parse(text_of())


def test_a_namespace_called_2_does_not_make_a_version_1_text_version_2() -> None:
    parsed = parse(f"2:model:{TAIL}:1")
    assert isinstance(parsed, Commitment)
    assert (parsed.format, parsed.model.repo) == (CommitmentFormat.V1, "2/model")


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"\xff\xfe:model", CommitmentFault.NOT_TEXT),
        ("\ud800", CommitmentFault.NOT_TEXT),
        (b"", CommitmentFault.EMPTY),
        (" \n", CommitmentFault.EMPTY),
        ("x" * 129, CommitmentFault.TOO_LONG),
        ("\u00e9" * 65, CommitmentFault.TOO_LONG),
        ("hello", CommitmentFault.PARTS),
        (f"ns:model:{TAIL}", CommitmentFault.PARTS),
        (f"3:ns:model:{TAIL}:1", CommitmentFault.PARTS),
        (f"02:ns:model:{TAIL}:1", CommitmentFault.PARTS),
        (f"2:ns:model:{TAIL}:1:", CommitmentFault.PARTS),
    ],
)
def test_a_text_that_is_no_commitment_at_all_is_refused(
    raw: bytes | str, fault: CommitmentFault
) -> None:
    assert fault_of(raw) is fault


@pytest.mark.parametrize(
    "part",
    ["", "..", ".", "-a", "a-", ".a", "a.", "a--b", "a..b", "a/b", "a b", "a\n", "\u00e9", "a\0"],
)
def test_namespace_and_name_keep_hugging_faces_rules(part: str) -> None:
    assert fault_of(text_of(namespace=part)) is CommitmentFault.NAMESPACE
    assert fault_of(text_of(name=part)) is CommitmentFault.NAME


def test_a_name_does_not_end_like_a_git_folder() -> None:
    assert fault_of(text_of(name="model.git")) is CommitmentFault.NAME


@pytest.mark.parametrize("part", ["_", "a", "A-1", "a_b.c-d", "1.5b"])
def test_usual_names_are_read(part: str) -> None:
    assert isinstance(parse(text_of(namespace=part, name=part)), Commitment)


@pytest.mark.parametrize(
    "revision",
    ["main", "", REVISION[:-1], REVISION + "0", REVISION.upper(), REVISION[:-1] + "g", "refs/pr/1"],
)
def test_t09_a_branch_tag_or_short_hash_is_no_revision(revision: str) -> None:
    assert fault_of(text_of(revision=revision)) is CommitmentFault.REVISION


@pytest.mark.parametrize(
    "bound",
    [
        "",
        HASH[:-1],
        HASH + "=",
        HASH.replace("/", "_"),  # the URL-safe alphabet
        HASH[:-2] + "V=",  # decodes to the same bytes: spare bits set
        "QUJD" * 11,  # 44 characters of 33 bytes
        "QUJD",
        HASH[:-1] + "\u00e9",
        " " + HASH[1:],
    ],
)
def test_a_secure_hash_is_the_one_base64_of_32_bytes(bound: str) -> None:
    assert fault_of(text_of(bound=bound)) is CommitmentFault.SECURE_HASH


@pytest.mark.parametrize(
    "competition",
    [
        "",
        "01",
        "00",
        "+1",
        "-1",
        "1 ",
        " 1",
        "1_0",
        "1.0",
        "1\n",
        "0x1",
        "\u0661",
        "\u00b2",
        "1" * 10,
    ],
)
def test_a_competition_id_has_one_spelling(competition: str) -> None:
    # Without a name so long that the text would not fit.
    assert fault_of(text_of(competition=competition)) is CommitmentFault.COMPETITION


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
@example(b"2:" + b"\x1b[31m:" * 5)
@example("2:\u202e:name:rev:hash:1")
@settings(max_examples=40)
def test_any_bytes_give_a_value_with_a_short_printable_detail(raw: bytes | str) -> None:
    parsed = parse(raw)
    assert isinstance(parsed, MalformedCommitment)
    assert parsed.detail.isascii()
    assert parsed.detail.isprintable()
    assert 0 < len(parsed.detail) <= 120


def test_a_fault_quotes_the_part_that_is_wrong() -> None:
    parsed = parse(text_of(revision="main"))
    assert isinstance(parsed, MalformedCommitment)
    assert parsed.detail == "not a commit of 40 hex digits: 'main'"
    assert (parsed.hotkey, parsed.block) == ("alice", 7)


PART = st.from_regex(r"[a-z0-9]{1,10}([._-][a-z0-9]{1,5})?", fullmatch=True)


@given(
    namespace=PART,
    name=PART,
    revision=st.from_regex(r"[0-9a-f]{40}", fullmatch=True),
    content=st.text(max_size=5),
    competition=st.integers(0, 99),
    version=st.sampled_from(CommitmentFormat),
)
@settings(max_examples=40)
def test_what_is_written_is_read_back(
    namespace: str,
    name: str,
    revision: str,
    content: str,
    competition: int,
    version: CommitmentFormat,
) -> None:
    model = ModelRef(
        repo=f"{namespace}/{name}",
        revision=revision,
        secure_hash=secure_hash(Digest(content), Hotkey("alice")),
    )
    text = format_commitment(model, CompetitionId(competition), version)
    parsed = parse(text)
    assert isinstance(parsed, Commitment)
    assert (parsed.model, parsed.competition, parsed.format) == (model, competition, version)


def test_36_characters_of_repository_fill_a_version_2_text() -> None:
    fits = a_model_ref(repo="n" * 16 + "/" + "m" * 20)
    assert len(format_commitment(fits, CompetitionId(10))) == MAX_TEXT_BYTES
    longer = a_model_ref(repo="n" * 16 + "/" + "m" * 21)
    with pytest.raises(ValueError, match="at most 36 characters together"):
        format_commitment(longer, CompetitionId(10))


def test_38_characters_of_repository_fill_a_version_1_text() -> None:
    longer = a_model_ref(repo="n" * 16 + "/" + "m" * 23)
    with pytest.raises(ValueError, match="at most 38 characters together"):
        format_commitment(longer, CompetitionId(10), CommitmentFormat.V1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (a_model_ref(revision="main"), "revision: not a commit"),
        (a_model_ref(secure_hash="x"), "secure_hash: not the base64"),
        (a_model_ref(repo="a/b/c"), "parts: 7 parts"),
        (a_model_ref(repo="-a/b"), "namespace: not a Hugging Face namespace"),
    ],
)
def test_no_text_is_written_that_no_reader_accepts(model: ModelRef, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        format_commitment(model, CompetitionId(1))


@pytest.mark.parametrize("repo", ["a:b", "alone"])
def test_no_text_is_written_that_means_another_repository(repo: str) -> None:
    # "2:alone:..." is a version 1 text of the namespace "2".
    with pytest.raises(ValueError, match=f"must be namespace/name, not '{repo}'"):
        format_commitment(a_model_ref(repo=repo), CompetitionId(1))


@pytest.mark.parametrize("encode", [str, str.encode])
def test_a_four_part_text_of_subnet_9_is_of_the_default_competition(
    encode: type[str],
) -> None:
    parsed = parse_legacy_commitment(
        encode(f"ns:model:{TAIL}"),
        hotkey=Hotkey("alice"),
        block=Block(7),
        default_competition=CompetitionId(4),
    )
    assert isinstance(parsed, Commitment)
    assert (parsed.competition, parsed.format) == (4, CommitmentFormat.V1)
    assert parsed.model == ModelRef(repo="ns/model", revision=REVISION, secure_hash=Digest(HASH))


def test_other_texts_of_subnet_9_are_read_as_ours() -> None:
    for text in (f"ns:model:{TAIL}:5", text_of(), "nonsense"):
        assert parse_legacy_commitment(
            text, hotkey=Hotkey("alice"), block=Block(7), default_competition=CompetitionId(4)
        ) == parse_commitment(text, hotkey=Hotkey("alice"), block=Block(7))


def test_t01_a_copied_text_does_not_hold_for_another_hotkey() -> None:
    model_hash = Digest(HASH)
    assert secure_hash(model_hash, Hotkey("alice")) != secure_hash(model_hash, Hotkey("bob"))


def test_t08_two_commitments_in_one_block_have_an_order() -> None:
    first = a_commitment("zoe", 5, extrinsic_index=1)
    second = a_commitment("bob", 5, extrinsic_index=2)
    third = a_commitment("eve", 5, extrinsic_index=2)
    later = a_commitment("ann", 6, extrinsic_index=0)
    ordered = sorted([later, third, second, first], key=lambda c: c.precedence)
    assert ordered == [first, second, third, later]


def test_a_new_commitment_of_a_hotkey_is_a_new_entry() -> None:
    assert a_commitment("alice", 5).key == EntryKey(Hotkey("alice"), Block(5))
    assert a_commitment("alice", 6).key != a_commitment("alice", 5).key


def test_an_empty_book_has_no_records() -> None:
    book = CommitmentBook()
    assert not book.well_formed
    assert not book.malformed
