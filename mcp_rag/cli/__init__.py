"""The command line."""

import sys


def main() -> None:
    """Do what the command line says and exit with its code; see `mcp-rag --help`."""
    if sys.argv[1:2] == ["resident"]:
        # Clients wait for it: nothing is imported that it does not need.
        from mcp_rag.cli import resident

        sys.exit(resident.main(sys.argv[2:]))
    try:
        from mcp_rag.cli.app import run

        run()
    except KeyboardInterrupt:
        # Before there is anything to stop in order.
        sys.exit(130)
