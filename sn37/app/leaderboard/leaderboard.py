"""The leaderboard as one object: each method is a page, computed from one snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sn37.app.leaderboard import competition_page, round_page, submission_page, validator_page
from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.chronicle import Chronicle
from sn37.app.leaderboard.evidence_growth import GrowthReader
from sn37.app.leaderboard.others import Others
from sn37.app.leaderboard.page_reader import PageReader
from sn37.app.leaderboard.views import (
    CompetitionView,
    MinerView,
    Overview,
    RoundList,
    RoundView,
    SubmissionList,
    SubmissionView,
    ValidatorView,
)
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.metagraph import SubnetSnapshot
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.record_reader import RecordReader


class Leaderboard:
    """Pages on a validator's record. One page is computed at a time, by any thread.

    Args:
        times: Returns the blocks whose time is known; called for each page, so it must be quick.
        network: Name of the network, for people.
        subnet: Returns how the validator saw the subnet last, if that is known; called like
            ``times``.
        others: Compares the rounds of other validators with the record.
    """

    def __init__(
        self,
        record: RecordReader,
        *,
        schedule: Schedule,
        times: Callable[[], BlockTimes],
        network: str,
        subnet: Callable[[], SubnetSnapshot | None] = lambda: None,
        others: Others | None = None,
    ) -> None:
        self._record = record
        self._schedule = schedule
        self._times = times
        self._network = network
        self._subnet = subnet
        self._others = others
        self._identity = record.identity()
        self._chronicle = Chronicle()
        self._growth = GrowthReader(schedule)
        self._one_at_a_time = threading.Lock()

    @property
    def network(self) -> str:
        """Name of the network."""
        return self._network

    @property
    def schedule(self) -> Schedule:
        """The rules that the pages explain."""
        return self._schedule

    def read_history(self, tell: Callable[[int], None] = lambda _: None) -> None:
        """Read all finished rounds, in short steps; ``tell`` gets their number after each.

        Raises:
            StateUnavailable, StateUnreadable: See ``RecordReader``.
        """
        is_complete = False
        while not is_complete:
            with self._one_at_a_time, self._record.snapshot() as snapshot:
                self._forget_another_record()
                is_complete = self._chronicle.refresh(snapshot)
            tell(self._chronicle.num_changes)

    def stamp(self) -> str:
        """Return a text that changes whenever pages may have changed."""
        return self._record.stamp()

    def overview(self) -> Overview:
        with self._reading() as reader:
            return competition_page.overview(reader, self._network)

    def competition(
        self, competition: CompetitionId, reigns_page: int = 1
    ) -> CompetitionView | None:
        with self._reading() as reader:
            return competition_page.competition_view(reader, competition, reigns_page)

    def rounds(self, competition: CompetitionId, page: int = 1) -> RoundList | None:
        with self._reading() as reader:
            return competition_page.round_list(reader, competition, page)

    def round(self, competition: CompetitionId, sync_block: Block) -> RoundView | None:
        with self._reading() as reader:
            return round_page.round_view(reader, competition, sync_block)

    def submission(self, key: EntryKey, page: int = 1) -> SubmissionView | None:
        with self._reading() as reader:
            return submission_page.submission_view(reader, key, page)

    def submissions(self, competition: CompetitionId | None, page: int = 1) -> SubmissionList:
        with self._reading() as reader:
            return submission_page.submission_list(reader, competition, page)

    def search(self, text: str) -> SubmissionList:
        with self._reading() as reader:
            return submission_page.search(reader, text)

    def miner(self, hotkey: Hotkey) -> MinerView | None:
        with self._reading() as reader:
            return submission_page.miner_view(reader, hotkey)

    def validator(self) -> ValidatorView:
        with self._reading() as reader:
            return validator_page.validator_view(reader, self._others)

    def receipt(self, round_: RoundKey, entry: EntryKey) -> SignedReceipt | None:
        """Return the receipt of one entry, as it was signed."""
        with self._record.snapshot() as snapshot:
            return snapshot.receipt(round_, entry)

    def statement(self, round_: RoundKey) -> SignedReceipt | None:
        """Return the statement on a round, as it was signed."""
        with self._record.snapshot() as snapshot:
            return snapshot.statement(round_)

    def receipt_keys(self, competition: int, sync_block: int) -> Sequence[EntryKey]:
        """Return the entries of a round that have a receipt."""
        with self._record.snapshot() as snapshot:
            return snapshot.receipt_keys(RoundKey(CompetitionId(competition), Block(sync_block)))

    def newest_rounds(self, competition: int, limit: int) -> Sequence[Block]:
        """Return the sync blocks of the newest finished rounds, the newest first."""
        with self._reading() as reader:
            held = reader.chronicle.rounds(CompetitionId(competition))
            return [r.key.sync_block for r in held[-limit:]][::-1]

    def competitions(self) -> Sequence[CompetitionId]:
        """Return the competitions that have a page."""
        with self._reading() as reader:
            return competition_page.competitions(reader)

    @contextmanager
    def _reading(self) -> Iterator[PageReader]:
        with self._one_at_a_time, self._record.snapshot() as snapshot:
            self._forget_another_record()
            self._chronicle.refresh(snapshot)
            yield PageReader(
                snapshot=snapshot,
                chronicle=self._chronicle,
                schedule=self._schedule,
                times=self._times(),
                growth=self._growth,
                subnet=self._subnet(),
            )

    def _forget_another_record(self) -> None:
        """Begin again when a copy was restored in the place of the record."""
        if (identity := self._record.identity()) != self._identity:
            self._identity, self._chronicle = identity, Chronicle()
            self._growth = GrowthReader(self._schedule)
