"""The generated sources hold what every static source must, and are found under their names."""

from __future__ import annotations

import asyncio
import tomllib
from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from sn37.adapters.dataset import generated
from sn37.domain.canonical import canonical_digest
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import ParameterValue
from sn37.ports.dataset import DatasetPlugin, StaticDataset
from sn37.testing.dataset_contract import DatasetPluginContract, StaticDatasetContract
from sn37.testing.reproducibility import StaticReproducibilityContract

PINNED = {  # a changed generator needs another name for its source
    "word_sorting": "29181b9396f4393b1ee9e331999b34501126bae8f02cacc8a8e8ae0408e12f99",
    "brackets": "9dc25aab981ca44a619c31783206df2aad5eb1e219fe99e0d9205cf989f6a556",
    "arithmetic": "6d7318867c6e8285a1ec1a45b8b48798483f01fad30c260db9c16de1a6e1a45b",
    "list_reasoning": "096e085082899c10575029feed108af89cfadd2eae6b53ee7d52832f3edcaaa9",
    "if_eval": "c971ce597af1f425614766f0a951d08194902e30a57d45f4828e9960acda0a98",
}
ROOT = Path(__file__).parents[3]


def opened(plugin: DatasetPlugin) -> StaticDataset:
    dataset = plugin.open({})
    assert isinstance(dataset, StaticDataset)
    return dataset


class GeneratedContract(
    StaticDatasetContract, StaticReproducibilityContract, DatasetPluginContract
):
    @abstractmethod
    def ranges(self) -> Mapping[str, tuple[int, int]]:
        """Return the bounds of the parameters, by their name without ``least_``."""

    def dataset(self) -> StaticDataset:
        return opened(self.plugin())

    def size(self) -> None:
        return None

    def parameters(self) -> Mapping[str, ParameterValue]:
        return {
            f"{end}_{name}": value
            for name, values in self.ranges().items()
            for end, value in zip(("least", "most"), values, strict=True)
        }

    def wrong_parameters(self) -> Mapping[str, Mapping[str, ParameterValue]]:
        wrong: dict[str, Mapping[str, ParameterValue]] = {}
        for name, (least, most) in self.ranges().items():
            wrong[f"least_{name} is {most}, above most_{name}"] = {
                f"least_{name}": most,
                f"most_{name}": least,
            }
            wrong[f"least_{name}"] = {f"least_{name}": least - 1}
            wrong[f"most_{name}"] = {f"most_{name}": most + 1}
        return wrong

    def test_the_ends_of_the_range_of_difficulty_can_be_drawn(self) -> None:
        for values in zip(*self.ranges().values(), strict=True):
            same = dict(zip(self.ranges(), values, strict=True))
            dataset = self.plugin().open(
                {f"{end}_{name}": n for name, n in same.items() for end in ("least", "most")}
            )
            assert isinstance(dataset, StaticDataset)
            assert len(asyncio.run(dataset.draw(count=20, seed=Seed(4)))) == 20


class TestWordSorting(GeneratedContract):
    plugin = staticmethod(generated.word_sorting_plugin)

    def ranges(self) -> Mapping[str, tuple[int, int]]:
        return {"words": (5, 200)}


class TestBrackets(GeneratedContract):
    plugin = staticmethod(generated.brackets_plugin)

    def ranges(self) -> Mapping[str, tuple[int, int]]:
        return {"brackets": (20, 1000), "open": (3, 20)}


class TestArithmetic(GeneratedContract):
    plugin = staticmethod(generated.arithmetic_plugin)

    def ranges(self) -> Mapping[str, tuple[int, int]]:
        return {"numbers": (4, 100)}


class TestListReasoning(GeneratedContract):
    plugin = staticmethod(generated.list_reasoning_plugin)

    def ranges(self) -> Mapping[str, tuple[int, int]]:
        return {"items": (6, 50), "steps": (1, 30)}


class TestInstructions(GeneratedContract):
    plugin = staticmethod(generated.if_eval_plugin)

    def ranges(self) -> Mapping[str, tuple[int, int]]:
        return {"rules": (3, 10)}


@pytest.mark.parametrize("name", PINNED)
def test_draws_never_change(name: str) -> None:
    dataset = opened(factory(name)())
    draws = [asyncio.run(dataset.draw(count=20, seed=Seed(n))) for n in (0, 37, 2**256 - 1)]
    assert canonical_digest([[s.content_hash for s in draw] for draw in draws]) == PINNED[name]


def factory(name: str) -> partial[DatasetPlugin]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, function = project["entry-points"]["sn37.datasets"][name].partition(":")
    return partial(getattr(import_module(module), function))
