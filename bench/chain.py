"""What following a subnet's commitments costs, against two requests for each miner.

A node on this machine answers every request of the SDK's real client 50 ms late, about the
distance of a public endpoint. A poll is everything from the announcement of a new block to the
book of all commitments. The other way, as existing validators have it, asks for both records
of one miner after the other.

    python -m bench.chain [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from sn37.adapters.subtensor.connection import Connection
from sn37.adapters.subtensor.endpoints import endpoints_of, keep_caches_in
from sn37.adapters.subtensor.reader import ChainReader
from sn37.adapters.subtensor.storage import substrate_of
from sn37.adapters.system.clock import SystemClock
from sn37.domain.ids import BlockRef, Netuid
from sn37.testing.figures import print_table, write_figures
from tests.support.rpc_node import RpcNode
from tests.support.substrate import MemorySubstrate, a_keypair

LATENCY_S = 0.050
NUM_POLLS = 9
SUBNET = Netuid(37)
NUM_MINERS_OF_THE_OTHER_WAY = 256  # 4,096 would take it seven minutes


def a_chain(num_miners: int) -> tuple[MemorySubstrate, list[str]]:
    """A subnet where everybody has committed, each in a block of his own."""
    chain = MemorySubstrate(head=1000, produces=False)
    chain.add_subnet(SUBNET)
    miners = [a_keypair(f"miner {number}").ss58_address for number in range(num_miners)]
    chain.register_all(miners)
    for number, miner in enumerate(miners):
        commit(chain, miner, number)
        chain.produce()
    return chain, miners


def commit(chain: MemorySubstrate, miner: str, number: int) -> None:
    chain.commit_text(miner, f"2:acme:model-{number}:{number:040x}:{'A' * 43}=:1")


async def our_way(node: RpcNode, miners: list[str]) -> tuple[float, int]:
    """Seconds of a poll, median, and requests of a poll, at most."""
    clock = SystemClock()
    connection = Connection(endpoints_of(node.url), clock=clock)
    reader = ChainReader(connection, netuid=SUBNET, clock=clock)
    heads: asyncio.Queue[BlockRef] = asyncio.Queue()

    async def follow() -> None:
        async for head in reader.blocks():
            heads.put_nowait(head)

    following = asyncio.create_task(follow())
    await reader.commitments(await heads.get())
    while not node.num_subscribers:  # noqa: ASYNC110 - the node runs in this loop too
        await asyncio.sleep(LATENCY_S)
    seconds, requests = [], []
    for number in range(1 + NUM_POLLS):
        commit(node.chain, miners[number], number)
        node.requests.clear()
        began = time.perf_counter()
        await node.produce()
        book = await reader.commitments(await heads.get())
        seconds.append(time.perf_counter() - began)
        requests.append(node.num_requests)
        if len(book.well_formed) != len(miners):
            raise RuntimeError(f"{len(book.well_formed)} of {len(miners)} commitments were read")
    following.cancel()
    await asyncio.wait({following})
    await connection.close()
    # The first poll after subscribing also checks that we compute hashes as the node does.
    return median(seconds[1:]), max(requests[1:])


async def other_way(node: RpcNode, miners: list[str]) -> tuple[float, int]:
    """Seconds and requests of one poll that asks for each miner's two records."""
    (endpoint,) = endpoints_of(node.url)
    async with endpoint.open() as client:
        substrate = substrate_of(client)
        at = await substrate.block_hash(await client.finalized_block())
        await substrate.query("Timestamp", "Now", [], at)  # learns how to decode this block
        node.requests.clear()
        began = time.perf_counter()
        for miner in miners:
            for item in ("CommitmentOf", "RevealedCommitments"):
                await substrate.query("Commitments", item, [SUBNET, miner], at)
        return time.perf_counter() - began, node.num_requests


async def measure() -> dict[str, float]:
    figures: dict[str, float] = {"latency_ms": 1000 * LATENCY_S}
    for num_miners in (256, 4096):
        chain, miners = a_chain(num_miners)
        async with RpcNode(chain) as node:
            node.manners.delay_s = LATENCY_S
            seconds, requests = await our_way(node, miners)
            figures[f"poll_seconds_{num_miners}"] = round(seconds, 4)
            figures[f"poll_requests_{num_miners}"] = requests
            if num_miners <= NUM_MINERS_OF_THE_OTHER_WAY:
                slow_seconds, slow_requests = await other_way(node, miners)
                figures[f"per_miner_seconds_{num_miners}"] = round(slow_seconds, 2)
                figures[f"per_miner_requests_{num_miners}"] = slow_requests
                figures[f"poll_speedup_{num_miners}"] = round(slow_seconds / seconds, 1)
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--json", type=Path, metavar="FILE")
    target = arguments.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        keep_caches_in(Path(folder))
        figures = asyncio.run(measure())
    print_table("figures", ("figure", "value"), figures.items())
    write_figures(target, figures, libraries=("bittensor", "websockets"))


if __name__ == "__main__":
    main()
