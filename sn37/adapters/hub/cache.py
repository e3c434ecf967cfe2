"""Cache folders of fetched models: ``models/KEY`` when complete, ``partial/KEY`` until then.

A model enters and leaves ``models`` by a rename. A process that is killed at any moment
therefore leaves only complete models there.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sn37.adapters.admission.stored_facts import cache_key, inventory_of, read_facts
from sn37.adapters.folder_size import bytes_below
from sn37.domain.submission.models import Held, Inventory, ModelRef

_DOOMED = "doomed-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The space that a new transfer may use."""

    quota_bytes: int  # what the quota leaves
    claimed_bytes: int  # free disk bytes that other running transfers may still take


class ModelCache:
    """The folders below ``root``. Methods block on local files and raise ``OSError``."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._models = self._root / "models"
        self._partial = self._root / "partial"

    def home(self, repo: str, revision: str) -> Path:
        """Return the folder of a complete model."""
        return self._models / cache_key(repo, revision)

    def tokenizer(self, repo: str, revision: str) -> Path:
        """Return the folder of a prescribed tokenizer; tokenizers are never evicted."""
        return self._root / "tokenizers" / cache_key(repo, revision)

    def base(self, repo: str, revision: str) -> Path:
        """Return the folder of a competition's base model; base models are never evicted."""
        return self._root / "bases" / cache_key(repo, revision)

    def partial(self, repo: str, revision: str) -> Path:
        """Return the folder of an unfinished transfer."""
        return self._partial / cache_key(repo, revision)

    def room(self, partial: Path, quota_bytes: int, claims: Mapping[Path, int]) -> Room:
        """Return the space that is left for the model that ``partial`` is for.

        Complete models count with the size in their facts, unfinished transfers with the bytes that
        they have on disk.

        Args:
            claims: Other folders that are being filled, with the maximum size of each.
        """
        brought = {f: bytes_below(f) for f in _folders(self._partial) if f != partial}
        names = {folder.name for folder in claims}  # may become complete at any moment
        homes = [home for home in _folders(self._models) if home.name not in names]
        facts = [found for home in homes if (found := read_facts(home)) is not None]
        left_over = [size for folder, size in brought.items() if folder not in claims]
        used_bytes = sum(f.size_bytes for f in facts) + sum(left_over) + sum(claims.values())
        to_come = (max(0, most - brought.get(folder, 0)) for folder, most in claims.items())
        return Room(quota_bytes=quota_bytes - used_bytes, claimed_bytes=sum(to_come))

    def inventory(self, refs: Collection[ModelRef], quota_bytes: int) -> Inventory:
        """See ``ModelStore.inventory``."""
        sizes = {
            f.name: Held(size_bytes=bytes_below(f), complete=False) for f in _folders(self._partial)
        }
        for home in _folders(self._models):
            is_whole = not home.name.startswith(_DOOMED)
            sizes[home.name] = Held(size_bytes=bytes_below(home), complete=is_whole)
        return inventory_of(sizes, refs, quota_bytes=quota_bytes, folder=self._root)

    def evict(self, *, keep: Collection[ModelRef], busy: Collection[Path]) -> int:
        """Delete models and unfinished transfers, except those of ``keep``; return bytes freed.

        ``busy`` are folders that a transfer is filling now.
        """
        kept = {cache_key(ref.repo, ref.revision) for ref in keep}
        freed = 0
        for folder in (*_folders(self._models), *_folders(self._partial)):
            if folder.name not in kept and folder not in busy:
                freed += _delete(folder)
        return freed


def _folders(parent: Path) -> list[Path]:
    return list(parent.iterdir()) if parent.is_dir() else []


def _delete(folder: Path) -> int:
    """Delete a folder and return its bytes; 0 if a transfer has just moved or removed it."""
    if not folder.name.startswith(_DOOMED):
        try:
            folder = folder.rename(folder.with_name(f"{_DOOMED}{folder.name}"))
        except FileNotFoundError:
            return 0
    size = bytes_below(folder)
    shutil.rmtree(folder)
    return size
