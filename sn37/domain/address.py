"""Addresses of accounts in SS58, Substrate's text form with a checksum."""

from __future__ import annotations

from hashlib import blake2b

PREFIX = 42  # of Bittensor; addresses with it have 48 characters and begin with 5

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # base58
_LENGTH = 48
_NUM_BYTES = 35  # prefix, a key of 32 bytes, a checksum of 2


def is_address(text: str) -> bool:
    """Return true if ``text`` is an address of Bittensor whose checksum is right.

    The checksum is the first bytes of BLAKE2b-512 over ``SS58PRE``, the prefix and the key. A
    mistyped character passes once in 65,536 times.
    """
    if len(text) != _LENGTH or not set(text) <= set(_ALPHABET):
        return False
    number = 0
    for character in text:
        number = number * len(_ALPHABET) + _ALPHABET.index(character)
    if number >> 8 * _NUM_BYTES:
        return False
    spelt = number.to_bytes(_NUM_BYTES)
    body, checksum = spelt[:-2], spelt[-2:]
    return body[0] == PREFIX and blake2b(b"SS58PRE" + body).digest()[:2] == checksum
