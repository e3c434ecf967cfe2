"""Tensors of a model's files, mapped and yielded one at a time. Child side.

Files are read by the header parser with which admission counted and hashed them, so the loaded
tensors are the checked ones: no other reading of the same bytes can find different tensors.
"""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from sn37.adapters.admission.files import INDEX, check_weight_names, weight_files
from sn37.adapters.admission.header import Header, TensorSpan, check_index, read_header
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_headers(folder: Path) -> Mapping[Path, Header]:
    """Return every file of weights with its header; an index must name just these.

    Raises:
        ModelFault: ``unloadable``: there are none, one is malformed, or the index differs.
    """
    names = [path.name for path in sorted(folder.iterdir())]
    try:
        check_weight_names(set(names))
        headers = {name: read_header(folder / name) for name in weight_files(names)}
        if INDEX in names:
            check_index((folder / INDEX).read_bytes(), headers)
    except ModelRejected as error:
        raise ModelFault(Reason.UNLOADABLE, str(error)) from error
    return {folder / name: header for name, header in headers.items()}


def tensors(
    headers: Mapping[Path, Header], dtypes: Mapping[str, torch.dtype], device: torch.device
) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors with their names in the file, on ``device`` in ``dtypes[name]``, in file order.

    On the CPU, a tensor of the right dtype is the mapped file itself and must not be written to:
    nothing is copied, and it occupies only page cache. Every other tensor is converted straight
    from the mapping, whose pages are released before the next.
    """
    for path, header in headers.items():
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for span in header.tensors:
            mapped = _map(mapping, span)
            tensor = mapped.to(device=device, dtype=dtypes[span.name])
            copied = tensor.data_ptr() != mapped.data_ptr()
            del mapped
            if copied:
                _let_go(mapping, span)
            yield span.name, tensor


def _map(mapping: mmap.mmap, span: TensorSpan) -> Tensor:
    dtype = _DTYPES[span.dtype]
    with warnings.catch_warnings():
        # The buffer is not writable on purpose: a stray write faults.
        warnings.filterwarnings("ignore", "The given buffer is not writable", UserWarning)
        flat = torch.frombuffer(
            mapping,
            dtype=dtype,
            count=(span.end - span.begin) // dtype.itemsize,
            offset=span.begin,
        )
    if span.begin % dtype.itemsize:
        flat = flat.clone()  # kernels may expect numbers at multiples of their size
    return flat.reshape(span.shape)


def _let_go(mapping: mmap.mmap, span: TensorSpan) -> None:
    """Unmap the whole pages of a tensor; they stay in the page cache."""
    first = -(-span.begin // mmap.PAGESIZE) * mmap.PAGESIZE
    length = span.end - first
    if length > 0:
        mapping.madvise(mmap.MADV_DONTNEED, first, length)
