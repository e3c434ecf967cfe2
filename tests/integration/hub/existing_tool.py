"""What the miners' tool of the running network does with a model, step by step.

It pushes tokenizer and model to the hub, loads the pushed commit into an empty cache with
``from_pretrained``, and hashes the snapshot that this leaves: its commitment binds that hash.
A program of its own, because ``HF_ENDPOINT`` is read at import.

    python -m tests.integration.hub.existing_tool FOLDER REPO TOKEN CACHE

prints the commit, the hash and the names of the files that were hashed, as JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer


def main(folder: str, repo: str, token: str, cache: str) -> None:
    """Push, load again, hash."""
    for kind in (AutoTokenizer, AutoModelForCausalLM):
        loaded: Any = kind.from_pretrained(folder)  # its push_to_hub has lost its types
        pushed = loaded.push_to_hub(repo, token=token, private=True)
    commit: str = pushed.oid  # of the model, pushed last
    AutoModelForCausalLM.from_pretrained(
        repo, revision=commit, cache_dir=cache, token=token, use_safetensors=True
    )
    AutoTokenizer.from_pretrained(repo, revision=commit, cache_dir=cache, token=token)
    namespace, name = repo.split("/")
    snapshot = Path(cache) / f"models--{namespace}--{name}" / "snapshots" / commit
    files = sorted(str(path.relative_to(snapshot)) for path in snapshot.rglob("*"))
    found = {"commit": commit, "hash": hash_of_directory(snapshot), "files": files}
    sys.stdout.write(json.dumps(found))


def hash_of_directory(folder: Path) -> str:
    """The hash of existing tools, written from its description in docs/protocol.md."""
    walk = hashlib.sha256()
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            digest = hashlib.sha256((Path(place) / name).read_bytes()).digest()
            walk.update(base64.b64encode(digest))
    return base64.b64encode(walk.digest()).decode()


if __name__ == "__main__":
    main(*sys.argv[1:])
