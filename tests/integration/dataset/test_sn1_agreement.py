"""Validators who read subnet 1's rows at other times, elsewhere, or in another order, agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from sn37.adapters.dataset.sn1 import RunQuestions, Sn1Parameters
from sn37.adapters.dataset.sn1_hub_messages import ReadOrder
from sn37.adapters.dataset.sn1_hub_worker import RowsOfWindow
from sn37.adapters.dataset.wandb_messages import RowFound, RunFound
from sn37.domain.canonical import JsonValue
from sn37.domain.data.samples import Pool, PoolRequest, Sample
from sn37.domain.ids import Hotkey
from sn37.testing.growing_feed import GrowingFeedContract
from sn37.testing.reproducibility import LiveReproducibilityContract
from tests.integration.dataset import macrobench
from tests.integration.dataset.sn1_runs import RecordedRuns, signed
from tests.integration.dataset.sn18_runs import ALICE, BOB, CAROL, REQUEST, SINCE

SIGNERS = (ALICE, BOB, CAROL)
TOPICS = ("physics", "films", "films", "Films ", "history", None)
NUM_ROWS = 40


def recorded(rows: Sequence[RowFound]) -> RunQuestions:
    runs = [
        RunFound(id=f"run-{n}", config=signed(f"run-{n}", by), created_at=0.0, heartbeat_at=0.0)
        for n, by in enumerate(SIGNERS)
    ]
    return RunQuestions(Sn1Parameters(), read=RecordedRuns(runs, rows))


def a_row(number: int, written: float, values: Mapping[str, JsonValue]) -> RowFound:
    return RowFound(
        run=f"run-{number % len(SIGNERS)}",
        step=number,
        index=None,
        written=written,
        values={"task": "multi_choice", "topic": TOPICS[number % len(TOPICS)], **values},
    )


class TestRunsAreReproducible(LiveReproducibilityContract):
    def dataset_in_order(self, order: Random) -> RunQuestions:
        rows = []
        for number in range(NUM_ROWS):
            cells = macrobench.question(number // 2)  # every question twice
            values: dict[str, JsonValue] = {
                "challenge": str(cells["challenge"]),
                "reference": "B",
            }
            rows.append(a_row(number, SINCE.timestamp() + 60 * number, values))
        order.shuffle(rows)
        return recorded(rows)

    def request(self) -> PoolRequest:
        return REQUEST


class TestHubRowsAreReproducible(LiveReproducibilityContract):
    def dataset_in_order(self, order: Random) -> InOneProcess:
        rows = [macrobench.question(n, id=f"{n}", topic=TOPICS[n % 6]) for n in range(NUM_ROWS)]
        rows += [macrobench.question(n, id=f"again-{n}") for n in range(NUM_ROWS)]
        order.shuffle(rows)
        return InOneProcess(rows)

    def request(self) -> PoolRequest:
        return macrobench.request()


class InOneProcess:
    """The hub's rows without a hub."""

    def __init__(self, rows: Sequence[macrobench.Row]) -> None:
        self._rows = rows

    async def collect(self, request: PoolRequest) -> Pool:
        rows = RowsOfWindow(
            ReadOrder(
                repo="",
                endpoint=None,
                pause_s=0.0,
                since=request.window.since.isoformat(),
                until=request.window.until.isoformat(),
                trusted=sorted(request.trusted or ()),
                tasks=("multi_choice",),
            )
        )
        for row in self._rows:
            rows.take(row)
        return rows.kept.pool()


class TestAFeedThatGrows(GrowingFeedContract):
    def dataset_of(self, samples: Sequence[Sample]) -> RunQuestions:
        rows = []
        for sample in samples:
            number = int(sample.provenance.row_id.removeprefix("fed-"))
            written = sample.provenance.produced_at
            assert written is not None
            challenge = f"{sample.prompt}\nA. nothing\nB. {sample.reference}"
            values: dict[str, JsonValue] = {"challenge": challenge, "reference": "B"}
            rows.append(a_row(number, written.timestamp(), values))
        return recorded(rows)

    def signers(self) -> tuple[Hotkey, ...]:
        return tuple(signer.hotkey for signer in SIGNERS)
