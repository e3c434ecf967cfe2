"""Validators who read subnet 18's rows at other times, elsewhere, or in another order, agree."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from sn37.adapters.dataset.sn18 import Sn18, Sn18Parameters
from sn37.adapters.dataset.wandb_messages import RowFound, RunFound
from sn37.domain.data.samples import PoolRequest, Sample
from sn37.domain.ids import Hotkey
from sn37.testing.growing_feed import GrowingFeedContract
from sn37.testing.reproducibility import LiveReproducibilityContract
from tests.integration.dataset.sn1_runs import RecordedRuns
from tests.integration.dataset.sn18_runs import ALICE, BOB, CAROL, REQUEST, SINCE

SIGNERS = (ALICE, BOB, CAROL)
NUM_ROWS = 60


def recorded(rows: Sequence[RowFound]) -> Sn18:
    runs = [
        RunFound(
            id=f"run-{n}",
            config={
                "type": "validator",
                "hotkey": by.hotkey,
                "signature": by.sign(f"run-{n}".encode()).hex(),
            },
            created_at=0.0,
            heartbeat_at=0.0,
        )
        for n, by in enumerate(SIGNERS)
    ]
    return Sn18(Sn18Parameters(), read=RecordedRuns(runs, rows))


def a_row(number: int, written: float, prompt: str, response: str) -> RowFound:
    return RowFound(
        run=f"run-{number % len(SIGNERS)}",
        step=number,
        index=number % 256,
        written=written,
        values={"modality": "text", "prompts": prompt, "responses": response},
    )


class TestRunsAreReproducible(LiveReproducibilityContract):
    def dataset_in_order(self, order: Random) -> Sn18:
        rows = []
        for number in range(NUM_ROWS):
            # Every text twice at the same time, by two signers; one row in ten holds a phrase.
            response = f"İt is {number // 2}." + " Ask ChatGPT." * (number % 10 == 0)
            written = SINCE.timestamp() + 120 * (number - number % 4)
            rows.append(a_row(number, written, f"What is {number // 2}?", response))
        order.shuffle(rows)
        return recorded(rows)

    def request(self) -> PoolRequest:
        return REQUEST


class TestAFeedThatGrows(GrowingFeedContract):
    def dataset_of(self, samples: Sequence[Sample]) -> Sn18:
        rows = []
        for sample in samples:
            written = sample.provenance.produced_at
            assert written is not None
            number = int(sample.provenance.row_id.removeprefix("fed-"))
            rows.append(a_row(number, written.timestamp(), sample.prompt, sample.reference))
        return recorded(rows)

    def signers(self) -> tuple[Hotkey, ...]:
        return tuple(signer.hotkey for signer in SIGNERS)
