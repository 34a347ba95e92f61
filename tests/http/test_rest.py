"""The routes over real HTTP, as an operator calls them."""

import asyncio
import gzip
import html
import json
import re
import subprocess
from typing import Any

import asyncpg
import httpx2
import pytest
from openapi_spec_validator import validate

from mcp_rag.models import NewMessage
from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from tests.docs_tables import README
from tests.http.running import token
from tests.http.wire import calling

IDS = ["team/opening", "Grüße aus Kyōto ☕", "100% ?#&=", "a/../b", ".", "..", "%2F", "x" * 512]
CURL = re.compile(r"^\$ (curl .*)$", re.MULTILINE)
PACKED = {"Content-Encoding": "gzip", "Content-Type": "application/json"}


def path(name: str, *rest: str) -> str:
    """Of a conversation."""
    encoded = "".join(f"%{byte:02X}" for byte in name.encode())
    return "/".join(("/conversations", encoded, *rest))


async def stored(http: httpx2.AsyncClient, name: str, text: str = "Hello.", **others: Any) -> dict[str, Any]:
    response = await http.post("/ingest", json={"conversation_id": name, "content": text, **others})
    assert response.status_code == 200, response.text
    return dict(response.json())


def problem(response: httpx2.Response) -> tuple[int, str]:
    """Status and kind of a refusal that is told as it should be."""
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told["status"] == response.status_code
    assert told["title"] and told["detail"] and told["remedy"]
    return response.status_code, told["type"].removeprefix("urn:mcp-rag:")


async def test_what_is_stored_is_found_read_and_erased(http: httpx2.AsyncClient, rag: Rag) -> None:
    assert (await stored(http, "team", "We open on 14 March.", title="The opening"))["added"] == 1
    assert (await stored(http, "team", "We open on 14 March."))["unchanged"] == 1
    await rag.vectors.drain()
    found = (await http.post("/search", json={"query": "when do we open", "explain": True})).json()
    assert found["results"][0]["title"] == "The opening"
    assert found["results"][0]["why"]
    plain = (await http.post("/search", json={"query": "when do we open"})).json()
    assert "why" not in plain["results"][0]
    assert (await http.post("/ask", json={"question": "When do we open?"})).json()["answered"]
    assert (await http.delete(path("team"))).json()["messages"] == 1
    assert problem(await http.get(path("team"))) == (404, "UnknownConversation")
    assert problem(await http.get(path("team", "messages"))) == (404, "UnknownConversation")
    assert problem(await http.delete(path("team"))) == (404, "UnknownConversation")
    assert "was forgotten" in (await stored(http, "team", "again"))["skipped"][0]["reason"]
    assert (await stored(http, "team", "again", restore=True))["added"] == 1


@pytest.mark.parametrize("name", IDS)
async def test_any_id_can_stand_in_a_path(http: httpx2.AsyncClient, name: str) -> None:
    await stored(http, name, "Word for word.")
    assert (await http.get(path(name))).json()["conversation_id"] == name
    assert (await http.get(path(name, "messages"))).json()["messages"][0]["text"] == "Word for word."
    assert (await http.delete(path(name))).json()["conversation_ids"] == [name]


async def test_pages_follow_one_another_and_a_cursor_is_of_one_listing(
    http: httpx2.AsyncClient, rag: Rag
) -> None:
    await rag.ingest("long", [NewMessage(text=f"walrus {n}") for n in range(5)], tags=["zoo"])
    for n in range(4):
        await stored(http, f"talk {n}", f"A walrus is number {n}.")
    seen: list[str] = []
    asked: dict[str, Any] = {"limit": 2}
    while page := (await http.get("/conversations", params=asked)).json():
        seen += [c["conversation_id"] for c in page["conversations"]]
        if not page["next_cursor"]:
            break
        asked["cursor"] = page["next_cursor"]
    assert sorted(seen) == ["long", *(f"talk {n}" for n in range(4))]
    other = await http.get("/conversations", params=asked | {"title": "talk"})
    assert problem(other) == (400, "InvalidCursor")
    (tagged,) = (await http.get("/conversations", params={"tags": "zoo"})).json()["conversations"]
    assert tagged["conversation_id"] == "long"
    part = (await http.get(path("long", "messages"), params={"first": 1, "limit": 2})).json()
    assert ([m["position"] for m in part["messages"]], part["next_position"]) == ([1, 2], 3)
    first = (await http.post("/search", json={"query": "walrus", "limit": 3})).json()
    second = await http.post("/search", json={"query": "walrus", "limit": 3, "cursor": first["next_cursor"]})
    assert not {h["id"] for h in first["results"]} & {h["id"] for h in second.json()["results"]}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (r'{"conversation_id": "x", "content": "a\u0000b"}', "NUL character (U+0000) at offset 1"),
        (r'{"conversation_id": "x", "content": "half \ud83d"}', "lone surrogate"),
        (r'{"conversation_id": "x", "content": "a", "\ud83d": 1}', "valid string"),
        ('{"conversation_id": "x"}', "Give either content or messages"),
        ('{"conversation_id": "x", "content": "a", "messages": []}', "Give either content or messages"),
        ('{"conversation_id": "x", "messages": []}', "There is nothing to store."),
        ('{"conversation_id": " ", "content": "a"}', "conversation_id is empty."),
        ('{"conversation_id": "x", "content": "a", "kind": "song"}', "kind"),
        ('{"conversation_id": "x", "messages": [{"text": "a", "sent_at": "0001-01-01T00:00"}]}', "years 2"),
        ('{"conversation_id": "x", "messages": [{"text": "a", "sent_at": "2026-02-31"}]}', "sent_at"),
        ('{"conversation_id": "x", "messages": [{"text": "a", "sent_at": 1e400}]}', "sent_at"),
        ('{"conversation_id": "x", "content": ' + "9" * 5000 + "}", ""),
        ("[" * 100_000, ""),
    ],
)  # fmt: skip
async def test_what_cannot_be_stored_is_refused_with_the_reason(
    http: httpx2.AsyncClient, body: str, why: str
) -> None:
    response = await http.post("/ingest", content=body, headers={"Content-Type": "application/json"})
    assert problem(response)[0] == 400
    assert why in response.json()["detail"]


