"""The hotkey from Bittensor's key file.

Only the hotkey's own file of a wallet is opened; the coldkey never needs to be on this
machine. No message quotes a file's content, and a signer shows only its address.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bittensor.sp_core import (
    KeyfileError,
    Keypair,
    WrongPasswordError,
    decrypt_keyfile_data,
    deserialize_keypair_from_keyfile_data,
    keyfile_data_is_encrypted,
)

from sn37.domain.ids import Hotkey
from sn37.ports.errors import SignerUnusable

if TYPE_CHECKING:
    from sn37.ports.chain import Signer

MAX_KEY_FILE_BYTES = 64 * 1024  # those of the SDK have under 1,000


class HotkeySigner:
    """A hotkey's key pair; ``keypair`` can be used where the SDK takes a wallet."""

    def __init__(self, keypair: Keypair) -> None:
        self.keypair = keypair

    @property
    def hotkey(self) -> Hotkey:
        return Hotkey(str(self.keypair.ss58_address))

    def sign(self, message: bytes) -> bytes:
        return bytes(self.keypair.sign(message))

    def __repr__(self) -> str:
        return f"HotkeySigner({self.hotkey})"


def open_hotkey(file: Path, *, password: Callable[[], str | None] = lambda: None) -> HotkeySigner:
    """Return the signer of a hotkey's key file.

    Args:
        file: Such as ``~/.bittensor/wallets/NAME/hotkeys/default``.
        password: Called only if the file is encrypted; returns ``None`` if there is none.
            Deriving the key from it takes seconds.

    Raises:
        SignerUnusable: The file is missing, unreadable, encrypted with another password, or
            has no private key.
    """
    try:
        keypair = deserialize_keypair_from_keyfile_data(_decrypted(file, password))
        keypair.sign(b"")
    except (KeyfileError, ValueError) as error:
        # The SDK's message may quote the file; ours must not.
        raise SignerUnusable(
            f"hotkey {file}: {_fault(error)}; restore it with: btcli wallet regen-hotkey"
        ) from None
    return HotkeySigner(keypair)


def _fault(error: KeyfileError | ValueError) -> str:
    if "no private key" in str(error):
        return "the file has only a public key, which cannot sign"
    return "not a key file of Bittensor"


def _decrypted(file: Path, password: Callable[[], str | None]) -> bytes:
    data = _bytes_of(file)
    if not keyfile_data_is_encrypted(data):
        return data
    given = password()
    if given is None:
        raise SignerUnusable(
            f"hotkey {file} is encrypted: name a file with its password in "
            "BT_WALLET_PASSWORD_FILE, or run this on a terminal to type the password"
        )
    try:
        return bytes(decrypt_keyfile_data(data, given))
    except WrongPasswordError as error:
        raise SignerUnusable(f"hotkey {file}: wrong password") from error


def _bytes_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_KEY_FILE_BYTES)
    except OSError as error:
        raise SignerUnusable(
            f"hotkey {file}: {error.strerror or error}; create one with: btcli wallet create, or "
            "name another with --wallet and --wallet-hotkey"
        ) from error


if TYPE_CHECKING:
    _: type[Signer] = HotkeySigner
