"""mcp-rag doctor, where all is well and where something is wrong."""

import json
import socket
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_rag import __version__
from mcp_rag.cli.checks import Check
from mcp_rag.cli.clients import NAME
from tests.answering.openai_server import Service
from tests.cli.command import PATIENCE, Command
from tests.conftest import eventually
from tests.free_ports import free_port
from tests.http.issuing import AUDIENCE, Issuing
from tests.serving import serve as serve

CHECKS = {
    "Program", "Settings", "Database", "pgvector", "Row security", "Schema", "Contents", "Vectors",
    "Model of the store", "Model files", "Test embedding", "Reranking model", "Data folder",
    "Answers", "Kept answers",
    "Identity provider", "Resident server", "Port of serve", "Port of probes",
    "Claude Desktop", "Claude Code", "VS Code", "Cursor", "Windsurf", "Codex", "Zed",
}  # fmt: skip


@pytest.fixture
def nowhere(anywhere: Command) -> Command:
    """The command line without a database and without models, for what has to do with neither."""
    return anywhere.with_environment(
        MCP_RAG_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing",
        MCP_RAG_EMBEDDING_MODEL="none-such",
        MCP_RAG_RERANKING_PROVIDER="none",
    )


def checks(document: Any) -> dict[str, Check]:
    return {each["name"]: Check.model_validate(each) for each in document["checks"]}


def test_where_all_is_well_nothing_fails(reading: Command) -> None:
    found = reading.with_environment(MCP_RAG_PORT="0")("doctor", "--json").document
    assert found["ok"] is True
    assert checks(found).keys() == CHECKS
    said = {check.name: (check.verdict, check.found) for check in checks(found).values()}
    assert [name for name, (verdict, _) in said.items() if verdict not in ("ok", "skip")] == []
    assert said["Row security"] == ("ok", "forced, and mcp_rag_app cannot get around it")
    assert said["Model of the store"] == ("ok", "bge-small-en-v1.5, as configured")
    assert "checksums compared" in said["Model files"][1]


def test_people_read_one_line_for_each_check_and_a_remedy_below(anywhere: Command) -> None:
    lost = anywhere.with_environment(
        MCP_RAG_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing", MCP_RAG_TYPO="1"
    )
    lines = lost("doctor", code=1).out.splitlines()
    (number,) = [number for number, line in enumerate(lines) if line.startswith("fail")]
    assert "The database cannot be reached" in lines[number]
    assert "MCP_RAG_DATABASE_URL" in lines[number + 1]
    assert any(line.startswith("warn  Settings") and "MCP_RAG_TYPO" in line for line in lines)


def test_a_setting_that_cannot_be_read_is_one_of_the_findings(anywhere: Command) -> None:
    found = anywhere.with_environment(MCP_RAG_POOL_SIZE="many")("doctor", "--json", code=1).document
    assert checks(found)["Settings"].verdict == "fail"


async def test_what_is_wrong_with_the_parts_is_found(mcp_rag: Command, owner: asyncpg.Connection) -> None:
    await owner.execute("ALTER TABLE message NO FORCE ROW LEVEL SECURITY")
    await owner.execute(
        "INSERT INTO embedding_model (name, dimensions, fingerprint, active) VALUES ('other', 384, 'f', true)"
    )
    cursor = mcp_rag.home / ".cursor" / "mcp.json"
    cursor.parent.mkdir()
    cursor.write_text(json.dumps({"mcpServers": {NAME: {"command": "/gone/mcp-rag", "args": ["stdio"]}}}))
    (mcp_rag.home / ".mcp.json").write_text("{} // not JSON")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        both = mcp_rag.with_environment(MCP_RAG_PORT=port, MCP_RAG_HEALTH_PORT=port)
        document = both("doctor", "--json", code=1).document
    found = checks(document)
    assert (found["Row security"].verdict, found["Row security"].found) == ("fail", "not forced on message")
    assert found["Model of the store"].verdict == "fail"
    assert "mcp-rag reembed" in found["Model of the store"].remedy
    assert found["Cursor"].remedy == "`mcp-rag install cursor` writes it anew."
    assert found["Claude Code"].verdict == "skip"
    for name, setting in (("Port of serve", "MCP_RAG_PORT"), ("Port of probes", "MCP_RAG_HEALTH_PORT")):
        assert (found[name].verdict, "no mcp-rag" in found[name].found) == ("warn", True)
        assert setting in found[name].remedy


async def test_a_database_elsewhere_is_looked_at_and_not_changed(
    mcp_rag: Command, owner: asyncpg.Connection
) -> None:
    await owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    found = checks(mcp_rag("doctor", "--json").document)
    assert found["Schema"].verdict == "skip"
    assert "Contents" not in found
    assert await owner.fetchval("SELECT to_regclass('alembic_version')") is None
    await owner.execute("CREATE TABLE alembic_version AS SELECT '0000' AS version_num")
    assert checks(mcp_rag("doctor", "--json", code=1).document)["Schema"].remedy == "Run `mcp-rag migrate`."


