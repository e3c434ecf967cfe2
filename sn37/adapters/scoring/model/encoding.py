"""From samples to token ids, and from nats to losses. Child side.

A sample becomes ``context + target``: for reference loss the template's text up to the
response, and the response; for text loss nothing, and the text. Both are tokenised on their
own and joined, so no token spans the border. A tokenizer's BOS token is put in front unless
the context begins with it.

With a prescribed tokenizer the unit is nats per token. Context and target share the window
(``max_tokens``): the context loses tokens from its left, after a BOS, and keeps at least one;
then the target loses tokens from its right. A target that nothing precedes gives its first
token to the context. All that is the same for every model. Where a model has positions for
less than the window, every token that it cannot reach costs ``log(V)`` nats, as under a
uniform distribution over the V ids of the tokenizer. A text that the tokenizer cannot encode
costs the worst loss.

With the model's own tokenizer the unit is bits per UTF-8 byte of the target, in NFC. Every
byte is paid for, and docs/scoring.md shows that no tokenizer makes the bits of all texts of
one length smaller than a distribution allows:

- Half as many tokens as the target has bytes are kept free for it, whatever its tokens are.
- A first token that nothing precedes costs ``log2(V)`` for the V rows of the embedding.
- Bytes beyond the window cost 8 bits each.
- What the tokens do not spell exactly is written out (``patching``), and costs
  ``16 + log2(max_tokens + 1)`` bits besides.

Nothing to score gives 0.0. Of very long texts only the part next to the border between prompt and
target is tokenised (``CHARACTERS_PER_TOKEN``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.patching import patch
from sn37.adapters.scoring.model.template import Shape
from sn37.adapters.scoring.model.tokenizing import CannotTokenize, TextTokenizer
from sn37.domain.data.unicode_form import composed
from sn37.domain.reasons import Reason
from sn37.domain.scoring.worst_loss import WORST_NATS_PER_TOKEN

BITS_PER_BYTE = 8  # of a byte that is written out
# Of a text only so many characters are tokenised for each token of the window, a prompt's last
# and a target's first ones. English has 4 to 5 a token. A row may have 200,000 characters, which
# take a second, and a round hundreds of rows.
CHARACTERS_PER_TOKEN = 8
_INEXACT_BITS = 16  # says that a sample is not spelt exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Token ids, those from ``first`` on are scored.

    Attributes:
        num_bytes: Of the target, in UTF-8.
        unscored_bytes: Of those, written out; 0 with a prescribed tokenizer.
        unscored_tokens: Beyond the model's positions; 0 with a tokenizer of the model's own.
        extra: Charged beside what is scored or written out, in the unit of the sum: bits with
            the model's own tokenizer, nats with a prescribed one.
        fault: Why encoding and decoding do not give the target back, if they do not.
    """

    ids: tuple[int, ...]
    first: int
    num_bytes: int
    unscored_bytes: int
    unscored_tokens: int = 0
    extra: float = 0.0
    fault: str = ""

    @property
    def num_scored(self) -> int:
        return len(self.ids) - self.first


