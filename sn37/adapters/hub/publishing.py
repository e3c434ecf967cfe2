"""Publishing a miner's model: checked, uploaded to a private repository, read back. Child side."""

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

SLOW_LINE = 8  # miners send from home: an upload may take this many times a download's time


class HubUploader:
    """The miner's side of one hub. Raises ``PublishRefused`` and ``StoreUnavailable``."""

    def __init__(self, connection: Connection) -> None:
        self._api = HfApi(endpoint=connection.endpoint, token=connection.token, library_name="sn37")
        self._host = HubHost(connection)

    def upload(
        self, order: UploadOrder, announce: Callable[[int], None]
    ) -> tuple[str, ModelHashes]:
        """Revision and model hashes of the folder's files in the private repository.

        Nothing is sent before all that validators check has been checked. The hashes hold for
        what the hub has, which is compared file by file.

        Raises:
            ModelRejected: Validators would refuse the files.
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
        """Let everybody read the repository."""
        with _translated(repo):
            self._api.update_repo_settings(repo, private=False)

    def _published_before(
        self, repo: str, revision: str, folder: Path, local: dict[str, FileDigest]
    ) -> None:
        """A public repository may only be what an earlier run of this very upload made."""
        try:
            self._read_back(repo, revision, folder, local)
        except StoreUnavailable as error:
            raise PublishRefused(
                f"{repo} is public and holds other files: what is uploaded there could be copied "
                f"before it is committed; choose a new name"
            ) from error

    def _read_back(
        self, repo: str, revision: str, folder: Path, local: dict[str, FileDigest]
    ) -> tuple[str, ModelHashes]:
        remote = {file.listed.path: file for file in self._host.listing(repo, revision).files}
        for path, digest in local.items():
            if path not in remote or not _is_same(folder, remote[path], digest):
                raise StoreUnavailable(f"{repo} holds another {path} than {folder}: run it again")
        tolerated = {file.path for file in documentation([f.listed for f in remote.values()])}
        if others := sorted(remote.keys() - local.keys() - tolerated):
            raise StoreUnavailable(f"{repo} holds {others[0]} as well: run it again")
        return revision, model_hashes(local.values())


def _measure(
    folder: Path, files: tuple[ListedFile, ...], norms: NormLimits
) -> dict[str, FileDigest]:
    """Digests of the local files, whose weights are looked at on the way."""
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
    """What the hub says to its user, who is the miner: a no of the hub is no outage."""
    try:
        yield
    except PortError:
        raise
    except HFValidationError as error:
        raise PublishRefused(f"{repo[:80]!a} is not the name of a repository") from error
    except HfHubHTTPError as error:
        if error.response.status_code in (400, 401, 403, 404):
            raise PublishRefused(
                f"the hub refuses {repo}: {error.server_message or error.response.status_code}; "
                f"is the token of its owner, with write access, in HF_TOKEN or the login?"
            ) from error
        raise port_error(repo, error) from error
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        raise port_error(repo, error) from error
    except RuntimeError as error:  # around what went wrong with one file
        raise StoreUnavailable(f"{repo}: {error}") from error
