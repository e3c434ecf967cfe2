"""A subnet in memory with a validator and miners, and the adapters over the real SDK client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sn37.adapters.subtensor.connection import Connection, Endpoint, Pacing
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.adapters.subtensor.weight_setter import WeightSetter
from sn37.domain.ids import Hotkey, Netuid
from sn37.domain.weight_vector import WeightVector
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.fakes.telemetry import RecordingSink
from tests.support.substrate import MemorySubstrate, a_keypair, client_over

SUBNET = Netuid(37)
VALIDATOR, ALICE, BOB, CAROL, DAVE = (
    HotkeySigner(a_keypair(name)) for name in ("Validator", "Alice", "Bob", "Carol", "Dave")
)
VERSION = 1_002_003  # of the weights that sn37 1.2.3 sends

# Of another validator: attack 34 would be to score by them.
RIVAL = HotkeySigner(a_keypair("Rival"))


class World:
    """Five members: the validator is uid 1, the miners 2 to 4; uid 0 owns the subnet."""

    def __init__(
        self, *, commit_reveal: bool = False, min_weights: int = 1, max_weight: int = 65_535
    ) -> None:
        self.substrate = MemorySubstrate(head=1000)
        self.substrate.add_subnet(
            SUBNET, commit_reveal=commit_reveal, min_weights=min_weights, max_weight=max_weight
        )
        self.substrate.register(RIVAL.hotkey, stake_tao=5_000, permit=True)
        self.substrate.register(VALIDATOR.hotkey, stake_tao=1_000, permit=True)
        for miner in (ALICE, BOB, CAROL):
            self.substrate.register(miner.hotkey)
        self.substrate.produce(200)
        self.clock = FakeClock()
        self.sink = RecordingSink()
        self.connection = self.connect(self.substrate)

    def connect(self, *substrates: MemorySubstrate, call_timeout_s: float = 1.0) -> Connection:
        """A connection to these endpoints."""
        endpoints = [
            Endpoint(name=f"node {i}", open=lambda s=s: client_over(s))  # type: ignore[misc]
            for i, s in enumerate(substrates)
        ]
        pacing = Pacing(call_timeout_s=call_timeout_s, connect_timeout_s=call_timeout_s)
        return Connection(endpoints, clock=self.clock, pacing=pacing, jitter=lambda: 1.0)

    def setter(self, signer: HotkeySigner = VALIDATOR) -> WeightSetter:
        """A weight setter as a fresh process has it."""
        return WeightSetter(
            connection=self.connection,
            netuid=SUBNET,
            signer=signer,
            clock=self.clock,
            sink=self.sink,
            version="1.2.3",
        )

    def row(self, signer: HotkeySigner = VALIDATOR) -> Mapping[int, int]:
        """The weights in force of a member, by uid."""
        key = (SUBNET, self.uid(signer))
        stored = self.substrate.ledger.read(("SubtensorModule", "Weights"), key)
        return dict(cast(Sequence[tuple[int, int]], stored or ()))

    def uid(self, signer: HotkeySigner) -> int:
        uid = self.substrate.ledger.read(("SubtensorModule", "Uids"), (SUBNET, signer.hotkey))
        assert isinstance(uid, int)
        return uid


def shares(**by_name: float) -> WeightVector:
    """Shares of people by their names in lower case."""
    people = {"alice": ALICE, "bob": BOB, "carol": CAROL, "dave": DAVE, "validator": VALIDATOR}
    return WeightVector({Hotkey(people[name].hotkey): s for name, s in by_name.items()})
