"""Serving the application until it is stopped."""

from __future__ import annotations

import socket

import uvicorn

from sn37.app.web.guarding import App

STOP_WITHIN_S = 2  # open streams of events are cut then


def serve(app: App, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; the listener is bound already."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
            timeout_keep_alive=20,
            limit_concurrency=500,
            h11_max_incomplete_event_size=16_384,
        )
    )
    server.run(sockets=[listener])
