"""Keys of simnet's members: real sr25519 keys, derived from the seed of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bittensor.sp_core import Keypair, verify
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sn37.domain.ids import Hotkey

if TYPE_CHECKING:
    from sn37.ports.chain import Signer

KEY_BYTES = 32  # of a derived secret: an sr25519 seed, or an AES-256 key


def derive(seed: int, info: str) -> bytes:
    """Return 32 secret bytes by HKDF-SHA256 (RFC 5869) from the run's seed, bound to ``info``.

    Raises:
        OverflowError: ``seed`` is negative or has more than 256 bits.
    """
    hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info.encode())
    return hkdf.derive(seed.to_bytes(32, "big"))


def keypair(seed: int, name: str) -> Keypair:
    """Return the key of the member ``name`` in the run with this seed; equal on every call."""
    return Keypair.from_seed(derive(seed, f"sn37/simnet/key/1|{name}"))


def verified(message: bytes, signature: bytes, hotkey: Hotkey) -> bool:
    """True if ``hotkey`` signed ``message``; false for an invalid address or length."""
    try:
        return bool(verify(message, signature, hotkey))
    except ValueError:
        return False


class SimnetSigner:
    """A key pair held in memory, as a ``Signer``."""

    def __init__(self, keypair: Keypair) -> None:
        self._keypair = keypair

    @property
    def hotkey(self) -> Hotkey:
        return Hotkey(self._keypair.ss58_address)

    def sign(self, message: bytes) -> bytes:
        return bytes(self._keypair.sign(message))


def as_signer(key: Keypair | Signer) -> Signer:
    """Return ``key`` as a ``Signer``; a key pair is wrapped."""
    return SimnetSigner(key) if isinstance(key, Keypair) else key


if TYPE_CHECKING:
    _signer: Signer = SimnetSigner(keypair(0, "anyone"))
