"""Port: documents of a leaderboard's JSON interface, served by somebody else."""

from __future__ import annotations

from typing import Protocol


class LeaderboardDocuments(Protocol):
    """Read documents of version 1 of the interface. The reader does not check or trust them."""

    @property
    def name(self) -> str:
        """Address of the leaderboard, for messages."""
        ...

    def document(self, path: str, **query: str | int) -> bytes | None:
        """Return a document, such as that of ``/competitions/1``; ``None`` if it does not exist.

        Its size is bounded, and so is the time, also with a server that sends a byte now and then.

        Args:
            path: Address below ``/api/v1``; it may have any characters.
            query: Such as ``page=2``. Leaderboards that are files ignore it.

        Raises:
            LeaderboardUnavailable: The server does not answer, not in time, or with an error.
            LeaderboardRefused: The document is too large, or the server redirects to another host.
        """
        ...
