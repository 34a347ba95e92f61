from hypothesis import given
from hypothesis import strategies as st

from mcp_rag.caching.memory import MAX_CHARACTERS, InProcess


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def kept(cache: InProcess, *keys: str) -> list[str]:
    return [key for key in keys if await cache.get(key) is not None]


async def test_what_was_put_is_got() -> None:
    cache = InProcess()
    await cache.put("a", '{"answered": true}')
    assert await cache.get("a") == '{"answered": true}'


async def test_what_was_never_put_is_a_miss() -> None:
    assert await InProcess().get("a") is None


async def test_a_later_text_takes_the_place_of_an_earlier_one() -> None:
    cache = InProcess()
    await cache.put("a", "old")
    await cache.put("a", "new")
    assert await cache.get("a") == "new"


async def test_an_empty_text_is_a_text() -> None:
    cache = InProcess()
    await cache.put("a", "")
    assert await cache.get("a") == ""


async def test_what_was_not_read_for_the_longest_time_goes_first() -> None:
    cache = InProcess(entries=3)
    for key in "abc":
        await cache.put(key, key)
    await cache.get("a")
    await cache.put("d", "d")
    assert await kept(cache, *"abcd") == ["a", "c", "d"]


async def test_a_text_is_kept_for_its_lifetime_and_no_longer() -> None:
    clock = Clock()
    cache = InProcess(lifetime=60, clock=clock)
    await cache.put("a", "text")
    clock.now += 59.9
    assert await cache.get("a") == "text"
    clock.now += 0.1
    assert await cache.get("a") is None


async def test_being_read_does_not_make_a_text_live_longer_but_being_put_does() -> None:
    clock = Clock()
    cache = InProcess(lifetime=60, clock=clock)
    await cache.put("read", "text")
    await cache.put("put", "text")
    clock.now += 40
    await cache.get("read")
    await cache.put("put", "text")
    clock.now += 40
    assert await kept(cache, "read", "put") == ["put"]


async def test_texts_together_have_a_bound() -> None:
    cache = InProcess()
    third = "x" * (MAX_CHARACTERS // 3 - 1)
    for key in "abcd":
        await cache.put(key, third)
    assert await kept(cache, *"abcd") == ["b", "c", "d"]


async def test_a_text_that_is_replaced_no_longer_counts() -> None:
    cache = InProcess()
    await cache.put("other", "text")
    for _ in range(5):
        await cache.put("a", "x" * (MAX_CHARACTERS - 100))
    assert await kept(cache, "other", "a") == ["other", "a"]


async def test_a_text_beyond_the_bound_is_not_kept_and_takes_no_other_s_place() -> None:
    cache = InProcess()
    await cache.put("other", "text")
    await cache.put("a", "old")
    await cache.put("a", "x" * MAX_CHARACTERS)
    assert await kept(cache, "other", "a") == ["other"]


async def test_a_closed_cache_has_nothing() -> None:
    cache = InProcess()
    await cache.put("a", "text")
    await cache.close()
    assert await cache.get("a") is None


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.text(max_size=3)), max_size=40),
    st.integers(1, 4),
)
async def test_a_cache_never_gives_another_text_than_the_last_one_put(
    calls: list[tuple[str, str | None]], entries: int
) -> None:
    cache, last = InProcess(entries=entries), dict[str, str]()
    for key, text in calls:
        if text is None:
            assert await cache.get(key) in (None, last.get(key))
        else:
            await cache.put(key, text)
            last[key] = text
            assert await cache.get(key) == text
    assert len(await kept(cache, *"abcdef")) == min(entries, len(last))
