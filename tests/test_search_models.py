"""Search before there is a model, beside passages without a vector, and when the model changes."""

import pytest

from mcp_rag.errors import ModelMismatch
from mcp_rag.models import EmbeddingModel, NewMessage
from mcp_rag.ports import Embedder, Vectors
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.conftest import Borrowed
from tests.library import NOTES

LOADING = "Found by words alone: the embedding model is still loading."


class Shortened(Borrowed):
    """Another model: the first half of the default model's dimensions."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(embedder)
        self._passages, self._query = embedder.embed_passages, embedder.embed_query
        self.embed_passages, self.embed_query = self._short_passages, self._short_query

    @property
    def model(self) -> EmbeddingModel:
        return EmbeddingModel(name="half", dimensions=192, fingerprint="half")

    async def _short_passages(self, texts: list[str]) -> Vectors:
        return (await self._passages(texts))[:, :192]

    async def _short_query(self, text: str) -> Vectors:
        return (await self._query(text))[:192]


async def test_search_goes_by_words_and_says_so_until_the_model_is_loaded(lexical: Rag) -> None:
    before = await lexical.search("medicine from a doctor")
    assert (before.mode, before.notice) == ("lexical", LOADING)
    assert "note-doctor" not in [hit.conversation_id for hit in before.results]
    await lexical.vectors.ready()
    after = await lexical.search("medicine from a doctor")
    assert (after.mode, after.notice) == ("hybrid", None)
    assert after.results[0].conversation_id == "note-doctor"


async def test_a_passage_without_a_vector_is_found_by_its_words_beside_those_with_one(rag: Rag) -> None:
    await rag.ingest("old", [NewMessage(text="The ferry to the island leaves at noon.")])
    await rag.vectors.drain()
    await rag.ingest("new", [NewMessage(text="The ferry was late today.")])
    found = await rag.search("ferry")
    assert {hit.conversation_id for hit in found.results} == {"old", "new"}


async def test_vectors_of_two_models_are_never_compared_and_replacing_the_model_cures_it(
    rag: Rag, database_url: str, embedder: Embedder
) -> None:
    await rag.ingest("stars", [NewMessage(text=NOTES["stars"])])
    await rag.ingest("doctor", [NewMessage(text=NOTES["doctor"])])
    await rag.vectors.drain()
    database = Database(url=database_url)
    await database.open()
    other = Rag(Store(database), Shortened(embedder))
    other.vectors.start(work=False)
    with pytest.raises(ModelMismatch) as caught:
        await other.vectors.ready()
    assert "half" in caught.value.cause
    assert "mcp-rag reembed" in caught.value.remedy
    for read in (other.search("planets"), other.ask("Which planets?")):
        with pytest.raises(ModelMismatch):
            await read
    assert await other.vectors.replace_model() == 2
    await other.vectors.close()

    again = Rag(Store(database), Shortened(embedder))
    again.vectors.start(work=False)
    await again.vectors.ready()
    found = await again.search("looking at planets")
    assert (found.mode, found.results[0].conversation_id) == ("hybrid", "stars")
    status = await again.status()
    assert (status.model.name, status.pending) == ("half", 0)
    await again.vectors.close()
    await database.close()


async def test_a_process_that_runs_on_after_another_switched_the_model_refuses_to_compare(
    rag: Rag, database_url: str, embedder: Embedder
) -> None:
    await rag.ingest("stars", [NewMessage(text=NOTES["stars"])])
    await rag.vectors.drain()
    database = Database(url=database_url)
    await database.open()
    await (other := Rag(Store(database), Shortened(embedder))).vectors.replace_model()
    with pytest.raises(ModelMismatch):
        await rag.search("planets")
    with pytest.raises(ModelMismatch):
        await rag.vectors.drain()
    assert (await other.search("planets")).mode == "hybrid"
    await database.close()
