"""``sn37 doctor``: each line when all is well, and when it is not."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from sn37.adapters.scoring.sandbox.layers import Layer, Sandbox
from sn37.adapters.system import host
from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.config.settings import Settings
from sn37.app.doctor.account_checks import check_clock, check_hub, check_wandb, no_hub, no_wandb
from sn37.app.doctor.examination import Examination, examine
from sn37.app.doctor.machine_checks import (
    VersionRange,
    check_device,
    check_disk,
    check_driver,
    check_memory,
    check_open_files,
    check_package,
    check_python,
    version_ranges,
)
from sn37.app.doctor.needs import GB, needs_of
from sn37.app.doctor.topics import TOPICS, topic_of
from sn37.app.wiring import doctor as wiring
from sn37.app.wiring import start_checks
from sn37.domain.check_line import Check, Grade
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import Description
from sn37.ports.errors import DatasetUnavailable, ScorerUnavailable, StoreUnavailable
from sn37.ports.host_facts import DeviceFacts, DiskFacts, HubFacts
from sn37.testing.builders import a_source

ROOT = Path(__file__).parents[3]
OK, WARNING, FAILED = Grade.OK, Grade.WARNING, Grade.FAILED
FINNEY = needs_of("finney", is_for_trials=False)
LOCAL = needs_of("local", is_for_trials=True)
SIMNET = needs_of("simnet", is_for_trials=True)
A40 = DeviceFacts(kind="cuda", name="NVIDIA A40", memory_bytes=47_850_000_000, flops=110e12)
T4 = DeviceFacts(kind="cuda", name="Tesla T4", memory_bytes=15_800_000_000, flops=4.1e12)
CPU = DeviceFacts(kind="cpu", name="AMD EPYC", memory_bytes=64 * GB, flops=0.1e12)
DISK = DiskFacts(folder="/state", is_writable=True, free_bytes=3_100 * GB, model_bytes=0)
HUB = HubFacts(
    endpoint="https://huggingface.co", has_token=True, user="me", answered_s=0.2, skew_s=0.1
)
RANGES = {"torch": VersionRange("2.11", "2.14")}


def only(checks: Iterable[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.name == name]
    return found


@pytest.mark.parametrize(
    ("check", "grade", "name", "said"),
    [
        (check_python((3, 11, 9)), OK, "python", "3.11.9"),
        (check_python((3, 10, 12)), FAILED, "python", "3.10.12, needed is 3.11 or newer"),
        (check_package("torch", "2.13.0+cpu", RANGES), OK, "package torch", "2.13.0+cpu"),
        (check_package("torch", None, RANGES), FAILED, "package torch", "not installed"),
        (check_package("torch", "2.5.1", RANGES), WARNING, "package torch", ">=2.11,<2.14"),
        (check_package("torch", "2.14.0", RANGES), WARNING, "package torch", ">=2.11,<2.14"),
        (check_package("torch", "", RANGES), OK, "package torch", "of unknown version"),
        (check_driver(is_there=True), OK, "device", "the driver of a GPU is there"),
        (check_driver(is_there=False), WARNING, "device", "no GPU: models are scored on the CPU"),
        (only(check_device(A40, FINNEY), "device"), OK, "device", "NVIDIA A40"),
        (only(check_device(CPU, FINNEY), "device"), FAILED, "device", "need a GPU"),
        (only(check_device(CPU, LOCAL), "device"), WARNING, "device", "need a GPU"),
        (only(check_device(CPU, SIMNET), "device"), OK, "device", "simnet needs no GPU"),
        (only(check_device(A40, FINNEY), "device memory"), OK, "device memory", "47.9 GB"),
        (
            only(check_device(T4, FINNEY), "device memory"),
            WARNING,
            "device memory",
            "15.8 GB; needed: 48 GB",
        ),
        (only(check_device(A40, FINNEY), "device speed"), OK, "device speed", "110.0 TFLOP/s"),
        (
            only(check_device(T4, FINNEY), "device speed"),
            WARNING,
            "device speed",
            "4.1 TFLOP/s in bfloat16; needed: 38 TFLOP/s",
        ),
        (only(check_device(T4, SIMNET), "device speed"), OK, "device speed", "none is needed"),
        (only(check_device(CPU, FINNEY), "device speed"), OK, "device speed", "no limit applies"),
        (check_memory(128 * GB, FINNEY), OK, "memory", "128.0 GB; needed: 64 GB"),
        (check_memory(16 * GB, FINNEY), WARNING, "memory", "16.0 GB; needed: 64 GB"),
        (check_memory(16 * GB, SIMNET), OK, "memory", "needed: 4 GB"),
        (check_disk(DISK, FINNEY), OK, "disk", "3,100.0 GB free; needed: 3,000 GB"),
        (
            check_disk(replace(DISK, free_bytes=900 * GB), FINNEY),
            WARNING,
            "disk",
            "900.0 GB free; needed: 3,000 GB",
        ),
        (
            check_disk(replace(DISK, free_bytes=100 * GB, model_bytes=2_900 * GB), FINNEY),
            OK,
            "disk",
            "100.0 GB free, 2,900.0 GB of models",
        ),
        (
            check_disk(replace(DISK, free_bytes=5 * GB), FINNEY, largest_bytes=15 * GB),
            FAILED,
            "disk",
            "the largest model may have 15.0 GB",
        ),
        (check_disk(replace(DISK, is_writable=False), FINNEY), FAILED, "disk", "cannot be written"),
        (check_open_files(65_536, FINNEY), OK, "open files", "65,536 at once"),
        (check_open_files(1_024, FINNEY), WARNING, "open files", "1,024 at once; needed: 4,096"),
        (check_clock(-4.9), OK, "clock", "4.9 s behind the hub's, allowed are 5 s"),
        (check_clock(93.0), WARNING, "clock", "93.0 s ahead of the hub's"),
        (check_clock(None), WARNING, "clock", "unknown: the hub's answer names no time"),
        (only(check_hub(HUB), "hub"), OK, "hub", "answers in 200 ms"),
        (only(no_hub("the hub answers 503"), "hub"), FAILED, "hub", "the hub answers 503"),
        (only(check_hub(HUB), "hub token"), OK, "hub token", "accepted, of me"),
        (
            only(check_hub(replace(HUB, user=None)), "hub token"),
            FAILED,
            "hub token",
            "the hub refuses it",
        ),
        (
            only(check_hub(replace(HUB, has_token=False, user=None)), "hub token"),
            WARNING,
            "hub token",
            "none is set",
        ),
        (check_wandb("me"), OK, "wandb login", "accepted, of me"),
        (no_wandb("no key"), FAILED, "wandb login", "no key"),
    ],
)  # fmt: skip
def test_a_line_says_what_was_found_what_is_needed_and_what_to_do(
    check: Check, grade: Grade, name: str, said: str
) -> None:
    assert (check.grade, check.name) == (grade, name)
    assert said in check.detail
    assert check.remedy == ("" if grade is OK else topic_of(name).remedy)


def test_what_strangers_wrote_stays_on_one_line_of_bounded_length() -> None:
    hostile = "a\nok       wallet\x1b[2J" + "x" * 10_000
    for check in (
        only(check_hub(replace(HUB, user=hostile)), "hub token"),
        only(no_hub(hostile), "hub"),
        check_wandb(hostile),
        no_wandb(hostile),
    ):
        assert "\n" not in check.line
        assert "\x1b" not in check.line
        assert len(check.line) < 600


def test_the_needs_are_those_of_the_network_s_own_file() -> None:
    text = (ROOT / "min_compute.yml").read_text(encoding="utf-8")
    validator = text.partition("validator:")[2].partition("  miner:")[0]

    def number(key: str) -> int:
        match = re.search(rf"{key}: (\d+)", validator)
        assert match is not None
        return int(match[1])

    assert number("min_vram") * GB == FINNEY.gpu_bytes
    assert number("min_ram") * GB == FINNEY.memory_bytes
    assert number("min_space") * GB == FINNEY.disk_bytes
    assert re.search(r"# (\d+) TFLOP/s", validator)
    assert FINNEY.gpu_flops == 38e12


@pytest.mark.parametrize(
    ("requirement", "inside", "outside"),
    [
        ('torch>=2.11,<2.14; extra == "scorer"', ["2.11", "2.13.0+cu130"], ["2.10.9", "2.14"]),
        ("safetensors<1,>=0.8", ["0.8.0rc1", "0.99"], ["0.7", "1.0"]),
        ("wandb", ["0", "99"], []),
        ("lm_eval==0.4.13", ["0.1"], []),
    ],
)
def test_ranges_of_versions_are_those_of_the_package_s_metadata(
    requirement: str, inside: Sequence[str], outside: Sequence[str]
) -> None:
    (found,) = version_ranges([requirement, "torch>=99" if "torch" in requirement else ""]).values()
    assert [v for v in inside if not found.has(v)] == []
    assert [v for v in outside if found.has(v)] == []


def test_names_of_packages_are_compared_as_pip_does() -> None:
    ranges = version_ranges(["Huggingface.Hub>=2"])
    assert check_package("huggingface_hub", "1.9", ranges).grade is WARNING
    assert str(ranges["huggingface-hub"]) == ">=2"
    assert str(VersionRange()) == "any"


# Side by side


def examination(*steps: Check | Exception, wait: asyncio.Event | None = None) -> Examination:
    async def run() -> AsyncIterator[Check]:
        for step in steps:
            if isinstance(step, Exception):
                raise step
            yield step
        if wait is not None:
            await wait.wait()

    return Examination(name="exam", run=run, remedy="look", limit_s=0.05 if wait else 10)


async def lines(*examinations: Examination) -> list[str]:
    return [check.line async for check in examine(examinations)]


FINE = Check(name="fine", grade=OK, detail="here")


async def test_a_check_that_breaks_is_a_line_after_those_that_it_has_made() -> None:
    assert await lines(examination(FINE, KeyError("x\ny")), examination(FINE)) == [
        "ok       fine: here",
        "failed   exam: could not be checked: KeyError: 'x\\ny'; to fix it: look",
        "ok       fine: here",
    ]


async def test_a_check_that_takes_too_long_is_a_line_and_is_ended() -> None:
    never = asyncio.Event()
    told = await lines(replace(examination(FINE, wait=never), grade=WARNING), examination(FINE))
    assert told[1] == "warning  exam: no result within 0.05 s; to fix it: look"
    assert len(told) == 3
    assert len(asyncio.all_tasks()) == 1


async def test_checks_run_at_the_same_time_and_are_told_in_their_order() -> None:
    second_ran = asyncio.Event()

    async def first() -> AsyncIterator[Check]:
        await second_ran.wait()
        yield FINE

    async def second() -> AsyncIterator[Check]:
        second_ran.set()
        yield replace(FINE, name="second")

    told = await lines(*(Examination(name="x", run=r, remedy="y") for r in (first, second)))
    assert told == ["ok       fine: here", "ok       second: here"]


async def test_a_reader_who_leaves_early_ends_all_checks() -> None:
    found = examine([examination(FINE), examination(wait=asyncio.Event())])
    async for _ in found:
        break
    await found.aclose()  # type: ignore[attr-defined]
    assert len(asyncio.all_tasks()) == 1


# The command


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, object]:
    """Answers of the device, the hub and wandb, an exception each may be; tests change them."""
    whole = Sandbox(layers=frozenset(Layer), landlock_abi=7)
    answers: dict[str, object] = {"device": A40, "hub": HUB, "wandb": "me", "sandbox": whole}

    def answering(name: str) -> Callable[..., object]:
        async def answer(*_: object) -> object:
            found = answers[name]
            if isinstance(found, Exception):
                raise found
            return found

        return answer

    monkeypatch.setattr(wiring, "device_facts", answering("device"))
    monkeypatch.setattr(wiring, "hub_facts", answering("hub"))
    monkeypatch.setattr(wiring, "wandb_user", answering("wandb"))
    monkeypatch.setattr(wiring, "host_sandbox", lambda: answers["sandbox"])
    monkeypatch.setattr(wiring, "find_spec", lambda name: find_spec("json"))  # all are installed
    monkeypatch.setattr(wiring, "version", lambda name: "")
    monkeypatch.setattr(wiring, "checks_of_network", of_schedule)
    monkeypatch.setattr(wiring, "checks_on_chain", on_chain)
    monkeypatch.setattr(host, "memory_bytes", lambda: 128 * GB)
    monkeypatch.setattr(host, "open_files", lambda: 65_536)
    monkeypatch.setattr(host, "disk_of", lambda *_: DISK)
    return answers


async def of_schedule(settings: Settings, note: start_checks.Note) -> AsyncIterator[Check]:
    """One data set, which reads wandb; on simnet it reads nothing."""
    if not settings.is_simnet:
        note(a_source("sn18"), Description(method=Method.REFERENCE_LOSS, packages=("wandb",)))
    yield Check(name="data set sn18", grade=OK, detail="installed")


def on_chain(
    settings: Settings, *, is_wallet_needed: bool
) -> tuple[Check, Callable[[], AsyncIterator[Check]]]:
    async def endpoints() -> AsyncIterator[Check]:
        yield Check(name="endpoint a", grade=OK, detail="answers")

    return Check(name="wallet", grade=OK, detail="can be opened"), endpoints


Rows = Mapping[str, tuple[str, str, str]]


def examined(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Rows]:
    code = run(root.app, ["doctor", *words, "--json"], prog_name="sn37")
    rows = json.loads(capsys.readouterr().out)
    return code, {r["name"]: (r["grade"], r["detail"], r["remedy"]) for r in rows}


@pytest.mark.usefixtures("surroundings")
def test_all_lines_of_a_network_have_a_topic_and_come_in_the_order_of_a_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, rows = examined(capsys, "--network", "finney")
    topics = [topic_of(name) for name in rows]
    assert [TOPICS.index(t) for t in topics] == sorted(TOPICS.index(t) for t in topics)
    assert list(rows)[-2:] == ["wallet", "endpoint a"]
    assert {"clock", "hub token", "wandb login", "device memory", "disk"} <= rows.keys()


@pytest.mark.parametrize(
    ("name", "fault", "line"),
    [
        ("device", ScorerUnavailable("CUDA error"), "device"),
        ("device", CPU, "device"),
        ("hub", StoreUnavailable("no answer"), "hub"),
        ("hub", replace(HUB, user=None), "hub token"),
        ("wandb", DatasetUnavailable("no key"), "wandb login"),
        ("hub", AssertionError("a bug"), "hub"),
    ],
)
def test_what_keeps_a_validator_of_the_network_from_running_is_exit_code_1(
    surroundings: dict[str, object],
    capsys: pytest.CaptureFixture[str],
    name: str,
    fault: object,
    line: str,
) -> None:
    assert examined(capsys, "--network", "finney")[0] == 0
    surroundings[name] = fault
    code, rows = examined(capsys, "--network", "finney")
    assert code == 1
    assert [n for n, (grade, *_) in rows.items() if grade == "failed"] == [line]
    assert rows[line][2]


@pytest.mark.parametrize("layer", Layer)
def test_each_layer_of_the_sandbox_has_a_line_and_two_are_essential(
    surroundings: dict[str, object], capsys: pytest.CaptureFixture[str], layer: Layer
) -> None:
    code, rows = examined(capsys, "--network", "simnet")
    assert (code, rows[f"sandbox: {layer}"][0]) == (0, "ok")
    surroundings["sandbox"] = Sandbox(layers=frozenset(Layer) - {layer}, landlock_abi=7)
    code, rows = examined(capsys, "--network", "simnet")
    grade, detail, remedy = rows[f"sandbox: {layer}"]
    is_essential = layer in (Layer.LANDLOCK, Layer.SECCOMP)
    assert (code, grade) == ((1, "failed") if is_essential else (0, "warning"))
    assert detail.startswith("missing: ")
    assert remedy.endswith("--allow-weak-sandbox") == is_essential


def test_a_sandbox_that_cannot_be_tried_is_a_failed_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError("cannot find out how to confine workers")

    monkeypatch.setattr(wiring, "host_sandbox", broken)
    code, rows = examined(capsys)
    assert (code, rows["sandbox"][0]) == (1, "failed")
    assert "cannot find out how to confine workers" in rows["sandbox"][1]


def test_simnet_needs_neither_accounts_nor_wallet_nor_a_gpu(
    surroundings: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    surroundings["device"] = CPU
    code, rows = examined(capsys, "--network", "simnet")
    assert code == 0
    assert not {"clock", "hub", "hub token", "wandb login", "wallet", "device memory"} & rows.keys()
    assert rows["device"][:2] == ("ok", "CPU, AMD EPYC; simnet needs no GPU")


@pytest.mark.usefixtures("surroundings")
def test_simnet_with_a_data_set_of_the_hub_is_asked_for_the_hub(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def of_hub(_: Settings, note: start_checks.Note) -> AsyncIterator[Check]:
        source = a_source("sn1", parameters={"origin": "hub"})
        packages = ("huggingface_hub", "pyarrow", "wandb")
        note(source, Description(method=Method.MULTIPLE_CHOICE, packages=packages))
        yield Check(name="data set sn1", grade=OK, detail="installed")

    monkeypatch.setattr(wiring, "checks_of_network", of_hub)
    _, rows = examined(capsys, "--network", "simnet")
    assert {"hub", "hub token", "clock"} <= rows.keys()
    assert "wandb login" not in rows


@pytest.mark.usefixtures("surroundings")
def test_lines_for_people_are_the_rows_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    _, rows = examined(capsys, "--network", "finney")
    run(root.app, ["doctor", "--network", "finney"], prog_name="sn37")
    told = capsys.readouterr().out.splitlines()
    assert [re.split(r"\s+", line, maxsplit=1)[1].partition(": ")[0] for line in told] == [
        name.partition(": ")[0] for name in rows
    ]


@pytest.mark.usefixtures("surroundings")
def test_the_network_may_come_from_the_settings_of_a_service(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "validator.toml"
    config.write_text('network = "test"\n')
    _, rows = examined(capsys, "--config", str(config))
    assert "wallet" in rows


def test_without_a_network_nothing_is_measured_or_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        raise AssertionError("asked")

    for name in ("device_facts", "hub_facts", "wandb_user"):
        monkeypatch.setattr(wiring, name, never)
    _, rows = examined(capsys)
    assert {"python", "package torch", "device", "memory", "open files"} <= rows.keys()
    assert {"sandbox: landlock", "sandbox: seccomp"} <= rows.keys()
    assert not {"hub", "wallet", "disk", "device speed"} & rows.keys()


@pytest.mark.parametrize("words", [["--schedule", "mine.toml"], ["--wallet", "w"]])
def test_an_option_of_a_network_asks_for_its_name(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(root.app, ["doctor", *words], prog_name="sn37") == 2
    assert f"{' '.join(words)}: name the network that it is for" in capsys.readouterr().err


# What is measured here


def test_a_container_s_limit_counts_as_its_memory(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    whole = host.memory_bytes(limit)
    assert whole > 0
    limit.write_text("1073741824\n")
    assert host.memory_bytes(limit) == 1 << 30
    limit.write_text("max\n")
    assert host.memory_bytes(limit) == whole


def test_the_disk_of_a_folder_that_does_not_exist_is_that_of_its_parent(tmp_path: Path) -> None:
    missing = tmp_path / "a" / "b"
    found = host.disk_of(missing, missing / "models")
    assert found.folder == str(missing)
    assert found.is_writable
    assert found.free_bytes > 0
    assert found.model_bytes == 0
    assert not missing.exists()


def test_a_file_in_place_of_the_folder_cannot_be_written(tmp_path: Path) -> None:
    taken = tmp_path / "state"
    taken.touch()
    assert not host.disk_of(taken, taken / "models").is_writable


def test_models_that_are_on_disk_count_as_room_for_models(tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / "one").mkdir(parents=True)
    (models / "one" / "weights").write_bytes(bytes(1 << 20))
    assert host.disk_of(tmp_path, models).model_bytes >= 1 << 20


def test_this_process_may_open_files() -> None:
    assert host.open_files() > 0
