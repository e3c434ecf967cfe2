"""Where a generated answer ends. Child side.

An answer ends at a special token of the tokenizer, at one of the stop texts, when its budget of
tokens or bytes is spent, or when what is asked of it is decided. No clock and no setting of a
miner's ``generation_config.json`` has a part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sn37.adapters.scoring.model.template import Shape
from sn37.adapters.scoring.model.tokenizing import TextTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """The ends of an answer.

    Attributes:
        tokens: Token ids that end an answer and are not part of it.
        texts: Texts that end an answer; each has at least one character.
    """

    tokens: frozenset[int]
    texts: tuple[str, ...] = ()

    def cut(self, text: str, *, max_bytes: int) -> str:
        """Return the text up to the first stop text, and at most ``max_bytes`` of it in UTF-8."""
        end = min(_places(text, self.texts), default=len(text))
        body = text[: min(end, max_bytes)].encode(errors="replace")
        return body[:max_bytes].decode(errors="ignore")


def stops_of(texts: Sequence[str], shape: Shape | None, tokenizer: TextTokenizer) -> Stops:
    """Return the ends of a competition's answers.

    Args:
        texts: Of the competition.
        shape: Of the template; its text after a response ends an answer, too.
    """
    after = "" if shape is None else shape.after.strip()
    return Stops(tokens=tokenizer.stop_tokens, texts=(*texts, after) if after else tuple(texts))


def _places(text: str, stops: Iterable[str]) -> list[int]:
    return [at for stop in stops if (at := text.find(stop)) >= 0]
