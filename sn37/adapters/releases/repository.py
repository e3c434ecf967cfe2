"""Writer of the metadata that ``trust`` checks, for maintainers: numbered files in one folder.

Several people sign ``root`` and ``targets``, one after the other, each with a key of their own. The
publisher's key signs ``snapshot`` and ``timestamp``: it can neither add nor change a release, it
only confirms which metadata is newest, and for how long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from sn37.adapters.releases.review import review_root, review_targets
from sn37.durable import write_whole
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PUBLISHED = (Snapshot.type, Timestamp.type)  # by one key


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Public keys of a role, in hexadecimal, and how many of them must sign."""

    keys: Sequence[str]
    threshold: int


class Repository:
    """Folder ``metadata`` that maintainers write and publish."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add_root(self, *, root: Keys, targets: Keys, publisher: str, expires: datetime) -> Path:
        """Write the next root, still unsigned; it replaces all keys of the one before.

        Raises:
            ReleaseRefused: A key is not valid, a threshold is larger than the number of keys, or
                the root before it still lacks signatures.
        """
        before = self._newest(Root.type)
        if before is not None and (missing := self._missing(before)):
            file = self._folder / f"{before.signed.version}.root.json"
            raise ReleaseRefused(
                f"{file} lacks {missing} signatures: sign it first with sn37 release sign, or "
                "remove it"
            )
        signed = Root(version=before.signed.version + 1 if before else 1, expires=expires)
        roles = {
            Root.type: root,
            Targets.type: targets,
            **dict.fromkeys(_PUBLISHED, Keys(keys=[publisher], threshold=1)),
        }
        for role, keys in roles.items():
            num_keys = len({_public(key).keyid for key in keys.keys})
            if not 1 <= keys.threshold <= num_keys:
                raise ReleaseRefused(
                    f"--{role}-key: {num_keys} {'key' if num_keys == 1 else 'different keys'} "
                    f"given, {keys.threshold} must sign; give another or --{role}-threshold "
                    f"{num_keys}"
                )
            for key in keys.keys:
                signed.add_key(_public(key), role)
            signed.roles[role].threshold = keys.threshold
        return self._write(Metadata(signed), numbered=True)

    def add_document(self, document: Path, *, expires: datetime) -> Path:
        """Write the next targets, still unsigned, with one more document of a release."""
        newest = self._newest(Targets.type)
        targets: Mapping[str, TargetFile] = newest.signed.targets if newest else {}
        file = TargetFile.from_file(document.name, str(document), ["sha256"])
        return self._write_targets({**targets, document.name: file}, newest, expires)

    def withdraw(self, name: str, *, expires: datetime) -> Path:
        """Write the next targets, still unsigned, without a document.

        Raises:
            ReleaseRefused: The document is not in the newest targets.
        """
        newest = self._newest(Targets.type)
        if newest is None or name not in newest.signed.targets:
            raise ReleaseRefused(f"{name} is not in the newest targets of {self._folder}")
        rest = {other: file for other, file in newest.signed.targets.items() if other != name}
        return self._write_targets(rest, newest, expires)

    def sign(
        self, file: Path, key: Ed25519PrivateKey, tell: Callable[[str], None] | None = None
    ) -> int:
        """Add a signature to a root or to targets; return how many are still missing.

        Args:
            tell: Called with each line that says what is signed; see ``review``. Without it the
                files of the releases are not compared.

        Raises:
            ReleaseRefused: The file has another role, the key is not one of its role, or what it
                says differs from the files of the releases.
            ReleaseUnavailable: One of these files cannot be read.
        """
        signer = CryptoSigner(key)
        metadata = _read(file)
        role = metadata.signed.type
        if role not in (Root.type, Targets.type):
            raise ReleaseRefused(f"{file} is a {role}: sign it with sn37 release publish")
        if not any(signer.public_key.keyid in r.roles[role].keyids for r in self._roots(metadata)):
            raise ReleaseRefused(f"{file}: this key is not one of role {role}")
        if tell is not None:
            for line in self._review(metadata):
                tell(line)
        metadata.sign(signer, append=True)
        self._write(metadata, numbered=True)
        return self._missing(metadata)

    def publish(self, key: Ed25519PrivateKey, *, expires: datetime) -> None:
        """Confirm that the newest root and targets are the newest, until ``expires``.

        Raises:
            ReleaseRefused: They are not signed by enough keys, or do not exist.
        """
        root, targets = self._newest(Root.type), self._newest(Targets.type)
        if root is None or targets is None:
            raise ReleaseRefused(f"{self._folder} has no root, or no release yet")
        for metadata in (root, targets):
            if missing := self._missing(metadata):
                raise ReleaseRefused(
                    f"{metadata.signed.type} {metadata.signed.version} lacks {missing} signatures"
                )
        signer = CryptoSigner(key)
        if signer.public_key.keyid not in root.signed.roles[Timestamp.type].keyids:
            raise ReleaseRefused("this key is not the publisher's of the newest root")
        before = self._newest(Snapshot.type)
        version = before.signed.version + 1 if before else 1
        listed = {f"{Targets.type}.json": MetaFile(targets.signed.version)}
        snapshot = Metadata(Snapshot(version=version, expires=expires, meta=listed))
        newest = Timestamp(version=version, expires=expires, snapshot_meta=MetaFile(version))
        for numbered, metadata in ((True, snapshot), (False, Metadata(newest))):
            metadata.sign(signer)
            self._write(metadata, numbered=numbered)  # the timestamp last: it names the snapshot

    def _review(self, metadata: Metadata[Any]) -> Iterator[str]:
        signed = metadata.signed
        file = self._folder / f"{signed.version - 1}.{signed.type}.json"
        before = _read(file) if file.exists() else None
        if signed.type == Root.type:
            return review_root(signed, before.signed if before else None)
        if before is not None and self._missing(before):
            before = None
        known = before.signed if before else None
        return review_targets(signed, known, self._folder.parent)

    def _missing(self, metadata: Metadata[Any]) -> int:
        """Return how many signatures are missing, by the root for which it is most."""
        role, signed = metadata.signed.type, metadata.signed_bytes
        results = [
            root.get_verification_result(role, signed, metadata.signatures)
            for root in self._roots(metadata)
        ]
        return max(result.missing for result in results)

    def _roots(self, metadata: Metadata[Any]) -> list[Root]:
        """Return the roots whose keys must sign: for a root, itself and the one before it."""
        if metadata.signed.type != Root.type:
            newest = self._newest(Root.type)
            if newest is None:
                raise ReleaseRefused(f"{self._folder} has no root yet: run sn37 release root")
            return [newest.signed]
        before = self._folder / f"{metadata.signed.version - 1}.root.json"
        return [metadata.signed, *([_read(before).signed] if before.exists() else ())]

    def _newest(self, role: str) -> Metadata[Any] | None:
        found = [
            int(number)
            for number in (p.name.partition(".")[0] for p in self._folder.glob(f"*.{role}.json"))
            if number.isdecimal()
        ]
        return _read(self._folder / f"{max(found)}.{role}.json") if found else None

    def _write_targets(
        self, files: Mapping[str, TargetFile], before: Metadata[Any] | None, expires: datetime
    ) -> Path:
        version = before.signed.version + 1 if before else 1
        targets = Targets(version=version, expires=expires, targets=dict(files))
        return self._write(Metadata(targets), numbered=True)

    def _write(self, metadata: Metadata[Any], *, numbered: bool) -> Path:
        number = f"{metadata.signed.version}." if numbered else ""
        file = self._folder / f"{number}{metadata.signed.type}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(file, metadata.to_bytes(JSONSerializer(compact=False)))
        except OSError as error:
            raise ReleaseUnavailable(f"{file}: {error.strerror or error}") from error
        return file


def _public(key: str) -> SSlibKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)))
    except ValueError as error:
        raise ReleaseRefused(f"{key[:80]!a} is not an ed25519 public key in hexadecimal") from error


def _read(file: Path) -> Metadata[Any]:
    try:
        return Metadata.from_bytes(file.read_bytes())
    except OSError as error:
        raise ReleaseUnavailable(f"{file}: {error.strerror or error}") from error
    except (DeserializationError, RepositoryError) as error:
        raise ReleaseRefused(f"{file}: not metadata of releases") from error
