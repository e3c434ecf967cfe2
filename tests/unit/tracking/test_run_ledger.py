"""The ledger in a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sn37.adapters.telemetry.run_ledger import FileLedger
from sn37.ports.errors import StateUnavailable
from sn37.testing.run_tracker_contract import RunLedgerContract, a_part, a_run


class TestFileLedger(RunLedgerContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self._path = tmp_path / "wandb" / "sent.jsonl"

    def ledger(self) -> FileLedger:
        return FileLedger(self._path)


def test_half_a_line_was_never_decided(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    ledger = FileLedger(path)
    ledger.begin(a_run())
    ledger.add([a_part(1)])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"add":[1,')
    opened = FileLedger(path)
    assert opened.runs() == ledger.runs()
    opened.add([a_part(2)])
    assert FileLedger(path).runs()[0].parts == (a_part(1), a_part(2))


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b'{"add":[1,2]}\n', b'{"begin":{}}\n', b"[]\n", b'{"complete":"x"}\n']
)
def test_a_damaged_ledger_is_named_with_its_remedy(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "sent.jsonl"
    path.write_bytes(line)
    with pytest.raises(StateUnavailable, match=r"sent\.jsonl is damaged: .*remove it to send"):
        FileLedger(path).runs()


def test_two_processes_do_not_use_one_ledger(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    code = (
        "import sys; from pathlib import Path;"
        "from sn37.adapters.telemetry.run_ledger import FileLedger;"
        "FileLedger(Path(sys.argv[1])).runs(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        ledger = FileLedger(path)
        with pytest.raises(StateUnavailable, match=r"another process sends .*sent\.jsonl\.lock"):
            ledger.runs()
        other.communicate()
    ledger.begin(a_run())  # the other has ended
    assert len(ledger.runs()) == 1


def test_a_disk_that_refuses_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ledger = FileLedger(tmp_path / "file" / "sent.jsonl")
    with pytest.raises(StateUnavailable, match=r"sent\.jsonl: "):
        ledger.begin(a_run())
