"""An examiner of repositories for tests in which none is examined."""

from __future__ import annotations

from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import Examined


class NoExaminer:
    """Fails when it is asked."""

    async def examine(
        self, repo: str, revision: str, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        raise AssertionError

    async def commit_of(self, repo: str, name: str) -> str:
        raise AssertionError

    async def licence(self, repo: str, revision: str) -> str | None:
        raise AssertionError

    def discard(self, repo: str, revision: str) -> None:
        raise AssertionError
