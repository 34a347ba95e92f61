"""How much a model is given: threads, and characters of a text."""

import os

# No written language spends this many characters on a token, all through a text.
_CHARACTERS_PER_TOKEN = 50


def threads_for(wanted: int) -> int:
    """How many threads a model gets: as many as wanted, or as cores that this process may use, up to 4."""
    if wanted:
        return wanted
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 4)


def legible(text: str, max_tokens: int) -> str:
    """What of a text a tokenizer needs to see: valid Unicode, and no more than the model will read."""
    return text[: max_tokens * _CHARACTERS_PER_TOKEN].encode("utf-8", "replace").decode("utf-8")
