"""Embedding a batch of which some texts cannot be embedded: the others are, and those are found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcp_rag.errors import EmbeddingFailed, EmbeddingUnavailable
from mcp_rag.models import Embedded, Failure, Waiting
from mcp_rag.ports import Embedder

HARMLESS = "A text like any other."
"""Where a model cannot embed this either, it is not the texts that are to blame."""


@dataclass(frozen=True)
class Outcome:
    """What became of each passage of a batch."""

    embedded: tuple[Embedded, ...] = ()
    failed: tuple[Failure, ...] = ()

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.embedded + other.embedded, self.failed + other.failed)


async def embed(embedder: Embedder, waiting: Sequence[Waiting]) -> Outcome:
    """Embed what can be; a batch that fails is halved until what it failed over is alone.

    Raises:
        EmbeddingFailed: the model is to blame, or the service that has it.
    """
    try:
        return Outcome(await _embedded(embedder, waiting))
    except EmbeddingUnavailable:
        raise
    except EmbeddingFailed as error:
        failure = error.bare
    await embedder.embed_passages([HARMLESS])
    if len(waiting) == 1:
        return await _alone(embedder, waiting[0], failure)
    middle = len(waiting) // 2
    return await embed(embedder, waiting[:middle]) + await embed(embedder, waiting[middle:])


async def _alone(embedder: Embedder, passage: Waiting, failure: str) -> Outcome:
    """A passage that is no longer in anybody's way. It may be the message before it that fails."""
    if passage.reply is None:
        return Outcome(failed=(Failure(passage.passage_key, failure),))
    return await embed(embedder, [replace(passage, reply=None)])


async def _embedded(embedder: Embedder, waiting: Sequence[Waiting]) -> tuple[Embedded, ...]:
    """One call for both texts of each passage: the model runs those of like length together."""
    replies = [passage.reply for passage in waiting if passage.reply is not None]
    vectors = await embedder.embed_passages([*(passage.text for passage in waiting), *replies])
    alone, after = vectors[: len(waiting)], iter(vectors[len(waiting) :])
    return tuple(
        Embedded(passage.passage_key, vector, None if passage.reply is None else next(after))
        for passage, vector in zip(waiting, alone, strict=True)
    )