@pytest.mark.parametrize(
    "asked",
    [
        "/conversations?limit=0", "/conversations?limit=99999999999999999999", "/conversations?cursor=%FF",
        "/conversations?since=never", "/conversations?until=9999-12-31T23:59:59-14:00",
        "/conversations?title=%00", "/conversations?unknown=1", "/conversations/x/messages?first=-1",
        "/conversations/x/messages?first=1000000000", "/conversations/a%00b", "/conversations/%20",
    ],
)  # fmt: skip
async def test_a_query_that_cannot_be_meant_is_refused(http: httpx2.AsyncClient, asked: str) -> None:
    assert problem(await http.get(asked))[0] == 400


async def test_unknown_paths_and_methods_are_problems_too(http: httpx2.AsyncClient) -> None:
    assert problem(await http.get("/nowhere")) == (404, "UnknownRoute")
    wrong = await http.request("PATCH", "/conversations/x")
    assert problem(wrong) == (405, "WrongMethod")
    assert wrong.headers["allow"] == "DELETE, GET"
    assert problem(await http.get("/search")) == (405, "WrongMethod")


async def test_each_route_needs_its_scope_and_serves_one_tenant(
    http: httpx2.AsyncClient, database: Database
) -> None:
    await stored(http, "mine")
    reader = await token(database, "default", "read")
    assert problem(await http.get("/conversations")) == (401, "Unidentified")
    assert (await http.get(path("mine"), headers=reader)).status_code == 200
    assert problem(await http.delete(path("mine"), headers=reader)) == (403, "NotAllowed")
    other = await token(database, "other", name="somebody")
    assert problem(await http.get(path("mine"), headers=other)) == (404, "UnknownConversation")


