"""The resident server: one MCP server on a Unix socket, for all clients of one user.

Both protocol eras are served, as on stdio. The server's lifespan is entered once, not once per client.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
from mcp import types
from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from mcp_rag import lines, rendezvous
from mcp_rag.errors import InvalidSettings, RagError
from mcp_rag.rendezvous import Place, UnsafeFolder

logger = logging.getLogger(__name__)

# A resident that has just been started waits for its first client even where it shall not linger.
_FIRST_CLIENT_SECONDS = 10.0
_CHUNK = 256 * 1024


def run(
    serving: Callable[[], AbstractAsyncContextManager[MCPServer[Any]]],
    *,
    linger: float,
    max_line_bytes: int,
    grace: float = 5.0,
    place: Path | None = None,
    lock_fd: int | None = None,
    leaves: Callable[[], None] = lambda: None,
) -> None:
    """Serve until `linger` seconds after the last client has left, or until SIGTERM or SIGINT.

    Calls in flight then have `grace` seconds to finish; what is still unanswered, the pipes ask the next
    resident. Clients can connect before `serving` is entered, but are answered only once it has yielded:
    it should yield at once and let heavy parts become ready beside it. It is exited after the last call, and
    the next resident can start only after that. `place` and `lock_fd` come from whoever started the process;
    `leaves` is called when nobody more is served, before the calls in flight are waited for.

    Raises:
        InvalidSettings: the folder for the socket is unsafe.
        RagError: a resident with these settings runs already.
    """
    here = _meeting_place() if place is None else Place(str(place))
    lock = _lock(here, lock_fd)
    try:
        os.chdir("/")
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        resident = Resident(linger=linger, max_line_bytes=max_line_bytes, grace=grace)
        asyncio.run(_serve(serving, here, resident, leaves))
    finally:
        os.close(lock)


def _meeting_place() -> Place:
    try:
        return rendezvous.meeting_place()
    except UnsafeFolder as error:
        raise InvalidSettings(str(error), remedy="Then start again.") from error


def _lock(here: Place, inherited: int | None) -> int:
    if inherited is not None:
        # No child of this process may keep the lock alive.
        os.set_inheritable(inherited, False)
        return inherited
    lock = rendezvous.claim(here)
    if lock is None:
        already = "A resident server with these settings runs already."
        raise RagError(already, remedy=f"{here.lock} has its process id.")
    return lock


async def _serve(
    serving: Callable[[], AbstractAsyncContextManager[MCPServer[Any]]],
    here: Place,
    resident: "Resident",
    leaves: Callable[[], None],
) -> None:
    def withdraw() -> None:
        leaves()
        rendezvous.withdraw(here)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, resident.leave)
    with rendezvous.listen(here) as listener:
        async with serving() as server:
            await resident.serve(server, listener, withdraw=withdraw)


class Resident:
    """All connections, and how long to wait for more."""

    def __init__(self, *, linger: float, max_line_bytes: int, grace: float) -> None:
        self._linger, self._grace = linger, grace
        self._max_line_bytes = max_line_bytes
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._visited, self._empty, self._leaving = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def leave(self) -> None:
        """Make `serve` finish the calls in flight and return."""
        self._leaving.set()

    async def serve(
        self, server: MCPServer[Any], listener: socket.socket, *, withdraw: Callable[[], None]
    ) -> None:
        """Serve whoever connects; call `withdraw`, and accept nobody more, before the last ones leave."""
        lowlevel = server._lowlevel_server
        async with lowlevel.lifespan(lowlevel) as state:
            # In a task of its own: `anyio` wants to be in one.
            async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if _is_own_user(writer.get_extra_info("socket")):
                    self._welcome(Connection(reader, writer, self._max_line_bytes), lowlevel, state)
                else:
                    writer.close()

            accepting = await asyncio.start_unix_server(welcome, sock=listener)
            await self._until_unneeded()
            withdraw()
            accepting.close()
            await self._see_off()

    def _welcome(self, connection: "Connection", server: Server[Any], state: Any) -> None:
        task = asyncio.create_task(connection.serve(server, state))
        self._connections[task] = connection
        task.add_done_callback(self._forget)
        self._visited.set()
        self._empty.clear()

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()):
            logger.error("A client's connection failed.", exc_info=error)
        if not self._connections:
            self._visited.clear()
            self._empty.set()

    async def _until_unneeded(self) -> None:
        patience = max(self._linger, _FIRST_CLIENT_SECONDS)
        while await self._happens(self._visited, patience):
            await self._happens(self._empty, None)
            patience = self._linger

    async def _happens(self, event: asyncio.Event, patience: float | None) -> bool:
        """Whether it happens in time, and before the resident is leaving."""
        happening = asyncio.create_task(event.wait())
        waiting = {happening, asyncio.create_task(self._leaving.wait())}
        done, pending = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return happening in done and not self._leaving.is_set()

    async def _see_off(self) -> None:
        connections = list(self._connections.values())
        for connection in connections:
            connection.stop_hearing()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                for connection in connections:
                    await connection.settled.wait()
        for connection in connections:
            connection.end()
        if self._connections:
            await asyncio.wait(self._connections, timeout=self._grace)


class Connection:
    """One client: its lines in, its lines out, and the calls that it waits for."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_line_bytes: int
    ) -> None:
        self._reader, self._writer = reader, writer
        self._max_line_bytes = max_line_bytes
        self._too_long = (
            f"The message is longer than {max_line_bytes} bytes. "
            "Send less at a time, or raise MCP_RAG_MAX_MESSAGE_MB."
        )
        self._to_server, self._inbound = anyio.create_memory_object_stream[SessionMessage | Exception]()
        self._outbound, self._from_server = anyio.create_memory_object_stream[SessionMessage]()
        self._hearing, self._ended = anyio.CancelScope(), asyncio.Event()
        self._unanswered: set[str | int] = set()
        self.settled = asyncio.Event()
        """Set while no call is in flight."""
        self.settled.set()

    async def serve(self, server: Server[Any], state: Any) -> None:
        """Returns when the client has left or `end` was called; its running calls are cancelled then."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._hear)
                tasks.start_soon(self._say)
                await serve_dual_era_loop(
                    server,
                    self._inbound,
                    self._outbound,
                    lifespan_state=state,
                    init_options=server.create_initialization_options(),
                )
        finally:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    def stop_hearing(self) -> None:
        """Take no further calls; those in flight go on."""
        self._hearing.cancel()

    def end(self) -> None:
        """Say nothing more, and let go. What is unanswered stays so, for another resident to answer."""
        self._writer.close()
        self._ended.set()

    async def _hear(self) -> None:
        async with self._to_server:
            with self._hearing:
                await self._hear_lines()
            if self._hearing.cancelled_caught:
                await self._ended.wait()

    async def _hear_lines(self) -> None:
        cut = lines.Lines(self._max_line_bytes)
        with contextlib.suppress(ConnectionError, anyio.BrokenResourceError):
            while chunk := await self._reader.read(_CHUNK):
                for line in cut.feed(chunk):
                    if isinstance(line, lines.Oversized):
                        await self._refuse(lines.ends(*line), lines.INVALID_REQUEST, self._too_long)
                    else:
                        await self._hear_line(line)

    async def _hear_line(self, line: bytes) -> None:
        try:
            message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            # The SDK drops such a line without a word; whoever sent it would wait for ever.
            if found := lines.envelope(line):
                await self._refuse(found, lines.INVALID_REQUEST, "The line is not a JSON-RPC message.")
            else:
                await self._refuse(lines.ends(line, line), lines.PARSE_ERROR, "The line is not JSON.")
            return
        if isinstance(message, types.JSONRPCRequest) and message.method not in lines.ENDLESS:
            self._unanswered.add(message.id)
            self.settled.clear()
        elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            self._settle((message.params or {}).get("requestId"))
        with anyio.CancelScope(shield=True):
            await self._to_server.send(SessionMessage(message))

    async def _refuse(self, message: dict[str, Any], code: int, reason: str) -> None:
        to = lines.request_id(message) if "method" in message else None
        await self._write(lines.error_line(to, code, reason))

    async def _say(self) -> None:
        async with self._from_server:
            async for item in self._from_server:
                line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await self._write(line.encode() + b"\n")
                if isinstance(item.message, types.JSONRPCResponse | types.JSONRPCError):
                    self._settle(item.message.id)

    async def _write(self, line: bytes) -> None:
        if not self._ended.is_set():
            with contextlib.suppress(ConnectionError):
                self._writer.write(line)
                await self._writer.drain()

    def _settle(self, call: object) -> None:
        if isinstance(call, str | int):
            self._unanswered.discard(call)
        if not self._unanswered:
            self.settled.set()


def _is_own_user(connection: socket.socket) -> bool:
    """Whether the client runs as the same user; taken for granted where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    size = struct.calcsize("iII")
    _, user, _ = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(user == os.getuid())
