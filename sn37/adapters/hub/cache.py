"""Where fetched models lie: ``models/KEY`` when complete, ``partial/KEY`` until then.

A model appears in ``models`` by one rename and leaves it by another, so that a kill at any
moment leaves nothing there that is not whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from sn37.adapters.admission.facts import cache_key, read_facts
from sn37.domain.models import ModelRef

_DOOMED = "doomed-"


class ModelCache:
    """The folders below ``root``. Methods block on local files and raise ``OSError``."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._models = self._root / "models"
        self._partial = self._root / "partial"

    def home(self, repo: str, revision: str) -> Path:
        """Folder of a complete model."""
        return self._models / cache_key(repo, revision)

    def tokenizer(self, repo: str, revision: str) -> Path:
        """Folder of a prescribed tokenizer; tokenizers are never evicted."""
        return self._root / "tokenizers" / cache_key(repo, revision)

    def partial(self, repo: str, revision: str) -> Path:
        """Folder of a transfer that has not ended."""
        return self._partial / cache_key(repo, revision)

    def used_bytes(self) -> int:
        """Of the complete models, as their facts say."""
        if not self._models.is_dir():
            return 0
        facts = [read_facts(home) for home in self._models.iterdir()]
        return sum(f.size_bytes for f in facts if f is not None)

    def evict(self, *, keep: Collection[ModelRef], busy: Collection[Path]) -> int:
        """Delete models and left-over transfers but those of ``keep``; return bytes freed.

        ``busy`` are folders that a transfer is filling right now.
        """
        kept = {cache_key(ref.repo, ref.revision) for ref in keep}
        freed = 0
        for parent in (self._models, self._partial):
            if not parent.is_dir():
                continue
            for folder in list(parent.iterdir()):
                if folder.name not in kept and folder not in busy:
                    freed += _delete(folder)
        return freed


def _delete(folder: Path) -> int:
    if not folder.name.startswith(_DOOMED):
        folder = folder.rename(folder.with_name(f"{_DOOMED}{folder.name}"))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(folder)
    return size
