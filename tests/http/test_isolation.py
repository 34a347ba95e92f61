"""Two tenants in one store: whatever one of them tries, the answer is as if there were no other.

Every attempt is made twice, of a server whose store both tenants share and of one that has never heard of the
other. Answers, counts, errors and suggestions must be the same to the letter, and hold no word of the other.
"""

import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import PromptReference, ResourceTemplateReference

from mcp_rag import caching, jobs
from mcp_rag.identity import LOCAL
from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.identities import Identities
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.conftest import TEMPLATE, Borrowed, of_database
from tests.http.running import caller, running, token

SHARED = [f"plan {n}" for n in range(12)]
ONE, TWO = ("zorvex", "Mira", "letters"), ("quillan", "Odile", "diaries")
"""Of each tenant: the secret, who tells it, and where it is from. Everything else is the same."""
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
VOLATILE = {"request_id", "next_cursor", "updated_at", "account", "milliseconds"}
CONVERSATION = ResourceTemplateReference(type="ref/resource", uri="conversation://{conversation_id}")
CONTINUE = PromptReference(type="ref/prompt", name="continue_conversation")

Attempt = tuple[str, Any]


@dataclass
class Side:
    """A server, and the first tenant's ways into it."""

    rag: Rag
    identities: Identities
    rest: httpx2.AsyncClient
    clients: list[Client]

    async def make(self, attempt: Attempt) -> str:
        """What came back, without what is another each time."""
        kind, what = attempt
        answer = await getattr(self, f"_{kind}")(what)
        if kind == "changing":
            await self.rag.vectors.drain()
        return re.sub(r"cursor=\S+", "cursor", json.dumps(_lasting(answer), sort_keys=True, default=str))

    async def _rest(self, call: tuple[str, str, Any]) -> Any:
        method, path, body = call
        response = await self.rest.request(method, path, json=body)
        return [response.status_code, response.json()]

    _changing = _rest

    async def _tool(self, call: tuple[int, str, dict[str, Any]]) -> Any:
        client, name, arguments = call
        result = await self.clients[client].call_tool(name, arguments)
        return [
            result.is_error,
            [getattr(c, "text", str(c)) for c in result.content],
            result.structured_content,
        ]

    async def _resource(self, call: tuple[int, str]) -> Any:
        client, uri = call
        return await _or_error(lambda: self.clients[client].read_resource(uri))

    async def _completion(self, call: tuple[int, Any, str]) -> Any:
        client, ref, value = call
        return await _or_error(
            lambda: self.clients[client].complete(ref, {"name": "conversation_id", "value": value})
        )

    async def _listing(self, client: int) -> Any:
        return await _or_error(self.clients[client].list_resources)


async def _or_error(call: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return (await call()).model_dump(mode="json")
    except MCPError as error:
        return [error.error.code, error.error.message]


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in VOLATILE}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


@asynccontextmanager
async def both_sides(postgres: str, embedder: Embedder) -> AsyncIterator[tuple[Side, Side, list[str]]]:
    """The server that both share, the one that knows the first alone, and cursors that the second got."""
    async with AsyncExitStack() as stack:
        shared, cursors = await _side(stack, postgres, embedder, "shared", both=True)
        alone, _ = await _side(stack, postgres, embedder, "alone", both=False)
        yield shared, alone, cursors


async def _side(
    stack: AsyncExitStack, postgres: str, embedder: Embedder, name: str, *, both: bool
) -> tuple[Side, list[str]]:
    owner = await asyncpg.connect(postgres)
    await owner.execute(f"DROP DATABASE IF EXISTS {name}")
    await owner.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    await owner.close()
    database = Database(url=of_database(postgres, name))
    await database.open()
    stack.push_async_callback(database.close)
    rag = Rag(Store(database), Borrowed(embedder), cache=caching.create(None))
    await rag.vectors.ready()
    stack.push_async_callback(rag.vectors.close)
    headers = await token(database, "one")
    await _fill(rag, database, "one", ONE)
    cursors: list[str] = []
    url = await stack.enter_async_context(running(rag, database))
    if both:
        theirs = await token(database, "two")
        await _fill(rag, database, "two", TWO)
        async with caller(url, theirs) as second:
            cursors = await _cursors(second)
    await rag.vectors.drain()
    rest = await stack.enter_async_context(caller(url, headers))
    return Side(rag, Identities(database), rest, await _clients(stack, url, headers)), cursors


