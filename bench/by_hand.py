"""What somebody would do without the product: a connection, the statements of a search, their parameters."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import asyncpg
import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.asyncpg import register_vector

from mcp_rag import lexicon, questions
from mcp_rag.lexicon import Asked
from mcp_rag.models import EVERYTHING, Filters
from mcp_rag.postgres.database import SESSION, Connection
from mcp_rag.postgres.queries import sql
from mcp_rag.postgres.rows import rarities
from mcp_rag.postgres.store import EXACT_SCAN, LEG_DEPTH, POSTINGS, Transaction
from mcp_rag.rag import DEFAULT_TENANT, Rag

Vector = NDArray[np.float32]

_EXPLAIN = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "


@dataclass(frozen=True)
class Prepared:
    """A question as the statements take it."""

    names: set[str]
    terms: Mapping[int, Asked]
    vector: Vector | None


NO_WORDS: Mapping[int, Asked] = {}


def prepared(question: str, vector: Vector | None) -> Prepared:
    terms = lexicon.query_terms(question, tenant_id=DEFAULT_TENANT)
    return Prepared(questions.possible_names(question), terms, vector)


class ByHand:
    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", rag: Rag) -> None:
        self._connection = connection
        self._model_key, self._dimensions = rag.vectors.model_key, rag.vectors.dimensions

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        async with self._connection.transaction(readonly=True):
            await self._connection.execute(sql("set_tenant"), DEFAULT_TENANT)
            yield transaction(self._connection)

    async def search(self, question: Prepared) -> None:
        """Every statement of a search."""
        await self.understand(question)
        await self.find(question.terms, question.vector, confirm=True)

    async def understand(self, question: Prepared) -> None:
        """What is asked of the store before a question can be looked up."""
        async with self._transaction() as tx:
            await tx.people_named(question.names, EVERYTHING)
            await tx.languages()

    async def find(
        self,
        terms: Mapping[int, Asked],
        vector: Vector | None,
        *,
        filters: Filters = EVERYTHING,
        exact: int = EXACT_SCAN,
        confirm: bool = False,
        before: str = "",
    ) -> list[asyncpg.Record]:
        """The rows for a question's words and meaning; what `exact` passages or fewer are left of is scanned.

        With `confirm` the store is asked for its model first, as a search does.
        """
        async with self._transaction() as tx:
            if confirm:
                await tx.active_model()
            asked = await tx.plan(terms)
            return await self._connection.fetch(
                before + sql("search", dimensions=self._dimensions),
                DEFAULT_TENANT, rarities(asked), [word.term for word in asked.words],
                None if vector is None else HalfVector(vector), self._model_key,
                None, None, list(filters.tags) or None, None, None, None,
                LEG_DEPTH, asked.any_of, asked.all_of, POSTINGS, exact, [],
            )  # fmt: skip

    async def uses_the_index(self, vector: Vector, filters: Filters) -> bool:
        """Whether the vector index answers, as the server says after it did."""
        plan = await self.find(NO_WORDS, vector, filters=filters, before=_EXPLAIN)
        scans = [line for (line,) in plan if f"using embedding_{self._dimensions} " in line]
        return any("never executed" not in line for line in scans)


def transaction(connection: "asyncpg.Connection[asyncpg.Record]") -> Transaction:
    """The product's statements on a connection that is in no pool."""
    return Transaction(cast(Connection, connection), DEFAULT_TENANT)


@asynccontextmanager
async def connected(url: str, rag: Rag, settings: Mapping[str, str] = SESSION) -> AsyncIterator[ByHand]:
    connection = await asyncpg.connect(url, server_settings=dict(settings))
    try:
        await register_vector(connection)
        yield ByHand(connection, rag)
    finally:
        await connection.close()
