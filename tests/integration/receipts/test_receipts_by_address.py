"""Rounds of another validator at an address: read, resumed, and never trusted."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sn37.adapters.receipts import listing
from sn37.adapters.receipts.address import INDEX_AGE_S, AddressReceipts
from sn37.adapters.receipts.folder import FolderReceipts, write_index
from sn37.domain.canonical import canonical_json
from sn37.domain.events import ColdStarted, Degraded
from sn37.domain.ids import RoundKey
from sn37.domain.round.state import ColdStart
from sn37.ports.errors import (
    OfferRefused,
    PortError,
    ReceiptsUnavailable,
    ReceiptsUnreachable,
)
from sn37.testing.fakes import FakeClock
from tests.integration.receipts.rounds_server import Fault, Offer, make_certificates, serving
from tests.support.late_starts import four_rounds, late
from tests.support.published_rounds import cautions, crowns, export


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rounds of a validator. Do not change them."""
    folder = export(four_rounds().memory, tmp_path_factory.mktemp("exported") / "rounds")
    write_index(folder)
    return folder


@pytest.fixture
def published(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "published"))


@pytest.fixture
def offer(published: Path) -> Iterator[Offer]:
    with serving(published) as offer:
        yield offer


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "state" / "offers" / "one"


def reader(offer: Offer, cache: Path, *, timeout_s: float = 60) -> AddressReceipts:
    return AddressReceipts(
        offer.address, cache, clock=FakeClock(), timeout_s=timeout_s, pause_s=0.01
    )


async def everything(source: AddressReceipts | FolderReceipts) -> dict[RoundKey, object]:
    found: dict[RoundKey, object] = {}
    for key in await source.index():
        offered = await source.fetch(key)
        found[key] = (offered.statement, sorted(offered.receipts))
    return found


def rounds_in(folder: Path) -> list[Path]:
    """The folders of complete rounds, in order."""
    return sorted(path for path in folder.iterdir() if listing.round_of(path.name))


# What it is for


async def test_an_address_offers_what_the_folder_behind_it_does(
    offer: Offer, published: Path, cache: Path
) -> None:
    found = await everything(reader(offer, cache))
    assert found == await everything(FolderReceipts(published))
    assert len(found) == 4


