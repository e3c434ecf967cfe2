"""A leaderboard that is served, and a real Chromium that looks at it.

``make browser`` runs these tests by themselves: the browser's event loop and the tests that need
one of their own do not go together in one process. Screenshots are written to build/screenshots.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from sn37.app.schedule.load import load_schedule
from tests.support.boards import Recorded, served, write_long, write_subnet_of

_T = TypeVar("_T")

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("record")
    (folder / "simnet").mkdir()
    simnet = load_schedule("simnet").schedule  # as the command reads it
    found = apart(write_long(folder / "state.sqlite", simnet))
    write_subnet_of(found)
    return found


def apart(work: Coroutine[Any, Any, _T]) -> _T:
    """Run something asynchronous beside the browser's event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def address(record: Recorded) -> Iterator[str]:
    with served(record.path.parent) as (found, _):
        yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("no chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page, and everything that the browser complained about or fetched elsewhere."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda m: self.complaints.append(m.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))

    def shot(self, name: str, *, is_whole: bool = True) -> None:
        """Write a picture of the whole page, or of what the window shows."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=is_whole)

    def overflow(self) -> int:
        """Return by how many pixels the document is wider than the window."""
        found = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert isinstance(found, int)
        return found
