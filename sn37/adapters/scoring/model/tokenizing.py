"""Tokenizer described by tokenizer.json, used through the tokenizers library. Child side.

No class of transformers is used: the class named in a configuration has no effect, and an
untrusted file cannot select code. Text and markup are separated here. A sample is text: it never
becomes an added token, special or not, except added tokens that are only white space (GPT-NeoX
and Phi have them for indentation). The text of a chat template is markup: its added tokens are
added tokens.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer
from tokenizers.models import Unigram

from sn37.adapters.admission.files import TOKENIZER_CONFIG
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.spelling import spelling_of
from sn37.adapters.scoring.model.template import Shape
from sn37.domain.reasons import Reason

TOKENIZER = "tokenizer.json"
# Files with the names of special tokens; the first file that has a name counts.
_NAMES = (TOKENIZER_CONFIG, "special_tokens_map.json")
_BOS = "bos_token"
# Settings that make the models of the tokenizers library draw random numbers: BPE dropout, and
# Unigram's sampling, which the library does not read from a file so far. Its other parts have none.
_SAMPLING = ("dropout", "alpha", "nbest_size")
PROBE = "The quick brown fox jumps over 13 lazy dogs, caf\u00e9 and \u6f22\u5b57 too. " * 8
_FILLER = "x"  # stands for a prompt in the search for a template's own markup
_Found = TypeVar("_Found")


class CannotTokenize(Exception):
    """The tokenizers library raised or panicked on one text."""


class TextTokenizer:
    """Tokenises samples as text and templates as markup.

    Attributes:
        special_tokens: By their names in templates, ``{"bos_token": "<s>", ...}``.
        bos: The token that begins a sequence, or ``None``.
        stop_tokens: Special tokens, which are never part of an answer.
        size: One more than the highest id.
        spelling: See ``spelling.Spelling``; ``None`` if only the decoder knows it.
    """

    def __init__(self, backend: Tokenizer, special_tokens: Mapping[str, str | None]) -> None:
        """Change ``backend`` for scoring."""
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self.stop_tokens = frozenset(
            number for number, token in backend.get_added_tokens_decoder().items() if token.special
        )
        self._markup = _all_markup_is_special(backend)
        _keep_out_of_unigrams(backend, self._markup)
        self._unknown = _unknown(backend)
        self.special_tokens = {k: v for k, v in special_tokens.items() if v is not None}
        self.bos = self._find_bos(special_tokens)
        self.size = max(backend.get_vocab().values(), default=-1) + 1
        self.spelling = spelling_of(backend)

    def text(self, text: str) -> list[int]:
        """Return the ids of a text, which never contain markup.

        Raises:
            CannotTokenize: The library failed.
        """
        return self._encode(text, is_text=True)

    def context(self, shape: Shape, prompt: str) -> list[int]:
        """Return the ids of a template up to the response, around a prompt that is text.

        A prompt that spells no markup has the ids that the library gives to the whole.
        Otherwise template and prompt are cut at the template's own markup, as the library
        does, and the parts between are tokenised as text.

        Raises:
            CannotTokenize: The library failed.
        """
        whole = self._encode(shape.before + prompt + shape.between, is_text=False)
        marks = self._marks(shape)
        if [n for n in whole if self._is_mark(n)] == [n for n, _, _ in marks]:
            return whole
        template = shape.before + _FILLER + shape.between
        border = len(shape.before)
        ids: list[int] = []
        done = 0
        for number, start, end in (*marks, (None, len(template), len(template))):
            piece = template[done:start]
            if done <= border < start:
                piece = template[done:border] + prompt + template[border + len(_FILLER) : start]
            ids += self._encode(piece, is_text=True)
            ids += [] if number is None else [number]
            done = end
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text that the tokenizer's own decoder makes of ids.

        Raises:
            CannotTokenize: The library failed.
        """
        return _asked(lambda: self._backend.decode(list(ids), skip_special_tokens=False))

    def twin(self) -> int | None:
        """Return an id that stands for two tokens. Added ones take precedence and do not count."""
        vocabulary = self._backend.get_vocab(with_added_tokens=False)
        counts = Counter(vocabulary.values())
        return next((number for number, count in counts.items() if count > 1), None)

    def _encode(self, text: str, *, is_text: bool) -> list[int]:
        if not text:
            return []
        self._backend.encode_special_tokens = is_text
        return _asked(lambda: self._backend.encode(text, add_special_tokens=False).ids)

    def _marks(self, shape: Shape) -> list[tuple[int, int, int]]:
        """Return the template's own markup: ids, and their places with a filler as prompt."""
        self._backend.encode_special_tokens = False
        template = shape.before + _FILLER + shape.between
        found = _asked(lambda: self._backend.encode(template, add_special_tokens=False))
        return [
            (number, start, end)
            for number, (start, end) in zip(found.ids, found.offsets, strict=True)
            if self._is_mark(number)
        ]

    def _is_mark(self, number: int) -> bool:
        return number in self._markup and number != self._unknown  # any text may contain it

    def _find_bos(self, special_tokens: Mapping[str, str | None]) -> int | None:
        if _BOS in special_tokens:
            named = special_tokens[_BOS]
            return None if named is None else self._backend.token_to_id(named)
        try:  # otherwise what the tokenizer itself puts in front of a text
            plain = self._encode(_FILLER, is_text=True)
            whole = _asked(lambda: self._backend.encode(_FILLER).ids)
        except CannotTokenize:
            return None
        is_led = len(whole) > len(plain) and whole[1 : 1 + len(plain)] == plain
        return whole[0] if is_led else None


