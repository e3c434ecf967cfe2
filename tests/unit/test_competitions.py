"""Reading a schedule: what it becomes, and how each mistake in it is told."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from sn37.app.samples.plugins import SIMNET_SOURCE
from sn37.app.schedule.advice import (
    competition_lines,
    leverage_lines,
    unburnt_lines,
    undecided_lines,
    warnings,
)
from sn37.app.schedule.load import PRESETS, ScheduleError, load_schedule, preset_of
from sn37.domain.ids import Block, CompetitionId, Digest, Hotkey, TaskName
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.epsilon import FixedEpsilon, LinearEpsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import NormLimits
from sn37.domain.schedule.normalization import InverseExponential
from sn37.domain.schedule.schedule import CommitmentFormat, StandingsRule
from sn37.testing.builders import a_competition, a_schedule, a_stage
from tests.support.small_schedule import BURN, SMALL


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(SMALL)
    return path


def error_of(path: Path, old: str, new: str) -> str:
    """What is said about the small schedule after one edit, without the folder's name."""
    assert old in SMALL
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(ScheduleError) as caught:
        load_schedule(path)
    return str(caught.value).removeprefix(f"{path.parent}/")


def test_a_file_becomes_values_of_the_domain(file: Path) -> None:
    schedule = load_schedule(file).schedule
    words, other = schedule.at(Block(100))
    assert (words.reward_share, other.reward_share) == (0.75, 0.25)
    assert words.epsilon == FixedEpsilon(0.01)
    assert other.epsilon == LinearEpsilon(start=0.05, stop=0.01, decay_blocks=7200)
    assert words.tasks[0].source.parameters == {"words": ("a", "b"), "limit": 3}
    assert words.tasks[0].method is Method.REFERENCE_LOSS


def test_t45_limits_of_weights_are_the_schedule_s_and_part_of_its_fingerprint(file: Path) -> None:
    plain = load_schedule(file)
    (limits, _) = (one.constraints.norms for one in plain.schedule.at(Block(100)))
    assert limits == NormLimits()
    table = "norms = { soft = 100.0, soft_share = 0.2, hard = 500.0, largest_bias = 77.0 }"
    file.write_text(SMALL.replace("max_tokens = 64", f"max_tokens = 64\n{table}"))
    changed = load_schedule(file)
    words, _ = changed.schedule.at(Block(100))
    assert words.constraints.norms == NormLimits(
        soft=100.0, soft_share=0.2, hard=500.0, largest_bias=77.0
    )
    assert changed.fingerprint != plain.fingerprint
    assert "100 in an embedding or output layer, 10000 in a scale, 77 in a bias" in " ".join(
        competition_lines(words)
    )


def test_a_network_in_transition_can_be_written_in_a_file(file: Path) -> None:
    for standings in StandingsRule:
        for text in CommitmentFormat:
            rules = f'standings = "{standings.value}"\ncommitment_format = "{text.value}"\n'
            file.write_text(rules + SMALL)
            schedule = load_schedule(file).schedule
            assert (schedule.standings, schedule.commitment_format) == (standings, text)