async def _fill(rag: Rag, database: Database, tenant: str, words: tuple[str, str, str]) -> None:
    secret, speaker, source = words
    tenant_id = await Identities(database).tenant_id(tenant)
    own = rag.of(LOCAL.model_copy(update={"tenant_id": tenant_id}))
    for n, name in enumerate([*SHARED, *(f"{secret} {n}" for n in range(6))]):
        day = FIRST_DAY + timedelta(days=n)
        said = [
            NewMessage(text=f"The password of gate {n} is {secret}{n}.", speaker=speaker, sent_at=day),
            NewMessage(text=f"Do we meet at gate {n} on Friday?", speaker="Tomas", sent_at=day),
        ]
        await own.ingest(name, said, title=f"Gate {n}", source=source, tags=[secret, "gates"])
    await own.ingest(f"gone {secret}", [NewMessage(text=f"Forget {secret}.")])
    await own.forget(conversation_ids=[f"gone {secret}"], dry_run=False)


async def _cursors(second: httpx2.AsyncClient) -> list[str]:
    pages = [
        await second.get("/conversations", params={"limit": 3}),
        await second.post("/search", json={"query": "password of the gate", "limit": 3}),
    ]
    return [page.json()["next_cursor"] for page in pages]


async def _clients(stack: AsyncExitStack, url: str, headers: dict[str, str]) -> list[Client]:
    """Both transports, in both eras."""
    http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60))
    return [
        await stack.enter_async_context(Client(transport, mode=era))
        for era in ("legacy", "2026-07-28")
        for transport in (
            streamable_http_client(f"{url}/mcp", http_client=http),
            sse_client(f"{url}/sse", headers=headers),
        )
    ]


