"""What operators run against an environment says of it what is so, and leaves it as it was."""

import re
import signal
import subprocess
from collections.abc import Iterator
from urllib.parse import quote

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mcp_rag.identity import Scope
from tests.free_ports import free_port
from tests.integration.between import Change, between
from tests.integration.conftest import ROOT, SCOPES, Run, Store, Suite
from tests.serving import Serve, serve

pytestmark = pytest.mark.integration
STAGING = ("--env", "staging", "--url")
__all__ = ["serve"]


@pytest.fixture(autouse=True)
def nothing_is_left(store: Store) -> Iterator[None]:
    before = store.kept()
    yield
    assert store.kept() == before


def caller(url: str, token: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def test_its_types_are_right() -> None:
    done = subprocess.run(["npm", "run", "--silent", "check:integration"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


def test_all_of_a_service_is_used_and_nothing_is_left(run: Run, url: str, store: Store, token: str) -> None:
    done = run(*STAGING, url)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].endswith(f"staging, at {url}")
    assert lines[-1].endswith(f"all is well at {url}: {len(lines) - 2} checks")
    assert all(" ok      " in line for line in lines[1:-1])
    assert len(lines) > 30
    assert token not in done.out


def test_what_others_have_stored_stays_as_it_is_and_no_word_of_it_is_shown(
    run: Run, url: str, store: Store, token: str
) -> None:
    somebody = store.token(*SCOPES, tenant="default")
    body = {"conversation_id": "diary", "content": "The word logbook, and integration, stand in my diary."}
    with caller(url, somebody) as http:
        assert http.post("/ingest", json=body).status_code == 200
        done = run(*STAGING, url)
        assert (done.code, "diary" in done.out) == (0, False)
        (message,) = http.get("/conversations/diary/messages").json()["messages"]
        assert message["text"] == body["content"]
        assert http.delete("/conversations/diary").status_code == 200


@pytest.mark.parametrize(
    ("scopes", "lacks"),
    [(("write", "erase"), "read"), (("read", "erase"), "write"), (("read", "write"), "erase")],
)
def test_a_token_that_may_not_do_all_stores_nothing(
    run: Run, url: str, store: Store, scopes: tuple[Scope, ...], lacks: str
) -> None:
    done = run(*STAGING, url, API_TOKEN=store.token(*scopes))
    assert done.code == 1
    assert f"NOT OK  the token may {lacks}: " in done.out
    assert "It answered 403: " in done.out
    assert "a token that may read, write and erase" in done.out
    assert " ok      REST ingest" not in done.out


def test_a_wrong_token_is_said_to_be_one(run: Run, url: str) -> None:
    done = run(*STAGING, url, API_TOKEN="mcprag_wrong")
    assert done.code == 1
    assert (
        "NOT OK  the token may read: It answered 401: The token is unknown, expired or revoked." in done.out
    )
    assert "REST ingest" not in done.out


def test_a_server_that_only_reads_is_said_to_be_one(run: Run, read_only_url: str) -> None:
    done = run(*STAGING, read_only_url)
    assert done.code == 1
    assert "NOT OK  the token may write: " in done.out
    assert "This server only reads" in done.out


def test_nobody_who_answers_is_not_well(run: Run) -> None:
    port = free_port()
    done = run("--env", "production", SERVICE_URL=f"http://127.0.0.1:{port}/")
    assert done.code == 1
    assert f"production, at http://127.0.0.1:{port}\n" in done.out
    assert f"NOT OK  health: connect ECONNREFUSED 127.0.0.1:{port}\n" in done.out
    assert "left out: all else" in done.out


def test_a_server_that_is_another_is_not_well(run: Run, serve: Serve) -> None:
    page = Starlette(routes=[Route("/health", lambda _: Response("<h1>Welcome</h1>"))])
    done = run(*STAGING, serve(page))
    assert done.code == 1
    assert "this is not the health of the service" in done.out


def test_a_token_follows_nobody_who_sends_it_elsewhere(run: Run, url: str, serve: Serve) -> None:
    elsewhere = Route("/{path:path}", lambda request: RedirectResponse(f"{url}{request.url.path}"))
    done = run(*STAGING, serve(Starlette(routes=[elsewhere])))
    assert done.code == 1
    assert "NOT OK  health: unexpected redirect" in done.out


WRONG = {
    "version": Change("GET /version", status=503),
    "nobody comes in without a token": Change("GET /conversations ", status=200),
    "nobody comes in with a wrong token": Change("GET /conversations ", status=200),
    "REST ingest, sent again": Change("POST /ingest ", words=('"unchanged":1', '"unchanged":0')),
    "REST search by a word": Change('POST /search .*"limit":5', words=("integration-test/rest", "elsewhere")),
    "REST ask": Change("POST /ask ", words=('"verified":true', '"verified":false')),
    "REST ask, as events": Change("POST /ask ", words=("event: sources", "event: source")),
    "REST refuses a method, 405": Change("GET /search", status=404),
    "MCP tools/list": Change('POST /mcp .*"tools/list"', words=('"name":"search"', '"name":"seek"')),
    "MCP resources/read": Change('POST /mcp .*"resources/read".*integration', words=("lighthouse", "tower")),
    "MCP forget": Change('POST /mcp .*"dry_run":false', words=(r'"messages":1', '"messages":0')),
}


def test_what_is_answered_wrongly_is_found_and_nothing_is_left(run: Run, url: str, serve: Serve) -> None:
    done = run(*STAGING, serve(between(url, *WRONG.values())))
    assert done.code == 1
    assert f"FAILED: {len(WRONG)} of " in done.out
    failed = done.out.partition(" FAILED: ")[2].splitlines()[1:]
    assert [re.split("   |: ", line)[1] for line in failed] == list(WRONG)


def test_where_nothing_is_stored_the_rest_is_left_out(run: Run, url: str, serve: Serve) -> None:
    # It was stored, and only the answer was lost.
    full = Change("POST /ingest .*rest", status=503, passed_on=True)
    away = Change('POST /mcp .*"initialize"', status=503)
    done = run(*STAGING, serve(between(url, full, away)))
    assert done.code == 1
    assert "left out: the rest of REST, as nothing was stored" in done.out
    assert "left out: the rest of MCP, as there is no session" in done.out
    assert "taken out: integration-test/rest/" in done.out


def test_what_cannot_be_taken_out_is_named(
    run: Run, url: str, serve: Serve, store: Store, token: str
) -> None:
    stuck = between(url, Change("DELETE .*rest", status=503, after="POST /ingest .*rest"))
    done = run(*STAGING, serve(stuck))
    assert done.code == 1
    (last,) = (line for line in done.out.splitlines() if "NOT OK  integration-test/" in line)
    assert "may still be stored: forget it (forgetting it was answered 503)" in last
    (left,) = re.findall(r"integration-test/rest/integration[0-9a-f]{16}", last)
    with caller(url, token) as http:
        assert http.delete(f"/conversations/{quote(left, safe='')}").status_code == 200


def test_who_stops_it_leaves_nothing(url: str, token: str) -> None:
    suite = Suite.started(*STAGING, url, API_TOKEN=token)
    suite.until(" ok      REST ingest")
    suite.interrupt()
    done = suite.ended()
    assert done.code == -signal.SIGINT, "a shell says 130"
    assert "taken out: integration-test/rest/" in done.out
    assert " ok      MCP" not in done.out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "which environment?"),
        (("--env", "preview"), "there is no environment preview"),
        (("--environment", "staging"), "--environment"),
        (
            ("--env", "staging", "--url", "http://mcp-demo.example.com"),
            "a token is not sent to http://mcp-demo",
        ),
        (("--env", "staging", "--url", "nowhere"), "nowhere is no URL"),
    ],
)
def test_who_calls_it_wrongly_is_told_how(run: Run, arguments: tuple[str, ...], why: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert why in done.err
    assert "--env development|staging|production" in done.err


def test_without_a_token_nobody_is_called(run: Run, url: str) -> None:
    done = run(*STAGING, url, API_TOKEN="")
    assert (done.code, done.out) == (2, "")
    assert "API_TOKEN is not set. `mcp-rag token create`" in done.err


def test_it_says_how_it_is_called(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    assert "Exit codes: 0 all is well; 1 " in done.out


@pytest.mark.parametrize("environment", ["development", "staging", "production"])
def test_an_environment_is_where_the_scripts_have_it(environment: str) -> None:
    script = f"source deploy/scripts/lib.sh; url_of {environment}"
    asked = (
        "import { understand } from './tests/integration/calling.ts';"
        f"console.log(understand(['--env', '{environment}'], {{ API_TOKEN: 'any' }}).url);"
    )
    assert _said("node", "--import", "tsx", "--input-type=module", "--eval", asked) == _said(
        "bash", "-c", script
    )


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
