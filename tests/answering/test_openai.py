import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse

from mcp_rag.answering.openai import OpenAIAnswerer, Reading
from mcp_rag.answering.service import THOUGHTS
from mcp_rag.answering.service import Service as Named
from mcp_rag.errors import AnsweringFailed, Declined
from mcp_rag.models import Spent, Turn, Wanted
from tests.answering.briefs import MOVED, brief, claim, written
from tests.answering.openai_server import (
    KEY,
    MODEL,
    Cut,
    Failure,
    Hold,
    Ollama,
    Raw,
    Reply,
    Service,
    refusal,
)
from tests.free_ports import free_port
from tests.serving import Serve

ANSWER = 'Anna moved to Lisbon. [1: "moved to Lisbon"] Ben stayed. [2: "I am staying"] [7: "nowhere"]'
CLAIMS = [claim("Anna moved to Lisbon.", (0, "moved to Lisbon")), claim(" Ben stayed.", (1, "I am staying"))]
Connect = Callable[..., OpenAIAnswerer]


def data(value: Any) -> Raw:
    return Raw(f"data: {json.dumps(value)}\n\n")


@pytest.fixture
def service() -> Service:
    service = Service()
    service.says(ANSWER)
    return service


@pytest.fixture
async def connect(serve: Serve, service: Service) -> AsyncIterator[Connect]:
    url = f"{serve(service.app)}/v1"
    opened: list[OpenAIAnswerer] = []

    def open_(**how: Any) -> OpenAIAnswerer:
        given = {"model": MODEL, "api_key": KEY, "url": url, "timeout": 30.0, **how}
        opened.append(OpenAIAnswerer(given.pop("model"), **given))
        return opened[-1]

    yield open_
    for answerer in opened:
        await answerer.close()


async def refused(answerer: OpenAIAnswerer) -> AnsweringFailed:
    with pytest.raises(AnsweringFailed) as failure:
        await written(answerer)
    assert "secret" not in repr(failure.value) + str(failure.value)
    assert failure.value.__cause__ is None
    return failure.value


# What is sent.


async def test_the_request_is_as_the_service_wants_it(connect: Connect, service: Service) -> None:
    given = brief(history=[Turn(role="user", text="Who is Anna?")])
    assert await written(connect(max_tokens=77), given) == CLAIMS
    (asked,) = service.requests
    assert (asked.model, asked.max_tokens, asked.max_completion_tokens) == (MODEL, 77, None)
    assert [message.role for message in asked.messages] == ["system", "user"]
    assert "NO ANSWER" in asked.said_by("system")
    assert MOVED in asked.said_by("user")
    assert "Who is Anna?" in asked.said_by("user")
    assert asked.said_by("user").endswith("Where did Anna move?")
    assert service.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_a_model_that_reasons_has_room_for_it(connect: Connect, service: Service) -> None:
    service.reasons = True
    answerer = connect(max_tokens=77)
    assert await asyncio.gather(*(written(answerer) for _ in range(3))) == [CLAIMS] * 3
    assert await written(answerer) == CLAIMS
    assert (service.requests[-1].max_tokens, service.requests[-1].max_completion_tokens) == (
        None,
        77 + THOUGHTS,
    )
    assert len(service.requests) == 3 * 2 + 1


async def test_a_service_without_keys_gets_none_and_keeps_to_the_limit(serve: Serve) -> None:
    ollama = Ollama()
    ollama.says(ANSWER)
    answerer = OpenAIAnswerer(MODEL, api_key=None, url=f"{serve(ollama.app)}/v1/", max_tokens=77, timeout=30)
    assert await written(answerer) == CLAIMS
    await answerer.close()
    assert "authorization" not in ollama.headers[0]
    assert ollama.requests[0].max_tokens == 77


async def test_a_question_that_is_no_valid_unicode_is_sent(connect: Connect, service: Service) -> None:
    assert await written(connect(), brief(question="half \ud800?")) == CLAIMS
    assert service.requests[0].said_by("user").endswith("half ??")


