"""Commits of models' repositories on Hugging Face, for schedules."""

from __future__ import annotations

import asyncio

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

from sn37.domain.printable import one_line
from sn37.ports.errors import StoreUnavailable

TIMEOUT_S = 30.0


async def model_commit(repo: str, branch: str, *, endpoint: str | None = None) -> str:
    """Return the commit that a branch of a model's repository has today.

    Raises:
        StoreUnavailable: The hub does not answer, or has no such repository or branch.
    """

    def ask() -> str | None:
        return HfApi(endpoint=endpoint).model_info(repo, revision=branch, timeout=TIMEOUT_S).sha

    try:
        commit = await asyncio.to_thread(ask)
    except (HfHubHTTPError, httpx2.HTTPError, HFValidationError, OfflineModeIsEnabled) as error:
        said = one_line(str(error).partition("\n")[0], 200) or type(error).__name__
        raise StoreUnavailable(f"{repo} at {branch!r}: {said}") from error
    if commit is None:
        raise StoreUnavailable(f"{repo} at {branch!r}: the hub names no commit")
    return commit
