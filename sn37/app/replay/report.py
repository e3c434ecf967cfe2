"""Report of a replay, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sn37
from sn37.app.replay.rescored import TOLERANCE, Agreement, Pair, Rescored
from sn37.domain.canonical import JsonValue, as_json
from sn37.domain.ids import Hotkey
from sn37.domain.printable import one_line
from sn37.domain.records.receipt import Receipt
from sn37.domain.scoring.opinion import CHOICE_MEAN_TOLERANCE, GENERATED_GAIN


class Signature(StrEnum):
    """Result of checking a receipt's signature."""

    VALID = "valid"
    INVALID = "not valid"
    NONE = "none: the file has only the document, without a signature"
    UNCHECKED = "not checked: needs bittensor: run pip install 'sn37[chain]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A receipt's losses then and now, with its signature and validator."""

    found: Rescored
    signature: Signature
    validator: Hotkey | None

    @property
    def is_good(self) -> bool:
        """True if all bits are equal, or, in another environment, within tolerance."""
        if self.signature is Signature.INVALID:
            return False
        if self.found.agreement is Agreement.WITHIN:
            return bool(self.found.other_surroundings)
        return self.found.agreement is Agreement.EQUAL

    @property
    def verdict(self) -> str:
        """Conclusion about the losses, in one line."""
        if self.found.agreement is Agreement.EQUAL:
            return "the losses are equal, to the last bit"
        if self.found.agreement is Agreement.BEYOND:
            return "the losses are not those of this model on these samples"
        if self.is_good:
            return f"the losses agree as between two devices: means within {self._tolerance}"
        return (
            f"the means agree within {self._tolerance}, but with the same device and libraries all "
            "bits should: a digit was changed, or the processor is of another kind"
        )

    @property
    def _tolerance(self) -> str:
        tasks, parts = self.found.tasks, [f"{TOLERANCE:.2%}"]
        if any(task.is_choice and not task.is_generated for task in tasks):
            parts.append(f"those of questions within {CHOICE_MEAN_TOLERANCE:g}")
        if any(task.is_generated for task in tasks):
            parts.append(f"generated answers gained at most {GENERATED_GAIN:g}")
        return ", ".join(parts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Differences between then and now that may explain different losses."""
        then = self.found.receipt.code_version
        code = () if then == sn37.__version__ else (("sn37", (then, sn37.__version__)),)
        return tuple(
            one_line(f"{name} was {before}, here it is {now}")
            for name, (before, now) in (*code, *self.found.other_surroundings.items())
        )

    def lines(self) -> list[str]:
        """Return the lines of the report: header, table, conclusion."""
        found = self.found
        lines = [
            *_header(found.receipt, self.signature, self.validator),
            *(f"warning: {line}" for line in self.warnings),
            f"{'task':<20} {'samples':>7} {'equal':>7} {'mean then':>12} {'mean now':>12} shift",
            *(
                f"{task.task:<20} {task.num_samples:>7} {task.num_equal:>7} "
                f"{task.recorded:>12.6f} {task.rescored:>12.6f} {task.shift:+.4%}"
                for task in found.tasks
            ),
        ]
        if found.controls:
            equal = sum(then == now for then, now in found.controls)
            told = "agree" if found.controls_agree else "are not what this model costs"
            lines.append(f"controls: {equal} of {len(found.controls)} equal, they {told}")
        if found.num_right:
            then, now = (sum(side) for side in zip(*found.num_right, strict=True))
            lines.append(f"right answers: {then} then, {now} now")
        if found.first is not None:
            lines.append(f"first that differs: {_told(found.first)}")
        if found.first_beyond is not None and found.first_beyond != found.first:
            lines.append(f"first that differs by more than devices do: {_told(found.first_beyond)}")
        return [*lines, self.verdict]

    def document(self) -> dict[str, JsonValue]:
        """Return the report as JSON, with the environment of now."""
        found = self.found
        return {
            **_header_document(found.receipt, self.signature, self.validator),
            "good": self.is_good,
            "agreement": as_json(found.agreement),
            "verdict": self.verdict,
            "warnings": list(self.warnings),
            "tasks": {
                task.task: {
                    "num_samples": task.num_samples,
                    "num_equal": task.num_equal,
                    "recorded": as_json(task.recorded),
                    "rescored": as_json(task.rescored),
                    "shift": as_json(task.shift),
                }
                for task in found.tasks
            },
            "first_difference": as_json(found.first),
            "first_beyond_tolerance": as_json(found.first_beyond),
            "controls": {
                "num_controls": len(found.controls),
                "num_equal": sum(then == now for then, now in found.controls),
                "agree": found.controls_agree,
            },
            "environment": dict(found.environment),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A receipt whose manifest and losses fit its schedule; nothing was scored again."""

    receipt: Receipt
    signature: Signature
    validator: Hotkey | None
    schedule: str  # file or preset

    def lines(self) -> list[str]:
        """Return the lines of the report."""
        return [
            *_header(self.receipt, self.signature, self.validator),
            *(f"{task}: {len(losses)} losses" for task, losses in self.receipt.losses.items()),
            f"manifest and losses fit {self.schedule}; the losses were not computed again",
        ]

    def document(self) -> dict[str, JsonValue]:
        """Return the report as JSON."""
        return {
            **_header_document(self.receipt, self.signature, self.validator),
            "schedule": self.schedule,
            "num_losses": {task: len(losses) for task, losses in self.receipt.losses.items()},
        }


def _header(receipt: Receipt, signature: Signature, validator: Hotkey | None) -> list[str]:
    ref, hotkey = receipt.commitment.model, one_line(receipt.commitment.hotkey)
    by = f", of {one_line(validator)}" if validator else ""
    return [
        f"{receipt.round}, {hotkey}: {ref.repo} at {ref.revision[:12]}",
        f"signature {signature}{by}",
    ]


def _header_document(
    receipt: Receipt, signature: Signature, validator: Hotkey | None
) -> dict[str, JsonValue]:
    return {
        "competition": receipt.round.competition,
        "sync_block": receipt.round.sync_block,
        "hotkey": receipt.commitment.hotkey,
        "block": receipt.commitment.block,
        "signature": as_json(signature),
        "validator": validator,
    }


def _told(pair: Pair) -> str:
    return (
        f"task {pair.task}, sample {pair.position}, row {one_line(pair.row_id)}: "
        f"{pair.recorded!r} in the receipt, {pair.rescored!r} now"
    )
