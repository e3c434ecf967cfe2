"""A validator in miniature on a poorer host; prints as JSON what its worker told.

``python small_validator.py ENTRY TEMPLATE MODEL LIMITATION...`` where a limitation is ``nobody``
(an ordinary user), ``container`` (no new namespaces and no mounts, as docker's default) or
``changed`` (it had more layers when it was asked).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import aclosing
from pathlib import Path

from sn37.adapters.scoring.sandbox import privileges, seccomp
from sn37.adapters.scoring.sandbox.layers import Layer, Sandbox
from sn37.adapters.scoring.sandbox.policy import Guard, Policy
from sn37.adapters.scoring.sandbox.probe import probe
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.testing import builders

NOBODY = 65534
NAMESPACES = 0x7E020080
DOCKER = Policy(
    denied=("unshare", "setns", "mount", "umount2", "pivot_root", "ptrace"),
    absent=("clone3",),
    guards=(Guard(call="clone", argument=0, mask=NAMESPACES, value=0, when_equal=False),),
)


def restrict(limitation: str) -> None:
    """Give up what such a host does not give."""
    match limitation:
        case "nobody" if os.geteuid() == 0:
            os.setgroups(())
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        case "container":
            privileges.gain_no_more()
            seccomp.install(DOCKER)


async def main(entry: str, template: str, model: str, *limitations: str) -> dict[str, str]:
    """Score once; what the worker told."""
    found = Sandbox(layers=frozenset(Layer), landlock_abi=1)
    scorer = WorkerScorer(
        device="cpu",
        dtype="float32",
        threads=1,
        entry=entry,
        probe=(lambda: found) if "changed" in limitations else probe,
        search_path=(Path(__file__).parent,),
    )
    given = {**json.loads(template), "pid": str(os.getpid())}
    job = builders.a_job(
        artifact=builders.an_artifact(path=Path(model)), template=json.dumps(given)
    )
    async with aclosing(scorer.score(job)) as blocks:
        num_blocks = len([block async for block in blocks])
    assert num_blocks == len(job.blocks())
    await scorer.aclose()
    return dict(scorer.environment())


if __name__ == "__main__":
    for word in sys.argv[4:]:
        restrict(word)
    sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:]))))
