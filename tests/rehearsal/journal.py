"""Events of a running validator, read from its files of events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sn37.adapters.telemetry.event_files import NewLines
from sn37.domain.round.state import ColdStart


class Journal:
    """The events of one validator; ``look`` takes in what is new.

    Rounds are pairs of competition and sync block.
    """

    def __init__(self, state_dir: Path) -> None:
        self._new_lines = NewLines(state_dir / "events.jsonl")
        self.head = 0  # the newest block that it has followed
        self.first_head = 0
        self.frozen: defaultdict[tuple[int, int], set[str]] = defaultdict(set)  # tasks, by round
        self.opened: set[tuple[int, int]] = set()
        self.finished: set[tuple[int, int]] = set()
        self.sat_out: dict[tuple[int, int], str] = {}
        self.degraded: list[str] = []
        self.weighed: dict[int, str] = {}  # extrinsics, by sync block
        self.follows_receipts = False  # it has begun with another validator's rounds

    def look(self) -> None:
        for line in self._new_lines():
            self._take(json.loads(line))

    def _take(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "HeadAdvanced":
                self.head = event["head"]["number"]
                self.first_head = self.first_head or self.head
            case "PoolFrozen":
                self.frozen[_round(event["round"])].add(event["task"])
            case "RoundOpened":
                self.opened.add(_round(event["plan"]["key"]))
            case "RoundFinished":
                self.finished.add(_round(event["result"]["key"]))
            case "RoundSatOut":
                self.sat_out[_round(event["round"])] = f"{event['reason']}: {event['detail']}"
            case "WeightsSubmitted":
                self.weighed[event["sync_block"]] = event["extrinsic"]
            case "ColdStarted":
                self.follows_receipts = event["beginning"]["way"] == ColdStart.RECEIPTS
            case "Degraded":
                self.degraded.append(f"{event['what']}: {event['error']}")


def _round(key: Mapping[str, int]) -> tuple[int, int]:
    return key["competition"], key["sync_block"]
