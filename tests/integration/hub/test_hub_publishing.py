"""From a miner's folder to a validator's disk: publishing on the hub, with the chain in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.admission.examine import examine
from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.publisher import HubPublisher
from sn37.adapters.hub.transfer_messages import Connection
from sn37.app.mining.commitment_note import NotedWriter
from sn37.app.mining.publish import (
    CheckedModel,
    Publication,
    Published,
    PublishRequest,
    take_steps,
)
from sn37.domain.ids import Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints, NormLimits
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment, parse_commitment
from sn37.domain.submission.models import Availability
from sn37.ports.errors import ModelRejected, StoreUnavailable
from sn37.testing.builders import a_competition
from sn37.testing.fakes import FakeChain
from tests.integration.hub.hub_models import LIMITS, write_model
from tests.integration.hub.hub_state import Hub
from tests.integration.hub.killing import Killer

ALICE = Hotkey("alice")
REPO = "alice/model"


class Miner:
    """Every call of ``publish`` is as a new process."""

    def __init__(self, hub: Hub, root: Path) -> None:
        hub.tokens["hf_alice"] = "alice"
        self.hub = hub
        self.chain = FakeChain()
        self.note = root / "publish.json"
        self.folder = write_model(root / "model", shards=3)

    async def publish(self, constraints: ModelConstraints = LIMITS) -> Published | None:
        publication = Publication(
            request=PublishRequest(folder=self.folder, repo=REPO, competition=1),
            rules=a_competition(1, constraints=constraints),
            hotkey=ALICE,
            format=CommitmentFormat.V2,
            reveal_at=None,
            crowns=(),
            check=self._checked,
            commitments=NotedWriter(self.chain, self.chain, self.note, lambda why, left: None),
            publisher=HubPublisher(
                Connection(endpoint=self.hub.url, token="hf_alice", pause_s=0.01)
            ),
        )
        return (await take_steps(publication, lambda line: None)).published

    async def _checked(self) -> CheckedModel:
        """The checks have other rules than the publisher, whose refusals the tests see."""
        found = examine(self.folder, LIMITS, weights=True)
        assert found.artifact is not None
        assert found.hashes is not None
        return CheckedModel(artifact=found.artifact, hashes=found.hashes)


async def test_t02_what_is_published_through_any_kill_is_what_validators_then_admit(
    hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path
) -> None:
    miner, killer, moments = Miner(hub, tmp_path), Killer(hub), random.Random(37)
    published, kills = None, 0
    while published is None:
        killer.left = moments.randint(1, 12) if kills < 3 else 0
        try:
            published = await miner.publish()
        except StoreUnavailable as error:
            assert "died" in str(error)  # noqa: PT017 - a kill may come too late
            kills += 1
        is_public = REPO in hub.repositories and not hub.repositories[REPO].private
        assert len(miner.chain.texts) == 1 or not is_public
    assert kills
    killer.left = 0
    ((_, text),) = miner.chain.texts
    commitment = parse_commitment(text, hotkey=ALICE, block=published.committed_at)
    assert isinstance(commitment, Commitment)
    store = open_store()
    assert await store.availability(commitment.model) is Availability.PUBLIC
    assert (await store.fetch(commitment, LIMITS)).ref == published.model


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (replace(LIMITS, max_bytes=1_000), Reason.TOO_LARGE),
        (replace(LIMITS, min_parameters=10_000_000), Reason.PARAMETERS),
        (replace(LIMITS, architectures=frozenset({"MistralForCausalLM"})), Reason.ARCHITECTURE),
        (replace(LIMITS, norms=NormLimits(soft=1e-6, hard=1e-5)), Reason.NORM),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
async def test_what_the_competition_refuses_is_refused_before_a_byte_is_sent(
    hub: Hub, tmp_path: Path, limits: ModelConstraints, reason: Reason
) -> None:
    miner = Miner(hub, tmp_path)
    with pytest.raises(ModelRejected) as caught:
        await miner.publish(limits)
    assert caught.value.reason is reason
    assert hub.served == []
    assert miner.chain.texts == []
