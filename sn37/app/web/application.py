"""The web application of the leaderboard: its addresses, its limits and its errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

import sn37
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.web.answers import HTML, JSON, Answers, response
from sn37.app.web.document_routes import document_routes
from sn37.app.web.documents import Documents, dumped
from sn37.app.web.guarding import App, ConfiningHeaders, RateLimit, client_of
from sn37.app.web.live import Streams
from sn37.app.web.operations import PREFIX
from sn37.app.web.page_cache import answer
from sn37.app.web.page_routes import page_routes, place_of
from sn37.app.web.site import NotFoundError, Site
from sn37.ports.errors import PortError, StateUnreadable

log = logging.getLogger(__name__)

ASSETS = {
    "style.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def web_application(
    leaderboard: Leaderboard,
    *,
    rate: float,
    burst: int,
    is_stopping: Callable[[], bool] = lambda: False,
) -> App:
    """Return the application for an ASGI server.

    Args:
        rate: Requests a second that one client may make over time.
        burst: Requests that one client may make at once; a page is three.
        is_stopping: Returns true when the server is being stopped, and open streams must end.
    """
    # Around the framework's own handler of faults, so that their pages are confined, too.
    app = _application(leaderboard, Streams(leaderboard.stamp, is_stopping))
    return ConfiningHeaders(RateLimit(app, rate=rate, burst=burst))


def description(leaderboard: Leaderboard) -> dict[str, Any]:
    """Return the OpenAPI description of the JSON interface."""
    return _application(leaderboard, Streams(leaderboard.stamp, lambda: True)).openapi()


def _application(leaderboard: Leaderboard, streams: Streams) -> FastAPI:
    app = FastAPI(
        title="sn37 leaderboard",
        version=sn37.__version__,
        docs_url=None,  # these two load scripts of others
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
    )
    site, answers = Site(leaderboard), Answers(leaderboard.stamp)
    app.include_router(page_routes(site, answers))
    app.include_router(document_routes(Documents(leaderboard), answers))
    _add_events(app, streams)
    _add_assets(app)
    _add_errors(app, site)
    return app


def asset(name: str) -> bytes:
    """Return a file that pages load."""
    return (files("sn37.app.web") / "assets" / name).read_bytes()


def _add_events(app: FastAPI, streams: Streams) -> None:
    @app.get("/events", include_in_schema=False)
    async def events(request: Request) -> Response:
        client = client_of(request.scope)
        if not streams.has_room_for(client):
            raise HTTPException(503, "too many open pages")
        return StreamingResponse(
            streams.events(client),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )


def _add_assets(app: FastAPI) -> None:
    made = {name: answer(asset(name), media_type) for name, media_type in ASSETS.items()}

    @app.get("/assets/{name}", include_in_schema=False)
    async def assets(request: Request, name: str) -> Response:
        if name not in made:
            raise HTTPException(404, "This file does not exist.")
        return response(request, made[name])


def _add_errors(app: FastAPI, site: Site) -> None:
    def failed(request: Request, status: int, message: str) -> Response:
        if request.url.path.startswith("/api/"):
            body, media_type = dumped({"error": message}), JSON
        else:
            body, media_type = site.error(place_of(request), status, message).encode(), HTML
        return Response(
            body,
            status_code=status,
            headers={"content-type": media_type, "cache-control": "no-store"},
        )

    @app.exception_handler(NotFoundError)
    async def not_found(request: Request, error: NotFoundError) -> Response:
        return failed(request, 404, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return failed(request, 404, "This page does not exist: a part of its address is not valid.")

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        known = {404: "This page does not exist.", 405: "This address is for reading only."}
        return failed(request, error.status_code, known.get(error.status_code, error.detail))

    @app.exception_handler(PortError)
    async def unreadable(request: Request, error: PortError) -> Response:
        log.warning("%s", error)  # the message names files of this machine
        is_damaged = isinstance(error, StateUnreadable)
        why = "is damaged or of a newer version" if is_damaged else "cannot be read now; try again"
        return failed(request, 503, f"The validator's record {why}.")

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return failed(request, 500, "This page has a fault of ours; the operator's log has it.")
