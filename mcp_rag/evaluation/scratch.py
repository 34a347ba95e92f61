"""A store for one set: a data folder with a server of its own, removed afterwards or kept for the next time.

A kept store is another one as soon as the corpus, the model, or the code that stores is another: what is
stored already would not be stored anew.
"""

import asyncio
import inspect
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path

import mcp_rag
from mcp_rag.evaluation.dataset import CORPUS, Dataset
from mcp_rag.postgres.embedded import EmbeddedServer
from mcp_rag.rag import Rag

PREFIX = "mcp-rag-eval-"
NOT_STORING = (
    *("cli", "tools", "resources", "examples", "answering", "reranking", "evaluation"),
    *("retrieval.py", "questions.py", "candidates.py", "people_named.sql", "neighbours.sql"),
    *("decomposition.py", "explanation.py", "message_passages.sql"),
    *("rag.py", "ranking.py", "hits.py", "snippets.py", "cursors.py", "evidence.py", "search.sql"),
    *("asking.py", "grounding.py", "followups.py", "ledger.py", "briefs.py", "keeping.py", "http", "caching"),
    *("server.py", "resident.py", "pipe.py", "session.py", "lines.py", "rendezvous.py", "erasure.py"),
)
"""Folders and files of the package that have no part in storing. All others have, also those that are new."""


@asynccontextmanager
async def data_folder(kept: Path | None) -> AsyncIterator[Path]:
    """A data folder with its server running. Unless it is `kept`, both are gone afterwards, however it ends.

    Raises:
        EmbeddedServerFailed: no Postgres can be started here.
    """
    folder = kept or Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.mkdir(parents=True, exist_ok=True)
    server = EmbeddedServer(folder)
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    try:
        await asyncio.shield(starting)
        yield folder
    finally:
        await asyncio.wait({starting})
        if kept:
            await asyncio.to_thread(server.stop)
        else:
            await asyncio.to_thread(server.destroy)
            shutil.rmtree(folder, ignore_errors=True)


def place(stores: Path, dataset: Dataset, *, model: str) -> Path:
    """Where among kept stores the one of this set is."""
    digest = blake2b(model.encode(), digest_size=6)
    digest.update((dataset.folder / CORPUS).read_bytes())
    digest.update(inspect.getsource(Rag.ingest).encode())
    package = Path(mcp_rag.__file__).parent
    for path in sorted(path for path in package.rglob("*") if path.suffix in (".py", ".sql")):
        if not {path.name, path.relative_to(package).parts[0]} & set(NOT_STORING):
            digest.update(path.read_bytes())
    return stores / f"{dataset.name}-{digest.hexdigest()}"
