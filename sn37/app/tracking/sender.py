"""Sends the finished rounds of a record to an experiment tracker, each of them once.

The ledger says which round has which place in which run, before a row is sent; the tracker says
how many rows of a run it has. So neither a crash nor an outage loses or repeats a round, and the
record is the only spool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256

from sn37.app.tracking.recorded_rounds import RecordedRounds
from sn37.app.tracking.row import row_of
from sn37.domain.backoff import Backoff
from sn37.domain.ids import Uid
from sn37.ports.clock import Clock
from sn37.ports.errors import StateUnavailable, StateUnreadable, TrackerUnavailable
from sn37.ports.record_reader import Signed
from sn37.ports.run_tracker import (
    LedgerRun,
    RunLedger,
    RunPart,
    RunRow,
    RunTracker,
    TrackedRun,
)

# A run of existing validators has 100 steps. Readers page through a run, and list runs by name.
ROWS_PER_RUN = 100
LOOK_EVERY_S = 10.0
PAUSES_S = Backoff(30.0, 600.0)  # after failures
_MAX_DELIVERIES = 5  # of one run, until one finds that nothing is missing
_KEPT_ROWS = 2 * ROWS_PER_RUN
_RUN_ID_LENGTH = 16


class RoundSender:
    """Sender of one record to one tracker.

    Args:
        tell: Gets one line for people when rounds were sent, and when sending fails.
    """

    def __init__(
        self,
        *,
        rounds: RecordedRounds,
        ledger: RunLedger,
        tracker: RunTracker,
        clock: Clock,
        tell: Callable[[str], None],
        rows_per_run: int = ROWS_PER_RUN,
    ) -> None:
        self._rounds = rounds
        self._ledger = ledger
        self._tracker = tracker
        self._clock = clock
        self._tell = tell
        self._rows_per_run = rows_per_run
        self._proven: dict[str, int] = {}  # rows that the tracker was seen to have, by run
        self._row = lru_cache(_KEPT_ROWS)(self._computed)

    async def follow(self) -> None:
        """Send rounds as they finish; never returns. A failure is reported once, and retried."""
        sent_at: str | None = None
        told, num_failures = "", 0
        while True:
            pause_s, stamp = LOOK_EVERY_S, self._rounds.stamp()
            if stamp != sent_at or num_failures:
                try:
                    await self.send()
                except (StateUnavailable, StateUnreadable, TrackerUnavailable) as error:
                    num_failures += 1
                    pause_s = PAUSES_S.after(num_failures)
                    if (why := str(error)) != told:
                        told = why
                        self._tell(f"{why}; the rounds are sent later")
                else:
                    sent_at, told, num_failures = stamp, "", 0
            await self._clock.sleep(pause_s)

    async def send(self) -> int:
        """Send every finished round that the tracker lacks; return their number.

        Raises:
            TrackerUnavailable: The tracker did not take all.
            StateUnavailable, StateUnreadable: The record or the ledger cannot be used.
        """
        self._assign()
        runs, num_sent = self._ledger.runs(), 0
        for held in runs:
            if not held.is_complete and self._proven.get(held.run.id) != len(held.parts):
                num_sent += await self._deliver(held)
                if held is not runs[-1] or len(held.parts) >= self._rows_per_run:
                    self._ledger.complete(held.run.id)
        return num_sent

    def _assign(self) -> None:
        """Give each new part of the record its place in a run."""
        runs = self._ledger.runs()
        unsent = self._rounds.unsent({part for held in runs for part in held.parts})
        if not unsent:
            return
        signed = self._rounds.signed()
        newest = runs[-1] if runs else None
        held = len(newest.parts) if newest and self._continues(newest, signed, unsent[0]) else None
        while unsent:
            if held is None or held >= self._rows_per_run:
                self._ledger.begin(self._new_run(unsent[0], signed))
                held = 0
            room = self._rows_per_run - held
            self._ledger.add(unsent[:room])
            held, unsent = held + len(unsent[:room]), unsent[room:]

    def _continues(self, newest: LedgerRun, signed: Signed | None, part: RunPart) -> bool:
        """True if a part belongs to the same validator and program as the newest run."""
        if signed is None:
            return True
        run, uid = newest.run, self._uid(signed, part)
        return (
            run.hotkey == signed.validator
            and run.version == signed.code_version
            and (uid is None or run.uid == uid)
        )

    def _new_run(self, first: RunPart, signed: Signed | None) -> TrackedRun:
        block, now = first.round.sync_block, self._clock.now()
        uid = self._uid(signed, first)
        started = self._rounds.time_of(block) or now.strftime("%Y-%m-%d_%H-%M-%S")
        hotkey = None if signed is None else signed.validator
        # The time makes it another run than that of a ledger that was lost.
        text = f"sn37/run/1|{hotkey}|{first.round}|{first.is_later}|{now.isoformat()}"
        return TrackedRun(
            id=sha256(text.encode()).hexdigest()[:_RUN_ID_LENGTH],
            name=f"validator-{'unknown' if uid is None else uid}-{started}",
            started=started,
            uid=uid,
            hotkey=hotkey,
            version="" if signed is None else signed.code_version,
        )

    def _uid(self, signed: Signed | None, part: RunPart) -> Uid | None:
        if signed is None:
            return None
        return self._rounds.uid_of(signed.validator, part.round.sync_block)

    async def _deliver(self, held: LedgerRun) -> int:
        """Deliver a run until the tracker is seen to have all of it."""
        parts: Sequence[RunPart] = held.parts
        num_sent = 0
        for _ in range(_MAX_DELIVERIES):
            sent = await self._tracker.deliver(
                held.run, len(parts), lambda place: self._row(parts[place])
            )
            if sent == 0:
                self._proven[held.run.id] = len(parts)
                if num_sent:
                    self._tell(f"run {held.run.name} has {len(parts)} rows, {num_sent} of them new")
                return num_sent
            num_sent = max(num_sent, sent)
        raise TrackerUnavailable(
            f"run {held.run.name} still lacks rows after {_MAX_DELIVERIES} deliveries; look at it "
            "in the tracker"
        )

    def _computed(self, part: RunPart) -> RunRow:
        return row_of(self._rounds.facts(part))