async def test_a_call_that_is_repeated_with_its_key_is_answered_again_and_not_done_again(
    http: httpx2.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    body, key = {"conversation_id": "x", "content": "one"}, {"Idempotency-Key": "k1"}
    first = await http.post("/ingest", json=body, headers=key)
    assert (first.json()["added"], "idempotency-replayed" in first.headers) == (1, False)
    again = await http.post("/ingest", json=body, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    other = await http.post("/ingest", json=body | {"content": "two"}, headers=key)
    assert problem(other) == (409, "KeyReused")
    elsewhere = await token(database, "other", name="somebody")
    assert (await http.post("/ingest", json=body, headers=key | elsewhere)).json()["added"] == 1
    await owner.execute("UPDATE idempotency_key SET created_at = now() - interval '25 hours'")
    here = key | await token(database)
    late = await http.post("/ingest", json=body, headers=here)
    assert (late.json()["unchanged"], "idempotency-replayed" in late.headers) == (1, False)


async def test_a_refused_call_does_not_take_its_key_and_a_forgotten_one_frees_it(
    http: httpx2.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "k1"}
    wrong = await http.post("/ingest", json={"conversation_id": "x", "content": " "}, headers=key)
    assert problem(wrong)[0] == 400
    body = {"conversation_id": "x", "content": "right"}
    assert (await http.post("/ingest", json=body, headers=key)).json()["added"] == 1
    await http.delete(path("x"))
    assert (
        "was forgotten" in (await http.post("/ingest", json=body, headers=key)).json()["skipped"][0]["reason"]
    )
    replayed = await http.post("/ingest", json=body, headers=key)
    assert replayed.headers["idempotency-replayed"] == "true"


async def test_calls_with_one_key_at_the_same_time_are_done_once(
    http: httpx2.AsyncClient, owner: asyncpg.Connection
) -> None:
    calls = [
        http.post(
            "/ingest", json={"conversation_id": "x", "content": "one"}, headers={"Idempotency-Key": "k"}
        )
        for _ in range(6)
    ]
    replies = await asyncio.gather(*calls)
    assert [reply.json()["added"] for reply in replies] == [1] * 6
    assert sum("idempotency-replayed" in reply.headers for reply in replies) == 5
    assert await owner.fetchval("SELECT count(*) FROM audit") == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ключ".encode()])
async def test_a_key_that_is_none_is_refused(http: httpx2.AsyncClient, key: str | bytes) -> None:
    body = {"conversation_id": "x", "content": "one"}
    sent = await http.post("/ingest", json=body, headers=[("Idempotency-Key", key)])
    assert problem(sent)[0] == 400


async def test_answers_are_compressed_for_who_asks_but_not_events(http: httpx2.AsyncClient) -> None:
    await stored(http, "long", "walrus " * 1000)
    asked = {"Accept-Encoding": "gzip"}
    response = await http.get(path("long", "messages"), headers=asked)
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["messages"][0]["text"] == "walrus " * 1000
    plain = await http.get(path("long", "messages"), headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    events = await http.post(
        "/ask", json={"question": "walrus"}, headers=asked | {"Accept": "text/event-stream"}
    )
    assert "content-encoding" not in events.headers
    assert "event: done" in events.text


async def test_a_compressed_body_is_read(http: httpx2.AsyncClient) -> None:
    body = json.dumps({"conversation_id": "x", "content": "packed " * 9000}).encode()
    assert (await http.post("/ingest", content=gzip.compress(body), headers=PACKED)).json()["added"] == 1
    for broken in (body, gzip.compress(body)[:-9], b""):
        refused = await http.post("/ingest", content=broken, headers=PACKED)
        assert problem(refused)[0] == 400
    brotli = await http.post("/ingest", content=body, headers=PACKED | {"Content-Encoding": "br"})
    assert problem(brotli) == (415, "UnknownCoding")


async def test_a_body_that_is_larger_is_refused_before_it_is_read(http: httpx2.AsyncClient) -> None:
    told = await http.post(
        "/ingest", content=b" " * (2**20 + 1), headers={"Content-Type": "application/json"}
    )
    assert problem(told) == (413, "TooLarge")
    bomb = gzip.compress(b" " * (64 * 2**20))
    assert len(bomb) < 2**17
    assert problem(await http.post("/search", content=bomb, headers=PACKED)) == (413, "TooLarge")


@pytest.mark.parametrize("route", ["/ingest", "/search", "/ask"])
async def test_an_endless_body_is_refused_while_it_comes(url: str, route: str) -> None:
    async with calling(url, route, Content_Type="application/json") as wire:
        status, headers = await wire.send_until_answered(b" " * 2**16)
        assert (status, headers["content-type"]) == (413, "application/problem+json")
        assert wire.sent < 32 * 2**20


def test_readme_has_calls() -> None:
    assert CURL.findall(README.read_text(encoding="utf-8"))


async def run(script: str, **environment: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run, ["bash", "-eu", "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_every_call_of_the_readme_is_answered(url: str, database: Database) -> None:
    secret = (await token(database))["Authorization"].removeprefix("Bearer ")
    for call in CURL.findall(README.read_text(encoding="utf-8")):
        call = call.replace("localhost:8080", url) + " --fail-with-body"
        assert await run(call, TOKEN=secret), call


async def test_the_page_shows_every_route_by_itself_and_its_calls_can_be_run(
    http: httpx2.AsyncClient, url: str, database: Database
) -> None:
    secret = (await token(database))["Authorization"].removeprefix("Bearer ")
    response = await http.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    page = response.text
    for outside in ("<script", "<link", "<img", "@import", "url(", "src="):
        assert outside not in page
    for route, methods in (await http.get("/openapi.json")).json()["paths"].items():
        for method in methods:
            assert f"<b>{method.upper()}</b> {route}</h2>" in page
    calls = [html.unescape(call) for call in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)]
    for call in sorted(calls, key=lambda call: call.endswith("DELETE")):
        assert "urn:mcp-rag" not in await run(f"{call} --fail-with-body", TOKEN=secret), call


async def test_the_description_is_openapi_3_1(http: httpx2.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    validate(document)
    kinds = {"application/json", "application/x-ndjson"}
    ingest = document["paths"]["/ingest"]["post"]
    assert set(ingest["requestBody"]["content"]) == kinds
    assert set(ingest["responses"]["200"]["content"]) == kinds
