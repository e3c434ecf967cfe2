"""Samples that a validator would draw for a round at any block, for miners' commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sn37.app.errors import CommandError
from sn37.app.samples.draws import Draws
from sn37.app.samples.pool_requests import live_tasks, pool_request
from sn37.app.samples.sources import Sources
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import EmptyWindow, Pool
from sn37.domain.data.sampling import NotEnoughRows
from sn37.domain.ids import Digest, RoundKey, TaskName
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.chain import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSamples:
    """Samples that the entries of a round are scored on."""

    batches: tuple[TaskBatch, ...]  # in the order of the competition's tasks
    num_left_out: int  # rows of the pools not drawn because the model knows them


async def samples_at(
    chain: Chain,
    sources: Sources,
    schedule: Schedule,
    rules: Competition,
    key: RoundKey,
    *,
    kept: Mapping[TaskName, Pool],
    known: Collection[Digest],
) -> RoundSamples:
    """Return the samples that a round at the block of ``key`` would draw.

    Args:
        kept: Pools that were frozen then; the others are read from their sources now.
        known: Content hashes of rows that the model was trained on; they are not drawn.

    Raises:
        CommandError: A source is not installed, or has too few rows.
        DatasetUnavailable, DatasetExhausted, ChainUnavailable: No answer.
    """
    pools, num_left_out = dict[TaskName, Pool](), 0
    try:
        for task in live_tasks(rules):
            pool = kept.get(task.name)
            if pool is None:
                request = await pool_request(
                    chain,
                    sync_block=key.sync_block,
                    rules=rules,
                    source=task.source,
                    timing=schedule.timing,
                )
                pool = (await sources.collect(task.source, request)).pool
            fresh = tuple(s for s in pool.samples if s.content_hash not in known)
            num_left_out += len(pool.samples) - len(fresh)
            pools[task.name] = Pool(fresh)
        draws = await Draws(chain=chain, sources=sources, schedule=schedule).draw(key, rules, pools)
    except NotEnoughRows as error:
        left_out = f"; {num_left_out} rows of its training are left out: train on older rows"
        hint = left_out if num_left_out else ""
        raise CommandError(
            f"too few rows for a round at block {key.sync_block}: {error}{hint}; try another --at"
        ) from error
    except EmptyWindow as error:
        raise CommandError(f"at block {key.sync_block} no row can count: {error}") from error
    except (LookupError, ValueError) as error:  # missing plug-in, or refused parameters
        raise CommandError(str(error.args[0])) from error
    return RoundSamples(batches=tuple(d.batch for d in draws), num_left_out=num_left_out)
