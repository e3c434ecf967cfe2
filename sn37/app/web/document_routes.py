"""Addresses of the JSON interface."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response

from sn37.app.web import operations
from sn37.app.web.answers import (
    JSON,
    Address,
    Answers,
    Block,
    MaybeNumber,
    Number,
    PageNo,
    Wanted,
)
from sn37.app.web.documents import Documents
from sn37.app.web.operations import PREFIX, Operation

_F = TypeVar("_F", bound=Callable[..., Any])


class Interface:
    """Answers with operations."""

    def __init__(self, router: APIRouter, made: Documents, answers: Answers) -> None:
        self.made = made
        self._router = router
        self._answers = answers

    def at(self, operation: Operation) -> Callable[[_F], _F]:
        """Return the decorator of the function that answers at an operation's address."""
        shown: dict[int | str, dict[str, Any]] = {404: {"description": "not in this record"}}
        if operation.model is not None:
            shown[200] = {"model": operation.model}
        return self._router.get(
            operation.path,
            summary=operation.summary,
            responses=shown,
            response_class=Response,
        )

    async def show(self, request: Request, make: Callable[..., bytes], **given: object) -> Response:
        """Return the document that a method makes for these arguments."""
        key = ("json", make.__name__, *given.values())
        return await self._answers.get(request, key, partial(make, **given), JSON)

    async def download(
        self, request: Request, make: Callable[..., bytes], name: str, **given: object
    ) -> Response:
        """Return a document to save under a name."""
        key = ("file", make.__name__, *given.values())
        return await self._answers.get(request, key, partial(make, **given), JSON, file_name=name)


def document_routes(made: Documents, answers: Answers) -> APIRouter:
    """Return the addresses of all operations."""
    router = APIRouter(prefix=PREFIX)
    interface = Interface(router, made, answers)
    _add_competitions(interface)
    _add_rounds(interface)
    _add_submissions(interface)
    return router


def _add_competitions(interface: Interface) -> None:
    made = interface.made

    @interface.at(operations.OVERVIEW)
    async def overview(request: Request) -> Response:
        return await interface.show(request, made.overview)

    @interface.at(operations.COMPETITION)
    async def competition(request: Request, competition: Number, page: PageNo = 1) -> Response:
        return await interface.show(request, made.competition, competition=competition, page=page)

    @interface.at(operations.ROUNDS)
    async def rounds(request: Request, competition: Number, page: PageNo = 1) -> Response:
        return await interface.show(request, made.rounds, competition=competition, page=page)

    @interface.at(operations.VALIDATOR)
    async def validator(request: Request) -> Response:
        return await interface.show(request, made.validator)


def _add_rounds(interface: Interface) -> None:
    made = interface.made

    @interface.at(operations.ROUND)
    async def round_(request: Request, competition: Number, block: Block) -> Response:
        return await interface.show(request, made.round, competition=competition, block=block)

    @interface.at(operations.STATEMENT)
    async def statement(request: Request, competition: Number, block: Block) -> Response:
        return await interface.download(
            request, made.statement, "statement.json", competition=competition, block=block
        )

    @interface.at(operations.RECEIPT)
    async def receipt(
        request: Request, competition: Number, block: Block, hotkey: Address, committed: Block
    ) -> Response:
        is_plain = hotkey.isascii() and hotkey.isalnum()
        return await interface.download(
            request,
            made.receipt,
            f"{hotkey}-{committed}.json" if is_plain else "receipt.json",
            competition=competition,
            block=block,
            hotkey=hotkey,
            committed=committed,
        )


def _add_submissions(interface: Interface) -> None:
    made = interface.made

    @interface.at(operations.SUBMISSIONS)
    async def submissions(
        request: Request, competition: MaybeNumber = None, search: Wanted = "", page: PageNo = 1
    ) -> Response:
        if search:
            return await interface.show(request, made.search, text=search)
        return await interface.show(request, made.submissions, competition=competition, page=page)

    @interface.at(operations.SUBMISSION)
    async def submission(
        request: Request, hotkey: Address, block: Block, page: PageNo = 1
    ) -> Response:
        return await interface.show(request, made.submission, hotkey=hotkey, block=block, page=page)

    @interface.at(operations.MINER)
    async def miner(request: Request, hotkey: Address) -> Response:
        return await interface.show(request, made.miner, hotkey=hotkey)
