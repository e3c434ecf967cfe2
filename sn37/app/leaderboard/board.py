"""Leaderboards of any source: the state of this machine, exported rounds, or another machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sn37.app.leaderboard.views import CompetitionView, Overview, ReignLine
from sn37.domain.ids import CompetitionId

# No more is read, because a server elsewhere is not trusted.
MAX_PAGES = 500  # of reigns, 20 each
MAX_REIGNS = 20 * MAX_PAGES
MAX_COMPETITIONS = 32


class Board(Protocol):
    """The two pages that commands print."""

    def overview(self) -> Overview: ...

    def competition(
        self, competition: CompetitionId, reigns_page: int = 1
    ) -> CompetitionView | None: ...


def competitions(board: Board) -> Iterator[CompetitionView]:
    """Yield the page of each competition, by number."""
    cards = sorted(board.overview().competitions, key=lambda card: card.id)
    for card in cards[:MAX_COMPETITIONS]:
        found = board.competition(CompetitionId(card.id))
        if found is not None:
            yield found


def all_reigns(board: Board, first: CompetitionView) -> list[ReignLine]:
    """Return all reigns of a competition, the oldest first.

    A site of files has the newest ones alone.
    """
    found = [*first.reigns]
    for number in range(2, min(first.reigns_page.num_pages, MAX_PAGES) + 1):
        if len(found) >= MAX_REIGNS:
            break
        page = board.competition(CompetitionId(first.card.id), number)
        if page is None or page.reigns_page.number != number:
            break
        found += page.reigns
    return found[:MAX_REIGNS][::-1]
