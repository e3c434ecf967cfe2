"""History of a crown: its holders with their times and predecessors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sn37.domain.ids import Block, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult
from sn37.domain.submission.submission import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """One champion's reign, from its coronation to the coronation of the next."""

    champion: EntryKey
    since: Block  # sync block of the round that crowned it
    predecessor: EntryKey | None = None  # previous champion; None for the first one
    num_rounds: int = 1  # judged rounds after which it held the crown
    until: Block | None = None  # sync block of the round that ended it; None while it reigns
    # Why it could not compete when the crown passed on; None while it reigns or if it was beaten.
    lost_by: Reason | None = None


def reigns(rounds: Sequence[RoundResult]) -> tuple[Reign, ...]:
    """Return the reigns of one competition, the oldest first.

    Rounds that were sat out do not end a reign and do not count. A champion that returns begins
    a new reign.

    Args:
        rounds: Recorded rounds by sync block.
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
    """Return why a former champion could not compete in the round that crowned another."""
    row = next((e for e in round_.entries if e.key == champion), None)
    return None if row is None or row.verdict is Verdict.SCORED else row.reason
