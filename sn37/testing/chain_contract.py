"""Contract tests for every chain, writer of commitments and signer."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest

from sn37.domain.ids import Block, BlockRef, Hotkey, Netuid
from sn37.domain.metagraph import Consensus
from sn37.domain.submission.commitment import CommitmentBook
from sn37.domain.weight_vector import WeightVector
from sn37.ports.errors import ChainUnavailable, WeightsRefused
from sn37.testing.hotkey_contract import STRANGER, CommitmentWriterContract, SignerContract

if TYPE_CHECKING:
    from sn37.ports.chain import Chain

__all__ = ["ChainContract", "CommitmentWriterContract", "SignerContract"]

_T = TypeVar("_T")

_READS: dict[str, Callable[[Chain, BlockRef], Awaitable[object]]] = {
    "head": lambda chain, at: chain.head(),
    "block": lambda chain, at: chain.block(at.number),
    "timestamp": lambda chain, at: chain.timestamp(at),
    "metagraph": lambda chain, at: chain.metagraph(at),
    "consensus": lambda chain, at: chain.consensus(at),
    "commitments": lambda chain, at: chain.commitments(at),
    "submit_weights": lambda chain, at: chain.submit_weights(WeightVector({STRANGER: 1.0})),
    "weights_since": lambda chain, at: chain.weights_since(at.number),
    "blocks": lambda chain, at: anext(chain.blocks()),
}


class ChainContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``.

    Each call of ``chain`` opens the same recorded or simulated subnet in the same state: a
    signing validator, at least two more members, and at the head at least one commitment
    that is well formed and one that is not, all of them made after ``earlier``.
    """

    @abstractmethod
    def chain(self) -> AbstractAsyncContextManager[Chain]:
        """Open the subnet; leaving the context releases its resources."""

    @abstractmethod
    def silent_chain(self) -> AbstractAsyncContextManager[Chain]:
        """Open the same adapter over endpoints that do not answer."""

    @abstractmethod
    async def produce_block(self, chain: Chain) -> None:
        """Make the chain finalize one more block."""

    @abstractmethod
    async def weights_on(self, chain: Chain) -> Mapping[Hotkey, float]:
        """Return the shares on chain from the signing validator's last submission."""

    @abstractmethod
    def signer(self) -> Hotkey:
        """Return the signing validator."""

    @abstractmethod
    def members(self) -> tuple[Hotkey, ...]:
        """Return every hotkey registered at the head, at least three, with the signer's."""

    @abstractmethod
    def book(self) -> CommitmentBook:
        """Return the commitments at the head."""

    @abstractmethod
    def earlier(self) -> Block:
        """Return a block before the first commitment, whose state can still be read."""

    @abstractmethod
    def other_subnet(self) -> tuple[Netuid, tuple[Hotkey, ...]]:
        """Return another subnet and its members, none of them a member of this one."""

    def read(self, question: Callable[[Chain], Awaitable[_T]]) -> _T:
        """Ask a freshly opened chain."""

        async def run() -> _T:
            async with self.chain() as chain:
                return await question(chain)

        return asyncio.run(run())

    def test_the_head_is_a_block_like_any_other(self) -> None:
        async def both(chain: Chain) -> tuple[BlockRef, BlockRef]:
            head = await chain.head()
            return head, await chain.block(head.number)

        head, same = self.read(both)
        assert head == same

    def test_a_block_hash_is_32_bytes_in_hex(self) -> None:
        head = self.read(lambda chain: chain.head())
        assert re.fullmatch(r"0x[0-9a-f]{64}", head.hash)

    def test_two_blocks_have_two_hashes(self) -> None:
        async def both(chain: Chain) -> tuple[BlockRef, BlockRef]:
            return await chain.head(), await chain.block(self.earlier())

        head, earlier = self.read(both)
        assert head.hash != earlier.hash

    def test_a_block_above_the_head_is_a_mistake_of_the_caller(self) -> None:
        async def above(chain: Chain) -> BlockRef:
            return await chain.block(Block((await chain.head()).number + 1000))

        with pytest.raises(ValueError, match=r"\d"):
            self.read(above)

    def test_a_negative_block_is_a_mistake_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="-1"):
            self.read(lambda chain: chain.block(Block(-1)))

    def test_chain_time_is_aware_in_utc_and_grows(self) -> None:
        async def times(chain: Chain) -> tuple[object, ...]:
            late = await chain.timestamp(await chain.head())
            early = await chain.timestamp(await chain.block(self.earlier()))
            return late.utcoffset(), early.utcoffset(), early < late

        assert self.read(times) == (timedelta(0), timedelta(0), True)

    def test_the_metagraph_names_every_member_once_ordered_by_uid(self) -> None:
        async def metagraph(chain: Chain) -> tuple[list[int], list[Hotkey]]:
            neurons = (await chain.metagraph(await chain.head())).neurons
            return [n.uid for n in neurons], [n.hotkey for n in neurons]

        uids, hotkeys = self.read(metagraph)
        assert uids == sorted(set(uids))
        assert sorted(hotkeys) == sorted(self.members())

    def test_the_metagraph_says_which_block_it_is_of(self) -> None:
        async def blocks(chain: Chain) -> tuple[BlockRef, BlockRef]:
            at = await chain.block(self.earlier())
            return at, (await chain.metagraph(at)).at

        asked, answered = self.read(blocks)
        assert asked == answered

    def test_another_subnet_has_its_own_members(self) -> None:
        netuid, members = self.other_subnet()

        async def hotkeys(chain: Chain) -> list[Hotkey]:
            metagraph = await chain.metagraph(await chain.head(), netuid)
            return [n.hotkey for n in metagraph.neurons]

        assert sorted(self.read(hotkeys)) == sorted(members)
        assert set(members).isdisjoint(self.members())

    def test_the_commitments_at_the_head_are_those_that_were_made(self) -> None:
        async def book(chain: Chain) -> CommitmentBook:
            return await chain.commitments(await chain.head())

        expected = self.book()
        assert expected.well_formed
        assert expected.malformed
        assert self.read(book) == expected

    def test_an_earlier_block_shows_the_earlier_commitments(self) -> None:
        async def book(chain: Chain) -> CommitmentBook:
            return await chain.commitments(await chain.block(self.earlier()))

        assert self.read(book) == CommitmentBook()

    def test_a_pinned_read_does_not_move_with_the_head(self) -> None:
        async def twice(chain: Chain) -> tuple[object, object]:
            at = await chain.head()
            before = (await chain.metagraph(at), await chain.commitments(at))
            await self.produce_block(chain)
            return before, (await chain.metagraph(at), await chain.commitments(at))

        before, after = self.read(twice)
        assert before == after

    def test_submitted_weights_are_on_chain_and_named_by_block_and_index(self) -> None:
        shares = dict(zip(self.members(), (0.75, 0.25), strict=False))

        async def submit(chain: Chain) -> tuple[str, Mapping[Hotkey, float]]:
            name = await chain.submit_weights(WeightVector(shares))
            return name, await self.weights_on(chain)

        name, on_chain = self.read(submit)
        assert re.fullmatch(r"\d+-\d+", name)
        assert on_chain == pytest.approx(shares, abs=1e-3)  # quantized to u16

    def test_own_weights_in_force_are_read_beside_the_consensus(self) -> None:
        shares = dict(zip(self.members(), (0.75, 0.25), strict=False))

        async def submit(chain: Chain) -> tuple[Consensus, Consensus]:
            before = await chain.head()
            none = await chain.consensus(before)
            await chain.submit_weights(WeightVector(shares))
            await self.produce_block(chain)
            return none, await chain.consensus(await chain.head())

        before, after = self.read(submit)
        assert not before.own
        assert after.own == pytest.approx(shares, abs=1e-3)
        for column in (after.weights, after.validator_trust):
            assert set(column) <= set(self.members())
            assert all(0 < value <= 1.001 for value in column.values())

    def test_the_share_of_a_hotkey_that_left_goes_to_the_others(self) -> None:
        first, second = self.members()[:2]

        async def submit(chain: Chain) -> Mapping[Hotkey, float]:
            await chain.submit_weights(WeightVector({first: 0.3, STRANGER: 0.6, second: 0.1}))
            return await self.weights_on(chain)

        assert self.read(submit) == pytest.approx({first: 0.75, second: 0.25}, abs=1e-3)

    def test_a_hotkey_registered_after_the_evaluation_gets_nothing(self) -> None:
        """Its uid may have belonged to another hotkey when the models were scored."""
        newcomer, *_ = self.members()

        async def submit(chain: Chain) -> None:
            neuron = (await chain.metagraph(await chain.head())).find(newcomer)
            assert neuron is not None
            before = Block(neuron.registered_at - 1)
            await chain.submit_weights(WeightVector({newcomer: 1.0}), evaluated_at=before)

        with pytest.raises(WeightsRefused):
            self.read(submit)

    def test_weights_that_were_set_can_be_found_again(self) -> None:
        async def submit(chain: Chain) -> tuple[str, list[str | None]]:
            began = (await chain.head()).number
            none = await chain.weights_since(began)
            name = await chain.submit_weights(WeightVector({self.members()[0]: 1.0}))
            block = Block(int(name.split("-")[0]))
            found = [await chain.weights_since(b) for b in (began, block, Block(block + 1))]
            return name, [none, *found]

        name, found = self.read(submit)
        assert found == [None, name, name, None]

    def test_weights_of_an_earlier_process_can_be_taken_over(self) -> None:
        shares = WeightVector({self.members()[0]: 1.0})

        async def restart(chain: Chain) -> tuple[Mapping[Hotkey, float], Mapping[Hotkey, float]]:
            evaluated_at = (await chain.head()).number
            name = await chain.submit_weights(shares)
            before = await self.weights_on(chain)
            await chain.expect_weights(shares, extrinsic=name, evaluated_at=evaluated_at)
            return before, await self.weights_on(chain)

        before, after = self.read(restart)
        assert before == after

    def test_weights_for_nobody_are_refused_with_a_code(self) -> None:
        with pytest.raises(WeightsRefused) as caught:
            self.read(lambda chain: chain.submit_weights(WeightVector({STRANGER: 1.0})))
        assert caught.value.code

    def test_blocks_begin_with_the_head_and_ascend(self) -> None:
        async def follow(chain: Chain) -> list[int]:
            head = await chain.head()
            blocks = chain.blocks()
            seen: list[int] = [head.number, (await anext(blocks)).number]
            for _ in range(2):
                await self.produce_block(chain)
                seen.append((await anext(blocks)).number)
            return seen

        head, first, second, third = self.read(follow)
        assert head <= first < second < third

    @pytest.mark.parametrize("call", sorted(_READS))
    def test_a_silent_chain_is_reported_as_unavailable(self, call: str) -> None:
        async def run() -> None:
            async with self.silent_chain() as chain:
                await _READS[call](chain, BlockRef(self.earlier(), "0x" + "00" * 32))

        with pytest.raises(ChainUnavailable) as caught:
            asyncio.run(run())
        assert caught.value.__cause__ is not None