# What comes.


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
async def test_it_does_not_matter_in_what_pieces_it_comes(
    connect: Connect, service: Service, piece: int
) -> None:
    service.piece = piece
    assert await written(connect()) == CLAIMS


async def test_a_claim_comes_as_soon_as_it_is_complete(connect: Connect, service: Service) -> None:
    service.says('Anna moved. [1: "moved"] Her brother Ben stays.', Hold())
    async with aclosing(connect().write(brief())) as pieces:
        assert await anext(pieces) == claim("Anna moved.", (0, "moved"))


async def test_a_model_may_lie_about_what_it_read(connect: Connect, service: Service) -> None:
    service.writes = lambda asked: Reply(
        [f'Anna moved to Mars. [1: "{"Lisbon" if "Lisbon" in asked.said_by("user") else "?"}"]']
    )
    assert await written(connect()) == [claim("Anna moved to Mars.", (0, "Lisbon"))]


async def test_no_answer_gives_nothing(connect: Connect, service: Service) -> None:
    service.says("NO ANSWER")
    assert await written(connect()) == []


async def test_a_search_may_be_wanted_in_place_of_an_answer(connect: Connect, service: Service) -> None:
    service.writes = lambda asked: Reply(
        ["SEARCH: When did Ben move?" if "SEARCH:" in asked.said_by("system") else "NO ANSWER"]
    )
    assert await written(connect(), brief(may_search=True)) == [Wanted(question="When did Ben move?")]
    assert await written(connect(), brief()) == []


@pytest.mark.parametrize("always", [False, True], ids=["at the end", "always"])
async def test_what_was_spent_is_said_once(connect: Connect, service: Service, always: bool) -> None:
    service.says(ANSWER, usage_always=always)
    pieces = [piece async for piece in connect().write(brief())]
    assert [piece for piece in pieces if isinstance(piece, Spent)] == [Spent(tokens_in=300, tokens_out=40)]


async def test_a_service_that_counts_no_tokens_says_none(connect: Connect, service: Service) -> None:
    service.says(ANSWER, usage=None)
    assert [piece async for piece in connect().write(brief())] == CLAIMS


async def test_chunks_of_other_kinds_are_passed_over(connect: Connect, service: Service) -> None:
    service.says(
        data({"choices": [], "prompt_filter_results": []}),
        data({"choices": [{"index": 0, "delta": {"reasoning_content": "Hm. NO ANSWER?"}}]}),
        data({"choices": [{"index": 0, "delta": {"content": None}}]}),
        data({"choices": [{"index": 0, "delta": None}]}),
        Raw(": keep-alive\n\n"),
        ANSWER,
    )
    assert await written(connect()) == CLAIMS


async def test_an_answer_that_is_too_long_loses_its_last_sentence(connect: Connect, service: Service) -> None:
    service.says(f"{ANSWER} They wri", finish_reason="length")
    assert await written(connect()) == CLAIMS


async def test_an_answer_that_is_too_long_for_one_sentence_fails(connect: Connect, service: Service) -> None:
    service.says("<think>Where did Anna move? The sources", finish_reason="length")
    failure = await refused(connect())
    assert isinstance(failure, Declined)
    assert "used up its tokens" in failure.cause
    assert "MCP_RAG_OPENAI_MODEL" in failure.remedy


@pytest.mark.parametrize(
    ("pieces", "reason", "said"),
    [
        ([data({"choices": [{"delta": {"refusal": "I will not."}}]})], "stop", ": I will not."),
        ([], "content_filter", "."),
    ],
)
async def test_a_model_that_refuses_is_named(
    connect: Connect, service: Service, pieces: list[Any], reason: str, said: str
) -> None:
    service.says(*pieces, "Anna", finish_reason=reason)
    failure = await refused(connect())
    assert isinstance(failure, Declined)
    assert failure.cause == f"The model {MODEL} declined to answer{said}"


# Refusals.


