"""Lines that say what a maintainer signs, to read before the signature is passed on.

All keys and documents are listed, unchanged ones too: the metadata before may have been changed in
the same folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Key, Root, Targets

from sn37.adapters.releases.document import MAX_BYTES, document_name, read_release
from sn37.domain.printable import one_line
from sn37.domain.release.release import ReleaseFile
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable


def review_root(new: Root, before: Root | None) -> Iterator[str]:
    """Yield the keys of every role and how many must sign, marked where they differ.

    Raises:
        ReleaseRefused: One key is listed twice, so that it would count as two.
    """
    yield f"root {new.version}, valid until {new.expires:%Y-%m-%d %H:%M} UTC"
    for role in sorted(new.roles):
        keys, known = _keys(new, role), _keys(before, role) if before else []
        threshold = new.roles[role].threshold
        if len(set(keys)) < len(keys):
            raise ReleaseRefused(f"root {new.version}: one key is listed twice for role {role}")
        yield f"  {role}: {threshold} of {len(keys)} must sign"
        yield from (f"    {'keeps' if key in known else 'adds'} key {key}" for key in keys)
        yield from (f"    removes key {key}" for key in known if key not in keys)
        if before and threshold < (old := before.roles[role].threshold):
            yield f"  warning: fewer must sign for {role} than before: {threshold}, not {old}"
        if known and not set(known) & set(keys):
            yield f"  warning: all keys of {role} change"


def review_targets(new: Targets, before: Targets | None, folder: Path) -> Iterator[str]:
    """Yield all documents with their sha256, and the files that each new one names.

    Args:
        before: The targets before, if enough people signed them.
        folder: Folder of the releases. The new documents and their files are compared with it.

    Raises:
        ReleaseRefused: A new document or a file of it differs from the one in the folder, or
            others than the maintainers could add documents.
        ReleaseUnavailable: One cannot be read.
    """
    if new.delegations is not None:
        raise ReleaseRefused(f"targets {new.version} let other keys sign releases (delegations)")
    yield f"targets {new.version}, valid until {new.expires:%Y-%m-%d %H:%M} UTC"
    known = before.targets if before else {}
    for name, target in sorted(new.targets.items()):
        keeps = name in known and known[name] == target
        digest = one_line(target.hashes.get("sha256", "none"))
        yield f"  {'keeps' if keeps else 'adds'} {one_line(name)}, sha256 {digest}"
        if keeps:
            continue
        try:
            with (folder / name).open("rb") as file:
                document = file.read(MAX_BYTES + 1)
            target.verify_length_and_hashes(document)
            release = read_release(document)
            if name != document_name(release.version) or "sha256" not in target.hashes:
                raise ReleaseRefused(f"{one_line(name)} does not fit release {release.version}")
            for part in (release.wheel, release.requirements):
                _compare(part, folder / part.name)
                yield f"    with {part.name}, sha256 {part.sha256}"
        except RepositoryError as error:
            raise ReleaseRefused(
                f"{folder / name} is not the document in targets {new.version}: its sha256 differs"
            ) from error
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or one_line(str(error))
            raise ReleaseUnavailable(f"{folder / one_line(name)}: {why}") from error
    yield from (f"  removes {one_line(name)}" for name in sorted(known) if name not in new.targets)


def _compare(part: ReleaseFile, file: Path) -> None:
    with file.open("rb") as opened:
        if file_digest(opened, "sha256").hexdigest() != part.sha256:
            raise ReleaseRefused(f"{file} is not the file in the document: its sha256 differs")


def _keys(root: Root, role: str) -> list[str]:
    known = root.keys
    return [_text(known[keyid]) for keyid in root.roles[role].keyids if keyid in known]


def _text(key: Key) -> str:
    kind = "" if key.scheme == "ed25519" else f"{key.scheme} "
    return one_line(f"{kind}{key.keyval.get('public', key.keyval)}").lower()
