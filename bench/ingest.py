"""Storing and embedding, beside the encoder alone on the same texts; and ten times as much of it."""

import random
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from bench.corpus import SEED, Corpus, Texts, embedded_texts
from bench.figures import Figure, Reference, Target
from bench.stores import Lent, Progress, empty_store, store_all
from mcp_rag.embedding.local import BATCH
from mcp_rag.models import NewConversation
from mcp_rag.ports import Embedder
from mcp_rag.rag import Rag

TIMES = 10
ALONE = range(0, TIMES, 2)
"""The parts that also go into a store of their own."""
SPEED, GROWTH = Target(0.8, at_least=True), Target(1.1 * TIMES)
_PIECE = 10

Part = Sequence[NewConversation]


async def measure(
    server_url: str, corpus: Corpus, embedder: Embedder, *, size: int, progress: Progress
) -> list[Figure]:
    """Ten parts of about `size` passages into one store, each beside the bare encoder; some alone, too."""
    texts, stored, encoded, alone = 0, [], [], {}
    async with empty_store(server_url, Lent(embedder)) as (rag, _):
        for number, part in enumerate(_parts(corpus, size)):
            progress(f"ingesting, part {number + 1} of {TIMES}")
            bare = [text for conversation in part for text in embedded_texts(conversation)]
            texts += len(bare)
            stored.append(await _seconds(_ingest(rag, part)))
            encoded.append(await _seconds(_encode(embedder, bare)))
            if number in ALONE:
                async with empty_store(server_url, Lent(embedder)) as (other, _):
                    alone[number] = await _seconds(_ingest(other, part))
    return [
        Figure(
            f"ingest with vectors, {texts:,} passages",
            texts / sum(stored),
            "passages/s",
            Reference("the encoder alone", texts / sum(encoded)),
            SPEED,
        ),
        Figure(
            f"ingest of {TIMES} times as much as {size:,} passages",
            TIMES * sum(stored) / sum(encoded) / (sum(alone.values()) / sum(encoded[n] for n in alone)),
            "times the time",
            target=GROWTH,
            note="both in units of the encoder's time on the same texts",
        ),
    ]


def _parts(corpus: Corpus, size: int) -> list[Part]:
    """Stretches of conversations, dealt out so that the parts are alike."""
    pieces = [piece for conversation in corpus.grown(TIMES * size) for piece in _pieces(conversation)]
    random.Random(SEED).shuffle(pieces)
    return [pieces[number::TIMES] for number in range(TIMES)]


def _pieces(conversation: NewConversation) -> Iterator[NewConversation]:
    for start in range(0, len(conversation.messages), _PIECE):
        name = f"{conversation.title}, from message {start}"
        messages = conversation.messages[start : start + _PIECE]
        yield conversation.model_copy(update={"conversation_id": name, "title": name, "messages": messages})


async def _ingest(rag: Rag, part: Part) -> None:
    await store_all(rag, part)
    await rag.vectors.drain()


async def _encode(embedder: Embedder, texts: Sequence[Texts]) -> None:
    for start in range(0, len(texts), BATCH):
        together = texts[start : start + BATCH]
        replies = [each.reply for each in together if each.reply is not None]
        await embedder.embed_passages([*(each.alone for each in together), *replies])


async def _seconds(work: Coroutine[Any, Any, None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started
