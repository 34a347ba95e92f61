"""Vectors for more texts than there is time to embed: guessed from their words, after a sample of them."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.corpus import SEED, Corpus, embedded_texts
from bench.stores import Lent, Progress
from mcp_rag import lexicon
from mcp_rag.backlog import BATCH
from mcp_rag.embedding.unit import unit
from mcp_rag.lexicon import TYPICAL_LENGTH
from mcp_rag.ports import Embedder
from mcp_rag.rag import DEFAULT_TENANT

Vectors = NDArray[np.float32]

PENALTY = 0.3
NOISE = 0.35
"""Length of what is added to a guess: with it, guesses lie as close to one another as real vectors do."""


class Guesses(Lent):
    """Embeds a sample of the texts; another text gets what the sample says of its words (ridge regression).

    What is measured with these vectors is the time of a search and what the index misses among them, never
    how good an answer is.
    """

    def __init__(self, embedder: Embedder, texts: Sequence[str], vectors: Vectors) -> None:
        super().__init__(embedder)
        self._known = dict(zip(texts, vectors, strict=True))
        self._chance = np.random.default_rng(SEED)
        spread = Counter(term for text in texts for term in _terms(text))
        self._columns = {term: column for column, term in enumerate(spread)}
        self._rarity = np.log1p(len(texts) / np.array(list(spread.values())))
        self._mean = vectors.mean(axis=0)
        self._meanings = self._learn(texts, vectors - self._mean)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        known = [self._known.get(text) for text in texts]
        return np.stack([self._guess(t) if v is None else v for t, v in zip(texts, known, strict=True)])

    def _learn(self, texts: Sequence[str], deviations: Vectors) -> Vectors:
        """A direction for each word, such that the words of a text add up to about its vector."""
        words = np.zeros((len(texts), len(self._columns)), np.float32)
        for row, text in enumerate(texts):
            columns, weights = self._words(text)
            words[row, columns] = weights
        shares = words @ words.T + PENALTY * np.eye(len(texts), dtype=np.float32)
        meanings: Vectors = words.T @ np.linalg.solve(shares, deviations)
        return meanings

    def _guess(self, text: str) -> Vectors:
        columns, weights = self._words(text)
        noise = self._chance.standard_normal(self._mean.shape) * NOISE / np.sqrt(self._mean.size)
        return unit(self._mean + weights @ self._meanings[columns] + noise)

    def _words(self, text: str) -> tuple[NDArray[np.intp], Vectors]:
        found = {
            self._columns[term]: weight for term, weight in _terms(text).items() if term in self._columns
        }
        columns = np.fromiter(found, np.intp, len(found))
        weights = np.fromiter(found.values(), np.float32, len(found)) * self._rarity[columns]
        return columns, weights / (np.linalg.norm(weights) or 1)


async def guesses(embedder: Embedder, corpus: Corpus, *, sample: int, progress: Progress) -> Guesses:
    """Embed passages of the corpus, about `sample` of them, evenly over its conversations."""
    texts = list(dict.fromkeys(text for each in corpus.conversations for text in embedded_texts(each)))
    chosen = texts[:: max(1, len(texts) // sample)]
    vectors = []
    for start in range(0, len(chosen), BATCH):
        progress(f"embedding a sample of the texts, {start:,} of {len(chosen):,}")
        vectors.append(await embedder.embed_passages(chosen[start : start + BATCH]))
    return Guesses(embedder, chosen, np.concatenate(vectors))


def _terms(text: str) -> dict[int, float]:
    terms = lexicon.passage_terms(text, tenant_id=DEFAULT_TENANT, average_length=TYPICAL_LENGTH)
    return dict(zip(terms.terms, terms.weights, strict=True))
