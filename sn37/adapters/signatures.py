"""Signature check for every adapter that reads signed data."""

from __future__ import annotations

from sn37.domain.ids import Hotkey


def is_signed_by(hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
    """True if the hotkey's key made this sr25519 signature; an invalid address has no key."""
    from bittensor.sp_core import verify  # takes a second to load

    try:
        return bool(verify(message, signature, hotkey))
    except (TypeError, ValueError):  # invalid address or length
        return False
