"""The SDK's real transport against a node of ours that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import bittensor as bt
import pytest

from sn37.adapters.subtensor.checkup import Checkup
from sn37.adapters.subtensor.connection import Connection, Pacing
from sn37.adapters.subtensor.endpoints import endpoints_of, keep_caches_in
from sn37.adapters.subtensor.reader import ChainReader
from sn37.domain.check_line import Grade
from sn37.domain.ids import Block, BlockRef
from sn37.ports.errors import ChainUnavailable
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.fakes.telemetry import RecordingSink
from tests.integration.subtensor.world import SUBNET
from tests.support.rpc_node import RpcNode
from tests.support.substrate import MemorySubstrate, a_keypair

SHORT_S = 0.5  # the deadline where a test waits for it to pass
MEMBERS = [a_keypair(f"Miner{i}").ss58_address for i in range(3)]


def a_chain(salt: str = "main") -> MemorySubstrate:
    chain = MemorySubstrate(head=1000, produces=False, salt=salt)
    chain.add_subnet(SUBNET)
    chain.register_all(MEMBERS)
    chain.produce()
    chain.commit_text(MEMBERS[0], f"2:acme:model:{'a' * 40}:{'A' * 43}=:1")
    chain.produce()
    return chain


class Network:
    """Nodes of one chain, and a reader connected to them."""

    def __init__(self, *nodes: RpcNode, deadline_s: float) -> None:
        self.nodes = nodes
        self.clock = FakeClock()
        self.connection = Connection(
            endpoints_of(nodes[0].url, [node.url for node in nodes[1:]]),
            clock=self.clock,
            pacing=Pacing(call_timeout_s=deadline_s, connect_timeout_s=max(deadline_s, 2.0)),
            jitter=lambda: 1.0,
        )
        self.reader = ChainReader(self.connection, netuid=SUBNET, clock=self.clock)


@asynccontextmanager
async def a_network(*chains: MemorySubstrate, deadline_s: float = 30.0) -> AsyncIterator[Network]:
    """Afterwards nothing is left: no task, no connection."""
    before = asyncio.all_tasks()
    async with RpcNode(chains[0]) as first, RpcNode(chains[-1]) as second:
        network = Network(*(first, second)[: len(chains)], deadline_s=deadline_s)
        try:
            yield network
        finally:
            await network.connection.close()
        await until(lambda: not first.num_connections and not second.num_connections)
    await until(lambda: asyncio.all_tasks() == before)


async def until(is_so: Callable[[], bool]) -> None:
    """Give the other side its turns; a test that waits in vain fails by its time limit."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the other side runs in this loop too
            await asyncio.sleep(0.001)


class Following:
    """Reads heads in the background; ``seen`` has them."""

    def __init__(self, reader: ChainReader) -> None:
        self.seen: list[BlockRef] = []
        self._reader = reader

    async def __aenter__(self) -> Following:
        self._task = asyncio.create_task(self._follow())
        await until(lambda: bool(self.seen))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def until(self, number: int) -> list[int]:
        """The numbers of all heads seen, once that block is among them."""
        await until(lambda: self.seen[-1].number >= number)
        return [head.number for head in self.seen]

    async def _follow(self) -> None:
        async for head in self._reader.blocks():
            self.seen.append(head)


