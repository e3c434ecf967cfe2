"""Admission of an untrusted model folder, cheapest check first.

Names and sizes come first, then the configuration, the headers, and last every byte once.
Nothing from the folder is executed, and nothing but JSON of bounded size is parsed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sn37.adapters.admission.config import check_config, check_json, check_names
from sn37.adapters.admission.digest import (
    FileHasher,
    HashedFile,
    chunks_of,
    tensor_digest,
)
from sn37.adapters.admission.files import (
    CONFIG,
    INDEX,
    ListedFile,
    listing,
    select,
    weight_files,
)
from sn37.adapters.admission.header import MAX_TENSORS, Header, check_index, read_header
from sn37.adapters.admission.side_keys import SIDE_FILES
from sn37.domain.ids import Digest
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import AdmissionStep
from sn37.domain.submission.constraints import ModelFacts, violations
from sn37.domain.submission.digests import FileDigest, content_digest
from sn37.ports.errors import ModelRejected

Passed = Callable[[AdmissionStep], None]  # called after every check that a model has passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """Facts about a folder before a byte of its weights is read."""

    files: tuple[ListedFile, ...]
    architecture: str
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A folder that passed every check that does not run the model."""

    files: tuple[FileDigest, ...]
    size_bytes: int
    parameters: int
    architecture: str
    content_digest: Digest  # base64 sha256; a v2 commitment binds it
    tensor_digest: Digest  # hex BLAKE3


class FileSource(Protocol):
    """The place that admitted files are read from; each call costs what it reads."""

    def text(self, file: ListedFile) -> bytes:
        """Return the whole content of a small file."""
        ...

    def header(self, file: ListedFile) -> Header:
        """Return the header of a safetensors file.

        Raises:
            ModelRejected: ``bad_header``.
        """
        ...


class FolderSource:
    """Files of a local folder. Raises ``OSError`` if it cannot be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def text(self, file: ListedFile) -> bytes:
        return (self._folder / file.path).read_bytes()

    def header(self, file: ListedFile) -> Header:
        return read_header(self._folder / file.path)


def _unheard(step: AdmissionStep) -> None:
    """Ignore the report."""


def inspect(folder: Path, constraints: ModelConstraints, *, passed: Passed = _unheard) -> Inspected:
    """Check a local folder, except for the bytes of its weights.

    Raises:
        ModelRejected: The reason of the first check that fails.
        OSError: The folder cannot be read.
    """
    return inspect_listed(listing(folder), FolderSource(folder), constraints, passed=passed)


def inspect_listed(
    listed: Sequence[ListedFile],
    source: FileSource,
    constraints: ModelConstraints,
    *,
    passed: Passed = _unheard,
) -> Inspected:
    """Check listed files, except for the bytes of the weights, cheapest check first.

    Raises:
        ModelRejected: The reason of the first check that fails.
    """
    files = select(listed, max_bytes=constraints.max_bytes)
    passed(AdmissionStep.FILES)
    by_name = {file.path: file for file in files}
    config = check_config(source.text(by_name[CONFIG]), constraints)
    for name in SIDE_FILES:
        if name in by_name:
            check_json(name, source.text(by_name[name]))
    passed(AdmissionStep.CONFIG)
    headers: dict[str, Header] = {}
    for name in weight_files(tuple(by_name)):
        headers[name] = _header_of(source, by_name[name])
        # The limit is for the whole model: many shards must not multiply it.
        if (count := sum(len(header.tensors) for header in headers.values())) > MAX_TENSORS:
            raise ModelRejected(
                f"the model has {count} tensors, at most {MAX_TENSORS} are allowed",
                reason=Reason.BAD_HEADER,
            )
    passed(AdmissionStep.HEADERS)
    if INDEX in by_name:
        check_index(source.text(by_name[INDEX]), headers)
    architecture = config.architecture
    check_names(config, {t.name for header in headers.values() for t in header.tensors})
    passed(AdmissionStep.TENSORS)
    parameters = sum(header.parameters for header in headers.values())
    facts = ModelFacts(
        architecture=architecture,
        parameters=parameters,
        size_bytes=sum(file.size_bytes for file in files),
    )
    for violation in violations(facts, constraints):
        raise ModelRejected(violation.detail, reason=violation.reason)
    passed(AdmissionStep.LIMITS)
    return Inspected(files=files, architecture=architecture, parameters=parameters)


def _header_of(source: FileSource, file: ListedFile) -> Header:
    try:
        return source.header(file)
    except ModelRejected as error:
        if error.reason is not Reason.BAD_HEADER:
            raise
        raise ModelRejected(f"{file.path}: {error}", reason=error.reason) from error


def admit(folder: Path, constraints: ModelConstraints, *, copy_to: Path | None = None) -> Admitted:
    """Check a folder and hash its admitted files; copy them if ``copy_to`` is given.

    With ``copy_to`` (an existing empty folder) the result is about the copy: bytes are hashed
    as they are written, and the copy is inspected again. A folder that changes meanwhile
    therefore cannot add anything unchecked.

    Raises:
        ModelRejected: The reason of the first check that fails.
        OSError: A file cannot be read or written.
    """
    inspected = inspect(folder, constraints)
    hashed = [hash_file(folder, file, copy_to=copy_to) for file in inspected.files]
    if copy_to is not None and inspect(copy_to, constraints) != inspected:
        raise ModelRejected("the files changed while they were read", reason=Reason.DIGEST_MISMATCH)
    return summarize(inspected, hashed)


def summarize(inspected: Inspected, hashed: list[HashedFile]) -> Admitted:
    """Return the facts of a folder whose files have been inspected and hashed."""
    files = tuple(FileDigest(file.path, file.size_bytes, file.sha256) for file in hashed)
    return Admitted(
        files=files,
        size_bytes=sum(file.size_bytes for file in hashed),
        parameters=inspected.parameters,
        architecture=inspected.architecture,
        content_digest=content_digest(files),
        tensor_digest=tensor_digest([tensor for file in hashed for tensor in file.tensors]),
    )


def hash_files(
    folder: Path, files: Sequence[ListedFile], *, norms: bool = False
) -> list[HashedFile]:
    """Hash files of ``folder``, one file for each core: more would share a core's cache.

    Raises:
        ModelRejected, OSError: As in ``hash_file``.
    """
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda file: hash_file(folder, file, norms=norms), files))


def hash_file(
    folder: Path, file: ListedFile, *, copy_to: Path | None = None, norms: bool = False
) -> HashedFile:
    """Hash one file of ``folder``; copy it to the folder ``copy_to``, if given.

    Raises:
        ModelRejected: As in ``FileHasher``.
        OSError: The file cannot be read or written.
    """
    hasher = FileHasher(file.path, file.size_bytes, norms=norms)
    with (folder / file.path).open("rb") as source:
        if copy_to is None:
            for chunk in chunks_of(source, hasher):
                hasher.update(chunk)
        else:
            with (copy_to / file.path).open("xb") as target:
                for chunk in chunks_of(source, hasher):
                    hasher.update(chunk)
                    target.write(chunk)
    return hasher.finish()
