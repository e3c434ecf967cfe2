"""Chain and feed of a simnet run without its models, enough to draw samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.adapters.simnet.chain.genesis import ChainBuilder
from sn37.adapters.simnet.feed.dataset import SimnetFeed
from sn37.adapters.simnet.world import NETUID, register_senders
from sn37.domain.ids import Block


@contextmanager
def preview(
    *, seed: int, head: Block, genesis_time: datetime
) -> Iterator[tuple[SimnetChain, SimnetFeed]]:
    """Open the chain of a run with this seed up to ``head``, without miners, and its feed."""
    with TemporaryDirectory(prefix="sn37-") as folder:
        path = Path(folder) / "chain.sqlite"
        chain = SimnetChain.create(
            path, seed=seed, genesis_time=genesis_time, head=head, netuid=NETUID
        )
        try:
            builder = ChainBuilder(path, netuid=NETUID)
            register_senders(builder, seed)
            builder.close()
            yield chain, SimnetFeed(seed=seed, genesis_time=genesis_time)
        finally:
            chain.close()
