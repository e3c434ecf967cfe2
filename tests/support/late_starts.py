"""Histories that a validator has published, and validators that start late and begin with them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sn37.domain.ids import Block, EntryKey, RoundKey
from sn37.testing.fakes.state_store import Memory
from tests.support.fake_world import World
from tests.support.published_rounds import FIRST_ROUNDS, NEW, OLD, Subnet, noisy

TWELVE, ROWS_OF_TWELVE = 12, 11_000


@dataclass(frozen=True, slots=True)
class History:
    """What a validator of a subnet remembers, and the block at which it stands.

    Tests share it: change copies only.
    """

    subnet: Subnet
    num_rows: int  # of the data source
    memory: Memory
    head: Block

    @property
    def crowns(self) -> dict[int, EntryKey | None]:
        """The champion after each round, by sync block."""
        return {key.sync_block: result.champion for key, result in self.memory.results.items()}

    @property
    def newest(self) -> RoundKey:
        return max(self.memory.results)

    @property
    def oldest(self) -> RoundKey:
        return min(self.memory.results)

    def validator(
        self,
        name: str,
        *folders: Path | str,
        after: int = 0,
        memory: Memory | None = None,
        subnet: Subnet | None = None,
    ) -> World:
        """Another validator, so many blocks later, that begins with what lies in folders."""
        return (subnet or self.subnet).validator(
            name,
            memory=memory,
            begin_with=folders,
            at=self.head + after,
            num_rows=self.num_rows,
        )


def played(subnet: Subnet, *, rounds: int, num_rows: int) -> History:
    """The history of a validator that has run for so many rounds."""
    world = subnet.validator(OLD, num_rows=num_rows)
    world.run(rounds=rounds, until=12_000)
    return History(subnet, num_rows, world.store.memory, world.chain.number)


@cache
def four_rounds() -> History:
    """Played once in a process; the crown passes on soon after."""
    return played(Subnet(), rounds=FIRST_ROUNDS, num_rows=4_000)


def twelve_rounds_of(subnet: Subnet) -> History:
    """Enough rounds for a start that believes nobody's losses."""
    return played(subnet, rounds=TWELVE, num_rows=ROWS_OF_TWELVE)


@cache
def twelve_rounds() -> History:
    """Played once in a process."""
    return twelve_rounds_of(Subnet())


def late(*folders: Path | str, memory: Memory | None = None) -> World:
    """A second validator, started where the one of ``four_rounds`` stands."""
    return four_rounds().validator(NEW, *folders, memory=memory)


def doubting(
    *folders: Path, subnet: Subnet | None = None, qualities: dict[str, float] | None = None
) -> World:
    """A second validator beside ``twelve_rounds``; its device's losses are larger by 0.1 %."""
    subnet = subnet or twelve_rounds().subnet
    world = twelve_rounds().validator(NEW, *folders, subnet=subnet)
    world.models = deepcopy(subnet.models)
    world.models.cached.clear()
    exact = noisy(qualities or subnet.qualities)
    world.scorer.loss = lambda artifact, sample: 1.001 * exact(artifact, sample)
    return world


def going_on() -> World:
    """The validator of ``four_rounds`` itself, which has only to be run."""
    history = four_rounds()
    return history.subnet.validator(OLD, memory=history.memory, at=history.head)
