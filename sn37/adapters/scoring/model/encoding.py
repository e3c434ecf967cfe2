"""Conversion of samples to token ids, and of nats to losses. Child side.

A sample becomes ``context + target``. For reference loss these are the template's text up to the
response, and the response; for text loss nothing, and the text. Each is tokenised alone and then
joined, so no token spans the border. A tokenizer's BOS token is put in front unless the context
begins with it.

With a prescribed tokenizer the unit is nats per token. Context and target share the window
(``max_tokens``): the context loses tokens from its left, after a BOS, and keeps at least one;
then the target loses tokens from its right. A target without any context gives its first token
to the context. All that is the same for every model. If a model has fewer positions than the
window, every token that it cannot reach costs ``log(V)`` nats, as under a uniform distribution
over the V ids of the tokenizer. A text that the tokenizer cannot encode costs the worst loss.

With the model's own tokenizer the unit is bits per UTF-8 byte of the target, in NFC. Every
byte is paid for, and docs/scoring.md shows that no tokenizer makes the bits of all texts of
one length smaller than a distribution allows:

- Half as many tokens as the target has bytes are reserved for it, whatever its tokens are.
- A first token without any context costs ``log2(V)`` for the V rows of the embedding.
- Bytes beyond the window cost 8 bits each.
- Text that the tokens do not spell exactly is written out (``patching``), and costs
  ``16 + log2(max_tokens + 1)`` bits in addition.

A sample without anything to score has a loss of 0.0. If texts are very long, only the part next to
the border between prompt and target is tokenised (``CHARACTERS_PER_TOKEN``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sn37.adapters.scoring.model.faults import ModelFault, OurFault
from sn37.adapters.scoring.model.patching import patch
from sn37.adapters.scoring.model.template import Shape
from sn37.adapters.scoring.model.tokenizing import CannotTokenize, TextTokenizer
from sn37.domain.data.unicode_form import composed
from sn37.domain.reasons import Reason
from sn37.domain.schedule.methods import GivenText, Method
from sn37.domain.scoring.worst_loss import WORST_NATS_PER_TOKEN

BITS_PER_BYTE = 8  # of a byte that is written out
# Characters of a text that are tokenised for each token of the window: a prompt's last and a
# target's first ones. English has 4 to 5 a token. A row may have 200,000 characters, which take
# a second, and a round has hundreds of rows.
CHARACTERS_PER_TOKEN = 8
_INEXACT_BITS = 16  # mark a sample that is not spelt exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Token ids; those from ``first`` on are scored.

    Attributes:
        num_bytes: Of the target, in UTF-8.
        unscored_bytes: Those of them that are written out; 0 with a prescribed tokenizer.
        unscored_tokens: Beyond the model's positions; 0 with a model's own tokenizer.
        extra: Charged in addition to scored tokens and written bytes, in the unit of the sum: bits
            with the model's own tokenizer, nats with a prescribed one.
        fault: Why encoding and decoding do not restore the target, if they do not.
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

    @property
    def positions(self) -> Sequence[int]:
        """Position of each token."""
        return range(len(self.ids))

    @property
    def before_scored(self) -> Sequence[int]:
        """Places whose next token is scored."""
        return range(self.first - 1, len(self.ids) - 1)

    @property
    def targets(self) -> Sequence[int]:
        """The token that is scored at each of these places."""
        return self.ids[self.first :]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of scored tokens, as in ``Branches``."""
        return (self.num_scored,)


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
            positions: The longest sequence in the model's table of positions, if it has one.

        Raises:
            ModelFault: ``tokenizer``: the vocabulary does not cover a prescribed tokenizer, or
                an id of the model's own stands for two tokens. ``bad_config``: there are fewer than
                two positions.
        """
        self._tokenizer = tokenizer
        self._prescribed = prescribed
        self._max_tokens = max_tokens
        self._reach = max_tokens if positions is None else min(max_tokens, positions)
        self._most_characters = CHARACTERS_PER_TOKEN * max_tokens
        self._vocabulary = vocabulary
        if self._reach < 2:
            raise ModelFault(
                Reason.BAD_CONFIG, f"the model has {self._reach} positions: at least two are needed"
            )
        if prescribed and tokenizer.size > vocabulary:
            raise ModelFault(
                Reason.TOKENIZER,
                f"vocabulary of {vocabulary}, the competition's tokenizer has {tokenizer.size}",
            )
        if not prescribed and (twin := tokenizer.twin()) is not None:
            # The token to which it is decoded differs from process to process.
            raise ModelFault(Reason.TOKENIZER, f"two tokens share an id, {twin}")

    @property
    def pays_by_byte(self) -> bool:
        """True if the tokenizer is the model's own, and may be at fault."""
        return not self._prescribed

    def pair(self, shape: Shape, prompt: str, response: str) -> Encoded:
        """Encode a sample of reference loss."""
        return self._encode(*self._context(shape, prompt), _sound(response))

    def answers(self, shape: Shape, prompt: str, answers: Sequence[str]) -> tuple[Encoded, ...]:
        """Encode each answer to a prompt like a response, with the same context for all of them.

        The context leaves room for the longest.
        """
        context, has_bos = self._context(shape, prompt)
        texts = [_sound(answer) for answer in answers]
        context = _window(context, self._reach - max(map(self._room, texts)), has_bos)
        return tuple(self._encode(context, has_bos, text) for text in texts)

    def prompt(
        self, shape: Shape, prompt: str, *, max_new_tokens: int
    ) -> tuple[tuple[int, ...], int]:
        """Return the tokens before an answer, and the most tokens that the answer may have.

        Both share the window, and the prompt loses tokens as before a response. The answer's
        budget is smaller if the model has too few positions. A prompt without tokens gets an empty
        answer.
        """
        budget = min(max_new_tokens, self._reach - 1)
        context, has_bos = self._context(shape, prompt)
        return tuple(_window(context, self._reach - budget, has_bos)), budget

    def text(self, text: str) -> Encoded:
        """Encode a sample of text loss."""
        return self._encode(*self._with_bos([]), _sound(text))

    def decoded(self, ids: Sequence[int]) -> str:
        """Return the tokenizer's text for some ids; empty if it fails."""
        try:
            return self._tokenizer.decode(ids)
        except CannotTokenize:
            return ""

    def loss(self, encoded: Encoded, nats: float) -> float:
        """Return the sample's loss from the sum of -log p over its scored tokens."""
        if self._prescribed:
            count = encoded.num_scored + encoded.unscored_tokens
            return (nats + encoded.extra) / count if count else 0.0
        if not encoded.num_bytes:
            return 0.0
        written = BITS_PER_BYTE * encoded.unscored_bytes
        return (nats / math.log(2) + written + encoded.extra) / encoded.num_bytes

    def whole_nats(self, encoded: Encoded, nats: float) -> float:
        """Return -log p of a whole target from the sum over its scored tokens.

        It includes all that ``loss`` charges, and is not divided by a length.
        """
        if self._prescribed:
            return nats + encoded.extra
        return nats + (BITS_PER_BYTE * encoded.unscored_bytes + encoded.extra) * math.log(2)

    def _context(self, shape: Shape, prompt: str) -> tuple[list[int], bool]:
        """Return the tokens before a response, and whether they begin with BOS."""
        try:
            context = self._tokenizer.context(shape, _sound(prompt[-self._most_characters :]))
        except CannotTokenize:
            context = []  # the model pays by a worse prediction
        return self._with_bos([number for number in context if number < self._vocabulary])

    def _with_bos(self, context: list[int]) -> tuple[list[int], bool]:
        bos = self._tokenizer.bos
        if bos is None or bos >= self._vocabulary:
            return context, False
        return context if context[:1] == [bos] else [bos, *context], True

    def _encode(self, context: list[int], has_bos: bool, target: str) -> Encoded:
        if self._prescribed:
            return self._encode_prescribed(context, target, has_bos=has_bos)
        return self._encode_own(context, composed(target), has_bos=has_bos)

    def _room(self, text: str) -> int:
        """Return the number of tokens that a context leaves for a target, see the module."""
        if not self._prescribed:
            return self._reserved(composed(text).encode())
        try:
            return len(self._tokenizer.text(text[: self._most_characters]))
        except CannotTokenize:
            return 0

    def _reserved(self, body: bytes) -> int:
        # By bytes, which are independent of the tokenizer: if it counted tokens, the length of the
        # context would tell the model something that its tokenizer has made up.
        return min(self._reach - 1, (len(body) + 1) // 2)

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
        context = _window(context, self._reach - self._reserved(body), has_bos)
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
                f"token {target[len(known)]} is above the vocabulary's last, {self._vocabulary - 1}"
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
        """Return the number of bytes that tokens spell by the table, if they begin ``body``.

        Only the first token may spell nothing: otherwise such tokens could be added without end.
        """
        if self._tokenizer.spelling is None:
            return None
        pieces = self._tokenizer.spelling.pieces(kept)
        if not all(pieces[1:]) or not body.startswith(b"".join(pieces)):
            return None
        return sum(map(len, pieces))

    def _patched(self, kept: list[int], body: bytes, *, is_cut: bool) -> tuple[int, float, str]:
        """Return bytes to write out, additional bits, and a fault if text was lost.

        Raises:
            CannotTokenize: The tokenizer's decoder failed.
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
        """Return a target that is written out in full and not scored."""
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
        """Bits that mark a sample as not spelt exactly, and count its tokens."""
        return _INEXACT_BITS + math.log2(self._max_tokens + 1)


def _sound(text: str) -> str:
    """Return text that UTF-8 can encode; halves of surrogate pairs become question marks."""
    return text.encode(errors="replace").decode()


def _window(context: list[int], room: int, starts_with_bos: bool) -> list[int]:
    """Return at most ``room`` tokens from the end of the context, but at least one."""
    keep = min(len(context), max(1, room))
    if keep == len(context):
        return context
    if starts_with_bos:
        return [context[0], *context[len(context) - keep + 1 :]]
    return context[len(context) - keep :]


def encode_pairs(
    pairs: Iterable[tuple[str, str]], method: Method, shape: Shape | None, encoder: Encoder
) -> Iterator[Encoded]:
    """Encode samples, or controls, which have the same form: (prompt, text).

    Raises:
        OurFault: The method's loss is not that of a given text, or it needs a template.
    """
    for prompt, text in pairs:
        match method.traits.given_text:
            case GivenText.WHOLE:
                yield encoder.text(text)
            case GivenText.RESPONSE if shape is not None:
                yield encoder.pair(shape, prompt, text)
            case _:
                raise OurFault(f"this worker cannot encode a sample of {method}")
