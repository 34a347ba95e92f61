"""Made-up conversations: a chain of the examples' words, with rare words of its own. Always the same ones."""

import random
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from mcp_rag import importers
from mcp_rag.errors import UnreadableSource
from mcp_rag.models import NewConversation, NewMessage

_WORD = re.compile(r"[\w'’-]+|[.?!]")
_ENDS = frozenset(".?!")
_SYLLABLES = [first + last for first in "bdfgklmnprstvz" for last in ("a", "el", "in", "or", "um")]
_RARE_WORDS = 30_000
_SHARE_OF_RARE_WORDS = 0.08
_LONGEST_SENTENCE = 30


class Words:
    """Which word follows which."""

    def __init__(self, followers: dict[str, list[str]], chance: random.Random) -> None:
        self._followers = followers
        self._chance = chance

    def conversation(self, number: int, *, messages: int) -> NewConversation:
        title = f"talk {number}"
        said = (
            NewMessage(text=self._text(), speaker=("Ana", "Ben")[each % 2], message_id=str(each))
            for each in range(messages)
        )
        return NewConversation(conversation_id=title, title=title, source="made up", messages=tuple(said))

    def question(self, conversation: NewConversation) -> str:
        """One that a message of the conversation could answer, by its words."""
        words = self._chance.choice(conversation.messages).text.split()
        return f"What about {' '.join(self._chance.sample(words, min(6, len(words))))}?"

    def _text(self) -> str:
        return " ".join(self._sentence() for _ in range(self._chance.choice((1, 1, 2, 3, 5))))

    def _sentence(self) -> str:
        said = [self._chance.choice(self._followers["."])]
        while said[-1] not in _ENDS and len(said) < _LONGEST_SENTENCE:
            said.append(self._chance.choice(self._followers[said[-1]]))
        mark = said.pop() if said[-1] in _ENDS else "."
        return " ".join(map(self._maybe_rare, said)) + mark

    def _maybe_rare(self, word: str) -> str:
        if self._chance.random() >= _SHARE_OF_RARE_WORDS:
            return word
        rank = int(_RARE_WORDS ** self._chance.random())
        return "".join(_SYLLABLES[rank // 70**place % 70] for place in range(3))


def learn(examples: Path, chance: random.Random) -> Words:
    """Read the words of the conversations and documents in a folder.

    Raises:
        UnreadableSource: the folder has none.
    """
    followers: dict[str, list[str]] = defaultdict(list)
    for item in importers.read(examples):
        for message in item.messages if isinstance(item, NewConversation) else ():
            sentence_by_sentence = [".", *_WORD.findall(message.text), "."]
            for word, follower in pairwise(sentence_by_sentence):
                if not (word in _ENDS and follower in _ENDS):
                    followers["." if word in _ENDS else word].append(follower)
    if not followers:
        raise UnreadableSource(f"{examples} holds no text to learn words from.")
    return Words(followers, chance)
