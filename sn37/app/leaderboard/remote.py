"""The leaderboard of another machine: the values of its pages, read from its JSON interface.

Its server is not trusted. Answers are bounded, have the shape of our own views, and their texts are
made printable as ours are. They are not checked against anything else, but for what they are of.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from sn37.app.leaderboard.page_reader import explained
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
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.printable import one_line
from sn37.domain.reasons import Reason
from sn37.ports.errors import LeaderboardRefused
from sn37.ports.leaderboard_documents import LeaderboardDocuments
from sn37.wrong_values import reason

_View = TypeVar("_View")

MAX_TEXT = 500  # characters; our own texts are shorter
MAX_NUMBER = 2**63
MAX_DEPTH = 16  # of lists and objects in each other


class RemoteLeaderboard:
    """Pages of a leaderboard that somebody else serves.

    Methods without ``None`` in their type raise ``LeaderboardRefused`` when the document does not
    exist. All may raise it for a document that is not as this version reads it, and
    ``LeaderboardUnavailable``.
    """

    def __init__(self, documents: LeaderboardDocuments) -> None:
        self._documents = documents

    @property
    def name(self) -> str:
        """Its address."""
        return self._documents.name

    def overview(self) -> Overview:
        return self._needed(Overview, "/overview")

    def competition(
        self, competition: CompetitionId, reigns_page: int = 1
    ) -> CompetitionView | None:
        path = f"/competitions/{competition}"
        found = self._read(CompetitionView, path, page=reigns_page)
        return self._asked(path, found, lambda view: view.card.id == competition)

    def rounds(self, competition: CompetitionId, page: int = 1) -> RoundList | None:
        return self._read(RoundList, f"/competitions/{competition}/rounds", page=page)

    def round(self, competition: CompetitionId, sync_block: Block) -> RoundView | None:
        return self._read(RoundView, f"/competitions/{competition}/rounds/{sync_block}")

    def submissions(self, competition: CompetitionId | None, page: int = 1) -> SubmissionList:
        query = {} if competition is None else {"competition": int(competition)}
        return self._needed(SubmissionList, "/submissions", page=page, **query)

    def search(self, text: str) -> SubmissionList:
        return self._needed(SubmissionList, "/submissions", search=text)

    def submission(self, key: EntryKey, page: int = 1) -> SubmissionView | None:
        path = f"/submissions/{key.hotkey}/{key.block}"
        found = self._asked(
            path,
            self._read(SubmissionView, path, page=page),
            lambda view: (view.model.hotkey, view.model.committed.block) == (key.hotkey, key.block),
        )
        return None if found is None else _with_our_advice(found)

    def miner(self, hotkey: Hotkey) -> MinerView | None:
        path = f"/miners/{hotkey}"
        return self._asked(path, self._read(MinerView, path), lambda view: view.hotkey == hotkey)

    def validator(self) -> ValidatorView:
        return self._needed(ValidatorView, "/validator")

    def _asked(
        self, path: str, found: _View | None, is_asked: Callable[[_View], bool]
    ) -> _View | None:
        """Return a view that is of what was asked for."""
        if found is not None and not is_asked(found):
            raise LeaderboardRefused(f"{self.name}/api/v1{path}: the document is of something else")
        return found

    def _needed(self, shape: type[_View], path: str, **query: str | int) -> _View:
        found = self._read(shape, path, **query)
        if found is None:
            raise LeaderboardRefused(f"{self.name}: not a leaderboard: it has no /api/v1{path}")
        return found

    def _read(self, shape: type[_View], path: str, **query: str | int) -> _View | None:
        content = self._documents.document(path, **query)
        if content is None:
            return None
        where = f"{self.name}/api/v1{path}"
        try:
            values = json.dumps(_cleaned(json.loads(content), MAX_DEPTH), allow_nan=False)
            found: _View = TypeAdapter(shape).validate_json(values, strict=True)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = one_line(".".join(map(str, problem["loc"])), 80)
            raise LeaderboardRefused(
                f"{where}: not a document of a leaderboard: {place}: {reason(problem)}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise LeaderboardRefused(
                f"{where}: not a document of a leaderboard: {one_line(str(error), 100)}"
            ) from error
        return found


def _with_our_advice(view: SubmissionView) -> SubmissionView:
    """Replace a reason's meaning and remedy by ours: a stranger's remedy may be a trap."""
    known = next((reason for reason in Reason if reason.value == view.reason), None)
    _, means, remedy = explained(known)
    return replace(view, meaning=means, remedy=remedy)


def _cleaned(value: Any, depth: int) -> Any:
    """Return parsed JSON with every text on one printable, bounded line.

    Raises:
        ValueError: It is deeper, or has larger whole numbers, than any document of ours.
    """
    if isinstance(value, str):
        return one_line(value, MAX_TEXT)
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise ValueError("a number beyond 64 bits")
    if isinstance(value, list | dict) and depth == 0:
        raise ValueError(f"more than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_cleaned(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {name: _cleaned(item, depth - 1) for name, item in value.items()}
    return value
