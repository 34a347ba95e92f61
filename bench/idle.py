"""A tool that does nothing: offered by the product beside its own, and by the SDK's own server.

`python -m bench.idle serve|stdio|resident …` is `mcp-rag` with it. `python -m bench.idle minimal TRANSPORT
PORT` is the other, which has no other tool.
"""

import logging
import sys
from typing import Any, cast

NAME = "idle"


def idle() -> str:
    """Do nothing."""
    return ""


def minimal(transport: str, port: int) -> None:
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("minimal", log_level="WARNING")
    server.tool()(idle)
    listening: dict[str, Any] = {} if transport == "stdio" else {"port": port}
    logging.getLogger("uvicorn.access").disabled = True
    server.run(cast(Any, transport), **listening)


def product(command: str) -> None:
    if command == "stdio":
        from mcp_rag import pipe

        sys.exit(pipe.main(sys.argv[2:], (sys.executable, "-m", "bench.idle", "resident")))
    from mcp_rag import tools
    from mcp_rag.cli import main

    tools.TOOLS.append(tools.offer(idle, title="Do nothing", annotations=tools.READS, scope="read"))
    main()


if __name__ == "__main__":
    if sys.argv[1] == "minimal":
        minimal(sys.argv[2], int(sys.argv[3]))
    else:
        product(sys.argv[1])
