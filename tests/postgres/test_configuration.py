"""What the embedded server is told of the machine that it runs on."""

from pathlib import Path

import asyncpg
import pytest

from mcp_rag.postgres.configuration import MEGABYTE, buffers
from mcp_rag.postgres.embedded import EmbeddedServer


@pytest.mark.parametrize(
    ("limit", "megabytes"), [(256 * MEGABYTE, 128), (2 * 1024 * MEGABYTE, 256), (2**62, None), ("max", None)]
)
def test_a_server_keeps_an_eighth_of_what_a_container_may_use(
    tmp_path: Path, limit: int | str, megabytes: int | None
) -> None:
    file = tmp_path / "memory.max"
    file.write_text(f"{limit}\n", encoding="ascii")
    assert buffers([str(file)]) == (buffers([]) if megabytes is None else megabytes)


def test_a_server_keeps_as_much_as_without_a_limit_where_there_is_no_container(tmp_path: Path) -> None:
    assert 128 <= buffers([str(tmp_path / "none")]) == buffers([]) <= 2048


async def test_the_server_has_what_it_was_told(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "data")
    try:
        connection = await asyncpg.connect(server.start().owner)
        kept = await connection.fetchval(
            "SELECT setting::bigint * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'"
        )
        await connection.close()
        assert kept == buffers()
    finally:
        server.destroy()
