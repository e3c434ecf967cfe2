"""A subnet's members."""

from __future__ import annotations

from sn37.domain.ids import Hotkey
from sn37.domain.metagraph import RAO_PER_TAO, Metagraph
from sn37.testing.builders import a_block_ref, a_neuron

METAGRAPH = Metagraph(
    at=a_block_ref(),
    neurons=(
        a_neuron("rich", uid=0, stake_tao=100_001, validator_permit=True),
        a_neuron("edge", uid=1, stake_tao=100_000, validator_permit=True),
        a_neuron("idle", uid=2, stake_tao=500_000),
    ),
)


def test_a_neuron_is_found_by_its_hotkey() -> None:
    found = METAGRAPH.find(Hotkey("edge"))
    assert found is not None
    assert found.uid == 1
    assert METAGRAPH.find(Hotkey("nobody")) is None


def test_a_trusted_signer_has_a_permit_and_more_than_the_stake_floor() -> None:
    assert METAGRAPH.trusted_signers(min_stake_rao=100_000 * RAO_PER_TAO) == {"rich"}
    assert METAGRAPH.trusted_signers(min_stake_rao=0) == {"rich", "edge"}
