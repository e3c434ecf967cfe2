"""The leaderboard in a real browser: every page, phone width, dark, without JavaScript, live."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.testing.builders import a_commitment, a_round_key, a_round_result, a_submission
from tests.browser.conftest import Watched, apart
from tests.support.boards import EACH, HOSTILE, Recorded, crowned, served, sync, write_hostile

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WINDOW = {"width": 1000, "height": 640}  # of the pictures in docs
PAPER = {"width": 718, "height": 1_047}  # CSS pixels of A4 with margins of 1 cm
DOCS = Path(__file__).parents[2] / "docs"
SERVED_AT = "http://127.0.0.1:8037/"  # by default
READ_MS = 30_000
# WCAG 2.1, success criterion 1.4.3: text against its background.
CONTRAST = 4.5


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Any]:
    contexts = []

    def opened(url: str, **options: Any) -> Watched:
        context = chromium.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.goto(url, timeout=READ_MS)
        return watched

    yield opened
    for context in contexts:
        context.close()


def pages_of(record: Recorded) -> dict[str, str]:
    champion = record.board().overview().competitions[0].champion
    assert champion is not None
    newest = sync(EACH - 1, record.schedule)
    return {
        "overview": "/",
        "competition": "/competitions/1",
        "rounds": "/competitions/1/rounds",
        "round": f"/competitions/1/rounds/{newest}",
        "submissions": "/submissions",
        "submission": f"/submissions/{champion.hotkey}/{champion.committed.block}",
        "search": "/search?q=team",
        "miner": f"/miners/{crowned(1)}",
        "validator": "/validator",
        "about": "/about",
        "api": "/api",
        "missing": "/nope",
    }


PAGES = ("overview", "competition", "rounds", "round", "submissions", "submission")
MORE_PAGES = ("search", "miner", "validator", "about", "api", "missing")


@pytest.mark.parametrize("name", [*PAGES, *MORE_PAGES])
@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_every_page_fits_and_fetches_nothing_from_elsewhere(
    record: Recorded, address: str, open_page: Any, name: str, width: str
) -> None:
    size = {"desktop": DESKTOP, "phone": PHONE}[width]
    seen = open_page(f"{address}{pages_of(record)[name]}", viewport=size)
    expect(seen.page.locator("h1")).to_have_count(1)
    seen.shot(f"{name}-{width}")
    assert seen.overflow() == 0
    assert all(url.startswith(f"{address}/") for url in seen.requests)
    said = [text for text in seen.complaints if "404" not in text]  # of the missing page
    assert said == []
    assert seen.page.context.cookies() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_can_be_read_in_light_and_dark(
    record: Recorded, address: str, open_page: Any, name: str, scheme: str
) -> None:
    seen = open_page(f"{address}{pages_of(record)[name]}", color_scheme=scheme)
    seen.shot(f"{name}-{scheme}")
    poor = seen.page.evaluate(_LOW_CONTRAST, CONTRAST)
    assert poor == []
    light = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(251, 251, 249)") == (scheme == "light")


def test_without_javascript_everything_is_there(
    record: Recorded, address: str, open_page: Any
) -> None:
    seen = open_page(address, java_script_enabled=False)
    page = seen.page
    page.get_by_role("link", name="SIMNET_INSTRUCT").click()
    assert page.locator("figure svg").count() == 2
    page.locator("summary").click()
    expect(page.locator("details table")).to_be_visible()
    page.get_by_role("searchbox").fill("team1/")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody tr").count() == 2
    page.get_by_role("link", name="team1/model-v1").first.click()
    expect(page.locator("h1")).to_have_text("team1/model-v1")
    assert "Not live" not in page.inner_text("footer")


def test_a_journalist_finds_who_leads_since_when_and_how_sure_in_three_clicks(
    address: str, open_page: Any
) -> None:
    """From the README: its link, competition 1, its champion. docs/journalist.md shows this."""
    readme = (DOCS.parent / "README.md").read_text()
    assert "(docs/journalist.md)" in readme
    assert f"]({SERVED_AT})" in readme
    seen = open_page(address, viewport=WINDOW)  # first click: the link in the README
    page = seen.page
    card = page.locator(".card").first
    assert "team1/model-v1" in card.inner_text()
    seen.shot("journalist-1", is_whole=False)
    card.get_by_role("heading").get_by_role("link").click()  # second click: the competition
    hero = page.locator(".hero").inner_text()
    assert "team1/model-v1" in hero
    assert re.search(r"Champion since 2025-01-\d\d", hero)
    assert re.search(r"\+\d\.\d\d%\s*± \d\.\d\d", hero)
    assert re.search(r"Evidence\s+\d+\.\d\s+needed: 13\.8", hero)
    seen.shot("journalist-2", is_whole=False)
    page.locator(".hero").get_by_role("link", name="team1/model-v1").click()  # third: the champion
    assert "a million to one. It took the crown." in page.inner_text("main")
    evidence = page.get_by_role("heading", name="Evidence against the champion before it")
    evidence.evaluate("node => window.scrollTo(0, node.offsetTop - 24)")
    expect(evidence).to_be_in_viewport()
    seen.shot("journalist-3", is_whole=False)


def test_the_pictures_in_the_readme_show_the_champion_and_its_evidence(
    address: str, open_page: Any
) -> None:
    seen = open_page(address, viewport={"width": 1100, "height": 860})
    seen.shot("leaderboard-overview", is_whole=False)
    seen.page.set_viewport_size({"width": 1100, "height": 1000})
    seen.page.locator(".card").first.get_by_role("link", name="team1/model-v1").click()
    expect(seen.page.get_by_text("needed: 13.8")).to_be_in_viewport()
    seen.shot("leaderboard-submission", is_whole=False)
    readme = (DOCS.parent / "README.md").read_text()
    for name in ("leaderboard-overview.png", "leaderboard-submission.png"):
        assert f"](docs/{name})" in readme


@pytest.mark.parametrize("name", [*PAGES, "miner", "validator"])
def test_a_page_on_paper_is_black_on_white_and_nothing_is_cut(
    record: Recorded, address: str, open_page: Any, name: str
) -> None:
    seen = open_page(f"{address}{pages_of(record)[name]}", color_scheme="dark", viewport=PAPER)
    page = seen.page
    page.emulate_media(media="print")
    seen.shot(f"{name}-print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(_LOW_CONTRAST, CONTRAST) == []
    assert page.evaluate(_CUT_ON_PAPER) == []
    expect(page.get_by_role("searchbox")).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_the_keyboard_reaches_the_content_first_and_shows_where_it_is(
    address: str, open_page: Any
) -> None:
    page = open_page(address).page
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    expect(skip).to_have_text("Skip to content")
    expect(skip).to_be_in_viewport()
    for _ in range(3):
        page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_charts_have_titles_for_their_marks(record: Recorded, address: str, open_page: Any) -> None:
    page = open_page(f"{address}{pages_of(record)['submission']}").page
    titles = page.eval_on_selector_all("svg circle title", "all => all.map(t => t.textContent)")
    assert titles
    assert all(re.search(r"evidence -?\d+\.\d on [\d,]+ samples", title) for title in titles)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Champions with hostile texts, one after the other: an address, and the path of each."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "simnet").mkdir()
    store, paths = SqliteStateStore(folder / "state.sqlite"), []
    for number, text in enumerate(HOSTILE):
        name = f"5{number}" + re.sub(r"[\x00/]", "", text)[:100]
        round_ = a_round_key(1, 2_160 + 360 * number)
        key = apart(write_hostile(store, text, hotkey=name, key=round_))
        paths.append(f"/submissions/{quote(key.hotkey)}/{key.block}")
    apart(store.close())
    with served(folder) as (address, _):
        yield address, paths


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("number", range(len(HOSTILE) + 4))
def test_texts_of_strangers_do_nothing_and_break_nothing(
    hostile: tuple[str, list[str]], open_page: Any, number: int, size: dict[str, int]
) -> None:
    address, own = hostile
    paths = [*own, "/", "/competitions/1", "/submissions", "/competitions/1/rounds/2160"]
    seen = open_page(f"{address}{paths[number]}", viewport=size)
    seen.shot(f"hostile-{number}-{size['width']}")
    assert seen.complaints == []
    assert seen.page.title() != "pwned"
    assert seen.page.evaluate("document.images.length") == 0
    assert seen.overflow() == 0
    brand = seen.page.locator(".brand").bounding_box()
    assert brand is not None
    assert brand["x"] < 150  # a text from right to left turns nothing around


def test_an_open_page_shows_a_new_champion_without_a_reload(tmp_path: Path, open_page: Any) -> None:
    (tmp_path / "simnet").mkdir()
    store = SqliteStateStore(tmp_path / "state.sqlite")
    alice = a_commitment("alice", 100)
    apart(store.save_submissions([a_submission(alice)]))
    with served(tmp_path) as (address, _):
        seen = open_page(address)
        expect(seen.page.locator("#live")).to_have_text("Live.", timeout=READ_MS)
        seen.page.evaluate("window.stayed = true")
        apart(store.finish_round(a_round_result(a_round_key(1, 2_160), champion=alice.key)))
        expect(seen.page.locator(".champion").first).to_contain_text("alice", timeout=READ_MS)
        assert seen.page.evaluate("window.stayed")
        assert seen.complaints == []
    apart(store.close())


def test_a_round_of_simnet_appears_live_beside_its_validator(
    tmp_path: Path, open_page: Any
) -> None:
    command = ["validator", "--network", "simnet", "--rounds", "1", "--state-dir", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sn37.app.main", *command, "--leaderboard", "127.0.0.1:0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = next(
        found[0]
        for line in process.stderr
        if (found := re.search(r"http://127\.0\.0\.1:\d+", line))
    )
    rest = Thread(target=process.stderr.read, daemon=True)  # so that its writes never block
    rest.start()
    try:
        seen = open_page(address)
        expect(seen.page.locator("main")).to_contain_text("No round is finished yet")
        seen.page.evaluate("window.stayed = true")
        running = seen.page.locator(".tag.live").first
        expect(running).to_be_visible(timeout=900_000)
        seen.shot("simnet-running")
        finished = seen.page.locator("tbody .tag", has_text="finished")
        expect(finished.first).to_be_visible(timeout=900_000)
        assert seen.page.evaluate("window.stayed")
        assert process.wait(900) == 0
        assert (tmp_path / "leaderboard.log").read_text() == ""
    finally:
        process.kill()
        rest.join(60)
        process.wait()
        process.stderr.close()


# Parts that a sheet of paper cuts off: nobody can scroll there.
_CUT_ON_PAPER = """() => [...document.querySelectorAll("main *, header *")]
  .filter((node) => node.getClientRects().length && !node.closest(".hidden, .skip, svg"))
  .filter((node) => node.getBoundingClientRect().right > window.innerWidth + 1)
  .map((node) => `${node.tagName} ${node.textContent.trim().slice(0, 40)}`)"""

_LOW_CONTRAST = """(least) => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => {
      const c = v / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const color = parts(getComputedStyle(n).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.getClientRects().length) continue;
    if (node.closest("svg, .hidden, .skip, meter, script")) continue;
    const [a, b] = [light(parts(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least) found.push([walker.currentNode.data.trim(), ratio]);
  }
  return found;
}"""
