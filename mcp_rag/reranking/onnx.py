"""Cross-encoders that ONNX Runtime runs, without PyTorch."""

from collections.abc import Sequence

import numpy as np
from tokenizers import Encoding

from mcp_rag.errors import ModelCorrupt, RerankingFailed
from mcp_rag.local_models.bounds import legible, threads_for
from mcp_rag.local_models.locate import ModelFiles
from mcp_rag.local_models.onnx import ERRORS, WHOLE_COPY, Session, open_tokenizer, padded
from mcp_rag.reranking.local import MAX_PAIR_TOKENS

# A question that is longer is cut, so that the text always has half of the pair.
MAX_QUESTION_TOKENS = 96


class OnnxCrossEncoder:
    """A `CrossEncoder` on the CPU."""

    def __init__(self, files: ModelFiles, *, threads: int) -> None:
        self._tokenizer = open_tokenizer(files.folder / "tokenizer.json")
        self._session = Session(files.weights[0], threads_for(threads))
        try:
            self.scores(self.pairs("Does it work?", ["It works."]))
        except RerankingFailed as error:
            raise ModelCorrupt(
                f"{files.weights[0]} does not work as a reranking model: {error.cause}", remedy=WHOLE_COPY
            ) from error

    def pairs(self, question: str, texts: Sequence[str]) -> list[Encoding]:
        """The question and each text, as the model's own template joins them; only the text is cut."""
        asked = self._tokenizer.encode(legible(question, MAX_QUESTION_TOKENS), add_special_tokens=False)
        asked.truncate(MAX_QUESTION_TOKENS)
        room = MAX_PAIR_TOKENS - len(asked) - self._tokenizer.num_special_tokens_to_add(is_pair=True)
        read = [legible(text, MAX_PAIR_TOKENS) for text in texts]
        encodings = self._tokenizer.encode_batch(read, add_special_tokens=False)
        for encoding in encodings:
            encoding.truncate(room)
        return [self._tokenizer.post_process(asked, encoding) for encoding in encodings]

    def scores(self, pairs: Sequence[Encoding]) -> list[float]:
        feeds = {
            "input_ids": padded([pair.ids for pair in pairs]),
            "attention_mask": padded([pair.attention_mask for pair in pairs]),
            "token_type_ids": padded([pair.type_ids for pair in pairs]),
        }
        try:
            logits = self._session.run(feeds)
        except ERRORS as error:
            raise RerankingFailed(f"ONNX Runtime refused the text: {error}") from error
        if logits.size != len(pairs) or not np.isfinite(logits).all():
            raise RerankingFailed(f"The model gave no score for each text, but {logits.shape}.")
        return [float(logit) for logit in logits.reshape(-1)]
