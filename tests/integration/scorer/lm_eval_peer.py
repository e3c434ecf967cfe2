"""What lm-evaluation-harness says of a model, by tasks of its own on local files.

A program for a process of its own: the harness and the nine packages that it needs lie in a folder
that only it looks into (``make venv``), so nothing else finds them installed. It reads a JSON
object from its input and writes one to its output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Json = Any  # what json.loads returns

PACKAGES = Path(sys.prefix) / "lm-eval"
TEXTS: dict[str, Json] = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "{{text}}",
    "metric_list": [{"metric": "bits_per_byte"}],
}
CHOICES: dict[str, Json] = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{context}}",
    "doc_to_choice": "{{answers}}",
    "doc_to_target": "ours",
    "target_delimiter": "",
}


def ask(request: Mapping[str, Json], scratch: Path) -> Mapping[str, Json]:
    """Return what the harness says of a model, asked in a process of its own without a network.

    Args:
        request: ``model``, a folder, and ``tasks``: by the name of each its definition in the
            harness's own words and the ``rows`` of its data set.
    """
    environment = {
        **os.environ,
        "HF_HOME": str(scratch / "hub"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "PYTHONPATH": str(PACKAGES),
    }
    done = subprocess.run(
        [sys.executable, __file__, str(scratch)],
        input=json.dumps(request),
        capture_output=True,
        check=False,
        text=True,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: Mapping[str, Json] = json.loads(done.stdout.splitlines()[-1])
    return found


def _answer(request: Mapping[str, Json], scratch: Path) -> Json:
    import torch
    from lm_eval.evaluator import simple_evaluate  # type: ignore[import-not-found]
    from lm_eval.models.huggingface import HFLM  # type: ignore[import-not-found]
    from lm_eval.tasks import TaskManager  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    for name, task in request["tasks"].items():
        _write(scratch, name, task)
    model = HFLM(
        pretrained=request["model"], device="cpu", dtype="float32", batch_size=8, max_length=1024
    )
    result = simple_evaluate(
        model=model,
        tasks=list(request["tasks"]),
        task_manager=TaskManager(include_path=str(scratch), include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
    )
    assert result is not None
    return {
        name: {
            "results": result["results"][name],
            "rows": [
                _row(row) for row in sorted(result["samples"][name], key=lambda r: int(r["doc_id"]))
            ],
        }
        for name in request["tasks"]
    }


def _write(folder: Path, name: str, task: Mapping[str, Json]) -> None:
    rows: Sequence[Json] = task["rows"]
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    definition = {
        **task["definition"],
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
    }
    (folder / f"{name}.yaml").write_text(json.dumps(definition))  # JSON is YAML


def _row(row: Mapping[str, Json]) -> Json:
    return {"doc": row["doc"], "answers": row["filtered_resps"]}


if __name__ == "__main__":
    print(json.dumps(_answer(json.load(sys.stdin), Path(sys.argv[1])), default=str))  # noqa: T201
