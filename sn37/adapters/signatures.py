"""Whether a hotkey signed something: for every adapter that reads what others sign."""

from __future__ import annotations

from sn37.domain.ids import Hotkey


def is_signed_by(hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
    """Whether the hotkey's key made this sr25519 signature; what is no address has no key."""
    from bittensor.sp_core import verify  # takes a second to load

    try:
        return bool(verify(message, signature, hotkey))
    except (TypeError, ValueError):  # no address, or an impossible length
        return False
