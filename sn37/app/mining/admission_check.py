"""Admission checks of a validator, made one after the other for a miner."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path, PurePath
from types import MappingProxyType

from sn37.app.errors import CommandError
from sn37.app.mining.miner_tools import MinerTools
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.ids import Seed
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.methods import SCORED_METHODS, Method
from sn37.domain.scoring.jobs import ScoringJob
from sn37.domain.scoring.worst_loss import are_too_many, bounded, num_lost
from sn37.domain.submission.admission import AdmissionStep, Examined
from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.tasks.instructions import LEAST_RULES, instructions
from sn37.domain.tasks.questions import draw_questions
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.ports.scorer import Scorer

# Several lengths and alphabets, because tokenizers and templates differ most in rare cases.
TRIAL = (
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Add 2 and 3.", "5"),
    ("Write 'bonjour' in Greek letters.", "μπονζούρ — with an accent on the ύ."),
    ("Name three colours,\none a line.", "red\ngreen\nblue"),
)
MOST_TRIAL_TOKENS = 32  # of a generated answer: it must be possible, its content does not count


class Status(StrEnum):
    """Outcome of one check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One check and its outcome: a line of the table."""

    step: AdmissionStep
    status: Status
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A commit on the Hugging Face Hub."""

    repo: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Model to check, the rules, and which checks to make."""

    target: Path | Repository
    rules: Competition
    tools: MinerTools
    tokenizer: Path | None
    weights: bool
    loading: bool


async def run_check(request: Request) -> tuple[Examined, tuple[Row, ...]]:
    """Make the checks up to the first that fails, as far as this machine can.

    Raises:
        CommandError: The folder cannot be read.
        StoreUnavailable: The hub or the disk failed; the same command continues.
    """
    skipped: dict[AdmissionStep, str] = {}
    if not request.weights:
        skipped[AdmissionStep.WEIGHTS] = "left out by --no-weights"
        skipped[AdmissionStep.LOADING] = "needs the weights, which --no-weights leaves out"
    noted: dict[AdmissionStep, str] = {}
    with ExitStack() as cleanup:
        examined = await _examine(request, cleanup)
        if examined.artifact is not None:
            positions = request.tools.positions_of(examined.artifact)
            noted[AdmissionStep.LIMITS] = window_note(positions, request.rules)
            examined = await _load(request, examined, skipped)
    local = isinstance(request.target, Path)
    leave_out = {AdmissionStep.REPOSITORY} if local else set[AdmissionStep]()
    return examined, rows_of(examined, leave_out=leave_out, skipped=skipped, noted=noted)


def window_note(positions: int | None, rules: Competition) -> str:
    """Return a warning if the model has fewer positions than the competition's window, or ""."""
    window = rules.constraints.max_tokens
    if positions is None or positions >= window:
        return ""
    price = "8 bits a byte" if rules.tokenizer is None else "what a uniform guess costs"
    return (
        f"it has {positions} positions, fewer than the competition's window of {window} tokens: "
        f"text beyond its positions costs {price}"
    )


async def _examine(request: Request, cleanup: ExitStack) -> Examined:
    """Make all checks but the loading. ``cleanup`` removes the files downloaded for them."""
    limits = request.rules.constraints
    match request.target:
        case Path() as folder:
            try:
                return request.tools.examine_folder(folder, limits, weights=request.weights)
            except OSError as error:
                raise CommandError(f"{folder}: {error.strerror or error}") from error
        case Repository(repo=repo, commit=commit):
            examiner = request.tools.examiner()
            examined = await examiner.examine(repo, commit, limits, weights=request.weights)
            cleanup.callback(examiner.discard, repo, commit)
            return examined


async def _load(
    request: Request, examined: Examined, skipped: dict[AdmissionStep, str]
) -> Examined:
    """Load the admitted model as a round would, if this machine can."""
    methods = SCORED_METHODS & {task.method for task in request.rules.tasks}
    tokenizer = await _tokenizer(request) if request.loading else None
    prescribed = request.rules.tokenizer
    if not request.loading:
        skipped[AdmissionStep.LOADING] = "left out by --no-loading"
    elif any(find_spec(name) is None for name in ("torch", "transformers")):
        skipped[AdmissionStep.LOADING] = "needs sn37[scorer]: pip install 'sn37[scorer]'"
    elif not methods:
        skipped[AdmissionStep.LOADING] = "this version cannot score any of the tasks"
    elif prescribed is not None and tokenizer is None:
        skipped[AdmissionStep.LOADING] = (
            f"the competition's tokenizer {prescribed.repo} is not here: give --tokenizer FOLDER"
        )
    if AdmissionStep.LOADING in skipped or examined.artifact is None:
        return examined
    scorer = request.tools.scorer()
    try:
        return await try_out(
            scorer,
            examined,
            examined.artifact,
            request.rules,
            methods=methods,
            tokenizer=tokenizer,
        )
    except ScorerUnavailable as error:
        skipped[AdmissionStep.LOADING] = f"this machine cannot score: {error}"
        return examined
    finally:
        await scorer.aclose()


