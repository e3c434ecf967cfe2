"""A table on the hub: its manifest, and the row groups of a draw, from the disk or the hub.

Everything that was read stays on disk, so what was drawn once can be drawn again offline.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sn37.adapters.dataset.hub_repository import HubRepository, RemoteFile
from sn37.adapters.dataset.hub_rows import manifest as manifests
from sn37.adapters.dataset.hub_rows.disk_cache import DiskCache
from sn37.adapters.dataset.hub_rows.manifest import MAX_GROUPS, Manifest, ManifestFile
from sn37.adapters.dataset.hub_rows.parameters import HubRowsParameters
from sn37.adapters.dataset.hub_rows.parquet_groups import Footer, Row, read_footer
from sn37.adapters.dataset.hub_rows.row_texts import row_sample, wanted_columns
from sn37.adapters.dataset.kept_samples import Unfit
from sn37.adapters.dataset.parquet_rows import UnreadableParquet
from sn37.domain.data.row_groups import draw_rows
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Digest, Seed
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

MAX_DRAW_BYTES = 1 << 30  # read for one draw
MAX_KEPT_BYTES = 4 << 30  # row groups on disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A manifest that was made from the hub."""

    manifest: Manifest
    digest: Digest
    largest_bytes: int  # of what one request for a row group reads


def cache_folder() -> Path | None:
    """Return the folder of what was read, below the user's cache; ``None`` without a home."""
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not root.is_absolute():
        try:
            root = Path.home() / ".cache"
        except RuntimeError:
            return None
    return root / "sn37" / "hub_rows"


