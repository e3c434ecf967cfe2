"""Publish a miner's model: check, upload to a private repository, read back. Child side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

from sn37.adapters.admission.admit import FolderSource, hash_files, inspect_listed
from sn37.adapters.admission.digest import chunks_of
from sn37.adapters.admission.files import ListedFile, documentation, listing
from sn37.adapters.hub.hub_requests import HubHost, RemoteFile, port_error
from sn37.adapters.hub.transfer_messages import Connection, UploadOrder
from sn37.domain.schedule.model_limits import NormLimits
from sn37.domain.submission.digests import FileDigest, ModelHashes, model_hashes
from sn37.ports.errors import (
    PortError,
    PublishRefused,
    StoreUnavailable,
)

SLOW_LINE = 8  # an upload over a home connection may take this many times a download's time


class HubUploader:
    """Publishing to one hub. Raises ``PublishRefused`` and ``StoreUnavailable``."""

    def __init__(self, connection: Connection) -> None:
        self._api = HfApi(endpoint=connection.endpoint, token=connection.token, library_name="sn37")
        self._host = HubHost(connection)

    def upload(
        self, order: UploadOrder, announce: Callable[[int], None]
    ) -> tuple[str, ModelHashes]:
        """Upload the folder to the private repository; return its revision and model hashes.

        Nothing is sent before all checks of validators have passed. The hashes are those of the
        files on the hub, which are compared one by one with the local files.

        Raises:
            ModelRejected: Validators would reject the files.
            OSError: The folder cannot be read.
        """
        folder, repo = Path(order.folder), order.repo
        files = listing(folder)
        inspected = inspect_listed(files, FolderSource(folder), order.constraints)
        names = [file.path for file in (*inspected.files, *documentation(files))]
        local = _measure(folder, inspected.files, order.constraints.norms)
        announce(SLOW_LINE * sum(file.size_bytes for file in inspected.files))
        with _translated(repo):
            self._api.create_repo(repo, private=True, exist_ok=True)
            head = self._api.model_info(repo)
            if not head.private:
                self._published_before(repo, str(head.sha), folder, local)
            commit = self._api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                allow_patterns=names,
                delete_patterns="*",
                commit_message="Upload a model",
            )
        return self._read_back(repo, str(commit.oid), folder, local)

    def make_public(self, repo: str) -> None:
        """Make the repository public."""
        with _translated(repo):
            self._api.update_repo_settings(repo, private=False)

    def _published_before(
        self, repo: str, revision: str, folder: Path, local: dict[str, FileDigest]
    ) -> None:
        """Refuse a public repository unless an earlier run of this upload made it."""
        try:
            self._read_back(repo, revision, folder, local)
        except StoreUnavailable as error:
            raise PublishRefused(
                f"{repo} is public and holds other files: an upload there could be copied before "
                f"it is committed; choose a new repository name"
            ) from error

    def _read_back(
        self, repo: str, revision: str, folder: Path, local: dict[str, FileDigest]
    ) -> tuple[str, ModelHashes]:
        remote = {file.listed.path: file for file in self._host.listing(repo, revision).files}
        for path, digest in local.items():
            if path not in remote or not _is_same(folder, remote[path], digest):
                raise StoreUnavailable(f"{path} in {repo} differs from {folder}: upload again")
        tolerated = {file.path for file in documentation([f.listed for f in remote.values()])}
        if others := sorted(remote.keys() - local.keys() - tolerated):
            raise StoreUnavailable(f"{repo} also holds {others[0]}: upload again")
        return revision, model_hashes(local.values())


def _measure(
    folder: Path, files: tuple[ListedFile, ...], norms: NormLimits
) -> dict[str, FileDigest]:
    """Return digests of the local files after checking their weights."""
    from sn37.adapters.admission.weights import check_weights

    hashed = hash_files(folder, files, norms=True)
    check_weights((t for file in hashed for t in file.tensors), norms)
    return {f.path: FileDigest(f.path, f.size_bytes, f.sha256) for f in hashed}


def _is_same(folder: Path, remote: RemoteFile, local: FileDigest) -> bool:
    if remote.listed.size_bytes != local.size:
        return False
    if remote.sha256 is not None:
        return remote.sha256 == local.sha256
    blob = sha1(b"blob %d\0" % local.size, usedforsecurity=False)
    with (folder / local.path).open("rb") as file:
        for chunk in chunks_of(file):
            blob.update(chunk)
    return blob.hexdigest() == remote.blob_id


@contextmanager
def _translated(repo: str) -> Iterator[None]:
    """Translate errors for the miner: a refusal by the hub is not an outage."""
    try:
        yield
    except PortError:
        raise
    except HFValidationError as error:
        raise PublishRefused(f"{repo[:80]!a} is not a valid repository name") from error
    except HfHubHTTPError as error:
        if error.response.status_code in (400, 401, 403, 404):
            raise PublishRefused(
                f"the hub refuses {repo}: {error.server_message or error.response.status_code}; "
                f"put its owner's token with write access in HF_TOKEN or run `hf auth login`"
            ) from error
        raise port_error(repo, error) from error
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        raise port_error(repo, error) from error
    except RuntimeError as error:  # wraps the failure of one file
        raise StoreUnavailable(f"{repo}: {error}") from error
