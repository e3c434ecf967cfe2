"""The status of a validator, from its record and its newest report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.views import Moment
from sn37.app.status.run_report import FRESH_S, RunReport, pid_namespace
from sn37.app.supervision.heartbeat import STUCK_S
from sn37.domain.disk.free_space import LOW_BYTES
from sn37.domain.ids import Block, CompetitionId
from sn37.domain.printable import one_line
from sn37.domain.round.state import RoundResult, WeightsRecord
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.submission import Verdict
from sn37.domain.weights.overdue import overdue_since
from sn37.ports.record_reader import RecordSnapshot, RoundUnderWay

WEIGHTS_READ = 8  # newest records; an unsent one may be before the newest sent one


class Life(StrEnum):
    """State of the process."""

    RUNNING = "running"
    STARTING = "starting"  # it has the state, and has not reported yet
    ENDED = "not running"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundNow:
    """An open round."""

    round: Moment
    num_entries: int
    num_done: int
    entry: str = ""  # hotkey of the entry that is scored
    blocks_done: int | None = None  # of that entry; ``None`` if none is scored
    num_blocks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompetitionNow:
    """One competition."""

    id: int
    name: str
    champion: str  # hotkey; empty if there is none
    newest_round: Moment | None
    num_waiting: int  # entries of that round that may be scored later
    open_round: RoundNow | None
    warm_up_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsNow:
    """The newest weights that the chain has taken."""

    round: Moment
    sent: Moment
    extrinsic: str
    age_blocks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageNow:
    """A dependency that fails."""

    what: str
    since: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepNow:
    """The step that an actor is in."""

    actor: str
    doing: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorStatus:
    """Everything that is known about a validator from outside its process."""

    state_dir: str
    network: str
    life: Life
    ended: str  # how its last run ended: finished, stopped, failed, killed; empty while it runs
    last_seen: datetime | None  # when it reported last
    report_age_s: float | None
    pid: int | None
    version: str
    since: datetime | None  # start of its run
    block: Moment | None
    block_age_s: float | None
    next_round: Moment | None
    set_up: str  # preparation before the start
    steps: tuple[StepNow, ...]
    competitions: tuple[CompetitionNow, ...]
    weights: WeightsNow | None
    outages: tuple[OutageNow, ...]
    free_bytes: int | None
    leaderboard: str
    problems: tuple[str, ...]  # empty if it is healthy

    @property
    def is_healthy(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The part of the record that a status needs, from one snapshot."""

    open_rounds: Sequence[RoundUnderWay] = ()
    judged: tuple[RoundResult, ...] = ()  # the newest of each competition
    weights: WeightsRecord | None = None  # that the chain has taken
    begun: Block | None = None


