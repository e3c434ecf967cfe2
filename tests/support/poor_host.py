"""Run a module of the program on a host without filters over system calls.

``python poor_host.py MODULE ARGUMENT...``
"""

from __future__ import annotations

import runpy
import sys

from sn37.adapters.scoring.sandbox import privileges, seccomp
from sn37.adapters.scoring.sandbox.policy import Guard, Policy

PR_SET_SECCOMP = 22

if __name__ == "__main__":
    privileges.gain_no_more()
    guard = Guard(call="prctl", argument=0, mask=0xFFFFFFFF, value=PR_SET_SECCOMP, when_equal=True)
    seccomp.install(Policy(denied=("seccomp",), absent=(), guards=(guard,)))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
