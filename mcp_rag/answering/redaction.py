"""Texts without the secrets in them: keys, tokens, passwords and the numbers of payment cards."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise

from mcp_rag.errors import InvalidSettings
from mcp_rag.models import Evidence

MASK = "█"
"""Stands for each character of a secret, so that all others stay where they are."""

_VISIBLE = re.compile(r"\S")


def require() -> None:
    """Make sure that secrets can be found, and that the first text does not wait for it.

    Raises:
        InvalidSettings: the packages that find them are not installed.
    """
    _detector()


def masked(text: str) -> str:
    """The text with each character of a secret masked. Its length and its white space stay as they are.

    Raises:
        InvalidSettings: as `require` does.
    """
    parts: list[str] = []
    end = 0
    for start, stop in sorted(_detector()(text)):
        if stop > end:
            start = max(start, end)
            parts += text[end:start], _VISIBLE.sub(MASK, text[start:stop])
            end = stop
    return "".join(parts) + text[end:]


def redacted(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The same evidence, masked, in sentences of the same lengths.

    Raises:
        InvalidSettings: as `require` does.
    """
    return [_redacted(item) for item in evidence]


def _redacted(item: Evidence) -> Evidence:
    hit = item.hit
    # At once, for a secret may go over several sentences, or be cut where the hit's text is.
    text = masked(item.text)
    start = item.text.find(hit.text)
    hidden = {
        "text": masked(hit.text) if start < 0 else text[start : start + len(hit.text)],
        "title": masked(hit.title),
        "speaker": hit.speaker and masked(hit.speaker),
        "before": tuple(map(masked, hit.before)),
        "after": tuple(map(masked, hit.after)),
    }
    stops = accumulate(map(len, item.sentences), initial=0)
    return Evidence(
        hit=hit.model_copy(update=hidden),
        sentences=tuple(text[start:stop] for start, stop in pairwise(stops)),
    )


def _detector() -> Callable[[str], Iterator[tuple[int, int]]]:
    try:
        from mcp_rag.answering.secret_spans import secret_spans
    except ModuleNotFoundError:
        raise InvalidSettings(
            "MCP_RAG_REDACT is set, and the packages that find secrets are not installed.",
            remedy="Install it with `pip install 'mcp-rag-memory[redaction]'`, or unset MCP_RAG_REDACT.",
        ) from None
    return secret_spans