def load_tokenizer(folder: Path) -> TextTokenizer:
    """Return the tokenizer of a folder, without running code from it.

    Raises:
        ModelFault: ``tokenizer``: tokenizer.json is missing, the library cannot read it, it
            is random, or the names of special tokens cannot be read.
    """
    if not (folder / TOKENIZER).exists():
        # Other files would each need a second parser, whose result differs by class.
        raise ModelFault(
            Reason.TOKENIZER,
            f"{TOKENIZER} is missing: load the tokenizer with transformers' AutoTokenizer and save "
            "it with save_pretrained",
        )
    try:
        backend = _asked(lambda: Tokenizer.from_file(str(folder / TOKENIZER)))
    except CannotTokenize as error:
        raise ModelFault(Reason.TOKENIZER, f"{TOKENIZER} cannot be read: {error}") from error
    check_repeatable(backend)
    return TextTokenizer(backend, _special_tokens(folder))


def check_repeatable(backend: Tokenizer) -> None:
    """Reject a tokenizer that draws random numbers, since its losses could not be reproduced.

    Raises:
        ModelFault: ``tokenizer``.
    """
    for name in _SAMPLING:
        if value := getattr(backend.model, name, None):
            raise ModelFault(
                Reason.TOKENIZER,
                f"the tokenizer is random ({name} {value:g}): remove {name} from {TOKENIZER}",
            )
    try:
        first, second = (_asked(lambda: backend.encode(PROBE).ids) for _ in range(2))
    except CannotTokenize:
        return  # one text; the probes show whether it fails on more
    if first != second:
        raise ModelFault(
            Reason.TOKENIZER, "the tokenizer gives one text different tokens every time"
        )


def _asked(question: Callable[[], _Found]) -> _Found:
    """Return the result of a call of the tokenizers library.

    Raises:
        CannotTokenize: The library raised or panicked. It raises ``Exception`` itself; a panic
            is a ``BaseException``.
    """
    try:
        return question()
    except BaseException as error:  # a panic is not an Exception
        if type(error) is Exception or type(error).__name__ == "PanicException":
            raise CannotTokenize(f"{type(error).__name__}: {error}") from error
        raise


def _all_markup_is_special(backend: Tokenizer) -> frozenset[int]:
    """Make added tokens special, so that they can be switched off; white space stays text."""
    added = {
        number: token
        for number, token in backend.get_added_tokens_decoder().items()
        if token.content.strip()
    }
    plain = [token for token in added.values() if not token.special]
    for token in plain:
        token.special = True
    backend.add_special_tokens(plain)  # known ones keep their ids
    return frozenset(added)


def _unknown(backend: Tokenizer) -> int | None:
    """Return the token that a model gives for unknown characters, if any."""
    if isinstance(backend.model, Unigram):
        number: int | None = json.loads(backend.model.__getstate__())["unk_id"]
        return number
    name = getattr(backend.model, "unk_token", None)
    return None if name is None else backend.token_to_id(name)


def _keep_out_of_unigrams(backend: Tokenizer, markup: Iterable[int]) -> None:
    """Rename markup in a Unigram's list of pieces, which would match it in any text."""
    if not isinstance(backend.model, Unigram):
        return
    state = json.loads(backend.model.__getstate__())
    pieces = [(piece, score) for piece, score in state["vocab"]]
    for number in markup:
        if number < len(pieces):
            pieces[number] = (f"\0{number}", pieces[number][1])  # no sample contains a NUL
    backend.model = Unigram(
        pieces, unk_id=state["unk_id"], byte_fallback=bool(state["byte_fallback"])
    )


def _special_tokens(folder: Path) -> dict[str, str | None]:
    """Return the special tokens in the files next to tokenizer.json; ``None`` for null."""
    found: dict[str, str | None] = {}
    for name in _NAMES:
        path = folder / name
        if not path.exists():
            continue
        try:
            settings = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ModelFault(Reason.TOKENIZER, f"{name} is not JSON: {error}") from error
        for key, value in settings.items() if isinstance(settings, dict) else ():
            if not key.endswith("_token"):
                continue
            token = value.get("content") if isinstance(value, dict) else value
            if token is None or isinstance(token, str):
                found.setdefault(key, token)
    return found
