"""Attacks by choice: who commits when, who is readable when, whose rows are drawn.

Each scenario plays one path and returns what happened to the honest entry, or to the attack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from sn37.app.simulate.losses import Array
from sn37.app.simulate.members import REPLIES, one_task, two_tasks
from sn37.app.simulate.network import Network, sync_block
from sn37.app.simulate.play import CHAMPION, HONEST, WARM, Ending, Model, Play, Setting
from sn37.domain.ids import Block, EntryKey
from sn37.domain.round.evidence import clipped_log_e_value, pooled
from sn37.domain.schedule.epsilon import FixedEpsilon, LinearEpsilon

Scenario = Callable[[Setting, int], Ending]


def power(setting: Setting, seed: int) -> Ending:
    """Play a truly better model without any other entry."""
    play = Play(setting, seed)
    play.warm()
    key = play.commit(HONEST, sync_block(WARM) - 300, Model(family="H", gain=setting.gain))
    return play.until_beaten(key, WARM)


def clones(
    setting: Setting,
    seed: int,
    *,
    cohorts: int = 4,
    size: int = 5,
    noise: float = 0.002,
    nulls: int = 0,
) -> Ending:
    """Play noisy clones of a contender that is not proven yet, in the rounds after its first.

    In every round ``nulls`` models, not better than the champion, are committed too.
    """
    play = Play(setting, seed)
    play.warm()
    key = play.commit(HONEST, sync_block(WARM) - 300, Model(family="H", gain=setting.gain))
    num_cohorts = 0

    def attack(number: int, has_joined: bool) -> None:
        nonlocal num_cohorts
        sync = sync_block(number)
        if has_joined and num_cohorts < cohorts:
            num_cohorts += 1
            for j in range(size):
                copy = Model(family="H", gain=setting.gain, noise=noise)
                play.commit(f"clone-{number}-{j}", sync - 200 + j, copy)
        for j in range(nulls):
            play.commit(f"null-{number}-{j}", sync - 100 + j, Model(family=f"N{number}-{j}"))

    return play.until_beaten(key, WARM, attack)


def successor(setting: Setting, seed: int) -> Ending:
    """Let the leading entry's hotkey commit a better model, beside a clone of the old one."""
    play = Play(setting, seed)
    play.warm()
    key = play.commit(HONEST, sync_block(WARM) - 300, Model(family="H", gain=setting.gain))
    since: int | None = None

    def attack(number: int, has_joined: bool) -> None:
        nonlocal since
        if not has_joined:
            return
        since = number if since is None else since
        sync = sync_block(number)
        if number == since:
            copy = Model(family="H", gain=setting.gain, noise=0.002)
            play.commit("clone", sync - 200, copy)
        if number == since + 4:
            better = Model(family="H2", gain=setting.gain * 1.5)
            play.commit(HONEST, sync - 200, better)

    return play.until_beaten(key, WARM, attack)


def abdication(setting: Setting, seed: int, *, sybils: int = 16, alarm: float = 6.0) -> Ending:
    """Let a champion that is about to lose commit again, with old private copies as heirs."""
    play = Play(setting, seed)
    own = Model(family="A", noise=0.002)
    play.commit("champion-0", 1, own)
    stock = [play.commit(f"sybil-{j:02d}", 2 + j, own) for j in range(sybils)]
    key, joined = None, None
    for number in range(WARM + setting.rounds):
        sync = sync_block(number)
        if number == WARM:
            key = play.commit(HONEST, sync - 300, Model(family="H", gain=setting.gain))
        champion = play.network.champion
        if key is not None and champion is not None and champion.hotkey != HONEST:
            evidence = play.network.evidence
            ours, theirs = evidence.get(champion, {}), evidence.get(key, {})
            if theirs and clipped_log_e_value(pooled(ours, theirs)) > alarm:
                play.commit(champion.hotkey, sync - 1, own)
        # From the honest entry's first round on, one more copy becomes readable in each round.
        shown = 0 if joined is None else number - joined + 1
        winner = play.round(number, private=stock[shown:])
        if key is not None and joined is None and key in play.network.entries:
            joined = number
        if joined is not None and winner is not None and winner.hotkey == HONEST:
            return Ending(winner=HONEST, rounds=number - joined + 1)
    return Ending(winner=None)


