import asyncio
from collections.abc import AsyncGenerator

import pytest

from mcp_rag.answering.guarded import Guarded
from mcp_rag.errors import AnsweringFailed, Declined
from mcp_rag.models import Claim, Spent, Wanted
from mcp_rag.ports import Brief
from tests.answering.briefs import brief, claim, written


class Scripted:
    """An answerer that does as it is told. Each part is given out, or raised."""

    name = "scripted"
    model = "some-model"

    def __init__(self, *script: Claim | Spent | Exception) -> None:
        self.script = script
        self.asked = 0
        self.stopped = 0
        self.closed = False

    async def write(self, _brief: Brief) -> AsyncGenerator[Claim | Wanted | Spent]:
        self.asked += 1
        try:
            for part in self.script:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.stopped += 1

    async def close(self) -> None:
        self.closed = True


FINE = (Spent(tokens_in=5), claim("Anna moved."))
DOWN = (Spent(tokens_in=5), AnsweringFailed("Down."))


async def failure(guarded: Guarded) -> str:
    with pytest.raises(AnsweringFailed) as failed:
        await written(guarded)
    return failed.value.cause


async def test_all_is_passed_on() -> None:
    answerer = Scripted(*FINE)
    guarded = Guarded(answerer)
    assert (guarded.name, guarded.model) == ("scripted", "some-model")
    assert [piece async for piece in guarded.write(brief())] == [*FINE]
    await guarded.close()
    assert answerer.closed


async def test_after_so_many_failures_in_a_row_it_fails_at_once() -> None:
    answerer = Scripted(*DOWN)
    guarded = Guarded(answerer, threshold=3)
    assert [await failure(guarded) for _ in range(3)] == ["Down."] * 3
    assert (
        await failure(guarded)
        == "The model some-model failed again and again, and is left alone for another 30 s."
    )
    assert answerer.asked == 3


async def test_an_answer_in_between_begins_the_count_anew() -> None:
    answerer = Scripted(*DOWN)
    guarded = Guarded(answerer, threshold=2)
    await failure(guarded)
    answerer.script = FINE
    await written(guarded)
    answerer.script = DOWN
    assert [await failure(guarded), await failure(guarded)] == ["Down."] * 2
    assert "left alone" in await failure(guarded)


async def test_after_its_rest_it_is_asked_again_and_one_failure_is_enough() -> None:
    answerer = Scripted(*DOWN)
    guarded = Guarded(answerer, threshold=2, rest=0.05)
    assert [await failure(guarded), await failure(guarded)] == ["Down."] * 2
    async with asyncio.timeout(30):
        while "left alone" in (cause := await failure(guarded)):
            pass
    assert cause == "Down."
    assert "left alone" in await failure(guarded)
    answerer.script = FINE
    async with asyncio.timeout(30):
        while True:
            try:
                assert await written(guarded) == [FINE[1]]
                break
            except AnsweringFailed:
                pass
    assert await written(guarded) == [FINE[1]]


async def test_a_question_that_is_declined_is_no_failure() -> None:
    guarded = Guarded(Scripted(Declined("Too long.")), threshold=1)
    assert [await failure(guarded) for _ in range(3)] == ["Too long."] * 3


async def test_a_question_that_is_given_up_is_neither_failure_nor_success() -> None:
    answerer = Scripted(*DOWN)
    guarded = Guarded(answerer, threshold=2)
    await failure(guarded)
    answerer.script = FINE
    for _ in range(3):
        pieces = guarded.write(brief())
        await anext(pieces)
        await pieces.aclose()
        assert answerer.stopped == answerer.asked
    answerer.script = DOWN
    assert await failure(guarded) == "Down."
    assert "left alone" in await failure(guarded)


async def test_cancelling_is_no_failure() -> None:
    class Endless(Scripted):
        async def write(self, _brief: Brief) -> AsyncGenerator[Claim | Wanted | Spent]:
            begun.set()
            await asyncio.Event().wait()
            yield FINE[0]

    guarded = Guarded(Endless(), threshold=1)
    for _ in range(2):
        begun = asyncio.Event()
        work = asyncio.create_task(written(guarded))
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
