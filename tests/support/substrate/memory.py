"""The SDK's ``Substrate`` protocol over a ledger in memory.

Shapes and refusals are those of bittensor 11.3 and of the chain's pallets of June 2026.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.substrate.ledger import a_call
from tests.support.substrate.node import ReadingNode
from tests.support.substrate.pallets import DispatchError

if TYPE_CHECKING:
    import bittensor as bt
    from bittensor.sp_core import Keypair

Call = tuple[str, str, dict[str, object]]


class MemorySubstrate(ReadingNode):
    """A node that also takes calls: each gets a block of its own, the next one.

    ``submitted`` holds every call that reached it, refused ones too.
    """

    def __init__(
        self, *, head: int = 1000, finality_lag: int = 0, produces: bool = True, salt: str = "main"
    ) -> None:
        super().__init__(head=head, finality_lag=finality_lag, produces=produces, salt=salt)
        self.submitted: list[Call] = []

    async def compose(self, call: Call) -> Call:
        module, function, params = call
        return (module, function, dict(params))

    async def estimate_fee(self, call: Call, keypair: Keypair) -> bt.Balance:
        await self._request("estimate_fee")
        return self.balance(0 if call[0] == "Commitments" else 123_456)

    async def account_next_index(self, address: str) -> int:
        await self._request("account_next_index")
        return sum(1 for _ in self.submitted)

    async def submit(
        self,
        call: Call,
        keypair: Keypair,
        *,
        nonce: int | None = None,
        period: int | None = 128,
        wait_for_inclusion: bool = True,
        wait_for_finalization: bool = True,
    ) -> bt.ExtrinsicResult:
        from bittensor import ChainError, ExtrinsicResult

        await self._request("submit", 3)
        keypair.sign(repr(call).encode())  # a key without its private half cannot
        if self.faults.lose_submission:
            self.faults.lose_submission = False
            raise ChainError("connection closed") from ConnectionError("connection closed")
        if self.faults.pool_refusals:
            return _refused_by_pool(self.faults.pool_refusals.pop(0))
        block, index, name = self.carry_out(call, keypair.ss58_address)
        error = None if name is None else ChainError(f"{name} (docs)", name)
        if self.faults.lose_inclusion:
            self.faults.lose_inclusion = False
            raise ChainError("connection closed") from ConnectionError("connection closed")
        if wait_for_finalization:
            self.produce(max(0, block - self.finalized))
        return ExtrinsicResult(
            success=error is None,
            message="Success" if error is None else error.message,
            block_hash=self.ledger.hash_of(block),
            extrinsic_id=f"{block}-{index:04d}",
            fee=self.balance(0),
            error=error,
        )

    def include(self, call: Call, hotkey: str) -> None:
        """Put a call of anybody's into the head block, without a signature.

        Raises:
            DispatchError: The chain refuses it.
        """
        self.dispatch(call[0], call[1], call[2], hotkey)
        self.ledger.include(_extrinsic(call, hotkey))

    def carry_out(self, call: Call, hotkey: str) -> tuple[int, int, str | None]:
        """Make a block with a call; return its number, the call's place, and why it failed."""
        self.submitted.append(call)
        self.ledger.produce()
        self.on_block()
        index = self.ledger.include(_extrinsic(call, hotkey))
        error = None
        try:
            self.dispatch(call[0], call[1], call[2], hotkey)
        except DispatchError as refusal:
            error = refusal.name
        self._wake()
        return self.ledger.head, index, error


def _extrinsic(call: Call, hotkey: str) -> dict[str, object]:
    return {"address": hotkey, "call": a_call(*call)}


def _refused_by_pool(text: str) -> bt.ExtrinsicResult:
    """What the SDK makes of a node that does not let an extrinsic into its pool."""
    from bittensor import ExtrinsicResult
    from bittensor.result import chain_error_from_substrate_request

    error = chain_error_from_substrate_request(RuntimeError(text))
    return ExtrinsicResult(success=False, message=error.message, error=error)