def attendance(setting: Setting, seed: int, *, threshold: float = 0.8) -> Ending:
    """Play an entry whose repository is readable only in rounds with a favourable draw."""
    play = Play(setting, seed)
    play.warm(4)
    champion = next(iter(play.models))
    key = play.commit("chooser", sync_block(4) - 300, Model(family="X", gain=setting.gain))
    error = setting.model.gain_sd / math.sqrt(setting.samples)
    for number in range(4, 4 + setting.rounds):
        play.draw()
        drawn = {k: play.losses(k) for k in (champion, key)}
        lead = 1 - math.fsum(drawn[key]) / math.fsum(drawn[champion])
        private = {key} if lead < threshold * error else set()
        winner = play.network.play(sync_block(number), drawn.__getitem__, private=private)
        if winner == key:
            return Ending(winner="chooser", rounds=number - 3)
        if play.network.submissions[key].retired:
            break
    return Ending(winner=None)


def odd_rows(setting: Setting, seed: int, *, share: float = 0.05, width: float = 20.0) -> Ending:
    """Play a truly better model, with some rows on which it differs more from the champion.

    The differences there are ``width`` times as large as on other rows, in both directions.
    """
    play = Play(setting, seed)
    play.warm(4)
    champion = next(iter(play.models))
    key = play.commit(HONEST, sync_block(4) - 300, Model(family="H", gain=setting.gain))
    joined = None
    for number in range(4, 4 + setting.rounds):
        play.draw()
        drawn = {k: np.array(play.losses(k)) for k in (champion, key)}
        odd = play.rng.random(setting.samples) < share
        swing = width * setting.model.gain_sd * play.rng.standard_normal(setting.samples)
        drawn[key][odd] += (play.scale * swing)[odd]
        told = {k: values.tolist() for k, values in drawn.items()}
        winner = play.network.play(sync_block(number), told.__getitem__)
        joined = number if joined is None and key in play.network.entries else joined
        if winner == key and joined is not None:
            return Ending(winner=HONEST, rounds=number - joined + 1)
    return Ending(winner=None)


def rare_losses(setting: Setting, seed: int, *, share: float = 0.03) -> Ending:
    """Play a model that is equal on average: far worse on a few rows, 0.9 % better on others."""
    play = Play(setting, seed)
    play.warm(4)
    champion = next(iter(play.models))
    key = play.commit("gambler", sync_block(4) - 300, Model(family="A"))
    for number in range(4, 4 + setting.rounds):
        play.draw()
        values = np.array(play.losses(champion))
        theirs = values * (1 - 0.009)
        bad = play.rng.random(setting.samples) < share
        theirs[bad] = values[bad] * (1 + 0.009 * (1 - share) / share)
        told = {champion: values.tolist(), key: theirs.tolist()}
        if play.network.play(sync_block(number), told.__getitem__) == key:
            return Ending(winner="gambler", rounds=number - 3)
    return Ending(winner=None)


