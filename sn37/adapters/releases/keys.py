"""Private keys of maintainers, and public keys as text."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.ports.errors import ReleaseRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def public_key(key: Ed25519PrivateKey) -> str:
    """Return the public key in hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


def open_key(file: Path, password: Callable[[], bytes]) -> Ed25519PrivateKey:
    """Read a private key as ``openssl genpkey -algorithm ed25519`` writes it.

    Args:
        password: Called if the file is encrypted.

    Raises:
        ReleaseRefused: The key cannot be read, or others can read it. The message has no part of
            the key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ReleaseRefused(f"{file}: others may read this key; run chmod 600 {file}")
        text = file.read_bytes()
    except OSError as error:
        raise ReleaseRefused(f"{file}: {error.strerror or error}") from error
    try:
        encrypted = b"ENCRYPTED" in text
        key = load_pem_private_key(text, password() if encrypted else None)
    except (ValueError, TypeError) as error:
        raise ReleaseRefused(f"{file}: not a private key, or a wrong password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseRefused(f"{file}: not an ed25519 key")
    return key
