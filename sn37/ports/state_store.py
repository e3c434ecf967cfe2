"""Port: state that survives a restart."""

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
    """Store of every finished step. After a crash each step is either done or not begun.

    All methods raise ``StateUnreadable`` for a corrupt or newer store, and
    ``StateUnavailable`` when the disk fails or is full.
    """

    async def load(self) -> ValidatorState:
        """Return everything recorded so far; an empty state on first use."""
        ...

    async def save_submissions(self, submissions: Collection[Submission]) -> None:
        """Insert or replace submissions by the commitment's key, all in one step."""
        ...

    async def freeze_pools(self, round_: RoundKey, pools: Mapping[TaskName, Pool]) -> None:
        """Replace the round's pools, all in one step. Not allowed once its plan is stored.

        Raises:
            ValueError: The round is already open or finished.
        """
        ...

    async def pools(self, round_: RoundKey) -> Mapping[TaskName, Pool]:
        """Return the round's frozen pools; empty if none were frozen or the round is finished.

        Stores may keep the pools of the last rounds for longer.
        """
        ...

    async def open_round(self, plan: RoundPlan) -> None:
        """Record the plan of a round. Changes nothing if the round is open or finished."""
        ...

    async def screen_round(self, plan: RoundPlan) -> None:
        """Replace the plan and the draws of an open round by the screened ones, once.

        Recording them again changes nothing.

        Raises:
            ValueError: The round is not open.
        """
        ...

    async def append(self, round_: RoundKey, entry: EntryKey, losses: BlockLosses) -> None:
        """Journal one block of losses; a block that is already recorded stays unchanged.

        Raises:
            ValueError: The round is not open.
        """
        ...

    async def record_environment(
        self, round_: RoundKey, entry: EntryKey, environment: Mapping[str, str]
    ) -> None:
        """Insert or replace the environment that an entry is scored in.

        Raises:
            ValueError: The round is not open.
        """
        ...

    async def finish_entry(
        self, round_: RoundKey, outcome: EntryOutcome, receipt: SignedReceipt | None
    ) -> None:
        """Record how an entry's evaluation ended, once, with its receipt if it was scored.

        Losses of an entry that was not scored are deleted: they are not evidence, and no receipt
        holds them.

        Raises:
            ValueError: The round is not open.
        """
        ...

    async def record_opinion(
        self, round_: RoundKey, opinion: Opinion, receipt: SignedReceipt
    ) -> None:
        """Record a second opinion on a scored entry, once, and replace the entry's receipt.

        Both happen in one step. Recording another opinion on the entry in the same round changes
        nothing.

        Raises:
            ValueError: The round is not open, or the entry has no receipt in it.
        """
        ...

    async def opinions(self, entry: EntryKey) -> Mapping[Block, Opinion]:
        """Return every recorded opinion on an entry, by sync block, oldest first."""
        ...

    async def finish_round(
        self,
        result: RoundResult,
        submissions: Collection[Submission] = (),
        statement: SignedReceipt | None = None,
    ) -> None:
        """Record a finished round and the submissions it changed, in one step, once.

        ``statement`` is the validator's signed statement on the whole round, see
        ``RoundStatement``.

        Recording a round again changes nothing. A round that is sat out need not be open. If it
        is open, it loses its plan, as if it had never been opened.
        """
        ...

    async def recorded(self, round_: RoundKey) -> OpenRound | None:
        """Return the record of an opened or finished round, without its draws.

        ``None`` for a round that was never opened.
        """
        ...

    async def drawn(self, round_: RoundKey) -> tuple[DrawnRows, ...]:
        """Return the draws of an opened or finished round, in the order of its tasks."""
        ...

    async def losses(
        self,
        competition: CompetitionId,
        entries: Collection[EntryKey],
        *,
        since: Block = ALL_ROUNDS,
    ) -> Mapping[EntryKey, Mapping[Block, tuple[BlockLosses, ...]]]:
        """Return the losses of the given entries by sync block, in the order of scoring.

        Covers the rounds whose sync block is ``since`` or later, open ones included. The result
        has a key for every given entry; its value may be empty.
        """
        ...

    async def signers(
        self, competition: CompetitionId, *, since: Block = ALL_ROUNDS
    ) -> Mapping[Block, SampleSigners]:
        """Return who signed the samples of each opened round, by sync block.

        Covers the rounds whose sync block is ``since`` or later, open and forgotten ones
        included. Rounds without recorded signers, as of older versions, are left out.
        """
        ...

    async def shared_rounds(
        self, competition: CompetitionId, entries: Collection[EntryKey]
    ) -> Mapping[Block, frozenset[EntryKey]]:
        """Return the finished rounds that scored at least two of the entries, and which ones.

        Forgotten rounds count with the entries that were kept.
        """
        ...

    async def receipts(self, round_: RoundKey) -> tuple[SignedReceipt, ...]:
        """Return the round's receipts, in the order they were written."""
        ...

    async def statement(self, round_: RoundKey) -> SignedReceipt | None:
        """Return the finished round's statement; ``None`` for a round that has none."""
        ...

    async def begin(
        self,
        beginning: Beginning,
        *,
        rounds: Sequence[RoundRecord] = (),
        submissions: Collection[Submission] = (),
    ) -> None:
        """Record how this state begins, with the rounds that are taken over, all in one step.

        ``rounds`` are in the order of their blocks. Their statements and receipts stay as
        their validator signed them.

        Raises:
            ValueError: The state already has rounds or a beginning.
        """
        ...

    async def record_later(self, record: RoundRecord) -> None:
        """Record everything of a missed round that was scored later, in one step.

        It replaces a round that was sat out; the reason stays in the new result. Recording it
        again changes nothing, and a round that was judged never changes.

        Raises:
            ValueError: The round is open, or the result does not say that it was scored later.
        """
        ...

    async def record_newcomers_s(self, round_: RoundKey, seconds: float) -> None:
        """Insert or replace how many seconds the entries with limited time took in a round.

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
        """Prune one old round; return its sync block, or ``None`` if there is nothing to prune.

        Takes the oldest round before the sync block ``before`` that is not pruned yet. It keeps
        the abridged result (see ``history.abridged``), the plan without the entries that were not
        scored, and outcome, losses, environment and receipt of the entries in ``keep``. The
        statement is deleted, because it could no longer be checked. ``at`` is written into the
        result. Pools of rounds that were never opened are deleted, too.

        Prunes one round per call so that no other call waits long; call it until ``None``.
        """
        ...

    async def close(self) -> None:
        """Finish pending work and release the store; further calls raise ``RuntimeError``."""
        ...