def test_a_competition_takes_what_it_does_not_give_from_its_base(file: Path) -> None:
    words, other = load_schedule(file).schedule.at(Block(100))
    assert other.id == CompetitionId(2)
    assert (other.tasks, other.constraints) == (words.tasks, words.constraints)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "words = 0.75",
            "words = 0.65",
            "rules.toml, line 34: stages.0.shares: "
            "stage from block 100: reward shares sum to 0.9, not 1",
        ),
        (
            "delay_blocks = 1200",
            "delay_blocks = 1199",
            "rules.toml, line 9: competitions.words.delay_blocks: competition 1, task pairs: "
            "delay_blocks 1199 (14388 s) is shorter than max_age_s 14400",
        ),
        (
            'source = "feed"',
            'source = "food"',
            "rules.toml, line 21: competitions.words.tasks.0.source: "
            "task pairs: source 'food' is not declared; declared: feed",
        ),
        (
            "num_samples = 32",
            "num_smaples = 32",
            "rules.toml, line 24: competitions.words.tasks.0.num_smaples: "
            "unknown key; did you mean 'num_samples'?",
        ),
        (
            "num_samples = 32",
            "",
            "rules.toml, line 19: competitions.words.tasks.0.num_samples: "
            "the key 'num_samples' is missing",
        ),
        (
            "epsilon = 0.01",
            "epsilon = 0.01\nepsillon = 1",
            "rules.toml, line 12: competitions.words.epsillon: "
            "unknown key; did you mean 'epsilon'?",
        ),
        (
            "timeout_s = 20",
            "timeout_s = ",
            "rules.toml, line 10: not TOML: Invalid value (at line 10, column 13)",
        ),
        (
            "max_tokens = 64",
            'max_tokens = "64"',
            "rules.toml, line 16: competitions.words.constraints.max_tokens: "
            "expected a whole number, not '64'",
        ),
        (
            "max_tokens = 64",
            "max_tokens = 1",
            "rules.toml, line 16: competitions.words.constraints.max_tokens: "
            "max_bytes 4000 or max_tokens 1 too small",
        ),
        (
            "max_bytes = 4000",
            "max_bytes = 0",
            "rules.toml, line 15: competitions.words.constraints.max_bytes: "
            "max_bytes 0 or max_tokens 64 too small",
        ),
        (
            "max_parameters = 1000",
            "max_parameters = -1",
            "rules.toml, line 14: competitions.words.constraints.max_parameters: "
            "parameters: 0 .. -1 is not a range",
        ),
        (
            "epsilon = 0.01",
            "epsilon = 1.0",
            "rules.toml, line 11: competitions.words.epsilon: "
            "epsilon must be at least 0 and below 1, not 1.0",
        ),
        (
            'name = "pairs"',
            'name = "weight"\nlevel = -1.0',
            "rules.toml, line 21: competitions.words.tasks.0.level: "
            "task weight: level -1.0 must be positive",
        ),
        (
            "weight = 1.0",
            "weight = 0.9",
            "rules.toml, line 19: competitions.words.tasks: "
            "competition 1: task weights sum to 0.9, not 1",
        ),
        (
            "weight = 1.0",
            "weight = nan",
            "rules.toml, line 23: competitions.words.tasks.0.weight: "
            "expected a finite number, not nan",
        ),
        (
            'method = "reference_loss"',
            'method = "luck"',
            "rules.toml, line 22: competitions.words.tasks.0.method: expected "
            "'reference_loss', 'text_loss', 'multiple_choice', 'choice_text', "
            "'generated_choice' or 'instruction_rules', not 'luck'",
        ),
        (
            "stop = 0.01",
            "stop = 0.06",
            "rules.toml, line 30: competitions.other.epsilon: epsilon must not grow: 0.05 -> 0.06",
        ),
        (
            'base = "words"',
            'base = "wrods"',
            "rules.toml, line 27: competitions.other.base: "
            "'wrods' is not the name of a competition table above this one; those above: words",
        ),
        (
            'base = "words"',
            'base = { repo = "a/b" }',
            "rules.toml, line 27: competitions.other.base: {'repo': 'a/b'} "
            "is not the name of a competition table above this one; those above: words",
        ),
        (
            "[sources.feed]",
            'standings = "average"\n[sources.feed]',
            "rules.toml, line 1: standings: expected 'window' or 'moving_average', not 'average'",
        ),
        (
            "[sources.feed]",
            "commitment_format = 1\n[sources.feed]",
            "rules.toml, line 1: commitment_format: expected 'v1' or 'v2', not 1",
        ),
        (
            "max_age_s = 14400",
            "max_age_s = 14400\nmin_signers = -1",
            "rules.toml, line 4: sources.feed.min_signers: source feed: "
            "min_signers -1 must not be negative",
        ),
        (
            "max_age_s = 14400",
            "max_age_s = 14400\nmin_signers = 1",
            "rules.toml, line 4: sources.feed.min_signers: source feed: min_signers 1 is for "
            "signed sources; set signers_netuid or remove min_signers",
        ),
        (
            "other = 0.25",
            "others = 0.25",
            "rules.toml, line 34: stages.0.shares.others: "
            "no competition table has this name; declared: words, other",
        ),
        (
            "max_age_s = 14400",
            "",
            "rules.toml, line 1: sources.feed: source feed: a live source needs max_age_s > 0",
        ),
        (
            "limit = 3",
            "limit = 2026-01-01",
            "rules.toml, line 4: sources.feed.parameters: parameter 'limit' must be text, "
            "a number, true, false or a list of them",
        ),
        (
            "[sources.feed]",
            "warmup_rounds = 0\n[sources.feed]",
            "rules.toml, line 1: warmup_rounds: "
            "schedule: max_new_entries and warmup_rounds must be at least 1",
        ),
        (
            "[sources.feed]",
            "[timing]\nsettle = 400\n[sources.feed]",
            "rules.toml, line 2: timing.settle: "
            "need 0 < freeze_lead < settle < cadence, not 50, 400, 360",
        ),
    ],
)
def test_a_mistake_is_told_with_line_key_and_reason(
    file: Path, old: str, new: str, said: str
) -> None:
    assert error_of(file, old, new) == said


def test_stages_must_come_in_the_order_of_their_blocks(file: Path) -> None:
    stage = "\n[[stages]]\nfrom_block = 100\nshares = { words = 1.0 }\n"
    file.write_text(SMALL + stage)
    with pytest.raises(
        ScheduleError, match=r"line 32: stages: schedule: from_block must grow strictly"
    ):
        load_schedule(file)