def read_record(snapshot: RecordSnapshot, schedule: Schedule) -> Recorded:
    """Read what a status needs; a few rows, however long the record is.

    Raises:
        StateUnreadable, StateUnavailable: See ``RecordSnapshot``.
    """
    ids = {c.id for stage in schedule.stages for c in stage.competitions}
    rows = [row for c in sorted(ids) if (row := snapshot.newest_judged(c)) is not None]
    beginning = snapshot.beginning()
    return Recorded(
        open_rounds=snapshot.under_way(),
        judged=tuple(map(snapshot.result, rows)),
        weights=next(
            (w for w in snapshot.weights(limit=WEIGHTS_READ) if w.extrinsic is not None), None
        ),
        begun=None if beginning is None else beginning.block,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything seen of a validator from outside.

    ``is_held`` says whether a process has the state open, ``None`` if that cannot be seen.
    """

    state_dir: str
    network: str
    is_held: bool | None
    report: RunReport | None
    record: Recorded
    fault: str  # why the record cannot be read; empty if it can
    schedule: Schedule
    times: BlockTimes
    now: datetime
    free_bytes: int | None


def validator_status(seen: Seen) -> ValidatorStatus:
    """Return the status of a validator; what is old or unknown is shown as such."""
    report, life = seen.report, _life(seen)
    age_s = None if report is None else _age_s(report, seen.now)
    runs = life is Life.RUNNING
    block = _newest_block(seen)
    return ValidatorStatus(
        state_dir=seen.state_dir,
        network=seen.network,
        life=life,
        ended=_ending(report) if life is Life.ENDED else "",
        last_seen=None if report is None else report.written_at,
        report_age_s=age_s,
        pid=report.pid if report is not None and runs else None,
        version="" if report is None else one_line(report.version, 40),
        since=report.started_at if report is not None and runs else None,
        block=None if block is None else _moment(seen.times, block),
        block_age_s=_block_age_s(report, age_s) if runs else None,
        next_round=None
        if block is None or not runs
        else _moment(seen.times, seen.schedule.timing.next_sync_block(block)),
        set_up=_set_up(report) if runs else "",
        steps=_steps(report) if runs else (),
        competitions=_competitions(seen, block, runs=runs),
        weights=_weights(seen, block),
        outages=_outages(report) if runs else (),
        free_bytes=seen.free_bytes,
        leaderboard=one_line(report.leaderboard or "") if report is not None and runs else "",
        problems=tuple(_problems(seen, life, age_s, block)),
    )


def _life(seen: Seen) -> Life:
    report = seen.report
    if seen.is_held:
        is_fresh = report is not None and report.ended is None
        return Life.RUNNING if is_fresh else Life.STARTING
    if report is None or report.ended is not None:
        return Life.ENDED
    if seen.is_held is False and report.pid_namespace == pid_namespace():
        return Life.ENDED  # killed: it would be seen
    return Life.RUNNING if _age_s(report, seen.now) < FRESH_S else Life.ENDED


def _age_s(report: RunReport, now: datetime) -> float:
    return max((now - report.written_at).total_seconds(), 0.0)


def _ending(report: RunReport | None) -> str:
    if report is None:
        return ""
    return "killed" if report.ended is None else one_line(report.ended, 40)


def _newest_block(seen: Seen) -> Block | None:
    known = [seen.times.newest] if seen.times.newest else []
    if seen.report is not None and seen.report.block is not None:
        known.append(Block(seen.report.block))
    return max(known, default=None)


def _block_age_s(report: RunReport | None, age_s: float | None) -> float | None:
    if report is None or report.block_age_s is None or age_s is None:
        return None
    return report.block_age_s + age_s


def _moment(times: BlockTimes, block: int) -> Moment:
    return Moment(block=block, at=times.at(block))


def _set_up(report: RunReport | None) -> str:
    if report is None or (step := report.set_up) is None:
        return ""
    return f"{one_line(step.what, 80)}: {step.done} of {step.total}"


def _steps(report: RunReport | None) -> tuple[StepNow, ...]:
    known = () if report is None else report.steps
    return tuple(
        StepNow(actor=one_line(s.actor, 40), doing=one_line(s.doing, 120), since=s.since)
        for s in known
    )


def _outages(report: RunReport | None) -> tuple[OutageNow, ...]:
    known = {} if report is None else report.degraded
    return tuple(
        OutageNow(what=one_line(what, 80), since=outage.since, error=one_line(outage.error))
        for what, outage in sorted(known.items())
    )


def _competitions(seen: Seen, block: Block | None, *, runs: bool) -> tuple[CompetitionNow, ...]:
    judged = {r.key.competition: r for r in seen.record.judged}
    running = {} if block is None else {c.id: c.name for c in seen.schedule.at(block)}
    ids = [*running, *(c for c in judged if c not in running)]
    warm_up = {} if seen.report is None else seen.report.warm_up_rounds_left
    return tuple(
        CompetitionNow(
            id=c,
            name=one_line(running.get(c, f"competition {c}"), 80),
            champion=_champion(judged.get(c)),
            newest_round=None if c not in judged else _moment(seen.times, judged[c].key.sync_block),
            num_waiting=sum(
                e.verdict is Verdict.WAITING for e in (judged[c].entries if c in judged else ())
            ),
            open_round=_open_round(seen, c, runs=runs),
            warm_up_left=warm_up.get(str(c), 0),
        )
        for c in ids
    )


def _champion(newest: RoundResult | None) -> str:
    return "" if newest is None or newest.champion is None else one_line(newest.champion.hotkey, 80)


def _open_round(seen: Seen, competition: CompetitionId, *, runs: bool) -> RoundNow | None:
    opened = next(
        (r for r in seen.record.open_rounds if r.plan.key.competition == competition), None
    )
    if opened is None:
        return None
    scoring = seen.report.scoring if seen.report is not None and runs else None
    key = opened.plan.key
    if scoring is not None and (scoring.competition, scoring.sync_block) != (
        key.competition,
        key.sync_block,
    ):
        scoring = None
    return RoundNow(
        round=_moment(seen.times, key.sync_block),
        num_entries=len(opened.plan.entries),
        num_done=len(opened.outcomes),
        entry="" if scoring is None else one_line(scoring.hotkey, 80),
        blocks_done=None if scoring is None else scoring.blocks_done,
        num_blocks=None if scoring is None else scoring.num_blocks,
    )


def _weights(seen: Seen, block: Block | None) -> WeightsNow | None:
    sent = seen.record.weights
    if sent is None:
        return None
    return WeightsNow(
        round=_moment(seen.times, sent.sync_block),
        sent=_moment(seen.times, sent.sent_at),
        extrinsic=one_line(sent.extrinsic or "", 80),
        age_blocks=None if block is None else max(block - sent.sent_at, 0),
    )


def _problems(seen: Seen, life: Life, age_s: float | None, block: Block | None) -> Iterator[str]:
    report = seen.report
    if seen.fault:
        yield f"the record cannot be read: {seen.fault}"
    if life is Life.ENDED:
        yield "the validator does not run"
    if seen.free_bytes is not None and seen.free_bytes < LOW_BYTES:
        yield f"the disk is nearly full: {seen.free_bytes / 2**20:,.0f} MiB free"
    if life is Life.STARTING:
        yield "it has not reported yet"
    if life is not Life.RUNNING or report is None or age_s is None:
        return
    if age_s > FRESH_S:
        yield f"its newest report is {age_s:,.0f} s old: the disk refuses it, or the process hangs"
    if report.loop_silent_s > STUCK_S / 2:
        yield f"nothing has moved for {report.loop_silent_s:,.0f} s"
    if report.not_ready:
        yield one_line(report.not_ready)
    for outage in _outages(report):
        yield f"{outage.what} fails since {outage.since:%Y-%m-%d %H:%M} UTC: {outage.error}"
    if block is not None and _is_overdue(seen, report, block):
        yield "weights are overdue"


def _is_overdue(seen: Seen, report: RunReport, block: Block) -> bool:
    sent, begun = seen.record.weights, seen.record.begun
    if (
        report.offline
        or report.warm_up_rounds_left
        or seen.fault
        or (sent is None and begun is None)
    ):
        return False
    newest = None if sent is None else sent.sync_block
    since = overdue_since(newest, begun=begun or Block(0), timing=seen.schedule.timing)
    return block >= since
