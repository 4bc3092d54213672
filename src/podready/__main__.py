"""The `podready` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        from podready.cli.main import run_cli

        code = run_cli(sys.argv[1:])
    except KeyboardInterrupt:  # Ctrl-C while Python still imports: nothing to shut down yet
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
