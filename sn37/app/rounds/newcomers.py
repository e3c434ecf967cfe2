"""Time used for newcomers and other entries in their places, and whether some is left."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.ids import EntryKey, RoundKey
from sn37.domain.round.newcomers import in_turn, left_s
from sn37.domain.round.state import RoundPlan
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.scoring.jobs import BlockLosses
from sn37.ports.clock import Clock


class NewcomersTime:
    """Counter of the seconds in which entries are scored that are neither champion nor contender.

    It continues after restarts. Waiting for a full disk or a slow hub does not count. The time
    decides whether an entry is scored in this round or in the next, and never how.
    """

    def __init__(self, *, keeper: StateKeeper, schedule: Schedule, clock: Clock) -> None:
        self._keeper = keeper
        self._schedule = schedule
        self._clock = clock

    def is_limited(self, plan: RoundPlan, entry: EntryKey) -> bool:
        """True if an entry is scored only while time is left: neither champion nor contender.

        In rounds of older versions these are the entries that were never scored.
        """
        contenders = None if plan.premises is None else plan.premises.contenders
        if contenders is None:
            contenders = tuple(self._keeper.history(plan.key.competition).scored)
        return entry != plan.champion and entry not in contenders

    def is_new(self, plan: RoundPlan, entry: EntryKey) -> bool:
        """True if it was not scored since its clock began, by the clock in the plan."""
        submission = self._keeper.state.submissions[entry]
        if plan.premises is not None:
            submission = replace(submission, clock_block=plan.premises.clock_of(entry))
        return not self._keeper.history(plan.key.competition).is_scored(submission)

    def in_turn(self, plan: RoundPlan) -> tuple[EntryKey, ...]:
        """Return the entries in the order of scoring: champion and contenders first."""
        submissions = self._keeper.state.submissions
        limited = [e for e in plan.entries if self.is_limited(plan, e)]
        return (
            *(e for e in plan.entries if e not in limited),
            *in_turn(
                [submissions[e] for e in limited if self.is_new(plan, e)],
                [submissions[e] for e in limited if not self.is_new(plan, e)],
                history=self._keeper.history(plan.key.competition),
                hung=self._keeper.hung(),
            ),
        )

    def is_over(self, key: RoundKey) -> bool:
        """True if the round has used up its limited time."""
        taken, rounds = self._keeper.state.newcomers_s, self._keeper.state.rounds
        running = [c.id for c in self._schedule.at(key.sync_block)]
        open_now = [
            c
            for c in running
            if c == key.competition
            or all(r.key.sync_block != key.sync_block for r in reversed(rounds.get(c, ())))
        ]
        left = left_s(
            self._schedule.timing,
            spent_s=sum(s for k, s in taken.items() if k.sync_block == key.sync_block),
            own_s=taken.get(key, 0.0),
            num_rounds=len(open_now),
            num_competitions=len(running),
        )
        return left <= 0

    async def record(self, key: RoundKey, seconds: float) -> None:
        """Add the seconds of one more try of an entry whose time is limited."""
        taken = self._keeper.state.newcomers_s.get(key, 0.0)
        await self._keeper.record_newcomers_s(key, taken + seconds)


@dataclass(slots=True)
class Stopwatch:
    """Measures how long a stream of losses was waited for, without the time to process them."""

    clock: Clock
    seconds: float = 0.0

    def lap(self) -> float:
        """Return the seconds so far, and start again at zero."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds

    async def timed(
        self, stream: AsyncGenerator[BlockLosses, None]
    ) -> AsyncGenerator[BlockLosses, None]:
        """Yield the items of a stream; closing this one closes it."""
        async with aclosing(stream):
            while True:
                asked = self.clock.monotonic()
                try:
                    block = await anext(stream, None)
                finally:
                    self.seconds += self.clock.monotonic() - asked
                if block is None:
                    return
                yield block
