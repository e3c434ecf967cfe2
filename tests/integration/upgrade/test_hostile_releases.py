"""Nothing that the maintainers have not signed is taken, and the operator is told in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from socket import socket
from urllib.request import Request

import pytest

from sn37.adapters.deadline import Deadline
from sn37.adapters.releases import source
from sn37.adapters.releases.document import MAX_BYTES, read_release, write_release
from sn37.adapters.releases.source import Redirects, Source, chunks
from sn37.adapters.sqlite.schema import VERSION
from sn37.domain.ids import Digest
from sn37.domain.release.release import Release
from sn37.ports.errors import ReleaseRefused, ReleaseUnavailable
from tests.integration.upgrade.shelf import NOW, Cli, Shelf


def refusal(cli: Cli, *words: str | Path) -> str:
    code, printed = cli(*words)
    assert code == 1
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    return printed


def bytes_of(place: str) -> bytes:
    return Path(place).read_bytes()


def changed(release: Release, **fields: object) -> bytes:
    """A document that says what no ``Release`` can."""
    document = {**json.loads(write_release(release)), **fields}
    return json.dumps(document).encode()


def test_a_good_release_is_described_and_nothing_is_changed(cli: Cli, shelf: Shelf) -> None:
    code, printed = cli("check", shelf.put(shelf.release()))
    assert (code, printed.count("\n")) == (0, 1)
    assert f"sn37 0.2.0, weights version 2000, state version {VERSION}" in printed
    assert "would replace 0.1.0" in printed


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
        document = changed(shelf.release(), requirements=file)
        assert "not a plain file name" in refusal(cli, "check", shelf.put_document(document))

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
        document = changed(shelf.release(), **fields)
        assert why in refusal(cli, "check", shelf.put_document(document))

    def test_a_huge_one_is_refused_before_it_is_read(self, cli: Cli, shelf: Shelf) -> None:
        path = shelf.put_document(b"x" * (2 * MAX_BYTES))
        assert "differs from the signed one" in refusal(cli, "check", path)
        path.unlink()
        path.symlink_to("/dev/zero")
        assert "differs from the signed one" in refusal(cli, "check", path)

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
            Source(str(shelf.folder / "a.release"), bytes_of).fetch(release.wheel, tmp_path)
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
    stuck = b""  # say only this, and nothing more until the test has ended

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.over = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # the library's name
        if self.server.stuck:
            self.wfile.write(self.server.stuck)
            self.server.over.wait()
            return
        if self.server.location:
            self.send_response(302)
            self.send_header("Location", self.server.location)
            self.end_headers()
            return
        path = self.path.partition("?")[0].rpartition("v0.2.0/")[2]
        file = self.server.folder / path.lstrip("/")
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
    server = Server()
    server.folder = folder
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class TestServers:
    def test_a_release_comes_from_an_address_with_the_files_beside_it(
        self, cli: Cli, shelf: Shelf, server: Server, tmp_path: Path
    ) -> None:
        release = shelf.release()
        shelf.put(release)
        address = f"{server.address}/downloads/v0.2.0/sn37-0.2.0.release?token=1"
        assert cli("check", address)[0] == 0
        assert Source(address, bytes_of).fetch(release.wheel, tmp_path).read_bytes() == b"wheel"

    @pytest.mark.parametrize(
        "target", ["http://example.org/a", "file:///etc/passwd", "http://127.0.0.1:9/a"]
    )
    def test_being_sent_anywhere_but_to_https_is_refused(
        self, target: str, cli: Cli, server: Server
    ) -> None:
        server.location = target
        said = refusal(cli, "check", f"{server.address}/a.release")
        assert "which is not https" in said or "the server answers 302" in said

    @pytest.mark.parametrize(
        "target", [f"https://{'a' * 70}.com/", "https://[bad/", "https://.com/", "https://a..b/"]
    )
    def test_being_sent_to_what_is_no_address_is_told(
        self, target: str, cli: Cli, server: Server
    ) -> None:
        server.location = target
        said = refusal(cli, "check", f"{server.address}/a.release")
        assert "leads to an address that is not valid" in said

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
            Source(f"{server.address}/a.release", bytes_of).fetch(release.wheel, tmp_path)

    def test_one_that_takes_for_ever_is_given_up(
        self, shelf: Shelf, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf.put(shelf.release())
        monkeypatch.setattr(source, "FETCH_TIMEOUT_S", -1.0)
        with pytest.raises(ReleaseUnavailable, match="not complete after"):
            b"".join(chunks(f"{server.address}/sn37-0.2.0.release", MAX_BYTES))

    @pytest.mark.parametrize(
        "said",
        [
            b"HTTP/1.1 200 OK\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\nX: y",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x",
        ],
    )
    def test_one_that_stops_anywhere_is_given_up_in_time(
        self, said: bytes, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.stuck = said
        monkeypatch.setattr(source, "FETCH_TIMEOUT_S", 0.2)
        with pytest.raises(ReleaseUnavailable, match="not complete after 0 s"):
            b"".join(chunks(f"{server.address}/a.release", MAX_BYTES))

    def test_what_comes_in_small_pieces_is_not_waited_for_as_a_whole(self, server: Server) -> None:
        server.stuck = b"HTTP/1.1 200 OK\r\n\r\nx"
        with closing(chunks(f"{server.address}/a.release", MAX_BYTES)) as received:
            assert next(received) == b"x"

    def test_a_connection_opened_too_late_is_not_used(self) -> None:
        with socket() as opened, pytest.raises(TimeoutError):
            Deadline(0).watch(opened)


def test_a_digest_of_another_file_is_not_taken_for_its_name(shelf: Shelf, tmp_path: Path) -> None:
    release = shelf.release()
    swapped = replace(release.wheel, sha256=Digest("0" * 64))
    with pytest.raises(ReleaseRefused, match="not the signed file"):
        Source(str(shelf.folder / "a.release"), bytes_of).fetch(swapped, tmp_path)
