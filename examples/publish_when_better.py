"""Publish a model only when it is expected to take the crown soon.

python examples/publish_when_better.py my-model NAMESPACE/NAME --competition 1
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sn37.app import api
from sn37.app.api import sync


def main(args: Sequence[str] | None = None) -> int:
    """Evaluate, then publish; 0 when the model is on its way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("repo")
    parser.add_argument("--competition", type=int, required=True)
    parser.add_argument("--network", default="simnet")
    parser.add_argument("--state-dir", type=Path)
    parser.add_argument("--schedule", type=Path)
    parser.add_argument("--most-rounds", type=int, default=20)
    parser.add_argument("--allow-weak-sandbox", action="store_true", default=None)
    asked = parser.parse_args(args)
    try:
        settings = api.settings(
            network=asked.network,
            state_dir=asked.state_dir,
            schedule=asked.schedule,
            allow_weak_sandbox=asked.allow_weak_sandbox,
        )
        found = sync.evaluate(settings, asked.model, competition=asked.competition)
        print(found.finding)
        if found.refusal or found.same_as:
            return 1
        if found.duel is not None:
            rounds = found.duel.outlook.rounds
            if rounds is None or rounds > asked.most_rounds:
                return 1
        report = sync.publish(
            settings, asked.model, asked.repo, competition=asked.competition, tell=print
        )
    except (api.CommandError, api.PortError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"committed by {report.hotkey}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
