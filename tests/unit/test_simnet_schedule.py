"""The shipped schedule of simnet and the population that competes under it agree."""

from __future__ import annotations

import pytest

from sn37.adapters.simnet.miners.roster import (
    BASE_REPO,
    BASE_REVISION,
    FREE,
    HEAD,
    INSTRUCT,
    RECIPE,
    TEMPLATE,
    TOKENIZER_REPO,
    TOKENIZER_REVISION,
    Miner,
    Trick,
)
from sn37.app.schedule.load import load_schedule
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import Competition, TokenizerRef

SCHEDULE = load_schedule("simnet").schedule
FIRST_ROUND = SCHEDULE.timing.next_sync_block(HEAD)
SECOND_ROUND = SCHEDULE.timing.next_sync_block(FIRST_ROUND)
LARGEST_ITEM_BYTES, SMALLEST_ITEM_BYTES = 4, 2  # float32, bfloat16


def rules(miner: Miner) -> Competition:
    competition = SCHEDULE.competition(miner.competition, FIRST_ROUND)
    assert competition is not None
    return competition


def num_parameters(factor: int = 1) -> int:
    """Of a Llama of the recipe's shape, its MLPs widened by ``factor``; embeddings are tied."""
    s = RECIPE.shape
    kv = s.hidden // s.heads * s.kv_heads
    layer = 2 * s.hidden**2 + 2 * s.hidden * kv + 3 * s.hidden * s.intermediate * factor
    return s.vocabulary * s.hidden + s.layers * (layer + 2 * s.hidden) + s.hidden


def test_the_competitions_are_the_population_s() -> None:
    assert tuple(c.id for c in SCHEDULE.at(FIRST_ROUND)) == RECIPE.competitions == (INSTRUCT, FREE)
    assert [c.reward_share for c in SCHEDULE.at(FIRST_ROUND)] == [0.7, 0.3]


def test_tokenizer_and_template_are_prescribed_in_the_first_competition_alone() -> None:
    for block in (FIRST_ROUND, SECOND_ROUND):
        instruct, free = SCHEDULE.at(block)
        assert instruct.tokenizer == TokenizerRef(repo=TOKENIZER_REPO, revision=TOKENIZER_REVISION)
        assert instruct.template == TEMPLATE
        assert (free.tokenizer, free.template) == (None, None)
        assert instruct.base_model is not None
        assert (instruct.base_model.repo, instruct.base_model.revision) == (
            BASE_REPO,
            BASE_REVISION,
        )
        assert instruct.screens(instruct.tasks[0])


def test_the_rules_of_the_second_competition_change_between_the_first_two_rounds() -> None:
    rounds = (FIRST_ROUND, SECOND_ROUND)
    assert rounds == (1800, 2160)
    before, after = (
        SCHEDULE.competition(FREE, FIRST_ROUND),
        SCHEDULE.competition(FREE, SECOND_ROUND),
    )
    assert before is not None
    assert after is not None
    assert before.tasks[0].num_samples != after.tasks[0].num_samples
    assert before.epsilon != after.epsilon
    assert SCHEDULE.competition(INSTRUCT, FIRST_ROUND) == SCHEDULE.competition(
        INSTRUCT, SECOND_ROUND
    )


@pytest.mark.parametrize("miner", RECIPE.miners, ids=lambda m: m.name)
def test_only_the_early_miner_commits_too_late_for_the_first_round(miner: Miner) -> None:
    opened = miner.reveal or miner.committed
    is_early = FIRST_ROUND - opened < rules(miner).delay_blocks
    assert is_early == (miner.expected is Reason.TOO_EARLY)


@pytest.mark.parametrize("miner", RECIPE.miners, ids=lambda m: m.name)
def test_only_the_oversized_model_breaks_a_limit(miner: Miner) -> None:
    limits = rules(miner).constraints
    parameters = num_parameters(miner.factor)
    assert (parameters > limits.max_parameters) == (miner.trick is Trick.WIDEN)
    if miner.expected is Reason.TOO_LARGE:
        assert parameters * SMALLEST_ITEM_BYTES > limits.max_bytes
    else:
        assert parameters * LARGEST_ITEM_BYTES < limits.max_bytes
    assert RECIPE.shape.positions == limits.max_tokens


def test_a_round_has_room_for_everyone() -> None:
    for competition in RECIPE.competitions:
        assert sum(m.competition == competition for m in RECIPE.miners) <= SCHEDULE.max_new_entries
