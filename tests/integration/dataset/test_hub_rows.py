"""Tables on Hugging Face, read through the real clients from a hub on this machine."""

from __future__ import annotations

import asyncio
import atexit
import json
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from sn37.adapters.dataset.hub_rows import table as tables
from sn37.adapters.dataset.hub_rows.disk_cache import DiskCache
from sn37.adapters.dataset.hub_rows.parameters import HubRowsParameters
from sn37.adapters.dataset.hub_rows.source import HubRows, HubRowsPlugin, build, build_fineweb
from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import read_schedule
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, ParameterValue, Source
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable
from sn37.testing.dataset_contract import DatasetPluginContract, ReadStaticDatasetContract
from sn37.testing.reproducibility import StaticReproducibilityContract
from tests.integration.dataset.hub_tables import (
    GROUP_ROWS,
    NUM_ROWS,
    NUM_SHARDS,
    REPO,
    Row,
    count_requests,
    draw,
    hub_with_pages,
    page,
    pages,
    parameters,
    parquet,
    path,
    pin,
    pin_at,
    pinned_parameters,
    publish,
)
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub

COMMIT, DIGEST = "0" * 40, "1" * 64
ENTRY_POINTS = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"][
    "entry-points"
]["sn37.datasets"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_with_pages() as hub:
        yield hub


@cache
def shared() -> tuple[Hub, HubRowsParameters, Path]:
    """A hub for all tests of a process that need no fixture."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    hub = stack.enter_context(hub_with_pages())
    return hub, pinned_parameters(hub, folder), folder


class WithoutProcess:
    """The reader of a table without its process."""

    def __init__(self, table: HubRowsParameters, folder: Path) -> None:
        self.table = table
        self.folder = folder

    async def draw(self, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        return draw(self.table, self.folder, count=count, seed=seed)


class TestHubRows(ReadStaticDatasetContract, StaticReproducibilityContract):
    def dataset(self) -> WithoutProcess:
        _, table, folder = shared()
        return WithoutProcess(table, folder)

    def size(self) -> int:
        return NUM_ROWS

    def silent_dataset(self) -> WithoutProcess:
        _, table, folder = shared()
        silent = table.model_copy(update={"endpoint": "http://127.0.0.1:9"})
        return WithoutProcess(silent, folder)


class TestHubRowsPlugin(DatasetPluginContract):
    plugin = staticmethod(build)

    def parameters(self) -> Mapping[str, ParameterValue]:
        return {
            "repo": REPO,
            "revision": COMMIT,
            "manifest": DIGEST,
            "files": ("data/*.parquet",),
            "prompt": "question",
            "response": "answer",
            "filters": (("language", "==", "en"), ("score", ">=", 2)),
        }

    def wrong_parameters(self) -> Mapping[str, Mapping[str, ParameterValue]]:
        given = self.parameters()
        return {
            "repo": {**given, "repo": "nobody"},
            "sn37 schedule pin": {**given, "revision": "main"},
            "manifest": {**given, "manifest": "sha256"},
            "files": {**given, "files": ()},
            "filters": {**given, "filters": (("language", "is", "en"),)},
            "prompt and response": {**given, "response": ""},
            "exactly one": {**given, "messages": "messages"},
            "max_characters": {**given, "max_characters": 200_001},
            "endpoint": {**given, "endpoint": "ftp://example.org"},
        }


@pytest.mark.parametrize("name", ["codeforces", "fineweb", "hub_rows", "synthetic_1"])
def test_every_set_has_an_entry_point_and_needs_only_a_pinned_revision(name: str) -> None:
    module, _, factory = ENTRY_POINTS[name].partition(":")
    plugin: HubRowsPlugin = getattr(import_module(module), factory)()
    assert plugin.name == name
    given = {"revision": COMMIT, "manifest": DIGEST}
    if name == "hub_rows":
        with pytest.raises(ValueError, match="parameter repo is missing"):
            plugin.open(given)
    else:
        assert isinstance(plugin.open(given), HubRows)


def test_a_process_draws_what_is_drawn_without_one(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path)
    dataset = HubRows(table, folder=tmp_path)
    assert asyncio.run(dataset.draw(count=30, seed=Seed(5))) == draw(
        table, tmp_path, count=30, seed=5
    )
    with pytest.raises(DatasetExhausted) as caught:
        asyncio.run(dataset.draw(count=NUM_ROWS + 1, seed=Seed(5)))
    assert (caught.value.requested, caught.value.available) == (NUM_ROWS + 1, NUM_ROWS)


def test_120_samples_take_ten_requests_once_the_manifest_is_there(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path)
    requests = count_requests(hub, "")
    assert len(draw(table, tmp_path, count=120)) == 120
    assert requests() == 10


def test_a_manifest_takes_a_listing_and_a_request_for_each_file(hub: Hub, tmp_path: Path) -> None:
    requests = count_requests(hub)
    pinned = pin(hub, tmp_path)
    assert requests() == NUM_SHARDS
    assert (pinned.num_files, pinned.num_rows) == (NUM_SHARDS, NUM_ROWS)
    assert pinned.revision == hub.repositories[REPO].head
    assert pin(hub, tmp_path / "elsewhere") == pinned


def test_a_validator_without_the_manifest_makes_it_itself(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path / "one")
    assert draw(table, tmp_path / "other") == draw(table, tmp_path / "one")


def test_a_manifest_that_is_not_the_schedules_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DatasetUnavailable, match=r"has the digest .* in the schedule it is 000"):
        draw(parameters(hub), tmp_path)


@pytest.mark.parametrize("change", [{"files": (path(0),)}, {"revision": "another"}])
def test_a_kept_manifest_is_used_for_its_own_table_alone(
    hub: Hub, tmp_path: Path, change: dict[str, object]
) -> None:
    table = pinned_parameters(hub, tmp_path)
    if "revision" in change:
        more = {path(n): parquet(pages(n)) for n in range(NUM_SHARDS)}
        change = {"revision": publish(hub, {**more, "data/more.parquet": parquet(pages(0))})}
    with pytest.raises(DatasetUnavailable, match="the manifest of revision"):
        draw(table.model_copy(update=change), tmp_path)


def test_the_revision_is_read_whatever_the_branch_has_since(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path)
    before = draw(table, tmp_path)
    publish(hub, {path(0): parquet([page(n) for n in range(5000, 5100)])})
    assert draw(table, tmp_path / "other") == before


def test_what_was_drawn_is_drawn_again_offline(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path)
    before = draw(table, tmp_path, seed=1)
    hub.faults.append(Fault("", times=None, drop=True))
    assert draw(table, tmp_path, seed=1) == before
    with pytest.raises(DatasetUnavailable):
        draw(table, tmp_path, seed=2)


def test_a_damaged_file_on_disk_is_read_again(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path)
    before = draw(table, tmp_path)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            file.write_bytes(content[:-9] + bytes(9))
    assert draw(table, tmp_path) == before


def test_a_disk_that_keeps_nothing_only_costs_requests(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path / "good")
    (tmp_path / "bad").write_text("a file in the place of the folder")
    assert draw(table, tmp_path / "bad") == draw(table, tmp_path / "good")


def test_kept_row_groups_make_room_for_newer_ones(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, max_bytes=10_000)
    for number in range(10):
        cache.put(bytes(3000), str(number))
    assert [cache.get(str(n)) is not None for n in (6, 7, 8, 9)] == [False, True, True, True]


def test_files_that_the_hub_serves_from_elsewhere_are_read_there(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path / "direct")
    hub.cdn_url = hub.url.replace("127.0.0.1", "localhost")
    assert draw(table, tmp_path / "cdn") == draw(table, tmp_path / "direct")
    assert any("/cdn/" in s.path for s in hub.served)


@pytest.mark.parametrize(
    ("form", "prompt", "reference"),
    [
        ({"text": "text"}, "", "This is the text of page 7. " * 5),
        ({"prompt": "prompt", "response": "generation"}, "What is 7 + 1?", "It is 8."),
        ({"messages": "messages"}, "What is 7 + 2?", "It is 9."),
    ],
    ids=["text", "prompt and response", "messages"],
)
def test_a_row_becomes_a_sample(
    hub: Hub, tmp_path: Path, form: Mapping[str, str], prompt: str, reference: str
) -> None:
    publish(hub, {path(0): parquet([page(7)])})
    table = pinned_parameters(hub, tmp_path, **form)
    (sample,) = draw(table, tmp_path, count=1)
    assert (sample.prompt, sample.reference, sample.choices) == (prompt, reference, ())
    assert sample.provenance.row_id == f"{path(0)}/0/0"
    assert (sample.provenance.produced_at, sample.provenance.signer) == (None, None)


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        ({"text": None}, {}),
        ({"text": " \n"}, {}),
        ({"text": "a\0b"}, {}),
        ({"text": b"\xff"}, {}),
        ({"text": "short"}, {"min_characters": 6}),
        ({"text": "x" * 2000}, {"max_characters": 1999}),
        ({"text": "x" * 200_001}, {}),
        ({"text": page(0)["text"]}, {}),
        ({"language": None}, {"filters": (("language", "!=", "tr"),)}),
        ({"language": "tr"}, {"filters": (("language", "==", "en"),)}),
        ({"token_count": 11}, {"filters": (("token_count", "<=", 10),)}),
        ({"token_count": 9.5}, {"filters": (("token_count", ">=", 10),)}),
        ({"token_count": float("nan")}, {"filters": (("token_count", ">=", 0),)}),
        ({"token_count": "10"}, {"filters": (("token_count", "==", 10),)}),
        ({"token_count": True}, {"filters": (("token_count", ">=", 1),)}),
        ({"messages": None}, {"messages": "messages"}),
        ({"messages": [{"role": "user", "content": "?"}]}, {"messages": "messages"}),
        (
            {"messages": [{"role": r, "content": "?"} for r in ("user", "assistant", "user")]},
            {"messages": "messages"},
        ),
        (
            {"messages": [{"role": r, "content": "?"} for r in ("system", "user")]},
            {"messages": "messages"},
        ),
        (
            {"messages": [{"role": r, "content": None} for r in ("user", "assistant")]},
            {"messages": "messages"},
        ),
    ],
)
def test_a_row_that_does_not_fit_is_left_out_and_never_the_others(
    hub: Hub, tmp_path: Path, row: Row, limits: Mapping[str, object]
) -> None:
    good = {"language": "en", "token_count": 10, "text": "This text fits."}
    if "text" in row and row["text"] == page(0)["text"]:
        good["text"] = str(row["text"])  # the same text twice
    (column, cell) = next(iter(row.items()))
    is_odd_type = not isinstance(cell, (str, list, type(None))) or column == "token_count"
    rows = [{**page(0), **good}, {**page(1), **row}]
    if is_odd_type:  # a column has one type, so each row has its own file
        publish(hub, {path(n): parquet([r]) for n, r in enumerate(rows)})
    else:
        publish(hub, {path(0): parquet(rows)})
    table = pinned_parameters(hub, tmp_path, **limits)
    assert len(draw(table, tmp_path, count=1)) == 1
    with pytest.raises(DatasetExhausted) as caught:
        draw(table, tmp_path, count=2)
    assert caught.value.available == 1


def test_rows_that_do_not_fit_are_replaced_by_the_seed_alone(hub: Hub, tmp_path: Path) -> None:
    english = {"filters": (("language", "==", "en"),)}
    table = pinned_parameters(hub, tmp_path, **english)
    for seed in range(5):
        samples = draw(table, tmp_path, count=60, seed=seed)
        assert len({s.provenance.row_id for s in samples}) == 60
        assert samples == draw(table, tmp_path / str(seed), count=60, seed=seed)
        assert not any("page 3. " in s.reference for s in samples)


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_text_may_be_of_any_of_its_types(hub: Hub, tmp_path: Path, kind: pa.DataType) -> None:
    reference = draw(pinned_parameters(hub, tmp_path / "plain"), tmp_path / "plain", count=40)

    def of_kind(shard: int) -> bytes:
        table = pa.Table.from_pylist([*map(dict, pages(shard))])
        texts = pa.array(table.column("text").to_pylist())
        column = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)
        place = table.schema.get_field_index("text")
        return parquet(table.set_column(place, "text", column))

    publish(hub, {path(n): of_kind(n) for n in range(NUM_SHARDS)})
    table = pinned_parameters(hub, tmp_path / "typed")
    found = draw(table, tmp_path / "typed", count=40)
    assert [s.reference for s in found] == [s.reference for s in reference]


def test_columns_far_apart_are_read_by_one_request(hub: Hub, tmp_path: Path) -> None:
    wide = pinned_parameters(hub, tmp_path, filters=(("token_count", ">=", 0),))
    requests = count_requests(hub)
    assert len(draw(wide, tmp_path, count=120)) == 120
    assert requests() == 10


def test_files_of_any_sizes_are_drawn_from_by_their_rows(tmp_path: Path) -> None:
    with running_hub() as hub:
        sizes = (1, 0, 37, 400)
        rows = [page(n) for n in range(sum(sizes))]
        parts = [rows[sum(sizes[:n]) : sum(sizes[: n + 1])] for n in range(4)]
        empty = pa.Table.from_pylist([*map(dict, rows)]).slice(0, 0)
        files = {path(n): parquet(part or empty) for n, part in enumerate(parts)}
        publish(hub, {**files, "README.md": b"# pages", "data/notes.txt": b""})
        table = pinned_parameters(hub, tmp_path)
        found = draw(table, tmp_path, count=sum(sizes))
        assert len({s.content_hash for s in found}) == sum(sizes)
        assert pin(hub, tmp_path).num_files == 4


async def test_the_validators_own_checks_accept_a_draw(hub: Hub, tmp_path: Path) -> None:
    table = pinned_parameters(hub, tmp_path)

    class Plugin:
        freshness = Freshness.NONE

        def open(self, parameters: Mapping[str, ParameterValue]) -> HubRows:
            return HubRows(HubRowsParameters.model_validate(dict(parameters)), folder=tmp_path)

    plugin: DatasetPlugin = Plugin()
    given = json.loads(table.model_dump_json(exclude_defaults=True))
    source = Source(
        name="hub_rows",
        freshness=Freshness.NONE,
        parameters={k: tuple(v) if isinstance(v, list) else v for k, v in given.items()},
    )
    samples = await Sources(lambda _: plugin).draw(source, count=20, seed=Seed(3))
    assert samples == draw(table, tmp_path, count=20, seed=3)


async def test_a_plugin_pins_what_the_branch_has_today_and_keeps_the_manifest(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given: dict[str, ParameterValue] = {
        "repo": REPO,
        "files": ("data/*.parquet",),
        "endpoint": hub.url,
    }
    plugin = build_fineweb()
    assert isinstance(plugin, HubRowsPlugin)
    pinned = await plugin.pin({**given, "revision": "main"})
    assert pinned.parameters["revision"] == hub.repositories[REPO].head
    assert f"{NUM_SHARDS} files with {NUM_ROWS} rows in 24 row groups" in pinned.told
    requests = count_requests(hub, "")
    samples = await plugin.open({**given, **pinned.parameters}).draw(count=12, seed=Seed(1))
    assert len(samples) == 12
    assert requests() == 10
    folder = tables.cache_folder()
    assert folder is not None
    kept = [f.read_bytes()[32:] for f in (folder / "manifests").iterdir()]
    assert pinned.parameters["manifest"] in [sha256(content).hexdigest() for content in kept]


def test_an_older_commit_may_be_pinned(hub: Hub, tmp_path: Path) -> None:
    old = pin(hub, tmp_path / "before")
    publish(hub, {path(0): parquet(pages(0)[:GROUP_ROWS])})
    assert pin(hub, tmp_path) != old
    assert pin_at(old.revision, hub, tmp_path) == old


def test_a_schedule_is_pinned_by_the_command_and_then_drawn_from(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = read_schedule("simnet")[1]
    table = re.search(r"(?s)\[sources\.simnet\].*?\n\n", text)
    assert table is not None
    source = (
        f'[sources.hub_rows]\nfreshness = "none"\nparameters = {{ repo = "{REPO}", text = "text", '
        f'files = ["data/*.parquet"], endpoint = "{hub.url}", revision = "main" }}\n\n'
    )
    schedule = tmp_path / "schedule.toml"
    text = text.replace(table[0], source).replace('source = "simnet"', 'source = "hub_rows"')
    schedule.write_text(re.sub(r"(?m)^base_model = .*$", "", text))
    assert run(root.app, ["schedule", "check", str(schedule)], prog_name="sn37") == 1
    assert "data set hub_rows: revision 'main' is not a commit" in capsys.readouterr().err
    assert run(root.app, ["schedule", "pin", str(schedule)], prog_name="sn37") == 0
    said = capsys.readouterr().out
    assert f"sources.hub_rows: main -> {hub.repositories[REPO].head}; 4 files with 480 rows" in said
    assert run(root.app, ["schedule", "check", str(schedule)], prog_name="sn37") == 0
    asked = ["data", "sample", "hub_rows", "--schedule", str(schedule), "--count", "5", "--json"]
    capsys.readouterr()
    assert run(root.app, [*asked, "--network", "simnet"], prog_name="sn37") == 0
    drawn = json.loads(capsys.readouterr().out)["samples"]
    assert len({row["row_id"] for row in drawn}) == 5
