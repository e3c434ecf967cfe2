"""The state behind the hub of the tests, which they read and change between requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.hub.hub_faults import NO_FAULT, Fault
from tests.integration.hub.hub_repositories import HubFile, HubRepository, hub_files


@dataclass(frozen=True, slots=True)
class Served:
    """One answered request."""

    method: str
    path: str  # with its query
    status: int
    body_bytes: int  # of the answer, as far as they were sent
    offset: int = 0  # where in a file they begin


@dataclass(slots=True)
class Hub:
    """Everything the server knows, and what it was asked."""

    repositories: dict[str, HubRepository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)  # LFS content by sha256
    tokens: dict[str, str] = field(default_factory=dict)  # token to user name
    faults: list[Fault] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    url: str = ""
    cdn_url: str = ""  # another origin, to which LFS files are redirected; empty: they are not
    cdn_authorized: list[str] = field(default_factory=list)  # requests that showed it a token
    page_length: int = 50  # commits on one page of a history
    on_event: Callable[[], None] = lambda: None  # a request has come, or a block has gone out
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def publish(
        self,
        repo: str,
        files: Path | dict[str, HubFile],
        *,
        private: bool = False,
        gated: bool = False,
        at: str = "",
    ) -> str:
        """Commit files to a repository, which is made when it is new; return the revision.

        ``at`` is the date of the commit, as ISO 8601; histories show it.
        """
        owner = repo.split("/")[0]
        home = self.repositories.setdefault(repo, HubRepository(owner))
        home.private, home.gated = private, gated
        return home.commit(hub_files(files) if isinstance(files, Path) else files, at=at)

    def fault_for(self, method: str, path: str) -> Fault:
        with self._lock:
            for fault in self.faults:
                if fault.matches(method, path):
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return NO_FAULT

    def record(self, served: Served) -> None:
        with self._lock:
            self.served.append(served)

    def file_bytes(self, name: str = "") -> int:
        """Bytes of files served so far, of all whose path ends with ``name``."""
        return sum(
            s.body_bytes
            for s in self.served
            if s.method == "GET" and "/resolve/" in s.path and s.path.endswith(name)
        )
