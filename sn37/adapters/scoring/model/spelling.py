"""The bytes of token ids, by our own table. Child side.

A tokenizer's decoder is an untrusted program: it may spell a token differently next to others. If
the decoder in tokenizer.json is one of those that join fixed pieces (byte-level, byte fallback,
U+2581 for a space), the same pieces are read from the vocabulary here, and the decoder is not
used. Then every id has its bytes whatever is next to it, and the ids of different texts differ
before either ends: docs/scoring.md relies on this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tokenizers import Tokenizer

Spell = Callable[[str], bytes]  # of one token, by its name in the vocabulary

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = b" "


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """The bytes of every token of one tokenizer.

    Attributes:
        strips_space: The first token loses one space, which the tokenizer has added.
    """

    names: Callable[[int], str | None]
    spell: Spell
    strips_space: bool
    _known: dict[int, bytes] = field(default_factory=dict)

    def pieces(self, ids: Sequence[int]) -> list[bytes]:
        """Return the bytes of each token."""
        found = [self._piece(number) for number in ids]
        if self.strips_space and found:
            found[0] = found[0].removeprefix(_SPACE)
        return found

    def _piece(self, number: int) -> bytes:
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = self.spell(self.names(number) or "")
        return known


def spelling_of(backend: Tokenizer) -> Spelling | None:
    """Return a tokenizer's table, or ``None`` if its decoder does not join fixed pieces."""
    decoder = backend.decoder
    if decoder is None:  # joins tokens with spaces
        return None
    described = json.loads(decoder.__getstate__())
    parts = described["decoders"] if described["type"] == "Sequence" else [described]
    steps: list[Spell] = []
    strips_space = is_fused = False
    for part in parts:
        match part:
            case {"type": "Fuse"}:
                is_fused = True
            case {"type": "Strip", "content": " ", "start": 0 | 1 as start, "stop": 0} if is_fused:
                strips_space = strips_space or start == 1
            case _ if is_fused:
                return None
            case {"type": "Metaspace", "replacement": str(mark), "prepend_scheme": scheme}:
                strips_space = scheme != "never"
                steps.append(_replacing(mark, " "))
            case {"type": "Replace", "pattern": {"String": str(mark)}, "content": str(content)}:
                steps.append(_replacing(mark, content))
            case {"type": "ByteFallback"}:
                steps.append(_byte_fallback)
            case {"type": "ByteLevel"}:
                steps.append(_byte_level)
            case _:
                return None
    return Spelling(names=backend.id_to_token, spell=_chain(steps), strips_space=strips_space)


def _chain(steps: Sequence[Spell]) -> Spell:
    """Chain steps; a step that gives bytes of no character ends the chain."""

    def spell(name: str) -> bytes:
        for step in steps:
            made = step(name)
            try:
                name = made.decode()
            except UnicodeDecodeError:
                return made
        return name.encode()

    return spell


def _replacing(mark: str, content: str) -> Spell:
    return lambda name: name.replace(mark, content).encode()


def _byte_fallback(name: str) -> bytes:
    found = _BYTE_TOKEN.fullmatch(name)
    return bytes([int(found[1], 16)]) if found else name.encode()


def _byte_level(name: str) -> bytes:
    try:
        return bytes(_BYTES[character] for character in name)
    except KeyError:  # an added token, which the library leaves unchanged
        return name.encode()


def _byte_alphabet() -> Mapping[str, int]:
    """Return GPT-2's characters for bytes: printable ones stand for themselves."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {
        **{chr(byte): byte for byte in plain},
        **{chr(256 + number): byte for number, byte in enumerate(others)},
    }


_BYTES = _byte_alphabet()
