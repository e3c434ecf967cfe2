"""Health pages, watchdog and service manager, as processes and sockets have them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sn37.adapters.system.health_server import MAX_CONNECTIONS, HealthServer, Page
from sn37.adapters.system.service_manager import ServiceManager, from_environment
from sn37.adapters.system.watchdog import STUCK_EXIT_CODE, Watchdog
from sn37.app.config.settings import load_settings
from sn37.app.supervision.heartbeat import STUCK_S

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "deploy" / "sn37-validator.service"


def a_page() -> Page:
    return True, {"block": 7}


def a_bad_page() -> Page:
    return False, {"not_ready": "no block has been seen yet"}


def a_broken_page() -> Page:
    raise RuntimeError("a bug")


@pytest.fixture
def server() -> Iterator[HealthServer]:
    pages = {"/healthz": a_page, "/readyz": a_bad_page, "/broken": a_broken_page}
    with closing(HealthServer("127.0.0.1", 0, pages)) as running:
        yield running


def ask(server: HealthServer, path: str, method: str = "GET") -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()


class TestHealthServer:
    def test_all_is_well(self, server: HealthServer) -> None:
        status, body = ask(server, "/healthz?from=probe")
        assert (status, json.loads(body)) == (200, {"block": 7})

    def test_not_well_is_service_unavailable_and_says_why(self, server: HealthServer) -> None:
        status, body = ask(server, "/readyz")
        assert (status, json.loads(body)["not_ready"]) == (503, "no block has been seen yet")

    def test_head_has_no_body(self, server: HealthServer) -> None:
        assert ask(server, "/healthz", "HEAD") == (200, b"")

    def test_other_paths_and_methods_are_refused(self, server: HealthServer) -> None:
        status, body = ask(server, "/etc/passwd")
        assert (status, "/healthz, /readyz" in body.decode()) == (404, True)
        assert ask(server, "/healthz", "POST")[0] == 501

    def test_a_broken_page_harms_no_other(
        self, server: HealthServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(http.client.RemoteDisconnected):
            ask(server, "/broken")
        assert ask(server, "/healthz")[0] == 200
        assert "a health page failed" in caplog.text

    def test_a_client_that_says_nothing_keeps_nobody_waiting(self, server: HealthServer) -> None:
        with closing(socket.create_connection(("127.0.0.1", server.port))):
            assert ask(server, "/healthz")[0] == 200

    def test_many_clients_that_go_on_talking_take_a_bounded_number_of_threads(
        self, server: HealthServer
    ) -> None:
        before = threading.active_count()
        with ExitStack() as held:
            for _ in range(3 * MAX_CONNECTIONS):
                client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                held.enter_context(closing(client))
                client.sendall(b"GET /healthz HTTP/1.1\r\n")
            assert ask(server, "/healthz")[0] == 200
            assert threading.active_count() - before <= MAX_CONNECTIONS + 8
        assert ask(server, "/readyz")[0] == 503

    def test_an_address_that_is_taken_is_an_error(self, server: HealthServer) -> None:
        with pytest.raises(OSError, match="in use"):
            HealthServer("127.0.0.1", server.port, {})


class TestServiceManager:
    def test_it_is_told_by_datagrams(self, tmp_path: Path) -> None:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind(str(tmp_path / "notify"))
            ServiceManager(str(tmp_path / "notify")).tell(READY="1", STATUS="block 7\nEVIL=1")
            assert manager.recv(100) == b"READY=1\nSTATUS=block 7 EVIL=1"

    def test_an_abstract_address_begins_with_an_at_sign(self) -> None:
        name = f"sn37-test-{os.getpid()}"
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind(f"\0{name}")
            ServiceManager(f"@{name}").tell(WATCHDOG="1")
            assert manager.recv(100) == b"WATCHDOG=1"

    @pytest.mark.fault("service manager", "down")
    def test_one_that_is_gone_changes_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        manager = ServiceManager(str(tmp_path / "gone"))
        manager.tell(READY="1")
        manager.tell(WATCHDOG="1")
        assert len(caplog.records) == 1

    def test_children_do_not_learn_its_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOTIFY_SOCKET", "@nobody")
        from_environment()
        assert "NOTIFY_SOCKET" not in os.environ


class TestWatchdog:
    def test_it_barks_once_when_nobody_beats(self) -> None:
        barked = threading.Event()
        watchdog = Watchdog(deadline_s=0.02, on_stuck=barked.set, interval_s=0.005)
        watchdog.start()
        assert barked.wait(30)

    def test_a_beat_starts_its_count_anew(self) -> None:
        barked = threading.Event()
        watchdog = Watchdog(deadline_s=3600, on_stuck=barked.set, interval_s=0.001)
        watchdog.start()
        while watchdog.silent_s == 0.0:
            pass
        watchdog.beat()
        watchdog.close()
        assert not barked.is_set()

    def test_a_stuck_loop_ends_the_process_and_says_where_it_stood(self, tmp_path: Path) -> None:
        log = tmp_path / "validator.log"
        done = subprocess.run(
            [sys.executable, "-c", STUCK, str(log)], timeout=60, check=False, capture_output=True
        )
        assert done.returncode == STUCK_EXIT_CODE
        assert "in stand_still" in log.read_text()

    @pytest.mark.fault("process", "is stopped")
    def test_a_process_that_was_stopped_for_longer_is_not_stuck(self) -> None:
        """As when a laptop sleeps: it counts its own seconds only."""
        with subprocess.Popen(
            [sys.executable, "-c", BEATING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            threading.Event().wait(2.5)  # longer than its deadline
            process.send_signal(signal.SIGCONT)
            process.stdin.close()
            assert process.wait(60) == 0


STUCK = """
import sys, time
from pathlib import Path
from sn37.adapters.system.watchdog import Watchdog, end_process
def stand_still():
    time.sleep(600)
