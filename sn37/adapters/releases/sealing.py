"""A signed document: one line of text, then a line for each signature.

    {"expires_at":"2027-02-01T00:00:00+00:00", ...}
    ed25519 PUBLIC-KEY SIGNATURE

Keys and signatures are hexadecimal. The signature covers the exact bytes of the first line, after a
prefix that no other signature of ours has; the line is parsed only after the check.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.ports.errors import ReleaseRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_BYTES = 16 << 10
_PREFIX = b"sn37/release/1\n"
_SIGNATURE = re.compile(rb"ed25519 ([0-9a-f]{64}) ([0-9a-f]{128})")


def unseal(sealed: bytes, keys: Sequence[str]) -> bytes:
    """Return the document, if one of the keys has signed it.

    Args:
        keys: Trusted ed25519 public keys, hexadecimal.

    Raises:
        ReleaseRefused: No trusted key has signed it, or it does not have this form.
    """
    if not keys:
        raise ReleaseRefused(
            "no key to check releases with; add the maintainers' release_key to the settings"
        )
    if len(sealed) > MAX_BYTES:
        raise ReleaseRefused(f"the release document has more than {MAX_BYTES:,} bytes")
    document, _, rest = sealed.partition(b"\n")
    found = [_SIGNATURE.fullmatch(line) for line in rest.splitlines()]
    if not found:
        raise ReleaseRefused("the release document has no signature; is it the signed one?")
    signed = {match[1].decode(): bytes.fromhex(match[2].decode()) for match in found if match}
    trusted = [key for key in keys if key in signed]
    if not trusted:
        raise ReleaseRefused("the release is not signed by a key that release_key names")
    if not any(_is_signature(signed[key], document, key) for key in trusted):
        raise ReleaseRefused(
            "the signature does not match the release document, which was changed or damaged; "
            "fetch it again"
        )
    return document


def seal(document: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the document with a signature below it.

    Raises:
        ValueError: The document has more than one line, or is too long.
    """
    sealed = b"%s\ned25519 %s %s\n" % (
        document,
        public_key(key).encode(),
        key.sign(_PREFIX + document).hex().encode(),
    )
    if b"\n" in document or len(sealed) > MAX_BYTES:
        raise ValueError(f"a signed document must be one line, at most {MAX_BYTES:,} bytes in all")
    return sealed


def public_key(key: Ed25519PrivateKey) -> str:
    """Return the public key, as validators write it in ``release_key``."""
    return key.public_key().public_bytes_raw().hex()


def open_key(file: Path, password: Callable[[], bytes]) -> Ed25519PrivateKey:
    """Read a private key as ``openssl genpkey -algorithm ed25519`` writes it.

    Args:
        password: Called if the file is encrypted.

    Raises:
        ReleaseRefused: The key cannot be read, or others can read it; the message has none of it.
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


def _is_signature(signature: bytes, document: bytes, key: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(signature, _PREFIX + document)
    except (InvalidSignature, ValueError):
        return False
    return True
