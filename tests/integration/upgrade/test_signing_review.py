"""A maintainer reads what is signed, and never signs what differs from the files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Delegations, Metadata, TargetFile

from sn37.adapters.releases.document import write_release
from sn37.adapters.releases.keys import public_key
from sn37.adapters.releases.trust import METADATA
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable
from tests.integration.upgrade.shelf import KEY, NOW, OTHER_KEY, PUBLISHER, Shelf, a_role

SOON = NOW + timedelta(days=9)


def review(shelf: Shelf, file: Path) -> list[str]:
    lines: list[str] = []
    shelf.repository.sign(file, KEY, lines.append)
    return lines


def next_targets(shelf: Shelf, version: str = "0.2.0") -> Path:
    document = shelf.folder / f"sn37-{version}.release"
    document.write_bytes(write_release(shelf.release(version)))
    return shelf.repository.add_document(document, expires=SOON)


def change(file: Path, by: Callable[[Metadata[Any]], object]) -> None:
    metadata = Metadata.from_bytes(file.read_bytes())
    by(metadata)
    file.write_bytes(metadata.to_bytes())


def signatures(file: Path) -> int:
    return len(Metadata.from_bytes(file.read_bytes()).signatures)


class TestTargets:
    def test_documents_added_kept_and_removed_are_told_with_their_hashes(
        self, shelf: Shelf
    ) -> None:
        release = shelf.release()
        digest = sha256(write_release(release)).hexdigest()
        lines = review(shelf, next_targets(shelf))
        assert lines == [
            f"targets 1, valid until {SOON:%Y-%m-%d %H:%M} UTC",
            f"  adds sn37-0.2.0.release, sha256 {digest}",
            f"    with {release.wheel.name}, sha256 {release.wheel.sha256}",
            f"    with requirements.txt, sha256 {release.requirements.sha256}",
        ]
        lines = review(shelf, next_targets(shelf, "0.3.0"))
        assert lines[1] == f"  keeps sn37-0.2.0.release, sha256 {digest}"
        assert lines[2].startswith("  adds sn37-0.3.0.release, sha256 ")
        lines = review(shelf, shelf.repository.withdraw("sn37-0.2.0.release", expires=SOON))
        assert lines[-1] == "  removes sn37-0.2.0.release"

    def test_a_document_in_targets_that_too_few_signed_is_no_kept_one(self, shelf: Shelf) -> None:
        next_targets(shelf)
        assert "  adds sn37-0.2.0.release" in review(shelf, next_targets(shelf, "0.3.0"))[1]

    def test_an_exchanged_document_is_not_signed(self, shelf: Shelf) -> None:
        file = next_targets(shelf)
        evil = write_release(shelf.release(wheel=b"evil"))

        def exchange(metadata: Metadata[Any]) -> None:
            target = metadata.signed.targets["sn37-0.2.0.release"]
            target.hashes, target.length = {"sha256": sha256(evil).hexdigest()}, len(evil)

        change(file, exchange)
        with pytest.raises(ReleaseRefused, match=r"0\.2\.0\.release is not the document in targ"):
            review(shelf, file)
        assert signatures(file) == 0

    @pytest.mark.parametrize("name", ["sn37-0.2.0-py3-none-any.whl", "requirements.txt"])
    def test_a_document_is_not_signed_without_the_files_it_names(
        self, name: str, shelf: Shelf
    ) -> None:
        file = next_targets(shelf)
        (shelf.folder / name).write_bytes(b"evil")
        with pytest.raises(ReleaseRefused, match=f"{name} is not the file in the document"):
            review(shelf, file)
        (shelf.folder / name).unlink()
        with pytest.raises(ReleaseUnavailable, match="No such file"):
            review(shelf, file)
        assert signatures(file) == 0

    def test_a_document_under_the_name_of_another_is_not_signed(self, shelf: Shelf) -> None:
        file = next_targets(shelf)
        other = shelf.folder / "sn37-0.9.0.release"
        other.write_bytes((shelf.folder / "sn37-0.2.0.release").read_bytes())
        target = TargetFile.from_file(other.name, str(other))
        change(file, lambda m: m.signed.targets.update({other.name: target}))
        with pytest.raises(ReleaseRefused, match=r"0\.9\.0.release does not fit release 0\.2\.0"):
            review(shelf, file)

    def test_targets_that_let_others_sign_are_not_signed(self, shelf: Shelf) -> None:
        file = next_targets(shelf)
        change(file, lambda m: setattr(m.signed, "delegations", Delegations({}, {})))
        with pytest.raises(ReleaseRefused, match="let other keys sign"):
            review(shelf, file)


class TestRoots:
    def test_every_key_is_told_and_what_becomes_weaker_is_a_warning(self, tmp_path: Path) -> None:
        shelf = Shelf(tmp_path)
        both = a_role(KEY, OTHER_KEY, threshold=2)
        shelf.add_root(both, both, KEY, OTHER_KEY)
        file = shelf.repository.add_root(
            root=a_role(KEY),
            targets=a_role(PUBLISHER),
            publisher=public_key(PUBLISHER),
            expires=SOON,
        )
        own, other, third = map(public_key, (KEY, OTHER_KEY, PUBLISHER))
        lines = review(shelf, file)
        start = lines.index("  root: 1 of 1 must sign")
        assert lines[start:] == [
            "  root: 1 of 1 must sign",
            f"    keeps key {own}",
            f"    removes key {other}",
            "  warning: fewer must sign for root than before: 1, not 2",
            "  snapshot: 1 of 1 must sign",
            f"    keeps key {third}",
            "  targets: 1 of 1 must sign",
            f"    adds key {third}",
            f"    removes key {own}",
            f"    removes key {other}",
            "  warning: fewer must sign for targets than before: 1, not 2",
            "  warning: all keys of targets change",
            "  timestamp: 1 of 1 must sign",
            f"    keeps key {third}",
        ]

    def test_the_first_root_and_one_like_the_last_have_no_warning(self, shelf: Shelf) -> None:
        for file in (shelf.root, shelf.add_root(a_role(KEY), a_role(KEY))):
            assert not [line for line in review(shelf, file) if "warning" in line]

    def test_a_root_in_which_one_key_counts_as_two_is_not_signed(self, shelf: Shelf) -> None:
        file = shelf.folder / METADATA / "1.root.json"

        def double(metadata: Metadata[Any]) -> None:
            root = metadata.signed
            (keyid,) = root.roles["targets"].keyids
            root.keys["f" * 64] = root.keys[keyid]
            root.roles["targets"].keyids.append("f" * 64)

        change(file, double)
        with pytest.raises(ReleaseRefused, match="one key is listed twice for role targets"):
            review(shelf, file)