def test_a_validator_begins_with_the_rounds_of_another_one_s_https_address(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # its state folder is a relative path
    authority, certificate = make_certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with serving(published, certificate=certificate) as offer:
        world = late(offer.address)
        state = world.begin()
    assert state.beginning is not None, cautions(world)
    assert state.beginning.way is ColdStart.RECEIPTS, cautions(world)
    assert crowns(state) == four_rounds().crowns
    assert [e.num_rounds for e in world.sink.events if isinstance(e, ColdStarted)] == [4]


async def test_a_server_whose_certificate_is_not_known_is_not_read(
    published: Path, tmp_path: Path, cache: Path
) -> None:
    _, certificate = make_certificates(tmp_path)
    with serving(published, certificate=certificate) as offer:
        with pytest.raises(ReceiptsUnreachable, match="certificate"):
            await reader(offer, cache).index()
        assert offer.asked == []


def test_a_server_that_is_down_is_waited_for(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    offer.faults.append(Fault(path="index.json", times=4, status=503))
    world = late(offer.address)
    state = world.begin()
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.RECEIPTS, cautions(world)
    (outage,) = [e for e in world.sink.events if isinstance(e, Degraded)]
    assert "the server answers 503" in str(outage)


def test_a_server_that_stays_away_does_not_keep_a_validator_from_its_start(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    offer.faults.append(Fault(path="index.json", times=None, status=404))
    world = late(offer.address)
    state = world.begin()
    assert state.beginning is not None
    assert state.beginning.way is ColdStart.NOTHING
    assert any("the server answers 404" in told for told in cautions(world))


# Interruptions


async def test_what_was_fetched_is_not_fetched_again(offer: Offer, cache: Path) -> None:
    await everything(reader(offer, cache))
    offer.asked.clear()
    await everything(reader(offer, cache))
    assert offer.asked == ["/rounds/index.json"]


async def test_an_interrupted_reader_goes_on_with_the_file_that_is_missing(
    offer: Offer, published: Path, cache: Path
) -> None:
    last = rounds_in(published)[-1].name
    offer.faults.append(Fault(path=f"{last}/statement.json", times=6, drop=True))
    with pytest.raises(ReceiptsUnreachable):
        await everything(reader(offer, cache))
    offer.asked.clear()
    assert await everything(reader(offer, cache)) == await everything(FolderReceipts(published))
    assert set(offer.asked) == {
        "/rounds/index.json", f"/rounds/{last}/files.list", f"/rounds/{last}/statement.json"
    }  # fmt: skip


async def test_a_reader_that_is_killed_leaves_nothing_that_looks_complete(
    offer: Offer, published: Path, cache: Path
) -> None:
    offer.faults.append(Fault(path="statement.json", times=None, mute=True))
    source = reader(offer, cache)
    (first, *_) = await source.index()
    fetching = asyncio.create_task(source.fetch(first))
    assert await asyncio.to_thread(offer.muted.wait, 60)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert rounds_in(cache) == []
    offer.faults.clear()
    assert await everything(reader(offer, cache)) == await everything(FolderReceipts(published))


async def test_one_dropped_connection_is_no_outage(
    offer: Offer, published: Path, cache: Path
) -> None:
    offer.faults += [Fault(path=name, times=2, drop=True) for name in ("index.json", "files.list")]
    offer.faults.append(Fault(path="statement.json", times=2, cut=True))
    assert await everything(reader(offer, cache)) == await everything(FolderReceipts(published))


async def test_an_index_is_asked_for_again_after_some_minutes(
    offer: Offer, published: Path, cache: Path
) -> None:
    clock = FakeClock()
    source = AddressReceipts(offer.address, cache, clock=clock, pause_s=0.01)
    first = await source.index()
    shutil.rmtree(published / listing.folder_name(first[0]))
    write_index(published)
    assert await source.index() == first
    clock.elapsed += INDEX_AGE_S + 1
    assert await source.index() == first[1:]


async def test_rounds_that_are_not_offered_any_more_leave_the_cache(
    offer: Offer, published: Path, cache: Path
) -> None:
    await everything(reader(offer, cache))
    gone = rounds_in(published)[0].name
    shutil.rmtree(published / gone)
    write_index(published)
    source = reader(offer, cache)
    await source.index()
    assert not (cache / gone).exists()
    key = listing.round_of(gone)
    assert key is not None
    with pytest.raises(ReceiptsUnavailable, match="any more"):
        await source.fetch(key)


async def test_rounds_that_change_while_they_are_read_are_read_again(
    offer: Offer, published: Path, cache: Path
) -> None:
    source = reader(offer, cache)
    (first, *_) = await source.index()
    home = published / listing.folder_name(first)
    (home / "statement.json").write_bytes(b"{}")
    (home / "files.list").unlink()
    write_index(published)
    with pytest.raises(ReceiptsUnreachable, match="changed while it was read"):
        await source.fetch(first)
    await source.index()
    assert (await source.fetch(first)).statement == b"{}"


# A server that is not what it should be


def index(**changes: object) -> Fault:
    document = {"version": 1, "rounds": {"1-1080": ["a" * 64, 10]}, **changes}
    return Fault(path="index.json", times=None, body=json.dumps(document).encode())


def rounds(entries: object) -> Fault:
    return index(rounds=entries)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (Fault(path="index.json", times=None, status=404), ReceiptsUnavailable, "answers 404"),
        (Fault(path="index.json", times=None, status=401), ReceiptsUnavailable, "answers 401"),
        (Fault(path="index.json", times=None, status=429), ReceiptsUnreachable, "answers 429"),
        (Fault(path="index.json", times=None, status=500), ReceiptsUnreachable, "answers 500"),
        (Fault(path="index.json", times=None, drop=True), ReceiptsUnreachable, "index.json: "),
        (Fault(path="index.json", times=None, cut=True), ReceiptsUnreachable, "index.json: "),
        (Fault(path="index.json", times=None, body=b"<html>"), OfferRefused, "not JSON"),
        (Fault(path="index.json", times=None, body=b"[" * 9_000), OfferRefused, "nested deeper"),
        (Fault(path="index.json", times=None, endless=True), OfferRefused, "larger than"),
        (index(version=2), OfferRefused, "in a version that this program can read"),
        (index(rounds=[]), OfferRefused, "in a version"),
        (rounds({"../../1-1080": ["a" * 64, 10]}), OfferRefused, "not the entry of a round"),
        (rounds({"1-1080/..": ["a" * 64, 10]}), OfferRefused, "not the entry of a round"),
        (rounds({"/etc": ["a" * 64, 10]}), OfferRefused, "not the entry of a round"),
        (rounds({"1-1080": ["a" * 64, -1]}), OfferRefused, "not the entry of a round"),
        (rounds({"1-1080": ["a" * 64, True]}), OfferRefused, "not the entry of a round"),
        (rounds({"1-1080": ["A" * 64, 10]}), OfferRefused, "not the entry of a round"),
        (rounds({"1-1080": ["a" * 64, 2**40]}), OfferRefused, "not the entry of a round"),
        (rounds({"1-1080": {}}), OfferRefused, "not the entry of a round"),
        (
            rounds({f"1-{n}": ["a" * 64, 2**28] for n in range(40)}),
            OfferRefused,
            "more than 8 GiB",
        ),
        (
            rounds({f"1-{n}": ["a" * 64, 1] for n in range(20_001)}),
            OfferRefused,
            "more than 20,000 rounds",
        ),
        (
            Fault(
                path="index.json",
                times=None,
                status=302,
                headers={"Location": "http://127.0.0.1:9/rounds/index.json"},
            ),
            OfferRefused,
            "redirects to another one",
        ),
        (
            Fault(
                path="index.json",
                times=None,
                status=302,
                headers={"Location": "file:///etc/passwd"},
            ),
            OfferRefused,
            "redirects to another one",
        ),
        (
            Fault(
                path="index.json", times=None, status=302, headers={"Location": "index.json"}
            ),
            OfferRefused,
            "more than 3 redirects",
        ),
    ],
)  # fmt: skip
async def test_an_index_that_is_none_is_refused_in_one_line(
    offer: Offer, cache: Path, fault: Fault, kind: type[PortError], said: str
) -> None:
    offer.faults.append(fault)
    with pytest.raises(kind) as caught:
        await reader(offer, cache).index()
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (cache / "index.json").exists()


async def test_a_redirect_within_the_server_is_followed(
    offer: Offer, published: Path, cache: Path
) -> None:
    (published / "moved.json").write_bytes((published / "index.json").read_bytes())
    offer.faults.append(
        Fault(path="index.json", status=301, headers={"Location": "/rounds/moved.json"})
    )
    assert len(await reader(offer, cache).index()) == 4


async def test_a_disk_with_little_room_is_not_filled(
    offer: Offer, cache: Path, tmp_path: Path
) -> None:
    room = shutil.disk_usage(tmp_path).free // 2 // 2**28 + 2
    if room < 31:
        offer.faults.append(rounds({f"1-{n}": ["a" * 64, 2**28] for n in range(room)}))
        with pytest.raises(ReceiptsUnavailable, match="more than half"):
            await reader(offer, cache).index()
    else:  # 8 GiB are less than half of this disk
        offer.faults.append(rounds({f"1-{n}": ["a" * 64, 2**28] for n in range(31)}))
        assert len(await reader(offer, cache).index()) == 31


Change = Callable[[dict[str, list[object]]], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.update({"../../../evil.json": [1, "a" * 64]}), "not the entry of a document"),
        (lambda f: f.update({"a/b-1.json": [1, "a" * 64]}), "not the entry of a document"),
        (lambda f: f.update({"files.list": [1, "a" * 64]}), "not the entry of a document"),
        (lambda f: f.update({"x-1.json": [2**26, "a" * 64]}), "not the entry of a document"),
        (lambda f: f.update({"x-1.json": ["1", "a" * 64]}), "not the entry of a document"),
        (lambda f: f.pop("statement.json"), "no statement.json"),
        (
            lambda f: f.update({f"x-{n}.json": [2**25, "a" * 64] for n in range(9)}),
            "more than 256 MiB",
        ),
        (
            lambda f: f.update({f"x-{n}.json": [1, "a" * 64] for n in range(1_024)}),
            "more than 1,024 files",
        ),
        (lambda f: f["statement.json"].__setitem__(0, 5), "larger than 5 bytes"),
        (lambda f: f["statement.json"].__setitem__(1, "b" * 64), "is not the file that the index"),
    ],
)  # fmt: skip
async def test_a_list_of_documents_that_cannot_be_true_is_refused(
    offer: Offer, published: Path, cache: Path, change: Change, said: str
) -> None:
    first = rounds_in(published)[0]
    document = json.loads((first / "files.list").read_bytes())
    change(document["files"])
    (first / "files.list").write_bytes(canonical_json(document))
    entries = json.loads((published / "index.json").read_bytes())
    digest = listing.digest_of((first / "files.list").read_bytes())
    entries["rounds"][first.name] = [digest, 1]
    (published / "index.json").write_bytes(canonical_json(entries))
    source = reader(offer, cache)
    key = listing.round_of(first.name)
    assert key is not None
    before = everywhere(cache.parents[2])
    with pytest.raises(PortError) as caught:
        await source.fetch(key)
    assert said in str(caught.value)
    assert not (cache / first.name).exists()
    outside = everywhere(cache.parents[2]) - before
    assert all(path.is_relative_to(cache.parents[1]) for path in outside)


def everywhere(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("way", ["mute", "trickle"])
async def test_a_server_that_is_too_slow_is_given_up(offer: Offer, cache: Path, way: str) -> None:
    offer.faults.append(Fault(path="index.json", times=None, **{way: True}))  # type: ignore[arg-type]
    with pytest.raises(ReceiptsUnreachable, match="nothing complete within 2 s"):
        await reader(offer, cache, timeout_s=2).index()


async def test_a_file_with_other_bytes_of_the_same_length_is_not_taken(
    offer: Offer, published: Path, cache: Path
) -> None:
    first = rounds_in(published)[0]
    good = (first / "statement.json").read_bytes()
    (first / "statement.json").write_bytes(good[:-1] + b" ")
    source = reader(offer, cache)
    key = listing.round_of(first.name)
    assert key is not None
    with pytest.raises(ReceiptsUnreachable, match=r"statement\.json is not the file"):
        await source.fetch(key)
    (first / "statement.json").write_bytes(good)
    assert (await source.fetch(key)).statement == good
