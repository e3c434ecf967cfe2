"""A service manager of one service: ``small_manager.py start|stop|reset-failed FOLDER``.

The folder holds its pid, a lock that it has while it lives, and the command that starts it. As
systemd does, it does one job after the other: who asked for a job may be killed before it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def start(folder: Path) -> int:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is not running
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                json.loads((folder / "command").read_text()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
        (folder / "pid").write_text(str(process.pid))
    assert process.stdout is not None
    return 0 if process.stdout.readline() else 1


def stop(folder: Path) -> int:
    if (folder / "pid").exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # and now it is gone
        (folder / "pid").unlink()
    return 0


if __name__ == "__main__":
    verbs = {"start": start, "stop": stop}
    verb, where = sys.argv[1], Path(sys.argv[2])
    with (where / "job").open("w") as job:
        fcntl.flock(job, fcntl.LOCK_EX)
        sys.exit(verbs[verb](where) if verb in verbs else 1)
