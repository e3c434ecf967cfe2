"""Port: what survives a restart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sn37.domain.data.samples import Pool
from sn37.domain.ids import Block, CompetitionId, EntryKey, RoundKey, TaskName
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.records.statement import RoundRecord
from sn37.domain.round.evidence import ALL_ROUNDS
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import (
    Beginning,
    DrawnRows,
    EntryOutcome,
    OpenRound,
    RoundPlan,
    RoundResult,
    ValidatorState,
    WeightsRecord,
)
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.submission import Submission


class StateStore(Protocol):
    """Remember every finished step; a crash leaves a step done or not begun.

    All methods raise ``StateUnreadable`` for a corrupt or newer store, and
    ``StateUnavailable`` when the disk refuses.
    """

    async def load(self) -> ValidatorState:
        """Everything recorded so far; an empty state on first use."""
        ...

    async def save_submissions(self, submissions: Collection[Submission]) -> None:
        """Insert or replace, all in one step, by the commitment's key."""
        ...

    async def freeze_pools(self, round_: RoundKey, pools: Mapping[TaskName, Pool]) -> None:
        """Replace the round's pools, all in one step. Not allowed once its plan is stored.

        Raises:
            ValueError: The round was opened already.
        """
        ...

    async def pools(self, round_: RoundKey) -> Mapping[TaskName, Pool]:
        """The round's frozen pools; empty when none were frozen, or once it is finished.

        Stores may keep those of the last rounds for longer.
        """
        ...

    async def open_round(self, plan: RoundPlan) -> None:
        """Record what a round depends on; opening it again changes nothing.

        Nor does opening a round that is finished.
        """
        ...

    async def screen_round(self, plan: RoundPlan) -> None:
        """Replace the plan and the draws of an open round, once, by those that were screened.

        Recording it again changes nothing.

        Raises:
            ValueError: The round is not open.
        """
        ...

    async def append(self, round_: RoundKey, entry: EntryKey, losses: BlockLosses) -> None:
        """Journal one block of losses; a block that is there already is left as it is.

        Raises:
            ValueError: The round is not open.
        """
        ...

    async def record_environment(
        self, round_: RoundKey, entry: EntryKey, environment: Mapping[str, str]
    ) -> None:
        """Insert or replace what an entry is scored with.

        Raises:
            ValueError: The round is not open.
        """
        ...

    async def finish_entry(
        self, round_: RoundKey, outcome: EntryOutcome, receipt: SignedReceipt | None
    ) -> None:
        """Record how an entry's evaluation ended, once, with its receipt if it was scored.

        Losses of an entry that was not scored are dropped: they are evidence of nothing, and no
        receipt holds them.

        Raises:
            ValueError: The round is not open.
        """
        ...

    async def record_opinion(
        self, round_: RoundKey, opinion: Opinion, receipt: SignedReceipt
    ) -> None:
        """Record a second opinion of a scored entry, once, and exchange the entry's receipt.

        Both in one step. Recording another opinion of the entry in the round changes nothing.

        Raises:
            ValueError: The round is not open, or the entry has no receipt in it.
        """
        ...

    async def opinions(self, entry: EntryKey) -> Mapping[Block, Opinion]:
        """Every opinion of an entry that is recorded, by sync block, oldest first."""
        ...

    async def finish_round(
        self,
        result: RoundResult,
        submissions: Collection[Submission] = (),
        statement: SignedReceipt | None = None,
    ) -> None:
        """Record a finished round and the submissions it changed, in one step, once.

        ``statement`` is what its validator signs of the whole round, see ``RoundStatement``.

        Recording a round again changes nothing. A round that is sat out need not be open; one
        that is loses its plan, and is like one that was never opened.
        """
        ...

    async def recorded(self, round_: RoundKey) -> OpenRound | None:
        """What an opened round rests on, also once it is finished; its draws are left out.

        ``None`` for a round that was never opened.
        """
        ...

    async def drawn(self, round_: RoundKey) -> tuple[DrawnRows, ...]:
        """What an opened round drew, in the order of its tasks, also once it is finished."""
        ...

    async def losses(
        self,
        competition: CompetitionId,
        entries: Collection[EntryKey],
        *,
        since: Block = ALL_ROUNDS,
    ) -> Mapping[EntryKey, Mapping[Block, tuple[BlockLosses, ...]]]:
        """The losses of the given entries by sync block, in the order they were scored.

        Of the rounds whose sync block is ``since`` or later, those under way included. Every
        given entry has a key, its value may be empty.
        """
        ...

    async def signers(
        self, competition: CompetitionId, *, since: Block = ALL_ROUNDS
    ) -> Mapping[Block, SampleSigners]:
        """Who signed the samples of each opened round, by sync block, also once it is forgotten.

        Of the rounds whose sync block is ``since`` or later, those under way included. Rounds
        whose signers were not recorded, as by older versions, are left out.
        """
        ...

    async def shared_rounds(
        self, competition: CompetitionId, entries: Collection[EntryKey]
    ) -> Mapping[Block, frozenset[EntryKey]]:
        """The finished rounds in which at least two of the entries were scored, with who was.

        Of rounds that were forgotten, those entries that were kept.
        """
        ...

    async def receipts(self, round_: RoundKey) -> tuple[SignedReceipt, ...]:
        """The round's receipts, in the order they were written."""
        ...

    async def statement(self, round_: RoundKey) -> SignedReceipt | None:
        """The finished round's statement; ``None`` for a round that has none."""
        ...

    async def begin(
        self,
        beginning: Beginning,
        *,
        rounds: Sequence[RoundRecord] = (),
        submissions: Collection[Submission] = (),
    ) -> None:
        """Record how this state begins, with the rounds that are taken over, all in one step.

        ``rounds`` come in the order of their blocks; their statements and receipts stay as
        their validator signed them.

        Raises:
            ValueError: There are rounds already, or a beginning.
        """
        ...

    async def record_later(self, record: RoundRecord) -> None:
        """Record a round that was missed and has been scored later, with all of it, in one step.

        A round that was sat out is replaced, its reason stays in the new result. Recording one
        again changes nothing, nor does it change a round that was judged.

        Raises:
            ValueError: The round is open, or the result does not say that it was scored later.
        """
        ...

    async def record_newcomers_s(self, round_: RoundKey, seconds: float) -> None:
        """Insert or replace how long those of a round were scored whose time is limited.

        By the clock. Kept for the ``newcomers.TIMED_ROUNDS`` newest rounds.
        """
        ...

    async def record_weights(self, record: WeightsRecord) -> None:
        """Insert or replace the weights of a sync block."""
        ...

    async def forget(
        self,
        competition: CompetitionId,
        *,
        before: Block,
        keep: Collection[EntryKey],
        at: datetime,
    ) -> Block | None:
        """Remove what of one old round is not to be kept; its sync block, ``None`` for nothing.

        That is the oldest round before the sync block ``before`` that still has more than its
        abridged result (see ``history.abridged``), its plan without those who were not scored,
        and outcome, losses, environment and receipt of the entries in ``keep``. Its statement,
        which nobody could check any more, goes too. One step;
        repeated until there is nothing, so that nobody waits long. The result says ``at``.
        Pools of rounds that were never opened go, too.
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and release the store; further calls raise ``RuntimeError``."""
        ...
