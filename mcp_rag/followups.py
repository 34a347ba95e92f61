"""A question that leans on what was said before, as one that can be looked up by itself. Pure."""

import re
from collections.abc import Sequence

from mcp_rag import languages
from mcp_rag.models import Turn

TURNS = 8
"""Earlier turns that are read, the last ones."""
LONGEST_TURN = 2000
"""Characters of one, from its start."""
FEW, OWN = 3, 2
"""A question with fewer words, or with fewer of its own, leans on what came before."""

NAMES = 2
"""Names that come along from the assistant's last turn."""

# Within a sentence: its first word has a capital whatever it is.
_NAME = re.compile(r"(?<=[\w,;:] )[^\W\d_a-z][^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d[\w.,:-]*")
_LEANING = frozenset(
    {
        *("he", "him", "his", "she", "her", "hers", "they", "them", "their", "theirs", "it", "its"),
        *(
            "this",
            "that",
            "these",
            "those",
            "there",
            "then",
            "here",
            "one",
            "ones",
            "same",
            "former",
            "latter",
        ),
        *("other", "others", "else", "too", "also", "instead", "before", "after", "afterwards"),
    }
)


def recent(history: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns that are read, each within bounds."""
    return tuple(
        turn.model_copy(update={"text": turn.text[:LONGEST_TURN]})
        for turn in history[-TURNS:]
        if turn.text.strip()
    )


def standing_alone(question: str, history: Sequence[Turn]) -> str:
    """What to look up: the question, and, where it leans on them, the questions before it.

    Names in the assistant's last turn come along, since "she" may be the one who was the answer.
    """
    asked = [turn.text for turn in history if turn.role == "user"]
    if not asked or not leans(question):
        return question
    before = [asked[-1]]
    if leans(asked[-1]) and len(asked) > 1:
        before.insert(0, asked[-2])
    answered = [turn.text for turn in history if turn.role == "assistant"][-1:]
    named = dict.fromkeys(name for text in answered for name in _NAME.findall(text[:LONGEST_TURN]))
    known = " ".join(before).casefold()
    fresh = [name for name in named if name.casefold() not in known][:NAMES]
    return " ".join([*before, question, *fresh])


def leans(question: str) -> bool:
    """Whether a question has too little in it to be understood alone."""
    words = [word.casefold() for word in _WORD.findall(question)]
    ordinary = languages.function_words("en")
    own = [word for word in words if word not in ordinary and word not in _LEANING]
    return len(words) < FEW or len(own) < OWN or any(word in _LEANING for word in words)
