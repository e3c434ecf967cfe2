"""Checks of the weights themselves, from their bytes alone: finite, and of sane norms.

No model is built. Sums are float32 over blocks of fixed size from the start of each tensor
and float64 over the blocks, so a norm does not depend on how the bytes arrived.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sn37.adapters.admission.digest import TensorDigest
from sn37.domain.constraints import is_projection, norm_violation
from sn37.domain.models import NormLimits
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

BLOCK_BYTES = 1 << 17  # stays in a core's cache together with its float32 copies
_HIGH = np.uint32(0xFFFF0000)
_SHIFT = np.uint32(16)


class TensorNorm:
    """The Frobenius norm of one tensor whose bytes arrive in order, in pieces of any size."""

    def __init__(self, dtype: str) -> None:
        squares = {"BF16": self._squares_bf16, "F16": _squares_f16, "F32": _squares_f32}
        self._squares_of = squares[dtype]
        self._wide = np.empty(BLOCK_BYTES // 4, np.uint32)  # used again for every block
        self._rest = bytearray()
        self._squares = 0.0

    def update(self, view: memoryview) -> None:
        """Take the next bytes."""
        if self._rest:
            take = BLOCK_BYTES - len(self._rest)
            self._rest += view[:take]
            view = view[take:]
            if len(self._rest) < BLOCK_BYTES:
                return
            self._add(self._rest)
            self._rest = bytearray()
        whole = len(view) - len(view) % BLOCK_BYTES
        for start in range(0, whole, BLOCK_BYTES):
            self._add(view[start : start + BLOCK_BYTES])
        self._rest += view[whole:]

    def finish(self) -> float:
        """The norm; NaN when any element is NaN or infinite."""
        self._add(self._rest)
        return math.sqrt(self._squares)

    def _add(self, block: memoryview | bytearray) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # both are looked at afterwards
            self._squares += self._squares_of(block)

    def _squares_bf16(self, data: memoryview | bytearray) -> float:
        # A bfloat16 is the upper half of a float32, so two neighbours are widened by a mask
        # and a shift of the word that holds both. A lone last one has a word to itself.
        words = np.frombuffer(data, dtype="<u4", count=len(data) // 4)
        wide = self._wide[: len(words)]
        np.bitwise_and(words, _HIGH, out=wide)
        squares = _dot(wide.view(np.float32))
        np.left_shift(words, _SHIFT, out=wide)
        squares += _dot(wide.view(np.float32))
        if len(data) % 4:
            last = np.frombuffer(data, dtype="<u2", offset=len(data) - 2).astype("<u4") << _SHIFT
            squares += _dot(last.view(np.float32))
        return squares


def check_weights(tensors: Iterable[TensorDigest], limits: NormLimits) -> None:
    """Refuse weights that are not finite or whose norms are absurd.

    Raises:
        ModelRejected: ``non_finite`` or ``norm``.
    """
    projections: dict[str, float] = {}
    for tensor in tensors:
        if tensor.norm is None:
            continue
        if math.isnan(tensor.norm):
            raise ModelRejected(
                f"{tensor.name[:80]} holds NaN or infinity", reason=Reason.NON_FINITE
            )
        if is_projection(tensor.name, len(tensor.shape)):
            projections[tensor.name] = tensor.norm
    if violation := norm_violation(projections, limits):
        raise ModelRejected(violation.detail, reason=violation.reason)


def _squares_f16(data: memoryview | bytearray) -> float:
    return _dot(np.frombuffer(data, dtype="<f2").astype(np.float32))


def _squares_f32(data: memoryview | bytearray) -> float:
    return _dot(np.frombuffer(data, dtype="<f4"))


def _dot(values: npt.NDArray[np.float32]) -> float:
    """Sum of squares; NaN when any value is NaN or infinite."""
    squares = float(np.dot(values, values))
    if math.isfinite(squares):
        return squares
    if not np.isfinite(values).all():
        return math.nan
    wide = values.astype(np.float64)  # a square of a finite float32 overflows float32 only
    return float(np.dot(wide, wide))