def known_rows(
    setting: Setting,
    seed: int,
    *,
    signers: int = 5,
    friends: int = 1,
    share: float = 0.2,
    edge: float = 0.5,
    by_champion: bool = False,
) -> Ending:
    """Play a model that knows the rows of some signers, and is not better on all others.

    Args:
        signers: Number of signers of the task; those that are not friends sign equal shares.
        friends: Number of signers whose rows the model knows.
        share: Share of the sample that the friends sign together.
        edge: Share by which the model's loss is smaller on these rows.
        by_champion: The champion knows the rows, and the challenger is honest.
    """
    play = Play(setting, seed)
    play.warm(4)
    champion = next(iter(play.models))
    name = HONEST if by_champion else "friend"
    key = play.commit(name, sync_block(4) - 300, Model(family="X", gain=setting.gain))
    joined = None
    num = round(share * setting.samples)
    names: list[str | None] = [f"signer-{n % friends}" for n in range(num)]
    names += [f"signer-{friends + n % (signers - friends)}" for n in range(setting.samples - num)]
    for number in range(4, 4 + setting.rounds):
        play.draw()
        order = play.rng.permutation(setting.samples)
        drawn = {k: np.array(play.losses(k)) for k in (champion, key)}
        drawn[champion if by_champion else key][order < num] *= 1 - edge
        told = {k: values.tolist() for k, values in drawn.items()}
        by_row = [names[n] for n in order.tolist()]
        winner = play.network.play(sync_block(number), told.__getitem__, signers=by_row)
        joined = number if joined is None and key in play.network.entries else joined
        if winner == key and joined is not None:
            return Ending(winner=name, rounds=number - joined + 1)
    return Ending(winner=None)


def first_comer(setting: Setting, seed: int) -> Ending:
    """Commit the base model before all others, and a better model a little later."""
    epsilon = LinearEpsilon(start=0.05, stop=setting.epsilon, decay_blocks=36_000)
    network = Network(epsilon=epsilon, tasks=one_task(setting.samples))
    play = Play(setting, seed, network)
    play.commit(CHAMPION, sync_block(0), Model(family="A"))
    key = play.commit(HONEST, sync_block(0) + 150, Model(family="H", gain=setting.gain))
    return play.until_beaten(key, 0)


def backlog(setting: Setting, seed: int, *, copies: int = 240) -> Ending:
    """Commit copies of the champion one block before the honest entry.

    Their hotkeys commit again and again, so they have challenged before.
    """
    play = Play(setting, seed)
    play.warm()
    for j in range(copies):
        play.commit(f"copy-{j:03d}", sync_block(WARM) - 400, Model(family=f"C{j}"))
    number = WARM
    while any(key not in play.network.evidence for key in play.models):
        play.round(number)
        number += 1
    number += 21  # a day later, when all of them may challenge again
    for j in range(copies):
        play.commit(f"copy-{j:03d}", sync_block(number) - 301, Model(family=f"D{j}"))
    committed = sync_block(number) - 300
    key = play.commit(HONEST, committed, Model(family="H", gain=setting.gain))
    due = number
    while sync_block(due) < Block(committed + play.network.delay_blocks):
        due += 1
    for late in range(number, number + setting.rounds):
        play.round(late)
        if key in play.network.entries:
            return Ending(winner=HONEST, rounds=late - due + 1)
    return Ending(winner=None)


def specialist(setting: Setting, seed: int, *, elsewhere: float = 0.0) -> Ending:
    """Play a model that gains only in replies, so much that the score gains ``setting.gain``.

    It loses ``elsewhere`` on all other rows; its gain in replies makes up for that too.
    """
    play = Play(setting, seed)
    play.warm()
    weight = math.fsum(t.weight for t in play.network.tasks if t.name == REPLIES)
    gains = {REPLIES: (setting.gain + (1 - weight) * elsewhere) / weight}
    model = Model(family="H", gain=-elsewhere, gains=gains)
    return play.until_beaten(play.commit(HONEST, sync_block(WARM) - 300, model), WARM)


def with_two_tasks(scenario: Scenario) -> Scenario:
    """Return the scenario with two tasks: text is 70 % of the score, replies are the rest."""

    def play(setting: Setting, seed: int) -> Ending:
        return scenario(replace(setting, tasks=two_tasks), seed)

    play.__doc__ = getattr(scenario, "func", scenario).__doc__
    return play


