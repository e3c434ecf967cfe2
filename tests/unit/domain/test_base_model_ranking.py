"""Which model of the pre-training subnet is the best to start from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sn37.app.base_models import best_base_model
from sn37.domain.base_models import rank_base_models
from sn37.domain.constraints import ModelFacts
from sn37.domain.ids import CompetitionId
from sn37.domain.metagraph import Metagraph
from sn37.domain.models import ModelRef
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreUnavailable
from sn37.testing.builders import a_block_ref, a_neuron
from sn37.testing.builders.models import (
    a_commitment,
    a_commitment_book,
    a_malformed_commitment,
    some_constraints,
)

FACTS = ModelFacts(architecture="LlamaForCausalLM", parameters=100, size_bytes=100)


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


class TestFitting:
    async def test_the_best_that_keeps_the_limits_is_found_and_no_more_are_measured(self) -> None:
        book = a_commitment_book(
            *(a_commitment(hotkey=h) for h in ("big", "hidden", "bad", "fits", "last"))
        )
        graph = a_metagraph(big=0.5, hidden=0.4, bad=0.3, fits=0.2, last=0.1)
        measured: list[str] = []

        async def facts_of(ref: ModelRef) -> ModelFacts:
            measured.append(ref.repo)
            if ref.repo == "hidden/model":
                raise ModelNotPublic("private")
            if ref.repo == "bad/model":
                raise ModelRejected("pickle", reason=Reason.UNSAFE_FILE)
            return replace(FACTS, parameters=10**12) if ref.repo == "big/model" else FACTS

        found = await best_base_model(rank_base_models(book, graph), some_constraints(), facts_of)
        assert found is not None
        assert found.commitment.hotkey == "fits"
        assert measured == ["big/model", "hidden/model", "bad/model", "fits/model"]

    async def test_when_none_fits_there_is_none(self) -> None:
        async def facts_of(ref: ModelRef) -> ModelFacts:
            return replace(FACTS, architecture="Other")

        ranked = rank_base_models(a_commitment_book(a_commitment(hotkey="a")), a_metagraph(a=0.5))
        assert await best_base_model(ranked, some_constraints(), facts_of) is None

    async def test_an_outage_of_the_model_host_is_no_verdict(self) -> None:
        async def facts_of(ref: ModelRef) -> ModelFacts:
            raise StoreUnavailable("down")

        ranked = rank_base_models(a_commitment_book(a_commitment(hotkey="a")), a_metagraph(a=0.5))
        with pytest.raises(StoreUnavailable):
            await best_base_model(ranked, some_constraints(), facts_of)
