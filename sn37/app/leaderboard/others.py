"""Agreement with other validators: crowns and manifests of their published rounds against ours."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from sn37.app.leaderboard.page_reader import PageReader
from sn37.app.leaderboard.published_record import PublishedRecord
from sn37.app.leaderboard.views import Agreement, OtherValidator
from sn37.app.receipts.signing import VerifySignature
from sn37.domain.data.overlap import Manifests, overlaps
from sn37.domain.ids import EntryKey, Hotkey, RoundKey
from sn37.domain.printable import one_line
from sn37.domain.round.state import DrawnRows, RoundResult
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.errors import PortError, Unavailable
from sn37.ports.receipt_source import PublishedRounds

log = logging.getLogger(__name__)

ROUNDS_COMPARED = 24  # the newest of each competition: a window
CANNOT_BE_READ = "Its rounds cannot be read now; the operator's log says why."
NOT_VALID = "A round of it is not valid; the operator's log says which and why."


@dataclass(slots=True)
class _Compared:
    """One round of another validator; published rounds do not change."""

    champion: EntryKey | None
    is_same_champion: bool
    is_same_manifest: bool
    shared: float | None


@dataclass(slots=True)
class _Other:
    source: PublishedRounds
    signer: Hotkey = field(default_factory=lambda: Hotkey(""))
    known: dict[RoundKey, _Compared] = field(default_factory=dict)
    told: str = ""  # the fault that was logged last


class Others:
    """Compares the newest rounds of other validators with the record; each round once.

    Args:
        verify: Checks signatures; ``None`` where this machine cannot.
    """

    def __init__(
        self,
        sources: Sequence[PublishedRounds],
        *,
        schedule: Schedule,
        verify: VerifySignature | None,
    ) -> None:
        self._others = [_Other(source) for source in sources]
        self._schedule = schedule
        self._verify = verify

    def compared(self, reader: PageReader) -> tuple[OtherValidator, ...]:
        """Return the comparison with each of them. A source that fails is named with its fault."""
        return tuple(self._compared(reader, other) for other in self._others)

    def _compared(self, reader: PageReader, other: _Other) -> OtherValidator:
        problem, keys = "", list[RoundKey]()
        try:
            record = PublishedRecord(
                other.source,
                schedule=self._schedule,
                verify=self._verify or _unchecked,
                signer=other.signer or None,
            )
            published = {key: row for row, key in record.rows()}
            for competition in reader.chronicle.competitions:
                ours = reader.chronicle.rounds(competition)[-ROUNDS_COMPARED:]
                for mine in reversed(ours):
                    if mine.key not in published or mine.skipped is not None:
                        continue
                    if mine.key not in other.known:
                        row = published[mine.key]
                        other.known[mine.key] = _compare(reader, record, mine, row)
                        other.signer = record.signer
                    keys.append(mine.key)
        except PortError as error:
            problem = CANNOT_BE_READ if isinstance(error, Unavailable) else NOT_VALID
            if other.told != str(error):  # it names files of this machine, so pages do not have it
                log.warning("%s", error)
                other.told = str(error)
        keys.sort(key=lambda key: (-key.sync_block, key.competition))
        held = [other.known[key] for key in keys]
        return OtherValidator(
            name=one_line(other.source.name.rstrip("/").rpartition("/")[2], 80),
            hotkey=one_line(other.signer, 80),
            uid=reader.uid(other.signer),
            is_verified=None if self._verify is None else bool(held),
            num_compared=len(held),
            num_same_champions=sum(c.is_same_champion for c in held),
            num_same_manifests=sum(c.is_same_manifest for c in held),
            rounds=tuple(
                Agreement(
                    competition=key.competition,
                    round=reader.moment(key.sync_block),
                    champion=None
                    if found.champion is None
                    else reader.model(found.champion, key.competition),
                    is_same_champion=found.is_same_champion,
                    is_same_manifest=found.is_same_manifest,
                    shared=found.shared,
                )
                for key, found in zip(keys, held, strict=True)
            ),
            problem=problem,
        )


def _unchecked(hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
    return True


def _compare(reader: PageReader, record: PublishedRecord, mine: RoundResult, row: int) -> _Compared:
    stated = record.stated(row)
    is_same = mine.manifest_digest == stated.manifest_digest
    return _Compared(
        champion=stated.winner,
        is_same_champion=stated.winner == mine.champion,
        is_same_manifest=is_same,
        shared=1.0 if is_same else _shared(reader.snapshot.drawn(mine.key), record.drawn(mine.key)),
    )


def _shared(ours: Sequence[DrawnRows], theirs: Sequence[DrawnRows]) -> float | None:
    """Return the part of the samples that both drew; ``None`` if one did not keep them."""
    if not ours or not theirs:
        return None
    found = overlaps(_manifests(ours), _manifests(theirs))
    largest = sum(max(o.num_ours, o.num_theirs) for o in found)
    return sum(o.num_shared for o in found) / largest if largest else None


def _manifests(drawn: Sequence[DrawnRows]) -> Manifests:
    return {draw.task: draw.manifest for draw in drawn}
