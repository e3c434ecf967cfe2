"""Where a generated answer ends. Child side.

An answer ends at a special token of the tokenizer, at one of the stop texts, when its budget of
tokens or bytes is spent, or when what is asked of it is decided. No clock and no setting of a
miner's ``generation_config.json`` has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

# Bytes of an answer for each token of its budget. English has 4 to 5, and no honest text of some
# length more than this; an adversarial vocabulary has tokens of thousands.
BYTES_PER_TOKEN = 16


def never(_: str) -> bool:
    """Nothing decides an answer before its end."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """The ends of an answer.

    Attributes:
        tokens: Token ids that end an answer and are not part of it.
        texts: Texts that do. None is empty.
        is_decided: True for a beginning of an answer after which the rest cannot matter.
    """

    tokens: frozenset[int]
    texts: tuple[str, ...] = ()
    is_decided: Callable[[str], bool] = never

    def ended(self, text: str, *, max_bytes: int) -> str | None:
        """Return the answer if ``text``, all of it so far, ends one."""
        cut = self.cut(text, max_bytes=max_bytes)
        return cut if cut != text or self.is_decided(text) else None

    def cut(self, text: str, *, max_bytes: int) -> str:
        """Return the text up to the first stop text, and at most ``max_bytes`` of it in UTF-8."""
        end = min(_places(text, self.texts), default=len(text))
        body = text[: min(end, max_bytes)].encode(errors="replace")
        return body[:max_bytes].decode(errors="ignore")


def _places(text: str, stops: Iterable[str]) -> list[int]:
    return [at for stop in stops if (at := text.find(stop)) >= 0]