class TestFailures:
    @pytest.mark.fault("chain", "slow")
    async def test_a_node_that_accepts_and_never_answers_is_given_up_at_the_deadline(self) -> None:
        async with a_network(a_chain(), deadline_s=SHORT_S) as network:
            head = await network.reader.head()
            network.nodes[0].manners.mute = {"*"}
            with pytest.raises(ChainUnavailable, match=r"no answer within 0\.5 s"):
                await network.reader.timestamp(head)

    @pytest.mark.fault("chain", "slow")
    async def test_a_node_that_is_mute_from_the_start_is_given_up_too(self) -> None:
        async with a_network(a_chain(), deadline_s=SHORT_S) as network:
            network.nodes[0].manners.mute = {"state_getRuntimeVersion"}
            with pytest.raises(ChainUnavailable, match="no answer within 2 s") as caught:
                await network.reader.head()
            assert isinstance(caught.value.__cause__, TimeoutError)

    @pytest.mark.fault("chain", "slow")
    async def test_a_slow_node_within_the_deadline_is_fine(self) -> None:
        async with a_network(a_chain()) as network:
            network.nodes[0].manners.delay_s = 0.01
            assert (await network.reader.head()).number == 1002

    @pytest.mark.fault("chain", "slow")
    async def test_a_second_endpoint_takes_over_from_a_mute_one(self) -> None:
        chain = a_chain()
        async with a_network(chain, chain, deadline_s=SHORT_S) as network:
            at = await network.reader.head()
            network.nodes[0].manners.mute = {"*"}
            assert MEMBERS[0] in (await network.reader.commitments(at)).well_formed
            assert network.connection.endpoint_names[0] in network.nodes[1].url

    @pytest.mark.fault("chain", "down")
    async def test_a_second_endpoint_takes_over_from_one_that_cannot_be_reached(self) -> None:
        chain = a_chain()
        async with a_network(chain, chain) as network:
            network.nodes[0].manners.refuse = HTTPStatus.SERVICE_UNAVAILABLE
            assert (await network.reader.head()).number == 1002

    @pytest.mark.parametrize("status", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN])
    @pytest.mark.fault("chain", "down")
    async def test_a_refusal_at_the_handshake_is_reported_and_honoured(
        self, status: HTTPStatus
    ) -> None:
        async with a_network(a_chain()) as network:
            node = network.nodes[0]
            node.manners.refuse = status
            node.manners.refuse_headers = {"Retry-After": "90"}
            for _ in range(2):
                with pytest.raises(ChainUnavailable, match=f"HTTP {status.value}") as caught:
                    await network.reader.head()
                assert caught.value.retry_after_s == 90
            assert node.num_dialled == 1  # the second time nobody knocked
            network.clock.elapsed += 90
            node.manners.refuse = None
            assert (await network.reader.head()).number == 1002

    @pytest.mark.fault("chain", "flapping")
    async def test_a_drop_in_the_middle_of_a_read_is_repaired_silently(self) -> None:
        async with a_network(a_chain()) as network:
            head = await network.reader.head()
            network.nodes[0].manners.drops["state_queryStorageAt"] = 1
            assert MEMBERS[0] in (await network.reader.commitments(head)).well_formed

    async def test_a_node_that_says_goodbye_in_the_middle_of_a_read_is_given_up(self) -> None:
        async with a_network(a_chain(), deadline_s=SHORT_S) as network:
            head = await network.reader.head()
            network.nodes[0].manners.goodbyes["state_call"] = 1
            with pytest.raises(ChainUnavailable, match=r"127\.0\.0\.1"):
                await network.reader.metagraph(head)
            network.clock.elapsed += 1
            assert len((await network.reader.metagraph(head)).neurons) == 3

    @pytest.mark.fault("chain", "flapping")
    async def test_a_node_that_drops_every_time_is_reported_and_rests_longer_each_time(
        self,
    ) -> None:
        async with a_network(a_chain()) as network:
            head = await network.reader.head()
            network.nodes[0].manners.drops["state_call"] = 99
            rests = []
            for _ in range(3):
                with pytest.raises(ChainUnavailable, match=r"127\.0\.0\.1") as caught:
                    await network.reader.metagraph(head)
                rests.append(caught.value.retry_after_s)
                network.clock.elapsed += 100
            assert rests == [1.0, 2.0, 4.0]

    @pytest.mark.parametrize(
        "answer",
        [
            "not json",
            '{"jsonrpc": "2.0", "id": ID, "result": 7}',
            '{"jsonrpc": "2.0", "id": ID, "result": {"number": "zz"}}',
            '{"jsonrpc": "2.0", "id": ID, "result": null}',
            '{"jsonrpc": "2.0", "id": ID, "error": {"code": 1, "message": "\\u001b[31m no\\nway"}}',
            '{"jsonrpc": "2.0", "id": ID}',
            '["a", "b"]',
            '{"id": []}',
        ],
    )
    @pytest.mark.fault("chain", "wrong")
    async def test_garbage_is_an_outage_of_that_endpoint_in_one_clean_line(
        self, answer: str
    ) -> None:
        chain = a_chain()
        async with a_network(chain, deadline_s=SHORT_S) as network:
            at = await network.reader.head()
            network.nodes[0].manners.garbage = {"chain_getHeader": answer}
            chain.produce()
            with pytest.raises(ChainUnavailable) as caught:
                await network.reader.metagraph(BlockRef(Block(at.number), "0x" + "ab" * 32))
            assert str(caught.value).isprintable()

    async def test_a_cancelled_call_ends_at_once_and_leaves_the_connection_usable(self) -> None:
        async with a_network(a_chain()) as network:
            head = await network.reader.head()
            network.nodes[0].manners.mute = {"state_call"}
            reading = asyncio.create_task(network.reader.metagraph(head))
            await until(lambda: network.nodes[0].requests["state_call"] > 0)
            reading.cancel()
            await asyncio.wait({reading})
            assert reading.cancelled()
            assert (await network.reader.head()) == head
            assert network.nodes[0].num_dialled == 1

    async def test_a_state_that_was_pruned_is_told_with_the_remedy(self) -> None:
        chain = a_chain()
        async with a_network(chain) as network:
            at = await network.reader.block(Block(990))
            chain.faults.pruned_below = 1000
            with pytest.raises(ChainUnavailable, match="archive endpoint"):
                await network.reader.metagraph(at)

    async def test_another_endpoint_may_still_have_what_one_has_pruned(self) -> None:
        pruned, archive = a_chain(), a_chain()
        async with a_network(pruned, archive) as network:
            at = await network.reader.block(Block(1002))
            pruned.faults.pruned_below = 2000
            assert len((await network.reader.metagraph(at)).neurons) == 3