log = Path(sys.argv[1])
end = lambda: end_process(log, "the loop is stuck")
Watchdog(deadline_s=0.05, on_stuck=end, interval_s=0.01).start()
stand_still()
"""

BEATING = """
import asyncio, sys, threading
from sn37.adapters.system.watchdog import Watchdog
watchdog = Watchdog(deadline_s=2.0, on_stuck=lambda: __import__("os")._exit(9), interval_s=0.2)
asked = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), asked.set()), daemon=True).start()
async def main():
    watchdog.start()
    print("up", flush=True)
    for _ in range(10_000):
        watchdog.beat()
        await asyncio.sleep(0.05)
        if asked.is_set():
            break
asyncio.run(main())
"""


class TestUnit:
    @pytest.fixture
    def service(self) -> Mapping[str, str]:
        unit = ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read(UNIT, encoding="utf-8")
        return unit["Service"]

    def test_systemd_understands_every_line(self, tmp_path: Path) -> None:
        text = UNIT.read_text(encoding="utf-8")
        (tmp_path / UNIT.name).write_text(
            text.replace("/opt/sn37/current/bin/python", sys.executable)
        )
        verify = shutil.which("systemd-analyze")
        assert verify is not None, "install systemd, which checks the unit"
        done = subprocess.run(
            [verify, "verify", str(tmp_path / UNIT.name)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_its_settings_are_understood_and_where_it_may_write(
        self, service: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SN37_CONFIG", raising=False)
        settings = load_settings({"config": UNIT.with_name("validator.toml")})
        writable = Path("/var/lib", service["StateDirectory"])
        assert settings.state_dir.is_relative_to(writable)
        assert settings.wallet_path.is_relative_to(writable)
        assert not settings.install_dir.is_relative_to(writable)
        assert Path(service["ExecStart"]).is_relative_to(settings.install_dir / "current")

    def test_its_command_starts_a_validator_and_says_when_it_is_ready(
        self, service: Mapping[str, str], tmp_path: Path
    ) -> None:
        python, *command = service["ExecStart"].split()
        assert python == "/opt/sn37/current/bin/python"
        config = tmp_path / "validator.toml"
        config.write_text(f'network = "simnet"\nstate_dir = "{tmp_path / "state"}"\n')
        with (
            closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager,
            (tmp_path / "console.log").open("wb") as log,
        ):
            manager.bind(str(tmp_path / "notify"))
            manager.settimeout(240)
            with subprocess.Popen(
                [sys.executable, *command],
                env={
                    **os.environ,
                    "SN37_CONFIG": str(config),
                    "NOTIFY_SOCKET": str(tmp_path / "notify"),
                },
                stdout=log,
                stderr=log,
            ) as validator:
                while b"READY=1" not in manager.recv(4096):
                    assert validator.poll() is None
                validator.terminate()
                assert validator.wait(timeout=60) == 0

    def test_its_watchdog_is_more_patient_than_our_own(self, service: Mapping[str, str]) -> None:
        assert int(service["WatchdogSec"]) > STUCK_S

    def test_a_stuck_validator_is_started_again_one_called_wrongly_is_not(
        self, service: Mapping[str, str]
    ) -> None:
        assert service["Restart"] == "on-failure"
        assert service["RestartPreventExitStatus"] == "2"

    def test_nothing_of_it_takes_what_the_sandbox_needs(self, service: Mapping[str, str]) -> None:
        assert not {"RestrictNamespaces", "SystemCallFilter", "PrivateDevices"} & set(service)
