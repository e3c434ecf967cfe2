"""Assumptions about costs of taking part and gains from compute; all of them can be set.

Money is US dollars. Only ratios of costs to pay influence which owners earn more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs of taking part; assumptions, unless a source is named."""

    day_pay: float = 2_000.0  # of all miners of the competition together
    # Registration of one hotkey. The price moves with demand; this is 0.5 % of a day's pay.
    registration: float = 10.0
    # A hotkey without pay for so many days loses its place: there are 256, and others register.
    lifetime_days: float = 10.0
    # Upload of one model: 16 GB (8 billion weights of 2 bytes) sent once, and stored a month at
    # about 0.02 dollars a GB, the list price of object storage.
    upload: float = 0.5
    running_day: float = 2.0  # an owner's machine that watches the chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Gains from compute, which diminish with the budget and with the progress made.

    A budget of x dollars lowers the loss by ``scale * ln(1 + x / unit) * room``, where room is 1
    for the untuned base and 0 at ``floor`` of its loss; the outcome has a standard deviation of
    half of that and 0.05 %. With the defaults, 20, 100 and 400 dollars give 0.28, 0.72 and 1.2 %
    at first, and 0.14, 0.36 and 0.6 % half way.
    """

    scale: float = 0.004
    unit: float = 20.0  # dollars: eight hours of a GPU for 2.50
    floor: float = 0.6
    base_gain_day: float = 0.002  # gain of subnet 9's base in a day

    def expected(self, level: float, base: float, budget: float) -> float:
        """Return the expected relative gain of a budget on a model of loss ``level``."""
        room = max(0.0, (level / base - self.floor) / (1 - self.floor))
        return self.scale * math.log1p(budget / self.unit) * room


def assumed(changes: Iterable[str]) -> tuple[Costs, Training]:
    """Return the assumptions with some of them changed, each as ``name=value``.

    Raises:
        ValueError: The name does not exist, or the value is not a finite number that it may have.
    """
    costs, training = Costs(), Training()
    ours, theirs = ({f.name for f in fields(of)} for of in (Costs, Training))
    for change in changes:
        name, _, text = change.partition("=")
        if name not in ours | theirs:
            raise ValueError(f"{change}: choose from {', '.join(sorted(ours | theirs))}")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{change}: expected a number, for example {name}=1.5")
        if (name == "unit" and value == 0) or (name == "floor" and value >= 1):
            limits = "more than 0" if name == "unit" else "less than 1"
            raise ValueError(f"{change}: expected {limits}")
        if name in ours:
            costs = replace(costs, **{name: value})
        else:
            training = replace(training, **{name: value})
    return costs, training
