"""`python -m bench.tool_lint`: what a model reads of the tools, checked without a model.

Tokens are counted by `rendering.tokens`, by which results keep to `max_tokens`: one for 3.5 characters. It
errs high: five real tokenizers (docs/tools.md) make one of 4.0 to 4.3 characters of this payload.
"""

import asyncio
import difflib
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from mcp.types import Tool

from bench import offer
from bench.offer import Offer
from mcp_rag.tools import rendering

BUDGET = 3_000
"""Tokens of `tools/list`, as it goes over the wire."""
FIRST_SENTENCE = 20
"""Words. Some clients show a model no more than this until it asks."""
ALIKE = 0.1
"""The share of word trigrams that two descriptions may have in common."""
SAME_NAME = 0.7
"""The likeness of two names (difflib) from which on they are taken for each other."""
VERBS = {
    *("add", "answer", "ask", "delete", "erase", "fetch", "find", "forget", "get", "ingest", "list"),
    *("read", "remember", "search", "show", "store"),
}
SELF_EXPLAINING = {
    "limit": "how many results, as everywhere; its default and bounds say the rest",
    "title": "of what is stored",
    "tags": "of what is stored",
    "role": "its values say it: user or assistant",
    "text": "of a turn",
}
"""Parameters that need no description, each with the reason."""

Schema = Mapping[str, Any]


def main() -> None:
    offered = asyncio.run(offer.current())
    found = list(findings(offered))
    sys.stdout.write(f"tools/list: {tokens(offered):,} tokens of {BUDGET:,}\n")
    for finding in found:
        sys.stderr.write(f"{finding}\n")
    sys.exit(1 if found else 0)


def tokens(offered: Offer) -> int:
    return rendering.tokens(offered.payload)


def findings(offered: Offer) -> Iterator[str]:
    """What is wrong, each in a line."""
    for tool in offered.tools:
        yield from _name(tool)
        yield from _first_sentence(tool)
        yield from _parameters(tool)
    for one, other in combinations(offered.tools, 2):
        yield from _taken_for_each_other(one, other)
    yield from _needless(offered)
    if tokens(offered) > BUDGET:
        yield f"tools/list: {tokens(offered):,} tokens, and {BUDGET:,} is the most."


def _name(tool: Tool) -> Iterator[str]:
    if not re.fullmatch(r"[a-z]+(_[a-z]+)?", tool.name):
        yield f"{tool.name}: the name is no verb, or verb_noun, in lower case."
    elif tool.name.split("_")[0] not in VERBS:
        yield f"{tool.name}: the name begins with no verb that is known here."


def _first_sentence(tool: Tool) -> Iterator[str]:
    words = re.split(r"(?<=[.!?])\s", tool.description or "")[0].split()
    if not words:
        yield f"{tool.name}: there is no description."
        return
    if words[0].casefold() not in VERBS:
        yield f"{tool.name}: the description begins with {words[0]!r}, which is no verb known here."
    if len(words) > FIRST_SENTENCE:
        yield f"{tool.name}: the first sentence has {len(words)} words, and {FIRST_SENTENCE} is the most."
    if not re.search(r"\b(use|call|only when|when)\b", tool.description or "", re.IGNORECASE):
        yield f"{tool.name}: the description does not say when to use it."


def _parameters(tool: Tool) -> Iterator[str]:
    for name in _undescribed(tool.input_schema):
        if name.rpartition(".")[2] not in SELF_EXPLAINING:
            yield f"{tool.name}: the parameter {name} has no description."


def _undescribed(schema: Schema, within: str = "") -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        if not part.get("description", "").strip():
            yield within + name
        yield from _undescribed(part.get("items", {}), f"{within}{name}.")


def _needless(offered: Offer) -> Iterator[str]:
    bare = {name.rpartition(".")[2] for tool in offered.tools for name in _undescribed(tool.input_schema)}
    for name in sorted(SELF_EXPLAINING.keys() - bare):
        yield f"SELF_EXPLAINING: {name} is described wherever it is, or nowhere there."


def _taken_for_each_other(one: Tool, other: Tool) -> Iterator[str]:
    likeness = difflib.SequenceMatcher(None, one.name, other.name).ratio()
    if likeness >= SAME_NAME:
        yield f"{one.name}, {other.name}: the names are alike ({likeness:.2f})."
    shared = common(one.description or "", other.description or "")
    if shared > ALIKE:
        yield f"{one.name}, {other.name}: the descriptions share {shared:.2f} of their word trigrams."


def common(one: str, other: str) -> float:
    """The trigrams of words that two texts share, of all that they have (Jaccard)."""
    first, second = _trigrams(one), _trigrams(other)
    return len(first & second) / len(first | second) if first | second else 0.0


def _trigrams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return set(zip(words, words[1:], words[2:], strict=False))


if __name__ == "__main__":
    main()
