"""Hostile repositories against the store: each gets its own reason and leaves no trace.

They are judged as a validator judges them: by a transfer process that cannot take over 300 MB
and that a deadline ends. How long it really takes, `python -m tests.soak.hub_zoo` measures.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.transfer_messages import Connection, FetchOrder, decode_report, encode_order
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected
from tests.integration.hub.hostile_repositories import Hostile, publish_hostile, zoo
from tests.integration.hub.hub_models import LIMITS, committed
from tests.integration.hub.hub_state import Hub

ZOO = zoo()
MAX_REQUESTS = 40  # of a hundred shards, the one with a tensor too many is the 33rd
MAX_BYTES = 5_000_000  # of files: a header is read twice before it is refused
MAX_PROCESSOR_S = 5.0  # of the transfer process; what others take of a busy machine is not ours
LESS_MEMORY = """
from sn37.adapters.hub import worker
worker.MAX_MEMORY_BYTES = 64 << 20
worker.main()
"""


def processor_s() -> float:
    """Of all processes of this one that have ended, transfers among them."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def files_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("hostile", ZOO, ids=lambda h: h.name.replace(" ", "-"))
async def test_t04_t10_t11_t12_t13_t19_t20_t21_t22_t23_a_hostile_repository_has_its_own_reason(
    hostile: Hostile, hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    revision = publish_hostile(hub, hostile, tmp_path)
    before, taken_s = files_below(tmp_path), processor_s()
    with pytest.raises(ModelRejected, match=hostile.says or None) as caught:
        await open_store().fetch(committed(hub, "eve/model", revision), LIMITS)
    assert caught.value.reason is hostile.reason
    assert str(caught.value).isprintable()
    assert processor_s() - taken_s < MAX_PROCESSOR_S
    assert files_below(tmp_path) == before
    assert hub.file_bytes() < MAX_BYTES
    assert len(hub.served) < MAX_REQUESTS


@pytest.mark.fault("transfer", "out of memory")
def test_t21_what_takes_more_memory_than_a_transfer_may_is_the_miners(
    hub: Hub, tmp_path: Path
) -> None:
    (pieces,) = (hostile for hostile in ZOO if hostile.name == "t23 header of small pieces")
    revision = publish_hostile(hub, pieces, tmp_path)
    order = FetchOrder(
        commitment=committed(hub, "eve/model", revision),
        constraints=LIMITS,
        partial=str(tmp_path / "cache" / "partial"),
        home=str(tmp_path / "cache" / "home"),
        room_bytes=LIMITS.max_bytes,
    )
    with subprocess.Popen(
        [sys.executable, "-c", LESS_MEMORY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as transfer:
        assert transfer.stdin is not None
        assert transfer.stdout is not None
        transfer.stdin.write(encode_order(Connection(endpoint=hub.url), order))
        transfer.stdin.flush()  # and it stays open: its end is the end of the process
        report = decode_report(transfer.stdout.read())
    assert isinstance(report, ModelRejected)
    assert report.reason is Reason.MEMORY
    assert "more memory than a transfer process may use" in str(report)
    assert not files_below(tmp_path / "cache")


def test_the_zoo_is_large_and_its_names_are_unique() -> None:
    names = [hostile.name for hostile in ZOO]
    assert len(set(names)) == len(names) >= 30
