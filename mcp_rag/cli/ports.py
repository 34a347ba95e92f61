"""TCP ports of this machine."""

import socket

from mcp_rag.errors import InvalidSettings


def free(host: str, port: int) -> int:
    """The port, if nobody listens on it; for 0, one that is free.

    Raises:
        InvalidSettings: it is taken, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as listener:
            found: int = listener.getsockname()[1]
            return found
    except OSError as error:
        raise InvalidSettings(
            f"Nothing can listen on port {port} of {host}: {error.strerror}.",
            remedy="Choose another one with MCP_RAG_PORT, or stop the program that has it.",
        ) from error
