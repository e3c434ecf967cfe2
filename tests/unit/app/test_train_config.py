"""The file that a miner writes to train a model, and the rows it splits."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.cli import miner
from sn37.app.config.settings import load_settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.lookup import competition_of, rules_of_network
from sn37.app.training import rows as train_data
from sn37.app.training import run as training
from sn37.app.training.config import DataTable, SourceTable, load_config
from sn37.app.training.split import FILE, freeze, frozen, split
from sn37.app.wiring.machine import Machine
from sn37.domain.data.samples import TimeWindow
from sn37.domain.ids import BLOCK_SECONDS, TaskName
from sn37.domain.training import Lora, Precision
from sn37.ports.errors import TrainerUnavailable
from sn37.testing.builders.rounds import a_batch
from sn37.testing.builders.samples import a_sample
from sn37.testing.fakes.chain import FakeChain

HEAD = 'competition = 1\nbase = "base"\noutput = "model"\n'


NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_the_example_names_the_tasks_that_it_has_no_rows_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert miner.main(["train", "--example", "3", "--network", "finney"]) == 0
    left_out = (
        "No rows for multiple_choice (30% of the score), if_eval (30% of the score); "
        "see docs/training.md"
    )
    assert left_out in capsys.readouterr().out
    assert miner.main(["train", "--example", "4", "--network", "finney"]) == 0
    assert "No rows for" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("hours_ago", "source", "warns"),
    [(0, "simnet", True), (3.9, "simnet", True), (4, "simnet", False), (0, "another", False)],
)
def test_rows_that_an_evaluation_would_draw_are_warned_of(
    hours_ago: float, source: str, warns: bool
) -> None:
    rules = competition_of(rules_of_network(load_settings({"network": "simnet"})), 1)
    assert rules.delay_blocks * BLOCK_SECONDS == 4 * 3600
    until = NOW - timedelta(hours=hours_ago)
    window = TimeWindow(since=until - timedelta(hours=24), until=until)
    live = replace(rules.tasks[0].source, name=source)
    found = train_data.overlap_note(live, window, rules, now=NOW)
    assert (found is not None) == warns
    if found:
        assert found.startswith("warning: an evaluation now draws rows since 2026-01-01T20:00:00")


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "train.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("network", "competition"), [("simnet", 1), ("simnet", 2), ("finney", 1), ("finney", 3)]
)
def test_the_example_of_a_competition_is_a_file_that_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], network: str, competition: int
) -> None:
    assert miner.main(["train", "--example", str(competition), "--network", network]) == 0
    text = capsys.readouterr().out
    config = load_config(written(tmp_path, text))
    assert config.competition == competition
    assert config.data.sources
    # What is commented out can be read as well, but for a second end of the window.
    optional = "\n".join(line.removeprefix("#") for line in text.splitlines()[2:])
    assert tomllib.loads(optional).keys() >= {"wandb_project", "run", "training"}
    assert "lora" in tomllib.loads(optional)["training"]


def test_a_config_says_recipe_and_folders(tmp_path: Path) -> None:
    text = f"{HEAD}[training]\nepochs = 2.5\nbatch_samples = 8\nmax_minutes = 2\n[training.lora]\n"
    config = load_config(written(tmp_path, text))
    assert config.run_folder == Path("model.run")
    recipe = config.training.recipe(100)
    assert (recipe.steps, recipe.max_seconds) == (32, 120)
    assert recipe.lora == Lora(rank=16, alpha=32)
    assert recipe.precision is Precision.MIXED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: competition: the key 'competition' is missing"),
        (
            HEAD + '[[data.sources]]\nname = "sn1"\nmethod = "multiple_choice"\n',
            "line 6: data.sources.0.method: no model can be trained on multiple_choice; expected "
            "reference_loss or text_loss",
        ),
        (HEAD + "outptu = 1\n", "line 4: outptu: unknown key; did you mean 'output'?"),
        (
            HEAD + "[training]\nlearning_rte = 1\n",
            "line 5: training.learning_rte: unknown key; did you mean 'learning_rate'?",
        ),
        (
            HEAD + '[training]\nsteps = "many"\n',
            "line 5: training.steps: expected a whole number, not 'many'",
        ),
        (
            HEAD + '[training]\nprecision = "int4"\n',
            "line 5: training.precision: expected 'float32', 'mixed' or 'bfloat16', not 'int4'",
        ),
        (
            HEAD + "[training.lora]\nrank = 0\n",
            "line 5: training.lora.rank: expected at least 1, not 0",
        ),
        (
            HEAD + '[[data.sources]]\nname = "a"\nblock = 5\ntrusted = ["x"]\n',
            "line 4: data.sources.0: block sets window and signers",
        ),
        (HEAD + "[training\n", "line 4: not TOML"),
        (HEAD + 'run = "a\\u0000"\n', "line 4: run: expected a path without a NUL character"),
        (HEAD + 'run = "~no one/a"\n', "line 4: run: home folder of ~ not found"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_says_where(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(written(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'train.toml'}, {message}")


@pytest.mark.parametrize("key", ["base", "output", "run"])
def test_a_folder_whose_name_is_too_long_is_told_with_its_key(tmp_path: Path, key: str) -> None:
    for name in ("base", "model"):
        (tmp_path / name).mkdir()
    folders = {"base": tmp_path / "base", "output": tmp_path / "model", "run": tmp_path / "run"}
    folders[key] = tmp_path / ("n" * 300)
    lines = "".join(f'{name} = "{folder}"\n' for name, folder in folders.items())
    config = load_config(written(tmp_path, f"competition = 1\n{lines}"))
    settings = load_settings({"network": "simnet"})
    with pytest.raises(CommandError, match=rf"^{key} {folders[key]}: File name too long$"):
        training.train(config, Machine(settings), MagicMock())


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere.toml: No such file"):
        load_config(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("base", "output", "run", "line", "key"),
    [
        ("base", "model", "base", 4, "run"),
        ("base", "model", "base/run", 4, "run"),
        ("base", "model", "other/../base", 4, "run"),
        ("base", "model", "link", 4, "run"),
        ("link", "model", "base", 4, "run"),
        ("model.run", "model", None, 3, "run"),
        ("base", "link", "run", 3, "output"),
        ("base", "base/model", "run", 3, "output"),
        ("base", "model", "model", 4, "run"),
        ("model/base", "model", "run", 2, "base"),
    ],
)
def test_no_folder_lies_in_one_that_it_would_change(
    tmp_path: Path, base: str, output: str, run: str | None, line: int, key: str
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "base")
    lines = [
        f'{name} = "{tmp_path / folder}"\n' for name, folder in (("base", base), ("output", output))
    ]
    if run is not None:
        lines.append(f'run = "{tmp_path / run}"\n')
    with pytest.raises(UsageError, match=rf"line {line}: {key}: .* must not be or lie in the "):
        load_config(written(tmp_path, "competition = 1\n" + "".join(lines)))


@pytest.mark.parametrize("method", ["", 'method = "reference_loss"\n'])
async def test_rules_for_an_answer_are_no_text_to_train_on(tmp_path: Path, method: str) -> None:
    text = f'{HEAD}[[data.sources]]\nname = "if_eval"\nnum_samples = 4\n{method}'
    settings = load_settings({"network": "simnet"})
    rules = competition_of(rules_of_network(settings), 1)
    data = load_config(written(tmp_path, text)).data
    with pytest.raises(UsageError, match="if_eval: its references are rules for an answer"):
        await train_data.read_rows(data, Machine(settings), rules, seed=0)


async def test_a_window_that_ends_in_a_block_to_come_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain, settings = FakeChain(), load_settings({"network": "simnet"})

    @asynccontextmanager
    async def open_data(*_: object, **__: object) -> AsyncIterator[tuple[object, object]]:
        yield chain, None

    machine = Machine(settings)
    monkeypatch.setattr(machine, "data", open_data)
    head = (await chain.head()).number
    rules = competition_of(rules_of_network(settings), 1)
    data = DataTable(sources=[SourceTable(name="simnet", block=head + 1)])
    with pytest.raises(
        UsageError, match=rf"block {head + 1} does not exist yet; the newest is {head}"
    ):
        await train_data.read_rows(data, machine, rules, seed=0)


@given(prompts=st.text("abcdefgh", min_size=1, max_size=40), held_out=st.integers(1, 20))
def test_no_prompt_is_both_learnt_and_held_out(prompts: str, held_out: int) -> None:
    samples = tuple(
        a_sample(f"row-{n}", prompt=p, reference=f"answer {n % 9}") for n, p in enumerate(prompts)
    )
    batches = [a_batch("one", samples=samples[::2]), a_batch("two", samples=samples[1::2])]
    found = split(batches, held_out=held_out, scored=[TaskName("one")])
    learnt = {s.prompt for batch in found.training for s in batch.samples}
    tested = {s.prompt for batch in found.held_out for s in batch.samples}
    assert not learnt & tested
    assert learnt | tested == set(prompts)
    assert {batch.task for batch in found.held_out} <= {"one"}
    hashes = [s.content_hash for b in found.training for s in b.samples if b.task == "one"]
    assert len(set(hashes)) == len(hashes)


def test_the_order_of_rows_does_not_change_what_is_held_out() -> None:
    samples = tuple(
        a_sample(f"row-{n}", prompt=f"question {n}", reference="yes") for n in range(40)
    )
    one, other = (
        split([a_batch("pairs", samples=rows)], held_out=5, scored=[TaskName("pairs")])
        for rows in (samples, samples[::-1])
    )
    assert {s.prompt for s in one.held_out[0].samples} == {
        s.prompt for s in other.held_out[0].samples
    }
    assert len(one.held_out[0].samples) == 5


def test_a_frozen_split_comes_back_as_it_was(tmp_path: Path) -> None:
    samples = tuple(
        a_sample(f"row-{n}", prompt=f"question {n}", reference="\u00e9") for n in range(9)
    )
    found = split([a_batch("pairs", samples=samples)], held_out=2, scored=[TaskName("pairs")])
    assert frozen(tmp_path / "run") is None
    freeze(found, tmp_path / "run")
    again = frozen(tmp_path / "run")
    assert again is not None
    assert again.digest == found.digest
    assert again.num_training == 7


def test_a_split_that_is_torn_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"training": [')
    with pytest.raises(TrainerUnavailable, match=r"data.json cannot be read.*remove it"):
        frozen(tmp_path)