def test_the_first_of_several_mistakes_is_told(file: Path) -> None:
    file.write_text(SMALL.replace("id = 1", 'id = "1"').replace("weight = 1.0", "weight = true"))
    with pytest.raises(ScheduleError, match=r"line 7: competitions\.words\.id"):
        load_schedule(file)


def test_a_template_that_cannot_be_rendered_is_told_with_line_and_competition(file: Path) -> None:
    file.write_text(SMALL.replace("epsilon = 0.01\n", 'epsilon = 0.01\ntemplate = "{{ x"\n', 1))
    asked: list[str] = []

    def problem(template: str) -> str | None:
        asked.append(template)
        return None if len(asked) == 1 else "it does not end"

    load_schedule(file, template_problem=problem)
    assert asked == ["{{ x"]  # the second competition takes it from its base: rendered once
    with pytest.raises(ScheduleError) as caught:
        load_schedule(file, template_problem=problem)
    assert str(caught.value).endswith(
        "rules.toml, line 12: competitions.words.template: it does not end"
    )
    load_schedule(file)


def test_a_template_that_was_not_rendered_is_a_warning(file: Path) -> None:
    file.write_text(SMALL.replace("epsilon = 0.01\n", 'epsilon = 0.01\ntemplate = "{{ x"\n', 1))
    schedule = load_schedule(file).schedule
    said = warnings(schedule, renders_templates=False)
    assert [line.partition(": ")[2] for line in said if "WORDS" in line] == [
        "its chat template was not rendered, jinja2 is missing: run pip install 'sn37[scorer]'"
    ]
    assert not any("rendered" in line for line in warnings(schedule))


@pytest.mark.parametrize("burn", ["hello", "5burn", BURN.replace("J", "K", 1)])
def test_a_burn_hotkey_that_is_not_an_address_is_refused(file: Path, burn: str) -> None:
    file.write_text(f'burn = "{burn}"\n{SMALL}')
    refused = f"line 1: burn: expected the SS58 address of a hotkey, such as 5F..., not '{burn}'"
    with pytest.raises(ScheduleError, match=re.escape(refused)):
        load_schedule(file)


def test_a_schedule_whose_rows_are_all_signed_should_name_a_burn_hotkey(file: Path) -> None:
    signed = SMALL.replace("max_age_s = 14400", "max_age_s = 14400\nsigners_netuid = 18")
    burning = f'burn = "{BURN}"\n{signed}'
    unsigned = '[sources.more]\nfreshness = "none"\n\n[competitions.words]'
    both = signed.replace("[competitions.words]", unsigned, 1).replace(
        "[competitions.other]",
        '[[competitions.words.tasks]]\nname = "more"\nsource = "more"\nweight = 0.5\n'
        'method = "reference_loss"\nnum_samples = 32\n\n[competitions.other]',
    )
    both = both.replace("weight = 1.0", "weight = 0.5")
    for text, is_told in ((SMALL, False), (signed, True), (burning, False), (both, False)):
        file.write_text(text)
        told = warnings(load_schedule(file).schedule)
        assert any(line.startswith("from block 100, burn is not set") for line in told) is is_told


def test_withheld_rows_must_not_pay_the_champion_of_another_competition() -> None:
    signed, plain = (a_competition(number, reward_share=0.5) for number in (1, 2))
    task = signed.tasks[0]
    signed = replace(
        signed,
        tasks=(
            replace(task, weight=0.5),
            replace(
                task,
                name=TaskName("more"),
                weight=0.5,
                source=replace(task.source, signers_netuid=18),
            ),
        ),
    )
    (line,) = unburnt_lines(a_schedule(a_stage(signed, plain)))
    assert line.startswith("from block ")
    assert f"burn is not set, and {signed.name} can be kept from being judged" in line
    assert not unburnt_lines(replace(a_schedule(a_stage(signed, plain)), burn=Hotkey("ash")))
    whole = replace(signed, reward_share=1.0)
    assert not unburnt_lines(a_schedule(a_stage(whole)))


def test_a_file_that_is_not_there_is_told_with_the_presets(tmp_path: Path) -> None:
    with pytest.raises(ScheduleError, match="No such file or directory; presets: finney, simnet, "):
        load_schedule(tmp_path / "absent.toml")


def test_a_file_that_is_not_text_is_told(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ScheduleError, match="not UTF-8"):
        load_schedule(file)


def test_how_a_schedule_is_written_does_not_change_its_fingerprint(file: Path) -> None:
    first = load_schedule(file)
    file.write_text(
        "# the same\n" + SMALL.replace("words", "renamed").replace("= 20\n", "= 20.0\n")
    )
    # The parameter called "words" is part of the rules; the name of a table is not.
    file.write_text(file.read_text().replace("renamed = [", "words = ["))
    assert load_schedule(file).fingerprint == first.fingerprint