class Table:
    """One table, as the parameters describe it.

    Args:
        folder: Of what was read; ``cache_folder`` is the usual one.
    """

    def __init__(
        self, parameters: HubRowsParameters, repository: HubRepository, folder: Path
    ) -> None:
        self.left_out: Counter[str] = Counter()  # rows, by reason
        self.num_reads = 0  # of row groups, from the hub
        self.num_bytes = 0
        self._parameters = parameters
        self._repository = repository
        self._columns = wanted_columns(parameters)
        self._facts = DiskCache(folder / "manifests")
        self._groups = DiskCache(folder / "groups", max_bytes=MAX_KEPT_BYTES)

    def draw(self, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        """Return ``count`` samples that the seed chooses; each text once.

        Raises:
            DatasetUnavailable: Something could not be read, or the manifest is not the schedule's.
            DatasetExhausted: Too few rows fit.
        """
        manifest = self.manifest()
        sizes = manifest.num_rows
        if count > sum(sizes):
            raise DatasetExhausted(requested=count, available=sum(sizes))
        seen: set[Digest] = set()

        def open_group(group: int) -> Callable[[int], Sample | None]:
            file, number = manifest.place(group)
            read = self._read_group(file, number)
            return lambda row: self._sample(read, row, f"{file.path}/{number}/{row}", seen)

        samples = draw_rows(sizes, count=count, seed=seed, open_group=open_group)
        if len(samples) < count:
            raise DatasetExhausted(requested=count, available=len(samples))
        return samples

    def manifest(self) -> Manifest:
        """Return the manifest whose digest the parameters have; see ``draw`` for errors."""
        wanted = self._parameters.manifest
        kept = self._facts.get("manifest", wanted)
        if kept is not None and sha256(kept).hexdigest() == wanted:
            manifest = manifests.decode(kept)
            if self._describes(manifest):
                return manifest
        made = self.make()
        if made.digest != wanted:
            for file in made.manifest.files:  # perhaps they were damaged when they were kept
                self._facts.remove("footer", *self._key(file.path))
            raise DatasetUnavailable(
                f"{self._parameters.repo}: the manifest of revision {self._parameters.revision} "
                f"has the digest {made.digest}, in the schedule it is {wanted}: run "
                "sn37 schedule pin and compare"
            )
        return made.manifest

    def make(self) -> Made:
        """Make the manifest from the footers of all files, and keep it.

        Raises:
            DatasetUnavailable: A file could not be read, or a row group exceeds the limits.
        """
        repo, revision = self._parameters.repo, self._parameters.revision
        listed = self._repository.files(revision)
        files, largest_bytes, num_groups = list[ManifestFile](), 0, 0
        for file in manifests.matching(listed, self._parameters.files, repo):
            content = self._footer(file)
            footer = self._opened(file, content)
            rows = footer.num_rows
            num_groups += len(rows)
            if num_groups > MAX_GROUPS:
                raise DatasetUnavailable(
                    f"{repo}: more than {MAX_GROUPS} row groups: name fewer files"
                )
            for number, size in enumerate(rows):
                span = self._span(file, footer, number) if size else range(0)
                largest_bytes = max(largest_bytes, len(span))
            files.append(
                ManifestFile(
                    path=file.path,
                    size=file.size_bytes,
                    hash=file.sha256 or file.blob_id,
                    footer=sha256(content).hexdigest(),
                    rows=rows,
                )
            )
        patterns = self._parameters.files
        made = Manifest(repo=repo, revision=revision, patterns=patterns, files=tuple(files))
        encoded = manifests.encode(made)
        digest = Digest(sha256(encoded).hexdigest())
        self._facts.put(encoded, "manifest", digest)
        return Made(manifest=made, digest=digest, largest_bytes=largest_bytes)

    def _describes(self, manifest: Manifest) -> bool:
        """True if a manifest is of the parameters' table, so that it would be made for it."""
        given = self._parameters
        return (manifest.repo, manifest.revision, manifest.patterns) == (
            given.repo,
            given.revision,
            given.files,
        )

    def _sample(
        self, read: Callable[[int], Row], row: int, row_id: str, seen: set[Digest]
    ) -> Sample | None:
        try:
            sample = row_sample(read(row), row_id, self._parameters)
            if sample.content_hash in seen:
                raise Unfit("with the text of another")
        except Unfit as error:
            self.left_out[str(error)] += 1
            return None
        except UnreadableParquet as error:
            raise self._unreadable(row_id, error) from error
        seen.add(sample.content_hash)
        return sample

    def _read_group(self, file: ManifestFile, number: int) -> Callable[[int], Row]:
        remote = file.remote
        footer = self._opened(remote, self._footer(remote, file.footer))
        span = self._span(remote, footer, number)
        key = (*self._key(file.path), file.hash, str(span.start), str(span.stop))
        kept = self._groups.get(*key)
        if kept is not None:
            with suppress(UnreadableParquet):
                return footer.group(number, span.start, kept)
        for tries_left in (1, 0):
            content = self._part(remote, span)
            try:
                rows = footer.group(number, span.start, content)
            except UnreadableParquet as error:
                if not tries_left:
                    raise self._unreadable(f"{file.path}/{number}", error) from error
            else:
                break
        self._groups.put(content, *key)
        return rows

    def _part(self, file: RemoteFile, span: range) -> bytes:
        self.num_reads += 1
        self.num_bytes += len(span)
        if self.num_bytes > MAX_DRAW_BYTES:
            raise DatasetUnavailable(
                f"{self._parameters.repo}: a draw would read more than {MAX_DRAW_BYTES} bytes"
            )
        return self._repository.part(self._parameters.revision, file, span)

    def _footer(self, file: RemoteFile, digest: str | None = None) -> bytes:
        """Return a file's footer, which must have the digest if one is known."""
        key, repo = ("footer", *self._key(file.path)), self._parameters.repo
        kept = self._facts.get(*key)
        if kept is not None and digest in (None, sha256(kept).hexdigest()):
            return kept
        revision = self._parameters.revision
        try:
            content = read_footer(
                file.size_bytes, lambda span: self._repository.part(revision, file, span)
            )
        except UnreadableParquet as error:
            raise self._unreadable(file.path, error) from error
        if digest not in (None, sha256(content).hexdigest()):
            raise DatasetUnavailable(f"{repo}, {file.path!a}: its footer is not the manifest's")
        self._facts.put(content, *key)
        return content

    def _opened(self, file: RemoteFile, content: bytes) -> Footer:
        try:
            return Footer(content, self._columns)
        except UnreadableParquet as error:
            raise self._unreadable(file.path, error) from error

    def _span(self, file: RemoteFile, footer: Footer, number: int) -> range:
        try:
            return footer.span(number, file.size_bytes)
        except UnreadableParquet as error:
            raise self._unreadable(file.path, error) from error

    def _key(self, path: str) -> tuple[str, ...]:
        return (self._parameters.endpoint, self._parameters.repo, self._parameters.revision, path)

    def _unreadable(self, place: str, error: UnreadableParquet) -> DatasetUnavailable:
        return DatasetUnavailable(f"{self._parameters.repo}, {place[:200]!a}: {error}")
