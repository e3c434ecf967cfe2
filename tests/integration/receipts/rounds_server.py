"""A web server on this machine that offers a folder, and misbehaves as it is told."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATIENCE_S = 60.0


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to a request whose path ends like this."""

    path: str
    times: int | None = 1  # None: always
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    drop: bool = False  # no answer
    mute: bool = False  # none, and the connection stays open
    cut: bool = False  # half of what was announced
    endless: bool = False  # without a length, for ever
    trickle: bool = False  # a byte now and then


@dataclass(slots=True)
class Offer:
    """A served folder, and what was asked for."""

    folder: Path
    address: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # paths, in order
    muted: threading.Event = field(default_factory=threading.Event)  # a request waits for ever
    closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_for(self, path: str) -> Fault | None:
        with self._lock:
            self.asked.append(path)
            for fault in self.faults:
                if path.endswith(fault.path) and fault.times != 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, offer: Offer, *args: object) -> None:
        self.offer = offer
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""

    def do_GET(self) -> None:
        fault = self.offer.fault_for(self.path)
        file = self.offer.folder / self.path.removeprefix("/rounds/")
        body = file.read_bytes() if file.is_file() else None
        if fault is None:
            self._send(200 if body is not None else 404, body or b"")
        elif fault.drop or fault.mute:
            if fault.mute:
                self.offer.muted.set()
                self.offer.closing.wait(PATIENCE_S)
            self.close_connection = True
        elif fault.endless or fault.trickle:
            self._without_end(fault)
        else:
            content = fault.body if fault.body is not None else body or b""
            self._send(fault.status, content, fault.headers, cut=fault.cut)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        cut: bool = False,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def _without_end(self, fault: Fault) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        piece = b" " if fault.trickle else b" " * (1 << 16)
        while not self.offer.closing.wait(0.2 if fault.trickle else 0):
            self.wfile.write(piece)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up in the middle: that is what the tests are about."""


@contextmanager
def serving(folder: Path, *, certificate: Path | None = None) -> Iterator[Offer]:
    """Offer a folder under ``/rounds/``; with a certificate over TLS."""
    offer = Offer(folder)
    with _Server(("127.0.0.1", 0), partial(_Handler, offer)) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        offer.address = f"{scheme}://127.0.0.1:{server.server_address[1]}/rounds/"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield offer
        finally:
            offer.closing.set()
            server.shutdown()
            thread.join()


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """Return the files of an authority, and of a server's key with its certificate."""
    now = datetime.now(UTC)

    def certificate(
        subject: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        signer: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        is_authority = subject == issuer
        made = (
            x509.CertificateBuilder()
            .subject_name(_named(subject))
            .issuer_name(_named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
            )
        )
        if is_authority:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            made = made.add_extension(usage, critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            made = made.add_extension(names, critical=False)
        return made.sign(signer, hashes.SHA256())

    root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority, server = folder / "authority.pem", folder / "server.pem"
    pem = serialization.Encoding.PEM
    authority.write_bytes(certificate("root", root, "root", root).public_bytes(pem))
    server.write_bytes(
        own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate("server", own, "root", root).public_bytes(pem)
    )
    return authority, server


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
