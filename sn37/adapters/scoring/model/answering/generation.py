"""Greedy answers to several prompts at once. Child side.

Each step is one row of ``WIDTH`` tokens, the newest of every answer, through the body that scores
texts (``packed_bodies``) and its head. An answer that is decided leaves the batch, and the next
prompt takes its place. A prompt is read in rows of fixed size; chunks that it has in common with a
prompt in the batch are not computed twice.

Rows always have the same size, however many answers are in the batch, and ``cache`` has attention
that does not depend on others. So in float32 an answer has the same bits alone and among any
others, and no tie can be decided both ways. If logits are equal, the token with the lowest id is
taken.

Other devices and programs round differently. A step whose two largest logits are that near
(``NEAR``) is counted as a near-tie: from there on an honest validator may have another answer.

Shapes: W rows of a step, V vocabulary, D hidden.
"""

# ruff: noqa: N803, N806  (shape letters)

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sn37.adapters.scoring.model.answering.cache import CHUNK, KeyValueCache, Places
from sn37.adapters.scoring.model.answering.cache_bytes import CACHE_BYTES
from sn37.adapters.scoring.model.answering.stopping import Stops
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.packing import Piece
from sn37.adapters.scoring.model.precision import ROW_STEP
from sn37.domain.scoring.generated_answers import BYTES_PER_TOKEN
from sn37.domain.tasks.letters import named_option

