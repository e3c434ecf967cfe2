"""Every value that goes into a column comes out of it as it was, in the pinned form."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.adapters.sqlite.stored import (
    BEGINNING,
    CONTROLS,
    ENVIRONMENT,
    OPINION,
    OUTCOME,
    PLAN,
    RESERVE,
    RESULT,
    SAMPLES,
    SUBMISSION,
    WEIGHTS,
    CodecError,
    Column,
)
from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.data.screening import Screening
from sn37.domain.ids import (
    Block,
    BlockRef,
    CompetitionId,
    Digest,
    EntryKey,
    Hotkey,
    RoundKey,
    TaskName,
)
from sn37.domain.reasons import Reason
from sn37.domain.round.state import (
    ColdStart,
    EntryOutcome,
    EntryResult,
    Premises,
    Reserve,
    RoundPlan,
    RoundResult,
    ScoredLater,
    TaskScore,
    WeightsRecord,
)
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.scoring.jobs import ControlKind, ControlLoss
from sn37.domain.scoring.opinion import Compared, Opinion, View
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.domain.submission.submission import Submission, Verdict
from sn37.domain.weight_vector import WeightVector
from sn37.testing.builders import (
    a_beginning,
    a_round_plan,
    a_round_result,
    a_sample,
    a_submission,
    an_entry_key,
)
from tests.support.pinned_schemas import FOLDER, schemas

# Half surrogate pairs included: a row of untrusted data may hold them.
texts = st.text(st.characters(exclude_categories=()), max_size=8)
hotkeys, digests, tasks = texts.map(Hotkey), texts.map(Digest), texts.map(TaskName)
numbers = st.integers(0, 2**70)
blocks = numbers.map(Block)
floats = st.floats()
# UTC has no hour that comes twice, so ``fold`` says nothing
moments = st.datetimes(timezones=st.just(UTC)).map(lambda t: t.replace(fold=0))
reasons = st.none() | st.sampled_from(Reason)
keys = st.builds(EntryKey, hotkeys, blocks)
refs = st.builds(ModelRef, repo=texts, revision=texts, secure_hash=digests)
commitments = st.builds(
    Commitment,
    hotkey=hotkeys,
    block=blocks,
    extrinsic_index=numbers,
    competition=numbers.map(CompetitionId),
    model=refs,
    format=st.sampled_from(CommitmentFormat),
)
artifacts = st.builds(
    ModelArtifact,
    ref=refs,
    path=st.lists(texts.filter(lambda t: "\0" not in t)).map(lambda parts: PurePosixPath(*parts)),
    size_bytes=numbers,
    parameters=numbers,
    architecture=texts,
    content_digest=digests,
    tensor_digest=digests,
)
submissions = st.builds(
    Submission,
    commitment=commitments,
    clock_block=blocks,
    artifact=st.none() | artifacts,
    rejection=reasons,
    detail=texts,
    duplicate_of=st.none() | keys,
    failures=numbers,
    missed_rounds=numbers,
    retired=st.booleans(),
)
samples = st.builds(
    lambda choices, **fields: Sample(
        **fields | {"reference": choices[0]} if choices else fields, choices=choices
    ),
    choices=st.just(()) | st.lists(texts, min_size=2, max_size=4, unique=True).map(tuple),
    prompt=texts,
    reference=texts,
    provenance=st.builds(
        Provenance,
        row_id=texts,
        produced_at=st.none() | moments,
        signer=st.none() | hotkeys,
        stratum=st.none() | texts,
    ),
)
block_refs = st.builds(BlockRef, blocks, texts)
round_keys = st.builds(RoundKey, numbers.map(CompetitionId), blocks)
task_scores = st.builds(
    TaskScore,
    task=tasks,
    raw=floats,
    normalized=floats,
    weighted=floats,
    accuracy=st.none() | floats,
)
entry_results = st.builds(
    EntryResult,
    key=keys,
    repo=texts,
    verdict=st.sampled_from(Verdict),
    reason=reasons,
    detail=texts,
    score=st.none() | floats,
    tasks=st.lists(task_scores, max_size=2).map(tuple),
    num_samples=numbers,
)
outcomes = st.builds(
    EntryOutcome, key=keys, verdict=st.sampled_from(Verdict), reason=reasons, detail=texts
)
clocks = st.lists(st.tuples(keys, blocks), max_size=2).map(tuple)
premises = st.builds(
    Premises,
    former=st.none() | keys,
    is_shielded=st.booleans(),
    num_judged=numbers,
    awaited=st.lists(keys, max_size=2).map(tuple),
    clocks=clocks,
    missed_defences=st.none() | numbers,
    contenders=st.none() | st.lists(keys, max_size=2).map(tuple),
)
plans = st.builds(
    RoundPlan,
    key=round_keys,
    sync=block_refs,
    champion=st.none() | keys,
    entries=st.lists(keys, max_size=2).map(tuple),
    draws=st.just(()),
    manifest_digest=digests,
    listed=st.lists(entry_results, max_size=2).map(tuple),
    # at most one: the repr of a larger set has no fixed order
    unreadable=st.frozensets(keys, max_size=1),
    unprobed=st.frozensets(keys, max_size=1),
    signers=st.none()
    | st.dictionaries(tasks, st.lists(st.none() | hotkeys, max_size=3).map(tuple), max_size=2),
    premises=st.none() | premises,
)
results = st.builds(
    RoundResult,
    key=round_keys,
    sync=block_refs,
    manifest_digest=st.none() | digests,
    champion=st.none() | keys,
    entries=st.lists(entry_results, max_size=2).map(tuple),
    skipped=reasons,
    near_duplicates=st.none() | st.lists(st.tuples(keys, keys), max_size=2).map(tuple),
    postponed=st.lists(keys, max_size=2).map(tuple),
    is_shielded=st.booleans(),
    clocks=clocks,
    later=st.none() | st.builds(ScoredLater, source=hotkeys, after=blocks, at=blocks),
    missed_defences=st.none() | numbers,
    forgotten_at=st.none() | moments,
)
weights = st.builds(
    WeightsRecord,
    sync_block=blocks,
    weights=st.builds(
        lambda a, b, share: WeightVector({a: share, b: 1 - share} if a != b else {a: 1.0}),
        hotkeys,
        hotkeys,
        st.floats(0, 1),
    ),
    sent_at=blocks,
    extrinsic=st.none() | texts,
)
quick = settings(max_examples=40)


screenings = st.lists(
    st.tuples(texts, digests, st.none() | hotkeys, st.integers()),
    max_size=2,
    unique_by=lambda row: row[0],
).map(
    lambda rows: Screening(
        cap=3,
        rows=tuple((row, content) for row, content, _, _ in rows),
        signers=tuple(signer for _, _, signer, _ in rows),
        losses=tuple(loss for _, _, _, loss in rows),
    )
)
screened_plans = st.builds(
    lambda plan, found: replace(plan, screenings=found),
    plans,
    st.none() | st.dictionaries(tasks, screenings, max_size=2),
)
reserves = st.builds(Reserve, samples=st.lists(samples, max_size=2).map(tuple), cap=numbers)
controls = st.lists(
    st.builds(ControlLoss, st.sampled_from(ControlKind), floats, floats), max_size=2
).map(tuple)
opinions = st.builds(
    Opinion,
    key=keys,
    view=st.sampled_from(View),
    samples=st.lists(
        st.builds(Compared, task=tasks, position=numbers, ours=floats, theirs=floats), max_size=2
    ).map(tuple),
    detail=texts,
    environment=st.dictionaries(texts, texts, max_size=2),
)
STORED: list[tuple[Column[Any], st.SearchStrategy[Any]]] = [
    (SUBMISSION, submissions),
    (SAMPLES, st.lists(samples, max_size=2).map(tuple)),
    (PLAN, screened_plans),
    (RESERVE, reserves),
    (CONTROLS, controls),
    (OUTCOME, outcomes),
    (OPINION, opinions),
    (RESULT, results),
    (WEIGHTS, weights),
]


@pytest.mark.parametrize(("column", "values"), STORED)
@quick
@given(st.data())
def test_a_value_comes_back_as_it_was(
    column: Column[Any], values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    # repr distinguishes NaN, and the sign of zero
    assert repr(column.load(column.dump(value))) == repr(value)


def test_a_result_stored_before_near_duplicates_were_flagged_is_read() -> None:
    result = a_round_result()
    stored = json.loads(RESULT.dump(result))
    del stored["near_duplicates"]
    assert RESULT.load(json.dumps(stored)) == result


@pytest.mark.parametrize("champion", [None, an_entry_key()])
def test_a_result_stored_by_the_first_rule_shielded_every_champion(
    champion: EntryKey | None,
) -> None:
    result = replace(a_round_result(), champion=champion)
    stored = json.loads(RESULT.dump(result))
    del stored["is_shielded"]
    assert RESULT.load(json.dumps(stored)).is_shielded is (champion is not None)


def test_how_many_rounds_were_scored_again_is_stored_under_the_name_that_states_have() -> None:
    beginning = a_beginning(ColdStart.MANIFESTS, num_rounds_rescored=12)
    assert json.loads(BEGINNING.dump(beginning))["num_rescored"] == 12
    assert BEGINNING.load(BEGINNING.dump(beginning)) == beginning


def test_a_sample_stored_before_there_were_choices_and_strata_is_read() -> None:
    stored = json.loads(SAMPLES.dump((a_sample(),)))
    del stored[0]["choices"], stored[0]["provenance"]["stratum"]
    assert SAMPLES.load(json.dumps(stored)) == (a_sample(),)


def test_an_unknown_field_is_left_to_the_version_that_wrote_it() -> None:
    stored = json.loads(RESULT.dump(a_round_result()))
    assert RESULT.load(json.dumps({**stored, "later_field": 1})) == a_round_result()


def test_draws_are_stored_in_their_own_table_only() -> None:
    plan = a_round_plan()
    assert "draws" not in json.loads(PLAN.dump(plan))
    assert PLAN.load(PLAN.dump(plan)) == replace(plan, draws=())


def test_a_value_of_another_type_than_its_class_says_is_not_written() -> None:
    wrong = replace(a_round_plan(), entries=[an_entry_key()])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Expected `tuple"):
        PLAN.dump(wrong)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("text", ["", "{", "null", "{}", "NaN", '{"key": 1}', "[" * 10**5])
@pytest.mark.parametrize("column", [column for column, _ in STORED])
def test_a_damaged_column_is_named_as_such(text: str, column: Column[Any]) -> None:
    with pytest.raises(CodecError):
        column.load(text)


@pytest.mark.parametrize("number", ["1e308", "1.5", "-0.5", "NaN", "Infinity", '"inf"', "1e999"])
def test_shares_that_no_weights_have_are_a_damaged_column(number: str) -> None:
    stored = (
        '{"sync_block":1,"weights":{"a":0.5,"b":0.5},"sent_at":1,"extrinsic":null,'
        '"newest_rounds":[]}'
    )
    assert WEIGHTS.load(stored).weights.shares == {"a": 0.5, "b": 0.5}
    with pytest.raises(CodecError):
        WEIGHTS.load(stored.replace("0.5", number))


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_a_damaged_column(constant: str) -> None:
    with pytest.raises(CodecError, match=f"{constant} is not JSON"):
        ENVIRONMENT.load(f'{{"a":{constant}}}')


@pytest.mark.parametrize("error", [OverflowError, TypeError, KeyError, RecursionError])
def test_whatever_a_class_raises_for_a_value_is_a_damaged_column(error: type[Exception]) -> None:
    @dataclass(frozen=True, slots=True)
    class Impossible:
        number: int

        def __post_init__(self) -> None:
            raise error("impossible")

    with pytest.raises(CodecError, match=f"^{error.__name__}: .*impossible"):
        Column(Impossible).load('{"number":1}')


@pytest.mark.parametrize("wrong", [True, "1", 1.0, None])
def test_only_an_integer_is_an_integer(wrong: object) -> None:
    stored = json.loads(SUBMISSION.dump(a_submission()))
    with pytest.raises(CodecError, match=r"^failures: Input should be a valid integer"):
        SUBMISSION.load(json.dumps({**stored, "failures": wrong}))


@quick
@given(st.data())
def test_one_wrong_value_anywhere_in_a_result_is_noticed_or_valid(data: st.DataObject) -> None:
    stored = json.loads(RESULT.dump(a_round_result()))
    name = data.draw(st.sampled_from(sorted(stored)))
    stored[name] = data.draw(json_values.filter(lambda v: v is not None))
    try:
        value = RESULT.load(json.dumps(stored))
    except CodecError:
        return
    assert repr(RESULT.load(RESULT.dump(value))) == repr(value)


def test_the_schema_of_every_column_is_the_pinned_one() -> None:
    found = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()}
    assert found == schemas(), "if no migration is needed: python -m tests.support.pinned_schemas"
