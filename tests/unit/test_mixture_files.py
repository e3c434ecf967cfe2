"""Mixtures in schedule files: what they become, how they are shown, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.app.schedule.advice import competition_lines, warnings
from sn37.app.schedule.load import LoadedSchedule, ScheduleError, load_schedule

FILE = """\
[sources.feed]
freshness = "live"
max_age_s = 14400
[sources.pages]
freshness = "none"
[sources.quiz]
freshness = "none"

[competitions.words]
id = 1
name = "WORDS"
delay_blocks = 1200
timeout_s = 20
epsilon = 0.01

[competitions.words.constraints]
max_parameters = 1000
max_bytes = 4000
max_tokens = 64
architectures = ["LlamaForCausalLM"]

[[competitions.words.tasks]]
name = "words"
method = "reference_loss"
weight = 1.0
num_samples = 100
mixture = { feed = 2, pages = 1, quiz = 0.5 }

[[stages]]
from_block = 100
shares = { words = 1.0 }
"""
MIXTURE = "mixture = { feed = 2, pages = 1, quiz = 0.5 }"


def loaded(folder: Path, *edits: tuple[str, str]) -> LoadedSchedule:
    text = FILE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "rules.toml"
    path.write_text(text)
    return load_schedule(path)


def test_a_mixture_becomes_a_task_for_each_source(tmp_path: Path) -> None:
    (rules,) = loaded(tmp_path).schedule.stages[0].competitions
    assert [(t.name, t.source.name, t.num_samples) for t in rules.tasks] == [
        ("words/feed", "feed", 57),
        ("words/pages", "pages", 29),
        ("words/quiz", "quiz", 14),
    ]


def test_it_is_shown_as_one_task_with_the_samples_of_each_source(tmp_path: Path) -> None:
    (rules,) = (
        loaded(tmp_path, (MIXTURE, f"level = 2.5\n{MIXTURE}")).schedule.stages[0].competitions
    )
    assert list(competition_lines(rules))[-4:] == [
        "  1 x words: reference_loss, 100 samples of a mixture of 3 sources, level 2.5",
        "      57 of feed (freshness live, rows at most 14400 s old)",
        "      29 of pages (freshness none)",
        "      14 of quiz (freshness none)",
    ]


def test_a_level_for_each_source_is_shown_beside_it(tmp_path: Path) -> None:
    levels = f"level = {{ feed = 0.5, pages = 0.75, quiz = 4 }}\n{MIXTURE}"
    (rules,) = loaded(tmp_path, (MIXTURE, levels)).schedule.stages[0].competitions
    assert [task.level for task in rules.tasks] == [0.5, 0.75, 4.0]
    assert list(competition_lines(rules))[-4:] == [
        "  1 x words: reference_loss, 100 samples of a mixture of 3 sources",
        "      57 of feed (freshness live, rows at most 14400 s old), level 0.5",
        "      29 of pages (freshness none), level 0.75",
        "      14 of quiz (freshness none), level 4",
    ]


def test_a_single_mixture_is_not_said_to_lack_levels(tmp_path: Path) -> None:
    assert not any("no levels" in line for line in warnings(loaded(tmp_path).schedule))


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        (MIXTURE, "mixture = {}", 27, "task words: mixture is empty; name two sources or more"),
        (MIXTURE, "mixture = { feed = 3 }", 27, "task words: mixture names feed alone; name two"),
        ("quiz = 0.5", "feed = 1", 27, "Duplicate inline table key 'feed'"),
        ("quiz = 0.5", "quiz = 0.001", 27, "quiz with weight 0.001 gets none of 100 samples; give"),
        ("quiz = 0.5", "quiz = 0", 27, "task words: weight 0.0 of quiz must be positive"),
        ("quiz = 0.5", "quiz = -1", 27, "task words: weight -1.0 of quiz must be positive"),
        ("quiz = 0.5", "quiz = nan", 27, "expected a finite number, not nan"),
        ("quiz = 0.5", "quiz = '1'", 27, "expected a number, not '1'"),
        ("quiz = 0.5", "quizz = 1", 27, "source 'quizz' is not declared; declared: feed, pages"),
        (MIXTURE, f"source = 'feed'\n{MIXTURE}", 27, "source and mixture exclude each other"),
        (
            MIXTURE,
            f"level = {{ feed = 1, pages = 2 }}\n{MIXTURE}",
            27,
            "task words: levels of feed, pages, but the mixture is of feed, pages, quiz; give each",
        ),
        (
            MIXTURE,
            f"level = {{ feed = 1, pages = 0, quiz = 1 }}\n{MIXTURE}",
            27,
            "level 0.0 must be positive",
        ),
        (
            MIXTURE,
            "level = { feed = 1 }\nsource = 'feed'",
            27,
            "task words: several levels are for a mixture; give one number",
        ),
        (MIXTURE, "", 23, "task words: name its source, or several as a mixture"),
        ('name = "words"', 'name = "words/x"', 23, "task words/x: a name cannot contain '/'"),
        (
            "[[stages]]",
            "[[competitions.words.tasks]]\nname = 'words'\nsource = 'quiz'\nweight = 1\n"
            "method = 'text_loss'\nnum_samples = 1\n\n[[stages]]",
            22,
            "two tasks have the same name",
        ),
    ],
)
def test_each_mistake_is_one_line_at_its_place(
    tmp_path: Path, old: str, new: str, line: int, told: str
) -> None:
    with pytest.raises(ScheduleError) as caught:
        loaded(tmp_path, (old, new))
    assert f"line {line}: " in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_rows_of_a_live_part_must_be_younger_than_the_models(tmp_path: Path) -> None:
    with pytest.raises(ScheduleError, match=r"task words/feed: delay_blocks 1199 .* is shorter"):
        loaded(tmp_path, ("delay_blocks = 1200", "delay_blocks = 1199"))


def test_a_schedule_of_single_sources_has_the_fingerprint_of_before_there_were_mixtures(
    tmp_path: Path,
) -> None:
    """Validators of two versions run beside each other."""
    found = loaded(tmp_path, (MIXTURE, 'source = "feed"'))
    assert found.fingerprint == ("85e59dfa8f20c876bb85e7f09462bce87fd6a9f7fb20f56fe5cb44db73a5f76d")
