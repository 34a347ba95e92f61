"""Another process with the service on a database: `python -m tests.store_process URL ORDER [ARGUMENTS]`.

ingest ID JSON    store these texts as the messages of a conversation, print the receipt, wait to be killed
drain             load the model and embed all that waits, printing what each batch had
"""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any, Self

from pydantic import SecretStr

from mcp_rag import log
from mcp_rag.compose import open_rag
from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag
from mcp_rag.settings import Settings


class StoreProcess:
    """The process, seen from the test."""

    def __init__(self, url: str, *order: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, url, *order],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def line(self) -> Any:
        """What it prints next."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        """As the kernel does, at once."""
        self._process.kill()
        self._process.communicate()


async def ingest(rag: Rag, conversation_id: str, texts: str) -> None:
    receipt = await rag.ingest(conversation_id, [NewMessage(text=text) for text in json.loads(texts)])
    print(receipt.model_dump_json(), flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def drain(rag: Rag) -> None:
    await rag.vectors.drain(lambda embedded: print(embedded, flush=True))


async def main(url: str, order: str, *arguments: str) -> None:
    log.configure("error", "text")
    async with open_rag(Settings(database_url=SecretStr(url)), work=False) as rag:
        await {"ingest": ingest, "drain": drain}[order](rag, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
