"""Texts to store and questions to ask: open benchmark sets where there are some, else made-up ones."""

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench import words
from mcp_rag import passages, segments
from mcp_rag.models import NewConversation, NewMessage

SEED = 20261123
SHARES = 0.1, 0.01, 0.001
"""Of the passages, those that a filter selects: of their conversations, one in so many has the tag."""
_DATE = "%I:%M %p on %d %B, %Y"


class Texts(NamedTuple):
    """What is embedded for a passage."""

    alone: str
    reply: str | None
    """Once more after the message before it, where there is one."""


@dataclass(frozen=True)
class Corpus:
    """What can be stored, in an order that mixes its sources, and questions about it."""

    origin: str
    conversations: list[NewConversation]
    questions: list[str]

    def grown(self, size: int) -> Iterator[NewConversation]:
        """Conversations that together hold `size` passages.

        Where the corpus is too small its conversations come again, each message made of sentences that two
        messages of the same conversation have. So many have a tag that the filters of `SHARES` select theirs.
        """
        tags, left = Tags(), size
        for conversation in itertools.chain(self.conversations, self._retold()):
            taken = list(_until(conversation.messages, left))
            told = conversation.model_copy(update={"messages": tuple(taken)})
            count = count_passages(told)
            yield told.model_copy(update={"tags": tags.of(count)})
            left -= count
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
    made = [model.conversation(number, messages=5 + number % 60) for number in range(700)]
    return Corpus("made up from the words of the examples", made, [model.question(each) for each in made])


def count_passages(conversation: NewConversation) -> int:
    return sum(map(_passages, conversation.messages))


def tag(share: float) -> str:
    """What the conversations are tagged with that hold this share of the passages."""
    return f"1 in {1 / share:.0f}"


class Tags:
    """Deals out tags, so that at any time about its share of the passages so far has each."""

    def __init__(self) -> None:
        self._dealt = 0
        self._tagged = dict.fromkeys(SHARES, 0)

    def of(self, passages: int) -> tuple[str, ...]:
        """The tags of the next conversation, which has so many passages."""
        self._dealt += passages
        chosen = [share for share in SHARES if self._tagged[share] + passages / 2 <= share * self._dealt]
        for share in chosen:
            self._tagged[share] += passages
        return tuple(map(tag, chosen))


def embedded_texts(conversation: NewConversation) -> Iterator[Texts]:
    """What the product embeds for each passage, in their order."""
    title = f"{conversation.title}\n" if conversation.title else ""
    for before, message in itertools.pairwise((None, *conversation.messages)):
        assert message is not None
        for passage in passages.cut(message.text):
            alone = title + passage.text
            follows = conversation.kind == "chat" and passage.start == 0
            yield Texts(alone, _reply(title, before, message, passage.text) if follows else None)


def _reply(title: str, before: NewMessage | None, message: NewMessage, passage: str) -> str | None:
    if before is None or _apart(before, message):
        return None
    return f"{title}{_said_by(before)}{before.text[-segments.BEFORE :]}\n{_said_by(message)}{passage}"


def _apart(before: NewMessage, message: NewMessage) -> bool:
    if before.sent_at is None or message.sent_at is None:
        return False
    return abs(message.sent_at - before.sent_at) > segments.PAUSE


def _said_by(message: NewMessage) -> str:
    return f"{message.speaker}: " if message.speaker else ""


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