def test_a_default_that_is_written_out_does_not_change_the_fingerprint(file: Path) -> None:
    first = load_schedule(file)
    file.write_text("netuid = 37\nwarmup_rounds = 8\n" + SMALL)
    assert load_schedule(file).fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.01", "0.011"),
        ("num_samples = 32", "num_samples = 33"),
        ("from_block = 100", "from_block = 101"),
    ],
)
def test_a_rule_that_changes_changes_the_fingerprint(file: Path, old: str, new: str) -> None:
    first = load_schedule(file)
    file.write_text(SMALL.replace(old, new, 1))
    assert load_schedule(file).fingerprint != first.fingerprint


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_read(preset: str) -> None:
    loaded = load_schedule(preset)
    assert loaded.origin == f"preset {preset}"
    assert loaded.schedule.netuid == 37


def test_simnet_runs_on_its_own_source_alone() -> None:
    stages = load_schedule("simnet").schedule.stages
    assert len(stages) == 2
    tasks = [task for stage in stages for c in stage.competitions for task in c.tasks]
    assert {task.source.name for task in tasks} == {SIMNET_SOURCE}


def test_only_the_simulated_network_has_a_preset_of_its_own() -> None:
    assert [preset_of(n) for n in ("finney", "test", "local", "ws://127.0.0.1:9944", "simnet")] == [
        "finney", "finney", "finney", "finney", "simnet",
    ]  # fmt: skip


def test_the_mainnet_preset_has_the_published_rules() -> None:
    schedule = load_schedule("finney").schedule
    by_id = {c.id: c for stage in schedule.stages for c in stage.competitions}
    assert {i: c.name for i, c in by_id.items()} == {
        1: "SN9_MODEL", 2: "B7_MULTI_CHOICE", 3: "INSTRUCT_8B", 4: "DISTILLED_REASONING_3B",
    }  # fmt: skip
    assert [c.delay_blocks for _, c in sorted(by_id.items())] == [1200, 460, 1600, 460]
    assert [c.constraints.max_tokens for _, c in sorted(by_id.items())] == [4096, 4096, 4096, 16384]
    assert [c.constraints.max_bytes >> 30 for _, c in sorted(by_id.items())] == [15, 15, 20, 15]
    assert [[t.weight for t in c.tasks] for _, c in sorted(by_id.items())] == [
        [1.0], [0.75, 0.05, 0.1, 0.1], [0.3, 0.05, 0.35, 0.3], [0.5, 0.5],
    ]  # fmt: skip
    assert by_id[CompetitionId(3)].tokenizer is None
    assert by_id[CompetitionId(2)].tasks[1].normalization == InverseExponential(40.0)
    live = {
        t.source.name
        for c in by_id.values()
        for t in c.tasks
        if t.source.freshness is Freshness.LIVE
    }
    assert live == {"sn18", "sn1"}


def test_a_base_model_is_read_shown_and_should_be_pinned_by_its_weights(tmp_path: Path) -> None:
    text = (files("sn37.app") / "schedules/simnet.toml").read_text()
    digest = Digest("ab" * 32)
    pinned = tmp_path / "pinned.toml"
    pinned.write_text(text.replace("reserve = 0.5 }", f'tensor_digest = "{digest}" }}'))
    plain, ours = (load_schedule(s).schedule.at(Block(0))[0] for s in ("simnet", pinned))
    assert plain.base_model is not None
    assert (plain.base_model.tensor_digest, plain.base_model.reserve) == (None, 0.5)
    assert ours.base_model == replace(plain.base_model, tensor_digest=digest, reserve=1.0)
    assert any("is more than 6 deviations" in line for line in competition_lines(ours))
    told = [warnings(load_schedule(s).schedule) for s in ("simnet", pinned)]
    assert any("is pinned only by its commit" in line for line in told[0])
    assert not any("base model" in line for line in told[1])


def test_a_base_model_that_cannot_be_is_refused_with_its_line(tmp_path: Path) -> None:
    text = (files("sn37.app") / "schedules/simnet.toml").read_text()
    moved = tmp_path / "moved.toml"
    moved.write_text(text.replace("5b1f0c6f3d0a4e7d9c2b8a71e64f30d2c95e8b17", "main"))
    with pytest.raises(ScheduleError, match=r"line \d+: .*base_model: revision 'main'"):
        load_schedule(moved)


def test_every_task_of_simnet_has_a_level_and_no_gain_is_lost() -> None:
    schedule = load_schedule("simnet").schedule
    tasks = [(c.name, t) for stage in schedule.stages for c in stage.competitions for t in c.tasks]
    assert all(task.level is not None for _, task in tasks)
    assert len(leverage_lines(schedule)) == len({(name, task.name) for name, task in tasks})
    assert undecided_lines(schedule) == ()
