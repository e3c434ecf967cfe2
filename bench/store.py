"""What verifying a fetched model costs, against the existing directory hash alone.

Both read the same checkpoint from the page cache in one run. The directory hash is what
existing tools do: one sha256 after the other, in blocks of 64 KiB. Ours is all digests
(sha256, BLAKE3 of every tensor) and the weight checks in one pass, files in parallel. Both
are told in wall time, which is what counts, and in processor time, which other programs on the
machine change less.

The bytes of an admission are counted on a repository whose hash is a copy, which is found out
last before the weights are transferred.

    python bench/store.py [--mib 4096] [--runs 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in a transfer process

import numpy as np

from sn37.adapters.admission.admit import hash_file, hash_files
from sn37.adapters.admission.digest import tensor_digest
from sn37.adapters.admission.files import ListedFile, listing
from sn37.adapters.admission.weights import check_weights
from sn37.adapters.hub.fetching import fetch
from sn37.adapters.hub.hub_requests import HubHost, Listing, RemoteFile
from sn37.adapters.hub.transfer_messages import Connection, FetchOrder
from sn37.domain.schedule.model_limits import NormLimits
from sn37.ports.errors import ModelRejected
from sn37.testing.builders.models import a_commitment, some_constraints
from sn37.testing.figures import print_table, write_figures

SHARDS = 4
ROWS, COLUMNS = 4096, 4096  # a projection of 32 MiB
OLD_BLOCK = 64 << 10


def write_checkpoint(folder: Path, mib: int) -> None:
    """Shards of bfloat16 projections with entries of about 0.02, and an index."""
    per_shard = max(1, mib // SHARDS // 32)
    values = np.random.default_rng(37).standard_normal(ROWS * COLUMNS, np.float32) * 0.02
    bits = (values.astype(np.float32).view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    index: dict[str, str] = {}
    for shard in range(SHARDS):
        name = f"model-{shard}.safetensors"
        size = 2 * ROWS * COLUMNS
        header = {}
        for number in range(per_shard):
            tensor = f"model.layers.{shard * per_shard + number}.mlp.up_proj.weight"
            span = [number * size, (number + 1) * size]
            header[tensor] = {"dtype": "BF16", "shape": [ROWS, COLUMNS], "data_offsets": span}
            index[tensor] = name
        text = json.dumps(header).encode()
        with (folder / name).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for number in range(per_shard):
                file.write(np.roll(bits, shard * per_shard + number).tobytes())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}'
    )


def old_way(folder: Path) -> None:
    """The directory hash of existing tools."""
    for path in sorted(folder.iterdir()):
        digest = sha256()
        with path.open("rb") as file:
            while block := file.read(OLD_BLOCK):
                digest.update(block)


def our_way(folder: Path, *, norms: bool) -> None:
    """All digests, and the weight checks unless they are left out."""
    hashed = hash_files(folder, listing(folder), norms=norms)
    tensors = [tensor for file in hashed for tensor in file.tensors]
    tensor_digest(tensors)
    check_weights(tensors, NormLimits())


class CountingHost(HubHost):
    """A hub in a folder that counts what it serves."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Connection(token=None))
        self._folder = folder
        self.served_bytes = 0

    def listing(self, repo: str, revision: str) -> Listing:
        files = tuple(
            RemoteFile(listed=file, blob_id="", sha256=hash_file(self._folder, file).sha256)
            for file in listing(self._folder)
        )
        return Listing(commit=revision, public=True, gated=False, files=files)

    def stream(
        self, repo: str, revision: str, file: ListedFile, start: int, stop: int
    ) -> Iterator[bytes]:
        with (self._folder / file.path).open("rb") as source:
            source.seek(start)
            data = source.read(stop - start)
        self.served_bytes += len(data)
        yield data


def admission_bytes(folder: Path, scratch: Path) -> int:
    """Bytes read until a repository with a copied hash is refused."""
    host = CountingHost(folder)
    order = FetchOrder(
        commitment=a_commitment(),
        constraints=some_constraints(max_parameters=1 << 40, max_bytes=1 << 40),
        partial=str(scratch / "partial"),
        home=str(scratch / "home"),
        room_bytes=1 << 40,
    )
    try:
        fetch(host, Connection(), order, lambda size_bytes: None)
    except ModelRejected:
        return host.served_bytes
    raise RuntimeError("a copied hash was accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one piece of work took."""

    wall_s: float
    cpu_s: float


def taken(work: Callable[[], None]) -> Taken:
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    work()
    return Taken(wall_s=time.perf_counter() - began_s, cpu_s=time.process_time() - began_cpu_s)


def measure(mib: int, runs: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "model")
        folder.mkdir()
        write_checkpoint(folder, mib)
        size = sum(file.size_bytes for file in listing(folder))
        old_way(folder)  # everything into the page cache
        rounds = [
            (
                taken(lambda: old_way(folder)),
                taken(lambda: our_way(folder, norms=True)),
                taken(lambda: our_way(folder, norms=False)),
            )
            for _ in range(runs)
        ]
        read = admission_bytes(folder, Path(root))
    old, ours, bare = (median(way.wall_s for way in ways) for ways in zip(*rounds, strict=True))
    old_cpu, ours_cpu, bare_cpu = (
        median(way.cpu_s for way in ways) for ways in zip(*rounds, strict=True)
    )
    return {
        "size_mib": size / 2**20,
        "directory_hash_seconds": old,
        "all_digests_and_checks_seconds": ours,
        "all_digests_seconds": bare,
        "directory_hash_cpu_seconds": old_cpu,
        "all_digests_and_checks_cpu_seconds": ours_cpu,
        "all_digests_cpu_seconds": bare_cpu,
        "digest_speedup": old / ours,
        "checks_share": max(0.0, 1 - bare_cpu / ours_cpu),
        "admission_bytes": read,
        "admission_bytes_share": read / size,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--mib", type=int, default=4096, help="size of the checkpoint")
    arguments.add_argument("--runs", type=int, default=5, help="medians are taken of")
    arguments.add_argument("--json", type=Path, metavar="FILE")
    given = arguments.parse_args()
    figures = {name: round(value, 5) for name, value in measure(given.mib, given.runs).items()}
    print_table("figures", ("figure", "value"), figures.items())
    write_figures(given.json, figures, libraries=("numpy", "blake3"))


if __name__ == "__main__":
    main()
