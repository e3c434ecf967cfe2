"""Ranking of the pre-training subnet's models, from which a miner can start."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sn37.domain.ids import CompetitionId
from sn37.domain.metagraph import Metagraph
from sn37.domain.submission.commitment import Commitment, CommitmentBook


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """A committed model and the incentive that its subnet's validators give it."""

    commitment: Commitment
    incentive: float  # its hotkey's share of the miners' emission, 0..1


def rank_base_models(
    book: CommitmentBook,
    metagraph: Metagraph,
    competitions: Collection[CompetitionId] | None = None,
) -> tuple[BaseModel, ...]:
    """Return models by incentive, the highest first; of equals the earlier commitment first.

    Models without incentive are left out, because no validator rated them well. So are models of
    other ``competitions`` than the given ones; ``None`` takes all.
    """
    ranked = [
        BaseModel(commitment=commitment, incentive=neuron.incentive)
        for neuron in metagraph.neurons
        if neuron.incentive > 0
        and (commitment := book.well_formed.get(neuron.hotkey)) is not None
        and (competitions is None or commitment.competition in competitions)
    ]
    return tuple(sorted(ranked, key=lambda m: (-m.incentive, m.commitment.precedence)))
