"""How many tokens a text has, without asking whoever will read it."""

from functools import cache
from typing import TYPE_CHECKING

from mcp_rag.embedding import catalogue
from mcp_rag.local_models import locate

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CARRIED = "bge-small-en-v1.5"


def count(text: str) -> int:
    """Tokens by the tokenizer that comes with the default embedding model, with its 30,000 pieces of words.

    The models that write answers know three to seven times as many, and so take fewer tokens for the same
    English. What this one does not know is counted by its bytes, which no tokenizer exceeds.
    """
    encoding = _tokenizer().encode(text, add_special_tokens=False)
    unknown = _tokenizer().token_to_id("[UNK]")
    return sum(
        len(text[start:stop].encode("utf-8", "replace")) if piece == unknown else 1
        for piece, (start, stop) in zip(encoding.ids, encoding.offsets, strict=True)
    )


@cache
def _tokenizer() -> "Tokenizer":
    from mcp_rag.local_models.onnx import open_tokenizer  # It takes a quarter of a second to import.

    known = catalogue.find(CARRIED)
    assert known is not None
    return open_tokenizer(locate.carried_tokenizer(known))
