"""The product's own processes, which the tests of a file share with a database."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import create_database
from tests.resident.conftest import moved_in
from tests.resident.household import Household
from tests.serve_process import Serving


@pytest.fixture(scope="module")
def shared_url(postgres: str) -> str:
    return asyncio.run(create_database(postgres, f"shared_{uuid.uuid4().hex[:12]}"))


@pytest.fixture(scope="module")
def serving(shared_url: str) -> Iterator[Serving]:
    with Serving(MCP_RAG_DATABASE_URL=shared_url) as server:
        yield server


@pytest.fixture(scope="module")
def settled(shared_url: str) -> Iterator[Household]:
    with moved_in(MCP_RAG_DATABASE_URL=shared_url) as home:
        yield home
