"""Transfer process: reads one order from standard input, writes reports to standard output."""

from __future__ import annotations

import os
import resource
import sys

from sn37.adapters.hub.check_revision import check
from sn37.adapters.hub.fetching import fetch, fetch_tokenizer
from sn37.adapters.hub.hub_requests import HubHost
from sn37.adapters.hub.transfer_messages import (
    Announcement,
    Answer,
    CheckOrder,
    Connection,
    FetchOrder,
    IdentifyOrder,
    LicenceOrder,
    Order,
    ProbeOrder,
    PublicOrder,
    Report,
    ResolveOrder,
    TokenizerOrder,
    UploadOrder,
    decode_order,
    encode_report,
)
from sn37.domain.canonical import as_json
from sn37.ports.errors import ModelNotPublic, ModelRejected, PortError, StoreUnavailable

MAX_MEMORY_BYTES = 300 << 20  # limit for any repository; 60 MB are usual


def main() -> None:
    """Carry out one order."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    connection, order = decode_order(sys.stdin.buffer.readline())
    try:
        report: Report = _carry_out(connection, order)
    except PortError as error:
        report = error
    except OSError as error:  # no space, no permission, a failing disk
        report = StoreUnavailable(f"the model cache cannot be written: {error}")
        report.__cause__ = error
    _send(report)
    # Threads of other files may still transfer, but nothing waits for them any more.
    os._exit(0)


def _carry_out(connection: Connection, order: Order) -> Answer:
    host = HubHost(connection)
    match order:
        case FetchOrder():
            fetch(host, connection, order, _announce)
        case TokenizerOrder():
            fetch_tokenizer(host, connection, order)
        case ProbeOrder():
            try:
                host.public(order.repo, order.revision)
            except (ModelNotPublic, ModelRejected):
                return Answer(value=False)
            return Answer(value=True)
        case CheckOrder():
            return Answer(value=as_json(check(host, connection, order, _announce)))
        case ResolveOrder():
            return Answer(value=host.listing(order.repo, order.name).commit)
        case LicenceOrder():
            return Answer(value=host.listing(order.repo, order.revision).licence)
        case IdentifyOrder():
            return Answer(value=as_json(host.identity()))
        case UploadOrder():
            # Imported only for uploads: it takes half as long as all other imports.
            from sn37.adapters.hub.publishing import HubUploader

            revision, hashes = HubUploader(connection).upload(order, _announce)
            return Answer(value=[revision, hashes.v1, hashes.v2])
        case PublicOrder():
            from sn37.adapters.hub.publishing import HubUploader

            HubUploader(connection).make_public(order.repo)
    return Answer()


def _announce(size_bytes: int) -> None:
    _send(Announcement(size_bytes=size_bytes))


def _send(report: Report) -> None:
    sys.stdout.buffer.write(encode_report(report))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
