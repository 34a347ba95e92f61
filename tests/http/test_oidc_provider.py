"""With a real identity provider (npm oidc-provider), and the MCP SDK's own client of OAuth."""

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from mcp_rag.http import issuer
from mcp_rag.postgres.database import Database
from mcp_rag.rag import Rag
from tests.free_ports import free_port
from tests.http.running import caller, running, token
from tests.http.test_oidc import NOTE, QUESTION, bearer, search

pytestmark = pytest.mark.provider

FOLDER = Path(__file__).parent / "oidc_provider"
SECRET = "of-the-tests-alone"
ALL = "rag:read rag:write rag:erase"
CLIENTS = {
    "agent": {"secret": SECRET, "scope": ALL, "tenant": "acme"},
    "stranger": {"secret": SECRET, "scope": ALL, "tenant": "nobody"},
}


@contextmanager
def providing(port: int) -> Iterator[str]:
    """The provider as a process of its own, with new keys, by its URL."""
    told = json.dumps({"port": port, "clients": CLIENTS})
    process = subprocess.Popen(
        ["node", "provider.js", told], cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with providing(free_port()) as url:
        yield url


@pytest.fixture
async def url(rag: Rag, database: Database, provider: str) -> AsyncIterator[str]:
    """A server that clients call by the name by which the provider knows it."""
    await token(database, "acme")
    port = free_port()
    audience = f"http://127.0.0.1:{port}/mcp"
    async with running(rag, database, port=port, oidc_issuer=provider, oidc_audience=audience) as url:
        yield url


async def issued(provider: str, resource: str, *, client: str = "agent", scope: str = ALL) -> str:
    """A token as any program gets one."""
    async with httpx2.AsyncClient(auth=(client, SECRET)) as http:
        asked = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        reply = await http.post(f"{provider}/token", data=asked)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["access_token"])


class Kept:
    """What the SDK's client of OAuth remembers."""

    def __init__(self, tokens: OAuthToken | None = None) -> None:
        self.tokens = tokens

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """It is known."""


def authorised(server: str, provider: str, kept: Kept) -> ClientCredentialsOAuthProvider:
    return ClientCredentialsOAuthProvider(server, kept, "agent", SECRET, issuer=provider)


async def test_a_token_for_this_server_is_accepted_over_rest(url: str, provider: str) -> None:
    async with caller(url, bearer(await issued(provider, f"{url}/mcp"))) as client:
        assert (await client.post("/ingest", json=NOTE)).status_code == 200
        assert (await client.post("/search", json=QUESTION)).json()["total"] == 1


async def test_a_token_for_another_server_is_not(url: str, provider: str) -> None:
    response = await search(url, await issued(provider, "https://other.example.com/mcp"))
    assert response.status_code == 401
    assert "'aud'" in response.json()["detail"]


async def test_a_client_of_an_unknown_tenant_is_refused(url: str, provider: str) -> None:
    response = await search(url, await issued(provider, f"{url}/mcp", client="stranger"))
    assert (response.status_code, response.json()["type"]) == (403, "urn:mcp-rag:UnknownTenant")


async def test_scopes_that_the_provider_did_not_give_are_missing(url: str, provider: str) -> None:
    async with caller(url, bearer(await issued(provider, f"{url}/mcp", scope="rag:read"))) as client:
        assert (await client.post("/search", json=QUESTION)).status_code == 200
        assert (await client.post("/ingest", json=NOTE)).status_code == 403


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("transport", ["mcp", "sse"])
async def test_an_mcp_client_finds_its_way_from_a_refusal_to_the_tools(
    url: str, provider: str, transport: str, mode: Any
) -> None:
    kept = Kept()
    auth = authorised(f"{url}/{transport}", provider, kept)
    async with httpx2.AsyncClient(auth=auth, timeout=60) as http:
        connection = (
            sse_client(f"{url}/sse", auth=auth)
            if transport == "sse"
            else streamable_http_client(f"{url}/mcp", http_client=http)
        )
        async with Client(connection, mode=mode) as client:
            assert not (await client.call_tool("ingest", NOTE)).is_error
            assert not (await client.call_tool("search", QUESTION)).is_error
    assert kept.tokens is not None
    assert set((kept.tokens.scope or "").split()) == set(ALL.split())


async def test_an_mcp_client_asks_the_provider_for_more_when_a_call_needs_more(
    url: str, provider: str
) -> None:
    little = await issued(provider, f"{url}/mcp", scope="rag:read")
    kept = Kept(OAuthToken(access_token=little, token_type="Bearer", scope="rag:read"))
    auth = authorised(f"{url}/mcp", provider, kept)
    async with httpx2.AsyncClient(auth=auth, timeout=60) as http:
        connection = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(connection, mode="2026-07-28") as client:
            assert not (await client.call_tool("ingest", NOTE)).is_error
    assert kept.tokens is not None
    assert set((kept.tokens.scope or "").split()) == {"rag:read", "rag:write"}


async def test_a_provider_that_starts_anew_with_other_keys_is_followed(
    rag: Rag, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await token(database, "acme")
    own, port = free_port(), free_port()
    resource, provider = f"http://127.0.0.1:{own}/mcp", f"http://127.0.0.1:{port}"
    async with running(rag, database, port=own, oidc_issuer=provider, oidc_audience=resource) as url:
        monkeypatch.setattr(issuer, "PAUSE", 0)
        with providing(port):
            old = await issued(provider, resource)
            assert (await search(url, old)).status_code == 200
        assert (await search(url, old)).status_code == 200
        with providing(port):
            assert (await search(url, await issued(provider, resource))).status_code == 200
            assert (await search(url, old)).status_code == 401
        monkeypatch.setattr(issuer, "USABLE", 0)
        monkeypatch.setattr(issuer, "FRESH", 0)
        assert (await search(url, old)).status_code == 503
