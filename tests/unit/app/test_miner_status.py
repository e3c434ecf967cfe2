"""What a miner is told of his commitment, from the block on in which it is to the crown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sn37.app.cli.status.commitment import _as_json, _lines
from sn37.app.mining.connections import ReadConnection
from sn37.app.mining.status import MinerStatus, _status
from sn37.app.samples.plugins import dataset_plugin
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.domain.submission.base_models import BaseModel
from sn37.domain.submission.commitment import Commitment, StandingCommitment
from sn37.domain.submission.submission import Submission
from sn37.ports.errors import StoreUnavailable
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_malformed_commitment,
    a_round_key,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    an_entry_key,
    an_entry_result,
)
from sn37.testing.fakes import FakeChain, FakeModelStore
from tests.support.no_examiner import NoExaminer

ALICE = Hotkey("alice")
SCHEDULE = a_schedule(a_stage(a_competition(1, delay_blocks=1_200)))
COMMITTED = a_commitment("alice", block=900)


class Miner:
    """One miner's chain and host, looked at."""

    def __init__(self, *records: Commitment) -> None:
        self.chain = FakeChain()
        self.chain.add(*records)
        self.host = FakeModelStore()
        for record in records:
            self.host.publish(record)

    async def look(
        self, state: ValidatorState | None = None, standing: StandingCommitment | None = None
    ) -> MinerStatus:
        async def pretrained() -> Sequence[BaseModel]:
            return ()

        sight = ReadConnection(
            chain=self.chain,
            models=self.host,
            examiner=NoExaminer(),
            pretrained=pretrained,
            find_source=dataset_plugin,
        )
        return await _status(sight, ALICE, standing, SCHEDULE, state)


def a_state(*rounds: RoundResult, submission: Submission | None = None) -> ValidatorState:
    submission = submission or a_submission(COMMITTED)
    return ValidatorState(
        submissions={submission.commitment.key: submission}, rounds={CompetitionId(1): rounds}
    )


def text(found: MinerStatus) -> str:
    return "\n".join(_lines(found))


async def test_who_is_not_registered_is_told_so() -> None:
    found = await Miner().look()
    assert found.stage == "not registered"
    assert "not registered" in text(found)


async def test_a_young_commitment_waits_for_its_round() -> None:
    found = await Miner(COMMITTED).look()
    assert found.stage == "waiting"
    assert found.judgement is not None
    assert found.judgement.reason is Reason.TOO_EARLY
    assert found.first_round is not None
    assert found.first_round.sync_block == SCHEDULE.timing.next_sync_block(Block(2_099))
    assert "none has run in this state directory" in text(found)


async def test_a_private_repository_is_told_once_it_is_old_enough() -> None:
    miner = Miner(COMMITTED)
    miner.host.private.add(COMMITTED.model.repo)
    miner.chain.advance(2_000)
    found = await miner.look()
    assert (found.stage, found.public) == ("waiting", False)
    assert "not_public: " in text(found)
    assert "make it public" in text(found)


async def test_a_host_that_does_not_answer_hides_nothing_else() -> None:
    miner = Miner(COMMITTED)
    miner.host.failures = [StoreUnavailable("503")]
    found = await miner.look()
    assert (found.stage, found.public) == ("waiting", None)


async def test_an_old_public_model_is_eligible() -> None:
    miner = Miner(COMMITTED)
    miner.chain.advance(2_000)
    assert (await miner.look()).stage == "eligible"


async def test_a_seal_is_seen_by_its_owner() -> None:
    miner = Miner()
    miner.chain.add(a_malformed_commitment("bob"))
    miner.chain.set_members(*(await miner.chain.metagraph(await miner.chain.head())).neurons)
    miner.chain.add(a_malformed_commitment("alice", block=2_000))  # registers her, not yet there
    found = await miner.look(standing=StandingCommitment(block=Block(990), data=None))
    assert (found.stage, found.sealed_at) == ("sealed", 990)


async def test_a_text_that_nobody_can_read_is_quoted() -> None:
    miner = Miner()
    miner.chain.add(a_malformed_commitment("alice"))
    found = await miner.look()
    assert found.stage == "malformed"
    assert "cannot be read: parts" in text(found)


@pytest.mark.parametrize(
    ("champion", "stage"), [(COMMITTED.key, "champion"), (an_entry_key("bob"), "challenger")]
)
async def test_a_validator_s_rounds_tell_the_rest(champion: EntryKey, stage: str) -> None:
    miner = Miner(COMMITTED)
    miner.chain.advance(2_000)
    entry = an_entry_result(COMMITTED.key)
    round_ = replace(
        a_round_result(a_round_key(1, 2_160)),
        champion=champion,
        entries=(replace(entry, detail="+1.00% of the 2.00% better that are needed"),),
    )
    found = await miner.look(a_state(round_))
    assert found.stage == stage
    assert "+1.00% of the 2.00% better that are needed" in text(found)
    record = _as_json(found)["validator"]
    assert isinstance(record, dict)
    assert record["rounds"][0]["champion"] is (stage == "champion")


async def test_right_answers_are_shown_with_the_round() -> None:
    miner = Miner(COMMITTED)
    miner.chain.advance(2_000)
    entry = an_entry_result(COMMITTED.key)
    tasks = tuple(replace(task, accuracy=0.613) for task in entry.tasks)
    round_ = replace(
        a_round_result(a_round_key(1, 2_160)),
        champion=COMMITTED.key,
        entries=(replace(entry, tasks=tasks),),
    )
    found = await miner.look(a_state(round_))
    assert "text 61.3% right; champion" in text(found)
    record = _as_json(found)["validator"]
    assert isinstance(record, dict)
    assert record["rounds"][0]["accuracy"] == {"text": 0.613}


async def test_a_refusal_for_good_has_its_reason() -> None:
    miner = Miner(COMMITTED)
    miner.chain.advance(2_000)
    refused = a_submission(COMMITTED, rejection=Reason.NORM, detail="norm 2000")
    found = await miner.look(a_state(submission=refused))
    assert found.stage == "rejected"
    assert "finding     norm 2000\nnext        train with weight decay" in text(found)
    assert "finished no round of this competition yet" in text(found)


async def test_a_second_challenge_of_the_day_waits() -> None:
    miner = Miner(COMMITTED)
    miner.chain.advance(2_000)
    earlier = a_commitment("alice", block=100)
    submissions = {c.key: a_submission(c) for c in (earlier, COMMITTED)}
    tried = replace(
        a_round_result(a_round_key(1, 1_800)),
        champion=an_entry_key("bob"),
        entries=(an_entry_result(earlier.key),),
    )
    state = ValidatorState(submissions=submissions, rounds={CompetitionId(1): (tried,)})
    found = await miner.look(state)
    assert found.stage == "waiting"
    assert found.judgement is not None
    assert found.judgement.reason is Reason.CHALLENGE_LIMIT
