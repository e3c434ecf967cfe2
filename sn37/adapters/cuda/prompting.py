"""From samples to token ids, and from nats to losses. Child side.

A sample becomes ``context + target``: for reference loss the template's text up to the
response, and the response; for text loss nothing, and the text. Both are tokenised on their
own and joined, so no token spans the border. A tokenizer's BOS token is put in front unless
the context begins with it. Target tokens are scored; a target that nothing precedes gives its
first token to the context.

Window (``max_tokens``): the context loses tokens from its left, after a BOS, and keeps at
least one; then the target loses tokens from its right.

Units: nats per scored token under a prescribed tokenizer. With the model's own, bits per
UTF-8 byte of the target, where every byte that no scored token stands for costs 8 bits, so
that neither a long first token nor a truncated text pays. Nothing to score gives 0.0.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from sn37.adapters.cuda.faults import ModelFault
from sn37.adapters.cuda.template import Shape
from sn37.domain.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Token ids, those from ``first`` on are scored."""

    ids: tuple[int, ...]
    first: int
    num_bytes: int  # of the target, UTF-8
    unscored_bytes: int  # of those, not covered by scored tokens; 0 with a prescribed tokenizer

    @property
    def num_scored(self) -> int:
        return len(self.ids) - self.first


class Encoder:
    """Tokenises under one competition's rules."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        prescribed: bool,
        max_tokens: int,
        vocabulary: int,
    ) -> None:
        """Args: vocabulary: rows of the model's embedding.

        Raises:
            ModelFault: ``tokenizer``: the vocabulary does not cover a prescribed tokenizer, or
                one of the model's own has an id that stands for two tokens.
        """
        bos = tokenizer.bos_token_id
        self._bos = bos if isinstance(bos, int) else None
        self._tokenizer = tokenizer
        self._prescribed = prescribed
        self._max_tokens = max_tokens
        self._vocabulary = vocabulary
        if prescribed and (needed := max(tokenizer.get_vocab().values()) + 1) > vocabulary:
            raise ModelFault(
                Reason.TOKENIZER, f"vocabulary of {vocabulary}, the competition's has {needed}"
            )

        if not prescribed and (twin := _shared_id(tokenizer)) is not None:
            # Which of them it is decoded to differs from process to process.
            raise ModelFault(Reason.TOKENIZER, f"two tokens share an id, {twin}")

    def pair(self, shape: Shape, prompt: str, response: str) -> Encoded:
        """A sample of reference loss."""
        return self._encode(shape.before + prompt + shape.between, response)

    def text(self, text: str) -> Encoded:
        """A sample of text loss."""
        return self._encode("", text)

    def loss(self, encoded: Encoded, nats: float) -> float:
        """The sample's loss from the sum of -log p over its scored tokens."""
        if self._prescribed:
            return nats / encoded.num_scored if encoded.num_scored else 0.0
        if not encoded.num_bytes:
            return 0.0
        return (nats / math.log(2) + 8 * encoded.unscored_bytes) / encoded.num_bytes

    def _encode(self, context_text: str, target_text: str) -> Encoded:
        context, target = self._ids(context_text), self._ids(target_text)
        if not self._prescribed:
            self._check_round_trip(target, target_text)
        starts_with_bos = self._bos is not None
        if self._bos is not None and context[:1] != [self._bos]:
            context = [self._bos, *context]
        num_lent = 0 if context or not target else 1  # target tokens that serve as context
        context = _window(context, self._max_tokens - len(target), starts_with_bos)
        kept = target[: self._max_tokens - len(context)]
        return Encoded(
            ids=(*context, *kept),
            first=len(context) + num_lent,
            num_bytes=len(target_text.encode()),
            unscored_bytes=self._unscored_bytes(target_text, target, num_lent, len(kept)),
        )

    def _ids(self, text: str) -> list[int]:
        if not text:
            return []
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        if ids and not 0 <= min(ids) <= max(ids) < self._vocabulary:
            raise ModelFault(
                Reason.TOKENIZER,
                f"token {max(ids)}, the model's vocabulary ends at {self._vocabulary - 1}",
            )
        return ids

    def _decode(self, ids: list[int]) -> str:
        text = self._tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text if isinstance(text, str) else "".join(text)

    def _check_round_trip(self, ids: list[int], text: str) -> None:
        # Canonical equivalence, because the tokenizers of whole families normalise to NFC.
        if text and _nfc(self._decode(ids)) != _nfc(text):
            raise ModelFault(Reason.TOKENIZER, "encoding and decoding a text gives another text")

    def _unscored_bytes(self, text: str, ids: list[int], num_lent: int, num_kept: int) -> int:
        if self._prescribed or (num_lent == 0 and num_kept == len(ids)):
            return 0
        lent = self._covered(text, ids[:num_lent])
        kept = self._covered(text, ids[:num_kept])
        total = len(text.encode())
        return lent + max(0, total - max(kept, lent))

    def _covered(self, text: str, ids: list[int]) -> int:
        """Bytes of ``text`` that its first tokens spell; a character cut in half is not spelt."""
        if not ids:
            return 0
        length = 0
        normal = _nfc(text)
        for ours, theirs in zip(normal, _nfc(self._decode(ids)), strict=False):
            if ours != theirs:
                break
            length += 1
        return min(len(normal[:length].encode()), len(text.encode()))


def _window(context: list[int], room: int, starts_with_bos: bool) -> list[int]:
    """At most ``room`` tokens of the context, but one at least, from its end."""
    keep = min(len(context), max(1, room))
    if keep == len(context):
        return context
    if starts_with_bos:
        return [context[0], *context[len(context) - keep + 1 :]]
    return context[len(context) - keep :]


def _shared_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """An id that stands for two tokens. Added ones, which take precedence, do not count."""
    vocabulary: dict[str, int] = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    counts = Counter(vocabulary.values())
    return next((number for number, count in counts.items() if count > 1), None)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
