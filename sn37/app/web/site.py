"""The pages as HTML, for the server and for the static site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

import sn37
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.leaderboard.page_reader import explained
from sn37.app.leaderboard.submission_page import SUBMISSIONS_A_PAGE
from sn37.app.leaderboard.views import Moment
from sn37.app.web import drawing
from sn37.app.web.operations import OPERATIONS, PREFIX
from sn37.domain.ids import BLOCK_SECONDS, Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import MEANINGS
from sn37.domain.schedule.schedule import WINDOW_ROUNDS

# Returns the address of a page from its path, such as "/competitions/1".
Link = Callable[[str], str]

ROUNDS_WRITTEN = 100  # to files, the newest of each competition
SUBMISSION_PAGES = 40  # to files

NOTHING = "\N{EN DASH}"


class NotFoundError(LookupError):
    """A page does not exist; the message says in one line what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page is: its path, and how it links to others."""

    path: str
    link: Link
    is_live: bool  # served by the application, which can search and report changes


class Site:
    """Renders each page of a leaderboard.

    Every method may raise ``StateUnavailable`` and ``StateUnreadable``; those with arguments
    raise ``NotFoundError`` for what is not recorded.
    """

    def __init__(self, leaderboard: Leaderboard) -> None:
        self._leaderboard = leaderboard
        self._environment = Environment(
            loader=PackageLoader("sn37.app.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            short=drawing.short,
            plain=drawing.with_short_addresses,
            date=date,
            score=score,
            percent=percent,
            number=number,
        )
        self._environment.globals.update(
            draw=drawing, version=sn37.__version__, network=leaderboard.network
        )

    def overview(self, place: Place) -> str:
        return self._render("overview.html", place, view=self._leaderboard.overview())

    def competition(self, place: Place, competition: int, page: int = 1) -> str:
        view = self._leaderboard.competition(CompetitionId(competition), page)
        if view is None:
            raise NotFoundError(f"Competition {competition} does not exist.")
        return self._render("competition.html", place, view=view)

    def rounds(self, place: Place, competition: int, page: int = 1) -> str:
        view = self._leaderboard.rounds(CompetitionId(competition), page)
        if view is None:
            raise NotFoundError(f"Competition {competition} does not exist.")
        return self._render("rounds.html", place, view=view)

    def round(self, place: Place, competition: int, block: int) -> str:
        view = self._leaderboard.round(CompetitionId(competition), Block(block))
        if view is None:
            raise NotFoundError(f"Competition {competition} has no round at block {block}.")
        return self._render("round.html", place, view=view)

    def submission(self, place: Place, hotkey: str, block: int, page: int = 1) -> str:
        view = self._leaderboard.submission(EntryKey(Hotkey(hotkey), Block(block)), page)
        if view is None:
            raise NotFoundError("This submission is not in this validator's record.")
        return self._render("submission.html", place, view=view)

    def submissions(self, place: Place, competition: int | None, page: int = 1) -> str:
        known = None if competition is None else CompetitionId(competition)
        view = self._leaderboard.submissions(known, page)
        return self._render("submissions.html", place, view=view, competition=competition)

    def search(self, place: Place, text: str) -> str:
        view = self._leaderboard.search(text)
        return self._render("submissions.html", place, view=view, competition=None)

    def miner(self, place: Place, hotkey: str) -> str:
        view = self._leaderboard.miner(Hotkey(hotkey))
        if view is None:
            raise NotFoundError("This hotkey has no submission in this validator's record.")
        return self._render("miner.html", place, view=view)

    def validator(self, place: Place) -> str:
        return self._render("validator.html", place, view=self._leaderboard.validator())

    def about(self, place: Place) -> str:
        timing = self._leaderboard.schedule.timing
        reasons = [(*explained(reason), reason.blame.value) for reason in MEANINGS]
        return self._render(
            "about.html",
            place,
            reasons=reasons,
            cadence_minutes=timing.cadence * BLOCK_SECONDS // 60,
            window_rounds=WINDOW_ROUNDS,
            rounds_written=ROUNDS_WRITTEN,
            submissions_written=SUBMISSION_PAGES * SUBMISSIONS_A_PAGE,
        )

    def interface(self, place: Place) -> str:
        """Return the page on the JSON interface."""
        return self._render("api.html", place, operations=OPERATIONS, prefix=PREFIX)

    def error(self, place: Place, status: int, message: str) -> str:
        """Return a page with one line; it reads nothing."""
        return self._render("error.html", place, status=status, message=message)

    def _render(self, template: str, place: Place, **values: object) -> str:
        return self._environment.get_template(template).render(
            place=place, link=place.link, **values
        )


def date(moment: Moment | datetime | None) -> str:
    """Return a time to the minute; a block if its time is not known."""
    if moment is None:
        return NOTHING
    if isinstance(moment, datetime):
        return f"{moment:%Y-%m-%d %H:%M}"
    return f"block {moment.block:,}" if moment.at is None else f"{moment.at:%Y-%m-%d %H:%M}"


def score(value: float | None) -> str:
    """Return a score with four digits."""
    return NOTHING if value is None else f"{value:.4f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in percent."""
    return NOTHING if value is None else f"{value:.{digits}%}"


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with separators."""
    return NOTHING if value is None else f"{value:,.{digits}f}"
