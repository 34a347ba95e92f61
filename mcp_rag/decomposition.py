"""A question that names two things, as one question for each. Pure.

By rules, for English: two clauses that ask ("Who visited Rome, and what did they bring back?"), or two things
joined by a conjunction ("the budget and the hiring plan"). What is left of the question stays in both parts.
"""

import re

from mcp_rag import languages

MOST = 2
"""Parts of a question."""
LONGEST_QUESTION = 400
"""Characters; what is longer was pasted, and asks for all that is in it."""
LONGEST = 4
"""Words of a thing, at most."""

_ASKING = (
    r"(?:who|whom|whose|what|when|where|why|how|which|did|do|does|is|are|was|were|has|have|had|can|could|will"
    r"|would|should)\b"
)
_NEXT_CLAUSE = re.compile(rf"(?:\?\s*(?:and\s+)?|[,;]?\s+and\s+(?:also\s+)?)(?={_ASKING})", re.IGNORECASE)
_AND = re.compile(r",?\s+(?:and|or|versus|vs\.?|compared\s+(?:to|with))\s+", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_DETERMINERS = frozenset({"the", "a", "an", "this", "my", "your", "his", "her", "its", "our", "their"})
_LOOSE = " ?,.;"


def parts(question: str) -> list[str]:
    """The questions that it is made of, or none where it asks for one thing."""
    question = " ".join(question.split())
    if len(question) > LONGEST_QUESTION:
        return []
    clauses = [clause.strip(_LOOSE) for clause in _NEXT_CLAUSE.split(question) if clause.strip(_LOOSE)]
    if len(clauses) == MOST and all(len(_content(clause)) > 1 for clause in clauses):
        return [f"{clause}?" for clause in clauses]
    for joint in _AND.finditer(question):
        if found := _for_each_thing(question, joint):
            return found
    return []


def _for_each_thing(question: str, joint: re.Match[str]) -> list[str]:
    """The question without what follows the conjunction, and without what precedes it."""
    before = list(_WORD.finditer(question, 0, joint.start()))
    after = list(_WORD.finditer(question, joint.end()))
    determined = bool(after) and after[0].group().lower() in _DETERMINERS
    second = _run(question, after[1:] if determined else after)
    first = _run(question, before[::-1])[: len(second)]
    second = second[: len(first)]
    if not first or second[0].group()[0].isdigit():
        return []
    begin = first[-1].start()
    place = before.index(first[-1])
    if place and before[place - 1].group().lower() in _DETERMINERS:
        begin = before[place - 1].start()
    return [
        question[: joint.start()] + question[second[-1].end() :],
        question[:begin] + question[joint.end() :],
    ]


def _run(question: str, words: list[re.Match[str]]) -> list[re.Match[str]]:
    """The first of the words, up to a function word or a mark, in the direction that they come in."""
    run: list[re.Match[str]] = []
    for word in words[:LONGEST]:
        if _is_function_word(word.group()) or (run and _between(question, run[-1], word).strip()):
            break
        run.append(word)
    return run


def _between(question: str, one: re.Match[str], other: re.Match[str]) -> str:
    first, last = sorted((one, other), key=lambda word: word.start())
    return question[first.end() : last.start()]


def _content(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if not _is_function_word(word)]


def _is_function_word(word: str) -> bool:
    return word.lower() in languages.function_words("en")
