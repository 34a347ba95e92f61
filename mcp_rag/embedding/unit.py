"""Vectors of unit length."""

import numpy as np
from numpy.typing import NDArray

from mcp_rag.errors import EmbeddingFailed
from mcp_rag.ports import Vectors


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Scale every row to unit length.

    Raises:
        EmbeddingFailed: a row has no direction, or holds something that is not a number.
    """
    rows = vectors.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        cause = "The embedding model gave a vector that has no direction."
        raise EmbeddingFailed(cause, bare=cause)
    scaled: Vectors = rows / lengths
    return scaled
