"""Logs of the validators of simnet's subnet 18: signed runs of rows, as wandb stores them.

A row is a pure function of (seed, run, step), so nothing is stored and every reader sees the
same. Row times follow chain time. Some senders and some rows are bad on purpose; ``dataset``
must reject them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from itertools import accumulate
from math import ceil, floor

from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.adapters.simnet.feed.corpus import Pair
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import Coldkey, Hotkey, Netuid
from sn37.domain.metagraph import RAO_PER_TAO

FEED_NETUID = Netuid(18)
RUN_S = 6 * 3600  # a sender starts a new run every six hours
CELLS = 2  # miners asked at one step: prompt and response pairs of one row
_ROW_S = 18.0  # seconds between two rows, all senders together
_UIDS = 256
# One row in so many has each defect; primes, so that two defects rarely meet in a row.
_NO_RESPONSE, _IMAGE = 23, 29


class Conduct(Enum):
    """How a sender behaves."""

    HONEST = "honest"
    FORGES = "forges"  # claims another validator's hotkey
    REPLAYS = "replays"  # logs rows again that another sender logged an hour before


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sender of rows; its key is ``keypair(seed, name)``."""

    name: str
    stake_tao: int  # on subnet 18; trusted above 100,000
    permit: bool = True
    share: float  # of all rows
    conduct: Conduct = Conduct.HONEST

    def hotkey(self, seed: int) -> Hotkey:
        return SimnetSigner(keypair(seed, self.name)).hotkey

    def coldkey(self, seed: int) -> Coldkey:
        return Coldkey(keypair(seed, f"{self.name}/cold").ss58_address)

    @property
    def stake_rao(self) -> int:
        return self.stake_tao * RAO_PER_TAO


# All are registered on subnet 18 of the chain: stake and permit decide which are trusted.
SENDERS = (
    Sender(name="sn18/validator-1", stake_tao=900_000, share=0.24),
    Sender(name="sn18/validator-2", stake_tao=700_000, share=0.20),
    Sender(name="sn18/validator-3", stake_tao=500_000, share=0.17),
    Sender(name="sn18/validator-4", stake_tao=300_000, share=0.14),
    Sender(name="sn18/validator-5", stake_tao=150_000, share=0.10),
    Sender(name="sn18/poor", stake_tao=60_000, share=0.05),
    Sender(name="sn18/no-permit", stake_tao=200_000, permit=False, share=0.04),
    Sender(name="sn18/forger", stake_tao=0, permit=False, share=0.03, conduct=Conduct.FORGES),
    Sender(name="sn18/replayer", stake_tao=120_000, share=0.03, conduct=Conduct.REPLAYS),
)
_REPLAYED = 0  # index of the sender whose rows are replayed, and whose hotkey is claimed
_REPLAY_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One logging session. The host writes ``created_at``, the sender ``config``."""

    id: str
    created_at: datetime
    config: Mapping[str, str]  # type, hotkey, signature: hex of sr25519 over the run id
    sender: int  # index in SENDERS; needed to make rows only
    number: int  # of the sender's runs, from genesis on


Row = Mapping[str, JsonValue]


class SimnetRuns:
    """All runs and rows of subnet 18, computed when they are read.

    Args:
        seed: Of the simnet run.
        genesis_time: Of the chain's block 0.
        pairs: Questions and answers; each pair belongs to one sender.
    """

    def __init__(self, *, seed: int, genesis_time: datetime, pairs: Sequence[Pair]) -> None:
        self._seed = seed
        self._genesis = genesis_time
        shuffled = sorted(pairs, key=lambda p: sha256(f"{seed}|{p.response}".encode()).digest())
        ends = [round(end * len(shuffled)) for end in accumulate(s.share for s in SENDERS)]
        starts = [0, *ends[:-1]]
        self._shares = [shuffled[a:b] for a, b in zip(starts, ends, strict=True)]

    def runs(self, since: datetime, until: datetime) -> Iterator[Run]:
        """Return every run with a row in ``[since, until)``, and the runs next to them in time."""
        first = floor((since - self._genesis).total_seconds() / RUN_S) - 1
        last = ceil((until - self._genesis).total_seconds() / RUN_S)
        for index, sender in enumerate(SENDERS):
            for number in range(first, last + 1):
                yield self._run(index, sender, number)

    def rows(self, run: Run, since: datetime, until: datetime) -> Iterator[Row]:
        """Return the run's rows in ``[since, until)`` by step, and perhaps one just before."""
        sender = SENDERS[run.sender]
        period = _ROW_S / sender.share
        steps = floor(RUN_S / period)
        low, high = since.timestamp() - 1e-6, until.timestamp()  # times are rounded to microseconds
        for step in range(steps):
            when = self._time(run, step, period)
            if low <= when < high:
                yield self._row(run, step, run.number * steps + step, when)

    def _run(self, index: int, sender: Sender, number: int) -> Run:
        run_id = _hash(f"{self._seed}|run|{sender.name}|{number}").hex()[:8]
        # Senders restart at different times of the day.
        start = RUN_S * (number + index / len(SENDERS))
        claimed = SENDERS[_REPLAYED] if sender.conduct is Conduct.FORGES else sender
        signature = SimnetSigner(keypair(self._seed, sender.name)).sign(run_id.encode())
        return Run(
            id=run_id,
            created_at=self._genesis + timedelta(seconds=start),
            config={
                "type": "validator",
                "hotkey": claimed.hotkey(self._seed),
                "signature": signature.hex(),
            },
            sender=index,
            number=number,
        )

    def _time(self, run: Run, step: int, period: float) -> float:
        """Return the Unix seconds that the sender writes; the first two rows are back-dated."""
        started = run.created_at.timestamp()
        if step < 2:
            return started - 300.0 * (step + 1)
        jitter = _hash(f"{self._seed}|time|{run.id}|{step}")[0] / 256
        return started + (step + jitter) * period

    def _row(self, run: Run, step: int, count: int, when: float) -> Row:
        row: dict[str, JsonValue] = {"_step": step, "_timestamp": when, "modality": "text"}
        if count % _IMAGE == 0:
            row["modality"] = "images"
        for cell in range(CELLS):
            pair = self._pair(run.sender, when, count * CELLS + cell)
            chance = _hash(f"{self._seed}|cell|{run.id}|{step}|{cell}")
            uid = (cell * _UIDS + chance[0]) // CELLS  # cells of one row never share a uid
            row[f"prompts.{uid}"] = pair.prompt
            row[f"responses.{uid}"] = "  " if count % _NO_RESPONSE == 0 else pair.response
            row[f"scores.{uid}"] = round(chance[1] / 255, 3)
        return row

    def _pair(self, sender: int, when: float, cell: int) -> Pair:
        """Return the sender's next question; it repeats its share of the pairs in a cycle."""
        if SENDERS[sender].conduct is Conduct.REPLAYS:
            elapsed = when - (self._genesis + _REPLAY_AFTER).timestamp()
            sender, cell = _REPLAYED, floor(elapsed / _ROW_S * SENDERS[_REPLAYED].share) * CELLS
        return self._shares[sender][cell % len(self._shares[sender])]


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()
