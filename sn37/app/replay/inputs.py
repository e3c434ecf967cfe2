"""Inputs of a replay, found on this machine or at their source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sn37.app.data_tools.requests import Target, request_at
from sn37.app.errors import CommandError
from sn37.app.replay.replay_tools import ReplayTools
from sn37.app.replay.rescore import CannotRescore, MissingSamples, batches_of, rescore
from sn37.app.replay.rescored import Rescored
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import LoadedSchedule
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.data.sampling import seed_of
from sn37.domain.ids import TaskName
from sn37.domain.records.receipt import Receipt
from sn37.domain.schedule.competition import Competition, Freshness, Task
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.chain import Chain
from sn37.ports.errors import ModelRejected
from sn37.wrong_values import reason

Kept = Callable[[], Mapping[TaskName, Iterable[Sample]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Receipt to score again, its rules, and where its samples and model are."""

    receipt: Receipt
    loaded: LoadedSchedule
    rules: Competition
    tools: ReplayTools
    model: Path | None = None  # a folder; by default the committed repository
    tokenizer: Path | None = None
    texts: Sequence[Path] = ()  # files of samples, as ``sn37 data sample --json`` prints them


class _Row(BaseModel):
    """One sample of a texts file; other keys are ignored."""

    model_config = ConfigDict(strict=True)

    row_id: str
    prompt: str
    reference: str
    choices: tuple[str, ...] = ()

    def sample(self) -> Sample:
        return Sample(
            prompt=self.prompt,
            reference=self.reference,
            choices=self.choices,
            provenance=Provenance(row_id=self.row_id),
        )


_ROWS = TypeAdapter(list[_Row])


async def replay(wanted: Replay, *, kept: Kept, told: Callable[[int, int], None]) -> Rescored:
    """Find the samples and the model, and score the model on them.

    Args:
        kept: Returns the rows of the round that this validator still has.

    Raises:
        CommandError: An input is missing, or contradicts the receipt; says what to do.
        PortError: A source, the hub or the device does not answer.
    """
    tools = wanted.tools
    tools.require_scorer()
    scorer = tools.scorer()
    try:
        tokenizer = await tools.needed_tokenizer(wanted.rules, wanted.tokenizer)
        batches = await _batches(wanted, kept)
        return await rescore(
            wanted.receipt,
            rules=wanted.rules,
            batches=batches,
            artifact=await _model(wanted),
            tokenizer=tokenizer,
            scorer=scorer,
            environment=scorer.environment,
            told=told,
        )
    except CannotRescore as error:
        raise CommandError(
            f"the receipt cannot be replayed: {error}", page="verification"
        ) from error
    except ModelRejected as error:
        raise CommandError(
            f"the model of the receipt was scored then, but is refused here: {error}",
            page="verification",
        ) from error
    finally:
        await scorer.aclose()


def texts_of(file: Path) -> tuple[Sample, ...]:
    """Return the samples of a file: a JSON list of rows, or an object with one as ``samples``.

    Raises:
        CommandError: The file does not have this form.
    """
    try:
        found = json.loads(file.read_bytes())
        rows = _ROWS.validate_json(
            json.dumps(found["samples"] if isinstance(found, dict) else found)
        )
        return tuple(row.sample() for row in rows)
    except OSError as error:
        raise CommandError(f"--texts {file}: {error.strerror or error}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        row = f"row {where}: " if where else ""
        raise CommandError(f"--texts {file}: {row}{reason(problem)}") from error
    except (KeyError, ValueError, RecursionError) as error:
        raise CommandError(
            f"--texts {file}: no rows of samples: {error}; expected the form of sn37 data sample "
            "--json"
        ) from error


async def _batches(wanted: Replay, kept: Kept) -> tuple[TaskBatch, ...]:
    """Return the samples from the given files, the rows that were kept, or the sources."""
    receipt, rules = wanted.receipt, wanted.rules
    given = [sample for file in wanted.texts for sample in texts_of(file)]
    at_hand = {t.name: given for t in rules.tasks} if wanted.texts else kept()
    try:
        return batches_of(receipt, rules, at_hand)
    except MissingSamples as error:
        if wanted.texts:
            raise CommandError(f"--texts: {error}") from error
    found = {**at_hand, **await _drawn(wanted)}
    try:
        return batches_of(receipt, rules, found)
    except MissingSamples as error:
        raise CommandError(
            f"{error}; the source does not have them any more: ask the validator for their texts, "
            "and give them with --texts FILE",
            page="verification",
        ) from error


async def _drawn(wanted: Replay) -> Mapping[TaskName, Sequence[Sample]]:
    """Read every row that the round could draw from the sources again.

    For a static source these are the drawn rows; for a live one all rows of its window.
    """
    receipt, block = wanted.receipt, wanted.receipt.round.sync_block
    network = wanted.tools.settings.network_name
    async with wanted.tools.data(block) as (chain, find_source):
        head = (await chain.head()).number
        if block > head:
            raise CommandError(f"the receipt is of block {block}, the chain's newest is {head}")
        found = (await chain.block(block)).hash
        if found != receipt.sync_hash:
            raise CommandError(
                f"block {block} of {network} has hash {found}, but the receipt has "
                f"{receipt.sync_hash}; give the receipt's --network, and on simnet its --seed"
            )
        sources = Sources(find_source)
        return {task.name: await _rows(wanted, task, sources, chain) for task in wanted.rules.tasks}


async def _rows(wanted: Replay, task: Task, sources: Sources, chain: Chain) -> Sequence[Sample]:
    schedule, receipt = wanted.loaded.schedule, wanted.receipt
    try:
        if task.source.freshness is not Freshness.LIVE:
            seed = seed_of(
                netuid=schedule.netuid,
                competition=wanted.rules.id,
                task=task.name,
                block_hash=receipt.sync_hash,
            )
            return await sources.draw(task.source, count=task.num_samples, seed=seed)
        target = Target(source=task.source, schedule=schedule, rules=wanted.rules, task=task)
        request, _ = await request_at(chain, target, receipt.round.sync_block)
        return (await sources.collect(task.source, request)).pool.samples
    except (LookupError, ValueError) as error:  # missing plug-in, or refused parameters
        raise CommandError(f"task {task.name}: {error.args[0]}") from error


async def _model(wanted: Replay) -> ModelArtifact:
    limits, receipt = wanted.rules.constraints, wanted.receipt
    if wanted.model is None:
        return await wanted.tools.fetch_aside(receipt.commitment, limits)
    try:
        examined = wanted.tools.examine_folder(wanted.model, limits, weights=True)
    except OSError as error:
        raise CommandError(f"--model {wanted.model}: {error.strerror or error}") from error
    if examined.artifact is None:
        why = examined.refusal.detail if examined.refusal else "no model in this folder"
        raise CommandError(f"--model {wanted.model}: {why}")
    return examined.artifact