def test_a_reranking_model_that_is_missing_is_a_warning_and_one_turned_off_is_none(anywhere: Command) -> None:
    nowhere = anywhere.with_environment(MCP_RAG_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    missing = nowhere.with_environment(MCP_RAG_RERANKING_MODEL="none-such")(
        "doctor", "--json", code=1
    ).document
    assert checks(missing)["Reranking model"].verdict == "warn"
    assert "MCP_RAG_RERANKING_MODEL" in checks(missing)["Reranking model"].remedy
    off = nowhere.with_environment(MCP_RAG_RERANKING_PROVIDER="none")("doctor", "--json", code=1).document
    assert checks(off)["Reranking model"].verdict == "skip"


def test_who_writes_answers_and_where_they_are_kept_is_looked_at(nowhere: Command) -> None:
    found = checks(nowhere("doctor", "--json", code=1).document)
    assert (found["Answers"].verdict, found["Kept answers"].verdict) == ("ok", "ok")
    down = nowhere.with_environment(
        MCP_RAG_OPENAI_URL="http://127.0.0.1:1/v1", MCP_RAG_REDIS_URL="redis://127.0.0.1:1"
    )
    found = checks(down("doctor", "--json", code=1).document)
    assert (found["Answers"].verdict, found["Kept answers"].verdict) == ("warn", "warn")
    assert "MCP_RAG_OPENAI_URL" in found["Answers"].remedy
    assert "MCP_RAG_REDIS_URL" in found["Kept answers"].remedy
    keyless = nowhere.with_environment(MCP_RAG_ANSWERER="anthropic", MCP_RAG_REDIS_URL="http://127.0.0.1")
    found = checks(keyless("doctor", "--json", code=1).document)
    assert (found["Answers"].verdict, found["Kept answers"].verdict) == ("fail", "fail")


@pytest.mark.parametrize("url", ["http://localhost:http/v1", "localhost", "http://"])
def test_an_address_that_is_none_is_a_warning(nowhere: Command, url: str) -> None:
    wrong = nowhere.with_environment(MCP_RAG_OPENAI_URL=url)
    assert checks(wrong("doctor", "--json", code=1).document)["Answers"].verdict == "warn"


def test_a_service_that_runs_is_found_and_not_called(nowhere: Command, serve: Callable[..., str]) -> None:
    model = Service()
    running = nowhere.with_environment(MCP_RAG_OPENAI_URL=f"{serve(model.app)}/v1")
    found = checks(running("doctor", "--json", code=1).document)
    assert found["Answers"].verdict == "ok"
    assert found["Answers"].found.startswith("openai, ")
    assert model.requests == []


def test_the_keys_of_the_identity_provider_are_looked_for(
    nowhere: Command, serve: Callable[..., str]
) -> None:
    provider = Issuing()
    provider.url = serve(provider.app)
    assert checks(nowhere("doctor", "--json", code=1).document)["Identity provider"].verdict == "skip"
    known = nowhere.with_environment(MCP_RAG_OIDC_ISSUER=provider.url, MCP_RAG_OIDC_AUDIENCE=AUDIENCE)
    found = checks(known("doctor", "--json", code=1).document)["Identity provider"]
    assert (found.verdict, found.found) == ("ok", f"{provider.url}, keys: 1")
    provider.is_down = True
    found = checks(known("doctor", "--json", code=1).document)["Identity provider"]
    assert (found.verdict, "answered 503" in found.found) == ("fail", True)
    assert "MCP_RAG_OIDC_ISSUER" in found.remedy


async def test_a_server_of_ours_that_runs_is_known_by_its_version_and_how_it_is(anywhere: Command) -> None:
    nobody, calls, probes = (free_port() for _ in range(3))
    down = anywhere.with_environment(
        MCP_RAG_DATABASE_URL=f"postgresql://nobody@127.0.0.1:{nobody}/nothing",
        MCP_RAG_PORT=str(calls),
        MCP_RAG_HEALTH_PORT=str(probes),
    )
    server = down.start("serve")

    async def answers() -> bool:
        try:
            return [
                httpx2.get(f"http://127.0.0.1:{port}/version").status_code for port in (calls, probes)
            ] == [200] * 2
        except httpx2.TransportError:
            return False

    try:
        await eventually(answers, within=PATIENCE)
        found = checks(down("doctor", "--json", code=1).document)
    finally:
        server.kill()
        server.communicate()
    for name, port in (("Port of serve", calls), ("Port of probes", probes)):
        assert found[name].verdict == "warn"
        assert f"{port} is in use: mcp-rag {__version__} answers, down (" in found[name].found
        assert "database down" in found[name].found


async def test_a_server_of_another_version_is_to_be_restarted_and_one_that_is_well_is_let_be(
    nowhere: Command, serve: Callable[..., str]
) -> None:
    running = __version__
    told = {"status": "ok", "parts": {"moon": {"state": "ok"}}}

    async def version(request: Request) -> JSONResponse:
        return JSONResponse({"version": running, "schema_revision": "1", "beside": "this"})

    async def health(request: Request) -> JSONResponse:
        return JSONResponse(told)

    url = serve(Starlette(routes=[Route("/version", version), Route("/health", health)]))
    probed = nowhere.with_environment(MCP_RAG_HEALTH_PORT=url.rpartition(":")[2])
    found = checks(probed("doctor", "--json", code=1).document)["Port of probes"]
    assert (found.verdict, f"mcp-rag {__version__} answers, ok" in found.found) == ("ok", True)
    running = "0.0.1"
    found = checks(probed("doctor", "--json", code=1).document)["Port of probes"]
    assert (found.verdict, "mcp-rag 0.0.1 answers, ok" in found.found) == ("warn", True)
    assert found.remedy == f"Restart it to have {__version__}."
