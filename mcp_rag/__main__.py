"""The door for a terminal. `stdio` is dispatched before anything heavy is imported."""

import sys


def main() -> None:
    if sys.argv[1:2] == ["stdio"]:
        from mcp_rag import pipe

        sys.exit(pipe.main(sys.argv[2:]))
    from mcp_rag.cli import main as cli

    cli()


if __name__ == "__main__":
    main()
