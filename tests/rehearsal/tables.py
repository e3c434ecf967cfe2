"""The data sets and the tokenizer that the schedule names, as repositories of our own hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sn37.testing.tiny_models import save_tokenizer
from tests.integration.dataset.hub_tables import parquet
from tests.integration.hub.hub_repositories import HubFile, hub_files
from tests.integration.hub.hub_state import Hub
from tests.rehearsal import texts

Row = Mapping[str, object]

NUM_SHARDS, SHARD_ROWS, GROUP_ROWS = 3, 400, 50
TOKENIZER = "Xenova/gpt-4"


def publish_tables(hub: Hub) -> None:
    """Publish one repository for each table of the schedule, with the columns of its card."""
    for repo, path, row in (
        (
            "HuggingFaceFW/fineweb-edu-score-2",
            "data/CC-MAIN-2024-10/train-{:05d}-of-{:05d}.parquet",
            _page,
        ),
        ("PrimeIntellect/SYNTHETIC-1-SFT-Data", "data/train-{:05d}-of-{:05d}.parquet", _messages),
        ("open-r1/codeforces-cots", "solutions/train-{:05d}-of-{:05d}.parquet", _solution),
    ):
        shards = {path.format(n, NUM_SHARDS): _shard(n, row) for n in range(NUM_SHARDS)}
        hub.publish(repo, {name: HubFile(data, lfs=True) for name, data in shards.items()})


def publish_tokenizer(hub: Hub, scratch: Path) -> None:
    """Publish the tokenizer that the first competitions prescribe."""
    scratch.mkdir(parents=True)
    save_tokenizer(scratch)
    hub.publish(TOKENIZER, hub_files(scratch))


def _shard(number: int, row: Callable[[int], Row]) -> bytes:
    first = number * SHARD_ROWS
    return parquet([row(first + n) for n in range(SHARD_ROWS)], group_rows=GROUP_ROWS)


def _page(number: int) -> Row:
    return {
        "text": texts.page(number),
        "id": f"<urn:uuid:{number}>",
        "dump": "CC-MAIN-2024-10",
        "url": f"https://example.org/{number}",
        "language": "en",
        "token_count": len(texts.page(number)) // 4,
        "score": 2.5,
    }


def _messages(number: int) -> Row:
    return {
        "problem_id": f"problem-{number}",
        "messages": [
            {"role": "user", "content": texts.question(number + 5_000)},
            {"role": "assistant", "content": texts.answer(number + 5_000)},
        ],
        "score": 1.0,
    }


def _solution(number: int) -> Row:
    return {
        "id": f"{number}/A",
        "title": f"Problem {number}",
        "prompt": texts.question(number + 9_000),
        "generation": texts.answer(number + 9_000),
    }
