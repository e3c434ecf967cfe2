"""The chain's no to weights, by its own name, and what to do about it."""

from __future__ import annotations

import bittensor as bt

from sn37.adapters.subtensor.errors import clean
from sn37.domain.ids import Block
from sn37.ports.errors import CommitmentRefused, WeightsRefused

# Remedies in the words of this program, where the SDK's are about a command line of its own.
_REMEDIES = {
    "IncorrectWeightVersionKey": "upgrade sn37",
    "CommitRevealEnabled": "the subnet has just switched commit-reveal on; it is sent again so",
    "CommitRevealDisabled": "the subnet has just switched commit-reveal off; it is sent again so",
    "TooManyUnrevealedCommits": "ten commits wait for their reveal; the next epoch opens them",
    "SpaceLimitExceeded": "this hotkey has used its space of the epoch; wait for the next one",
    "AccountNotAllowedCommit": "register it with: btcli subnets register",
}


def weights_refused(error: bt.ChainError, next_block: Block | None = None) -> WeightsRefused:
    """What the SDK raised before sending, or the chain answered."""
    return WeightsRefused(_message(error), code=_code(error), next_block=next_block)


def commitment_refused(error: bt.ChainError) -> CommitmentRefused:
    """The same for a commitment."""
    return CommitmentRefused(_message(error), code=_code(error))


def _code(error: bt.ChainError) -> str:
    """The chain's name of the error; checks that the SDK makes beforehand only have a kind."""
    return error.name or error.code.value


def _message(error: bt.ChainError) -> str:
    remedy = _REMEDIES.get(error.name or "", error.remediation).replace("`", "")
    return f"{_code(error)}: {clean(error.message).rstrip('.')}; {clean(remedy)}"
