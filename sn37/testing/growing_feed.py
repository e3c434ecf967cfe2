"""Contract: validators that read a growing feed at different times draw almost equal samples.

Subclass ``GrowingFeedContract`` for a live source. Its feed has rows that appear late, and
rows that claim to be older than they are. Two validators read it five minutes apart, in
virtual time, before the block that seeds the draw.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sn37.domain.data.samples import Pool, PoolRequest, Provenance, Sample
from sn37.domain.data.sampling import collect_window, draw, rank, round_window
from sn37.domain.ids import Hotkey, Seed, TaskName
from sn37.ports.dataset import LiveDataset
from sn37.testing.builders import time_of

SYNC, LEAD, SETTLE, DELAY = 2_000, 50, 75, 1_200  # blocks
MAX_AGE_S = 4 * 3600
SECOND_READER_LATER = 25  # blocks
EVERY_S = 6.0  # seconds between two rows: 2,250 in the window
PUNCTUAL_S = 60.0  # every row appears within this time ...
NUM_LATE = 20  # ... but one row in 20 appears later, by another ten minutes on average
MEAN_DELAY_S = 600.0
NUM_BACK_DATED = 100  # one row in 100 claims to be up to an hour older
BACK_DATED_S = 3600.0
NUM_SAMPLES, SIGNER_SHARE = 300, 0.4
TASK = TaskName("growing")


@dataclass(frozen=True, slots=True, kw_only=True)
class FedRow:
    """A row and the time at which readers first see it."""

    sample: Sample
    appears_at: datetime


class GrowingFeedContract(ABC):
    """Contract of a source whose rows have a time."""

    @abstractmethod
    def dataset_of(self, samples: Sequence[Sample]) -> LiveDataset:
        """Return a new adapter over a feed that holds exactly these rows.

        It must keep texts, times and signers. It may replace the row ids by its own.
        """

    def signers(self) -> tuple[Hotkey, ...]:
        """Return the trusted hotkeys that sign the rows in turn; empty without signers."""
        return ()

    def text(self, number: int) -> tuple[str, str]:
        """Return prompt and reference of a row that the source accepts."""
        return f"What is {number} + {number}?", f"It is {2 * number}, of course."

    def feed(self) -> tuple[FedRow, ...]:
        """Return every row up to the sync block, and some that appear only at that block."""
        random = Random(18)
        first, last = time_of(SYNC - DELAY), time_of(SYNC)
        num_rows = int((last - first).total_seconds() / EVERY_S)
        rows = []
        for number in range(num_rows):
            wrote = first + timedelta(seconds=EVERY_S * number)
            delay_s = random.uniform(0, PUNCTUAL_S)
            if number % NUM_LATE == 0:
                delay_s += random.expovariate(1 / MEAN_DELAY_S)
            claims = wrote
            if number % NUM_BACK_DATED == 1:
                claims = wrote - timedelta(seconds=random.uniform(0, BACK_DATED_S))
            rows.append(
                FedRow(
                    sample=self._sample(number, claims),
                    appears_at=wrote + timedelta(seconds=delay_s),
                )
            )
        return tuple(rows)

    def read_at(self, block: int, rows: Sequence[FedRow]) -> Pool:
        """Return the pool, at the sync block, of a validator that reads at ``block``."""
        seen = [row.sample for row in rows if row.appears_at <= time_of(block)]
        delay_time, settle_time = time_of(SYNC - DELAY), time_of(SYNC - SETTLE)
        window = collect_window(
            lead_time=time_of(SYNC - LEAD),
            blocks_to_sync=LEAD,
            delay_time=delay_time,
            settle_time=settle_time,
            max_age_s=MAX_AGE_S,
        )
        trusted = frozenset(self.signers()) or None
        request = PoolRequest(window=window, trusted=trusted)
        return asyncio.run(self.dataset_of(seen).collect(request)).within(
            round_window(
                sync_time=time_of(SYNC),
                delay_time=delay_time,
                settle_time=settle_time,
                max_age_s=MAX_AGE_S,
            )
        )

    def test_two_readers_minutes_apart_share_99_percent_of_their_samples(self) -> None:
        rows = self.feed()
        early = self.read_at(SYNC - LEAD, rows)
        late = self.read_at(SYNC - LEAD + SECOND_READER_LATER, rows)
        assert len(early.samples) < len(late.samples)  # the feed grew
        for seed in map(Seed, range(20)):
            shared = set(_texts(_draw(early, seed))) & set(_texts(_draw(late, seed)))
            assert len(shared) >= 0.99 * NUM_SAMPLES

    def test_t42_rows_back_dated_after_the_read_are_not_in_the_draw(self) -> None:
        rows, seed = self.feed(), Seed(42)
        frozen = self.read_at(SYNC - 1, rows)
        # Once the seed is known, it is cheap to try texts until some rank low.
        forged = [self._sample(1_000_000 + n, time_of(SYNC - 200)) for n in range(300)]
        forged.sort(key=lambda sample: rank(sample, task=TASK, seed=seed))
        appear = [FedRow(sample=s, appears_at=time_of(SYNC)) for s in forged]
        grown = (*rows, *appear)
        assert self.read_at(SYNC - 1, grown) == frozen
        after = self.read_at(SYNC, grown)
        assert set(_texts(after.samples)) - set(_texts(frozen.samples)) >= set(_texts(forged))

    def _sample(self, number: int, moment: datetime) -> Sample:
        prompt, reference = self.text(number)
        signers = self.signers()
        return Sample(
            prompt=prompt,
            reference=reference,
            provenance=Provenance(
                row_id=f"fed-{number:07d}",
                produced_at=moment,
                signer=signers[number % len(signers)] if signers else None,
            ),
        )


def _draw(pool: Pool, seed: Seed) -> tuple[Sample, ...]:
    return draw(pool, task=TASK, count=NUM_SAMPLES, seed=seed, signer_share=SIGNER_SHARE)


def _texts(samples: Sequence[Sample]) -> list[tuple[str, str]]:
    return [(sample.prompt, sample.reference) for sample in samples]
