"""Split of a run's samples into training and held-out, frozen in the run's folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from sn37.domain.canonical import JsonValue, canonical_digest
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.ids import Digest, TaskName
from sn37.domain.schedule.methods import Method
from sn37.durable import write_whole
from sn37.ports.errors import TrainerUnavailable

FILE = "data.json"
LARGEST_SHARE = 4  # at most one row in four is held out


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The samples of a run, task by task."""

    training: tuple[TaskBatch, ...]
    held_out: tuple[TaskBatch, ...]
    asked: str = ""  # digest of the request; a different one means a different run
    notes: tuple[str, ...] = ()

    @property
    def num_training(self) -> int:
        return sum(len(batch.samples) for batch in self.training)

    @property
    def digest(self) -> Digest:
        """Digest of all texts and of their sides."""
        return canonical_digest(_as_json(self))


def split(batches: Sequence[TaskBatch], *, held_out: int, scored: Iterable[TaskName]) -> Split:
    """Hold out up to ``held_out`` samples of every task in ``scored``.

    Rows of equal content count once. Rows with the same prompt stay on one side, else the model
    would be tested on rows that it was trained on. The order of prompts depends only on their
    text, so the same rows always give the same split.
    """
    seen: set[Digest] = set()
    tested: set[bytes] = set()
    held, wanted = [], set(scored)
    for batch in batches:
        fresh = {s.content_hash: s for s in batch.samples if s.content_hash not in seen}
        seen |= fresh.keys()
        groups: dict[bytes, list[Sample]] = defaultdict(list)
        for sample in fresh.values():
            groups[_place(sample)].append(sample)
        room = min(held_out, len(fresh) // LARGEST_SHARE) if batch.task in wanted else 0
        chosen: list[Sample] = []
        for place in sorted(groups):
            if len(chosen) >= room:
                break
            chosen += groups[place]
            tested.add(place)
        held.append(replace(batch, samples=tuple(chosen)))
    learnt = [
        replace(
            batch,
            samples=tuple(
                {s.content_hash: s for s in batch.samples if _place(s) not in tested}.values()
            ),
        )
        for batch in batches
    ]
    return Split(
        training=tuple(b for b in learnt if b.samples),
        held_out=tuple(b for b in held if b.samples),
    )


def _place(sample: Sample) -> bytes:
    """Return the sort key of a sample in the order in which samples are held out."""
    return sha256(f"sn37/held-out/1|{sample.prompt or sample.reference}".encode()).digest()


def freeze(found: Split, folder: Path) -> None:
    """Write the split to ``folder``, in one step.

    Raises:
        TrainerUnavailable: The file cannot be written.
    """
    document = {"asked": found.asked, "notes": list(found.notes), **_as_json(found)}
    file = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(document).encode())
    except OSError as error:
        raise TrainerUnavailable(f"{file}: {error.strerror or error}") from error


def frozen(folder: Path) -> Split | None:
    """Return the split frozen in ``folder``, if there is one.

    Raises:
        TrainerUnavailable: The file cannot be read.
    """
    path = folder / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Split(
            training=tuple(map(_batch, document["training"])),
            held_out=tuple(map(_batch, document["held_out"])),
            asked=document["asked"],
            notes=tuple(document["notes"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainerUnavailable(f"{path} cannot be read: {error}; remove it") from error


def _as_json(found: Split) -> dict[str, JsonValue]:
    return {
        side: [
            {
                "task": batch.task,
                "method": batch.method.value,
                "rows": [[s.provenance.row_id, s.prompt, s.reference] for s in batch.samples],
            }
            for batch in batches
        ]
        for side, batches in (("training", found.training), ("held_out", found.held_out))
    }


def _batch(table: dict[str, object]) -> TaskBatch:
    rows = table["rows"]
    if not isinstance(rows, list):
        raise TypeError(f"rows is a {type(rows).__name__}, not a list")
    return TaskBatch(
        task=TaskName(str(table["task"])),
        method=Method(str(table["method"])),
        samples=tuple(
            Sample(prompt=prompt, reference=reference, provenance=Provenance(row_id=row_id))
            for row_id, prompt, reference in rows
        ),
    )
