"""Publisher of models on Hugging Face."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from sn37.adapters.hub.transfer_messages import Connection, PublicOrder, UploadOrder
from sn37.adapters.hub.transfer_process import carry_out
from sn37.domain.ids import Digest
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.digests import ModelHashes
from sn37.ports.errors import StoreUnavailable

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelPublisher


class HubPublisher:
    """``ModelPublisher`` over a hub; every step can be repeated after a kill.

    Files that an interrupted upload has sent are not sent again.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection or Connection()

    async def upload(
        self, folder: PurePath, repo: str, constraints: ModelConstraints
    ) -> tuple[str, ModelHashes]:
        """See ``ModelPublisher.upload``."""
        order = UploadOrder(folder=str(folder), repo=repo, constraints=constraints)
        match await carry_out(self._connection, order):
            case [str(revision), str(v1), str(v2)]:
                return revision, ModelHashes(v1=Digest(v1), v2=Digest(v2))
            case other:
                raise StoreUnavailable(f"invalid answer to an upload: {other}")

    async def make_public(self, repo: str) -> None:
        """See ``ModelPublisher.make_public``."""
        await carry_out(self._connection, PublicOrder(repo=repo))


if TYPE_CHECKING:
    _publisher: ModelPublisher = HubPublisher()