class Intruder:
    """The first tenant, who knows every name and word of the second, and tries them all."""

    def __init__(self, chance: random.Random, cursors: list[str]) -> None:
        self._chance, self._cursors = chance, cursors

    def attempt(self) -> Attempt:
        ways = (self._reading, self._listing, self._searching, self._tool, self._mcp, self._writing)
        (way,) = self._chance.choices(ways, (30, 15, 12, 20, 22, 1))
        return way()

    def _name(self) -> str:
        one, two = ONE[0], TWO[0]
        names = [
            *SHARED,
            f"{two} {self._chance.randrange(8)}",
            f"gone {two}",
            f"gone {one}",
            two,
            two[:4],
            "plan",
        ]
        return self._chance.choice(names)

    def _words(self) -> str:
        n = self._chance.randrange(14)
        return self._chance.choice(
            [
                f"What is the password of gate {n}?",
                f"{TWO[0]}{n}",
                f"What did {TWO[1]} say of gate {n}?",
                f"Who said {TWO[0]}?",
                "password",
            ]
        )

    def _filters(self) -> dict[str, Any]:
        every = {
            "conversation_id": self._name(),
            "speaker": TWO[1],
            "source": TWO[2],
            "tags": [self._chance.choice([TWO[0], "gates"])],
            "since": "2026-03-05T00:00:00Z",
        }
        return dict(self._chance.sample(sorted(every.items()), self._chance.choice([0, 0, 1, 1, 2])))

    def _cursor(self) -> dict[str, str]:
        return {"cursor": self._chance.choice(self._cursors)} if self._chance.random() < 0.2 else {}

    def _reading(self) -> Attempt:
        if self._chance.random() < 0.2:
            return "rest", ("GET", jobs.uri(self._name()).removeprefix("rag:/"), None)
        path = f"/conversations/{quote(self._name(), safe='')}"
        return "rest", ("GET", path + self._chance.choice(["", "/messages", "/messages?first=1"]), None)

    def _listing(self) -> Attempt:
        asked = {"limit": "3", "title": self._name(), "source": TWO[2], "tags": TWO[0]} | self._cursor()
        kept = self._chance.sample(sorted(asked.items()), self._chance.randrange(len(asked)))
        return "rest", ("GET", f"/conversations?{'&'.join(f'{k}={quote(v)}' for k, v in kept)}", None)

    def _searching(self) -> Attempt:
        if self._chance.random() < 0.3:
            return "rest", ("POST", "/ask", {"question": self._words()} | self._filters())
        asked = {"query": self._words(), "limit": 3, "explain": self._chance.random() < 0.3}
        return "rest", ("POST", "/search", asked | self._filters() | self._cursor())

    def _tool(self) -> Attempt:
        calls = [
            ("search", {"query": self._words()} | self._filters()),
            ("fetch", {"id": self._chance.choice(["", "#0", "#1", "#7"]).join([self._name(), ""])}),
            ("fetch", {"uri": f"conversation://{quote(self._name(), safe='')}/messages/0"}),
            ("fetch", {"uri": jobs.uri(self._name())}),
            ("list_conversations", {"title": self._name()} | self._cursor()),
            ("forget", {"conversation_ids": [self._name()]}),
            ("forget", {"source": TWO[2]}),
        ]
        return "tool", (self._client(), *self._chance.choice(calls))

    def _mcp(self) -> Attempt:
        uri = f"conversation://{quote(self._name(), safe='')}"
        beginning = self._name()[: self._chance.randrange(8)]
        return self._chance.choice(
            [
                ("resource", (self._client(), uri + self._chance.choice(["", "/messages/0", "/messages/1"]))),
                ("resource", (self._client(), "rag://status")),
                ("resource", (self._client(), jobs.uri(self._name()))),
                ("completion", (self._client(), self._chance.choice([CONVERSATION, CONTINUE]), beginning)),
                ("listing", self._client()),
            ]
        )

    def _writing(self) -> Attempt:
        name = f"{TWO[0]} {self._chance.randrange(8)}"
        if self._chance.random() < 0.5:
            return "changing", ("DELETE", f"/conversations/{quote(name)}", None)
        stored = {"conversation_id": name, "content": "The gate is mine.", "restore": True}
        return "changing", ("POST", "/ingest", stored)

    def _client(self) -> int:
        return self._chance.randrange(4)


async def attempted(postgres: str, embedder: Embedder, attempts: int) -> None:
    told = re.compile(rf"{TWO[0]}\d|{TWO[1]}")
    async with both_sides(postgres, embedder) as (shared, alone, cursors):
        intruder = Intruder(random.Random(7), cursors)
        for number in range(attempts):
            attempt = intruder.attempt()
            got, expected = await shared.make(attempt), await alone.make(attempt)
            assert got == expected, (number, attempt)
            # An error may say again what was asked for; a result never has a word of the other.
            assert told.search(str(attempt)) or not told.search(got), (number, attempt)


async def test_whatever_a_tenant_tries_the_answer_is_as_if_it_were_alone(
    postgres: str, embedder: Embedder
) -> None:
    await attempted(postgres, embedder, 300)


@pytest.mark.slow
async def test_ten_thousand_attempts_find_no_word_of_another_tenant(
    postgres: str, embedder: Embedder
) -> None:
    await attempted(postgres, embedder, 10_000)


async def test_the_other_tenant_is_there_and_sees_its_own(postgres: str, embedder: Embedder) -> None:
    """Or the attempts would prove nothing."""
    async with both_sides(postgres, embedder) as (shared, _, _):
        theirs = await shared.identities.create_token("two", "owner", ["read"], None)
        headers = {"Authorization": f"Bearer {theirs.text}"}
        async with caller(str(shared.rest.base_url), headers) as second:
            found = (await second.post("/search", json={"query": "password of gate 3"})).json()
            assert f"{TWO[0]}3" in found["results"][0]["text"]
            listed = (await second.get("/conversations?limit=100")).json()
            assert len(listed["conversations"]) == 18
