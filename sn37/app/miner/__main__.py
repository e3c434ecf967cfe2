"""``python -m sn37.app.miner``."""

from __future__ import annotations

from sn37.app import interrupts

if __name__ == "__main__":
    interrupts.quiet()
    from sn37.app.cli.miner import main  # what it needs takes time to import

    interrupts.leave(main())