@pytest.mark.parametrize("key", ["sk-another-secret", None])
async def test_a_refused_key_is_not_repeated(connect: Connect, key: str | None) -> None:
    failure = await refused(connect(api_key=key))
    assert "refused the key (401 Unauthorized)" in failure.cause
    assert "MCP_RAG_OPENAI_API_KEY" in failure.remedy


async def test_a_key_that_cannot_be_sent_is_not_repeated(connect: Connect) -> None:
    failure = await refused(connect(api_key="sk-secret\nx"))
    assert "a character that cannot be sent" in failure.cause


@pytest.mark.parametrize("key", [f" {KEY}\n", KEY])
async def test_a_key_with_space_around_it_is_taken_without(connect: Connect, key: str) -> None:
    assert await written(connect(api_key=key)) == CLAIMS


async def test_a_model_that_the_service_lacks_is_named(connect: Connect) -> None:
    failure = await refused(connect(model="typo"))
    assert "404 Not Found: The model `typo` does not exist." in failure.cause
    assert "MCP_RAG_OPENAI_MODEL" in failure.remedy


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refusal(400, f"Too long, {KEY}"), "400 Bad Request: Too long, ***."),
        (JSONResponse({"error": "Input is too long."}, 422), "422 Unprocessable Entity: Input is too long."),
        (PlainTextResponse("Too large.", 413), ": Too large."),
        (JSONResponse([1], 400), "400 Bad Request: "),
    ],
    ids=["OpenAI", "other", "text", "nonsense"],
)
async def test_a_request_that_cannot_be_served_is_not_repeated(
    connect: Connect, service: Service, answer: Any, said: str
) -> None:
    service.refusals = [answer]
    failure = await refused(connect())
    assert isinstance(failure, Declined)
    assert said in failure.cause
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_service_is_asked_again(connect: Connect, service: Service, status: int) -> None:
    service.refusals = [refusal(status, "Slow down", retry_after="0.01")] * 2
    assert await written(connect()) == CLAIMS
    assert len(service.requests) == 3


async def test_a_service_that_stays_busy_is_given_up(connect: Connect, service: Service) -> None:
    service.refusals = [refusal(503, "Overloaded", retry_after="0.01")] * 9
    failure = await refused(connect())
    assert "503 Service Unavailable: Overloaded." in failure.cause
    assert "MCP_RAG_ANSWERER" in failure.remedy
    assert len(service.requests) == 3


async def test_a_service_that_wants_a_minute_is_not_waited_for(connect: Connect, service: Service) -> None:
    service.refusals = [refusal(429, "Slow down", retry_after="60", x_should_retry="true")]
    assert "429 Too Many Requests: Slow down" in (await refused(connect())).cause
    assert len(service.requests) == 1


async def test_nothing_is_sent_to_where_a_service_points(
    connect: Connect, service: Service, serve: Serve
) -> None:
    other = Service()
    service.refusals = [RedirectResponse(f"{serve(other.app)}/v1/chat/completions", 308)]
    assert "308 Permanent Redirect" in (await refused(connect())).cause
    assert other.headers == []


# Failures.


async def test_a_service_that_is_not_there_is_named_without_its_password(connect: Connect) -> None:
    port = free_port()
    failure = await refused(connect(url=f"http://user:secret@127.0.0.1:{port}/v1?key=secret"))
    assert f"http://127.0.0.1:{port}/v1 cannot be reached: " in failure.cause
    assert "MCP_RAG_OPENAI_URL" in failure.remedy


@pytest.mark.parametrize("url", ["localhost:11434/v1", "ftp://localhost/v1", "http://[::1/v1", "http://", ""])
async def test_an_address_that_is_none_is_refused(connect: Connect, url: str) -> None:
    failure = await refused(connect(url=url))
    assert "cannot be reached" in failure.cause
    assert "MCP_RAG_OPENAI_URL" in failure.remedy


