"""Conversion of shares by hotkey to the row of weights that the chain stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bittensor.intents.weights import clip_to_max_weight, normalize

from sn37.adapters.subtensor.metagraph import U16_MAX
from sn37.adapters.subtensor.weight_rules import WeightRules
from sn37.domain.ids import Block, Hotkey, Uid
from sn37.domain.metagraph import Neuron
from sn37.domain.weight_vector import WeightVector
from sn37.ports.errors import WeightsRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of weights, and the shares that it does not hold."""

    shares: Mapping[Uid, float]  # sum to 1; the SDK quantizes them
    values: Mapping[Uid, int]  # u16, the largest 65,535: the SDK's quantized shares
    withheld: Mapping[Hotkey, str]  # why a hotkey gets no weight, or less than its share


def compose(
    weights: WeightVector, rules: WeightRules, *, me: Neuron, evaluated_at: Block | None
) -> Row:
    """Resolve hotkeys to uids at the block of ``rules`` and fit the shares to the subnet.

    A hotkey that registered after the evaluation was not evaluated, even if another hotkey with
    its uid was. A share under 1/131,070 of the largest rounds to zero in 16 bits.

    Raises:
        WeightsRefused: No hotkey is left, or fewer than the subnet's minimum.
    """
    withheld: dict[Hotkey, str] = {}
    held: dict[Uid, Hotkey] = {}
    for hotkey, share in sorted(weights.shares.items()):
        neuron = rules.metagraph.find(hotkey)
        if neuron is None:
            withheld[hotkey] = "left the subnet"
        elif evaluated_at is not None and neuron.registered_at > evaluated_at:
            withheld[hotkey] = (
                f"was registered at block {neuron.registered_at}, after the evaluation at block "
                f"{evaluated_at}"
            )
        elif share > 0:
            held[neuron.uid] = hotkey
    if not held:
        raise WeightsRefused(
            "no hotkey with a share is on the subnet; wait for the next round's shares",
            code="NoHotkeyLeft",
        )
    total = sum(weights.shares[hotkey] for hotkey in held.values())
    shares = {uid: weights.shares[held[uid]] / total for uid in sorted(held)}
    fitted = _fitted(shares, rules, me)
    uids, values = normalize(list(fitted), list(fitted.values()))
    row = {Uid(uid): value for uid, value in zip(uids, values, strict=True)}
    for uid, share in shares.items():
        if uid not in row:
            withheld[held[uid]] = f"has a share of {share:.2g}, which rounds to zero in 16 bits"
        elif fitted[uid] < share - 1e-9:
            withheld[held[uid]] = (
                f"has a share of {share:.3f}, more than the subnet's maximum of "
                f"{rules.max_weight / U16_MAX:.3f}"
            )
    _require_enough(row, rules, me)
    return Row(shares=shares, values=row, withheld=withheld)


def _fitted(shares: Mapping[Uid, float], rules: WeightRules, me: Neuron) -> Mapping[Uid, float]:
    """Clip shares to the subnet's maximum, which does not limit a row only for ourselves."""
    if rules.max_weight >= U16_MAX or list(shares) == [me.uid]:
        return shares
    clipped = clip_to_max_weight(list(shares.values()), rules.max_weight / U16_MAX)
    return dict(zip(shares, clipped, strict=True))


def _require_enough(row: Mapping[Uid, int], rules: WeightRules, me: Neuron) -> None:
    """Check the subnet's minimum number of entries.

    The row is not padded, since that would pay miners that lost: the owner must lower the minimum.

    Raises:
        WeightsRefused: The row has fewer entries than the subnet demands.
    """
    needed = rules.min_weights
    if len(row) < needed and list(row) != [me.uid]:
        raise WeightsRefused(
            f"the subnet wants weights for at least {needed} miners, but only {len(row)} "
            "have a share; its owner must lower min_allowed_weights",
            code="WeightVecLengthIsLow",
        )
