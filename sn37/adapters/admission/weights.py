"""Checks of the weights from their bytes alone: they must be finite and of normal size.

No model is built. Sums are float32 over blocks of fixed size from the start of each tensor
and float64 over the blocks, so a norm does not depend on how the bytes arrived. Its error is at
most one part in 10,000, or 1e-15 if that is more; limits are hundreds. A largest absolute value
is exact where limits can lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sn37.adapters.admission.digest import BLOCK_BYTES, TensorDigest
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import LEAST_LIMIT, NormLimits
from sn37.domain.submission.constraints import is_projection, norm_violation, size_violation
from sn37.ports.errors import ModelRejected

_HALF = np.uint32(16)  # bits
_UPPER = np.uint32(0xFFFF0000)
# float16 has 5 bits of exponent with a bias of 15 and 10 of fraction; float32 8, 127 and 23.
_F16_LOWER = np.uint32(0x00007FFF)  # without the sign
_F16_UPPER = np.uint32(0x7FFF0000)
_F16_SHIFT = np.uint32(23 - 10)
_F16_INFINITY = np.uint32(0x7C00 << 13)
_F16_SCALE = np.float32(2.0 ** (127 - 15))


class TensorNorm:
    """Frobenius norms and largest absolute values of a series of tensors, whose bytes arrive in
    pieces of any size.

    One object serves many tensors: new memory for each costs more than the sums of a small one.
    """

    def __init__(self) -> None:
        self._kinds = {
            "BF16": self._squares_bf16,
            "F16": self._squares_f16,
            "F32": _squares_f32,
        }
        self._wide = np.empty(BLOCK_BYTES // 2, np.float32)  # a block of 16 bits, as 32
        self._block = memoryview(bytearray(BLOCK_BYTES))  # a block that has arrived only in part
        self._held = 0
        self.begin("F32")

    def begin(self, dtype: str) -> None:
        """Begin a new tensor."""
        self._squares_of = self._kinds[dtype]
        self._held = 0
        self._squares = 0.0
        self._largest = 0.0
        self._dtype = dtype

    def update(self, view: memoryview) -> None:
        """Take the next bytes."""
        with np.errstate(over="ignore", invalid="ignore"):  # both are checked afterwards
            while view:
                take = min(BLOCK_BYTES - self._held, len(view))
                if take == BLOCK_BYTES:
                    self._add(view[:take])
                else:
                    self._block[self._held : self._held + take] = view[:take]
                    self._held += take
                    if self._held == BLOCK_BYTES:
                        self._flush()
                view = view[take:]

    def finish(self) -> float:
        """Return the norm; NaN if any element is NaN or infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._flush()
        return math.sqrt(self._squares)

    @property
    def largest(self) -> float:
        """The largest absolute value of the finished tensor, or a bound of it, at most
        LEAST_LIMIT. Without meaning if the norm is NaN."""
        return self._largest

    def _flush(self) -> None:
        self._add(self._block[: self._held])
        self._held = 0

    def _add(self, block: memoryview) -> None:
        squares = self._squares_of(block)
        self._squares += squares
        # No number of a block exceeds its norm, whose error is far below these margins.
        bound = 1.01 * math.sqrt(squares) + 1e-15
        if not bound <= LEAST_LIMIT:
            bound = _largest(block, self._dtype)
        self._largest = max(self._largest, bound)

    def _squares_bf16(self, data: memoryview) -> float:
        # A bfloat16 is the upper half of a float32, so two neighbours are widened by a mask
        # and a shift of the word that holds both.
        words = _words(data)
        wide = self._wide[: len(words)]
        np.bitwise_and(words, _UPPER, out=wide.view(np.uint32))
        squares = _sum_of_squares(wide)
        np.left_shift(words, _HALF, out=wide.view(np.uint32))
        return squares + _sum_of_squares(wide)

    def _squares_f16(self, data: memoryview) -> float:
        # Exponent and fraction, shifted to their place in a float32, are the magnitude except for
        # a power of two. numpy's own conversion takes three times as long.
        words = _words(data)
        wide = self._wide[: 2 * len(words)]
        bits = wide.view(np.uint32)
        lower, upper = bits[: len(words)], bits[len(words) :]
        np.bitwise_and(words, _F16_LOWER, out=lower)
        np.left_shift(lower, _F16_SHIFT, out=lower)
        np.bitwise_and(words, _F16_UPPER, out=upper)
        np.right_shift(upper, _HALF - _F16_SHIFT, out=upper)
        if bits.max(initial=0) >= _F16_INFINITY:
            return math.nan
        np.multiply(wide, _F16_SCALE, out=wide)
        return _sum_of_squares(wide)


def check_weights(tensors: Iterable[TensorDigest], limits: NormLimits) -> None:
    """Reject weights that are not finite, or whose numbers or norms are absurdly large.

    Raises:
        ModelRejected: ``non_finite`` or ``norm``.
    """
    projections: dict[str, float] = {}
    for tensor in tensors:
        if tensor.norm is None:
            continue
        if math.isnan(tensor.norm):
            raise ModelRejected(
                f"{tensor.name[:80]} contains NaN or infinity", reason=Reason.NON_FINITE
            )
        largest = 0.0 if tensor.largest is None else tensor.largest
        if violation := size_violation(tensor.name, len(tensor.shape), largest, limits):
            raise ModelRejected(violation.detail, reason=violation.reason)
        if is_projection(tensor.name, len(tensor.shape)):
            projections[tensor.name] = tensor.norm
    if violation := norm_violation(projections, limits):
        raise ModelRejected(violation.detail, reason=violation.reason)


def _squares_f32(data: memoryview) -> float:
    return _sum_of_squares(np.frombuffer(data, dtype="<f4"))


def _largest(data: memoryview, dtype: str) -> float:
    """Return the largest absolute value of finite floats, by their bits.

    Without their signs, the bits of floats have the order of their values. Read as signed
    integers, the largest are the largest positive floats. Read as unsigned ones, whose first bit
    is the sign, the largest are the largest negative floats. Two passes cost a third of masking
    the sign.
    """
    size = 4 if dtype == "F32" else 2
    above = int(np.frombuffer(data, f"<i{size}").max())
    below = int(np.frombuffer(data, f"<u{size}").max()) & ((1 << (8 * size - 1)) - 1)
    bits = max(above, below)
    if dtype == "F16":
        return float(np.uint16(bits).view(np.float16))
    return float(np.uint32(bits if dtype == "F32" else bits << 16).view(np.float32))


def _words(data: memoryview) -> npt.NDArray[np.uint32]:
    """Return pairs of 16-bit numbers; an odd last number is paired with a zero."""
    if len(data) % 4:
        data = memoryview(bytes(data) + b"\0\0")
    return np.frombuffer(data, dtype="<u4")


def _sum_of_squares(values: npt.NDArray[np.float32]) -> float:
    """Return the sum of squares; NaN if any value is NaN or infinite."""
    squares = float(np.vdot(values, values))  # np.dot takes 3 us more a call
    if math.isfinite(squares):
        return squares
    if not np.isfinite(values).all():
        return math.nan
    wide = values.astype(np.float64)  # the square of a finite float32 overflows only float32
    return float(np.vdot(wide, wide))
