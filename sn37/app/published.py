"""What another validator published: the manifests on a receipt, read as a stranger's file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sn37.app.cli_errors import CommandError
from sn37.domain.ids import Block, CompetitionId, Digest, RoundKey, TaskName
from sn37.domain.overlap import Manifests, Overlap, overlaps

MAX_BYTES = 2**28  # of a receipt; a large one has some megabytes


class _Receipt(BaseModel):
    """The part of a receipt's document that says what was drawn."""

    model_config = ConfigDict(strict=True)

    competition: int
    sync_block: int
    manifest: dict[str, list[tuple[str, str]]]

    @property
    def round(self) -> RoundKey:
        return RoundKey(CompetitionId(self.competition), Block(self.sync_block))

    @property
    def manifests(self) -> Manifests:
        return {
            TaskName(task): tuple((row, Digest(content)) for row, content in rows)
            for task, rows in self.manifest.items()
        }


def compare(ours: Path, theirs: Path) -> tuple[RoundKey, tuple[Overlap, ...]]:
    """The round of two receipts, and how far their samples agree.

    Raises:
        CommandError: A file is no receipt, or they are of different rounds.
    """
    mine, yours = _read(ours), _read(theirs)
    if mine.round != yours.round:
        raise CommandError(
            f"{theirs} is of competition {yours.competition}, round {yours.sync_block}; {ours} of "
            f"competition {mine.competition}, round {mine.sync_block}"
        )
    return mine.round, overlaps(mine.manifests, yours.manifests)


def _read(file: Path) -> _Receipt:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise CommandError(f"{file}: larger than any receipt")
        return _Receipt.model_validate_json(file.read_bytes())
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))[:80]
        raise CommandError(f"{file}: no receipt: {where}: {problem['msg']}") from error
