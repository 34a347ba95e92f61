"""A Redis that fails makes an answer slower, never wrong and never an error."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_rag.caching.redis import PREFIX
from tests.conftest import eventually

from .conftest import Connect
from .redis_server import RedisServer, Script, serving

PASSWORD = "never-to-be-seen"
ANSWER = '{"answered": true, "text": "Tokio — 東京"}'


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries


def events(logged: list[Any]) -> list[tuple[str, str]]:
    return [(entry["log_level"], entry["event"]) for entry in logged]


async def test_what_one_process_puts_another_gets(server: RedisServer, connect: Connect) -> None:
    one, another = connect(server.url), connect(server.url)
    await one.put("a", ANSWER)
    assert await another.get("a") == ANSWER
    assert await another.get("b") is None


async def test_it_is_told_whether_redis_answers(server: RedisServer, connect: Connect) -> None:
    assert await connect(server.url).answers()
    assert not await connect("redis://no-such-host.invalid:6379").answers()


async def test_a_later_text_takes_the_place_of_an_earlier_one(server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url)
    await cache.put("a", "old")
    await cache.put("a", "new")
    assert await cache.get("a") == "new"


@pytest.mark.parametrize("text", ["", "\0", "\r\n$-1\r\n", "Tokio — 東京 🗼", "\ud800", "x" * 3_000_000])
async def test_a_text_comes_back_as_it_went(text: str, server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url)
    await cache.put("a", text)
    assert await cache.get("a") == text


async def test_keys_have_a_prefix_and_a_lifetime(server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url, lifetime=120)
    await cache.put("a", "text")
    with server.client() as client:
        assert client.keys("*") == [f"{PREFIX}a".encode()]
        assert 100 < int(client.ttl(f"{PREFIX}a")) <= 120


async def test_a_text_whose_lifetime_is_over_is_a_miss(server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url, lifetime=1)
    await cache.put("a", "text")

    async def gone() -> bool:
        return await cache.get("a") is None

    await eventually(gone)


async def test_many_calls_at_once_each_get_their_own_text(server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url)
    await asyncio.gather(*(cache.put(str(n), f"text {n}") for n in range(300)))
    assert await asyncio.gather(*(cache.get(str(n)) for n in range(300))) == [f"text {n}" for n in range(300)]


# Down.


async def test_a_cache_that_is_down_is_a_miss(
    server: RedisServer, connect: Connect, logged: list[Any]
) -> None:
    server.kill()
    cache = connect(server.url)
    for _ in range(5):
        assert await cache.get("a") is None
        await cache.put("a", "text")
    assert events(logged) == [("warning", "cache is not reached")]


async def test_a_cache_of_no_such_host_is_a_miss(connect: Connect, logged: list[Any]) -> None:
    cache = connect("redis://cache.invalid")
    assert await cache.get("a") is None
    assert events(logged) == [("warning", "cache is not reached")]


async def test_a_cache_that_dies_is_a_miss_until_it_is_back(
    server: RedisServer, connect: Connect, logged: list[Any]
) -> None:
    cache = connect(server.url)
    for _ in range(2):
        await cache.put("a", "text")
        assert await cache.get("a") == "text"
        server.kill()
        assert await cache.get("a") is None
        await cache.put("a", "text")
        server.start()
        assert await cache.get("a") is None
    outage = [("warning", "cache is not reached"), ("info", "cache is not reached: no longer")]
    assert events(logged) == outage * 2


async def test_a_restart_between_two_calls_costs_one_call_at_most(
    server: RedisServer, connect: Connect
) -> None:
    cache = connect(server.url)
    await cache.put("a", "text")
    server.kill()
    server.start()
    await cache.get("a")
    await cache.put("a", "text")
    assert await cache.get("a") == "text"


async def test_after_a_failure_redis_is_left_alone_and_then_tried_again(
    server: RedisServer, connect: Connect
) -> None:
    cache = connect(server.url, pause=1.0)
    await cache.put("a", "text")
    server.kill()
    failed = time.monotonic()
    assert await cache.get("a") is None
    server.start()
    with server.client() as client:
        client.set(f"{PREFIX}a", "back")

    async def back() -> bool:
        return await cache.get("a") == "back"

    await eventually(back)
    assert time.monotonic() - failed >= 1.0


# Slow.


async def test_a_cache_that_hangs_is_waited_for_once_and_no_longer_than_patience(
    server: RedisServer, connect: Connect, logged: list[Any]
) -> None:
    cache = connect(server.url, patience=0.5, pause=60)
    await cache.put("a", "text")
    server.hang()
    began = time.monotonic()
    assert await cache.get("a") is None
    first = time.monotonic() - began
    for _ in range(100):
        assert await cache.get("a") is None
        await cache.put("a", "text")
    rest = time.monotonic() - began - first
    await cache.close()
    assert 0.5 <= first < 2
    assert rest < 0.5
    assert events(logged) == [("warning", "cache is not reached")]


async def test_calls_that_meet_a_hanging_cache_together_wait_together(
    server: RedisServer, connect: Connect, logged: list[Any]
) -> None:
    cache = connect(server.url, patience=0.5, pause=60)
    server.hang()
    began = time.monotonic()
    assert await asyncio.gather(*(cache.get(str(n)) for n in range(50))) == [None] * 50
    assert time.monotonic() - began < 3
    assert events(logged) == [("warning", "cache is not reached")]


async def test_a_hanging_cache_is_tried_again_by_one_call_only(connect: Connect) -> None:
    async with serving(Script(b"")) as script:
        cache = connect(script.url, patience=0.2, pause=0.2)
        await cache.get("a")
        assert script.connections == 1

        async def tried() -> bool:
            await asyncio.gather(*(cache.get(str(n)) for n in range(50)))
            return script.connections > 1

        await eventually(tried)
        assert script.connections == 2
        await cache.close()


async def test_a_cache_that_hung_gives_each_key_its_own_text_again(
    server: RedisServer, connect: Connect
) -> None:
    cache = connect(server.url, patience=0.3)
    for key in "abc":
        await cache.put(key, f"text of {key}")
    server.hang()
    assert [await cache.get(key) for key in "abc"] == [None, None, None]
    server.resume()

    async def back() -> bool:
        return await cache.get("c") == "text of c"

    await eventually(back)
    assert [await cache.get(key) for key in "abcd"] == ["text of a", "text of b", "text of c", None]


async def test_a_call_that_is_cancelled_leaves_its_reply_to_no_other(
    server: RedisServer, connect: Connect, logged: list[Any]
) -> None:
    cache = connect(server.url)
    for key in "ab":
        await cache.put(key, f"text of {key}")
    server.hang()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await cache.get("a")
    server.resume()
    assert await cache.get("b") == "text of b"
    assert await cache.get("a") == "text of a"
    assert logged == []


async def test_a_cache_that_hangs_does_not_keep_the_process_from_leaving(
    server: RedisServer, connect: Connect
) -> None:
    cache = connect(server.url, patience=0.5)
    await cache.put("a", "text")
    server.hang()
    began = time.monotonic()
    await cache.close()
    assert time.monotonic() - began < 3


# Refusing.


async def test_a_wrong_password_is_a_miss_and_is_not_logged(
    server: RedisServer, connect: Connect, logged: list[Any]
) -> None:
    server.kill()
    server.start("--requirepass", "the-right-one")
    cache = connect(_with_password(server.url))
    await cache.put("a", "text")
    assert await cache.get("a") is None
    assert events(logged) == [("warning", "cache is not reached")]
    assert logged[0]["cause"] == "AuthenticationError"
    assert PASSWORD not in str(logged)


async def test_a_missing_password_is_a_miss(server: RedisServer, connect: Connect, logged: list[Any]) -> None:
    server.kill()
    server.start("--requirepass", "the-right-one")
    cache = connect(server.url)
    await cache.put("a", "text")
    assert await cache.get("a") is None
    assert events(logged) == [("warning", "cache is not reached")]


async def test_a_right_password_is_taken(server: RedisServer, connect: Connect) -> None:
    server.kill()
    server.start("--requirepass", PASSWORD)
    cache = connect(_with_password(server.url))
    await cache.put("a", "text")
    assert await cache.get("a") == "text"


def _with_password(url: str) -> str:
    return f"{url}?password={PASSWORD}"


async def test_a_server_that_repeats_the_password_is_not_logged_word_for_word(
    connect: Connect, logged: list[Any]
) -> None:
    refusal = f"-ERR unknown command 'AUTH', with args beginning with: '{PASSWORD}' \r\n".encode()
    async with serving(Script(b"", to_auth=refusal)) as script:
        cache = connect(_with_password(script.url))
        assert await cache.get("a") is None
        await cache.close()
    assert [entry["log_level"] for entry in logged] == ["warning"]
    assert PASSWORD not in str(logged)


async def test_a_value_of_another_type_is_a_miss_and_is_written_over(
    server: RedisServer, connect: Connect, logged: list[Any]
) -> None:
    cache = connect(server.url)
    with server.client() as client:
        client.rpush(f"{PREFIX}a", "one", "two")
    assert await cache.get("a") is None
    await cache.put("a", "text")
    assert await cache.get("a") == "text"
    assert events(logged) == [
        ("warning", "cache refuses to be read"),
        ("info", "cache refuses to be read: no longer"),
    ]


async def test_a_value_that_is_no_text_is_a_miss(server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url)
    with server.client() as client:
        client.set(f"{PREFIX}a", b"\xff\xfe")
    assert await cache.get("a") is None


async def test_a_full_cache_is_read_on_and_complained_of_once(
    server: RedisServer, connect: Connect, logged: list[Any]
) -> None:
    cache = connect(server.url)
    await cache.put("a", "text")
    with server.client() as client:
        client.config_set("maxmemory", 1)
        for _ in range(5):
            await cache.put("b", "text")
            assert await cache.get("b") is None
            assert await cache.get("a") == "text"
        assert events(logged) == [("warning", "cache refuses to be written")]
        client.config_set("maxmemory", 0)
    await cache.put("b", "text")
    assert await cache.get("b") == "text"
    assert events(logged)[1:] == [("info", "cache refuses to be written: no longer")]


async def test_a_full_cache_is_left_alone_by_writers_only(server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url, pause=60)
    await cache.put("a", "text")
    with server.client() as client:
        client.config_set("maxmemory", 1)
        await cache.put("b", "text")
        client.config_set("maxmemory", 0)
    await cache.put("b", "text")
    assert await cache.get("b") is None
    assert await cache.get("a") == "text"


async def test_a_read_only_cache_is_read_on(server: RedisServer, connect: Connect, logged: list[Any]) -> None:
    cache = connect(server.url)
    await cache.put("a", "text")
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)
        await cache.put("b", "text")
        assert await cache.get("a") == "text"
        assert await cache.get("b") is None
        assert events(logged) == [("warning", "cache refuses to be written")]
        client.replicaof("NO", "ONE")
    await cache.put("b", "text")
    assert await cache.get("b") == "text"


async def test_a_replica_that_lost_its_master_is_a_miss(server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url)
    await cache.put("a", "text")
    with server.client() as client:
        client.config_set("replica-serve-stale-data", "no")
        client.replicaof("127.0.0.1", 1)
    await cache.put("b", "text")
    assert await cache.get("a") is None


async def test_an_account_that_may_do_nothing_is_a_miss(server: RedisServer, connect: Connect) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "stranger", "on", f">{PASSWORD}", "~other:*", "+get", "+set")
    cache = connect(f"{_with_password(server.url)}&username=stranger")
    await cache.put("a", "text")
    assert await cache.get("a") is None


async def test_a_server_with_no_connection_left_is_a_miss(server: RedisServer, connect: Connect) -> None:
    cache = connect(server.url)
    with server.client() as client:
        client.config_set("maxclients", 1)
        assert await cache.get("a") is None
        client.config_set("maxclients", 1000)
    await cache.put("a", "text")
    assert await cache.get("a") == "text"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"-LOADING Redis is loading the dataset in memory\r\n", id="loading"),
        pytest.param(b"-BUSY Redis is busy running a script.\r\n", id="busy"),
        pytest.param(b"-MISCONF Redis is configured to save RDB snapshots\r\n", id="cannot save"),
        pytest.param(b"-MOVED 3999 127.0.0.1:6381\r\n", id="of a cluster"),
        pytest.param(b"-ASK 3999 127.0.0.1:6381\r\n", id="of a cluster that moves"),
        pytest.param(b"-CLUSTERDOWN The cluster is down\r\n", id="cluster down"),
        pytest.param(b"-\r\n", id="error without words"),
        pytest.param(b'$100\r\n{"answered":', id="cut in the text"),
        pytest.param(b"$100\r", id="cut in the length"),
        pytest.param(b"$", id="cut after a byte"),
        pytest.param(b"\r\n", id="empty line"),
        pytest.param(b"$many\r\ntext\r\n", id="length that is no number"),
        pytest.param(b":12\r\n", id="number"),
        pytest.param(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", id="list"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="web server"),
        pytest.param(b"x" * 200_000, id="line without an end"),
        pytest.param(bytes(range(256)), id="noise"),
    ],
)
async def test_a_reply_that_is_no_text_is_a_miss(reply: bytes, connect: Connect) -> None:
    async with serving(Script(reply)) as script:
        cache = connect(script.url)
        assert await cache.get("a") is None
        script.reply = b"$4\r\ntext\r\n"

        async def back() -> bool:
            return await cache.get("a") == "text"

        await eventually(back)
        await cache.close()
