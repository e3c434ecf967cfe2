"""List of a project's runs: pages of the host, of which only signed runs are kept.

Anyone who may write to the project can create runs that name a trusted hotkey, as many and with
as large a config as the host accepts. So each page is reduced to its signed runs before the next is
requested, and a run that cannot be parsed is only counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from sn37.adapters.dataset.signed_runs import MAX_RUNS_OF_A_SIGNER, signer_of
from sn37.adapters.dataset.wandb_messages import Query, RunFound, moment
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import Hotkey
from sn37.domain.known_facts import known

if TYPE_CHECKING:
    from wandb import Api
    from wandb.apis.public import Run

# Runs with a heartbeat in the window, signed or not: a thousand requests, which take as long as a
# read may. Subnet 18 has some twenty validators, so only an attack reaches this number.
MAX_LISTED = 20_000
RUNS_PER_PAGE = 20  # wandb advises against configs beyond 10 MB, and a page must fit into memory
MAX_CONFIG_BYTES = 64 << 10  # of one run that is looked at, and parsed, signed or not
MAX_CONFIG_CHARACTERS = 1000  # of a value
# Runs reported for one signer, the oldest first. The parent takes ``MAX_RUNS_OF_A_SIGNER`` by
# creation time and id; the others are needed if several were created in one second, because the
# host may list these in any order.
MAX_REPORTED_OF_A_SIGNER = 2 * MAX_RUNS_OF_A_SIGNER
# Fields of a run that its owner can make large, and that are not used.
_UNUSED = (
    "summaryMetrics",
    "systemMetrics",
    "historyKeys",
    "description",
    "notes",
    "tags",
)
_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")

Node = Mapping[str, JsonValue]


class NotAsExpected(Exception):
    """The host's answer is not a complete list of runs."""


def runs_of(api: Api, query: Query, left_out: Counter[str]) -> Iterator[tuple[RunFound, Run]]:
    """Return the runs that count, the oldest first; count the others by reason.

    Raises:
        NotAsExpected: The list is incomplete, or longer than ``MAX_LISTED``.
    """
    from wandb.apis.public import Run

    seen, num_runs = set[str](), Counter[str]()
    for node in _nodes(api, query):
        found = _run_found(node, query)
        if isinstance(found, str):
            left_out[found] += 1
            continue
        signer = found.config.get(query.signed_by[0], "") if query.signed_by else ""
        if signer and num_runs[signer] == MAX_REPORTED_OF_A_SIGNER:
            left_out["runs beyond their signer's number"] += 1
        elif found.id not in seen:
            seen.add(found.id)
            num_runs[signer] += 1
            # No field that its owner can make large, and nothing left to request.
            kept = {key: node[key] for key in ("id", "name", "projectId", "state") if key in node}
            yield found, Run(api._service_api, query.entity, query.project, found.id, kept)


def _nodes(api: Api, query: Query) -> Iterator[Node]:
    from wandb.apis.public import Runs

    class Nodes(Runs):
        """The client's pages, without its objects for runs, which parse the whole config."""

        def convert_objects(self) -> list[Node]:  # type: ignore[override]
            project = (self.last_response or {}).get("project")
            if project is None:
                raise NotAsExpected(f"could not find project {query.entity}/{query.project}")
            return [edge["node"] for edge in project["runs"]["edges"]]

        def _update_response(self) -> None:
            query = known(self.QUERY, "the client's constructor sets the query")
            self.last_response = self._service_api.execute_graphql(
                query, self.variables, omit_fields=_UNUSED
            )

    path = f"{query.entity}/{query.project}"
    pages = Nodes(
        api._service_api,
        query.entity,
        query.project,
        filters={"$and": _conditions(query)},
        order="+created_at",
        per_page=RUNS_PER_PAGE,
        lazy=False,
    )
    count, promised = 0, len(pages)
    while pages.objects:
        count += len(pages.objects)
        if count > MAX_LISTED:
            raise NotAsExpected(f"{path} has more than {MAX_LISTED} runs in the window")
        yield from cast(list[Node], pages.objects)
        pages.objects.clear()
        pages._load_page()
    # Runs may enter the window while it is listed, or be deleted.
    promised = min(promised, len(pages))
    if count < promised:
        raise NotAsExpected(f"{path} has {promised} runs in the window but lists only {count}")


def _conditions(query: Query) -> list[dict[str, object]]:
    conditions: list[dict[str, object]] = [
        {f"config.{key}": {"$in": list(values)}} for key, values in query.config.items()
    ]
    conditions.append({"heartbeatAt": {"$gte": _iso(query.since)}})
    conditions.append({"createdAt": {"$lt": _iso(query.until + 1)}})
    return conditions


def _run_found(node: Node, query: Query) -> RunFound | str:
    """Return a run that counts, or why it does not."""
    created, heartbeat = _seconds(node.get("createdAt")), _seconds(node.get("heartbeatAt"))
    name = node.get("name")
    if created is None or heartbeat is None or not _RUN_ID.fullmatch(str(name)):
        return "runs without an id or a time"
    config = _config(node.get("config"), query)
    if config is None:
        return "runs with a config that is too large"
    found = RunFound(id=str(name), config=config, created_at=created, heartbeat_at=heartbeat)
    if query.signed_by is not None:
        hotkey, signature = query.signed_by
        trusted = frozenset(map(Hotkey, query.config[hotkey]))
        if signer_of(found, hotkey=hotkey, signature=signature, trusted=trusted) is None:
            return "runs whose signature does not verify"
    return found


def _config(text: JsonValue, query: Query) -> dict[str, str] | None:
    """Return the wanted texts of a config; ``None`` if it is too large."""
    if not isinstance(text, str):
        return {}
    if len(text) > MAX_CONFIG_BYTES:
        return None
    try:
        config = json.loads(text)
    except (RecursionError, ValueError):
        return {}
    if not isinstance(config, dict):
        return {}
    wanted = {}
    for key in query.told:
        held = config.get(key)
        value = held["value"] if isinstance(held, dict) and "value" in held else held
        if isinstance(value, str) and len(value) <= MAX_CONFIG_CHARACTERS:
            wanted[key] = value
    return wanted


def _seconds(time: object) -> float | None:
    """Parse a time in the host's format, with or without the Z of UTC."""
    try:
        read = datetime.fromisoformat(str(time))
        seconds = read.replace(tzinfo=read.tzinfo or UTC).timestamp()
    except (OverflowError, ValueError):
        return None
    return seconds if moment(seconds) else None


def _iso(seconds: float) -> str:
    """Format a time for the host's index: whole seconds, with a Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
