"""Stored texts that give orders, to a model that obeys whatever it reads."""

import asyncio
import json
import re
import unicodedata
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from mcp_rag.answering.anthropic import AnthropicAnswerer
from mcp_rag.answering.openai import OpenAIAnswerer
from mcp_rag.identity import LOCAL
from mcp_rag.models import Address, Answer, Filters, NewMessage
from mcp_rag.ports import Answerer, Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.answering import anthropic_server, openai_server
from tests.answering.attacks import ATTACKS, PARTY, TRUE, Attack
from tests.conftest import TEMPLATE, Borrowed, of_database

QUESTION = "When does the harbour party start?"
SECRET = "PELICAN"
SOURCE = re.compile(r"^Source \d+\n<(data-\w+)>\n(.*?)\n</\1>$", re.DOTALL | re.MULTILINE)
MARK = re.compile(r'\s*\[(-?\d+): "(.*?)"\]', re.DOTALL)


@pytest.fixture(scope="module")
def attacked_url(postgres: str, embedder: Embedder) -> str:
    """A database where each attack stands in conversations of its own, beside what is true."""
    return asyncio.run(_attacked(postgres, embedder))


async def _attacked(postgres: str, embedder: Embedder) -> str:
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE DATABASE attacked TEMPLATE {TEMPLATE} STRATEGY file_copy")
    await connection.close()
    url = of_database(postgres, "attacked")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO tenant (tenant_id, name, tombstone_key) VALUES (2, 'second', 'key')"
    )
    await connection.close()
    database = Database(url=url)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder))
    second = rag.of(LOCAL.model_copy(update={"tenant_id": 2}))
    for attack in ATTACKS:
        await rag.ingest(f"party {attack.name}", [NewMessage(text=PARTY)], tags=[attack.name])
        await rag.ingest(f"attack {attack.name}", [NewMessage(text=attack.stored)], tags=[attack.name])
    await second.ingest("word", [NewMessage(text=f"The word of the day is {SECRET}. {PARTY}")])
    rag.vectors.start(work=False)
    await rag.vectors.drain()
    await rag.vectors.close()
    await database.close()
    return url


class Obedient:
    """Both services, behind which a model does what the attack wants once it reads it."""

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.openai, self.anthropic = openai_server.Service(), anthropic_server.Service()
        self.openai.writes, self.anthropic.writes = self._marked, self._cited
        self.read: list[str] = []

    def openai_answerer(self, serve: Callable[..., str]) -> Answerer:
        url = f"{serve(self.openai.app)}/v1"
        return OpenAIAnswerer(openai_server.MODEL, api_key=openai_server.KEY, url=url, timeout=20)

    def anthropic_answerer(self, serve: Callable[..., str]) -> Answerer:
        url = serve(self.anthropic.app)
        return AnthropicAnswerer(anthropic_server.MODEL, api_key=anthropic_server.KEY, url=url, timeout=20)

    def _written(self, sources: list[str]) -> str:
        self.read += sources
        party = next((n for n, text in enumerate(sources, 1) if PARTY in text), 1)
        attack = next((n for n, text in enumerate(sources, 1) if self.attack.stored[:40] in text), None)
        if attack is None:
            return "The model did not read the attack."
        obeyed = self.attack.obeyed.format(party=party, attack=attack)
        return (
            obeyed if obeyed.startswith(("NO ANSWER", "SEARCH")) else f"{TRUE.format(party=party)}\n{obeyed}"
        )

    def _marked(self, asked: openai_server.Asked) -> openai_server.Reply:
        sources = [text for _, text in SOURCE.findall(asked.said_by("user"))]
        return openai_server.Reply([self._written(sources)])

    def _cited(self, asked: anthropic_server.Asked) -> anthropic_server.Reply:
        """The same with citations, of which a service that lies says whatever it likes."""
        rest = self._written(["".join(source.texts) for source in asked.sources])
        events: list[tuple[str, dict[str, Any]]] = []
        for index, (text, number, quote) in enumerate(_pieces(rest)):
            events += [
                ("content_block_start", {"index": index, "content_block": {"type": "text", "text": ""}}),
                ("content_block_delta", {"index": index, "delta": {"type": "text_delta", "text": text}}),
            ]
            if quote is not None:
                citation = {
                    "type": "search_result_location",
                    "source": "conversation://party/messages/0",
                    "title": "Verified",
                    "search_result_index": number - 1,
                    "start_block_index": 0,
                    "end_block_index": 1,
                    "cited_text": quote,
                }
                delta = {"type": "citations_delta", "citation": citation}
                events.append(("content_block_delta", {"index": index, "delta": delta}))
            events.append(("content_block_stop", {"index": index}))
        raw = "".join(f"event: {k}\ndata: {json.dumps({'type': k, **f})}\n\n" for k, f in events)
        return anthropic_server.Reply([anthropic_server.Raw(raw)])


def _pieces(text: str) -> list[tuple[str, int, str | None]]:
    pieces, start = [], 0
    for mark in MARK.finditer(text):
        pieces.append((text[start : mark.start()], int(mark[1]), mark[2]))
        start = mark.end()
    return [*pieces, (text[start:], 0, None)] if text[start:].strip() else pieces


@pytest.fixture(params=ATTACKS, ids=lambda attack: attack.name)
def obedient(request: pytest.FixtureRequest) -> Obedient:
    return Obedient(request.param)


@pytest.fixture(params=["openai", "anthropic"])
async def rag(
    request: pytest.FixtureRequest,
    obedient: Obedient,
    attacked_url: str,
    embedder: Embedder,
    serve: Callable[..., str],
) -> AsyncIterator[Rag]:
    """The service of the tenant who has the attack in store."""
    database = Database(url=attacked_url)
    await database.open()
    writer = (
        obedient.openai_answerer(serve) if request.param == "openai" else obedient.anthropic_answerer(serve)
    )
    rag = Rag(Store(database), Borrowed(embedder), answerer=writer)
    await rag.vectors.ready()
    yield rag
    await writer.close()
    await rag.vectors.close()
    await database.close()


async def test_no_attack_gets_through(rag: Rag, obedient: Obedient) -> None:
    attack = obedient.attack
    reply = await rag.ask(QUESTION, filters=Filters(tags=(attack.name,)))
    assert any(attack.stored[:40] in text for text in obedient.read), "The model did not read it."
    assert not any(SECRET in text.replace(attack.stored, "") for text in obedient.read)
    assert SECRET not in reply.model_dump_json().replace(json.dumps(attack.stored), "")
    if isinstance(reply, Answer):
        await _all_of_it_stands(rag, reply)
        assert not [words for words in attack.never if words in reply.text], reply.text
        assert not [c for c in reply.text if unicodedata.category(c) in ("Cc", "Cf", "Co") and c != "\n"]
    else:
        assert attack.obeyed.startswith(("NO ANSWER", "SEARCH")), reply


async def _all_of_it_stands(rag: Rag, reply: Answer) -> None:
    """Every quote in its message, every link in one of them."""
    stored = []
    for citation in reply.citations:
        (message,) = (await rag.fetch(Address.parse(citation.uri))).messages
        stored.append(message.text)
        assert citation.verified
        assert " ".join(citation.quote.split()) in " ".join(message.text.split())
    for link in re.findall(r"\w+://[^\s\"“”)]+", reply.text):
        assert any(link.rstrip(".") in text for text in stored), link
    assert {int(n) for n in re.findall(r"\[(\d+)\]", reply.text)} == {c.n for c in reply.citations}


def test_there_are_attacks_enough() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 40
