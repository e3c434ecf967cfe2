"""Addresses of the pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from sn37.app.web.answers import (
    HTML,
    Address,
    Answers,
    Block,
    MaybeNumber,
    Number,
    PageNo,
    Wanted,
)
from sn37.app.web.site import Place, Site


class Pages:
    """Answers with pages of a site."""

    def __init__(self, site: Site, answers: Answers) -> None:
        self.site = site
        self._answers = answers

    async def show(self, request: Request, make: Callable[..., str], **given: object) -> Response:
        """Return the page that a method of the site renders for these arguments."""
        key = ("page", make.__name__, *given.values())
        return await self._answers.get(
            request, key, partial(make, place_of(request), **given), HTML
        )


def place_of(request: Request) -> Place:
    """Return the place of a page that is served."""
    return Place(path=request.url.path, link=str, is_live=True)


def page_routes(site: Site, answers: Answers) -> APIRouter:
    """Return the addresses of all pages."""
    router, pages = APIRouter(include_in_schema=False), Pages(site, answers)
    _add_competitions(router, pages)
    _add_submissions(router, pages)
    for path, make in (
        ("/", site.overview),
        ("/validator", site.validator),
        ("/about", site.about),
        ("/api", site.interface),
    ):
        router.api_route(path, methods=["GET", "HEAD"])(_without_arguments(pages, make))
    return router


def _without_arguments(pages: Pages, make: Callable[..., str]) -> Callable[..., Any]:
    async def page(request: Request) -> Response:
        return await pages.show(request, make)

    return page


def _add_competitions(router: APIRouter, pages: Pages) -> None:
    site = pages.site

    @router.api_route("/competitions/{competition}", methods=["GET", "HEAD"])
    async def competition(request: Request, competition: Number, page: PageNo = 1) -> Response:
        return await pages.show(request, site.competition, competition=competition, page=page)

    @router.api_route("/competitions/{competition}/rounds", methods=["GET", "HEAD"])
    async def rounds(request: Request, competition: Number, page: PageNo = 1) -> Response:
        return await pages.show(request, site.rounds, competition=competition, page=page)

    @router.api_route("/competitions/{competition}/rounds/{block}", methods=["GET", "HEAD"])
    async def round_(request: Request, competition: Number, block: Block) -> Response:
        return await pages.show(request, site.round, competition=competition, block=block)


def _add_submissions(router: APIRouter, pages: Pages) -> None:
    site = pages.site

    @router.api_route("/submissions", methods=["GET", "HEAD"])
    async def submissions(
        request: Request, competition: MaybeNumber = None, page: PageNo = 1
    ) -> Response:
        return await pages.show(request, site.submissions, competition=competition, page=page)

    @router.api_route("/submissions/{hotkey}/{block}", methods=["GET", "HEAD"])
    async def submission(
        request: Request, hotkey: Address, block: Block, page: PageNo = 1
    ) -> Response:
        return await pages.show(request, site.submission, hotkey=hotkey, block=block, page=page)

    @router.api_route("/search", methods=["GET", "HEAD"])
    async def search(request: Request, q: Wanted = "") -> Response:
        return await pages.show(request, site.search, text=q)

    @router.api_route("/miners/{hotkey}", methods=["GET", "HEAD"])
    async def miner(request: Request, hotkey: Address) -> Response:
        return await pages.show(request, site.miner, hotkey=hotkey)
