"""Releases that the maintainers have signed, checked by The Update Framework (TUF).

Beside the releases is a folder ``metadata`` with four roles (https://theupdateframework.github.io/
specification/latest/): ``root`` names the keys of all roles and how many of them must sign,
``targets`` the documents of releases, ``snapshot`` and ``timestamp`` the newest metadata.
python-tuf checks signatures, thresholds, versions and expiry. The newest metadata that it has seen
is kept in a local folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from sn37.adapters.releases.document import MAX_BYTES, document_name, read_release
from sn37.adapters.releases.source import Missing, beside, chunks
from sn37.domain.printable import one_line
from sn37.domain.release.release import Release
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable

METADATA = "metadata"
_LIMITS = UpdaterConfig(
    prefix_targets_with_hash=False,  # files keep the names that operators type
    snapshot_max_length=1 << 18,
    targets_max_length=1 << 20,
)


class Trust:
    """Check of documents against the newest metadata that this machine has seen.

    Args:
        root: Root metadata that the operator trusts. Its keys sign the next root, and so on.
        folder: Folder for the newest metadata seen; older metadata is not accepted afterwards.
    """

    def __init__(self, root: bytes, folder: Path) -> None:
        self._root = root
        self._folder = folder

    def fetch(self, place: str) -> bytes:
        """Return the document at a path or an address, checked against the metadata beside it.

        Raises:
            ReleaseRefused: It is not signed, or the metadata is expired, older than what was seen
                here before, or not signed by enough keys.
            ReleaseUnavailable: Something cannot be read.
        """
        name = place.partition("?")[0].rpartition("/")[2]
        with _translated():
            updater = self._updater(beside(place, METADATA), _fetched)
            target = updater.get_targetinfo(name)
            if target is None:
                raise ReleaseRefused(f"{name} is not a release that the maintainers have signed")
            document = b"".join(chunks(place, MAX_BYTES + 1))
            target.verify_length_and_hashes(document)
            return document

    def read(self, document: bytes) -> Release:
        """Return the release of a document, if the metadata last seen here names it.

        Raises:
            ReleaseRefused: The metadata does not name it, no longer names it, or has expired.
        """
        release = read_release(document)
        with _translated():
            target = self._updater("", self._seen).get_targetinfo(document_name(release.version))
            if target is None:
                raise ReleaseRefused(
                    f"release {release.version} is not signed, or was withdrawn by the maintainers"
                )
            target.verify_length_and_hashes(document)
        return release

    def _updater(self, place: str, read: Callable[[str], Iterator[bytes]]) -> Updater:
        self._folder.mkdir(mode=0o755, exist_ok=True)
        return Updater(
            str(self._folder), place, fetcher=_Fetcher(read), config=_LIMITS, bootstrap=self._root
        )

    def _seen(self, address: str) -> Iterator[bytes]:
        """Yield metadata as a repository would send it, from the local folder."""
        *_, role, _ = address.rpartition("/")[2].split(".")
        try:
            if role == "root":  # python-tuf itself reads the known ones
                raise FileNotFoundError
            yield (self._folder / f"{role}.json").read_bytes()
        except FileNotFoundError as error:
            raise DownloadHTTPError(
                f"no {role} metadata was seen here; run sn37 upgrade check first", 404
            ) from error


class _Fetcher(FetcherInterface):
    def __init__(self, read: Callable[[str], Iterator[bytes]]) -> None:
        self._read = read

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._read(url)


def _fetched(address: str) -> Iterator[bytes]:
    try:
        yield from chunks(address, _LIMITS.targets_max_length + 1)
    except Missing as error:
        raise DownloadHTTPError(str(error), 404) from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ExpiredMetadataError as error:
        raise ReleaseRefused(
            f"the metadata of releases has expired ({one_line(str(error))}): fetch it again, from "
            "another mirror if there is one, and check this machine's clock"
        ) from error
    except UnsignedMetadataError as error:
        raise ReleaseRefused(
            "the metadata of releases is not signed by enough keys that release_root trusts "
            f"({one_line(str(error))})"
        ) from error
    except BadVersionNumberError as error:
        raise ReleaseRefused(
            f"the metadata of releases is older than what was seen here before, or does not "
            f"follow from it ({one_line(str(error))})"
        ) from error
    except RepositoryError as error:
        raise ReleaseRefused(
            "a file differs from the signed one, it was changed or damaged "
            f"({one_line(str(error))})"
        ) from error
    except DownloadError as error:
        raise ReleaseUnavailable(f"metadata of releases: {one_line(str(error))}") from error
    except OSError as error:
        raise ReleaseUnavailable(f"{error.filename}: {error.strerror or error}") from error
