"""An HTTP call by hand: for bodies that are still being sent when the answer begins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Wire:
    """A connection to the server, with a call on it whose body is sent in chunks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.sent = 0
        """Bytes of body."""

    async def send(self, body: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(body), body))
        await self._writer.drain()
        self.sent += len(body)

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer."""
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(first.split()[1]), headers

    async def chunk(self) -> bytes:
        """The next chunk of the answer; none is left at b""."""
        size = int(await self._reader.readline(), 16)
        return (await self._reader.readexactly(size + 2))[:-2]

    async def send_until_answered(self, body: bytes) -> tuple[int, dict[str, str]]:
        """Send the same again and again, until there is an answer."""
        answer = asyncio.create_task(self.head())
        while not answer.done():
            try:
                await self.send(body)
            except ConnectionError:
                break
            await asyncio.sleep(0)
        return await answer


@asynccontextmanager
async def calling(url: str, path: str, **headers: str) -> AsyncIterator[Wire]:
    """A POST whose head is sent; `content_type="…"` is the header Content-Type."""
    there = urlsplit(url)
    reader, writer = await asyncio.open_connection(there.hostname, there.port)
    told = {"Host": there.netloc, "Transfer-Encoding": "chunked"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode())
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
