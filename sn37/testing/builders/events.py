"""Builders: one event of every kind."""

from __future__ import annotations

from dataclasses import replace

from sn37.domain.events import (
    BlockScored,
    Cautioned,
    ColdStarted,
    Degraded,
    DiskLow,
    EntryFinished,
    EntryStarted,
    Event,
    HeadAdvanced,
    HeldBack,
    LeaderboardServed,
    PoolFrozen,
    QueueChanged,
    Recovered,
    RoundFinished,
    RoundOpened,
    RoundSatOut,
    RoundScoredLater,
    RowsSetAside,
    SecondOpinionGiven,
    SetUpAdvanced,
    SharesWithheld,
    SubmissionFetched,
    SubmissionRefused,
    SubmissionSeen,
    ValidatorStarted,
    ValidatorStopped,
    ViewAged,
    WarmingUp,
    WeightsOverdue,
    WeightsRevealed,
    WeightsSubmitted,
    WorkersConfined,
)
from sn37.domain.ids import Block, Hotkey, Netuid, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ColdStart, ScoredLater
from sn37.domain.scoring.opinion import Opinion, View
from sn37.testing.builders.competitions import a_block_ref
from sn37.testing.builders.models import an_entry_key
from sn37.testing.builders.rounds import (
    a_beginning,
    a_round_key,
    a_round_plan,
    a_round_result,
    an_entry_result,
    some_weights,
)


def every_event() -> tuple[Event, ...]:
    """Return one event of each class: first those of a normal round in order, then the rest."""
    key, round_, task = an_entry_key(), a_round_key(), TaskName("text")
    return (
        SetUpAdvanced(what="base model", done=1, total=3),
        HeadAdvanced(head=a_block_ref(1000), next_sync=Block(1080)),
        ViewAged(head=a_block_ref(1000), age_s=95.0),
        SubmissionSeen(key=key, repo="alice/model", num_blocks_late=2),
        SubmissionFetched(key=key, size_bytes=4_000_000),
        SubmissionRefused(key=key, reason=Reason.UNSAFE_FILE, detail="weights.pkl"),
        PoolFrozen(round=round_, task=task, num_rows=100),
        RowsSetAside(
            round=round_, task=task, why="a NUL in the text", num_rows=2, row_ids=("a", "b")
        ),
        RoundOpened(plan=a_round_plan(round_)),
        EntryStarted(round=round_, key=key, num_blocks=2, num_resumed=1),
        BlockScored(round=round_, key=key, done=2, num_blocks=2),
        EntryFinished(round=round_, result=an_entry_result(key)),
        SecondOpinionGiven(
            round=round_,
            opinion=Opinion(key=key, view=View.DIFFERS, detail="text, sample 7: loss 0, 2"),
        ),
        RoundFinished(result=a_round_result(round_), holder=key),
        RoundScoredLater(
            result=replace(
                a_round_result(round_, skipped=Reason.ABSENT),
                later=ScoredLater(source=Hotkey("other"), after=Block(720), at=Block(731)),
            )
        ),
        RoundSatOut(round=round_, reason=Reason.DATA_UNAVAILABLE, detail="no answer"),
        ColdStarted(
            beginning=a_beginning(ColdStart.RECEIPTS, source="other"),
            num_rounds=9,
            num_evaluations=3,
        ),
        WarmingUp(rounds_left={round_.competition: 7}),
        WeightsSubmitted(sync_block=Block(720), weights=some_weights(), extrinsic="731-2"),
        WeightsOverdue(newest=Block(360), since=Block(1130)),
        DiskLow(free_bytes=400_000_000),
        SharesWithheld(reasons={key.hotkey: "left the subnet"}),
        WeightsRevealed(extrinsic="731-2"),
        HeldBack(what="commitment", why="no space is left", until_block=Block(1081)),
        Cautioned(what="weights", advice="commit-reveal is off"),
        Degraded(what="chain", error="no endpoint answers", retry_in_s=12.0),
        Recovered(what="chain"),
        LeaderboardServed(address="http://127.0.0.1:8037/"),
        WorkersConfined(sandbox="user,landlock6,seccomp", missing=("pid", "net", "ipc")),
        ValidatorStarted(
            version="0.1.0",
            network="finney",
            netuid=Netuid(37),
            fingerprint="f" * 64,
            hotkey=key.hotkey,
            num_rounds=40,
        ),
        QueueChanged(num_fetched=3, num_waiting=2),
        ValidatorStopped(why="on request"),
    )
