"""The source over its recorded feed. No test reads the network."""

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from sn1_style_dataset import Questions, Settings, build

from sn37.domain.data.samples import PoolRequest, TimeWindow
from sn37.testing.dataset_contract import DatasetPluginContract, LiveDatasetContract
from sn37.testing.reproducibility import LiveReproducibilityContract

PAGES = {f"https://feed/{f.name}": f.read_bytes() for f in Path(__file__).parent.glob("feed/*")}
SETTINGS = Settings(url="https://feed/1.json")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def silent(url: str) -> bytes:
    raise TimeoutError("no answer")


class TestQuestions(LiveDatasetContract, LiveReproducibilityContract):
    def dataset(self) -> Questions:
        return Questions(SETTINGS, read=PAGES.__getitem__)

    def silent_dataset(self) -> Questions:
        return Questions(SETTINGS, read=silent)

    def partial_dataset(self) -> Questions:
        return Questions(SETTINGS, read=lambda url: PAGES[url] if "1" in url else silent(url))

    def dataset_in_order(self, order: Random) -> Questions:
        rows = [row for page in PAGES.values() for row in json.loads(page)["rows"]]
        page = {"rows": order.sample(rows, len(rows)), "next": ""}
        return Questions(SETTINGS, read=lambda _: json.dumps(page).encode())

    def request(self) -> PoolRequest:
        return PoolRequest(window=TimeWindow(since=NOON, until=NOON.replace(minute=50)))


class TestPlugin(DatasetPluginContract):
    plugin = staticmethod(build)

    def parameters(self) -> dict[str, str]:
        return {"url": "https://example.org/feed/1.json"}

    def wrong_parameters(self) -> dict[str, dict[str, str]]:
        return {"url": {"url": "ftp://example.org"}}
