"""``sn37 replay``: what it says of a receipt, and one line for whatever is wrong with it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

import sn37
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.errors import CommandError
from sn37.app.receipts.files import publish
from sn37.app.replay.inputs import texts_of
from sn37.app.replay.report import Replayed, Signature
from sn37.app.replay.rescored import Pair, Rescored
from sn37.app.schedule.load import load_schedule
from sn37.domain.canonical import canonical_digest, canonical_json
from sn37.domain.ids import Digest, Hotkey, TaskName
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.testing.builders import a_receipt, a_round_key, some_samples

SIMNET = load_schedule("simnet")
RULES = SIMNET.schedule.at(SIMNET.schedule.stages[0].from_block)[0]
TASK = RULES.tasks[0]


def a_whole_receipt() -> Receipt:
    """Of the first competition of simnet, with rows that no source has."""
    rows = tuple((f"row-{n}", Digest(f"{n:064x}")) for n in range(TASK.num_samples))
    key = a_round_key(RULES.id, 1800)
    receipt = a_receipt(key, manifest={TASK.name: rows})
    return replace(receipt, code_version=sn37.__version__, schedule_fingerprint=SIMNET.fingerprint)


def file_of(folder: Path, receipt: Receipt) -> str:
    (folder / "receipt.json").write_bytes(canonical_json(receipt.document()))
    return str(folder / "receipt.json")


def error_of(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> str:
    assert run(main.app, ["replay", *words], prog_name="sn37") == code
    found = capsys.readouterr().err
    assert found.count("\n") == 1
    return found


def test_what_is_no_receipt_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "receipt").write_text("{")
    assert "not JSON" in error_of(capsys, str(tmp_path / "receipt"))
    assert "No such file" in error_of(capsys, str(tmp_path / "absent"))
    assert "Is a directory" in error_of(capsys, str(tmp_path))


@pytest.mark.parametrize(
    ("change", "words", "told"),
    [
        (
            {"schedule_fingerprint": Digest("0" * 64)},
            ("--network", "simnet"),
            "follows schedule 0000000000000000, but preset simnet is",
        ),
        (
            {"schedule_fingerprint": Digest("0" * 64)},
            ("--network", "simnet"),
            "give the receipt's schedule with --schedule FILE, it came with sn37",
        ),
        (
            {},
            ("--network", "finney"),
            "that is preset simnet: give --network simnet",
        ),
        (
            {},
            ("--network", "simnet", "--schedule", "finney"),
            "that is preset simnet: leave out --schedule\n",
        ),
        (
            {},
            ("--network", "finney", "--schedule", "finney"),
            "that is preset simnet: leave out --schedule and give --network simnet\n",
        ),
        ({"round": a_round_key(9, 1800)}, ("--network", "simnet"), "has no competition 9 at"),
        (
            {"losses": {TASK.name: (1.0,)}},
            ("--network", "simnet"),
            "the receipt contradicts itself: its losses are not those of a round",
        ),
        (
            {"manifest_digest": Digest("0")},
            ("--network", "simnet"),
            "the receipt contradicts itself: its manifest does not match its digest",
        ),
    ],
)
def test_a_receipt_that_cannot_be_replayed_is_one_line(
    change: dict[str, object],
    words: tuple[str, ...],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receipt = replace(a_whole_receipt(), **change)  # type: ignore[arg-type]
    assert told in error_of(capsys, file_of(tmp_path, receipt), *words)


def test_a_schedule_that_is_not_there_is_a_wrong_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, a_whole_receipt())
    error = error_of(capsys, file, "--schedule", str(tmp_path / "absent"), code=2)
    assert "No such file" in error


def test_samples_are_read_from_what_data_sample_prints(tmp_path: Path) -> None:
    samples = some_samples(3)
    rows = [
        {"row_id": s.provenance.row_id, "prompt": s.prompt, "reference": s.reference, "time": "x"}
        for s in samples
    ]
    for number, document in enumerate((rows, {"source": "any", "samples": rows})):
        (tmp_path / str(number)).write_text(json.dumps(document))
        found = texts_of(tmp_path / str(number))
        assert [(s.provenance.row_id, s.content_hash) for s in found] == [
            (s.provenance.row_id, s.content_hash) for s in samples
        ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no rows of samples"),
        ("{}", "no rows of samples"),
        ("3", "expected a list"),
        ('[{"row_id": "a"}]', "row 0.prompt: missing"),
        ('[{"row_id": "a", "prompt": "", "reference": "b", "choices": ["b"]}]', "fewer than two"),
    ],
)
def test_a_file_without_samples_is_one_line(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "texts").write_text(text)
    with pytest.raises(CommandError, match=told):
        texts_of(tmp_path / "texts")
    with pytest.raises(CommandError, match="No such file"):
        texts_of(tmp_path / "absent")


def replayed(
    recorded: float = 1.5,
    *,
    now: float = 1.5,
    environment: dict[str, str] | None = None,
    signature: Signature = Signature.VALID,
) -> Replayed:
    text = TaskName("text")
    pairs = tuple(
        Pair(task=text, position=n, row_id=f"row-{n}\x1b", recorded=recorded, rescored=found)
        for n, found in enumerate((recorded, now))
    )
    receipt = replace(a_receipt(), code_version=sn37.__version__)
    found = Rescored(receipt=receipt, pairs=pairs, environment=environment or receipt.environment)
    return Replayed(found=found, signature=signature, validator=Hotkey("validator"))


def test_equal_losses_are_good_and_say_so() -> None:
    shown = replayed()
    assert shown.is_good
    assert shown.lines()[-1] == "the losses are equal, to the last bit"
    assert "signature valid, of validator" in shown.lines()
    document = shown.document()
    assert (document["good"], document["first_difference"]) == (True, None)


def test_a_changed_digit_is_named_with_both_losses() -> None:
    shown = replayed(now=math.nextafter(1.5, 2))
    assert not shown.is_good
    line = shown.lines()[-2]
    assert line.startswith("first that differs: task text, sample 1, row row-1")
    assert "1.5 in the receipt, 1.5000000000000002 now" in line
    assert "a digit was changed" in shown.verdict
    assert json.loads(json.dumps(shown.document()))["first_difference"]["position"] == 1


def test_on_another_device_losses_may_differ_a_little() -> None:
    shown = replayed(now=1.5001, environment={"device": "cuda", "dtype": "bfloat16"})
    assert shown.is_good
    assert "agree as between two devices" in shown.verdict
    assert shown.warnings == ("device was cpu, here it is cuda",)
    beyond = replayed(now=1.6, environment={"device": "cuda", "dtype": "bfloat16"})
    assert not beyond.is_good
    assert "are not those of this model" in beyond.verdict


def answered(
    recorded: float, now: float, *right: tuple[int, int], environment: dict[str, str]
) -> Replayed:
    """A replay of a receipt of questions with options."""
    shown = replayed(recorded, now=now, environment=environment)
    receipt = replace(shown.found.receipt, num_right={TaskName("text"): (2,)})
    return replace(shown, found=replace(shown.found, receipt=receipt, num_right=right))


def test_losses_of_questions_may_differ_by_as_much_near_zero_as_elsewhere() -> None:
    other = {"device": "cuda", "dtype": "bfloat16"}
    near = answered(0.007, 0.012, (2, 2), environment=other)
    assert near.is_good
    assert "means within 0.02%, those of questions within 0.005" in near.verdict
    assert "right answers: 2 then, 2 now" in near.lines()
    assert not answered(0.007, 0.018, (2, 2), environment=other).is_good  # of the mean, 0.0055
    assert not answered(0.007, math.nan, (2, 2), environment=other).is_good


def test_texts_beside_questions_leave_no_more_room_for_right_answers() -> None:
    other = {"device": "cuda", "dtype": "bfloat16"}
    shown = answered(0.007, 0.007, (2, 0), environment=other)
    texts = tuple(replace(p, task=TaskName("more")) for p in shown.found.pairs) * 200
    losses = {TaskName("text"): (0.007,) * 2, TaskName("more"): (0.007,) * len(texts)}
    receipt = replace(shown.found.receipt, losses=losses)
    found = replace(shown.found, receipt=receipt, pairs=(*shown.found.pairs, *texts))
    assert not found.answers_agree
    assert replace(found, num_right=((2, 1),)).answers_agree


def generated(*losses: tuple[float, float], environment: dict[str, str]) -> Replayed:
    """A replay of a receipt of generated answers, with a near-tie in each."""
    shown = replayed(environment=environment)
    signals = AnswerSignals(
        num_answers=len(losses), empty=0, repetitive=0, canned=0, near_ties=len(losses)
    )
    receipt = replace(shown.found.receipt, answers={TaskName("text"): (signals,)})
    pairs = tuple(
        replace(shown.found.pairs[0], position=n, recorded=recorded, rescored=now)
        for n, (recorded, now) in enumerate(losses)
    )
    return replace(shown, found=replace(shown.found, receipt=receipt, pairs=pairs))


def test_another_answer_on_another_device_accuses_nobody_but_a_large_gain_does() -> None:
    """A model with near-ties in all answers cannot make an honest receipt look forged."""
    same, other = {"dtype": "bfloat16", "device": "cpu"}, {"device": "cuda", "dtype": "bfloat16"}
    flipped = ((0.25, 1.0), (1.0, 0.25), (0.5, 0.5), (0.0, 0.75))
    shown = generated(*flipped, environment=other)
    assert shown.is_good
    assert "means within 0.02%, generated answers gained at most 0.5" in shown.verdict
    assert not generated(*flipped, environment=same).is_good
    assert not generated(*((0.0, 0.75),) * 4, environment=other).is_good
    assert generated(*((0.0, 0.75),) * 3, environment=other).is_good  # too few to say anything
    assert generated(*((0.75, 0.0),) * 4, environment=other).is_good  # nothing was gained


def test_right_answers_that_a_receipt_invents_are_found() -> None:
    same, other = {"dtype": "bfloat16", "device": "cpu"}, {"device": "cuda", "dtype": "bfloat16"}
    assert answered(0.7, 0.7, (2, 2), environment=same).is_good
    assert not answered(0.7, 0.7, (2, 1), environment=same).is_good
    assert answered(0.7, 0.7, (2, 1), environment=other).is_good  # one question may be a tie
    assert not answered(0.7, 0.7, (2, 1), (2, 1), environment=other).is_good


def test_the_first_of_many_small_differences_and_the_first_large_one_are_both_named() -> None:
    shown = replayed(now=1.6)
    pairs = (replace(shown.found.pairs[0], rescored=1.5001), shown.found.pairs[1])
    shown = replace(shown, found=replace(shown.found, pairs=pairs))
    assert [line.partition(":")[0] for line in shown.lines()[-3:-1]] == [
        "first that differs",
        "first that differs by more than devices do",
    ]


def test_a_loss_that_is_not_finite_can_be_told_in_json() -> None:
    document = json.dumps(replayed(now=math.nan).document(), allow_nan=False)
    assert json.loads(document)["tasks"]["text"]["rescored"] == "nan"


def test_a_signature_that_is_not_valid_is_never_good() -> None:
    assert not replayed(signature=Signature.INVALID).is_good
    assert replayed(signature=Signature.NONE).is_good


def test_another_version_of_the_program_is_a_warning() -> None:
    shown = replayed()
    receipt = replace(shown.found.receipt, code_version="0.0.1")
    shown = replace(shown, found=replace(shown.found, receipt=receipt))
    assert shown.warnings == (f"sn37 was 0.0.1, here it is {sn37.__version__}",)
    assert shown.is_good


def test_a_published_file_holds_what_was_signed() -> None:
    document = canonical_json(a_receipt().document())
    signed = SignedReceipt(document=document, hotkey=Hotkey("v"), signature=b"\x01" * 64)
    published = json.loads(publish(signed))
    assert canonical_digest(published["document"]) == a_receipt().digest
