"""The console script ``sn37``, which answers Ctrl-C from its first line on."""

from __future__ import annotations

from sn37.app import interrupts


def main() -> None:
    """Entry point of the console script."""
    interrupts.quiet()
    from sn37.app.cli.root import main  # what it needs takes time to import

    main()


if __name__ == "__main__":
    main()
