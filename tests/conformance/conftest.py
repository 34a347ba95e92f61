import asyncio
from collections.abc import Iterator

import pytest

from tests.conftest import create_database
from tests.resident.conftest import moved_in
from tests.resident.household import Household
from tests.serve_process import Serving


@pytest.fixture(scope="session")
def shared(postgres: str) -> str:
    """The URL of a database that the tests of this folder share."""
    return asyncio.run(create_database(postgres, "conformance"))


@pytest.fixture(scope="module")
def serving(shared: str) -> Iterator[Serving]:
    with Serving(MCP_RAG_DATABASE_URL=shared) as server:
        yield server


@pytest.fixture(scope="module")
def household(shared: str) -> Iterator[Household]:
    with moved_in(MCP_RAG_DATABASE_URL=shared) as home:
        yield home
