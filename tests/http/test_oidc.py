"""Tokens of an identity provider, over REST and MCP; what is refused, and what a refusal says."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from joserfc.jwk import OctKey
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from mcp_rag.errors import InvalidSettings
from mcp_rag.http import issuer
from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from mcp_rag.serving import require_identification
from mcp_rag.settings import Settings
from tests.free_ports import free_port
from tests.http.issuing import AUDIENCE, OAUTH, Issuing, ec, ed25519, rsa
from tests.http.running import caller, running, token
from tests.serving import serve as serve

METADATA = "/.well-known/oauth-protected-resource"
NOTE = {"conversation_id": "note", "content": "The boiler was serviced in May."}
QUESTION = {"query": "When was the boiler serviced?"}
HEADERS = {"Accept": "application/json, text/event-stream", "Connection": "close"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
def provider(serve: Callable[..., str]) -> Issuing:
    provider = Issuing()
    provider.url = serve(provider.app)
    return provider


@pytest.fixture
async def acme(database: Database) -> dict[str, str]:
    """A tenant, and a token of our own for it."""
    return await token(database, "acme")


@pytest.fixture
async def url(rag: Rag, database: Database, provider: Issuing, acme: object) -> AsyncIterator[str]:
    async with running(rag, database, oidc_issuer=provider.url, oidc_audience=AUDIENCE) as url:
        yield url


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def search(url: str, text: str | None) -> httpx2.Response:
    async with caller(url, bearer(text) if text else None) as client:
        return await client.post("/search", json=QUESTION)


def challenge(response: httpx2.Response) -> dict[str, str]:
    scheme, _, rest = response.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


def refused(response: httpx2.Response) -> str:
    """Why, of a token that is not valid."""
    problem = response.json()
    assert (response.status_code, problem["type"]) == (401, "urn:mcp-rag:InvalidToken")
    said = challenge(response)
    assert (said["error"], said["error_description"]) == ("invalid_token", problem["detail"].replace('"', ""))
    return str(problem["detail"])


async def test_who_has_a_token_of_the_provider_is_its_tenant_s_over_rest(
    url: str, provider: Issuing, acme: dict[str, str], database: Database
) -> None:
    async with caller(url, bearer(provider.token())) as client:
        assert (await client.post("/ingest", json=NOTE)).status_code == 200
        listed = (await client.get("/conversations")).json()
    assert [found["conversation_id"] for found in listed["conversations"]] == ["note"]
    async with caller(url, acme) as ours:
        assert (await ours.get("/conversations")).json()["conversations"] == listed["conversations"]
    async with caller(url, await token(database, "other")) as theirs:
        assert (await theirs.get("/conversations")).json()["conversations"] == []


async def test_the_audit_log_names_who_it_was_so_that_nobody_can_choose_to_be_another(
    url: str, provider: Issuing, owner: Any
) -> None:
    for claims in ({"preferred_username": "anna"}, {"client_id": "agent"}, {}):
        async with caller(url, bearer(provider.token(**claims))) as client:
            await client.post("/ingest", json={**NOTE, "conversation_id": str(claims)})
    actors = [row["actor"] for row in await owner.fetch("SELECT actor FROM audit ORDER BY audit_key")]
    assert actors == ["anna (248289761001)", "agent (248289761001)", "248289761001"]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("transport", ["mcp", "sse"])
async def test_who_has_a_token_of_the_provider_is_let_in_over_mcp(
    url: str, provider: Issuing, transport: str, mode: Any
) -> None:
    audience = AUDIENCE if transport == "mcp" else "https://memory.example.com/sse"
    headers = bearer(provider.token(aud=audience))
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        connection = (
            sse_client(f"{url}/sse", headers=headers)
            if transport == "sse"
            else streamable_http_client(f"{url}/mcp", http_client=http)
        )
        async with Client(connection, mode=mode) as client:
            assert not (await client.call_tool("ingest", NOTE)).is_error
            found = await client.call_tool("search", QUESTION)
            assert found.structured_content["results"][0]["url"] == "conversation://note/messages/0"


DOORS = ("POST /search", "POST /mcp", "GET /sse", "POST /messages/?session_id=" + "0" * 32)


async def knock(url: str, door: str, headers: dict[str, str]) -> httpx2.Response:
    method, path = door.split(" ")
    async with caller(url, HEADERS | headers) as client:
        return await client.request(method, path, json=PING if method == "POST" else None)


@pytest.mark.parametrize("door", DOORS)
async def test_who_has_no_token_learns_at_every_door_where_to_get_one(url: str, door: str) -> None:
    response = await knock(url, door, {})
    said = challenge(response)
    path = "sse" if "sse" in door or "messages" in door else "mcp"
    assert (response.status_code, response.json()["type"]) == (401, "urn:mcp-rag:Unidentified")
    assert said == {
        "resource_metadata": f"https://memory.example.com{METADATA}/{path}",
        "scope": "rag:read rag:write rag:erase",
    }


@pytest.mark.parametrize("door", DOORS)
async def test_a_token_that_is_not_valid_opens_no_door(url: str, provider: Issuing, door: str) -> None:
    for text in (provider.token(aud="https://other.example.com/mcp"), provider.unsigned(), "a.b.c"):
        refused(await knock(url, door, bearer(text)))


NOW = int(time.time())


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "https://other.example.com/mcp"}, "'aud'"),
        ({"aud": ["https://other.example.com/mcp", "memory"]}, "'aud'"),
        ({"aud": None}, "'aud'"),
        ({"iss": "https://other.example.com"}, "'iss'"),
        ({"iss": None}, "'iss'"),
        ({"exp": NOW - 3600}, "expired"),
        ({"exp": None}, "'exp'"),
        ({"exp": "tomorrow"}, "'exp'"),
        ({"nbf": NOW + 3600}, "'nbf'"),
        ({"iat": NOW + 3600}, "'iat'"),
        ({"sub": None}, "'sub'"),
        ({"sub": ""}, "'sub'"),
        ({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, "bound to a key"),
    ],
)
async def test_a_token_is_refused_that_is_not_for_this_server_and_now(
    url: str, provider: Issuing, claims: dict[str, Any], why: str
) -> None:
    assert why in refused(await search(url, provider.token(**claims)))


async def test_clocks_may_differ_a_little(url: str, provider: Issuing) -> None:
    now = int(time.time())
    assert (await search(url, provider.token(nbf=now + 10, iat=now + 10))).status_code == 200
    assert (await search(url, provider.token(exp=now - 10))).status_code == 200


async def test_one_of_several_audiences_is_enough(url: str, provider: Issuing) -> None:
    both = provider.token(aud=["https://other.example.com", AUDIENCE])
    assert (await search(url, both)).status_code == 200


@pytest.mark.parametrize("header", [{"typ": "logout+jwt"}, {"typ": "dpop+jwt"}, {"alg": "RS512"}])
async def test_what_is_signed_but_is_no_access_token_is_refused(
    url: str, provider: Issuing, header: dict[str, Any]
) -> None:
    refused(await search(url, provider.token(header=header)))


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": "application/at+jwt"}, {"ver": "2.0"}])
async def test_headers_that_providers_add_are_no_reason_to_refuse(
    url: str, provider: Issuing, header: dict[str, Any]
) -> None:
    assert (await search(url, provider.token(header=header))).status_code == 200


async def test_a_secret_is_no_key_even_if_it_is_the_public_one(url: str, provider: Issuing) -> None:
    assert "unsupported algorithm" in refused(await search(url, provider.forged()))


async def test_the_signature_of_another_key_is_refused(url: str, provider: Issuing) -> None:
    assert "bad signature" in refused(await search(url, provider.token(rsa("first"))))


@pytest.mark.parametrize(
    "text", ["x", "a.b", "a.b.c", "InhhbGd4Ig.e30.", "W10.e30.", "é.é.é", "{}", "." * 5000]
)
async def test_nonsense_is_refused(url: str, text: str) -> None:
    async with caller(url) as client:
        headers = [(b"authorization", b"Bearer " + text.encode())]
        refused(await client.post("/search", json=QUESTION, headers=headers))


async def test_an_empty_token_is_one_that_is_not_valid(url: str) -> None:
    async with caller(url, {"Authorization": "Bearer"}) as client:
        refused(await client.post("/search", json=QUESTION))


async def test_our_own_tokens_are_accepted_besides(url: str, acme: dict[str, str]) -> None:
    async with caller(url, acme) as client:
        assert (await client.post("/search", json=QUESTION)).status_code == 200
    refused(await search(url, "mcprag_" + "0" * 56))


@pytest.mark.parametrize(("make", "name"), [(ec, "ES256"), (ed25519, "EdDSA"), (ed25519, "Ed25519")])
async def test_keys_may_be_on_curves(
    url: str, provider: Issuing, make: Callable[[str], Any], name: str
) -> None:
    provider.keys = [make("curve")]
    assert (await search(url, provider.token(header={"alg": name}))).status_code == 200


async def test_only_the_algorithms_that_are_set_count(
    rag: Rag, database: Database, provider: Issuing, acme: object
) -> None:
    provider.keys = [rsa("first"), ec("second")]
    settings = {"oidc_issuer": provider.url, "oidc_audience": AUDIENCE, "oidc_algorithms": "ES256"}
    async with running(rag, database, **settings) as url:
        assert (await search(url, provider.token(provider.keys[1]))).status_code == 200
        refused(await search(url, provider.token(provider.keys[0])))


async def test_metadata_of_oauth_is_found_as_well(url: str, provider: Issuing) -> None:
    provider.metadata_at = OAUTH
    assert (await search(url, provider.token())).status_code == 200


async def test_a_new_key_is_found_when_a_token_names_it(
    url: str, provider: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = provider.token()
    assert (await search(url, old)).status_code == 200
    monkeypatch.setattr(issuer, "PAUSE", 0)
    provider.keys = [rsa("second")]
    assert (await search(url, provider.token())).status_code == 200
    assert provider.asked_for_keys == 2
    assert "invalid key id" in refused(await search(url, old))


async def test_a_flood_of_unknown_keys_is_no_flood_of_questions(url: str, provider: Issuing) -> None:
    good = provider.token()
    assert (await search(url, good)).status_code == 200
    strangers = [provider.token(header={"kid": str(number)}) for number in range(50)]
    responses = await asyncio.gather(*(search(url, text) for text in strangers))
    assert {response.status_code for response in responses} == {401}
    assert provider.asked_for_keys == 1
    assert (await search(url, good)).status_code == 200


async def test_many_first_tokens_ask_once(url: str, provider: Issuing) -> None:
    responses = await asyncio.gather(*(search(url, provider.token()) for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert provider.asked_for_keys == 1


async def test_a_key_that_was_withdrawn_is_not_used_for_long(
    url: str, provider: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = provider.token()
    assert (await search(url, old)).status_code == 200
    provider.keys = [rsa("second")]
    assert (await search(url, old)).status_code == 200
    monkeypatch.setattr(issuer, "FRESH", 0)
    monkeypatch.setattr(issuer, "PAUSE", 0)
    refused(await search(url, old))


@pytest.mark.parametrize("door", DOORS)
async def test_a_provider_that_is_down_is_neither_a_refusal_nor_a_way_in(
    url: str, provider: Issuing, door: str
) -> None:
    provider.is_down = True
    response = await knock(url, door, bearer(provider.token()))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json()["type"] == "urn:mcp-rag:IssuerUnavailable"
    assert "www-authenticate" not in response.headers


async def test_nobody_answers_where_the_provider_should_be(rag: Rag, database: Database) -> None:
    nowhere = Issuing()
    nowhere.url = f"http://127.0.0.1:{free_port()}"
    async with running(rag, database, oidc_issuer=nowhere.url, oidc_audience=AUDIENCE) as url:
        response = await search(url, nowhere.token())
        assert response.status_code == 503
        assert (
            f"{nowhere.url}/.well-known/openid-configuration cannot be reached" in response.json()["detail"]
        )
        assert (await search(url, nowhere.unsigned())).status_code == 401


async def test_keys_that_are_known_serve_for_a_while_when_the_provider_goes_down(
    url: str, provider: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, stranger = provider.token(), provider.token(header={"kid": "stranger"})
    assert (await search(url, known)).status_code == 200
    monkeypatch.setattr(issuer, "FRESH", 0)
    monkeypatch.setattr(issuer, "PAUSE", 0)
    provider.is_down = True
    assert (await search(url, known)).status_code == 200
    assert (await search(url, stranger)).status_code == 503
    monkeypatch.setattr(issuer, "USABLE", 0)
    assert (await search(url, known)).status_code == 503
    provider.is_down = False
    assert (await search(url, known)).status_code == 200


async def test_a_provider_that_calls_itself_otherwise_is_not_believed(url: str, provider: Issuing) -> None:
    provider.calls_itself = f"{provider.url}/"
    response = await search(url, provider.token())
    assert response.status_code == 503
    assert f"calls itself {provider.url}/" in response.json()["detail"]


async def test_a_provider_without_a_usable_key_is_as_one_that_is_down(url: str, provider: Issuing) -> None:
    provider.keys = [OctKey.generate_key(256, {"kid": "first"})]
    assert (await search(url, provider.token(rsa("first")))).status_code == 503


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"tenant": None}, "has no claim 'tenant'"),
        ({"tenant": ""}, "has no claim 'tenant'"),
        ({"tenant": ["acme"]}, "has no claim 'tenant'"),
        ({"tenant": "nobody"}, "no tenant 'nobody'"),
        ({"tenant": "acme\0"}, "has no claim 'tenant'"),
    ],
)
async def test_a_token_must_name_a_tenant_that_there_is(
    url: str, provider: Issuing, claims: dict[str, Any], why: str
) -> None:
    response = await search(url, provider.token(**claims))
    problem = response.json()
    assert (response.status_code, problem["type"]) == (403, "urn:mcp-rag:UnknownTenant")
    assert why in problem["detail"]
    assert "MCP_RAG_OIDC_TENANT_CLAIM" in problem["remedy"] or "mcp-rag token create" in problem["remedy"]


@pytest.mark.parametrize(
    ("scopes", "may_write"),
    [
        ("rag:read rag:write", True),
        (["rag:read", "rag:write"], True),
        ("rag:admin", True),
        ("openid  profile rag:read", False),
        (["rag:read"], False),
        ("read write admin", False),
        ("rag:writer", False),
        ({"rag:write": True}, False),
        ([["rag:write"], 1], False),
        (None, False),
    ],
)
async def test_scopes_come_as_a_text_or_a_list(
    url: str, provider: Issuing, scopes: Any, may_write: bool
) -> None:
    async with caller(url, bearer(provider.token(scope=scopes))) as client:
        response = await client.post("/ingest", json=NOTE)
    assert response.status_code == (200 if may_write else 403)
    if not may_write:
        said = challenge(response)
        assert (said["error"], said["scope"]) == ("insufficient_scope", "rag:write")
        assert said["resource_metadata"] == f"https://memory.example.com{METADATA}/mcp"
        assert provider.url in response.json()["remedy"]


async def test_claims_and_scopes_may_have_other_names(
    rag: Rag, database: Database, provider: Issuing, acme: object
) -> None:
    names = {"oidc_tenant_claim": "https://acme/org", "oidc_scopes_claim": "roles", "oidc_scope_prefix": ""}
    async with running(rag, database, oidc_issuer=provider.url, oidc_audience=AUDIENCE, **names) as url:
        given = {"https://acme/org": "acme", "tenant": None, "roles": ["read"], "scope": None}
        async with caller(url, bearer(provider.token(**given))) as client:
            assert (await client.post("/search", json=QUESTION)).status_code == 200
            assert challenge(await client.post("/ingest", json=NOTE))["scope"] == "write"


async def test_a_newer_mcp_client_is_refused_so_that_it_can_ask_for_more(url: str, provider: Issuing) -> None:
    headers = bearer(provider.token(scope="rag:read"))
    answers: list[httpx2.Response] = []

    async def seen(response: httpx2.Response) -> None:
        answers.append(response)

    async with httpx2.AsyncClient(headers=headers, timeout=60, event_hooks={"response": [seen]}) as http:
        connection = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(connection, mode="2026-07-28") as client:
            assert "ingest" not in {tool.name for tool in (await client.list_tools()).tools}
            assert not (await client.call_tool("search", QUESTION)).is_error
            with pytest.raises(MCPError):
                await client.call_tool("ingest", NOTE)
    assert answers[-1].status_code == 403
    assert challenge(answers[-1])["scope"] == "rag:write"


@pytest.mark.parametrize("transport", ["mcp", "sse"])
async def test_an_older_mcp_client_is_refused_by_the_tool(
    url: str, provider: Issuing, transport: str
) -> None:
    headers = bearer(provider.token(scope="rag:read"))
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        connection = (
            sse_client(f"{url}/sse", headers=headers)
            if transport == "sse"
            else streamable_http_client(f"{url}/mcp", http_client=http)
        )
        async with Client(connection, mode="legacy") as client:
            refusal = await client.call_tool("ingest", NOTE)
    assert refusal.is_error
    assert "needs the scope 'write'" in refusal.content[0].text


async def test_the_metadata_is_for_all_who_call_this_server_by_its_name(
    rag: Rag, database: Database, provider: Issuing
) -> None:
    named = {"public_hosts": "memory.example.com", "oidc_issuer": provider.url, "oidc_audience": AUDIENCE}
    async with running(rag, database, **named) as url, caller(url) as client:
        for path, resource in (
            ("", AUDIENCE),
            ("/mcp", AUDIENCE),
            ("/sse", "https://memory.example.com/sse"),
        ):
            told = await client.get(METADATA + path, headers={"Host": "memory.example.com"})
            assert told.status_code == 200
            assert told.json()["resource"] == resource
            assert told.json()["authorization_servers"] == [provider.url]
            assert told.json()["scopes_supported"] == ["rag:read", "rag:write", "rag:erase"]
            assert (await client.get(METADATA + path, headers={"Host": "evil.example"})).status_code == 421


async def test_under_a_path_the_metadata_is_where_rfc_9728_has_it(
    rag: Rag, database: Database, provider: Issuing
) -> None:
    audience = "https://example.com/memory/mcp"
    async with running(rag, database, oidc_issuer=provider.url, oidc_audience=audience) as url:
        async with caller(url) as client:
            assert (await client.get(f"{METADATA}/memory/mcp")).json()["resource"] == audience
            sse = (await client.get(f"{METADATA}/memory/sse")).json()["resource"]
            assert sse == "https://example.com/memory/sse"
        said = challenge(await search(url, None))
        assert said["resource_metadata"] == f"https://example.com{METADATA}/memory/mcp"


async def test_without_a_provider_there_is_no_metadata_and_a_plain_challenge(
    rag: Rag, database: Database, provider: Issuing, acme: object
) -> None:
    async with running(rag, database) as url:
        assert (await search(url, None)).headers["www-authenticate"] == "Bearer"
        response = await search(url, provider.token())
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        async with caller(url) as client:
            assert (await client.get(f"{METADATA}/mcp")).status_code == 404


async def test_with_a_provider_nobody_comes_in_without_a_token_not_even_from_here(
    rag: Rag, database: Database, provider: Issuing
) -> None:
    async with running(rag, database) as url:
        assert (await search(url, None)).status_code == 200
    async with running(rag, database, oidc_issuer=provider.url, oidc_audience=AUDIENCE) as url:
        assert (await search(url, None)).status_code == 401


async def test_with_a_provider_others_may_reach_the_server(provider: Issuing, database_url: str) -> None:
    settings = {"host": "0.0.0.0", "database_url": database_url}
    with pytest.raises(InvalidSettings, match="MCP_RAG_OIDC_ISSUER"):
        await require_identification(Settings(**settings))
    await require_identification(Settings(**settings, oidc_issuer=provider.url, oidc_audience=AUDIENCE))
    assert provider.asked_for_keys == 0


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"ALGORITHMS": "RS256,HS256"}, "MCP_RAG_OIDC_ALGORITHMS: HS256 is none of"),
        ({"ALGORITHMS": "none"}, "MCP_RAG_OIDC_ALGORITHMS: none is none of"),
        ({"ALGORITHMS": ","}, "MCP_RAG_OIDC_ALGORITHMS"),
        ({"ISSUER": "http://id.example.com"}, "MCP_RAG_OIDC_ISSUER: It must be an https:// URL"),
        (
            {"ISSUER": "https://id.example.com"},
            "MCP_RAG_OIDC_AUDIENCE: It is needed with MCP_RAG_OIDC_ISSUER",
        ),
        ({"AUDIENCE": "memory"}, "MCP_RAG_OIDC_AUDIENCE: It must be the URL that clients call"),
    ],
)
def test_settings_that_would_be_no_protection_are_refused(
    environment: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"MCP_RAG_OIDC_{name}", value)
    with pytest.raises(InvalidSettings, match=re.escape(why)):
        Settings.read()


async def test_a_challenge_and_a_log_hold_nothing_of_a_token(
    url: str, provider: Issuing, capfd: pytest.CaptureFixture[str]
) -> None:
    text = provider.token(aud="https://other.example.com/mcp", secret="swordfish")
    response = await search(url, text)
    provider.is_down = True
    told = response.headers["www-authenticate"] + json.dumps(response.json()) + "".join(capfd.readouterr())
    assert "swordfish" not in told
    assert not any(part in told for part in text.split("."))
