import asyncio

import pytest

from tests.conftest import create_database


@pytest.fixture(scope="session")
def shared(postgres: str) -> str:
    """The URL of a database that the tests of this folder share."""
    return asyncio.run(create_database(postgres, "conformance"))
