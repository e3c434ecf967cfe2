"""Refusals of weights and commitments by the chain, with the chain's name and a remedy."""

from __future__ import annotations

import bittensor as bt

from sn37.adapters.subtensor.errors import clean
from sn37.domain.ids import Block
from sn37.ports.errors import CommitmentRefused, WeightsRefused

# Remedies of this program, where the SDK's name commands of its own.
_REMEDIES = {
    "IncorrectWeightVersionKey": "upgrade sn37",
    "CommitRevealEnabled": "commit-reveal was just switched on; the next try uses it",
    "CommitRevealDisabled": "commit-reveal was just switched off; the next try does not use it",
    "TooManyUnrevealedCommits": "ten commits wait for their reveal; wait for the next epoch",
    "SpaceLimitExceeded": "this hotkey has used its space of this epoch; wait for the next epoch",
    "AccountNotAllowedCommit": "register the hotkey with: btcli subnets register",
}


def weights_refused(error: bt.ChainError, next_block: Block | None = None) -> WeightsRefused:
    """Return the port's error for what the SDK raised or the chain answered."""
    return WeightsRefused(_message(error), code=_code(error), next_block=next_block)


def commitment_refused(error: bt.ChainError) -> CommitmentRefused:
    """Return the same for a commitment."""
    return CommitmentRefused(_message(error), code=_code(error))


def _code(error: bt.ChainError) -> str:
    """Return the chain's error name; errors of the SDK's own checks only have a kind."""
    return error.name or error.code.value


def _message(error: bt.ChainError) -> str:
    remedy = _REMEDIES.get(error.name or "", error.remediation).replace("`", "")
    return f"{_code(error)}: {clean(error.message).rstrip('.')}; {clean(remedy)}"
