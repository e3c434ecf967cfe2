"""A small schedule around one data source, for its author to try on the simulated network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sn37.app.config.toml_writer import key_text, value_text
from sn37.app.errors import UsageError
from sn37.app.schedule.pins import BRANCH, WRITTEN
from sn37.domain.ids import is_commit
from sn37.domain.printable import printable
from sn37.domain.schedule.competition import Freshness, ParameterValue, Source
from sn37.domain.schedule.methods import LossUnit, Method
from sn37.ports.dataset import Description, ParameterDescription

DELAY_BLOCKS = 1200  # of simnet: 4 hours
MAX_NEW_TOKENS = 128  # of generated answers; simnet's models read 512 tokens
MAX_AGE_S = 14_400  # of live rows; data is always younger than the models

_UNITS = {
    LossUnit.TEXT: "A loss is in bits per byte.",
    LossUnit.GUESS: "A loss of 1 is guessing among the options.",
    LossUnit.SHARE: "A loss is the share of what is wrong in an answer.",
}

_COMPETITION = f"""\
# Simnet's miners of competition 2 take part, whose models bring their own tokenizers.
# {{unit}}
[competitions.trial]
id = 2
name = "TRIAL"
summary = "A trial of one data source." # for people
delay_blocks = {DELAY_BLOCKS} # between a commitment and its first round
timeout_s = 30 # for scoring one model
epsilon = {{ start = 0.02, stop = 0.005, decay_blocks = 7200 }} # margin of a challenger
constraints = {{ max_parameters = 1000000, max_bytes = 12582912, max_tokens = 512, \
architectures = ["LlamaForCausalLM"] }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource:
    """The source of a new schedule."""

    name: str
    freshness: Freshness
    description: Description | None
    parameters: Mapping[str, ParameterValue]  # that the author gives

    @property
    def is_open(self) -> bool:
        """True if its revision is a branch, until ``sn37 schedule pin`` has been called."""
        revision = self.parameters.get("revision")
        return revision is not None and not is_commit(str(revision))

    def with_branch(self) -> NewSource:
        """Return the source with a branch as its revision, if it needs one and has none."""
        needs = any(p.name == "revision" and p.is_required for p in self._described)
        return replace(self, parameters={"revision": BRANCH, **self.parameters}) if needs else self

    def missing(self) -> Sequence[ParameterDescription]:
        """Return the required parameters that the author has not given."""
        later = WRITTEN if self.is_open else frozenset[str]()
        there = self.parameters.keys() | later
        return [p for p in self._described if p.is_required and p.name not in there]

    def not_given(self) -> Sequence[ParameterDescription]:
        """Return the parameters that the author may add, for comments."""
        return [p for p in self._described if p.name not in self.parameters]

    @property
    def _described(self) -> Sequence[ParameterDescription]:
        return () if self.description is None else self.description.parameters


def source_of(new: NewSource) -> Source:
    """Return the source as the new schedule has it."""
    return Source(
        name=new.name,
        freshness=new.freshness,
        max_age_s=MAX_AGE_S if new.freshness is Freshness.LIVE else 0,
        parameters=new.parameters,
    )


def method_named(name: str) -> Method:
    """Return a method of the command line.

    Raises:
        UsageError: The method does not exist; lists those that do.
    """
    if name in set(Method):
        return Method(name)
    raise UsageError(f"--method {name}: expected one of {', '.join(sorted(Method))}")


def method_for(source: NewSource, wanted: Method | None) -> Method:
    """Return the method of the task: as wanted, else as the plug-in says."""
    return wanted or (source.description.method if source.description else Method.REFERENCE_LOSS)


def new_schedule(source: NewSource, method: Method, *, num_samples: int, file: str) -> str:
    """Return the text of the schedule.

    Args:
        num_samples: Of the task.
        file: Name of its file, for the commands in its comments.
    """
    return "\n".join(_lines(source, method, num_samples, printable(file)))


def _lines(source: NewSource, method: Method, num_samples: int, file: str) -> Iterator[str]:
    is_live = source.freshness is Freshness.LIVE
    yield "# A schedule around one data source, for the simulated network. Try it with"
    if source.is_open:
        yield f"#   sn37 schedule pin {file}"
    yield f"#   sn37 schedule check {file}"
    yield (
        f"#   sn37 validator --network simnet --schedule {file} --rounds 1"
        f"{' --start-time now' if is_live else ''}"
    )
    yield "# docs/schedules.md explains every key."
    yield ""
    yield "netuid = 37"
    yield "warmup_rounds = 1 # weights follow from the first round on"
    yield ""
    yield "[timing]"
    yield "genesis = 0 # a round begins every 360 blocks from here"
    yield ""
    yield from _source(source, is_live=is_live)
    yield ""
    yield _COMPETITION.replace("{unit}", _UNITS[method.traits.unit])
    yield "[[competitions.trial.tasks]]"
    yield f"name = {value_text(source.name)}"
    yield f"source = {value_text(source.name)}"
    yield f"method = {value_text(method.value)}"
    yield "weight = 1.0"
    yield f"num_samples = {num_samples}"
    if method.traits.is_generated:
        yield f"max_new_tokens = {MAX_NEW_TOKENS} # of an answer"
    yield ""
    yield "[[stages]]"
    yield "from_block = 0"
    yield "shares = { trial = 1.0 }"
    yield ""


def _source(source: NewSource, *, is_live: bool) -> Iterator[str]:
    name = key_text(source.name)
    yield f"[sources.{name}]"
    yield f"freshness = {value_text(source.freshness.value)}"
    if is_live:
        yield f"max_age_s = {MAX_AGE_S} # of the oldest row; no older than the youngest model"
        yield "# signers_netuid = 18   # for signed rows: the subnet whose validators sign them"
    if not source.not_given() and not source.parameters:
        return
    yield ""
    yield f"[sources.{name}.parameters]"
    for key, value in source.parameters.items():
        yield f"{key_text(key)} = {value_text(value)}"
    for parameter in source.not_given():
        yield f"# {_as_comment(parameter)}"


def _as_comment(parameter: ParameterDescription) -> str:
    default = "..." if parameter.default is None else value_text(parameter.default)
    return printable(f"{key_text(parameter.name)} = {default} # {parameter.takes}")
