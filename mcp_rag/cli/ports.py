"""TCP ports of this machine."""

from mcp_rag.listening import listen, port_of


def free(host: str, port: int) -> int:
    """The port, if nobody listens on it; for 0, one that is free.

    Raises:
        InvalidSettings: it is taken, or the address is not one of this machine.
    """
    with listen(host, port) as listener:
        return port_of(listener)
