"""Killed at any moment, a process that writes events leaves whole lines and loses none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

from sn37.adapters.telemetry.event_files import event_files

WRITER = """
import sys
from pathlib import Path
from sn37.adapters.telemetry.jsonl import JsonlSink
from sn37.domain.events import SetUpAdvanced
first = int(sys.argv[2])
sink = JsonlSink(Path(sys.argv[1]), max_bytes=2_000)
for number in range(first, first + 100_000):
    sink.emit(SetUpAdvanced(what="x" * 100, done=number, total=0))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""
KILLS = 25


def test_a_kill_while_files_are_finished_loses_and_tears_no_line(tmp_path: Path) -> None:
    path, draw, following = tmp_path / "events.jsonl", Random(3), 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(following)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            for _ in range(draw.randrange(1, 60)):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            said = writer.stdout.read().splitlines()
        files = event_files(path)
        lines = b"".join(file.read_bytes() for file in files).splitlines()
        numbers = [json.loads(line)["done"] for line in lines]
        assert not said or numbers[-1] >= int(said[-1])
        following = numbers[-1] + 1
    assert len(event_files(path)) > 4, "files were finished meanwhile"
    assert all(file.stat().st_size < 2_500 for file in event_files(path))
