"""Which model of the pre-training subnet is the best to start from."""

from __future__ import annotations

from dataclasses import replace

from sn37.domain.ids import CompetitionId
from sn37.domain.metagraph import Metagraph
from sn37.domain.submission.base_models import rank_base_models
from sn37.testing.builders import a_block_ref, a_neuron
from sn37.testing.builders.models import (
    a_commitment,
    a_commitment_book,
    a_malformed_commitment,
)


def a_metagraph(**incentives: float) -> Metagraph:
    neurons = [
        replace(a_neuron(hotkey, uid=uid), incentive=incentive)
        for uid, (hotkey, incentive) in enumerate(incentives.items())
    ]
    return Metagraph(at=a_block_ref(1000), neurons=tuple(neurons))


class TestRanking:
    def test_the_highest_incentive_comes_first(self) -> None:
        book = a_commitment_book(*(a_commitment(hotkey=h) for h in ("a", "b", "c")))
        ranked = rank_base_models(book, a_metagraph(a=0.1, b=0.6, c=0.3))
        assert [m.commitment.hotkey for m in ranked] == ["b", "c", "a"]

    def test_of_equals_the_one_committed_first_comes_first(self) -> None:
        book = a_commitment_book(
            a_commitment(hotkey="a", block=9), a_commitment(hotkey="b", block=8)
        )
        ranked = rank_base_models(book, a_metagraph(a=0.5, b=0.5))
        assert [m.commitment.hotkey for m in ranked] == ["b", "a"]

    def test_without_incentive_or_a_readable_text_there_is_no_model(self) -> None:
        book = a_commitment_book(
            a_commitment(hotkey="idle"),
            a_malformed_commitment(hotkey="junk"),
            a_commitment(hotkey="good"),
        )
        ranked = rank_base_models(book, a_metagraph(idle=0.0, junk=0.9, silent=0.9, good=0.1))
        assert [m.commitment.hotkey for m in ranked] == ["good"]

    def test_only_the_competitions_asked_for_count(self) -> None:
        book = a_commitment_book(
            a_commitment(hotkey="a", competition=1), a_commitment(hotkey="b", competition=2)
        )
        ranked = rank_base_models(book, a_metagraph(a=0.1, b=0.6), {CompetitionId(1)})
        assert [m.commitment.hotkey for m in ranked] == ["a"]
