"""The store on Hugging Face under the contract that all model stores pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.hub.model_store import HubModelStore
from sn37.domain.ids import Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import Commitment
from sn37.testing.model_store_contract import ModelStoreContract
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_models import LIMITS, committed, no_hash, publish, write_model
from tests.integration.hub.hub_state import Hub


class TestHubModelStore(ModelStoreContract):
    @pytest.fixture(autouse=True)
    def _hub(self, hub: Hub, open_store: Callable[..., HubModelStore], tmp_path: Path) -> None:
        self.hub = hub
        self.open_store = open_store
        self.caches = 0
        good = write_model(tmp_path / "good")
        self._published = publish(hub, "alice/model", good)
        self._other = publish(hub, "bob/model", write_model(tmp_path / "other", 2))
        hidden = hub.publish("carol/model", good, private=True)
        self._private = committed(hub, "carol/model", hidden)
        pickled = write_model(tmp_path / "pickled")
        (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
        code = write_model(tmp_path / "code", auto_map={"AutoModel": "x.Y"})
        self._faulty = {
            Reason.UNSAFE_FILE: publish(hub, "pickled/model", pickled),
            Reason.BAD_CONFIG: publish(hub, "code/model", code),
            Reason.DIGEST_MISMATCH: no_hash("liar", "liar/model", hub.publish("liar/model", good)),
        }

    @asynccontextmanager
    async def store(self) -> AsyncIterator[HubModelStore]:
        self.caches += 1
        yield self.open_store(f"cache-{self.caches}")

    def silence(self, store: HubModelStore) -> None:  # type: ignore[override]
        self.hub.faults.append(Fault(path="", times=None, drop=True))

    def constraints(self) -> ModelConstraints:
        return LIMITS

    def published(self) -> Commitment:
        return self._published

    def other(self) -> Commitment:
        return self._other

    def private(self) -> Commitment:
        return self._private

    def copied(self) -> Commitment:
        return replace(self._published, hotkey=Hotkey("thief"))

    def faulty(self) -> Mapping[Reason, Commitment]:
        return self._faulty

    def tokenizer_ref(self) -> TokenizerRef:
        return TokenizerRef(repo="alice/model", revision=self._published.model.revision)