class Encoder:
    """Tokenises under one competition's rules."""

    def __init__(
        self,
        tokenizer: TextTokenizer,
        *,
        prescribed: bool,
        max_tokens: int,
        vocabulary: int,
        positions: int | None = None,
    ) -> None:
        """Args:
            vocabulary: Rows of the model's embedding.
            positions: The longest sequence that the model has positions for, if it has a table.

        Raises:
            ModelFault: ``tokenizer``: the vocabulary does not cover a prescribed tokenizer, or
                one of the model's own has an id that stands for two tokens. ``bad_config``:
                there are positions for less than two tokens.
        """
        self._tokenizer = tokenizer
        self._prescribed = prescribed
        self._max_tokens = max_tokens
        self._reach = max_tokens if positions is None else min(max_tokens, positions)
        self._most_characters = CHARACTERS_PER_TOKEN * max_tokens
        self._vocabulary = vocabulary
        if self._reach < 2:
            raise ModelFault(
                Reason.BAD_CONFIG, f"a table of {self._reach} positions: one token needs another"
            )
        if prescribed and tokenizer.size > vocabulary:
            raise ModelFault(
                Reason.TOKENIZER,
                f"vocabulary of {vocabulary}, the competition's has {tokenizer.size}",
            )
        if not prescribed and (twin := tokenizer.twin()) is not None:
            # Which of them it is decoded to differs from process to process.
            raise ModelFault(Reason.TOKENIZER, f"two tokens share an id, {twin}")

    @property
    def pays_by_byte(self) -> bool:
        """Whether the tokenizer is the model's own, and may be at fault."""
        return not self._prescribed

    def pair(self, shape: Shape, prompt: str, response: str) -> Encoded:
        """A sample of reference loss."""
        try:
            context = self._tokenizer.context(shape, _sound(prompt[-self._most_characters :]))
        except CannotTokenize:
            context = []  # a worse prediction is the price
        return self._encode(context, _sound(response))

    def text(self, text: str) -> Encoded:
        """A sample of text loss."""
        return self._encode([], _sound(text))

    def decoded(self, ids: Sequence[int]) -> str:
        """What the tokenizer makes of some ids; nothing where it gives up."""
        try:
            return self._tokenizer.decode(ids)
        except CannotTokenize:
            return ""

    def loss(self, encoded: Encoded, nats: float) -> float:
        """The sample's loss from the sum of -log p over its scored tokens."""
        if self._prescribed:
            count = encoded.num_scored + encoded.unscored_tokens
            return (nats + encoded.extra) / count if count else 0.0
        if not encoded.num_bytes:
            return 0.0
        written = BITS_PER_BYTE * encoded.unscored_bytes
        return (nats / math.log(2) + written + encoded.extra) / encoded.num_bytes

    def _encode(self, context: list[int], target: str) -> Encoded:
        context = [number for number in context if number < self._vocabulary]
        bos = self._tokenizer.bos
        has_bos = bos is not None and bos < self._vocabulary
        if bos is not None and has_bos and context[:1] != [bos]:
            context = [bos, *context]
        if self._prescribed:
            return self._encode_prescribed(context, target, has_bos=has_bos)
        return self._encode_own(context, composed(target), has_bos=has_bos)

    def _encode_prescribed(self, context: list[int], text: str, *, has_bos: bool) -> Encoded:
        num_bytes = len(text.encode())
        try:
            target = self._tokenizer.text(text[: self._most_characters])
        except CannotTokenize as error:
            return Encoded(
                ids=(),
                first=0,
                num_bytes=num_bytes,
                unscored_bytes=0,
                unscored_tokens=1,
                extra=WORST_NATS_PER_TOKEN,
                fault=str(error),
            )
        num_lent = 0 if context or not target else 1  # target tokens that serve as context
        room = self._max_tokens - len(_window(context, self._max_tokens - len(target), has_bos))
        counted = target[:room]
        context = _window(context, self._reach - len(counted), has_bos)
        kept = counted[: max(0, self._reach - len(context))]
        missing = len(counted) - max(len(kept), num_lent)
        return Encoded(
            ids=(*context, *kept),
            first=min(len(context) + num_lent, len(context) + len(kept)),
            num_bytes=num_bytes,
            unscored_bytes=0,
            unscored_tokens=missing,
            extra=missing * math.log(self._tokenizer.size) if missing else 0.0,
        )

    def _encode_own(self, context: list[int], text: str, *, has_bos: bool) -> Encoded:
        body = text.encode()
        # By the bytes, which everybody knows: by the tokens, the length of the context would
        # tell the model something that the tokenizer has made up.
        reserved = min(self._reach - 1, (len(body) + 1) // 2)
        context = _window(context, self._reach - reserved, has_bos)
        try:
            target = self._tokenizer.text(text[: self._most_characters])
        except CannotTokenize as error:
            return self._written_out(body, str(error))
        known = list(takewhile(lambda number: number < self._vocabulary, target))
        kept = known[: self._reach - len(context)]
        num_lent = 0 if context or not kept else 1
        lent_bits = math.log2(self._vocabulary) if num_lent else 0.0
        spelt = self._spelt_exactly(kept, body)
        is_cut = len(kept) == self._reach - len(context)  # by the window alone
        if spelt is not None and (spelt == len(body) or is_cut):
            unscored, extra, fault = len(body) - spelt, 0.0, ""
        else:
            try:
                is_short = is_cut or len(text) > self._most_characters
                unscored, extra, fault = self._patched(kept, body, is_cut=is_short)
            except CannotTokenize as error:
                return self._written_out(body, str(error))
        if len(known) < len(target) and not is_cut:
            fault = (
                f"token {target[len(known)]}, the model's vocabulary ends at {self._vocabulary - 1}"
            )
        return Encoded(
            ids=(*context, *kept),
            first=len(context) + num_lent,
            num_bytes=len(body),
            unscored_bytes=unscored,
            extra=extra + lent_bits,
            fault=fault,
        )

    def _spelt_exactly(self, kept: list[int], body: bytes) -> int | None:
        """How many bytes tokens spell, by the table alone, where they begin ``body``.

        Only the first may spell nothing: tokens that do could be added without end.
        """
        if self._tokenizer.spelling is None:
            return None
        pieces = self._tokenizer.spelling.pieces(kept)
        if not all(pieces[1:]) or not body.startswith(b"".join(pieces)):
            return None
        return sum(map(len, pieces))

    def _patched(self, kept: list[int], body: bytes, *, is_cut: bool) -> tuple[int, float, str]:
        """Bytes to write out, bits besides, and whether something was lost.

        Raises:
            CannotTokenize: The tokenizer's decoder gave up.
        """
        if self._tokenizer.spelling is None:
            text = self._tokenizer.decode(kept)
        else:
            text = b"".join(self._tokenizer.spelling.pieces(kept)).decode(errors="replace")
        found = patch(body, composed(text).encode(errors="replace"))
        written = BITS_PER_BYTE * found.num_bytes
        lossy = found.num_differences > 0 and not is_cut
        fault = "encoding and decoding a text gives another text" if lossy else ""
        return found.num_bytes, self._inexact_bits + found.bits(len(body)) - written, fault

    def _written_out(self, body: bytes, fault: str) -> Encoded:
        """A target that costs what it costs to write it down, and is not scored."""
        found = patch(body, b"")
        written = BITS_PER_BYTE * found.num_bytes
        return Encoded(
            ids=(),
            first=0,
            num_bytes=len(body),
            unscored_bytes=found.num_bytes,
            extra=self._inexact_bits + found.bits(len(body)) - written,
            fault=fault,
        )

    @property
    def _inexact_bits(self) -> float:
        """That a sample is not spelt exactly, and how many tokens are its."""
        return _INEXACT_BITS + math.log2(self._max_tokens + 1)


def _sound(text: str) -> str:
    """Text that has an encoding in UTF-8; halves of surrogate pairs become question marks."""
    return text.encode(errors="replace").decode()


def _window(context: list[int], room: int, starts_with_bos: bool) -> list[int]:
    """At most ``room`` tokens of the context, but one at least, from its end."""
    keep = min(len(context), max(1, room))
    if keep == len(context):
        return context
    if starts_with_bos:
        return [context[0], *context[len(context) - keep + 1 :]]
    return context[len(context) - keep :]
