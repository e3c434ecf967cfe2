"""Search for the layers that this host offers: each is tried in a child that then exits.

``python -m sn37.adapters.scoring.sandbox.probe`` prints a ``Sandbox``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sn37.adapters.scoring.sandbox import landlock, namespaces, privileges, root, seccomp
from sn37.adapters.scoring.sandbox.kernel import own_status
from sn37.adapters.scoring.sandbox.layers import NAMESPACES, Layer, Sandbox
from sn37.adapters.scoring.sandbox.paths import system_paths

TIMEOUT_S = 60.0


def probe() -> Sandbox:
    """Return the layers that this host offers, found by a new process; takes 0.1 s.

    Raises:
        OSError: The process failed.
    """
    path = os.pathsep.join(p for p in sys.path if Path(p).is_absolute())
    libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    try:
        answer = subprocess.run(
            [sys.executable, "-P", "-s", "-m", __name__],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env={**libraries, "PYTHONPATH": path},
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise OSError(f"cannot find out how to confine workers: {error}") from error
    return Sandbox.decode(answer.stdout)


def find_layers() -> Sandbox:
    """Find the layers in this process, which must have one thread."""
    found: set[Layer] = set()
    for layer in NAMESPACES:  # with those before it: only user opens the others to all
        if _works(partial(_enter, {*found, layer})):
            found.add(layer)
    if _works(_drop):
        found.add(Layer.CAPABILITIES)
    version = landlock.abi()
    if version and _works(lambda: _restrict_files(version)):
        found.add(Layer.LANDLOCK)
    else:
        version = 0
    if seccomp.is_known_machine() and _works(_restrict_calls):
        found.add(Layer.SECCOMP)
    return Sandbox(layers=frozenset(found), landlock_abi=version)


def _works(attempt: Callable[[], bool]) -> bool:
    """True if ``attempt`` has its effect in a child process."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if attempt() else 1
        except OSError:
            pass  # this host does not offer it
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _enter(wanted: set[Layer]) -> bool:
    namespaces.enter(wanted)
    child = os.fork()  # as the first process of its namespace
    if child == 0:
        status = 1
        try:
            has_own_root = Layer.MOUNT not in wanted or _hide_files()
            status = 0 if has_own_root and (Layer.PID not in wanted or os.getpid() == 1) else 1
        except OSError:
            pass  # this host does not offer it
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _hide_files() -> bool:
    """Test the mount of all worker paths, since one that cannot be mounted would end its start."""
    root.build(path for path, _ in system_paths("cpu"))
    return bool(own_status("Pid")) and not Path("/etc/passwd").exists()


def _drop() -> bool:
    privileges.drop_capabilities()
    return privileges.capabilities() == 0


def _restrict_files(version: int) -> bool:
    privileges.gain_no_more()
    landlock.restrict(version, ())
    return _is_refused(lambda: os.close(os.open(os.devnull, os.O_RDONLY)))


def _restrict_calls() -> bool:
    privileges.gain_no_more()
    seccomp.restrict("cpu")
    return _is_refused(lambda: socket.socket().close())


def _is_refused(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except PermissionError:
        return True
    return False


if __name__ == "__main__":
    sys.stdout.write(find_layers().encode())
