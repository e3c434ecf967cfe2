"""Digests and norms of a model's files in one pass over their bytes.

The content digest binds exact files to a commitment. The tensor digest says whether two
models are the same whatever their files are called or how they are cut into shards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Protocol

from blake3 import blake3

from sn37.adapters.admission.header import (
    PREFIX_BYTES,
    Header,
    TensorSpan,
    header_bytes,
    parse_header,
)
from sn37.domain.ids import Digest
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

if TYPE_CHECKING:
    from sn37.adapters.admission.weights import TensorNorm

CHUNK_BYTES = 1 << 20  # stays in a core's cache from one digest to the next
BLOCK_BYTES = 1 << 18  # of a tensor, summed at once: stays there together with its float32 copy


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> object: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDigest:
    """One tensor by content."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    blake3: bytes  # of its bytes
    norm: float | None = None  # Frobenius; NaN when not all is finite, None when not asked for
    # Absolute value, exact above LEAST_LIMIT, else a bound below that; None when not asked for.
    largest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedFile:
    """One file after its last byte; ``tensors`` is empty unless it is safetensors."""

    path: str
    size_bytes: int
    sha256: str  # hex
    tensors: tuple[TensorDigest, ...] = ()


class FileHasher:
    """Hash one file as its bytes arrive, in chunks of any size.

    A safetensors header is parsed from the stream itself, so that what was checked is what
    was hashed, whatever an earlier look at the file saw. A header that is refused is told at
    the end: until then ``sha256`` says whether these are the miner's bytes at all.

    Args:
        path: Of the file in its repository.
        size_bytes: As the host has announced it.
        norms: Measure the norm and the largest number of every tensor too, which needs numpy.
    """

    def __init__(self, path: str, size_bytes: int, *, norms: bool = False) -> None:
        self._path = path
        self._size = size_bytes
        self._seen = 0
        self._sha256 = sha256()
        self._head = bytearray()
        self._tensors = _TensorHasher(norms=norms) if path.endswith(".safetensors") else None
        self._refused: ModelRejected | None = None

    @property
    def sha256(self) -> str:
        """Hex, of the bytes so far."""
        return self._sha256.hexdigest()

    @property
    def appetite(self) -> int:
        """How many bytes to bring next, at best: up to the end of a block of their tensor."""
        return CHUNK_BYTES - (self._tensors.into_block(self._seen) if self._tensors else 0)

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes.

        Raises:
            ModelRejected: ``digest_mismatch`` past the announced size.
        """
        self._sha256.update(chunk)
        if self._seen + len(chunk) > self._size:
            raise self._resized()
        if self._tensors is not None and self._refused is None:
            if self._tensors.ready:
                self._tensors.update(chunk, self._seen)
            else:
                self._head += chunk
                try:
                    self._try_header(self._tensors)
                except ModelRejected as refused:
                    self._refused = refused
        self._seen += len(chunk)

    def finish(self) -> HashedFile:
        """The file's digests.

        Raises:
            ModelRejected: ``digest_mismatch`` when the file is shorter than announced,
                ``bad_header``.
        """
        if self._seen != self._size:
            raise self._resized()
        if self._refused is not None:
            raise self._refused
        if self._tensors is not None and not self._tensors.ready:
            raise ModelRejected(f"{self._path}: no header", reason=Reason.BAD_HEADER)
        return HashedFile(
            path=self._path,
            size_bytes=self._size,
            sha256=self.sha256,
            tensors=self._tensors.finish() if self._tensors else (),
        )

    def _try_header(self, tensors: _TensorHasher) -> None:
        head = bytes(self._head)
        if len(head) < PREFIX_BYTES:
            return
        stop = PREFIX_BYTES + header_bytes(head, self._size)
        if len(head) < stop:
            return
        tensors.begin(parse_header(head[PREFIX_BYTES:stop], self._size))
        tensors.update(head[stop:], stop)
        self._head.clear()

    def _resized(self) -> ModelRejected:
        return ModelRejected(
            f"{self._path} does not have the {self._size} bytes it was listed with",
            reason=Reason.DIGEST_MISMATCH,
        )


class _TensorHasher:
    """BLAKE3 and norm of every tensor of a file whose data arrives in order."""

    def __init__(self, *, norms: bool) -> None:
        self.ready = False
        self._norm = _tensor_norm() if norms else None
        self._spans: tuple[TensorSpan, ...] = ()
        self._digests: list[TensorDigest] = []
        self._current: _Hash = blake3()

    def begin(self, header: Header) -> None:
        self._spans = header.tensors
        self.ready = True
        self._begin_norm()

    def into_block(self, offset: int) -> int:
        """How far ``offset`` of the file, where the next byte belongs, is inside a block."""
        if len(self._digests) == len(self._spans):
            return 0
        return (offset - self._spans[len(self._digests)].begin) % BLOCK_BYTES

    def update(self, chunk: bytes | memoryview, offset: int) -> None:
        view = memoryview(chunk)
        while view:
            span = self._spans[len(self._digests)]
            take = min(span.end - offset, len(view))
            self._current.update(view[:take])
            if self._norm is not None:
                self._norm.update(view[:take])
            offset += take
            view = view[take:]
            if offset == span.end:
                self._digests.append(self._finished(span))
                self._current = blake3()
                self._begin_norm()

    def _finished(self, span: TensorSpan) -> TensorDigest:
        return TensorDigest(
            name=span.name,
            dtype=span.dtype,
            shape=span.shape,
            blake3=self._current.digest(),
            norm=None if self._norm is None else self._norm.finish(),
            largest=None if self._norm is None else self._norm.largest,
        )

    def finish(self) -> tuple[TensorDigest, ...]:
        return tuple(self._digests)

    def _begin_norm(self) -> None:
        if self._norm is not None and len(self._digests) < len(self._spans):
            self._norm.begin(self._spans[len(self._digests)].dtype)


def _tensor_norm() -> TensorNorm:
    from sn37.adapters.admission.weights import TensorNorm

    return TensorNorm()


def chunks_of(file: BinaryIO, hasher: FileHasher | None = None) -> Iterator[memoryview]:
    """The rest of a file, in pieces that are valid until the next one is asked for.

    They are cut as it suits ``hasher``, which is to take each of them.
    """
    buffer = memoryview(bytearray(CHUNK_BYTES))  # one for all: fresh ones cost page faults
    while True:
        wanted = hasher.appetite if hasher else CHUNK_BYTES
        length = file.readinto(buffer[:wanted])  # type: ignore[attr-defined]  # all binary files can
        if not length:
            return
        yield buffer[:length]


def tensor_digest(tensors: Collection[TensorDigest]) -> Digest:
    """Hex BLAKE3 over the tensors by sorted name; see docs/protocol.md.

    Each tensor gives: length of the name (u32, little-endian like all numbers here) and
    name, length of the dtype (u32) and dtype, number of dimensions (u32), each dimension
    (u64), BLAKE3 of the bytes (32 bytes).

    Raises:
        ModelRejected: ``bad_header`` when two shards hold a tensor of one name.
    """
    total = blake3()
    previous: str | None = None
    for tensor in sorted(tensors, key=lambda t: t.name):
        if tensor.name == previous:
            raise ModelRejected(
                f"tensor {tensor.name!a} is in two shards", reason=Reason.BAD_HEADER
            )
        previous = tensor.name
        total.update(_sized(tensor.name) + _sized(tensor.dtype))
        total.update(len(tensor.shape).to_bytes(4, "little"))
        total.update(b"".join(size.to_bytes(8, "little") for size in tensor.shape))
        total.update(tensor.blake3)
    return Digest(total.hexdigest())


def _sized(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4, "little") + encoded
