"""Who held a crown, from when to when, and after whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sn37.domain.ids import Block, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult
from sn37.domain.submission.submission import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """One champion's time, from its coronation to the coronation of the next."""

    champion: EntryKey
    since: Block  # sync block of the round that crowned it
    predecessor: EntryKey | None = None  # whom it followed; None for the first champion
    num_rounds: int = 1  # judged rounds after which it held the crown
    until: Block | None = None  # sync block of the round that ended it; None while it reigns
    # Why it was left out when the crown passed on; None while it reigns and when it was beaten.
    lost_by: Reason | None = None


def reigns(rounds: Sequence[RoundResult]) -> tuple[Reign, ...]:
    """The lineage of one competition's crown, oldest first.

    Rounds that were sat out end no reign and are not counted. A champion that comes back begins
    a new reign.

    Args:
        rounds: By sync block, as they are recorded.
    """
    found: list[Reign] = []
    for round_ in rounds:
        if round_.skipped is not None:
            continue
        last = found[-1] if found and found[-1].until is None else None
        if last is not None:
            if last.champion == round_.champion:
                found[-1] = replace(last, num_rounds=last.num_rounds + 1)
                continue
            found[-1] = replace(
                last, until=round_.key.sync_block, lost_by=_lost_by(last.champion, round_)
            )
        if round_.champion is not None:
            found.append(
                Reign(
                    champion=round_.champion,
                    since=round_.key.sync_block,
                    predecessor=found[-1].champion if found else None,
                )
            )
    return tuple(found)


def _lost_by(champion: EntryKey, round_: RoundResult) -> Reason | None:
    """What kept a former champion from being heard in the round that crowned another."""
    row = next((e for e in round_.entries if e.key == champion), None)
    return None if row is None or row.verdict is Verdict.SCORED else row.reason
