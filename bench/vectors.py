"""Vectors for more passages than there is time to embed, made of what real ones have in common and differ by.

What is measured with them is the time of a search and what the index misses among them, never how good an
answer is. README.md says how like real ones they are.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.corpus import SEED, Corpus, Texts, embedded_texts
from bench.stores import Progress
from mcp_rag.embedding.local import BATCH
from mcp_rag.embedding.unit import unit
from mcp_rag.ports import Embedder

Vectors = NDArray[np.float32]


_EACH = 8
"""Passages of a conversation that are embedded."""


class Blends:
    """Makes vectors from a sample of real ones, each of which belongs to a conversation of the corpus.

    The passages of a conversation lie around its mean, and the means around that of all. How one differs from
    its mean is blended from how two real ones do, at both levels: a retelling has a mean of its own.
    """

    def __init__(self, vectors: Vectors, conversations: Sequence[int]) -> None:
        rows: defaultdict[int, list[int]] = defaultdict(list)
        for row, conversation in enumerate(conversations):
            rows[conversation].append(row)
        self._means = np.stack([vectors[own].mean(axis=0) for own in rows.values()])
        self._mean_of = {conversation: place for place, conversation in enumerate(rows)}
        self._centre = self._means.mean(axis=0)
        self._differences = np.concatenate([_differences(vectors[own]) for own in rows.values()])

    def make(self, conversation: int, count: int, *, time: int) -> Vectors:
        """So many vectors for a conversation of the corpus, or (`time` > 0) for a retelling of it."""
        chance = np.random.default_rng((SEED, conversation, time))
        mean = self._means[self._mean_of.get(conversation, conversation % len(self._means))]
        if time:
            mean = self._centre + _blended(mean - self._centre, self._means - self._centre, chance)
        one = self._differences[chance.integers(len(self._differences), size=count)]
        return unit(mean + _blended(one, self._differences, chance))


def _blended(one: Vectors, others: Vectors, chance: np.random.Generator) -> Vectors:
    """As long as they are, on average, and nearer to the one than to whichever other is taken."""
    shape = one.shape[:-1]
    other = others[chance.integers(len(others), size=shape)]
    angle = chance.uniform(0, np.pi / 4, (*shape, 1))
    return (np.cos(angle) * one + np.sin(angle) * other).astype(np.float32)


def _differences(vectors: Vectors) -> Vectors:
    """From the mean of their conversation, which lies farther off than the mean of these few."""
    scale = (len(vectors) / max(1, len(vectors) - 1)) ** 0.5
    differences: Vectors = scale * (vectors - vectors.mean(axis=0))
    return differences[len(vectors) == 1 :]


def replies(vectors: Vectors) -> Vectors:
    """Of each passage together with the one before it."""
    return unit(vectors + np.roll(vectors, 1, axis=0))


async def blends(embedder: Embedder, corpus: Corpus, *, sample: int, progress: Progress) -> Blends:
    """Embed passages of the corpus, about `sample` of them: `_EACH` of a conversation, evenly over all."""
    chosen = sorted(_chosen(corpus, sample // _EACH), key=lambda each: len(each[1].alone))
    vectors = []
    for start in range(0, len(chosen), BATCH):
        progress(f"embedding a sample of the texts, {start:,} of {len(chosen):,}")
        texts = [each.alone for _, each in chosen[start : start + BATCH]]
        vectors.append(await embedder.embed_passages(texts))
    return Blends(np.concatenate(vectors), [conversation for conversation, _ in chosen])


def _chosen(corpus: Corpus, conversations: int) -> Iterator[tuple[int, Texts]]:
    numbered = list(enumerate(corpus.conversations))
    for number, conversation in numbered[:: max(1, len(numbered) // conversations)]:
        texts = list(embedded_texts(conversation))
        yield from ((number, each) for each in texts[:: max(1, len(texts) // _EACH)][:_EACH])
