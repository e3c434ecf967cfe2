"""A subnet's membership at one block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sn37.domain.ids import Block, BlockRef, Coldkey, Hotkey, Uid

RAO_PER_TAO = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Neuron:
    """One registered hotkey."""

    uid: Uid
    hotkey: Hotkey
    coldkey: Coldkey
    stake_rao: int  # total stake weight as the metagraph reports it, in rao (1e-9)
    validator_permit: bool
    registered_at: Block
    last_update: Block  # block of its last weights
    incentive: float = 0.0  # from the validators' consensus, 0..1


@dataclass(frozen=True, slots=True, kw_only=True)
class Metagraph:
    """Every neuron of a subnet at ``at``, ordered by uid."""

    at: BlockRef
    neurons: tuple[Neuron, ...]
    weights_version: int = 0  # lowest version key of weights that the chain accepts

    def find(self, hotkey: Hotkey) -> Neuron | None:
        """Return the neuron of ``hotkey``, or ``None`` if it is not registered."""
        return next((n for n in self.neurons if n.hotkey == hotkey), None)

    def trusted_signers(self, *, min_stake_rao: int) -> frozenset[Hotkey]:
        """Return the hotkeys with a validator permit and more than ``min_stake_rao`` stake."""
        return frozenset(
            n.hotkey for n in self.neurons if n.validator_permit and n.stake_rao > min_stake_rao
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """Outcome of a subnet's newest epoch, and the weights of one validator, by hotkey.

    Hotkeys without a value are left out.
    """

    at: BlockRef
    weights: Mapping[Hotkey, float]  # largest weight that a majority of the stake supports, 0..1
    validator_trust: Mapping[Hotkey, float]  # part of a validator's weights within these, 0..1
    own: Mapping[Hotkey, float]  # the reading validator's weights in force, as shares


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetSnapshot:
    """A subnet at one block, as one validator saw it."""

    validator: Hotkey
    metagraph: Metagraph
    consensus: Consensus