async def _tokenizer(request: Request) -> Path | None:
    """Return the folder of the prescribed tokenizer, if there is one and it is available."""
    if request.rules.tokenizer is None:
        return None
    if request.tokenizer is not None:
        return request.tokenizer
    online = not isinstance(request.target, Path)  # checking a folder uses no network
    found = await request.tools.prescribed_tokenizer(request.rules.tokenizer, online=online)
    return None if found is None else Path(found)


def rows_of(
    examined: Examined,
    *,
    leave_out: Collection[AdmissionStep] = (),
    skipped: Mapping[AdmissionStep, str],
    noted: Mapping[AdmissionStep, str] = MappingProxyType({}),
) -> tuple[Row, ...]:
    """Return the rows of all checks in their order.

    Args:
        leave_out: Checks that do not apply.
        skipped: Reasons for checks that were not made, other than the model's faults.
        noted: Notes for the miner on checks that passed.
    """
    rows, refusal = list[Row](), examined.refusal
    for step in AdmissionStep:
        if step in leave_out:
            continue
        if step in examined.passed:
            note = noted.get(step, "")
            rows.append(Row(step=step, status=Status.PASSED, detail=note))
        elif refusal is not None:
            rows.append(
                Row(step=step, status=Status.FAILED, reason=refusal.reason, detail=refusal.detail)
            )
            refusal = None
        else:
            why = "" if examined.refusal else skipped.get(step, "")
            rows.append(Row(step=step, status=Status.NOT_REACHED, detail=why))
    return tuple(rows)


def trial_samples(method: Method) -> tuple[Sample, ...]:
    """Return a few samples that a task of this method can be scored on."""
    if method is Method.INSTRUCTION_RULES:
        make = partial(instructions, least_rules=LEAST_RULES, most_rules=LEAST_RULES)
        return draw_questions("trial", make, count=len(TRIAL), seed=Seed(0))
    choices = tuple(text for _, text in TRIAL) if method.traits.is_choice else ()
    return tuple(
        Sample(
            prompt=prompt,
            reference=text,
            choices=choices,
            provenance=Provenance(row_id=f"trial-{number}"),
        )
        for number, (prompt, text) in enumerate(TRIAL)
    )


async def try_out(
    scorer: Scorer,
    examined: Examined,
    artifact: ModelArtifact,
    rules: Competition,
    *,
    methods: Collection[Method],
    tokenizer: PurePath | None,
) -> Examined:
    """Score a few samples of the competition's tasks as in a round; return the result.

    Raises:
        ScorerUnavailable: This machine cannot score; that says nothing about the model.
    """
    job = ScoringJob(
        artifact=artifact,
        constraints=rules.constraints,
        batches=tuple(
            TaskBatch(task=task.name, method=task.method, samples=trial_samples(task.method))
            for task in rules.tasks
            if task.method in methods
        ),
        timeout_s=rules.timeout_s,
        tokenizer=tokenizer,
        template=rules.template,
        budgets={t: min(most, MOST_TRIAL_TOKENS) for t, most in rules.answer_budgets.items()},
        stop=rules.stop,
    )
    try:
        async with aclosing(scorer.score(job)) as stream:
            losses = tuple([bounded(block, rules) async for block in stream])
    except ModelRejected as error:
        return replace(examined, refusal=Violation(reason=error.reason, detail=str(error)))
    if are_too_many(lost := num_lost(losses, rules), sum(len(b.losses) for b in losses)):
        detail = f"{lost} losses are NaN or infinite"
        return replace(examined, refusal=Violation(reason=Reason.NON_FINITE, detail=detail))
    return replace(examined, passed=(*examined.passed, AdmissionStep.LOADING))
