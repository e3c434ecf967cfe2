"""Check a revision on the hub for a miner before it is committed. Child side.

The checks and their order are those of ``fetching``. Only the comparison with the committed
hash is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from sn37.adapters.admission.admit import Admitted, Inspected, inspect_listed
from sn37.adapters.admission.examine import admit_weights, artifact_of, refusal_of
from sn37.adapters.admission.files import weight_files
from sn37.adapters.admission.stored_facts import FILES
from sn37.adapters.hub.fetching import check_disk, held
from sn37.adapters.hub.hub_requests import HubHost
from sn37.adapters.hub.remote_files import HubSource
from sn37.adapters.hub.transfer_messages import CheckOrder, Connection
from sn37.domain.reasons import Reason
from sn37.domain.submission.admission import AdmissionStep, Examined
from sn37.domain.submission.constraints import Violation
from sn37.ports.errors import ModelNotPublic, ModelRejected


def check(
    host: HubHost, connection: Connection, order: CheckOrder, announce: Callable[[int], None]
) -> Examined:
    """Check the revision; its files stay only if every check passes.

    Raises:
        StoreFull: The disk has no room for the weights.
        StoreUnavailable: The hub does not answer. Files transferred so far are kept.
        OSError: The disk cannot be read or written.
    """
    folder, passed = Path(order.folder), list[AdmissionStep]()
    with held(folder, FILES):
        try:
            source = _open(host, connection, order)
            passed.append(AdmissionStep.REPOSITORY)
            inspected = inspect_listed(
                source.listed, source, order.constraints, passed=passed.append
            )
            if order.weights:
                admitted = _weights(source, inspected, order, announce)
                passed.append(AdmissionStep.WEIGHTS)
                return Examined(
                    passed=tuple(passed), artifact=artifact_of(admitted, folder / FILES)
                )
            refusal = None
        except ModelRejected as error:
            refusal = refusal_of(error)
        except ModelNotPublic as error:
            refusal = Violation(reason=Reason.NOT_PUBLIC, detail=str(error))
        shutil.rmtree(folder)
    return Examined(passed=tuple(passed), refusal=refusal)


def _open(host: HubHost, connection: Connection, order: CheckOrder) -> HubSource:
    listing = host.public(order.repo, order.revision)
    return HubSource(host, connection, order.repo, listing, Path(order.folder) / FILES)


def _weights(
    source: HubSource, inspected: Inspected, order: CheckOrder, announce: Callable[[int], None]
) -> Admitted:
    """Transfer all files and check every byte."""
    names = weight_files([file.path for file in inspected.files])
    weights = [file for file in inspected.files if file.path in names]
    source.complete([file for file in inspected.files if file.path not in names])
    size_bytes = sum(file.size_bytes for file in inspected.files)
    present_bytes = sum(source.download(file).present_bytes for file in weights)
    check_disk(Path(order.folder), size_bytes, present_bytes)
    announce(size_bytes)
    source.complete(weights, norms=True)
    hashed = [source.hashed[file.path] for file in inspected.files]
    return admit_weights(inspected, hashed, order.constraints)
