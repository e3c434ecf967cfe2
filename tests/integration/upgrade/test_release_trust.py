"""What thieves of keys, mirrors and stale copies cannot do, with metadata as it is published."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Snapshot, Timestamp

import sn37
from sn37.adapters.releases.keys import open_key, public_key
from sn37.adapters.releases.repository import Keys
from sn37.adapters.releases.trust import METADATA, Trust
from sn37.domain.release.release import Release
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable
from tests.integration.upgrade.shelf import KEY, NOW, OTHER_KEY, PUBLISHER, Cli, Shelf, a_role

THIRD_KEY = Ed25519PrivateKey.from_private_bytes(bytes([3] * 32))
PEOPLE = (KEY, OTHER_KEY, THIRD_KEY)


class Operator:
    """Somebody who trusts the first root, and remembers what was seen."""

    def __init__(self, root: bytes, folder: Path) -> None:
        self.trust = Trust(root, folder)

    def take(self, document: Path) -> Release:
        return self.trust.read(self.trust.fetch(str(document)))


@pytest.fixture
def operator(shelf: Shelf, tmp_path: Path) -> Operator:
    return Operator(shelf.root.read_bytes(), tmp_path / "trust")


@pytest.fixture
def two_of_three(tmp_path: Path) -> tuple[Shelf, Operator]:
    """A shelf for which two of three people must sign."""
    folder = tmp_path / "careful"
    folder.mkdir()
    shelf = Shelf(folder)
    shelf.add_root(a_role(*PEOPLE, threshold=2), a_role(*PEOPLE, threshold=2), KEY, OTHER_KEY)
    return shelf, Operator(shelf.root.read_bytes(), tmp_path / "careful-trust")


def copied(shelf: Shelf, to: Path) -> Path:
    """What a mirror kept of the shelf as it is."""
    shutil.copytree(shelf.folder, to)
    return to


def test_a_signed_release_is_taken_and_again(shelf: Shelf, operator: Operator) -> None:
    document = shelf.put(shelf.release())
    assert operator.take(document) == shelf.release()
    assert operator.take(document) == shelf.release()


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
def test_no_byte_that_says_something_can_be_changed(
    name: str, shelf: Shelf, operator: Operator
) -> None:
    document = shelf.put(shelf.release())
    file = shelf.folder / METADATA / name
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"version": 1', b'"version": 2'))
    with pytest.raises((ReleaseRefused, ReleaseUnavailable)):
        operator.take(document)
    file.write_bytes(content)
    assert operator.take(document).version == "0.2.0"


def test_a_changed_document_is_not_what_was_signed(shelf: Shelf, operator: Operator) -> None:
    document = shelf.put(shelf.release())
    document.write_bytes(document.read_bytes().replace(b'"schema":', b'"schema" :'))
    with pytest.raises(ReleaseRefused, match="a file differs from the signed one"):
        operator.take(document)


def test_a_document_that_nobody_signed_is_refused(shelf: Shelf, operator: Operator) -> None:
    document = shelf.put(shelf.release())
    other = document.with_name("sn37-0.3.0.release")
    other.write_bytes(document.read_bytes())
    with pytest.raises(ReleaseRefused, match="not a release that the maintainers have signed"):
        operator.take(other)


def test_a_release_under_the_name_of_another_is_refused(shelf: Shelf, operator: Operator) -> None:
    content = shelf.put(shelf.release()).read_bytes()
    other = shelf.put_document(content, name="sn37-0.9.0.release")
    document = shelf.folder / "sn37-0.2.0.release"
    assert operator.take(other) == operator.take(document)
    withdrawn = shelf.repository.withdraw(document.name, expires=NOW + timedelta(days=9))
    shelf.sign(withdrawn, KEY)
    shelf.publish()
    with pytest.raises(ReleaseRefused, match=r"release 0\.2\.0 is not signed, or was withdrawn"):
        operator.take(other)


class TestFreezing:
    @pytest.mark.parametrize("days", [-1.0, 0.0])
    def test_metadata_that_nobody_renews_is_not_taken(
        self, days: float, shelf: Shelf, operator: Operator
    ) -> None:
        document = shelf.put(shelf.release())
        shelf.publish(days=days)
        with pytest.raises(ReleaseRefused, match=r"has expired \(timestamp.json is expired\)"):
            operator.take(document)

    def test_neither_is_an_expired_root_or_expired_targets(
        self, shelf: Shelf, operator: Operator
    ) -> None:
        document = shelf.put(shelf.release(), days=-1)
        with pytest.raises(ReleaseRefused, match=r"has expired \(New targets is expired\)"):
            operator.take(document)
        shelf.add_root(a_role(KEY), a_role(KEY), days=-1)
        with pytest.raises(ReleaseRefused, match=r"has expired \(Final root.json is expired\)"):
            operator.take(document)

    def test_what_was_staged_is_not_switched_to_when_it_has_expired_since(
        self, shelf: Shelf, operator: Operator
    ) -> None:
        document = shelf.put(shelf.release())
        content = operator.trust.fetch(str(document))
        shelf.publish(days=-1)
        with pytest.raises(ReleaseRefused, match="has expired"):
            operator.trust.fetch(str(document))
        seen = operator.trust._folder / "timestamp.json"
        seen.write_bytes((shelf.folder / METADATA / "timestamp.json").read_bytes())
        with pytest.raises(ReleaseRefused, match="has expired"):
            operator.trust.read(content)


class TestRollback:
    def test_a_mirror_cannot_show_an_older_state_to_whoever_saw_a_newer_one(
        self, shelf: Shelf, operator: Operator, tmp_path: Path
    ) -> None:
        document = shelf.put(shelf.release())
        old = copied(shelf, tmp_path / "mirror")
        assert operator.take(old / document.name).version == "0.2.0"
        operator.take(shelf.put(shelf.release("0.3.0")))
        with pytest.raises(ReleaseRefused, match="older than what was seen here before"):
            operator.take(old / document.name)

    def test_a_withdrawn_release_is_gone_for_whoever_staged_it(
        self, shelf: Shelf, operator: Operator
    ) -> None:
        content = operator.trust.fetch(str(shelf.put(shelf.release())))
        other = shelf.put(shelf.release("0.3.0"))
        file = shelf.repository.withdraw("sn37-0.2.0.release", expires=NOW + timedelta(days=9))
        shelf.sign(file, KEY)
        shelf.publish()
        operator.take(other)
        with pytest.raises(ReleaseRefused, match="withdrawn by the maintainers"):
            operator.trust.read(content)

    def test_what_was_never_looked_up_here_is_not_believed(
        self, shelf: Shelf, operator: Operator
    ) -> None:
        document = shelf.put(shelf.release())
        with pytest.raises(ReleaseUnavailable, match="run sn37 upgrade check first"):
            operator.trust.read(document.read_bytes())


class TestThresholds:
    def test_one_stolen_key_of_two_that_must_sign_is_not_enough(
        self, two_of_three: tuple[Shelf, Operator]
    ) -> None:
        shelf, operator = two_of_three
        with pytest.raises(ReleaseRefused, match="targets 1 lacks 1 signatures"):
            shelf.put(shelf.release(), KEY)
        with pytest.raises(ReleaseRefused, match="lacks 1"):
            shelf.put(shelf.release(), KEY, KEY)
        assert operator.take(shelf.put(shelf.release(), KEY, THIRD_KEY)).version == "0.2.0"

    def test_metadata_that_lacks_a_signature_is_refused_however_it_was_published(
        self, two_of_three: tuple[Shelf, Operator], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf, operator = two_of_three
        monkeypatch.setattr(shelf.repository, "_missing", lambda _: 0)
        document = shelf.put(shelf.release(), KEY)
        with pytest.raises(ReleaseRefused, match="not signed by enough keys"):
            operator.take(document)

    def test_the_publisher_alone_adds_no_release(self, shelf: Shelf) -> None:
        with pytest.raises(ReleaseRefused, match="this key is not one of role targets"):
            shelf.put(shelf.release(), PUBLISHER)

    def test_a_repository_of_strangers_is_refused(
        self, shelf: Shelf, operator: Operator, tmp_path: Path
    ) -> None:
        (tmp_path / "theirs").mkdir()
        theirs = Shelf(tmp_path / "theirs")
        theirs.add_root(a_role(OTHER_KEY), a_role(OTHER_KEY), OTHER_KEY)
        with pytest.raises(ReleaseRefused):
            operator.take(theirs.put(theirs.release(), OTHER_KEY))


class TestRotation:
    def test_keys_follow_from_the_root_that_the_operator_trusts(
        self, shelf: Shelf, operator: Operator
    ) -> None:
        operator.take(shelf.put(shelf.release()))
        shelf.add_root(a_role(OTHER_KEY), a_role(OTHER_KEY), KEY, OTHER_KEY)
        shelf.add_root(a_role(THIRD_KEY), a_role(THIRD_KEY), OTHER_KEY, THIRD_KEY)
        assert operator.take(shelf.put(shelf.release("0.3.0"), THIRD_KEY)).version == "0.3.0"
        with pytest.raises(ReleaseRefused, match="not one of role targets"):
            shelf.put(shelf.release("0.4.0"), KEY)

    def test_a_root_that_the_one_before_did_not_sign_is_refused(
        self, shelf: Shelf, operator: Operator
    ) -> None:
        document = shelf.put(shelf.release())
        shelf.add_root(a_role(OTHER_KEY), a_role(OTHER_KEY), OTHER_KEY)
        with pytest.raises(ReleaseRefused, match="not signed by enough keys"):
            operator.take(document)
        with pytest.raises(ReleaseRefused, match="root 2 lacks 1 signatures"):
            shelf.publish()

    def test_another_publisher_takes_over(self, shelf: Shelf, operator: Operator) -> None:
        operator.take(shelf.put(shelf.release()))
        shelf.publisher = THIRD_KEY
        shelf.add_root(a_role(KEY), a_role(KEY))
        assert operator.take(shelf.put(shelf.release("0.3.0"))).version == "0.3.0"
        with pytest.raises(ReleaseRefused, match="not the publisher's"):
            shelf.repository.publish(PUBLISHER, expires=NOW)

    def test_a_thief_s_timestamp_from_the_far_future_ends_with_the_next_publisher(
        self, shelf: Shelf, operator: Operator
    ) -> None:
        document = shelf.put(shelf.release())
        version, expires = 1 << 53, NOW + timedelta(days=36500)
        listed = {"targets.json": MetaFile(1)}
        snapshot = Metadata(Snapshot(version=version, expires=expires, meta=listed))
        newest = Metadata(
            Timestamp(version=version, expires=expires, snapshot_meta=MetaFile(version))
        )
        honest = shelf.folder / METADATA / "timestamp.json"
        kept = honest.read_bytes()
        for name, metadata in ((f"{version}.snapshot.json", snapshot), (honest.name, newest)):
            metadata.sign(CryptoSigner(PUBLISHER))
            (shelf.folder / METADATA / name).write_bytes(metadata.to_bytes())
        assert operator.take(document).version == "0.2.0"
        (shelf.folder / METADATA / f"{version}.snapshot.json").unlink()
        honest.write_bytes(kept)
        with pytest.raises(ReleaseRefused, match="older than what was seen here before"):
            operator.take(document)
        shelf.publisher = THIRD_KEY
        shelf.add_root(a_role(KEY), a_role(KEY))
        assert operator.take(shelf.put(shelf.release("0.3.0"))).version == "0.3.0"


class TestMaintainers:
    def test_a_role_that_cannot_sign_is_refused(self, shelf: Shelf) -> None:
        with pytest.raises(
            ReleaseRefused, match=r"^--root-key: 2 different keys given, 3 must sign"
        ):
            shelf.add_root(a_role(KEY, OTHER_KEY, KEY, threshold=3), a_role(KEY))

    def test_one_key_is_too_few_for_two_signatures(self, shelf: Shelf) -> None:
        told = "^--root-key: 1 key given, 2 must sign; give another or --root-threshold 1$"
        with pytest.raises(ReleaseRefused, match=told):
            shelf.add_root(a_role(KEY, threshold=2), a_role(KEY))

    def test_one_key_in_two_spellings_is_one(self, shelf: Shelf) -> None:
        key = public_key(THIRD_KEY)
        twice = Keys(keys=[key, key.upper()], threshold=2)
        with pytest.raises(ReleaseRefused, match=r"^--root-key: 1 key given, 2 must sign"):
            shelf.add_root(twice, twice)

    def test_a_root_follows_only_a_signed_one(self, shelf: Shelf) -> None:
        first = shelf.repository.add_root(
            root=a_role(KEY), targets=a_role(KEY), publisher=public_key(KEY), expires=NOW
        )
        with pytest.raises(ReleaseRefused, match=f"^{first} lacks 1 signatures: sign it first"):
            shelf.add_root(a_role(KEY), a_role(KEY))
        shelf.sign(first, KEY)
        assert shelf.add_root(a_role(KEY), a_role(KEY)).name == "3.root.json"

    def test_the_folder_of_the_releases_is_made(self, tmp_path: Path) -> None:
        Shelf(tmp_path / "new" / "dist").open()
        assert (tmp_path / "new" / "dist" / METADATA / "1.root.json").exists()

    @pytest.mark.parametrize("key", ["", "zz", "0" * 63, "ABC"])
    def test_what_is_not_a_key_is_refused(self, key: str, shelf: Shelf) -> None:
        with pytest.raises(ReleaseRefused, match="not an ed25519 public key"):
            shelf.repository.add_root(
                root=a_role(KEY), targets=a_role(KEY), publisher=key, expires=NOW
            )

    def test_people_sign_releases_and_not_what_the_publisher_signs(self, shelf: Shelf) -> None:
        shelf.put(shelf.release())
        for name, why in (("timestamp.json", "is a timestamp"), ("none.json", "No such file")):
            with pytest.raises((ReleaseRefused, ReleaseUnavailable), match=why):
                shelf.sign(shelf.folder / METADATA / name, KEY)
        (shelf.folder / METADATA / "9.targets.json").write_text("{}")
        with pytest.raises(ReleaseRefused, match="not metadata"):
            shelf.publish()

    def test_nothing_is_withdrawn_that_is_not_there(self, shelf: Shelf) -> None:
        with pytest.raises(ReleaseRefused, match="not in the newest targets"):
            shelf.repository.withdraw("sn37-0.2.0.release", expires=NOW)

    def test_nothing_is_published_before_a_root_and_a_release(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        with pytest.raises(ReleaseRefused, match="no root, or no release yet"):
            shelf.publish()
        (tmp_path / "new").mkdir()
        empty = Shelf(tmp_path / "new")
        with pytest.raises(ReleaseRefused, match="has no root yet"):
            empty.put(empty.release())


def test_a_release_that_was_staged_is_asked_for_its_signatures_again_before_the_switch(
    cli: Cli, shelf: Shelf, install_dir: Path
) -> None:
    document = shelf.put(shelf.release())
    assert cli("check", document)[0] == 0
    folder = install_dir / "releases" / "0.3.0"
    folder.mkdir()
    (folder / "release.signed").write_bytes(
        document.read_bytes().replace(b"0.2.0", b"0.3.0").replace(b"2000", b"3000")
    )
    code, said = cli("switch", "0.3.0", "--health", "127.0.0.1:9")
    assert (code, said.count("\n")) == (1, 1)
    assert "release 0.3.0 is not signed, or was withdrawn" in said


def write_key(file: Path, *, password: bytes | None = None, key: Ed25519PrivateKey = KEY) -> Path:
    file.touch(mode=0o600)
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return file


class TestCommands:
    @pytest.fixture
    def key_file(self, tmp_path: Path) -> Path:
        return write_key(tmp_path / "key.pem")

    def test_what_maintainers_sign_and_publish_is_taken(
        self, key_file: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sn37, "__version__", "0.2.0")
        folder = tmp_path / "new"
        folder.mkdir()
        shelf = Shelf(folder)
        release = shelf.release()
        wheel, requirements = folder / release.wheel.name, folder / "requirements.txt"
        own, other = public_key(KEY), public_key(OTHER_KEY)
        other_file = write_key(tmp_path / "other.pem", key=OTHER_KEY)
        keys = [w for k in (own, other) for w in ("--root-key", k, "--targets-key", k)]
        printed = ""
        for words, said in (
            (("root", folder, *keys, "--publisher-key", own), "1.root.json: to be signed"),
            (("sign", shelf.root, "--key", key_file), "1 more to sign"),
            (("sign", shelf.root, "--key", other_file), "signed by enough"),
            (("add", wheel, requirements), "1.targets.json: to be signed"),
            (("sign", folder / METADATA / "1.targets.json", "--key", other_file), "1 more"),
            (("sign", folder / METADATA / "1.targets.json", "--key", key_file), "by enough"),
            (("publish", folder, "--key", key_file), "newest until"),
        ):
            code, told = cli(*words, group="release")
            assert code == 0, told
            assert (told.count("\n") > 1) == (words[0] == "sign"), told
            assert said in told.splitlines()[-1]
            printed += told
        for secret in (key.private_bytes_raw().hex() for key in (KEY, OTHER_KEY)):
            assert secret not in printed
            assert not any(secret in file.read_text() for file in folder.rglob("*.json"))
        monkeypatch.setenv("SN37_RELEASE_ROOT", str(shelf.root))
        document = folder / "sn37-0.2.0.release"
        code, told = cli("check", document, "--json")
        assert (code, json.loads(told)["version"]) == (0, "0.2.0")
        code, told = cli("publish", folder, "--key", key_file, "--json", group="release")
        assert (code, json.loads(told)["folder"]) == (0, str(folder))
        code, told = cli("withdraw", document, "--json", group="release")
        targets = json.loads(told)["file"]
        assert (code, targets) == (0, str(folder / METADATA / "2.targets.json"))
        code, told = cli("sign", targets, "--key", key_file, "--json", group="release")
        assert (code, json.loads(told)["missing_signatures"]) == (0, 1)

    def test_a_version_is_described_by_its_own_program(self, cli: Cli, shelf: Shelf) -> None:
        wheel = shelf.folder / shelf.release("0.9.9").wheel.name
        code, said = cli("add", wheel, shelf.folder / "requirements.txt", group="release")
        assert code == 1
        assert "its own sn37" in said

    def test_a_key_that_others_can_read_is_not_used(self, key_file: Path) -> None:
        key_file.chmod(0o644)
        with pytest.raises(ReleaseRefused, match="chmod 600"):
            open_key(key_file, bytes)

    def test_an_encrypted_key_asks_for_its_password(self, tmp_path: Path) -> None:
        file = write_key(tmp_path / "locked.pem", password=b"open")
        assert public_key(open_key(file, lambda: b"open")) == public_key(KEY)
        with pytest.raises(ReleaseRefused, match="wrong password"):
            open_key(file, lambda: b"wrong")

    def test_what_is_no_such_key_is_refused_and_never_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"
        file.touch(mode=0o600)
        file.write_text("secret\n")
        with pytest.raises(ReleaseRefused) as caught:
            open_key(file, bytes)
        assert "secret" not in str(caught.value)
        with pytest.raises(ReleaseRefused, match="No such file"):
            open_key(tmp_path / "none.pem", bytes)