class TestFollowing:
    async def test_heads_come_as_they_become_final(self) -> None:
        async with a_network(a_chain()) as network, Following(network.reader) as heads:
            node = network.nodes[0]
            await until(lambda: node.num_subscribers == 1)
            for _ in range(3):
                await node.produce()
                await heads.until(node.chain.finalized)
            assert await heads.until(1005) == [1002, 1003, 1004, 1005]
            assert heads.seen[-1] == await network.reader.block(Block(1005))

    @pytest.mark.fault("chain", "flapping")
    async def test_a_dropped_subscription_is_opened_again(self) -> None:
        async with a_network(a_chain()) as network, Following(network.reader) as heads:
            node = network.nodes[0]
            await until(lambda: node.num_subscribers == 1)
            await node.hang_up()
            await until(lambda: node.num_subscribers == 1 and node.num_dialled > 1)
            await node.produce()
            assert await heads.until(1003) == [1002, 1003]

    async def test_a_block_that_came_while_we_were_cut_off_is_noticed_on_return(self) -> None:
        async with a_network(a_chain()) as network, Following(network.reader) as heads:
            node = network.nodes[0]
            await until(lambda: node.num_subscribers == 1)
            node.manners.heads = False
            await node.produce(2)
            await node.hang_up()
            assert await heads.until(1004) == [1002, 1004]

    @pytest.mark.fault("chain", "slow")
    async def test_a_mute_subscription_does_not_hide_new_blocks(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sn37.adapters.subtensor.reader.SILENCE_S", 0.02)
        async with a_network(a_chain()) as network, Following(network.reader) as heads:
            node = network.nodes[0]
            node.manners.heads = False
            for number in (1003, 1004):
                await node.produce()
                await heads.until(number)
            assert node.num_dialled == 1  # asking again costs no new connection

    async def test_the_second_endpoint_is_followed_when_the_first_goes_away(self) -> None:
        chain = a_chain()
        async with a_network(chain, chain) as network, Following(network.reader) as heads:
            first, second = network.nodes
            await until(lambda: first.num_subscribers == 1)
            first.manners.refuse = HTTPStatus.SERVICE_UNAVAILABLE
            await first.hang_up()
            await until(lambda: second.num_subscribers == 1)
            await second.produce()
            assert await heads.until(1003) == [1002, 1003]


class TestCaches:
    def test_the_sdk_keeps_its_caches_where_it_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for variable in ("BTCLI_TOKEN_SYMBOLS_CACHE", "BITTENSOR_RUNTIME_CACHE_DIR"):
            monkeypatch.setenv(variable, "")  # as it was before, afterwards
        keep_caches_in(tmp_path / "sdk")

        async def connect() -> None:
            async with a_network(a_chain()) as network:
                await network.reader.head()

        asyncio.run(connect())
        folders = {path.parent.name for path in tmp_path.rglob("*") if path.is_file()}
        assert folders == {"sdk", "runtime"}


class TestCost:
    @pytest.mark.parametrize("num_miners", [3, 256])
    async def test_a_poll_costs_at_most_four_requests_whatever_the_number_of_miners(
        self, num_miners: int
    ) -> None:
        chain = a_chain()
        miners = [a_keypair(f"Miner{i}").ss58_address for i in range(num_miners)]
        chain.register_all(miners)
        for number, miner in enumerate(miners):
            chain.commit_text(miner, f"2:acme:m{number}:{'a' * 40}:{'A' * 43}=:1")
            chain.produce()
        async with a_network(chain) as network, Following(network.reader) as heads:
            node = network.nodes[0]
            await until(lambda: node.num_subscribers == 1)
            for _ in range(2):
                await node.produce()
                await heads.until(chain.finalized)
                node.requests.clear()
                book = await network.reader.commitments(heads.seen[-1])
                assert len(book.well_formed) == num_miners
                assert 0 < node.num_requests <= 4
            node.requests.clear()
            await node.produce()
            await heads.until(chain.finalized)
            assert node.num_requests == 0  # the head itself came by subscription

    async def test_sealed_revealed_and_failed_commitments_are_read_over_the_wire(self) -> None:
        chain = a_chain()
        sealed, revealed, failed = MEMBERS
        for miner in MEMBERS:
            chain.commit_sealed(miner, b"sealed", 77)
        chain.produce()
        text = f"acme:model:{'b' * 40}:{'B' * 42}0=:2"
        chain.reveal_commitment(revealed, text)
        chain.fail_reveal(failed)
        async with a_network(chain) as network:
            book = await network.reader.commitments(await network.reader.head())
            assert set(book.well_formed) == {revealed}
            assert book.well_formed[revealed].block == chain.ledger.head
            assert set(book.malformed) == {failed}
            assert sealed not in book.malformed


class TestWhatTheRuntimeLacks:
    @pytest.mark.parametrize("what", ["storage", "call"])
    @pytest.mark.fault("chain", "wrong")
    async def test_a_missing_item_is_an_answer_that_names_it_and_the_runtime(
        self, what: str
    ) -> None:
        async def use(client: bt.Client) -> object:
            if what == "storage":
                return await client.query(("SubtensorModule", "NoSuchMap"), [])
            return await client.runtime(("NoSuchApi", "get_nothing"), [])

        async with a_network(a_chain()) as network:
            with pytest.raises(ChainUnavailable, match=r"NoSuch(Map|Api)") as caught:
                await network.connection.read("a question", use)
            assert "the chain's runtime 420 lacks" in str(caught.value)
            assert "invalid answer" not in str(caught.value)
            assert caught.value.retry_after_s is None  # nobody rests
            assert (await network.reader.head()).number == 1002
            assert network.nodes[0].num_dialled == 1  # over the connection of before

    async def test_the_check_reports_it_as_one_failed_line_and_goes_on(self) -> None:
        async with RpcNode(a_chain(), lacks=frozenset({"StakeThreshold"})) as node:
            checkup = Checkup(
                endpoints=endpoints_of(node.url, []),
                netuid=SUBNET,
                signer=None,
                clock=FakeClock(),
                sink=RecordingSink(),
            )
            found = {check.name: check async for check in checkup.run()}
        assert found["subnet"].grade is Grade.FAILED
        assert "StakeThreshold" in found["subnet"].detail
        assert found["commitments"].grade is Grade.OK


class TestTwoNamesOfOneNode:
    @pytest.mark.parametrize(
        ("peers", "num_asked"),
        [(("one", "one"), 1), (("one", "other"), 2), ((None, None), 2), (("one", None), 2)],
    )
    async def test_t61_two_names_that_tell_one_peer_id_count_as_one_endpoint(
        self, peers: tuple[str | None, str | None], num_asked: int
    ) -> None:
        chain = a_chain()
        async with a_network(chain, chain) as network:
            for node, peer in zip(network.nodes, peers, strict=True):
                node.manners.peer_id = peer
            for _ in range(2):
                answers = await network.connection.read_twice(
                    "finalized head", lambda client: client.finalized_block()
                )
                assert len(answers) == num_asked