async def test_a_service_that_says_nothing_is_given_up(connect: Connect, service: Service) -> None:
    service.silent = True
    failure = await refused(connect(timeout=0.2))
    assert "said nothing for 0.2 seconds" in failure.cause
    assert "MCP_RAG_OPENAI_MODEL" in failure.remedy
    assert await asyncio.to_thread(service.left.wait, 30)
    assert len(service.requests) == 1


async def test_a_service_that_falls_silent_is_given_up(connect: Connect, service: Service) -> None:
    service.says(ANSWER, Hold())
    assert "said nothing for 0.2 seconds" in (await refused(connect(timeout=0.2))).cause


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        (Cut(), "broke off in its answer."),
        (Failure(f"Out of memory, {KEY}"), "broke off in its answer: Out of memory, ***."),
        (Raw("data: [DONE]\n\n"), "broke off in its answer."),
        (Raw("error: out of memory\n\ndata: [DONE]\n\n"), "broke off in its answer."),
        (Raw("data: {bad\n\n"), "answered with something that is no answer."),
        (Raw("data: " + "[" * 50_000 + "\n\n"), "answered with something that is no answer."),
        (data(None), "answered with a chunk that is none."),
        (data([1]), "answered with a chunk that is none."),
        (data("text"), "answered with a chunk that is none."),
        (data({"choices": [{"delta": {"content": 7}}]}), "answered with a text that is none."),
        (data({"choices": [{"delta": ["text"]}]}), "answered with a text that is none."),
    ],
)
async def test_a_stream_that_fails_says_how(
    connect: Connect, service: Service, piece: Any, said: str
) -> None:
    service.says('Anna moved. [1: "moved"] Her brother Ben stays.', piece)
    pieces = connect().write(brief())
    assert await anext(pieces) == claim("Anna moved.", (0, "moved"))
    with pytest.raises(AnsweringFailed) as failure:
        await anext(pieces)
    assert failure.value.cause.endswith(said)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("content", ["<html>Welcome</html>", ""])
async def test_a_page_is_no_answer(connect: Connect, service: Service, content: str) -> None:
    service.refusals = [PlainTextResponse(content)]
    failure = await refused(connect())
    assert "answered with nothing that is an answer" in failure.cause
    assert "MCP_RAG_OPENAI_URL" in failure.remedy


FIELDS = ["choices", "delta", "content", "refusal", "finish_reason", "usage", "prompt_tokens"]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=5)
    | st.sampled_from(["stop", "length"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(JUNK | st.fixed_dictionaries({"choices": st.lists(JUNK), "usage": JUNK}), max_size=6))
def test_whatever_comes_it_is_an_answer_or_no_answer(chunks: list[Any]) -> None:
    reading = Reading(brief(), Named("MCP_RAG_OPENAI", "http://localhost", MODEL, KEY, 1.0))
    try:
        for chunk in chunks:
            reading.feed(chunk)
        reading.end()
    except AnsweringFailed:
        pass


async def test_closing_the_generator_stops_the_model(connect: Connect, service: Service) -> None:
    service.says('Anna moved. [1: "moved"] Her brother Ben stays.', Hold())
    pieces = connect().write(brief())
    assert await anext(pieces) == claim("Anna moved.", (0, "moved"))
    assert not service.left.is_set()
    await pieces.aclose()
    assert await asyncio.to_thread(service.left.wait, 30)


async def test_many_questions_share_a_client(connect: Connect) -> None:
    answerer = connect()
    assert await asyncio.gather(*(written(answerer) for _ in range(8))) == [CLAIMS] * 8


async def test_a_closed_answerer_says_so(connect: Connect) -> None:
    answerer = connect()
    await written(answerer)
    await answerer.close()
    assert "was closed" in (await refused(answerer)).cause


# The environment.


async def test_the_environment_says_nothing_about_where_to_send_and_as_whom(
    connect: Connect, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"x-from: environment\nauthorization: Bearer {KEY}")
    assert await written(connect()) == CLAIMS
    assert "environment" not in json.dumps(service.headers[0])
    assert "openai-organization" not in service.headers[0]
    await refused(connect(api_key=None))
    assert "authorization" not in service.headers[-1]
