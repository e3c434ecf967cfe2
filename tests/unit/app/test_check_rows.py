"""The table of ``sn37 check``, and what its command refuses to understand."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.mining import check_target
from sn37.app.mining.admission_check import TRIAL, Status, rows_of, trial_samples, try_out
from sn37.domain.data.batches import TaskBatch
from sn37.domain.ids import TaskName
from sn37.domain.reasons import Reason
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.choices import unaskable
from sn37.domain.submission.admission import AdmissionStep, Examined
from sn37.domain.submission.constraints import Violation
from sn37.domain.tasks.instruction_task import is_instruction_task
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing.builders import a_competition, an_artifact
from sn37.testing.fakes import FakeScorer

EARLY = (AdmissionStep.FILES, AdmissionStep.CONFIG)
LATE = tuple(step for step in AdmissionStep if step is not AdmissionStep.LOADING)
ARTIFACT = an_artifact()


def statuses(examined: Examined, **skipped: str) -> list[str]:
    rows = rows_of(
        examined,
        leave_out={AdmissionStep.REPOSITORY},
        skipped={AdmissionStep(name): why for name, why in skipped.items()},
    )
    return [row.status.value + (f" ({row.detail})" if row.detail else "") for row in rows]


def test_the_first_check_that_fails_is_the_last_that_is_made() -> None:
    refused = Examined(passed=EARLY, refusal=Violation(reason=Reason.BAD_HEADER, detail="a gap"))
    assert statuses(refused, loading="not here") == [
        "passed",
        "passed",
        "failed (a gap)",
        "not reached",
        "not reached",
        "not reached",
        "not reached",
    ]


def test_a_check_that_was_left_out_says_why() -> None:
    examined = Examined(passed=LATE, artifact=ARTIFACT)
    assert statuses(examined, loading="no torch")[-1] == "not reached (no torch)"


def test_every_check_says_what_it_looks_at() -> None:
    assert len({step.what for step in AdmissionStep}) == len(AdmissionStep)


async def tried(scorer: FakeScorer) -> Examined:
    return await try_out(
        scorer,
        Examined(passed=LATE, artifact=ARTIFACT),
        ARTIFACT,
        a_competition(),
        methods=frozenset(Method),
        tokenizer=None,
    )


async def test_a_model_that_scores_has_passed_every_check() -> None:
    assert (await tried(FakeScorer())).passed == tuple(AdmissionStep)


@pytest.mark.parametrize("method", Method)
def test_a_model_is_tried_on_samples_that_its_tasks_can_be_scored_on(method: Method) -> None:
    samples = trial_samples(method)
    assert len(samples) == len(TRIAL)
    assert unaskable(TaskBatch(task=TaskName("quiz"), method=method, samples=samples)) == ""
    is_rules = [is_instruction_task(sample.reference) for sample in samples]
    assert is_rules == [method is Method.INSTRUCTION_RULES] * len(TRIAL)


async def test_what_the_worker_refuses_is_refused() -> None:
    fault = ModelRejected("no chat template", reason=Reason.TEMPLATE)
    examined = await tried(FakeScorer(faults={ARTIFACT.ref.repo: fault}))
    assert examined.refusal == Violation(reason=Reason.TEMPLATE, detail="no chat template")
    row = rows_of(examined, skipped={})[-1]
    assert (row.step, row.status) == (AdmissionStep.LOADING, Status.FAILED)


async def test_t10_a_loss_that_is_no_number_is_refused() -> None:
    examined = await tried(FakeScorer(loss=lambda artifact, sample: float("nan")))
    assert examined.refusal is not None
    assert examined.refusal.reason is Reason.NON_FINITE


async def test_a_machine_that_cannot_score_says_nothing_about_the_model() -> None:
    with pytest.raises(ScorerUnavailable):
        await tried(FakeScorer(failures=[ScorerUnavailable("no device")]))


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["nothing", "--competition", "1"], 2, "no such folder; a repository is written"),
        (["file", "--competition", "1"], 2, "file is a file: name the folder that holds"),
        ([".", "--competition", "99"], 2, "not in preset finney; its competitions: 1,"),
        ([".", "--competition", "1", "--at", "0"], 2, "at block 0; its competitions: none"),
        ([".", "--competition", "1", "--tokenizer", "no/folder"], 2, "no such folder"),
        ([".", "--competition", "1", "--schedule", "x.toml", "--network", "local"], 1, "x.toml"),
        ([".", "--competition", "1"], 1, "run pip install 'sn37[hub]'"),
    ],
)
def test_what_is_wrong_with_a_call_is_one_line(
    arguments: list[str],
    code: int,
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr(check_target, "find_spec", lambda name: None)
    assert run(main.app, ["check", *arguments], prog_name="sn37") == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert expected in shown.err
    assert shown.err.count("\n") == 1
