"""Every value that goes into a column comes out of it as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.adapters.sqlite import codec, round_codec
from sn37.adapters.sqlite.json_values import CodecError, dump, load
from sn37.adapters.sqlite.premises import from_premises, to_premises
from sn37.domain.canonical import JsonValue
from sn37.domain.data.samples import Provenance, Sample
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
    RoundPlan,
    RoundResult,
    ScoredLater,
    TaskScore,
    WeightsRecord,
)
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.domain.submission.submission import Submission, Verdict
from sn37.domain.weight_vector import WeightVector
from sn37.testing.builders import (
    a_beginning,
    a_commitment,
    a_round_plan,
    a_round_result,
    a_sample,
    a_submission,
    a_task_score,
    a_weights_record,
    an_artifact,
    an_entry_result,
    an_outcome,
)

_T = TypeVar("_T")

# Half surrogate pairs included: a row of untrusted data may hold them.
texts = st.text(st.characters(exclude_categories=()), max_size=8)
hotkeys, digests, tasks = texts.map(Hotkey), texts.map(Digest), texts.map(TaskName)
numbers = st.integers(0, 2**70)
blocks = numbers.map(Block)
floats = st.floats()
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
        # UTC has no hour that comes twice, so ``fold`` says nothing
        produced_at=st.none()
        | st.datetimes(timezones=st.just(UTC)).map(lambda t: t.replace(fold=0)),
        signer=st.none() | hotkeys,
        stratum=st.none() | texts,
    ),
)
block_refs = st.builds(BlockRef, blocks, texts)
round_keys = st.builds(RoundKey, numbers.map(CompetitionId), blocks)
task_scores = st.builds(TaskScore, task=tasks, raw=floats, normalized=floats, weighted=floats)
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
to_plan = partial(round_codec.to_plan, draws=())
quick = settings(max_examples=40)


def returned(
    value: _T, encode: Callable[[_T], JsonValue], decode: Callable[[JsonValue], _T]
) -> str:
    """How the value looks that comes back; repr tells NaN and the sign of zero."""
    return repr(load(dump(encode(value)), decode))


@quick
@given(submissions)
def test_a_submission_comes_back_as_it_was(value: Submission) -> None:
    assert returned(value, codec.from_submission, codec.to_submission) == repr(value)


@quick
@given(samples)
def test_a_sample_comes_back_as_it_was(value: Sample) -> None:
    assert returned(value, codec.from_sample, codec.to_sample) == repr(value)


def test_a_result_stored_before_near_duplicates_were_flagged_is_read() -> None:
    result = a_round_result()
    encoded = round_codec.from_result(result)
    assert isinstance(encoded, dict)
    del encoded["near_duplicates"]
    assert load(dump(encoded), round_codec.to_result) == result


def test_how_many_rounds_were_scored_again_is_stored_under_the_name_that_states_have() -> None:
    beginning = a_beginning(ColdStart.MANIFESTS, num_rounds_rescored=12)
    encoded = round_codec.from_beginning(beginning)
    assert isinstance(encoded, dict)
    assert encoded["num_rescored"] == 12
    assert load(dump(encoded), round_codec.to_beginning) == beginning


def test_a_sample_stored_before_there_were_choices_and_strata_is_read() -> None:
    sample = a_sample()
    encoded = codec.from_sample(sample)
    assert isinstance(encoded, dict)
    del encoded["choices"]
    provenance = encoded["provenance"]
    assert isinstance(provenance, dict)
    del provenance["stratum"]
    assert load(dump(encoded), codec.to_sample) == sample


@quick
@given(plans)
def test_a_plan_comes_back_as_it_was(value: RoundPlan) -> None:
    assert returned(value, round_codec.from_plan, to_plan) == repr(value)


@quick
@given(outcomes)
def test_an_outcome_comes_back_as_it_was(value: EntryOutcome) -> None:
    assert returned(value, round_codec.from_outcome, round_codec.to_outcome) == repr(value)


@quick
@given(results)
def test_a_result_comes_back_as_it_was(value: RoundResult) -> None:
    assert returned(value, round_codec.from_result, round_codec.to_result) == repr(value)


@quick
@given(weights)
def test_weights_come_back_as_they_were(value: WeightsRecord) -> None:
    assert returned(value, round_codec.from_weights, round_codec.to_weights) == repr(value)


@pytest.mark.parametrize(
    ("kind", "encoded", "elsewhere"),
    [
        (Submission, codec.from_submission(a_submission()), set[str]()),
        (Commitment, codec.from_commitment(a_commitment()), set()),
        (ModelRef, codec.from_model_ref(a_commitment().model), set()),
        (ModelArtifact, codec.from_artifact(an_artifact()), set()),
        (Sample, codec.from_sample(a_sample()), set()),
        (RoundPlan, round_codec.from_plan(a_round_plan()), {"draws"}),
        (Premises, from_premises(Premises()), set()),
        (RoundResult, round_codec.from_result(a_round_result()), set()),
        (EntryResult, round_codec.from_entry_result(an_entry_result()), set()),
        (EntryOutcome, round_codec.from_outcome(an_outcome()), set()),
        (TaskScore, round_codec.from_task_score(a_task_score()), set()),
        (WeightsRecord, round_codec.from_weights(a_weights_record()), set()),
    ],
)
def test_no_field_of_a_stored_value_is_forgotten(
    kind: type, encoded: JsonValue, elsewhere: set[str]
) -> None:
    assert isinstance(encoded, dict)
    assert set(encoded) | elsewhere == {f.name for f in fields(kind)}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
READERS: list[Callable[[JsonValue], object]] = [
    codec.to_submission,
    codec.to_samples,
    to_plan,
    to_premises,
    round_codec.to_outcome,
    round_codec.to_result,
    round_codec.to_weights,
]


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "{}", "NaN", '{"key": 1}', "[" * 10**5])
@pytest.mark.parametrize("read", [r for r in READERS if r is not codec.to_samples])
def test_a_damaged_column_is_named_as_such(text: str, read: Callable[[JsonValue], object]) -> None:
    with pytest.raises(CodecError):
        load(text, read)


@quick
@given(st.data())
def test_one_wrong_value_anywhere_in_a_result_is_noticed_or_valid(data: st.DataObject) -> None:
    encoded = round_codec.from_result(a_round_result())
    assert isinstance(encoded, dict)
    name = data.draw(st.sampled_from(sorted(encoded)))
    encoded[name] = data.draw(json_values.filter(lambda v: v is not None))
    try:
        value = load(dump(encoded), round_codec.to_result)
    except CodecError:
        return
    assert returned(value, round_codec.from_result, round_codec.to_result) == repr(value)
