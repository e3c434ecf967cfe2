"""A program to be killed: its child leaves the session, is deaf to signals, and never ends.

It tells the pids of both and its folder for temporary files, does as it is told in a line of
standard input, and has left a file in that folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_DEAF = """
import signal
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
print("deaf", flush=True)
while True:
    signal.pause()
"""


def main() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _DEAF], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    folder = tempfile.gettempdir()
    Path(folder, "left behind").touch()
    sys.stdout.write(f"{os.getppid()} {os.getpid()} {child.pid} {folder}\n")
    sys.stdout.flush()
    match sys.stdin.readline().strip():
        case "end":
            sys.stdout.write("done\n")
        case "fail":
            sys.exit("out of luck")
        case "fail at length":
            sys.stderr.write("out of luck\n")
            sys.stderr.flush()
            os.ftruncate(2, 3 << 30)  # a hole, which takes no disk
            os.lseek(2, 0, os.SEEK_END)
            sys.exit("\n\x1b[2Jout of room")
        case "let another write":
            if os.fork() == 0:
                sys.stdout.write("done\n")
                for _ in range(1000):
                    sys.stdout.write("x" * 65_535 + "\n")
                sys.stdout.flush()
                os._exit(0)
            child.wait()
        case "write a long line":
            sys.stdout.write("x" * 300_000 + "\n")
        case _:
            child.wait()


if __name__ == "__main__":
    main()
