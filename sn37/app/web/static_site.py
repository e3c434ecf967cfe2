"""The whole site as files, for a bucket or a host of pages."""

from __future__ import annotations

import json
import posixpath
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.receipts.files import publish
from sn37.app.web.application import ASSETS, asset, description
from sn37.app.web.documents import Documents
from sn37.app.web.operations import PREFIX
from sn37.app.web.site import (
    ROUNDS_WRITTEN,
    SUBMISSION_PAGES,
    NotFoundError,
    Place,
    Site,
)
from sn37.domain.canonical import canonical_json
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.records.receipt import SignedReceipt
from sn37.ports.chain import Signer

DIGESTS = "digests.json"  # of all other files
_MARKER = ".sn37-leaderboard"


class NotOurFolderError(Exception):
    """The folder holds something else; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Size of a written site."""

    num_files: int
    size_bytes: int
    is_signed: bool


def write_site(leaderboard: Leaderboard, folder: Path, signer: Signer | None) -> Written:
    """Write every page and document, then put them in the place of the folder.

    Pages of rounds and submissions are written for the newest ones only. ``digests.json`` has the
    sha256 of every file; with a signer it is signed like a receipt.

    Raises:
        NotOurFolderError: The folder is a file or has other files, or one of the two beside it
            does that are used while it is replaced, ``.partial`` and ``.old``.
        OSError: It cannot be written.
        StateUnavailable, StateUnreadable: The record cannot be read.
    """
    unfinished = folder.with_name(folder.name + ".partial")
    old = folder.with_name(folder.name + ".old")
    if folder.exists() and not folder.is_dir():
        raise NotOurFolderError(f"{folder} is a file; name a new folder")
    for each in (folder, unfinished, old):
        if each.is_dir() and any(each.iterdir()) and not (each / _MARKER).exists():
            raise NotOurFolderError(f"{each} has other files; name a new folder")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    (unfinished / _MARKER).touch()
    digests, size_bytes = dict[str, str](), 0
    for name, content in _files(leaderboard):
        target = unfinished / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        digests[name] = sha256(content).hexdigest()
        size_bytes += len(content)
    (unfinished / DIGESTS).write_bytes(_digests(digests, signer))
    if folder.is_dir():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        unfinished.rename(folder)
        shutil.rmtree(old)
    else:
        unfinished.rename(folder)
    return Written(num_files=len(digests) + 1, size_bytes=size_bytes, is_signed=signer is not None)


def file_of(path: str) -> str:
    """Return the file of an address: pages end in .html, documents in .json."""
    if path == "/":
        return "index.html"
    name = path.removeprefix("/")
    if path.startswith("/assets/"):
        return name
    if path.startswith("/api/"):
        return name if name.endswith(".json") else f"{name}.json"
    return f"{name}.html"


def place_at(path: str, written: Collection[str]) -> Place:
    """Return the place of a written page: its links are relative, so that any folder can hold it.

    Links to addresses that are not written lead to the explanation on the page "About".
    """
    here = posixpath.dirname(file_of(path))

    def link(target: str) -> str:
        name, mark = (file_of(target), "") if target in written else ("about.html", "#written")
        return quote(posixpath.relpath(name, here or ".")) + mark

    return Place(path=path, link=link, is_live=False)


def _digests(digests: dict[str, str], signer: Signer | None) -> bytes:
    document = canonical_json({"version": 1, "files": {**digests}})
    if signer is None:
        return document
    message = sha256(document).hexdigest().encode()
    return publish(
        SignedReceipt(document=document, hotkey=signer.hotkey, signature=signer.sign(message))
    )


def _files(leaderboard: Leaderboard) -> Iterator[tuple[str, bytes]]:
    site, documents = Site(leaderboard), Documents(leaderboard)
    for name in ASSETS:
        yield f"assets/{name}", asset(name)
    openapi = f"{PREFIX}/openapi.json"
    yield file_of(openapi), json.dumps(description(leaderboard)).encode()
    addresses = list(_addresses(leaderboard, site, documents))
    written = {path for path, _, _ in addresses} | {f"/assets/{name}" for name in ASSETS}
    written.add(openapi)
    for path, render, dump in addresses:
        try:
            if render is not None:
                yield file_of(path), render(place_at(path, written)).encode()
            if dump is not None:
                name = "/overview" if path == "/" else path
                yield file_of(f"{PREFIX}{name.removeprefix(PREFIX)}"), dump()
        except NotFoundError:
            continue  # removed since it was listed


_Address = tuple[str, Callable[[Place], str] | None, Callable[[], bytes] | None]


def _addresses(leaderboard: Leaderboard, site: Site, documents: Documents) -> Iterator[_Address]:
    """Yield each address with what makes its page and its document."""
    yield "/", site.overview, documents.overview
    yield "/validator", site.validator, documents.validator
    yield "/about", site.about, None
    yield "/api", site.interface, None
    for competition in leaderboard.competitions():
        yield from _of_competition(int(competition), leaderboard, site, documents)
    yield from _of_submissions(leaderboard, site, documents)


def _of_competition(
    competition: int, leaderboard: Leaderboard, site: Site, documents: Documents
) -> Iterator[_Address]:
    home = f"/competitions/{competition}"
    for path, render, dump in (
        (home, site.competition, documents.competition),
        (f"{home}/rounds", site.rounds, documents.rounds),
    ):
        yield path, _with(render, competition), partial(dump, competition)
    for block in leaderboard.newest_rounds(competition, ROUNDS_WRITTEN):
        path = f"{home}/rounds/{block}"
        yield (
            path,
            _with(site.round, competition, block),
            partial(documents.round, competition, block),
        )
        yield (
            f"{PREFIX}{path}/statement",
            None,
            partial(documents.statement, competition, block),
        )
        for entry in filter(_is_plain, leaderboard.receipt_keys(competition, block)):
            yield (
                f"{PREFIX}{path}/receipts/{entry.hotkey}/{entry.block}",
                None,
                partial(documents.receipt, competition, block, entry.hotkey, entry.block),
            )


def _of_submissions(
    leaderboard: Leaderboard, site: Site, documents: Documents
) -> Iterator[_Address]:
    yield (
        "/submissions",
        _with(site.submissions, None),
        partial(documents.submissions, None),
    )
    miners = set()
    for number in range(1, SUBMISSION_PAGES + 1):
        found = leaderboard.submissions(None, number)
        for line in found.submissions:
            hotkey, block = line.model.hotkey, line.model.committed.block
            if not _is_plain(EntryKey(Hotkey(hotkey), Block(block))):
                continue
            miners.add(hotkey)
            yield (
                f"/submissions/{hotkey}/{block}",
                _with(site.submission, hotkey, block),
                partial(documents.submission, hotkey, block),
            )
        if number >= found.page.num_pages:
            break
    for hotkey in sorted(miners):
        yield (
            f"/miners/{hotkey}",
            _with(site.miner, hotkey),
            partial(documents.miner, hotkey),
        )


def _is_plain(entry: EntryKey) -> bool:
    """True if a hotkey may be a part of a file's name, as every address of the chain may."""
    return entry.hotkey.isascii() and entry.hotkey.isalnum() and len(entry.hotkey) <= 64


def _with(render: Callable[..., str], *given: object) -> Callable[[Place], str]:
    return lambda place: render(place, *given)
