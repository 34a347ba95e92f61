"""What somebody would do without the product: a connection, the search statement, its parameters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.asyncpg import register_vector

from mcp_rag.postgres.database import SESSION
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.store import EXACT_SCAN, LEG_DEPTH, POSTINGS, Transaction
from mcp_rag.rag import DEFAULT_TENANT, Rag

Vector = NDArray[np.float32]

_EXPLAIN = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "


class ByHand:
    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", rag: Rag) -> None:
        self._connection = connection
        self._model_key, self._dimensions = rag.vectors.model_key, rag.vectors.dimensions

    async def find(
        self, terms: dict[int, int], vector: Vector | None, *, exact: int = EXACT_SCAN, before: str = ""
    ) -> list[asyncpg.Record]:
        """The rows for a question's words and meaning; stores of at most `exact` passages are scanned."""
        async with self._connection.transaction(readonly=True):
            await self._connection.execute(sql("set_tenant"), DEFAULT_TENANT)
            asked = await Transaction(self._connection, DEFAULT_TENANT).plan(terms)
            return await self._connection.fetch(
                before + sql("search", dimensions=self._dimensions),
                DEFAULT_TENANT, [word.term for word in asked.words], [word.weight for word in asked.words],
                None if vector is None else HalfVector(vector), self._model_key,
                None, None, None, None, None, None,
                LEG_DEPTH, asked.any_of, asked.all_of, POSTINGS, exact,
            )  # fmt: skip

    async def uses_the_index(self, vector: Vector) -> bool:
        """Whether the vector index answers, as the server says after it did."""
        plan = await self.find({}, vector, before=_EXPLAIN)
        scans = [line for (line,) in plan if f"using embedding_{self._dimensions} " in line]
        return any("never executed" not in line for line in scans)


@asynccontextmanager
async def connected(url: str, rag: Rag) -> AsyncIterator[ByHand]:
    connection = await asyncpg.connect(url, server_settings=SESSION)
    try:
        await register_vector(connection)
        yield ByHand(connection, rag)
    finally:
        await connection.close()
