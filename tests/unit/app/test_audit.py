"""An audit finds whatever was changed in a record, and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.app.audit.signers import SignedPair
from sn37.app.cli import audit as cli_audit
from sn37.domain.canonical import canonical_json
from sn37.domain.data.batches import TaskBatch
from sn37.domain.ids import CompetitionId, Digest, Hotkey, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.round.comparing import SignerCase
from sn37.domain.round.even_signers import Share
from sn37.domain.round.evidence import LOG_EVEN_LEVEL
from sn37.domain.round.odd_signers import OriginGain
from sn37.domain.round.signers import Origin, SampleSigners
from sn37.domain.round.state import EntryResult, RoundResult
from sn37.domain.submission.submission import Verdict
from sn37.domain.weight_vector import WeightVector
from sn37.testing.builders import an_entry_key
from sn37.testing.fakes.chain import fake_signature
from sn37.testing.fakes.state_store import Memory
from tests.support.auditing import audit
from tests.support.fake_world import World

Change = Callable[[Memory], object]


def three_rounds() -> Memory:
    """A crown that passes on, a model raced out, one refused, one that is not finite."""
    world = World()
    world.miner("first", 1.0, block=100)
    world.miner("worse", 1.5, block=110)
    world.miner("broken", math.nan, block=120)
    world.miner("better", 0.9, block=450)
    world.run(rounds=3)
    return world.store.memory


@cache
def recorded() -> Memory:
    """Played once in a process; changed in copies only."""
    return three_rounds()


def after(change: Change) -> list[str]:
    memory = deepcopy(recorded())
    change(memory)
    return [str(d) for d in audit(memory).differences]


def next_digit(value: float) -> float:
    """The same number with its last bit changed."""
    return math.nextafter(value, math.inf)


def test_an_audit_says_after_each_record_how_far_it_is() -> None:
    said: list[tuple[str, int, int]] = []
    result = audit(recorded(), told=lambda *progress: said.append(progress))
    total = result.rounds + result.weights
    assert [done for _, done, _ in said] == [*range(1, total + 1)]
    assert {of for _, _, of in said} == {total}
    assert [what for what, _, _ in said] == [
        *["rounds"] * result.rounds,
        *["weights"] * result.weights,
    ]


def test_what_was_recorded_follows() -> None:
    result = audit(recorded())
    assert result.differences == ()
    assert (result.rounds, result.weights) == (3, 3)
    assert result.receipts == sum(map(len, recorded().receipts.values())) >= 5


def test_rounds_of_before_signers_were_recorded_follow_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sn37.app.actors.opener.signers_of", lambda batches: None)
    monkeypatch.setattr("sn37.app.actors.opener.premises_of", lambda *_, **__: None)
    memory = three_rounds()
    documents = [json.loads(r.document) for rs in memory.receipts.values() for r in rs]
    assert [d["version"] for d in documents] == [1] * len(documents)
    assert not any("signers" in d for d in documents)
    assert audit(memory).differences == ()


def test_the_cases_of_the_newest_crowns_are_shown_signer_by_signer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def signed(batches: Iterable[TaskBatch]) -> SampleSigners:
        return {
            b.task: tuple(Hotkey(f"signer {n % 4}") for n in range(len(b.samples))) for b in batches
        }

    monkeypatch.setattr("sn37.app.actors.opener.signers_of", signed)
    world = World()
    world.miner("first", 1.0, block=100)
    world.miner("better", 0.9, block=1100)
    world.miner("near", 0.95, block=1700)
    world.run(rounds=4)
    found = audit(world.store.memory, by_signer=True)
    assert found.differences == ()
    crowned, near = found.pairs
    assert (crowned.challenger, crowned.champion, crowned.took_the_crown) == (
        "better",
        "first",
        True,
    )
    assert [c.origin.signer for c in crowned.signers] == [f"signer {n}" for n in range(4)]
    assert all(c.better == pytest.approx(0.1, abs=0.05) for c in crowned.signers)
    shares = [c.share for c in crowned.signers if c.share is not None]
    assert (
        sorted(s.gain for s in shares)[1] == shares[0].median
    )  # the lower of the two in the middle
    assert [s.beyond for s in shares] == [max(0.0, s.gain - s.median) for s in shares]
    assert crowned.even_log_e is not None
    assert crowned.log_e is not None
    assert LOG_EVEN_LEVEL <= crowned.even_log_e <= crowned.log_e
    assert (near.challenger, near.champion) == ("near", "better")
    assert not near.took_the_crown
    assert audit(world.store.memory).pairs == ()


def test_after_a_restart_in_the_middle_it_follows_too() -> None:
    world = World()
    world.miner("first", 1.0)
    world.run(rounds=1)
    world.miner("better", 0.9, block=450)
    world.run(rounds=3)
    assert audit(world.store.memory).differences == ()


@settings(max_examples=50)
@given(st.data())
def test_a_changed_digit_of_any_loss_is_found(data: st.DataObject) -> None:
    memory = deepcopy(recorded())
    key = data.draw(st.sampled_from(sorted(k for k in memory.journal if k[1].hotkey != "broken")))
    blocks = memory.journal[key]
    position = data.draw(st.integers(0, len(blocks) - 1))
    losses = list(blocks[position].losses)
    sample = data.draw(st.integers(0, len(losses) - 1))
    losses[sample] = next_digit(losses[sample])
    blocks[position] = replace(blocks[position], losses=tuple(losses))
    found = [str(d) for d in audit(memory).differences]
    number = blocks[position].block.first + sample
    assert any(f"receipt of {key[1].hotkey}, losses, text {number}: " in line for line in found)


@pytest.mark.parametrize("huge", [1e39, 1e200, -1e200, math.inf, math.nan])
def test_a_loss_that_float32_cannot_hold_is_found_in_any_block(huge: float) -> None:
    for number in (0, 2):

        def change(memory: Memory, number: int = number) -> None:
            key = min(k for k in memory.journal if k[1].hotkey == "better")
            block = memory.journal[key][number]
            losses = (huge, *block.losses[1:])
            memory.journal[key][number] = replace(block, losses=losses)

        assert any("receipt of better, losses, text" in line for line in after(change))


def receipt(round_: int, name: str, value: object) -> Change:
    """Another value in the first receipt of a round, signed anew."""

    def change(memory: Memory) -> None:
        key = sorted(memory.receipts)[round_]
        old = memory.receipts[key][0]
        document = canonical_json({**json.loads(old.document), name: value})  # type: ignore[dict-item]
        signature = fake_signature(old.hotkey, sha256(document).hexdigest().encode())
        memory.receipts[key][0] = replace(old, document=document, signature=signature)

    return change


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("competition", 2),
        ("sync_block", 1),
        ("sync_hash", "0x00"),
        ("block", 99),
        ("hotkey", "stranger"),
        ("repo", "a/b"),
        ("revision", "0" * 40),
        ("secure_hash", "x"),
        ("tensor_digest", "0" * 64),
        ("manifest", {"text": []}),
        ("manifest_digest", "0" * 64),
        ("losses", {"text": [1.0]}),
        ("schedule_fingerprint", "0" * 64),
        ("version", 1),
        ("signers", {"hotkeys": ["x"], "samples": {"text": [0] * 320}}),
        ("version", 2),
        ("controls", []),
        ("opinion", {"view": "agrees", "detail": "", "samples": []}),
    ],
)
def test_a_changed_field_of_a_receipt_is_found(name: str, value: object) -> None:
    assert any("receipt" in line for line in after(receipt(1, name, value)))


def test_a_receipt_that_was_not_signed_like_this_is_found() -> None:
    def change(memory: Memory) -> None:
        key = min(memory.receipts)
        old = memory.receipts[key][0]
        document = old.document.replace(b'"version":3', b'"version":3 ')
        memory.receipts[key][0] = replace(old, document=document)

    assert any("its signature is not valid" in line for line in after(change))


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"hotkey":"a","block":"b"}', b"\xff"])
def test_a_receipt_that_cannot_be_read_is_found(document: bytes) -> None:
    def change(memory: Memory) -> None:
        receipts = memory.receipts[min(memory.receipts)]
        receipts[0] = replace(receipts[0], document=document)

    assert any("unreadable" in line for line in after(change))


def test_a_receipt_that_is_missing_or_there_twice_is_found() -> None:
    def lose(memory: Memory) -> None:
        memory.receipts[min(memory.receipts)].pop()

    def repeat(memory: Memory) -> None:
        receipts = memory.receipts[min(memory.receipts)]
        receipts.append(receipts[0])

    assert any("missing" in line for line in after(lose))
    assert any("a second one" in line for line in after(repeat))


def result(round_: int, change: Callable[[RoundResult], RoundResult]) -> Change:
    def apply(memory: Memory) -> None:
        key = sorted(memory.results)[round_]
        memory.results[key] = change(memory.results[key])

    return apply


def entry(position: int, change: Callable[[EntryResult], EntryResult]) -> Change:
    def apply(recorded: RoundResult) -> RoundResult:
        rows = list(recorded.entries)
        rows[position] = change(rows[position])
        return replace(recorded, entries=tuple(rows))

    return result(-1, apply)


def another_score(row: EntryResult) -> EntryResult:
    assert row.score is not None
    return replace(row, score=next_digit(row.score))


def another_raw_score(row: EntryResult) -> EntryResult:
    return replace(row, tasks=tuple(replace(t, raw=next_digit(t.raw)) for t in row.tasks))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (result(0, lambda r: replace(r, champion=an_entry_key("worse", 110))), "champion"),
        (result(2, lambda r: replace(r, champion=None)), "champion"),
        (result(1, lambda r: replace(r, manifest_digest=Digest("0" * 64))), "manifest_digest"),
        (result(1, lambda r: replace(r, entries=r.entries[:-1])), "length"),
        (result(1, lambda r: replace(r, skipped=Reason.HUB_UNAVAILABLE)), "champion"),
        (entry(0, another_score), "score"),
        (entry(0, another_raw_score), "raw"),
        (entry(0, lambda e: replace(e, num_samples=e.num_samples + 1)), "num_samples"),
        (entry(-1, lambda e: replace(e, verdict=Verdict.WAITING)), "verdict"),
        (entry(-1, lambda e: replace(e, reason=Reason.TIMEOUT)), "reason"),
        (entry(0, lambda e: replace(e, repo="a/b")), "repo"),
    ],
)
def test_a_changed_result_is_found(change: Change, told: str) -> None:
    assert any(told in line for line in after(change))


def test_a_crown_that_was_given_before_the_round_is_found() -> None:
    def change(memory: Memory) -> None:
        key = max(memory.plans)
        memory.plans[key] = replace(memory.plans[key], champion=an_entry_key("worse", 110))

    assert any("champion before" in line for line in after(change))


def test_a_changed_verdict_is_found() -> None:
    def change(memory: Memory) -> None:
        outcomes = memory.outcomes[min(memory.outcomes)]
        scored = next(k for k, o in outcomes.items() if o.verdict is Verdict.SCORED)
        outcomes[scored] = replace(
            outcomes[scored], verdict=Verdict.FAILED, reason=Reason.NON_FINITE
        )

    assert any("the entry's verdict is failed" in line for line in after(change))


@pytest.mark.parametrize("position", range(3))
def test_a_changed_weight_is_found(position: int) -> None:
    def change(memory: Memory) -> None:
        block = sorted(memory.weights)[position]
        record = memory.weights[block]
        (winner,) = record.weights.shares
        shares = {winner: 1.0 - 2**-40, Hotkey("thief"): 2**-40}
        memory.weights[block] = replace(record, weights=WeightVector(shares))

    assert any("weights of sync block" in line and "thief" in line for line in after(change))


def test_weights_that_rest_on_other_rounds_are_found() -> None:
    def change(memory: Memory) -> None:
        block = max(memory.weights)
        memory.weights[block] = replace(memory.weights[block], newest_rounds={})

    assert any("weights of sync block" in line for line in after(change))


def test_another_schedule_is_told_apart() -> None:
    differences = audit(recorded(), fingerprint="0").differences
    assert {d.where.rpartition(", ")[2] for d in differences} == {"schedule_fingerprint"}


def test_a_round_that_was_never_opened_is_found() -> None:
    def change(memory: Memory) -> None:
        del memory.plans[min(memory.plans)]

    assert any("never opened" in line for line in after(change))


def test_an_unknown_submission_is_found() -> None:
    def change(memory: Memory) -> None:
        del memory.submissions[an_entry_key("first", 100)]

    assert any("no such submission" in line for line in after(change))


def test_a_competition_that_the_schedule_does_not_have_is_found() -> None:
    def change(memory: Memory) -> None:
        key = min(memory.results)
        stranger = replace(key, competition=CompetitionId(9))
        memory.results[stranger] = replace(memory.results[key], key=stranger)

    assert any("no such competition in the schedule" in line for line in after(change))


def test_standings_follow_from_the_crowns_that_were_checked() -> None:
    """They are stored nowhere: weights are compared with those of the recorded crowns."""
    memory = deepcopy(recorded())
    first = min(memory.results)
    memory.results[first] = replace(memory.results[first], champion=an_entry_key("worse", 110))
    places = [d.where for d in audit(memory).differences]
    assert any(p.startswith(f"weights of sync block {first.sync_block}") for p in places)


def test_a_case_is_printed_signer_by_signer() -> None:
    gain = OriginGain(num_rows=60, gain=0.3, others_gain=0.02, z=5.4)
    case = SignerCase(
        origin=Origin(TaskName("text"), Hotkey("friend")),
        gain=gain,
        better=0.0201,
        log_e=3.21,
        is_odd=True,
        share=Share(gain=0.3, median=0.021),
    )
    level = replace(case, is_odd=False, share=Share(gain=0.021, median=0.021))
    alone = replace(case, gain=replace(gain, z=0.0), better=None, is_odd=False, share=None)
    pair = SignedPair(
        competition=CompetitionId(1),
        champion=Hotkey("old"),
        challenger=Hotkey("new"),
        took_the_crown=True,
        log_e=14.26,
        even_log_e=7.04,
        signers=(case, level, alone),
    )
    title, evidence, first, middle, last = cli_audit.lines_by_signer(pair)
    assert evidence == "  evidence 14.3 of 13.8, with even signers 7.0 of 6.9"
    assert title == "competition 1: new took the crown from old"
    assert first == (
        "  text  friend  60 rows  gain 30.00%, on other rows 2.00%, +5.4 standard errors; does not "
        "count; the median signer's is 2.10%, 27.90% taken off; without it 2.01% better, "
        "evidence 3.2"
    )
    assert "; the median signer's is 2.10%, nothing taken off; without it" in middle
    assert last.endswith("+0.0 standard errors; without it no row is left")
    nothing_counts = replace(pair, log_e=None, even_log_e=None)
    assert [line for line in cli_audit.lines_by_signer(nothing_counts) if "even" in line] == []
    unsigned = replace(pair, took_the_crown=False, signers=())
    assert list(cli_audit.lines_by_signer(unsigned)) == [
        "competition 1: new against old: no row that both were scored on was signed"
    ]
