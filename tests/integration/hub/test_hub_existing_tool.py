"""Commitments of the running network's miners: made by their way, admitted by ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.transfer_messages import Connection
from sn37.domain.ids import Block, Digest, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment, parse_commitment, secure_hash
from sn37.ports.errors import ModelRejected
from sn37.testing.builders.models import some_constraints
from sn37.testing.tiny_models import save_model, save_tokenizer
from tests.integration.hub.hub_models import committed
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub

ALICE = Hotkey("alice")
LIMITS = some_constraints(min_parameters=1, max_parameters=20_000_000, max_bytes=48_000_000)


class Pushed:
    """A model on the hub as the existing tool leaves it."""

    def __init__(self, hub: Hub, root: Path) -> None:
        self.hub = hub
        hub.tokens["hf_alice"] = "alice"
        folder = root / "model"
        save_model(folder)
        save_tokenizer(folder)
        found = json.loads(_run(hub, folder, root))
        self.commit: str = found["commit"]
        self.model_hash = Digest(found["hash"])
        self.files: list[str] = found["files"]
        hub.repositories["alice/model"].private = False

    def commitment(self, hotkey: Hotkey = ALICE) -> Commitment:
        """The text that alice's tool wrote, read by our parser as this hotkey's."""
        text = f"alice:model:{self.commit}:{secure_hash(self.model_hash, ALICE)}:1"
        parsed = parse_commitment(text, hotkey=hotkey, block=Block(100))
        assert isinstance(parsed, Commitment)
        assert parsed.format is CommitmentFormat.V1
        return parsed


def _run(hub: Hub, folder: Path, root: Path) -> str:
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(root / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    command = (sys.executable, "-m", "tests.integration.hub.existing_tool")
    arguments = (str(folder), "alice/model", "hf_alice", str(root / "snapshots"))
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    with running_hub() as hub:
        yield Pushed(hub, tmp_path_factory.mktemp("tool"))


@pytest.fixture
def store(pushed: Pushed, tmp_path: Path) -> HubModelStore:
    return HubModelStore(tmp_path, connection=Connection(endpoint=pushed.hub.url, token=None))


async def test_a_v1_commitment_made_by_the_existing_tool_is_admitted(
    pushed: Pushed, store: HubModelStore
) -> None:
    stored = set(pushed.hub.repositories["alice/model"].revisions[pushed.commit])
    # The hub puts these into every repository; from_pretrained does not download them.
    assert stored - set(pushed.files) == {".gitattributes", "README.md"}
    artifact = await store.fetch(pushed.commitment(), LIMITS)
    assert artifact.content_digest == pushed.model_hash
    assert await store.fetch(pushed.commitment(), LIMITS) == artifact  # from the cache


async def test_a_v1_hash_that_covers_documentation_is_admitted_too(
    pushed: Pushed, store: HubModelStore
) -> None:
    commitment = committed(pushed.hub, "alice/model", pushed.commit, v1=True)
    artifact = await store.fetch(commitment, LIMITS)
    assert artifact.content_digest != pushed.model_hash
    assert (await store.fetch(pushed.commitment(), LIMITS)).path == artifact.path


async def test_t01_the_tools_text_under_another_hotkey_is_refused(
    pushed: Pushed, store: HubModelStore
) -> None:
    with pytest.raises(ModelRejected) as refused:
        await store.fetch(pushed.commitment(Hotkey("mallory")), LIMITS)
    assert refused.value.reason is Reason.DIGEST_MISMATCH
