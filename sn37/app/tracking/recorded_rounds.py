"""The finished rounds of a record, as facts for rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.chronicle import Chronicle, champion_before
from sn37.app.leaderboard.evidence_growth import GrowthReader
from sn37.app.leaderboard.page_reader import MAX_ENTRIES, PageReader, meaning, status_of
from sn37.app.leaderboard.views import finite
from sn37.app.tracking.round_facts import Challenge, EntryFacts, RoundFacts, Timing
from sn37.domain.ids import Block, EntryKey, Hotkey, RoundKey, Uid
from sn37.domain.printable import one_line
from sn37.domain.round.evidence import LOG_LEVEL
from sn37.domain.round.pairwise import count_wins
from sn37.domain.round.state import EntryResult, RoundResult
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, Schedule
from sn37.domain.submission.submission import Verdict
from sn37.domain.weights.standings import standings
from sn37.ports.record_reader import RecordReader, Signed
from sn37.ports.run_tracker import RunPart

Uids = Callable[[Block], Mapping[Hotkey, Uid]]  # the members' uids at a block, as far as known
_RECENT_WEIGHTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """A round, and the values that its entries are compared with."""

    result: RoundResult
    row: int
    before: EntryKey | None
    rules: Competition | None
    uids: Mapping[Hotkey, Uid]
    standings: Mapping[Hotkey, float]
    weights: Mapping[Hotkey, float] | None


class RecordedRounds:
    """Reader of one record. Not thread-safe.

    Args:
        times: Returns the blocks whose time is known.
        uids: Returns the uids of members; a hotkey without one is left out.
    """

    def __init__(
        self,
        record: RecordReader,
        *,
        schedule: Schedule,
        times: Callable[[], BlockTimes],
        uids: Uids,
    ) -> None:
        self._record = record
        self._schedule = schedule
        self._times = times
        self._uids = uids
        self._identity = record.identity()
        self._chronicle = Chronicle()
        self._growth = GrowthReader(schedule)

    def stamp(self) -> str:
        """Return a text that changes with every change of the record."""
        return self._record.stamp()

    def signed(self) -> Signed | None:
        """Return who keeps the record, and by which program; ``None`` before the first round.

        Raises:
            StateUnavailable, StateUnreadable: See ``RecordReader``.
        """
        with self._record.snapshot() as snapshot:
            return snapshot.signed()

    def time_of(self, block: Block) -> str | None:
        """Return the time of a block as in the names of runs, in UTC; ``None`` if not known."""
        at = self._times().at(block)
        return None if at is None else at.strftime("%Y-%m-%d_%H-%M-%S")

    def uid_of(self, hotkey: Hotkey, block: Block) -> Uid | None:
        """Return the uid of a hotkey at a block."""
        return self._uids(block).get(hotkey)

    def unsent(self, known: Collection[RunPart]) -> Sequence[RunPart]:
        """Return the parts of the record that are not in ``known``, by sync block.

        Adopted rounds are left out, because another validator scored them; so are rounds whose
        details were removed.

        Raises:
            StateUnavailable, StateUnreadable: See ``RecordReader``.
        """
        self._read_history()
        with self._record.snapshot() as snapshot:
            beginning = snapshot.beginning()
        first = Block(0) if beginning is None else beginning.block
        found = [
            part
            for competition in self._chronicle.competitions
            for result in self._chronicle.rounds(competition)
            if result.key.sync_block >= first and result.forgotten_at is None
            for part in _parts(result)
            if part not in known
        ]
        return sorted(found, key=lambda p: (p.round.sync_block, p.round.competition, p.is_later))

    def facts(self, part: RunPart) -> RoundFacts:
        """Return the facts of one part; a round that a restored backup lacks has no entries.

        Raises:
            StateUnavailable, StateUnreadable: See ``RecordReader``.
        """
        if self._chronicle.row_of(part.round) is None:
            self._read_history()
        with self._record.snapshot() as snapshot:
            row = self._chronicle.row_of(part.round)
            if row is None:
                return _gone(part.round)
            reader = PageReader(
                snapshot=snapshot,
                chronicle=self._chronicle,
                schedule=self._schedule,
                times=self._times(),
                growth=self._growth,
            )
            result = self._chronicle.whole(snapshot, row)
            if result.later is not None and not part.is_later:
                result = replace(result, later=None, entries=())
            return self._facts(reader, self._around(reader, result, row))

    def _read_history(self) -> None:
        if (identity := self._record.identity()) != self._identity:
            self._identity, self._chronicle = identity, Chronicle()
            self._growth = GrowthReader(self._schedule)
        is_complete = False
        while not is_complete:
            with self._record.snapshot() as snapshot:
                is_complete = self._chronicle.refresh(snapshot)

    def _around(self, reader: PageReader, result: RoundResult, row: int) -> _Around:
        key, timing = result.key, self._schedule.timing
        held = self._chronicle.rounds(key.competition)
        index = next(n for n, other in enumerate(held) if other.key == key)
        window = held[max(0, index + 1 - WINDOW_ROUNDS) : index + 1]
        return _Around(
            result=result,
            row=row,
            before=champion_before(held, index),
            rules=self._schedule.competition(key.competition, key.sync_block),
            uids=self._uids(key.sync_block),
            standings=standings(window, timing=timing, rule=self._schedule.standings),
            weights=_weights_until(reader, key.sync_block),
        )

    def _facts(self, reader: PageReader, around: _Around) -> RoundFacts:
        result, rules = around.result, around.rules
        key, entries = result.key, result.entries[:MAX_ENTRIES]
        before = around.before
        return RoundFacts(
            competition=key.competition,
            name=reader.name(key.competition),
            sync_block=key.sync_block,
            sync_hash=one_line(result.sync.hash, 80),
            at=reader.times.at(key.sync_block),
            status=status_of(result),
            why_missed="" if result.skipped is None else meaning(result.skipped),
            champion=result.champion,
            before=before,
            margin=None if before is None else _margin(rules, before.block, key),
            needed=LOG_LEVEL,
            entries=tuple(self._entry(reader, around, entry) for entry in entries),
            wins=_wins(entries, rules, key),
        )

    def _entry(self, reader: PageReader, around: _Around, entry: EntryResult) -> EntryFacts:
        key, round_ = entry.key, around.result.key
        model = reader.model(key, round_.competition, entry.repo)
        weights = around.weights
        return EntryFacts(
            key=EntryKey(Hotkey(model.hotkey), key.block),
            uid=around.uids.get(key.hotkey),
            repo=model.repo,
            revision=model.revision or "",
            verdict=entry.verdict.value,
            reason="" if entry.reason is None else entry.reason.value,
            score=finite(entry.score),
            num_samples=entry.num_samples,
            tasks=entry.tasks,
            challenge=self._challenge(reader, around, entry),
            margin=_margin(around.rules, key.block, round_),
            standing=around.standings.get(key.hotkey, 0.0),
            weight=None if weights is None else weights.get(key.hotkey, 0.0),
            timing=_timing(reader, around.row, entry),
        )

    def _challenge(
        self, reader: PageReader, around: _Around, entry: EntryResult
    ) -> Challenge | None:
        before = around.before
        if before is None or entry.key == before or entry.verdict is not Verdict.SCORED:
            return None
        known = reader.submission(entry.key)
        found = self._growth.growth(
            reader.snapshot,
            self._chronicle,
            competition=around.result.key.competition,
            champion=before,
            challenger=entry.key,
            since=entry.key.block if known is None else known.clock_block,
            until=around.result.key.sync_block,
            num_points=1,
        )
        if found is None:
            return None
        last = found.points[-1]
        return Challenge(
            gain=last.gain, error=last.error, evidence=last.evidence, num_samples=last.num_samples
        )


def _gone(round_: RoundKey) -> RoundFacts:
    return RoundFacts(
        competition=round_.competition,
        name="",
        sync_block=round_.sync_block,
        sync_hash="",
        at=None,
        status="not recorded",
        why_missed="",
        champion=None,
        before=None,
        margin=None,
        needed=LOG_LEVEL,
        entries=(),
        wins=(),
    )


def _parts(result: RoundResult) -> Sequence[RunPart]:
    first = RunPart(round=result.key)
    return (first,) if result.later is None else (first, replace(first, is_later=True))


def _margin(rules: Competition | None, committed: Block, round_: RoundKey) -> float | None:
    return None if rules is None else rules.epsilon.at(committed=committed, now=round_.sync_block)


def _wins(
    entries: Sequence[EntryResult], rules: Competition | None, round_: RoundKey
) -> tuple[int | None, ...]:
    """Return the number of entries that each beats; ``None`` for those without a score."""
    scores = [e.score if e.score is not None and math.isfinite(e.score) else None for e in entries]
    held = [n for n, score in enumerate(scores) if score is not None]
    if rules is None:
        return (None,) * len(entries)
    wins = count_wins(
        [score for score in scores if score is not None],
        [entries[n].key.block for n in held],
        at=round_.sync_block,
        epsilon=rules.epsilon,
    )
    counted = dict(zip(held, wins, strict=True))
    return tuple(counted.get(n) for n in range(len(entries)))


def _timing(reader: PageReader, row: int, entry: EntryResult) -> Timing | None:
    if entry.verdict not in (Verdict.SCORED, Verdict.FAILED):
        return None
    blocks = reader.snapshot.losses(row, entry.key)
    if not blocks:
        return None
    return Timing(seconds=sum(b.seconds for b in blocks), tokens=sum(b.tokens for b in blocks))


def _weights_until(reader: PageReader, sync: Block) -> Mapping[Hotkey, float] | None:
    """Return the newest weights that were set for this round or an earlier one."""
    for limit in (_RECENT_WEIGHTS, 1_000_000):
        newest_first = reader.snapshot.weights(limit=limit)
        for record in newest_first:
            if record.sync_block <= sync and record.extrinsic is not None:
                return record.weights.shares
        if len(newest_first) < limit:
            return None
    return None
