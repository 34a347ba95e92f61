"""The door for a terminal. `stdio` is dispatched before anything heavy is imported."""

import os
import signal
import sys


def main() -> None:
    if os.getpid() == 1:
        # In a container. From the first process the kernel keeps what it has no handler for: one that is told
        # to stop while it still imports would go on until it is killed.
        signal.signal(signal.SIGTERM, _end)
    if sys.argv[1:2] == ["stdio"]:
        from mcp_rag import pipe

        sys.exit(pipe.main(sys.argv[2:]))
    from mcp_rag.cli import main as cli

    cli()


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
