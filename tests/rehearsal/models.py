"""Tiny models of the cast, trained for a moment, and the repositories made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from sn37.adapters.simnet.miners import roster
from sn37.adapters.simnet.miners.attackers import forge
from sn37.domain.ids import Block, Digest
from sn37.domain.submission.commitment import format_commitment, secure_hash
from sn37.domain.submission.models import ModelRef
from sn37.testing.tiny_models import save_model
from tests.integration.hub.hub_models import committed
from tests.integration.hub.hub_repositories import HubFile, hub_files
from tests.integration.hub.hub_state import Hub
from tests.rehearsal import texts
from tests.rehearsal.cast import SECOND, STEPS, TRICKS, WINNER, Attack, Miner

TERABYTE = 1 << 40
BATCH, RATE = 8, 2e-3
NOT_LEARNT = -100  # torch's label of a token without a loss
ENDS_EVERY = 5
_WEIGHTS = "model.safetensors"


def publish_models(hub: Hub, cast: Sequence[Miner], scratch: Path) -> Mapping[str, str]:
    """Publish every miner's repository; return the texts that they commit to, by name."""
    torch.set_num_threads(1)  # for models so small more only wait for each other
    disable_progress_bar()  # type: ignore[no-untyped-call]
    said: dict[str, str] = {}
    winners: dict[int, Path] = {}
    for miner in cast:
        folder = scratch / miner.name
        folder.mkdir(parents=True)
        if miner.attack is None:
            _train(folder, miner)
            if miner.family == WINNER:
                winners[miner.competition] = folder
            said[miner.name] = _publish(hub, miner, hub_files(folder))
        else:
            said[miner.name] = _attack(hub, miner, miner.attack, winners[miner.competition], folder)
    copied = {m.name: f"c{m.competition}-{WINNER}" for m in cast if m.attack is Attack.COPY}
    return said | {name: said[original] for name, original in copied.items()}


def _attack(hub: Hub, miner: Miner, attack: Attack, winner: Path, folder: Path) -> str:
    """Publish what a hostile miner has; return its text, except that of a copy."""
    trick = roster.Miner(
        name=miner.name,
        competition=miner.competition,
        committed=Block(0),
        source=WINNER,
        trick=TRICKS.get(attack, roster.Trick.NONE),
    )
    match attack:
        case Attack.COPY:
            return ""
        case Attack.GARBAGE:
            return "my model is the best"
        case Attack.PRIVATE | Attack.LATE | Attack.LIE:
            _train(folder, replace(miner, family=SECOND), seed=900 + 10 * len(attack))
        case _:
            forge(trick, winner, folder)
    files = hub_files(folder)
    if attack is Attack.CODE:
        files["modeling_mine.py"] = HubFile(b"import os\n")
    if attack is Attack.GIANT:
        files[_WEIGHTS] = replace(files[_WEIGHTS], claimed_size=TERABYTE)
    text = _publish(hub, miner, files, private=attack is Attack.PRIVATE)
    if attack is not Attack.LIE:
        return text
    commit = hub.repositories[miner.repo].head
    nothing = secure_hash(Digest("of other files"), miner.hotkey)
    wrong = ModelRef(repo=miner.repo, revision=commit, secure_hash=nothing)
    return format_commitment(wrong, miner.competition)


def _publish(hub: Hub, miner: Miner, files: dict[str, HubFile], *, private: bool = False) -> str:
    revision = hub.publish(miner.repo, files, private=private)
    model = committed(hub, miner.repo, revision, hotkey=miner.hotkey).model
    return format_commitment(model, miner.competition)


def _train(folder: Path, miner: Miner, *, seed: int | None = None) -> None:
    """Write a model of the miner's family, after as many steps as it trains for."""
    model = save_model(
        folder,
        miner.family,
        seed=miner.seed if seed is None else seed,
        max_position_embeddings=4_096,
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    for step in range(STEPS[miner.family]):
        numbers = range(step * BATCH, (step + 1) * BATCH)
        lines = [
            f"{texts.question(n * 37 % 9_973)} {texts.answer(n * 37 % 9_973)}" for n in numbers
        ]
        ids, labels = _batch([tokenizer.encode(line) for line in lines], tokenizer.eos_token_id)
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.bfloat16().save_pretrained(folder)


def _batch(rows: list[list[int]], end: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows, and the tokens that are learnt after each of theirs.

    One of them in ``ENDS_EVERY`` is the end of the text. So a model that knows little ends its
    answers soon, where it would repeat one word until the budget of tokens is spent.
    """
    length = 1 + max(map(len, rows))
    ids = torch.full((len(rows), length), end)
    labels = torch.full((len(rows), length), NOT_LEARNT)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        labels[place, : len(row) + 1] = ids[place, : len(row) + 1]
        labels[place, place % ENDS_EVERY : len(row) : ENDS_EVERY] = end
    return ids, labels
