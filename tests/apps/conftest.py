import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from mcp_rag.models import NewMessage
from mcp_rag.ports import Embedder
from mcp_rag.postgres.database import Database
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.apps.host import Host, bundle, chromium
from tests.conftest import Borrowed, create_database
from tests.http.process import reached
from tests.resident.household import eventually
from tests.serve_process import Serving

EVIL = """The walrus password is <b>tusk</b>.<script>document.title = "owned"</script>
<img src="https://stranger.example/pixel" onerror="document.title = 'owned'"> </script></style>
[9] & &lt;kept&gt;"""


@pytest.fixture(scope="session")
def script() -> str:
    return bundle()


@pytest.fixture(scope="session")
def store_url(postgres: str, embedder: Embedder) -> str:
    """A database of what the views are to show."""
    url = asyncio.run(create_database(postgres, "apps"))
    asyncio.run(_fill(url, embedder))
    return url


async def _fill(url: str, embedder: Embedder) -> None:
    database = Database(url=url)
    await database.open()
    rag = Rag(Store(database), Borrowed(embedder))
    rag.vectors.start(work=False)
    await rag.ingest("cafe/opening", _opening(), title="Opening of the harbour café", source="team-chat")
    for number in range(12):
        text = f"Walrus number {number} was seen at pier {number}."
        await rag.ingest(f"walrus-{number}", [NewMessage(text=text, speaker="Ana")], title=f"Walrus {number}")
    evil = NewMessage(text=EVIL, speaker="<i>Mallory</i>")
    await rag.ingest("evil", [evil], title="<script>alert(1)</script>")
    await rag.vectors.drain()
    await rag.vectors.close()
    await database.close()


def _opening() -> list[NewMessage]:
    said = [
        ("Ana", "Shall we talk about the harbour café?"),
        ("Ben", "Yes. The oven from Turin arrives in February, the tiles a week later."),
        ("Ana", "Then what about the opening?"),
        ("Ben", "We moved the opening of the café to 14 March, because the oven comes late."),
        ("Ana", "Fine. I tell the bakery, and the musicians."),
        ("Cem", "The permit for the terrace is here, it is valid until October."),
    ]
    paid = [("Ana", "Ben")[n % 2] for n in range(48)]
    said += [(name, f"Item {n}: the invoice of supplier {n} is paid.") for n, name in enumerate(paid)]
    return [
        NewMessage(text=text, speaker=name, sent_at=f"2026-02-{1 + n // 4:02}T09:{n:02}:00Z")
        for n, (name, text) in enumerate(said)
    ]


@pytest.fixture(scope="session")
def serving(store_url: str) -> Iterator[Serving]:
    with Serving(MCP_RAG_DATABASE_URL=store_url, MCP_RAG_RERANKING_PROVIDER="none") as server:
        eventually(lambda: asyncio.run(reached(server.url("health"))))
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def host(browser: Browser, serving: Serving, script: str) -> AsyncIterator[Host]:
    """A host of the product's server, 700 pixels wide, which is left with nothing to complain of."""
    page = await browser.new_page(viewport={"width": 700, "height": 900})
    async with Host(page, serving.url("mcp"), script) as host:
        yield host
        assert host.strangers == []
        assert host.complaints == []
