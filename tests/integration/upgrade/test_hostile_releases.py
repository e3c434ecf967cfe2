"""Nothing that the maintainers have not signed is taken, and the operator is told in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.request import Request

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

import sn37
from sn37.adapters.releases import source
from sn37.adapters.releases.document import read_release, write_release
from sn37.adapters.releases.sealing import MAX_BYTES, open_key, public_key, seal, unseal
from sn37.adapters.releases.source import Redirects, Source
from sn37.adapters.sqlite.schema import VERSION
from sn37.domain.ids import Digest
from sn37.domain.release.release import Release
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable
from tests.integration.upgrade.shelf import KEY, NOW, OTHER_KEY, Cli, Shelf


def refusal(cli: Cli, *words: str | Path) -> str:
    code, printed = cli(*words)
    assert code == 1
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    return printed


def changed(release: Release, **fields: object) -> bytes:
    """A signed document that says what no ``Release`` can."""
    document = {**json.loads(write_release(release)), **fields}
    return seal(json.dumps(document).encode(), KEY)


def test_a_good_release_is_described_and_nothing_is_changed(cli: Cli, shelf: Shelf) -> None:
    code, printed = cli("check", shelf.put(shelf.release()))
    assert (code, printed.count("\n")) == (0, 1)
    assert f"sn37 0.2.0, weights version 2000, state version {VERSION}" in printed
    assert "would replace 0.1.0" in printed


class TestSignatures:
    def test_one_by_another_key_is_refused(self, cli: Cli, shelf: Shelf) -> None:
        path = shelf.put(shelf.release(), key=OTHER_KEY)
        assert "not signed by a key that release_key names" in refusal(cli, "check", path)

    def test_one_under_the_name_of_the_right_key_is_refused(self, cli: Cli, shelf: Shelf) -> None:
        sealed = seal(write_release(shelf.release()), OTHER_KEY)
        forged = sealed.replace(public_key(OTHER_KEY).encode(), public_key(KEY).encode())
        assert "was changed or damaged" in refusal(cli, "check", shelf.put_sealed(forged))

    def test_no_byte_of_the_document_can_be_changed(self, shelf: Shelf) -> None:
        sealed = seal(write_release(shelf.release()), KEY)
        for place in range(len(sealed) - 1):
            spoiled = bytearray(sealed)
            spoiled[place] ^= 1
            with pytest.raises(ReleaseRefused):
                unseal(bytes(spoiled), [public_key(KEY)])

    def test_a_signature_of_something_else_by_the_same_key_is_none(self, shelf: Shelf) -> None:
        document = write_release(shelf.release())
        line = f"ed25519 {public_key(KEY)} {KEY.sign(document).hex()}"
        with pytest.raises(ReleaseRefused, match="does not match"):
            unseal(document + b"\n" + line.encode(), [public_key(KEY)])

    def test_without_a_pinned_key_nothing_is_taken(
        self, cli: Cli, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SN37_RELEASE_KEY")
        assert "release_key" in refusal(cli, "check", shelf.put(shelf.release()))

    def test_one_of_several_pinned_keys_is_enough_so_that_keys_can_be_replaced(
        self, shelf: Shelf
    ) -> None:
        document = write_release(shelf.release())
        for key in (KEY, OTHER_KEY):
            keys = [public_key(OTHER_KEY), public_key(KEY)]
            assert unseal(seal(document, key), keys) == document

    @pytest.mark.parametrize("content", [b"", b"{}", b"{}\n", b"\n\n\n", b"{}\ned25519 a b\n"])
    def test_what_has_no_signature_is_refused(self, content: bytes, cli: Cli, shelf: Shelf) -> None:
        assert "sign" in refusal(cli, "check", shelf.put_sealed(content))

    def test_one_that_was_staged_is_asked_for_its_signature_again_before_the_switch(
        self, cli: Cli, shelf: Shelf, install_dir: Path
    ) -> None:
        folder = install_dir / "releases" / "0.2.0"
        folder.mkdir()
        (folder / "release.signed").write_bytes(seal(write_release(shelf.release()), OTHER_KEY))
        said = refusal(cli, "switch", "0.2.0", "--health", "127.0.0.1:9")
        assert "not signed by a key" in said


class TestDocuments:
    def test_an_expired_one_is_refused(self, cli: Cli, shelf: Shelf) -> None:
        expired = replace(shelf.release(), expires_at=NOW - timedelta(seconds=1))
        assert "has expired" in refusal(cli, "check", shelf.put(expired))

    @pytest.mark.parametrize("version", ["0.0.9", "0.1.0"])
    def test_a_downgrade_and_a_repetition_are_refused(
        self, version: str, cli: Cli, shelf: Shelf
    ) -> None:
        said = refusal(cli, "check", shelf.put(shelf.release(version)))
        assert "older than 0.1.0" in said or "already running" in said

    @pytest.mark.parametrize("name", ["../../bin/sh", "/etc/passwd", "a\\..\\b", ".", "\u202e.whl"])
    def test_a_file_name_that_leads_elsewhere_is_refused(
        self, name: str, cli: Cli, shelf: Shelf
    ) -> None:
        file = {"name": name, "sha256": "0" * 64, "size_bytes": 1}
        sealed = changed(shelf.release(), requirements=file)
        assert "not a plain file name" in refusal(cli, "check", shelf.put_sealed(sealed))

    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ({"format": 2}, "format '2', but this program reads 1"),
            ({"more": 1}, "'more': unknown key"),
            ({"version_key": 1}, "version key 1"),
            ({"version_key": True}, "'version_key'"),
            ({"version": "9" * 300}, "'version'"),
            ({"expires_at": "2030-01-01T00:00:00"}, "'expires_at'"),
            ({"wheel": []}, "'wheel'"),
            ({"oldest_schema": -1}, "'oldest_schema'"),
        ],
    )
    def test_what_cannot_be_is_refused_even_signed(
        self, fields: Mapping[str, object], why: str, cli: Cli, shelf: Shelf
    ) -> None:
        sealed = changed(shelf.release(), **fields)
        assert why in refusal(cli, "check", shelf.put_sealed(sealed))

    def test_a_huge_one_is_refused_before_it_is_read(self, cli: Cli, shelf: Shelf) -> None:
        path = shelf.put_sealed(b"x" * (MAX_BYTES + 1))
        assert "more than 16,384 bytes" in refusal(cli, "check", path)
        assert "more than 16,384 bytes" in refusal(cli, "check", "/dev/zero")

    def test_a_deep_or_doubled_one_is_refused(self) -> None:
        for document in (b'{"a":' + b"[" * 99 + b"]" * 99 + b"}", b'{"format":1,"format":1}'):
            with pytest.raises(ReleaseRefused):
                read_release(document)


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "why"),
        [(b"wheel!", "more than the signed 5"), (b"whee", "less than"), (b"Wheel", "sha256")],
    )
    def test_a_file_that_was_not_signed_for_is_refused_and_nothing_is_left(
        self, content: bytes, why: str, cli: Cli, shelf: Shelf, install_dir: Path
    ) -> None:
        release = shelf.release()
        path = shelf.put(release)
        (shelf.folder / release.wheel.name).write_bytes(content)
        assert why in refusal(cli, "stage", path)
        assert not (install_dir / "releases" / "0.2.0").exists()

    def test_a_file_without_end_is_cut_off(self, shelf: Shelf, tmp_path: Path) -> None:
        release = shelf.release()
        path = shelf.folder / release.wheel.name
        path.unlink()
        path.symlink_to("/dev/zero")
        with pytest.raises(ReleaseRefused, match="more than"):
            Source(str(shelf.folder / "a.release")).fetch(release.wheel, tmp_path)
        assert (tmp_path / path.name).stat().st_size == release.wheel.size_bytes + 1

    def test_a_file_that_is_missing_is_named(self, cli: Cli, shelf: Shelf) -> None:
        path = shelf.put(shelf.release())
        (shelf.folder / "requirements.txt").unlink()
        assert "requirements.txt: No such file" in refusal(cli, "stage", path)


class Server(ThreadingHTTPServer):
    """Serves a folder, or answers as a test says."""

    folder: Path
    location = ""  # send everybody there
    slow = False  # promise more than there is

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # the library's name
        if self.server.location:
            self.send_response(302)
            self.send_header("Location", self.server.location)
            self.end_headers()
            return
        file = self.server.folder / self.path.partition("?")[0].rpartition("/")[2]
        if not file.exists():
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + self.server.slow))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture
def server(shelf: Shelf) -> Iterator[Server]:
    with serving(shelf.folder) as running:
        yield running


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.folder = folder
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TestServers:
    def test_a_release_comes_from_an_address_with_the_files_beside_it(
        self, cli: Cli, shelf: Shelf, server: Server, tmp_path: Path
    ) -> None:
        release = shelf.release()
        shelf.put(release)
        address = f"{server.address}/downloads/v0.2.0/a.release?token=1"
        assert cli("check", address)[0] == 0
        assert Source(address).fetch(release.wheel, tmp_path).read_bytes() == b"wheel"

    @pytest.mark.parametrize(
        "target", ["http://example.org/a", "file:///etc/passwd", "http://127.0.0.1:9/a"]
    )
    def test_being_sent_anywhere_but_to_https_is_refused(
        self, target: str, cli: Cli, server: Server
    ) -> None:
        server.location = target
        said = refusal(cli, "check", f"{server.address}/a.release")
        assert "which is not https" in said or "the server answers 302" in said

    def test_https_may_send_on_to_https_as_hosts_of_downloads_do(self) -> None:
        asked = Request("https://example.org/a.release")
        sent = "https://files.example.org/a.release"
        found = Redirects().redirect_request(asked, BytesIO(), 302, "Found", HTTPMessage(), sent)
        assert found is not None
        assert found.full_url == sent

    @pytest.mark.parametrize(
        "address",
        ["http://example.org/a.release", "ftp://example.org/a", "file:///etc/passwd", "http://[/a"],
    )
    def test_only_https_is_asked(self, address: str, cli: Cli) -> None:
        said = refusal(cli, "check", address)
        assert "only https" in said or "not a valid address" in said

    def test_what_the_server_says_is_no_is_told(self, cli: Cli, server: Server) -> None:
        assert "answers 404" in refusal(cli, "check", f"{server.address}/missing.release")

    def test_nobody_there_is_told(self, cli: Cli, shelf: Shelf) -> None:
        with serving(shelf.folder) as gone:
            address = gone.address
        assert "refused" in refusal(cli, "check", f"{address}/a.release")

    def test_an_answer_that_breaks_off_is_not_what_was_signed_for(
        self, shelf: Shelf, server: Server, tmp_path: Path
    ) -> None:
        release = shelf.release()
        (shelf.folder / release.wheel.name).write_bytes(b"whe")
        server.slow = True
        with pytest.raises((ReleaseRefused, ReleaseUnavailable)):
            Source(f"{server.address}/a.release").fetch(release.wheel, tmp_path)

    def test_one_that_takes_for_ever_is_given_up(
        self, shelf: Shelf, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf.put(shelf.release())
        monkeypatch.setattr(source, "FETCH_TIMEOUT_S", -1.0)
        with pytest.raises(ReleaseUnavailable, match="not complete after"):
            Source(f"{server.address}/a.release").document()


class TestSigning:
    @pytest.fixture
    def key_file(self, tmp_path: Path) -> Path:
        return write_key(tmp_path / "key.pem")

    def test_what_is_signed_is_taken(
        self, key_file: Path, cli: Cli, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sn37, "__version__", "0.2.0")
        release = shelf.release()
        wheel, requirements = shelf.folder / release.wheel.name, shelf.folder / "requirements.txt"
        code, printed = cli("sign", wheel, requirements, "--key", key_file)
        assert code == 0
        assert f"release_key {public_key(KEY)}" in printed
        secret = KEY.private_bytes_raw().hex()
        assert secret not in printed
        path = shelf.folder / "sn37-0.2.0.release"
        assert secret not in path.read_text()
        assert cli("check", path)[0] == 0

    def test_a_version_is_signed_by_its_own_program(
        self, key_file: Path, cli: Cli, shelf: Shelf
    ) -> None:
        wheel = shelf.folder / shelf.release("0.9.9").wheel.name
        said = refusal(cli, "sign", wheel, shelf.folder / "requirements.txt", "--key", key_file)
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


def write_key(file: Path, *, password: bytes | None = None, key: Ed25519PrivateKey = KEY) -> Path:
    file.touch(mode=0o600)
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return file


def test_a_digest_of_another_file_is_not_taken_for_its_name(shelf: Shelf, tmp_path: Path) -> None:
    release = shelf.release()
    swapped = replace(release.wheel, sha256=Digest("0" * 64))
    with pytest.raises(ReleaseRefused, match="not the signed file"):
        Source(str(shelf.folder / "a.release")).fetch(swapped, tmp_path)
