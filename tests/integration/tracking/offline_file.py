"""Reading the client's offline files: LevelDB log blocks of protocol messages after 7 bytes.

The format of fragments: https://github.com/google/leveldb/blob/main/doc/log_format.md
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

_HEADER, _BLOCK = 7, 32_768
_FULL, _LAST = 1, 4


def read_run(path: Path) -> dict[str, Any]:
    """Return the name, project, config and rows of an offline run."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    found: dict[str, Any] = {"rows": []}
    for payload in _payloads(path.read_bytes()):
        record = Record()
        record.ParseFromString(payload)
        if record.HasField("run"):
            run = record.run
            found.update(id=run.run_id, name=run.display_name, project=run.project)
            found["config"] = {
                item.key: json.loads(item.value_json)
                for item in run.config.update
                if item.key != "_wandb"
            }
        if record.HasField("history"):
            found["rows"].append(_row(record.history))
    return found


def _payloads(content: bytes) -> list[bytes]:
    found, part, place = [], b"", _HEADER
    while place + 7 <= len(content):
        if (left := _BLOCK - place % _BLOCK) < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        part += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (_FULL, _LAST):
            found.append(part)
            part = b""
    return found


def _row(history: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for item in history.item:
        *outer, last = item.nested_key or [item.key]
        inside = row
        for name in outer:
            inside = inside.setdefault(name, {})
        inside[last] = json.loads(item.value_json)
    return row


def read_back(path: Path) -> dict[str, Any]:
    """Read an offline file in another process."""
    command = [sys.executable, __file__, str(path)]
    return dict(json.loads(subprocess.check_output(command)))


def offline_files(folder: Path, run_id: str) -> list[Path]:
    return sorted(folder.glob(f"wandb/offline-run-*-{run_id}/run-{run_id}.wandb"))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(read_run(Path(sys.argv[1]))))
