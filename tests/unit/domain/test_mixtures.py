"""Mixtures: exact counts, parts that are tasks, and an order in which every prefix is fair."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.app.schedule.levels import propose_levels
from sn37.domain.data.batches import BLOCK_SAMPLES, SampleBlock, interleave
from sn37.domain.data.sampling import draw, seed_of
from sn37.domain.ids import CompetitionId, Netuid, TaskName
from sn37.domain.round.evidence import task_scores, total_score, weigh
from sn37.domain.round.leverage import leverages
from sn37.domain.round.state import TaskScore, ValidatorState
from sn37.domain.schedule.broken_rule import BrokenRule
from sn37.domain.schedule.competition import Competition, Task
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.mixture import (
    by_whole,
    counts_of,
    have_one_level,
    mixed,
    whole_of,
    wholes,
)
from sn37.domain.scoring.jobs import BlockLosses
from sn37.testing.builders import (
    a_block_ref,
    a_competition,
    a_pool,
    a_round_key,
    a_round_result,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    an_entry_key,
    an_entry_result,
    some_samples,
)

WEIGHTS = st.lists(
    st.one_of(st.integers(1, 50).map(float), st.floats(0.01, 10).map(lambda x: round(x, 2))),
    min_size=1,
    max_size=6,
)
SIZES = st.lists(st.integers(1, 120), min_size=2, max_size=6)


def a_mixture(
    weights: dict[str, float],
    *,
    num_samples: int = 100,
    weight: float = 1.0,
    level: float | None = None,
    levels: dict[str, float] | None = None,
) -> tuple[Task, ...]:
    whole = replace(a_task("mix", num_samples=num_samples, weight=weight), level=level)
    return mixed(whole, [(a_source(name), w) for name, w in weights.items()], levels)


# Counts


@given(st.integers(1, 1000), WEIGHTS)
def test_counts_are_whole_sum_to_the_total_and_are_less_than_one_from_their_share(
    total: int, weights: list[float]
) -> None:
    counts = counts_of(total, weights)
    assert sum(counts) == total
    exact = [Fraction(repr(w)) for w in weights]
    for count, weight in zip(counts, exact, strict=True):
        share = total * weight / sum(exact)
        assert floor(share) <= count <= ceil(share)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_weights_that_sum_to_the_number_of_samples_are_the_counts(counts: list[int]) -> None:
    assert counts_of(sum(counts), list(map(float, counts))) == tuple(counts)


@given(st.integers(1, 500), WEIGHTS, st.sampled_from([2.0, 4.0, 0.5, 1024.0]))
def test_only_the_ratios_of_the_weights_count(
    total: int, weights: list[float], factor: float
) -> None:
    assert counts_of(total, [w * factor for w in weights]) == counts_of(total, weights)


@pytest.mark.parametrize(
    ("total", "weights", "counts"),
    [
        (100, (2, 1, 0.5), (57, 29, 14)),
        (10, (1, 1, 1), (4, 3, 3)),  # equal remainders: the one named first
        (300, (0.1, 0.2), (100, 200)),  # not the binary numbers, whose ratio is a little less
        (100, (0.57, 0.29, 0.14), (57, 29, 14)),
        (7, (1,), (7,)),
        (2, (1, 1, 1), (1, 1, 0)),
    ],
)
def test_examples_of_counts(
    total: int, weights: tuple[float, ...], counts: tuple[int, ...]
) -> None:
    assert counts_of(total, weights) == counts


# Parts


def test_each_part_is_a_task_with_its_share_of_the_weight_and_the_level_of_the_mixture() -> None:
    parts = a_mixture({"a": 2, "b": 1, "c": 0.5}, num_samples=100, weight=0.7, level=1.5)
    assert [(p.name, p.source.name, p.num_samples) for p in parts] == [
        ("mix/a", "a", 57),
        ("mix/b", "b", 29),
        ("mix/c", "c", 14),
    ]
    assert [p.weight for p in parts] == [0.399, 0.203, 0.098]
    assert {p.level for p in parts} == {1.5}


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_must_be_positive(weight: float) -> None:
    with pytest.raises(BrokenRule, match=f"task mix: weight {weight} of b must be positive"):
        a_mixture({"a": 1, "b": weight})


def test_a_part_without_a_sample_is_named() -> None:
    with pytest.raises(BrokenRule, match=r"b with weight 0\.001 gets none of 100 samples"):
        a_mixture({"a": 1, "b": 0.001})


@pytest.mark.parametrize(
    "method", [m for m in Method if m.traits.is_choice or m.traits.is_generated]
)
def test_t27_answers_that_are_judged_in_whole_blocks_cannot_be_mixed(method: Method) -> None:
    """Blocks of a part begin anywhere: one answer to both questions of a pair would not be seen,
    and the counts of a receipt would belong to other blocks."""
    mixed_sizes = ((TaskName("mix/a"), 100), (TaskName("mix/b"), 50))
    assert any(block.first % 2 for block in interleave(mixed_sizes))
    budget = 64 if method.traits.is_generated else None
    whole = replace(a_task("mix", num_samples=150), method=method, max_new_tokens=budget)
    with pytest.raises(BrokenRule, match=f"task mix: answers of {method} are judged and recorded"):
        mixed(whole, [(a_source("a"), 2.0), (a_source("b"), 1.0)])


def test_the_parts_of_a_mixture_can_be_seen_as_one_task_again() -> None:
    alone = a_task("alone", weight=0.3, num_samples=10)
    parts = a_mixture({"a": 2, "b": 1, "c": 0.5}, weight=0.7)
    tasks = (*parts, alone)
    assert by_whole(tasks) == {"mix": parts, "alone": (alone,)}
    whole, other = wholes(tasks)
    assert other is alone
    assert (whole.name, whole.num_samples) == ("mix", 100)
    assert whole.weight == pytest.approx(0.7)
    assert [whole_of(t.name) for t in tasks] == ["mix", "mix", "mix", "alone"]


def test_with_a_level_for_each_source_weights_are_shares_of_the_score() -> None:
    parts = a_mixture({"a": 3, "b": 1}, levels={"a": 0.5, "b": 4.0})
    rules = a_competition(tasks=parts)
    blocks = [
        BlockLosses(
            block=block,
            losses=(0.5 if block.task == "mix/a" else 4.0,) * (block.stop - block.first),
            tokens=1,
            seconds=0.0,
        )
        for block in interleave(tuple((t.name, t.num_samples) for t in parts))
    ]
    found = {score.task: score.weighted for score in task_scores(blocks, rules)}
    assert found == pytest.approx({"mix/a": 0.75, "mix/b": 0.25})
    assert not have_one_level(parts)
    assert have_one_level(a_mixture({"a": 1, "b": 1}))


# Score: that of all samples of the mixture together


def scored(rules: Competition, losses: list[float]) -> list[BlockLosses]:
    blocks, rest = [], iter(losses)
    for block in interleave(tuple((t.name, t.num_samples) for t in rules.tasks)):
        of_block = tuple(next(rest) for _ in range(block.first, block.stop))
        blocks.append(BlockLosses(block=block, losses=of_block, tokens=1, seconds=0.0))
    return blocks


@given(SIZES, st.integers(0, 2**32))
@settings(max_examples=30)
def test_the_score_is_the_mean_loss_of_all_samples(sizes: list[int], seed: int) -> None:
    """So a mixture decides as one task of the same samples would."""
    total = sum(sizes)
    counts = {f"s{n}": float(size) for n, size in enumerate(sizes)}
    rules = a_competition(tasks=a_mixture(counts, num_samples=total, level=2.0))
    losses = [((seed + n * 2654435761) % 1000) / 256 for n in range(total)]
    one = a_competition(tasks=(replace(a_task("one", num_samples=total), level=2.0),))
    blocks, single = scored(rules, losses), scored(one, losses)
    assert weigh(blocks, rules) == pytest.approx(weigh(single, one), rel=1e-12)
    assert total_score(task_scores(blocks, rules)) == pytest.approx(
        total_score(task_scores(single, one)), rel=1e-12
    )


# Order


@given(SIZES)
@settings(max_examples=60)
def test_every_prefix_represents_the_mixture_to_less_than_a_sample(sizes: list[int]) -> None:
    """At the end of each 16 samples; within them it is off by what is still to be scored."""
    total = sum(sizes)
    tasks = tuple((TaskName(f"mix/{n}"), size) for n, size in enumerate(sizes))
    done: Counter[str] = Counter()
    seen = 0
    for block in interleave(tasks):
        assert block.first == done[block.task]
        done[block.task] += block.stop - block.first
        seen += block.stop - block.first
        if seen % BLOCK_SAMPLES and seen < total:
            continue
        for name, size in tasks:
            share = Fraction(seen * size, total)
            assert floor(share) <= done[name] <= ceil(share)
    assert dict(done) == dict(tasks)


@given(SIZES)
@settings(max_examples=40)
def test_every_16_samples_have_one_block_of_each_part_that_is_due(sizes: list[int]) -> None:
    tasks = tuple((TaskName(f"mix/{n}"), size) for n, size in enumerate(sizes))
    turn: list[SampleBlock] = []
    for block in interleave(tasks):
        turn.append(block)
        if sum(b.stop - b.first for b in turn) == BLOCK_SAMPLES:
            assert len({b.task for b in turn}) == len(turn)
            turn = []
    assert sum(b.stop - b.first for b in turn) == sum(sizes) % BLOCK_SAMPLES


def test_an_example_of_an_order() -> None:
    tasks = ((TaskName("mix/a"), 20), (TaskName("mix/b"), 10), (TaskName("alone"), 16))
    cut = [(b.task, b.first, b.stop) for b in interleave(tasks)]
    assert cut == [
        ("mix/a", 0, 11),
        ("mix/b", 0, 5),
        ("alone", 0, 16),
        ("mix/a", 11, 20),
        ("mix/b", 5, 10),
    ]


@given(st.lists(st.integers(0, 120), max_size=6))
@settings(max_examples=60)
def test_blocks_of_tasks_with_one_source_are_what_they_were_before_there_were_mixtures(
    sizes: list[int],
) -> None:
    blocks = [
        (first / size, position, SampleBlock(TaskName(f"t{position}"), first, stop))
        for position, size in enumerate(sizes)
        for first in range(0, size, BLOCK_SAMPLES)
        for stop in (min(first + BLOCK_SAMPLES, size),)
    ]
    expected = tuple(b for _, _, b in sorted(blocks, key=lambda b: (b[0], b[1])))
    assert interleave(tuple((TaskName(f"t{n}"), s) for n, s in enumerate(sizes))) == expected


# Draws


def drawn(task: Task) -> list[str]:
    seed = seed_of(
        netuid=Netuid(37),
        competition=CompetitionId(1),
        task=task.name,
        block_hash=a_block_ref(7).hash,
    )
    rows = a_pool(*some_samples(400))
    found = draw(rows, task=task.name, count=task.num_samples, seed=seed)
    return [s.provenance.row_id for s in found]


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=30)
def test_a_part_more_changes_the_rows_of_no_other_part(a: int, b: int, c: int) -> None:
    two = a_mixture({"a": a, "b": b}, num_samples=a + b)
    three = a_mixture({"a": a, "c": c, "b": b}, num_samples=a + b + c)
    rows = {task.source.name: drawn(task) for task in three}
    assert {task.source.name: drawn(task) for task in two} == {"a": rows["a"], "b": rows["b"]}


def test_a_part_that_grows_keeps_its_rows_and_gets_more() -> None:
    small, large = a_mixture({"a": 1, "b": 1}), a_mixture({"a": 3, "b": 1})
    assert drawn(large[0])[:50] == drawn(small[0])


def test_two_parts_draw_different_rows_of_equal_pools() -> None:
    one, two = a_mixture({"a": 1, "b": 1})
    assert set(drawn(one)) != set(drawn(two))


# Advice


def test_a_gain_is_stated_for_the_mixture_as_a_whole() -> None:
    parts = a_mixture({"a": 19, "b": 1}, num_samples=200, weight=0.6, level=1.0)
    text = replace(a_task("text", weight=0.4, num_samples=100), level=2.0)
    whole = replace(a_task("mix", weight=0.6, num_samples=200), level=1.0)
    found = leverages(a_competition(tasks=(*parts, text)))
    assert [worth.task.name for worth in found] == ["mix", "text"]
    plain = leverages(a_competition(tasks=(whole, text)))
    assert [w.rounds for w in found] == [w.rounds for w in plain]
    assert [w.relative_gain for w in found] == pytest.approx([w.relative_gain for w in plain])


def test_a_competition_of_one_mixture_needs_no_level() -> None:
    assert leverages(a_competition(tasks=a_mixture({"a": 1, "b": 1})))


@pytest.mark.parametrize(
    ("levels", "proposed"),
    [(None, {"mix": 1.5}), ({"a": 0.9, "b": 2.0}, {"mix/a": 1.0, "mix/b": 3.0})],
)
def test_the_level_of_a_mixture_is_proposed_as_it_has_them(
    levels: dict[str, float] | None, proposed: dict[str, float]
) -> None:
    """One: the mean loss of all its samples; or one for each part."""
    tasks = a_mixture({"a": 3, "b": 1}, num_samples=100, levels=levels)
    rules, champion = a_competition(tasks=tasks), an_entry_key("champion")
    scores = (
        TaskScore(task=TaskName("mix/a"), raw=1.0, normalized=1.0, weighted=0.75),
        TaskScore(task=TaskName("mix/b"), raw=3.0, normalized=3.0, weighted=0.75),
    )
    result = a_round_result(
        a_round_key(1, 3600),
        entries=(replace(an_entry_result(champion), tasks=scores),),
        champion=champion,
    )
    state = ValidatorState(rounds={CompetitionId(1): (result,)})
    (found,) = propose_levels(state, a_schedule(a_stage(rules, from_block=0)))
    assert found.levels == proposed
