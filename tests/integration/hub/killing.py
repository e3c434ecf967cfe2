"""Downloads and uploads that are killed at random moments and started again."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path, PurePath

from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.publisher import HubPublisher
from sn37.adapters.hub.transfer_messages import Connection
from sn37.ports.errors import StoreUnavailable
from tests.integration.hub.hub_models import LIMITS, publish, write_model
from tests.integration.hub.hub_state import Hub
from tests.support.processes import children_of

_WORKER = b"sn37.adapters.hub.worker"


def transfers_of(pid: int) -> list[int]:
    """Transfer processes of a process."""
    return [child for child in children_of(pid) if _is_worker(child)]


def _is_worker(pid: int) -> bool:
    try:
        return _WORKER in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return False


class Killer:
    """Kills the transfers of this process at the nth request or block that the hub sees."""

    def __init__(self, hub: Hub) -> None:
        self.left = 0
        self._lock = threading.Lock()
        hub.on_event = self._event

    def _event(self) -> None:
        with self._lock:
            self.left -= 1
            if self.left == 0:
                for pid in transfers_of(os.getpid()):
                    os.kill(pid, signal.SIGKILL)


def content(folder: PurePath) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def complete_files(cache: Path, model: Path) -> set[str]:
    """Names of files that a left-over transfer holds in full."""
    sizes = {path.name: path.stat().st_size for path in model.iterdir()}
    return {p.name for p in cache.glob("partial/*/*/*") if p.stat().st_size == sizes[p.name]}


async def kill_downloads(hub: Hub, root: Path, kills: int) -> int:
    """Fetch a model again and again, until so many transfers have been killed; count the kills.

    After each kill what the cache shows is whole or nothing, no file that had arrived in full
    is asked for again, and in the end the model is there.
    """
    model = write_model(root / "model", size=640, shards=6)  # 5 MB: 80 blocks and requests
    commitment = publish(hub, "alice/model", model)
    whole = content(model)
    del whole["README.md"]
    killer, moments = Killer(hub), random.Random(37)
    killed = number = 0
    while killed < kills:
        number += 1
        cache, artifact = root / f"cache-{number}", None
        store = HubModelStore(cache, connection=_connection(hub))
        while artifact is None:
            killer.left = moments.randint(1, 30) if killed < kills else 0
            asked_before = len(hub.served)
            done = complete_files(cache, model)
            try:
                artifact = await store.fetch(commitment, LIMITS)
            except StoreUnavailable as error:
                assert "died" in str(error)  # noqa: PT017 - a kill may come too late
                killed += 1
            assert all(content(shown) == whole for shown in cache.glob("models/*/files"))
            asked = {s.path.rsplit("/", 1)[1] for s in hub.served[asked_before:]}
            assert not asked & done
        assert content(artifact.path) == whole
        assert not list((cache / "partial").iterdir())
        assert number <= kills, "the kills come too late"
    return killed


async def kill_uploads(hub: Hub, root: Path, kills: int) -> int:
    """Publish models one after the other, until so many uploads were killed; count the kills.

    In the end the hub holds what the folders hold, and got each large file once.
    """
    hub.tokens["hf_alice"] = "alice"
    publisher = HubPublisher(_connection(hub, token="hf_alice"))
    killer, moments = Killer(hub), random.Random(37)
    killed = number = 0
    while killed < kills:
        number += 1
        folder = write_model(root / f"model-{number}", number, shards=3)
        repo, answer = f"alice/model-{number}", None
        while answer is None:
            killer.left = moments.randint(1, 14) if killed < kills else 0
            try:
                answer = await publisher.upload(folder, repo, LIMITS)
            except StoreUnavailable as error:
                assert "died" in str(error)  # noqa: PT017 - a kill may come too late
                killed += 1
        held = hub.repositories[repo].revisions[answer[0]]
        assert {path: held[path].data for path in content(folder)} == content(folder)
        assert number <= kills, "the kills come too late"
    # A file that a kill cut off is refused by the hub, and sent again.
    sent = [s.path for s in hub.served if s.method == "PUT" and s.status == 200]
    assert len(sent) == len(set(sent))
    return killed


def _connection(hub: Hub, *, token: str = "hf_validator") -> Connection:
    return Connection(endpoint=hub.url, token=token, pause_s=0.01)
