"""Kill a validator on simnet at 200 random moments; it ends as one that nobody disturbed.

``python -m tests.soak.simnet_kills 200`` with the scorer that only pretends, which leaves the
moments to everything else; ``--worker`` takes the real one. ``--seed`` repeats a draw.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from sn37.adapters.simnet.miners.population import prepare
from sn37.adapters.telemetry.jsonl import JsonlSink
from sn37.app.audit.differences import compare
from tests.integration.simnet.killing import (
    FAKE,
    SEED,
    WORKER,
    Run,
    kill_randomly,
    leftovers,
    outcome,
    scored_twice,
    set_up_seconds,
    with_population,
)

SHOWN = 20  # differences


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing differs and nothing is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--worker", action="store_true", help="score with the real worker")
    options = parser.parse_args(arguments)
    module = WORKER if options.worker else FAKE
    tell(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        sink = JsonlSink(root / "set-up.jsonl")
        prepare(root / "population", seed=SEED, emit=sink)
        sink.close()
        undisturbed, killed = (
            Run(
                module=module,
                root=with_population(root / which, root / "population"),
                rounds=options.rounds,
            )
            for which in ("undisturbed", "killed")
        )
        undisturbed.finish()
        began = time.monotonic()
        hits = kill_randomly(
            killed,
            kills=options.kills,
            told=undisturbed.told(),
            set_up_s=set_up_seconds(undisturbed),
            seed=options.seed,
        )
        killed.finish()
        tell(f"{hits} kills in {time.monotonic() - began:.0f} s")
        expected, found = outcome(undisturbed), outcome(killed)
        different = compare("killed", found, expected)
        faults = [
            *(f"{d.where}: {d.recorded}, not {d.derived}" for d in islice(different, SHOWN)),
            *(f"left: {path}" for path in leftovers(killed)),
            *(f"scored twice: {block}" for block in scored_twice(killed)),
        ]
        told = ", ".join(f"{len(value)} {name}" for name, value in expected.items())
        tell("\n".join(faults) or f"nothing differs: {told}")
    return 1 if faults else 0


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
