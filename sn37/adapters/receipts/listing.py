"""Lists of what a folder of rounds holds, so that others can read it from a web server.

``index.json`` names every round with the sha256 of its list and the bytes of its documents;
``COMPETITION-BLOCK/files.list`` names each document of a round with its size and sha256. Both
are JSON. Neither is signed: the documents are, and a list only says which bytes to expect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sn37.adapters.admission.strict_json import StrictJsonError, parse_object
from sn37.domain.canonical import JsonValue, canonical_json
from sn37.domain.ids import Block, CompetitionId, RoundKey
from sn37.ports.errors import OfferRefused

INDEX, LISTING, STATEMENT = "index.json", "files.list", "statement.json"
# A receipt of 5,000 samples has 3 MB, a statement on 256 members 0.25 MB.
MAX_FILE_BYTES = 2**25
MAX_ROUND_BYTES = 2**28
MAX_ROUNDS = 20_000  # more than a year of two competitions
MAX_FILES = 1_024  # of a round; four times its members
MAX_INDEX_BYTES = 2**22
MAX_LISTING_BYTES = 2**18
MAX_OFFER_BYTES = 2**33  # all documents of one validator
VERSION = 1
_ROUND = re.compile(r"(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,14})")
RECEIPT = re.compile(r"[A-Za-z0-9]{1,64}-[0-9]{1,15}\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ListedRound:
    """Entry of an index."""

    listing: str  # sha256 of the round's list
    size_bytes: int  # of its documents


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """Entry of a round's list."""

    size_bytes: int
    sha256: str


def folder_name(round_: RoundKey) -> str:
    """Return the name of a round's folder."""
    return f"{round_.competition}-{round_.sync_block}"


def round_of(name: str) -> RoundKey | None:
    """Return the round whose folder has this name."""
    match = _ROUND.fullmatch(name)
    return RoundKey(CompetitionId(int(match[1])), Block(int(match[2]))) if match else None


def listing_of(documents: Mapping[str, bytes]) -> bytes:
    """Return the list of a round's documents."""
    files: dict[str, JsonValue] = {
        name: [len(content), digest_of(content)] for name, content in documents.items()
    }
    return canonical_json({"version": VERSION, "files": files})


def index_of(rounds: Mapping[str, ListedRound]) -> bytes:
    """Return the index of all rounds, by the names of their folders."""
    entries: dict[str, JsonValue] = {
        name: [listed.listing, listed.size_bytes] for name, listed in rounds.items()
    }
    return canonical_json({"version": VERSION, "rounds": entries})


def is_here(folder: Path, key: RoundKey, listed: ListedRound) -> bool:
    """True if a round was fetched completely, as the index names it."""
    try:
        return digest_of((folder / folder_name(key) / LISTING).read_bytes()) == listed.listing
    except FileNotFoundError:
        return False


def digest_of(data: bytes) -> str:
    """Return the sha256 of a file, as lists have it."""
    return sha256(data).hexdigest()


def read_index(data: bytes) -> Mapping[RoundKey, ListedRound]:
    """Return the rounds of an index that a stranger may have written.

    Raises:
        OfferRefused: It is not an index, or names too much.
    """
    found: dict[RoundKey, ListedRound] = {}
    for name, value in _entries(INDEX, data, "rounds", MAX_ROUNDS).items():
        key = round_of(name)
        match value:
            case [str(digest), int(size)] if key is not None and _is_bounded(
                digest, size, MAX_ROUND_BYTES
            ):
                found[key] = ListedRound(digest, size)
            case _:
                raise OfferRefused(f"{INDEX}: {name[:40]!a} is not the entry of a round")
    if sum(listed.size_bytes for listed in found.values()) > MAX_OFFER_BYTES:
        raise OfferRefused(f"{INDEX}: more than {MAX_OFFER_BYTES >> 30} GiB of documents")
    return dict(sorted(found.items()))


def read_listing(data: bytes) -> Mapping[str, ListedDocument]:
    """Return the documents of a round's list; the statement is one of them.

    Raises:
        OfferRefused: It is not such a list, or names too much.
    """
    found: dict[str, ListedDocument] = {}
    for name, value in _entries(LISTING, data, "files", MAX_FILES).items():
        match value:
            case [int(size), str(digest)] if (
                name == STATEMENT or RECEIPT.fullmatch(name)
            ) and _is_bounded(digest, size, MAX_FILE_BYTES):
                found[name] = ListedDocument(size, digest)
            case _:
                raise OfferRefused(f"{LISTING}: {name[:40]!a} is not the entry of a document")
    if STATEMENT not in found:
        raise OfferRefused(f"{LISTING}: no {STATEMENT}")
    if sum(listed.size_bytes for listed in found.values()) > MAX_ROUND_BYTES:
        raise OfferRefused(f"{LISTING}: more than {MAX_ROUND_BYTES >> 20} MiB of documents")
    return found


def _entries(what: str, data: bytes, key: str, most: int) -> Mapping[str, JsonValue]:
    try:
        document = parse_object(data, max_depth=4)
    except StrictJsonError as error:
        raise OfferRefused(f"{what}: {error}") from error
    match document:
        case {"version": 1, **rest} if isinstance(entries := rest.get(key), dict):
            if len(entries) > most:
                raise OfferRefused(f"{what}: more than {most:,} {key}")
            return entries
    raise OfferRefused(f"{what}: not a list of {key} in a version that this program can read")


def _is_bounded(digest: str, size: int, most: int) -> bool:
    is_size = not isinstance(size, bool) and 0 <= size <= most
    return is_size and _DIGEST.fullmatch(digest) is not None
