"""Digests and norms of a model's files, computed in one pass over their bytes.

The content digest binds exact files to a commitment. The tensor digest tells whether two
models are the same, whatever the names of their files and their division into shards.
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
BLOCK_BYTES = 1 << 18  # of a tensor, summed at once: stays there with its float32 copy


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> object: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDigest:
    """One tensor's name, type, shape and content."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    blake3: bytes  # of its bytes
    norm: float | None = None  # Frobenius; NaN if a number is not finite, None if not measured
    # Absolute value: exact above LEAST_LIMIT, else a bound below that; None if not measured.
    largest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedFile:
    """One completely read file; ``tensors`` is empty unless it is a safetensors file."""

    path: str
    size_bytes: int
    sha256: str  # hex
    tensors: tuple[TensorDigest, ...] = ()


class FileHasher:
    """Hashes one file as its bytes arrive, in chunks of any size.

    A safetensors header is parsed from the stream itself, so that the checked bytes are the
    hashed bytes, whatever an earlier read returned. A bad header is reported only at the end:
    until then ``sha256`` shows whether these are the miner's bytes.

    Args:
        path: Of the file in its repository.
        size_bytes: As announced by the host.
        norms: Also measure the norm and the largest number of every tensor, which needs numpy.
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
        """Hex digest of the bytes so far."""
        return self._sha256.hexdigest()

    @property
    def appetite(self) -> int:
        """The best size of the next chunk: up to the end of a block of its tensor."""
        return CHUNK_BYTES - (self._tensors.into_block(self._seen) if self._tensors else 0)

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes.

        Raises:
            ModelRejected: ``digest_mismatch`` if the file exceeds the announced size.
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
        """Return the file's digests.

        Raises:
            ModelRejected: ``digest_mismatch`` if the file is shorter than announced, or
                ``bad_header``.
        """
        if self._seen != self._size:
            raise self._resized()
        if self._refused is not None:
            raise self._refused
        if self._tensors is not None and not self._tensors.ready:
            raise ModelRejected(f"{self._path}: the header is missing", reason=Reason.BAD_HEADER)
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
            f"{self._path} does not have the listed size of {self._size} bytes",
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
        """Return the distance from the beginning of a block to ``offset``, the next byte's."""
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
    """Yield the rest of a file in pieces, each valid until the next one is requested.

    Their sizes suit ``hasher``, which must receive each of them.
    """
    buffer = memoryview(bytearray(CHUNK_BYTES))  # reused: a new buffer would cost page faults
    while True:
        wanted = hasher.appetite if hasher else CHUNK_BYTES
        length = file.readinto(buffer[:wanted])  # type: ignore[attr-defined]  # all binary files can
        if not length:
            return
        yield buffer[:length]


def tensor_digest(tensors: Collection[TensorDigest]) -> Digest:
    """Return hex BLAKE3 over the tensors by sorted name; see docs/protocol.md.

    Each tensor gives: length of the name (u32, little-endian like all numbers here) and
    name, length of the dtype (u32) and dtype, number of dimensions (u32), each dimension
    (u64), BLAKE3 of the bytes (32 bytes).

    Raises:
        ModelRejected: ``bad_header`` if two shards hold a tensor of the same name.
    """
    total = blake3()
    previous: str | None = None
    for tensor in sorted(tensors, key=lambda t: t.name):
        if tensor.name == previous:
            raise ModelRejected(
                f"tensor {tensor.name!a} is in two shards: keep one of them",
                reason=Reason.BAD_HEADER,
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
