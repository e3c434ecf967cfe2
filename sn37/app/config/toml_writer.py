"""Keys and values as TOML text, which a TOML parser reads as the same values again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}


def key_text(key: str) -> str:
    """Return a key, in quotes where TOML requires them."""
    return key if _BARE.fullmatch(key) else value_text(key)


def value_text(value: object) -> str:
    """Return a value on one line; tables are inline, and keys without a value are left out.

    Raises:
        TypeError: TOML has no such value.
        ValueError: A text has half of a surrogate pair, which no file of UTF-8 can contain.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return f'"{"".join(map(_escaped, value))}"'
        case Mapping():
            inner = (f"{key_text(k)} = {value_text(v)}" for k, v in value.items() if v is not None)
            return f"{{ {', '.join(inner)} }}" if value else "{}"
        case Sequence():
            return f"[{', '.join(map(value_text, value))}]"
    raise TypeError(f"TOML has no value for {value!r}")


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if "\ud800" <= character <= "\udfff":
        raise ValueError(f"half of a surrogate pair, {character!r}, cannot be written")
    if character < " " or character == "\x7f" or not character.isprintable():
        code = ord(character)
        return f"\\u{code:04X}" if code < 1 << 16 else f"\\U{code:08X}"
    return character
