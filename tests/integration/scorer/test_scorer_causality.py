"""What probes are drawn, what they cost, and that all positions of all architectures pass."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sn37.adapters.scoring.answers import asked_of
from sn37.adapters.scoring.model import attention, causality
from sn37.adapters.scoring.model.causality import Probes, draw
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.packing import Pack, pack
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.data.batches import BLOCK_SAMPLES
from sn37.domain.reasons import Reason
from sn37.testing.tiny_models import VOCABULARY, a_real_job
from tests.integration.scorer.textbook import FAMILIES, a_model, a_sample
from tests.integration.scorer.windowed import WINDOWED
from tests.support.device import DEVICE

LENGTH = 72
PRECISIONS = {
    "float32": (torch.float32, torch.float32),
    "bfloat16": (torch.bfloat16, torch.float32),
    "a GPU's": (torch.bfloat16, torch.float16),
}
SHAPES: dict[str, tuple[str, Mapping[str, Any]]] = {
    **{family: (family, {}) for family in FAMILIES},
    **{f"{family}, window": (family, shape) for family, shape in WINDOWED.items()},
    "falcon, grouped": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_t46_no_position_of_any_architecture_sees_what_follows(
    tmp_path: Path, shape: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "CAPPED_ROWS", 16)
    family, fields = SHAPES[shape]
    weights, products = PRECISIONS[precision]
    model = a_model(tmp_path, family, dtype=weights, **fields)
    scorer = LossModel(model, products=products)
    sample = a_sample(LENGTH)
    row = pack((0, 1, 2), (a_sample(9), sample, a_sample(12)))
    start = row.bounds[1][0]
    found = scorer.row_nats(row)
    assert torch.isfinite(found).all()
    for cut in range(1, LENGTH):
        other = [(token + 1 + cut) % VOCABULARY for token in row.ids]
        other[start : start + cut] = sample.ids[:cut]
        again = scorer.row_nats(row, other)
        assert torch.equal(again[8 : 8 + cut], found[8 : 8 + cut]), cut
        assert not torch.equal(again[8 + cut : 7 + LENGTH], found[8 + cut : 7 + LENGTH]) or (
            cut == LENGTH - 1
        )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_t46_no_position_sees_how_many_follow(tmp_path: Path, shape: str, precision: str) -> None:
    """Up to the 192 tokens within which no library of ours splits a sum otherwise."""
    family, fields = SHAPES[shape]
    weights, products = PRECISIONS[precision]
    model = a_model(tmp_path, family, dtype=weights, **fields)
    scorer = LossModel(model, products=products)
    sample = a_sample(180)
    whole = scorer.row_nats(pack((0,), (sample,)))
    for length in (2, 3, 5, 7, 8, 11, 12, 13, 15, 16, 17, 23, 33, 47, 63, 77, 100, 130, 161):
        shorter = replace(sample, ids=sample.ids[:length])
        found = scorer.row_nats(pack((0,), (shorter,)))
        assert torch.equal(found, whole[: length - 1]), length


LENGTHS: dict[str, Callable[[random.Random], int]] = {
    "of the benchmark": lambda draws: draws.randint(50, 1_500),
    "short": lambda draws: draws.randint(20, 120),
    "all full": lambda _: 4_096,
    "few long ones": lambda draws: int(draws.lognormvariate(5, 1)) + 8,
}


@pytest.mark.parametrize("tasks", [(300,), (150, 150), (300, 200)], ids=str)
@pytest.mark.parametrize("kind", LENGTHS)
def test_t46_probes_cost_less_than_a_twentieth_of_a_round(
    kind: str, tasks: tuple[int, ...]
) -> None:
    """Counted in tokens. Rows of probes are the same whatever a device's packs hold: those of
    a CPU 2,048 tokens, those of a GPU 8,192."""
    shares, in_blocks = [], []
    for round_ in range(30):
        draws = random.Random(f"{kind}{round_}")
        blocks = [
            [a_sample(LENGTHS[kind](draws)) for _ in range(min(BLOCK_SAMPLES, size - first))]
            for size in tasks
            for first in range(0, size, BLOCK_SAMPLES)
        ]
        probes = [
            draw(block, seed=f"{round_:x}", block=n, vocabulary=VOCABULARY)
            for n, block in enumerate(blocks)
        ]
        cost = sum(2 * len(probe.row.ids) for probe in probes if probe)
        shares.append(cost / sum(len(sample.ids) for block in blocks for sample in block))
        in_blocks.append(sum(probe is not None for probe in probes))
    assert max(shares) < 0.05
    assert min(in_blocks) >= 4


SAMPLES = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 10)).map(
        lambda pair: a_sample(pair[0], first=min(pair[0], 1 + pair[1]))
    ),
    max_size=16,
)


@given(
    samples=SAMPLES,
    seed=st.integers(0, 1 << 256).map("{:064x}".format),
    block=st.integers(0, 50),
    vocabulary=st.integers(VOCABULARY, 300_000),
)
def test_a_probe_changes_everything_after_its_cut_and_nothing_before(
    samples: Sequence[Any], seed: str, block: int, vocabulary: int
) -> None:
    probe = draw(samples, seed=seed, block=block, vocabulary=vocabulary)
    assert draw(samples, seed=seed, block=block, vocabulary=vocabulary) == probe
    if not any(sample.num_scored for sample in samples):
        assert probe is None
        return
    if probe is None:
        assert block
        return
    sample = samples[probe.number]
    assert sample.first <= probe.cut < len(sample.ids)
    start, stop = probe.row.bounds[1]
    assert probe.row.samples[1] == sample == samples[probe.row.numbers[1]]
    assert probe.row.ids[start:stop] == list(sample.ids)
    for place, (one, other) in enumerate(zip(probe.row.ids, probe.ids, strict=True)):
        assert 0 <= other < vocabulary
        assert (one == other) == (start <= place < start + probe.cut)
    # Exactly the losses of tokens up to the cut are compared: nothing else is scored before.
    places = probe.row.before_scored[: probe.num_compared]
    assert places == list(range(start + sample.first - 1, start + probe.cut))


def test_of_five_blocks_in_a_row_one_is_probed_besides_the_first() -> None:
    samples = [a_sample(30)] * 16
    for number in range(20):
        probed = [
            n
            for n in range(60)
            if draw(samples, seed=f"{number:x}", block=n, vocabulary=VOCABULARY)
        ]
        assert probed[0] == 0
        assert {after - before for before, after in pairwise(probed[1:])} == {5}


def test_cuts_are_early_late_and_between() -> None:
    samples = [a_sample(401)] * 16
    cuts = []
    for number in range(200):
        for block in range(1, 31):
            probe = draw(samples, seed=f"{number:x}", block=block, vocabulary=VOCABULARY)
            cuts += [probe.cut] if probe else []
    thirds = [sum(low < cut <= low + 133 for cut in cuts) / len(cuts) for low in (0, 133, 267)]
    assert min(thirds) > 0.15
    assert {1, 2, 3, 398, 399, 400} <= set(cuts)


def test_another_seed_has_other_probes() -> None:
    """The seed is a digest of the order, whose texts follow from the block's hash."""
    samples = [a_sample(40 + n) for n in range(16)]
    probes = {
        draw(samples, seed=f"{number:x}", block=0, vocabulary=VOCABULARY) for number in range(50)
    }
    assert len(probes) == 50
    assert len({(probe.number, probe.cut) for probe in probes if probe}) > 10


