"""The actor that writes how the subnet looks, and its file."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.telemetry.subnet_file import MAX_BYTES, SubnetFile, write_subnet
from sn37.app.actors.onlooker import EVERY_BLOCKS, Onlooker
from sn37.app.supervision.heads import Heads
from sn37.domain.ids import Block, Hotkey
from sn37.domain.metagraph import Consensus, SubnetSnapshot
from sn37.domain.weight_vector import WeightVector
from sn37.ports.errors import ChainUnavailable
from sn37.testing.builders import a_block_ref, a_metagraph, a_neuron
from sn37.testing.fakes import FakeChain

VALIDATOR = Hotkey("validator")


def a_snapshot(*hotkeys: str, at: int = 1_000) -> SubnetSnapshot:
    own = {Hotkey(hotkeys[0]): 1.0} if hotkeys else {}
    return SubnetSnapshot(
        validator=VALIDATOR,
        metagraph=a_metagraph(*hotkeys, at=at),
        consensus=Consensus(at=a_block_ref(at), weights=own, validator_trust={}, own=own),
    )


def seen_at(chain: FakeChain, blocks: list[int], *, full: int = 0) -> list[SubnetSnapshot]:
    """Return what is written while the head is at each of these blocks in turn."""
    written: list[SubnetSnapshot] = []

    def write(seen: SubnetSnapshot) -> None:
        if seen.metagraph.at.number == full:
            raise OSError(28, "No space left on device")
        written.append(seen)

    async def run() -> None:
        heads = Heads()
        onlooker = Onlooker(chain=chain, validator=VALIDATOR, heads=heads.subscribe(), write=write)
        task = asyncio.create_task(onlooker.run())
        for block in blocks:
            chain.number = Block(block)
            heads.publish(a_block_ref(block))
            await heads.all_idle()
        task.cancel()

    asyncio.run(run())
    return written


def test_the_subnet_is_written_now_and_then_with_own_weights_and_consensus() -> None:
    chain = FakeChain()
    chain.set_members(a_neuron("validator"), a_neuron("alice", uid=1))
    asyncio.run(chain.submit_weights(WeightVector({Hotkey("alice"): 1.0})))
    near, next_ = 1_000 + EVERY_BLOCKS - 1, 1_000 + EVERY_BLOCKS
    found = seen_at(chain, [1_000, 1_001, near, next_])
    assert [seen.metagraph.at.number for seen in found] == [1_000, next_]
    assert found[0].validator == "validator"
    assert found[0].consensus.own == {"alice": 1.0}
    assert [n.hotkey for n in found[0].metagraph.neurons] == ["validator", "alice"]


def test_outages_of_chain_and_disk_only_cost_one_look() -> None:
    chain = FakeChain(failures=[ChainUnavailable("down")])
    chain.set_members(a_neuron("validator"))
    second, third = 1_000 + EVERY_BLOCKS, 1_000 + 2 * EVERY_BLOCKS
    found = seen_at(chain, [1_000, second, third], full=second)
    assert [seen.metagraph.at.number for seen in found] == [third]


def test_the_file_holds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "subnet.json"
    reader = SubnetFile(path)
    assert reader() is None
    first = a_snapshot("alice", "bob")
    write_subnet(path, first)
    assert reader() == first
    assert reader() is reader()
    second = replace(first, metagraph=a_metagraph("carol", at=2_000))
    write_subnet(path, second)
    assert reader() == second
    assert [p.name for p in tmp_path.iterdir()] == ["subnet.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"null", b"[" * 100_000, b'{"version":2}', b"\xff", b" " * (MAX_BYTES + 1)],
)
def test_a_file_that_is_not_ours_counts_as_missing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "subnet.json"
    path.write_bytes(content)
    assert SubnetFile(path)() is None


def test_a_pipe_in_its_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "subnet.json")
    assert SubnetFile(tmp_path / "subnet.json")() is None
