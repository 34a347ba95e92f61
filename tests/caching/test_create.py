import subprocess
import sys

import pytest

from mcp_rag import caching
from mcp_rag.caching.memory import InProcess
from mcp_rag.caching.redis import Redis
from mcp_rag.errors import InvalidSettings


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_url_the_cache_is_in_this_process(url: str | None) -> None:
    assert isinstance(caching.create(url), InProcess)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379/3",
        "redis://user:p%40ss@cache.example.com:6380/0?health_check_interval=30",
        "rediss://:word@cache.example.com",
        "unix:///run/redis/redis.sock?db=2",
    ],
)
async def test_a_url_of_a_redis_is_taken_without_connecting(url: str) -> None:
    cache = caching.create(url)
    assert isinstance(cache, Redis)
    await cache.close()


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost:6379",
        "postgresql://localhost/db",
        "redis://localhost:port",
        "redis://localhost:99999",
        "redis://[::1",
        "redis://localhost?db=first",
        "redis://localhost?colour=red",
        "redis://localhost?protocol=9",
        "rediss://localhost?ssl_cert_reqs=perhaps",
    ],
)
def test_any_other_url_is_an_invalid_setting(url: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        caching.create(url)
    assert "MCP_RAG_REDIS_URL" in refused.value.cause
    assert "redis://, rediss:// or unix://" in refused.value.remedy


@pytest.mark.parametrize("password", ["12/qjxkv", "qjxkv/12", "qjx#kv", "q?jxkv@", "12/@qjxkv", "qj:xkv/"])
def test_a_password_that_was_not_escaped_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        caching.create(f"redis://:{password}@localhost")
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert "xkv" not in str(refused.value)


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, check=True, text=True
    ).stdout


def test_where_the_package_is_missing_the_remedy_is_said() -> None:
    said = run("""
import sys
sys.modules["redis"] = None
from mcp_rag import caching
from mcp_rag.errors import InvalidSettings
assert type(caching.create(None)).__name__ == "InProcess"
try:
    caching.create("redis://localhost")
except InvalidSettings as error:
    print(error)
""")
    assert "MCP_RAG_REDIS_URL" in said
    assert "the package redis is not installed" in said
    assert "pip install 'mcp-rag-memory[redis]'" in said


def test_a_cache_in_this_process_does_not_import_redis() -> None:
    said = run("""
import sys
from mcp_rag import caching
caching.create(None)
print("redis" in sys.modules)
""")
    assert said.strip() == "False"
