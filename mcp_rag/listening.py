"""Sockets that listen: nobody else can take a port between its being chosen and its being used."""

import socket

from mcp_rag.errors import InvalidSettings


def listen(host: str, port: int, *, whose: str = "", other: str = "MCP_RAG_PORT") -> socket.socket:
    """A socket that listens at a port from now on; for 0, at any that is free.

    Raises:
        InvalidSettings: it is taken, or the address is not one of this machine. The error says `whose` port
            it is, and by which settings one chooses an`other`.
    """
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise InvalidSettings(
            f"Nothing can listen on port {port} of {host}{whose}: {error.strerror}.",
            remedy=f"Choose another one with {other}, or stop the program that has it.",
        ) from error
    # An answer is written in two pieces. The second would wait until the first is confirmed, for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    return listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port
