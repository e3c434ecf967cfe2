"""A model host on 127.0.0.1 that speaks what the ``huggingface_hub`` client asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from tests.integration.hub.hub_handler import Handler
from tests.integration.hub.hub_state import Hub


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that was killed may leave a thread in a slow answer
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients are killed and faults cut connections: both are what the tests are about."""


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that answers until the context is left."""
    hub = Hub()
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    with _Server(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
