"""A plug-in that is checked in other processes leaves nothing behind, whatever it starts."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from sn37.app.data_tools import other_process
from sn37.app.data_tools.other_process import answers_elsewhere
from sn37.app.data_tools.reader import Reader
from sn37.app.wiring.machine import ask_elsewhere
from sn37.domain.ids import Seed
from sn37.ports.errors import DatasetUnavailable
from sn37.testing.builders import a_source

LIMIT_S = 10.0  # time for the plug-in to start its child, before it is ended
PATIENCE_S = 60.0
PLUGIN = """
import subprocess, sys
from pathlib import Path
from sn37.dataset_plugin import NoParameters, StaticPlugin

DEAF = '''
import signal
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
print("deaf", flush=True)
signal.pause()
'''

class Static:
    def __init__(self, settings):
        pass
    async def draw(self, *, count, seed):
        print("a plug-in may print")
        child = subprocess.Popen(
            [sys.executable, "-c", DEAF], stdout=subprocess.PIPE, start_new_session=True)
        child.stdout.readline()
        Path(__file__).with_name("pids").write_text(str(child.pid))
        if seed == 1:
            child.wait()
        return ()

def build():
    return StaticPlugin(name="t_parent", parameters=NoParameters, connect=Static)
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sn37_test_parent.py").write_text(PLUGIN)
    info = tmp_path / "parent-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parent\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sn37.datasets]\nt_parent = sn37_test_parent:build\n")


READER = Reader(source=a_source("t_parent"), deadline_s=PATIENCE_S)


def assert_gone(folder: Path) -> None:
    try:
        handle = os.pidfd_open(int((folder / "pids").read_text()))
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], 0)[0], "what the plug-in started is still there"
    finally:
        os.close(handle)


async def test_a_plug_in_that_hangs_leaves_no_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_process, "START_S", LIMIT_S - PATIENCE_S)
    with pytest.raises(DatasetUnavailable, match="t_parent: in another process: it did not answer"):
        await answers_elsewhere(READER, ask_elsewhere, count=0, seed=Seed(1))
    assert_gone(tmp_path)


async def test_a_plug_in_that_answers_leaves_no_process_of_its_own(tmp_path: Path) -> None:
    answers = await answers_elsewhere(READER, ask_elsewhere, count=0, seed=Seed(2))
    assert [answer for _, answer in answers] == [[], []]
    assert_gone(tmp_path)
