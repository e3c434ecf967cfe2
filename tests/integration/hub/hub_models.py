"""Small models as miners would upload them, and commitments to what the hub then holds."""

from __future__ import annotations

import json
import random
from hashlib import sha256
from pathlib import Path

from sn37.adapters.simnet.miners.attackers import Tensor, write_sharded, write_tensors
from sn37.domain.ids import Digest, Hotkey
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment, secure_hash
from sn37.domain.submission.digests import FileDigest, content_digest, directory_hash
from sn37.domain.submission.models import ModelRef
from sn37.testing.builders.models import a_commitment, some_constraints
from tests.integration.hub.hub_repositories import HubFile
from tests.integration.hub.hub_state import Hub

LIMITS = some_constraints(min_parameters=1, max_parameters=20_000_000, max_bytes=48_000_000)
Q_PROJ = "model.layers.{}.self_attn.q_proj.weight"


def some_tensors(fill: int = 1, *, size: int = 16, layers: int = 2) -> list[Tensor]:
    """Embeddings, a norm and a projection a layer, with weights that depend on ``fill``."""
    rng = random.Random(fill)

    def tensor(name: str, *shape: int) -> Tensor:
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        # bfloat16 between 2**-8 and 2**-7, either sign
        data = b"".join(bytes([rng.randrange(256), rng.choice((0x3B, 0xBB))]) for _ in range(64))
        data = (data * (count // 64 + 1))[: 2 * count]
        return Tensor(name=name, dtype="BF16", shape=shape, data=data)

    return [
        tensor("model.embed_tokens.weight", 32, size),
        *(tensor(Q_PROJ.format(number), size, size) for number in range(layers)),
        tensor("model.norm.weight", size),
    ]


def write_model(
    folder: Path,
    fill: int = 1,
    *,
    size: int = 16,
    layers: int = 2,
    shards: int = 1,
    **config: object,
) -> Path:
    """A folder as a miner would upload it."""
    folder.mkdir(parents=True)
    tensors = some_tensors(fill, size=size, layers=max(layers, shards))
    if shards == 1:
        write_tensors(folder / "model.safetensors", tensors)
    else:
        write_sharded(folder, {f"shard-{i}.safetensors": tensors[i::shards] for i in range(shards)})
    family = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    settings = {**family, "hidden_size": size, "num_attention_heads": 4, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("# A model\n")
    return folder


def committed(
    hub: Hub, repo: str, revision: str, *, hotkey: str | None = None, v1: bool = False
) -> Commitment:
    """A commitment to the files of a revision, by its owner unless told otherwise."""
    owner = hotkey or repo.split("/")[0]
    files = hub.repositories[repo].revisions[revision]
    read = {p: f for p, f in files.items() if v1 or p not in ("README.md", ".gitattributes")}
    if v1:
        model_hash = directory_hash({p: sha256(f.data).hexdigest() for p, f in read.items()})
    else:
        model_hash = content_digest(_digest(p, f) for p, f in read.items() if ".." not in p)
    ref = ModelRef(repo=repo, revision=revision, secure_hash=secure_hash(model_hash, Hotkey(owner)))
    form = CommitmentFormat.V1 if v1 else CommitmentFormat.V2
    return a_commitment(owner, model=ref, format=form)


def publish(hub: Hub, repo: str, folder: Path, *, v1: bool = False) -> Commitment:
    """Publish a folder and commit to it, all in order."""
    return committed(hub, repo, hub.publish(repo, folder), v1=v1)


def _digest(path: str, file: HubFile) -> FileDigest:
    return FileDigest(path.lstrip("/") or "x", len(file.data), sha256(file.data).hexdigest())


def no_hash(commitment_hotkey: str, repo: str, revision: str) -> Commitment:
    """A commitment whose hash is that of nothing."""
    ref = ModelRef(repo=repo, revision=revision, secure_hash=Digest("A" * 43 + "="))
    return a_commitment(commitment_hotkey, model=ref)
