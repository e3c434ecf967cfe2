"""Who signed each sample of a round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data.batches import interleave
from sn37.domain.ids import Hotkey, TaskName
from sn37.domain.round.evidence import weigh
from sn37.domain.round.signers import (
    in_scoring_order,
    packed,
    require_counts,
    signers_of,
    unpacked,
)
from sn37.domain.scoring.jobs import BlockLosses
from sn37.testing.builders import a_batch, a_competition, a_task, some_samples

TEXT, CODE = TaskName("text"), TaskName("code")
hotkeys = st.text("abc", min_size=1, max_size=2).map(Hotkey)
rounds = st.dictionaries(
    st.sampled_from((TEXT, CODE)), st.lists(st.none() | hotkeys, max_size=8).map(tuple)
)


def test_signers_come_in_the_order_of_the_samples() -> None:
    batch = a_batch("text", samples=some_samples(3, signers=("val-a", "val-b")))
    unsigned = a_batch("code", samples=some_samples(1))
    assert signers_of((batch, unsigned)) == {TEXT: ("val-a", "val-b", "val-a"), CODE: (None,)}


@given(rounds)
def test_what_is_packed_comes_out_as_it_was(signers: dict[TaskName, tuple[Hotkey | None]]) -> None:
    said = packed(signers)
    assert unpacked(said["hotkeys"], said["samples"]) == signers  # type: ignore[arg-type]
    named = {h for row in signers.values() for h in row if h is not None}
    assert said["hotkeys"] == sorted(named)


@pytest.mark.parametrize(
    ("known", "places"),
    [
        (["b", "a"], [0, 1]),
        (["a", "a"], [0, 1]),
        (["a", "b"], [0, None]),
        (["a"], [0, 1]),
        (["a"], [0, -1]),
        ([], [0]),
    ],
)
def test_signers_that_are_not_as_written_are_refused(known: list[str], places: list[int]) -> None:
    with pytest.raises(ValueError, match="repeated, out of order, unused or missing"):
        unpacked(known, {"text": places})


def test_there_is_one_signer_for_each_value_of_the_evidence() -> None:
    rules = a_competition(
        tasks=(
            a_task("text", num_samples=40, weight=0.5),
            a_task("code", num_samples=20, weight=0.5),
        )
    )
    order = interleave(((TEXT, 40), (CODE, 20)))
    numbered = {
        TEXT: tuple(Hotkey(f"text {n}") for n in range(40)),
        CODE: tuple(Hotkey(f"code {n}") for n in range(20)),
    }
    signers = in_scoring_order(numbered, rules)
    places = [(b.task, n) for b in order for n in range(b.first, b.stop)]
    assert signers == tuple(f"{task} {n}" for task, n in places)
    blocks = tuple(
        BlockLosses(block=b, losses=tuple(map(float, range(b.first, b.stop))), tokens=1, seconds=0)
        for b in order
    )
    assert len(weigh(blocks, rules)) == len(signers)


@pytest.mark.parametrize(
    ("signers", "told"),
    [
        ({}, "signers of the tasks none, not of text"),
        ({CODE: (None,)}, "signers of the tasks code, not of text"),
        ({TEXT: (None,)}, "task text: signers of 1 samples, not 2"),
    ],
)
def test_too_few_signers_are_named(
    signers: dict[TaskName, tuple[Hotkey | None, ...]], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        require_counts(signers, {TEXT: 2})


def test_no_tasks_are_told_as_none() -> None:
    with pytest.raises(ValueError, match="of the tasks text, not of none"):
        require_counts({TEXT: ()}, {})
