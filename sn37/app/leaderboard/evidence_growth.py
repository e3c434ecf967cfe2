"""Evidence of a challenger against a champion, round by round, by the functions of the rule."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from sn37.app.leaderboard.chronicle import Chronicle
from sn37.app.leaderboard.views import finite
from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.round.comparing import Measured, measure
from sn37.domain.round.evidence import Evidence, weigh
from sn37.domain.round.rounds_to_crown import rate_of
from sn37.domain.round.signers import Origin, Origins, origins_of
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.record_reader import RecordSnapshot

MAX_ROUNDS = 60  # that both were scored in; pairs with more are not compared on pages
MAX_POINTS = 12
_KEPT_PAIRS = 2_000
_KEPT_POINTS = 20_000
MAX_SAMPLES = 400_000  # weighed losses in memory, 32 bytes each


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPoint:
    """A comparison over all common rounds up to one."""

    sync_block: Block
    num_samples: int
    gain: float | None  # of the challenger, relative
    error: float | None  # one standard error of it
    evidence: float | None  # natural logarithm of the e-value


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Points at some of the common rounds, the last among them."""

    points: tuple[GrowthPoint, ...]
    num_rounds: int


class GrowthReader:
    """Reads and compares pairs; a new common round of a pair is one more comparison."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._known: OrderedDict[tuple[object, ...], Growth | None] = OrderedDict()
        self._points: OrderedDict[tuple[object, ...], GrowthPoint] = OrderedDict()
        self._weighed: OrderedDict[tuple[int, EntryKey], tuple[float, ...]] = OrderedDict()
        self._num_samples = 0

    def growth(
        self,
        snapshot: RecordSnapshot,
        chronicle: Chronicle,
        *,
        competition: CompetitionId,
        champion: EntryKey,
        challenger: EntryKey,
        since: Block,
        until: Block | None = None,
        num_points: int = MAX_POINTS,
    ) -> Growth | None:
        """Compare two entries over their common rounds.

        ``None`` if there are none, or more than ``MAX_ROUNDS``, or their losses were removed.

        Args:
            since: Block at which the challenger's clock began.
            until: Sync block of the last round to count; ``None`` counts all.
            num_points: Number of rounds at which to compare, at most; 1 is the last one.
        """
        rows = sorted(
            (key.sync_block, row)
            for row in chronicle.shared(champion, challenger)
            if (key := chronicle.key_of(row)).competition == competition
            and since <= key.sync_block
            and (until is None or key.sync_block <= until)
        )
        if not 0 < len(rows) <= MAX_ROUNDS:
            return None
        known = (champion, challenger, since, num_points, tuple(row for _, row in rows))
        if known in self._known:
            self._known.move_to_end(known)
            return self._known[known]
        found = self._compared(snapshot, competition, champion, challenger, since, rows, num_points)
        self._known[known] = found
        if len(self._known) > _KEPT_PAIRS:
            self._known.popitem(last=False)
        return found

    def _compared(
        self,
        snapshot: RecordSnapshot,
        competition: CompetitionId,
        champion: EntryKey,
        challenger: EntryKey,
        since: Block,
        rows: Sequence[tuple[Block, int]],
        num_points: int,
    ) -> Growth | None:
        a: dict[Block, tuple[float, ...]] = {}
        b: dict[Block, tuple[float, ...]] = {}
        origins: dict[Block, tuple[Origin, ...]] = {}
        rules = self._schedule.competition(competition, rows[-1][0])
        for sync, row in rows:
            of_round = self._schedule.competition(competition, sync)
            if of_round is None:
                continue
            try:
                a[sync] = self._losses(snapshot, row, champion, of_round)
                b[sync] = self._losses(snapshot, row, challenger, of_round)
            except ValueError:  # scored under rules that this schedule does not have
                return None
            origins[sync] = origins_of(snapshot.signers(row), of_round)
        blocks = [sync for sync in sorted(a) if a[sync] and b[sync]]
        if rules is None or not blocks or len(blocks) < len(rows):
            return None
        points = []
        for stop in spread(blocks, num_points):
            upto = tuple(row for sync, row in rows if sync <= stop)
            known = (champion, challenger, since, rules.epsilon.end, upto)
            if known not in self._points:
                self._points[known] = _point(stop, a, b, origins, since, rules.epsilon.end)
            if len(self._points) > _KEPT_POINTS:
                self._points.popitem(last=False)
            points.append(self._points[known])
        return Growth(points=tuple(points), num_rounds=len(blocks))

    def _losses(
        self, snapshot: RecordSnapshot, row: int, entry: EntryKey, rules: Competition
    ) -> tuple[float, ...]:
        """Return an entry's weighed losses in a finished round, which do not change.

        Raises:
            ValueError: They were scored under other rules.
        """
        known = self._weighed.get((row, entry))
        if known is not None:
            self._weighed.move_to_end((row, entry))
            return known
        found = self._weighed[row, entry] = weigh(snapshot.losses(row, entry), rules)
        self._num_samples += len(found)
        while self._num_samples > MAX_SAMPLES and len(self._weighed) > 1:
            _, dropped = self._weighed.popitem(last=False)
            self._num_samples -= len(dropped)
        return found


def spread(blocks: Sequence[Block], num_points: int) -> Sequence[Block]:
    """Return at most so many blocks, evenly spread, and the last.

    They stay the same while rounds are added, until there are too many.
    """
    step = -(-len(blocks) // num_points)
    return [*blocks[step - 1 : -1 : step], blocks[-1]]


def _point(
    stop: Block, a: Evidence, b: Evidence, origins: Origins, since: Block, epsilon_end: float
) -> GrowthPoint:
    def until(values: Evidence) -> Evidence:
        return {sync: values[sync] for sync in values if sync <= stop}

    found = measure(until(a), until(b), since=since, epsilon_end=epsilon_end, origins=origins)
    return GrowthPoint(
        sync_block=stop,
        num_samples=found.sums.num_samples,
        gain=finite(1 - found.sums.ratio),
        error=_error(found),
        evidence=finite(found.log_e),
    )


def _error(found: Measured) -> float | None:
    try:
        return finite(rate_of(found.sums, num_samples=1).relative_error)
    except ValueError:
        return None
