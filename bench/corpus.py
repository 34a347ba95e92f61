"""Texts to store and questions to ask: open benchmark sets where there are some, else made-up ones."""

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import words
from mcp_rag import passages
from mcp_rag.models import NewConversation, NewMessage

SEED = 20261123
_DATE = "%I:%M %p on %d %B, %Y"


@dataclass(frozen=True)
class Corpus:
    """What can be stored, in an order that mixes its sources, and questions about it."""

    origin: str
    conversations: list[NewConversation]
    questions: list[str]

    def grown(self, size: int) -> Iterator[NewConversation]:
        """Conversations that together hold `size` passages.

        Where the corpus is too small its conversations come again, each message made of sentences that two
        messages of the same conversation have.
        """
        left = size
        for conversation in itertools.chain(self.conversations, self._retold()):
            taken = list(_until(conversation.messages, left))
            yield conversation.model_copy(update={"messages": tuple(taken)})
            left -= sum(map(_passages, taken))
            if left <= 0:
                return

    def _retold(self) -> Iterator[NewConversation]:
        chance = random.Random(SEED)
        for time in itertools.count(2):
            for conversation in self.conversations:
                yield _retell(conversation, time, chance)


def gather(folder: Path, examples: Path) -> Corpus:
    """The sets in a folder; made-up text from the words of the examples where it has none."""
    conversations = [each for path in sorted(folder.glob("*/corpus.jsonl")) for each in _conversations(path)]
    questions = [row["text"] for path in sorted(folder.glob("*/queries.jsonl")) for row in _rows(path)]
    if conversations and questions:
        random.Random(SEED).shuffle(conversations)
        random.Random(SEED).shuffle(questions)
        return Corpus(_origin(folder), conversations, questions)
    model = words.learn(examples, random.Random(SEED))
    made = [model.conversation(number, messages=60) for number in range(400)]
    return Corpus("made up from the words of the examples", made, [model.question(each) for each in made])


def embedded_texts(conversation: NewConversation) -> Iterator[str]:
    """What the product embeds for each passage: its text under the conversation's title."""
    for message in conversation.messages:
        for passage in passages.cut(message.text):
            yield f"{conversation.title}\n{passage.text}"


def _origin(folder: Path) -> str:
    return ", ".join(sorted(path.parent.name for path in folder.glob("*/corpus.jsonl")))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _conversations(path: Path) -> Iterator[NewConversation]:
    sessions: defaultdict[str, list[NewMessage]] = defaultdict(list)
    source = path.parent.name
    for row in _rows(path):
        meta = row["meta"]
        title = f"{source} {meta.get('title') or meta['session']}"
        date = datetime.strptime(meta["date"], _DATE).astimezone() if "date" in meta else None
        message = NewMessage(
            text=row["text"], speaker=meta.get("speaker"), sent_at=date, message_id=row["id"]
        )
        sessions[title].append(message)
    for title, messages in sessions.items():
        yield NewConversation(conversation_id=title, title=title, messages=tuple(messages), source=source)


def _retell(conversation: NewConversation, time: int, chance: random.Random) -> NewConversation:
    title = f"{conversation.title} ({time})"
    return conversation.model_copy(
        update={
            "conversation_id": title,
            "title": title,
            "messages": tuple(
                message.model_copy(
                    update={"text": _mixed(message, chance.choice(conversation.messages), chance)}
                )
                for message in conversation.messages
            ),
        }
    )


def _mixed(one: NewMessage, other: NewMessage, chance: random.Random) -> str:
    """As many sentences as the two have on average, at least two, in their order."""
    sentences = [
        message.text[slice(*span)] for message in (one, other) for span in passages.sentences(message.text)
    ]
    kept = min(len(sentences), max(2, len(sentences) // 2))
    return " ".join(sentences[place] for place in sorted(chance.sample(range(len(sentences)), kept)))


def _until(messages: Iterable[NewMessage], size: int) -> Iterator[NewMessage]:
    for message in messages:
        if size <= 0:
            return
        size -= _passages(message)
        yield message


def _passages(message: NewMessage) -> int:
    return len(passages.cut(message.text))