def test_a_job_that_resumes_has_the_seed_and_the_numbers_of_the_whole(llama: Path) -> None:
    scorer = WorkerScorer(device=DEVICE, dtype="float32", threads=1)
    jobs = [replace(a_real_job(llama), skip_blocks=skip) for skip in (0, 3)]
    whole, rest = (scorer._order(job, asked_of(job)) for job in jobs)
    assert (whole.skip_blocks, rest.skip_blocks) == (0, 3)
    assert whole.seed == rest.seed
    assert rest.blocks == whole.blocks


class Given:
    """Rows whose losses a test gives: the first time, and with other tokens."""

    def __init__(self, plain: Sequence[float], changed: Sequence[float], careful: Sequence[float]):
        self._plain, self._changed, self._careful = plain, changed, careful

    def row_nats(
        self, pack: Pack, ids: Sequence[int] | None = None, *, careful: bool = False
    ) -> Tensor:
        chosen = self._plain if ids is None else self._careful if careful else self._changed
        filled = [*chosen, *[9.0] * len(pack.targets)]
        return torch.tensor(filled[: len(pack.targets)])


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("plain", "changed", "careful", "is_fault"),
    [
        ((1, 2, 3), (1, 2, 3), (0, 0, 0), False),
        ((1, 2, 3), (1, 2, 3.0000002), (0, 0, 0), True),
        ((NAN, 2, 3), (NAN, 2, 3), (NAN, 2, 3), False),
        ((NAN, 2, 3), (5, 2, 3), (5, 2, 3), False),
        ((INF, 2, 3), (5, 2, 4), (5, 2, 4), True),
        ((1, 2, 3), (1, NAN, 3), (1, 2, 3), False),
        ((1, 2, 3), (1, NAN, 3), (1, NAN, 3), True),
        ((1, 2, 3), (NAN, NAN, NAN), (1, 2, INF), True),
    ],
)
def test_a_loss_that_is_no_number_has_no_opinion_and_hides_nothing(
    plain: Sequence[float],
    changed: Sequence[float],
    careful: Sequence[float],
    is_fault: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample = a_sample(20)
    row = pack((0, 0, 0), (causality._beginning(sample), sample, causality._beginning(sample)))
    probe = causality.Probe(row=row, ids=tuple(range(60)), number=0, first=1, cut=3)
    monkeypatch.setattr(causality, "draw", lambda *_, **__: probe)
    probes = Probes(Given(plain, changed, careful), seed="", vocabulary=VOCABULARY)
    if not is_fault:
        probes.check(4, [sample])
        return
    with pytest.raises(ModelFault, match="sample 0 of block 4: with other tokens from 3") as caught:
        probes.check(4, [sample])
    assert caught.value.reason is Reason.UNSOUND
