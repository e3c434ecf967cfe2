"""The miner's command line in a process of its own, killed at one moment."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from typing import Any

from sn37.adapters.simnet.chain.ledger import Ledger
from sn37.adapters.simnet.host.publisher import FolderPublisher
from sn37.adapters.simnet.host.repositories import FolderRepositories
from sn37.app.cli import miner
from sn37.app.mining.commitment_note import NotedWriter

Call = Callable[..., Any]


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, count: int = 1) -> Callable[[], None]:
    """Die instead of the ``count``-th call."""

    def arm() -> None:
        original: Call = getattr(owner, name)
        left = [count]

        def dying(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            return die() if not left[0] else original(*args, **kwargs)

        setattr(owner, name, dying)

    return arm


def after(owner: Any, name: str) -> Callable[[], None]:
    """Die once the first call has returned."""

    def arm() -> None:
        original: Call = getattr(owner, name)

        def dying(*args: Any, **kwargs: Any) -> Any:
            original(*args, **kwargs)
            die()

        setattr(owner, name, dying)

    return arm


MOMENTS = {
    "before the upload": before(FolderRepositories, "push"),
    "between two files of the upload": before(shutil, "copyfile", count=3),
    "with the files and no settings": before(FolderRepositories, "_write"),
    "with the upload done": after(FolderPublisher, "_upload"),
    "before the note": before(NotedWriter, "_write"),
    "with the note and nothing sent": after(NotedWriter, "_write"),
    "with the commitment signed": before(Ledger, "submit"),
    "with the commitment in the pool": after(Ledger, "submit"),
    "with the commitment in a block": after(Ledger, "produce"),
    "before the repository is public": before(FolderRepositories, "set_visibility"),
    "with the repository public": after(FolderRepositories, "set_visibility"),
}


def run_until_killed(moment: str, args: Sequence[str]) -> int:
    """Exit code of the command in a fork of this process, which has the imports behind it."""
    pid = os.fork()
    if pid == 0:
        try:
            MOMENTS[moment]()
            miner.main(args)
        finally:
            os._exit(0)  # it was not killed
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
