"""What a miner may write into a model's folder to stop generation early, late or by the clock."""

from __future__ import annotations

import json
from pathlib import Path


def edit(path: Path, **fields: object) -> None:
    """Change fields of a JSON file, which may not exist yet."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **fields}))


def every_token_stops(folder: Path) -> None:
    edit(folder / "generation_config.json", eos_token_id=list(range(256)), max_new_tokens=1)


def nothing_stops(folder: Path) -> None:
    edit(folder / "generation_config.json", eos_token_id=None, max_length=1, min_length=10_000)


def texts_and_a_clock_stop(folder: Path) -> None:
    edit(folder / "generation_config.json", stop_strings=["e", " "], max_time=0.001)