WIDTH = ROW_STEP
# Chunks of a prompt that are read in one row. A CPU is busy with one; a GPU needs more.
PROMPT_CHUNKS = {"cpu": 1, "cuda": 8}
# Distance of the two largest logits below which they are nearly tied, as a share of the largest
# absolute value of all. Measured over eleven architectures with 2 and 8 layers and weights of
# deviation 0.05 and 0.2: with float32 products a logit differs from transformers' own forward by
# at most 2.6e-6 of it; with a GPU's float16, imitated, by 1.1e-2, and no token changed whose two
# logits were further apart than 5.5e-3 (docs/decisions/0066).
NEAR = {torch.float32: 1e-5, torch.float16: 1e-2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Token ids up to the answer, and the most tokens that the answer may have, at least one.

    ``num_options`` is that of a question with lettered options, whose answer ends when it has named
    one; 0 for a free answer.
    """

    ids: tuple[int, ...]
    budget: int
    num_options: int = 0

    @property
    def max_bytes(self) -> int:
        """Most bytes of the answer in UTF-8."""
        return BYTES_PER_TOKEN * self.budget

    def is_decided(self, text: str) -> bool:
        """True if nothing that follows this beginning of an answer can change what it names."""
        return (
            self.num_options > 0
            and named_option(text, self.num_options, is_whole=False) is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer.

    Attributes:
        ids: The tokens, without the one that ended it.
        near_ties: Steps in which another device may have taken another token.
    """

    text: str
    ids: tuple[int, ...]
    near_ties: int


class Generator:
    """Answers of one model.

    Args:
        decode: Text of token ids; empty if there is none.
        cache_bytes: Replaces the device's size of the cache.
    """

    def __init__(
        self,
        model: LossModel,
        stops: Stops,
        decode: Callable[[Sequence[int]], str],
        *,
        cache_bytes: int | None = None,
    ) -> None:
        self._model = model
        self._stops = stops
        self._decode = decode
        self._cache_bytes = cache_bytes or CACHE_BYTES[model.device.type]

    @torch.inference_mode()
    def answers(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Return the answers in the given order; that to a prompt without tokens is empty.

        Raises:
            ModelFault: ``unsound``: a layer did not run our attention.
        """
        found = {
            number: Answer(text="", ids=(), near_ties=0)
            for number, prompt in enumerate(prompts)
            if not prompt.ids
        }
        waiting = deque((n, prompt) for n, prompt in enumerate(prompts) if prompt.ids)
        batch = self._batch(prompts)
        while waiting or batch.num_live:
            while waiting and (slot := batch.free_slot()) is not None:
                number, prompt = waiting.popleft()
                batch.read(slot, _Row(prompt, number, self._stops, self._decode))
            batch.step()
            found.update(batch.finished())
        return [found[number] for number in range(len(prompts))]

    def _batch(self, prompts: Sequence[Prompt]) -> _Batch:
        shapes = self._key_shapes()
        longest = max((len(p.ids) + p.budget for p in prompts), default=1)
        num_chunks = -(-longest // CHUNK)
        slot_bytes = (
            2
            * sum(heads * width for heads, width in shapes)
            * num_chunks
            * CHUNK
            * self._model.products.itemsize
        )
        num_slots = max(1, min(WIDTH, self._cache_bytes // slot_bytes))
        return _Batch(self._model, shapes, num_slots=num_slots, num_chunks=num_chunks)

    def _key_shapes(self) -> Sequence[tuple[int, int]]:
        """Return the heads of keys and values, as a row of a few tokens shows them."""
        zeros = torch.zeros(ROW_STEP, dtype=torch.long, device=self._model.device)
        self._model.body(zeros, zeros, (Piece(0, ROW_STEP),))
        return self._model.body.key_shapes


@dataclass(slots=True)
class _Row:
    """One prompt and its answer so far."""

    prompt: Prompt
    number: int
    stops: Stops
    decode: Callable[[Sequence[int]], str]
    ids: list[int] = field(default_factory=list)
    near_ties: int = 0
    answer: Answer | None = None

    def take(self, token: int, *, is_finite: bool, is_near: bool) -> None:
        """Add the next token, or end the answer."""
        max_bytes = self.prompt.max_bytes
        self.near_ties += is_near
        if not is_finite:  # what follows would not be the model's
            self.ids.clear()
            self._end("")
        elif token in self.stops.tokens:
            self._end(self.stops.cut(self.decode(self.ids), max_bytes=max_bytes))
        else:
            self.ids.append(token)
            text = self.decode(self.ids)
            cut = self.stops.cut(text, max_bytes=max_bytes)
            is_full = len(self.ids) == self.prompt.budget
            if cut != text or is_full or self.prompt.is_decided(text):
                self._end(cut)

    def _end(self, text: str) -> None:
        self.answer = Answer(text=text, ids=tuple(self.ids), near_ties=self.near_ties)

    @property
    def position(self) -> int:
        """Place of the newest token."""
        return len(self.prompt.ids) + len(self.ids) - 1


class _Batch:
    """Answers in progress, each in a slot."""

    def __init__(
        self,
        model: LossModel,
        shapes: Sequence[tuple[int, int]],
        *,
        num_slots: int,
        num_chunks: int,
    ) -> None:
        self._model = model
        self._row_chunks = PROMPT_CHUNKS[model.device.type]
        self._cache = KeyValueCache(
            shapes,
            num_slots=num_slots,
            num_chunks=num_chunks,
            dtype=model.products,
            device=model.device,
        )
        self._rows: list[_Row | None] = [None] * num_slots
        self._held: list[tuple[int, ...]] = [()] * num_slots  # prompts, of ended answers too

    @property
    def num_live(self) -> int:
        return sum(row is not None for row in self._rows)

    def free_slot(self) -> int | None:
        """Return a slot without an answer in progress."""
        return next((n for n, row in enumerate(self._rows) if row is None), None)

    def read(self, slot: int, row: _Row) -> None:
        """Give a slot to a prompt, and take the first token of its answer."""
        ids = row.prompt.ids
        num_whole = (len(ids) - 1) // CHUNK  # the last token's chunk is always computed
        shared = [min(_common(ids, held) // CHUNK, num_whole) for held in self._held]
        first = max(shared)
        if (source := shared.index(first)) != slot:
            self._cache.copy(source, slot, first)
        self._cache.clear(slot, first)
        self._held[slot], self._rows[slot] = ids, row
        for start in range(first, num_whole + 1, self._row_chunks):
            stop = min(start + self._row_chunks, num_whole + 1)
            self._cache.prompt(Places(slot, start, stop, len(ids)))
            size = self._row_chunks * CHUNK
            row_ids = ids[start * CHUNK : stop * CHUNK]
            positions = range(start * CHUNK, start * CHUNK + len(row_ids))
            hidden_TD = self._hidden(row_ids, positions, size)
        self._take(hidden_TD[len(row_ids) - 1 : len(row_ids)], [row])

    def step(self) -> None:
        """Take the next token of every answer that has not ended."""
        live = [row if row is not None and row.answer is None else None for row in self._rows]
        if not any(live):
            return
        self._cache.newest([None if row is None else row.position for row in live])
        hidden_WD = self._hidden(
            [0 if row is None else row.ids[-1] for row in live],
            [0 if row is None else row.position for row in live],
            WIDTH,
        )
        self._take(hidden_WD, live)

    def finished(self) -> Iterator[tuple[int, Answer]]:
        """Yield the answers that have ended, with their prompts' numbers, and free their slots."""
        for slot, row in enumerate(self._rows):
            if row is not None and row.answer is not None:
                self._rows[slot] = None
                yield row.number, row.answer

    def _hidden(self, ids: Sequence[int], positions: Sequence[int], size: int) -> Tensor:
        """Return the hidden states of a row that is filled up with token 0 at position 0."""
        filled = [0] * (size - len(ids))
        ids_T, positions_T = (
            torch.tensor([*numbers, *filled], device=self._model.device)
            for numbers in (ids, positions)
        )
        return self._model.body(ids_T, positions_T, (), cache=self._cache)

    def _take(self, hidden_WD: Tensor, rows: Sequence[_Row | None]) -> None:
        logits_WV = self._model.head.logits(hidden_WD[: len(rows)])
        chosen = _chosen(logits_WV, self._model.products)
        for row, token, is_finite, is_near in zip(rows, *chosen, strict=True):
            if row is not None:
                row.take(token, is_finite=is_finite, is_near=is_near)


def _chosen(logits_WV: Tensor, products: torch.dtype) -> tuple[list[int], list[bool], list[bool]]:
    """Return the token of each row, whether its logit is finite, and whether it is a near-tie."""
    # The lowest of equal ones, as torch promises; NaN if any is.
    top_W1, token_W1 = logits_WV.max(dim=1, keepdim=True)
    least_W, _ = torch.aminmax(logits_WV, dim=1)
    second_W = logits_WV.scatter(1, token_W1, -torch.inf).amax(dim=1)
    gap_W, largest_W = top_W1.squeeze(1) - second_W, torch.maximum(top_W1.squeeze(1), -least_W)
    finite_W = torch.isfinite(top_W1).squeeze(1)
    near_W = finite_W & (gap_W <= NEAR[products] * largest_W)
    return token_W1.squeeze(1).tolist(), finite_W.tolist(), near_W.tolist()


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many first numbers are equal."""
    same = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        same += 1
    return same