def leaders(setting: Setting, seed: int, *, number: int = 8, lead: float = 0.006) -> Ending:
    """Play entries that are truly better, slightly above the margin, before a much better one."""
    play = Play(setting, seed)
    play.warm(6)
    for j in range(number):
        play.commit(f"leader-{j}", sync_block(6) - 300 + j, Model(family=f"L{j}", gain=lead))
    joined, key = None, None
    for number in range(6, 12 + setting.rounds):
        if number == 12:
            key = play.commit(HONEST, sync_block(12) - 300, Model(family="H", gain=setting.gain))
        winner = play.round(number)
        joined = number if joined is None and key in play.network.entries else joined
        if joined is not None and winner == key:
            return Ending(winner=HONEST, rounds=number - joined + 1)
    return Ending(winner=None)


def crowding_rows(
    setting: Setting,
    seed: int,
    *,
    number: int = 4,
    signers: int = 9,
    friends: int = 3,
    share: float = 0.45,
    edge: float = 0.02,
    places: int = 2,
) -> Ending:
    """Play earlier models that lead only on the rows of three friends, and fill all places.

    They are not better than the champion on the rows of the others. The honest entry, better by
    ``setting.gain``, is scored again only in a contender's place.
    """
    tasks = setting.tasks(setting.samples)
    network = Network(epsilon=FixedEpsilon(setting.epsilon), tasks=tasks, max_new_entries=places)
    play = Play(setting, seed, network)
    play.warm(4)
    num = round(share * setting.samples)
    names = [f"signer-{n % friends}" for n in range(num)]
    names += [f"signer-{friends + n % (signers - friends)}" for n in range(setting.samples - num)]
    known = {
        play.commit(f"friend-{j}", sync_block(4) - 300 + j, Model(family=f"F{j}"))
        for j in range(number)
    }
    joined, key = None, None
    for late in range(4, 10 + setting.rounds):
        if late == 10:
            key = play.commit(HONEST, sync_block(late) - 300, Model(family="H", gain=setting.gain))
        if late > 10:
            for j in range(places):
                play.commit(f"null-{late}-{j}", sync_block(late) - 100 + j, Model(family=f"N{j}"))
        play.draw()
        order = play.rng.permutation(setting.samples)
        factors = np.where(order < num, 1 - edge, 1.0)

        def told(entry: EntryKey, factors: Array = factors) -> list[float]:
            values = np.array(play.losses(entry))
            if entry in known:
                values *= factors
            found: list[float] = values.tolist()
            return found

        winner = network.play(sync_block(late), told, signers=[names[n] for n in order.tolist()])
        joined = late if joined is None and key in network.entries else joined
        if joined is not None and winner == key:
            return Ending(winner=HONEST, rounds=late - joined + 1)
        if winner in known:
            return Ending(winner="friend", rounds=late)
    return Ending(winner=None)


SCENARIOS: Mapping[str, Scenario] = {
    "power": power,
    "clones": clones,
    "noisy-clones": partial(clones, noise=0.02),
    "crowded-clones": partial(clones, nulls=8),
    "successor": successor,
    "abdication": abdication,
    "attendance": attendance,
    "odd-rows": odd_rows,
    "rare-losses": rare_losses,
    "known-rows": partial(known_rows, edge=0.1),
    "colluding-rows": partial(known_rows, signers=8, friends=3, share=0.15, edge=0.95),
    "tuned-rows": partial(known_rows, signers=9, friends=3, share=0.45, edge=0.055),
    "defended-rows": partial(
        known_rows, signers=9, friends=2, share=0.44, edge=0.95, by_champion=True
    ),
    "first-comer": first_comer,
    "leaders": leaders,
    "crowding-rows": crowding_rows,
    "backlog": backlog,
    "two-tasks": with_two_tasks(power),
    "two-task-clones": with_two_tasks(clones),
    "two-task-odd-rows": with_two_tasks(odd_rows),
    "two-task-abdication": with_two_tasks(abdication),
    "specialist": with_two_tasks(specialist),
    "lopsided": with_two_tasks(partial(specialist, elsewhere=0.03)),
}
