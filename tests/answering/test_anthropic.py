import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse, RedirectResponse

from mcp_rag.answering.anthropic import AnthropicAnswerer, Reading
from mcp_rag.answering.service import THOUGHTS
from mcp_rag.answering.service import Service as Named
from mcp_rag.errors import AnsweringFailed, Declined
from mcp_rag.models import Spent, Turn, Wanted
from tests.answering.anthropic_server import (
    KEY,
    MODEL,
    VERSION,
    Block,
    Cut,
    Failure,
    Hold,
    Raw,
    Reply,
    Service,
    Thought,
    refusal,
)
from tests.answering.briefs import MOVED, brief, claim, evidence, written
from tests.free_ports import free_port
from tests.serving import Serve


def event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def delta(**fields: Any) -> Raw:
    return Raw(event("content_block_delta", index=0, delta={"type": "text_delta", **fields}))


ANSWER = [
    Block("Anna moved to "),
    Block("Lisbon in March", cites=[(0, 0, 1)]),
    Block(". "),
    Block("Ben stayed, and his sister left.", cites=[(1, 0, 2), (0, 2, 3)]),
]
CLAIMS = [
    claim("Anna moved to Lisbon in March.", (0, "We finally moved to Lisbon in March. ")),
    claim(
        " Ben stayed, and his sister left.",
        (1, "I am staying in Porto. My sister left in March."),
        (0, "Boxes everywhere!"),
    ),
]
Connect = Callable[..., AnthropicAnswerer]


@pytest.fixture
def service() -> Service:
    service = Service()
    service.says(*ANSWER)
    return service


@pytest.fixture
async def connect(serve: Serve, service: Service) -> AsyncIterator[Connect]:
    url = serve(service.app)
    opened: list[AnthropicAnswerer] = []

    def open_(**how: Any) -> AnthropicAnswerer:
        given = {"model": MODEL, "api_key": KEY, "url": url, "timeout": 30.0, **how}
        opened.append(AnthropicAnswerer(given.pop("model"), **given))
        return opened[-1]

    yield open_
    for answerer in opened:
        await answerer.close()


async def refused(answerer: AnthropicAnswerer) -> AnsweringFailed:
    with pytest.raises(AnsweringFailed) as failure:
        await written(answerer)
    assert "secret" not in repr(failure.value) + str(failure.value)
    assert failure.value.__cause__ is None
    return failure.value


# What is sent.


async def test_the_request_is_as_the_service_wants_it(connect: Connect, service: Service) -> None:
    answerer = connect(max_tokens=77)
    given = brief(history=[Turn(role="user", text="Who is Anna?")])
    assert await written(answerer, given) == CLAIMS
    (asked,) = service.requests
    assert (asked.model, asked.max_tokens, asked.stream) == (MODEL, 77, True)
    assert service.headers[0]["anthropic-version"] == VERSION
    assert [source.source for source in asked.sources] == [
        "conversation://moving/messages/0",
        "conversation://porto/messages/0",
    ]
    assert asked.sources[0].title == "Anna, Thursday, 2026-04-02 09:30 UTC+0000, Moving house"
    assert asked.sources[0].texts == [
        "We finally moved to Lisbon in March. ",
        "The flat has a balcony. ",
        "Boxes everywhere!",
    ]
    assert all(source.citations.enabled for source in asked.sources)
    assert "Who is Anna?" in asked.question
    assert asked.question.endswith("Where did Anna move?")
    assert isinstance(asked.system, str)
    assert "NO ANSWER" in asked.system


@pytest.mark.parametrize(
    ("thinks", "tries", "thinking", "max_tokens"),
    [
        ({"adaptive", "between_tools"}, 1, "between_tools", 77),
        ({"adaptive", "disabled"}, 2, "disabled", 77),
        ({"adaptive"}, 3, None, 77 + THOUGHTS),
    ],
)
async def test_a_model_is_kept_from_thinking_if_it_can_be_and_else_has_room_for_it(
    connect: Connect, service: Service, thinks: set[str], tries: int, thinking: str | None, max_tokens: int
) -> None:
    service.thinks = thinks
    answerer = connect(max_tokens=77)
    assert await written(answerer) == CLAIMS
    assert await written(answerer) == CLAIMS
    assert len(service.headers) == tries + 1
    for asked in service.requests:
        assert (asked.thinking.type if asked.thinking else None) == thinking
        assert asked.max_tokens == max_tokens


async def test_what_is_blank_is_not_sent_and_the_sources_keep_their_numbers(
    connect: Connect, service: Service
) -> None:
    given = brief(evidence(" \n"), evidence(MOVED), evidence("\n\nOnly this.\n\n"))
    service.says(Block("So it is.", cites=[(1, 0, 1)]))
    assert await written(connect(), given) == [claim("So it is.", (2, "\n\nOnly this.\n\n"))]


async def test_a_question_that_is_no_valid_unicode_is_sent(connect: Connect, service: Service) -> None:
    assert await written(connect(), brief(question="half \ud800?")) == CLAIMS
    assert service.requests[0].question.endswith("half ??")


# What comes.


async def test_a_sentence_has_the_quotes_of_every_block_that_it_overlaps(
    connect: Connect, service: Service
) -> None:
    service.says(
        Block("It was March", cites=[(0, 0, 1)]),
        Block(" when "),
        Block("Anna left. Ben stayed", cites=[(1, 0, 1)]),
        Block(". They write."),
    )
    quoted = (1, "I am staying in Porto. ")
    assert await written(connect()) == [
        claim("It was March when Anna left.", (0, "We finally moved to Lisbon in March. "), quoted),
        claim(" Ben stayed.", quoted),
        claim(" They write."),
    ]


async def test_a_claim_waits_for_the_citations_of_its_block(connect: Connect, service: Service) -> None:
    service.says(Block("Anna moved. Her brother Ben stays in Porto.", [(0, 0, 1)], cites_first=False))
    quoted = (0, "We finally moved to Lisbon in March. ")
    assert await written(connect()) == [
        claim("Anna moved.", quoted),
        claim(" Her brother Ben stays in Porto.", quoted),
    ]


@pytest.mark.parametrize("cites_first", [True, False])
@pytest.mark.parametrize("piece", [1, 3, 1000])
async def test_it_does_not_matter_in_what_pieces_it_comes(
    connect: Connect, service: Service, piece: int, cites_first: bool
) -> None:
    service.piece = piece
    service.says(*(Block(block.text, block.cites, cites_first) for block in ANSWER))
    assert await written(connect()) == CLAIMS


async def test_a_claim_comes_as_soon_as_it_is_complete(connect: Connect, service: Service) -> None:
    service.says(*ANSWER, Hold())
    async with aclosing(connect().write(brief())) as pieces:
        assert isinstance(await anext(pieces), Spent)
        assert await anext(pieces) == CLAIMS[0]


async def test_a_citation_of_nothing_that_was_sent_is_no_quote(connect: Connect, service: Service) -> None:
    citation = {"type": "search_result_location", "search_result_index": 9, "cited_text": "x"}
    web = {"type": "web_search_result_location", "url": "https://localhost", "cited_text": "x"}
    delta = [{"type": "citations_delta", "citation": cited} for cited in (citation, web)]
    service.says(
        Raw(event("content_block_start", index=0, content_block={"type": "text", "text": "Anna "})),
        *(Raw(event("content_block_delta", index=0, delta=each)) for each in delta),
        Raw(event("content_block_delta", index=0, delta={"type": "text_delta", "text": "moved."})),
        Raw(event("content_block_stop", index=0)),
    )
    assert await written(connect()) == [claim("Anna moved.")]


async def test_thinking_and_what_is_yet_unknown_are_passed_over(connect: Connect, service: Service) -> None:
    service.says(
        Thought("NO ANSWER. I wonder. "), Raw(event("news", of="tomorrow")), Raw(": a comment\n\n"), *ANSWER
    )
    assert await written(connect()) == CLAIMS


async def test_no_answer_gives_nothing(connect: Connect, service: Service) -> None:
    service.says(Block("NO ANSWER"))
    assert await written(connect()) == []


async def test_a_search_may_be_wanted_in_place_of_an_answer(connect: Connect, service: Service) -> None:
    service.writes = lambda asked: Reply(
        [Block("SEARCH: When did Ben move?" if "SEARCH:" in str(asked.system) else "NO ANSWER")]
    )
    assert await written(connect(), brief(may_search=True)) == [Wanted(question="When did Ben move?")]
    assert await written(connect(), brief()) == []


async def test_what_was_read_is_said_before_anything_is_written(connect: Connect, service: Service) -> None:
    service.says(
        *ANSWER,
        usage={
            "input_tokens": 100,
            "cache_creation_input_tokens": 20,
            "cache_read_input_tokens": 3,
            "output_tokens": 4,
        },
        final_usage={"input_tokens": 110, "cache_creation_input_tokens": 20, "output_tokens": 42},
    )
    pieces = [piece async for piece in connect().write(brief())]
    assert pieces[0] == Spent(tokens_in=123)
    assert [piece for piece in pieces if isinstance(piece, Spent)][1:] == [Spent(tokens_in=7, tokens_out=42)]


async def test_nothing_is_said_of_tokens_that_the_service_does_not_count(
    connect: Connect, service: Service
) -> None:
    service.says(*ANSWER, usage={"input_tokens": None}, final_usage={"output_tokens": None})
    assert [piece async for piece in connect().write(brief())] == CLAIMS


async def test_an_answer_that_is_too_long_loses_its_last_sentence(connect: Connect, service: Service) -> None:
    service.says(*ANSWER, Block(" They wri", cites=[(0, 0, 1)]), stop_reason="max_tokens")
    assert await written(connect()) == CLAIMS


async def test_an_answer_that_is_too_long_for_one_sentence_fails(connect: Connect, service: Service) -> None:
    service.says(Thought("Hm."), Block("Anna moved to"), stop_reason="max_tokens")
    failure = await refused(connect())
    assert isinstance(failure, Declined)
    assert "used up its tokens" in failure.cause
    assert "MCP_RAG_ANTHROPIC_MODEL" in failure.remedy


async def test_no_answer_is_none_though_it_is_long(connect: Connect, service: Service) -> None:
    service.says(Block("NO ANSWER. The sources speak of other th"), stop_reason="max_tokens")
    assert await written(connect()) == []


async def test_a_model_that_refuses_is_named(connect: Connect, service: Service) -> None:
    service.says(
        *ANSWER, stop_reason="refusal", stop_details={"category": "bio", "explanation": "It is not safe."}
    )
    failure = await refused(connect())
    assert isinstance(failure, Declined)
    assert failure.cause == f"The model {MODEL} declined to answer: It is not safe."
    service.says(stop_reason="refusal")
    assert (await refused(connect())).cause == f"The model {MODEL} declined to answer."


# Refusals.


async def test_a_refused_key_is_not_repeated(connect: Connect) -> None:
    failure = await refused(connect(api_key="sk-ant-another-secret"))
    assert "refused the key (401 Unauthorized)" in failure.cause
    assert "MCP_RAG_ANTHROPIC_API_KEY" in failure.remedy


async def test_a_key_that_cannot_be_sent_is_not_repeated(connect: Connect) -> None:
    failure = await refused(connect(api_key="sk-secret\nx"))
    assert "a character that cannot be sent" in failure.cause


async def test_a_key_with_space_around_it_is_taken_without(connect: Connect) -> None:
    assert await written(connect(api_key=f"{KEY}\n")) == CLAIMS


async def test_a_model_that_the_service_lacks_is_named(connect: Connect) -> None:
    failure = await refused(connect(model="claude-typo"))
    assert "404 Not Found: model: claude-typo" in failure.cause
    assert "MCP_RAG_ANTHROPIC_MODEL" in failure.remedy


async def test_a_request_that_cannot_be_served_is_not_repeated(connect: Connect, service: Service) -> None:
    service.refusals = [refusal(400, "invalid_request_error", f"prompt is too long, {KEY}")]
    failure = await refused(connect())
    assert isinstance(failure, Declined)
    assert "prompt is too long, ***" in failure.cause
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "busy",
    [
        refusal(429, "rate_limit_error", "Slow down", retry_after="0.01"),
        refusal(529, "overloaded_error", "Overloaded", retry_after_ms="10"),
        refusal(500, "api_error", "Internal server error", retry_after="0.01"),
    ],
    ids=["limit", "overload", "error"],
)
async def test_a_busy_service_is_asked_again(connect: Connect, service: Service, busy: Any) -> None:
    service.refusals = [busy, busy]
    assert await written(connect()) == CLAIMS
    assert len(service.requests) == 3


async def test_a_service_that_stays_busy_is_given_up(connect: Connect, service: Service) -> None:
    service.refusals = [refusal(529, "overloaded_error", "Overloaded", retry_after="0.01")] * 9
    failure = await refused(connect())
    assert "529: Overloaded" in failure.cause
    assert "MCP_RAG_ANSWERER" in failure.remedy
    assert len(service.requests) == 3


@pytest.mark.parametrize("pause", ["3600", "inf", "nan", "Thu, 26 Nov 2099 13:05:00 GMT"])
async def test_a_service_that_wants_an_hour_is_not_waited_for(
    connect: Connect, service: Service, pause: str
) -> None:
    busy = refusal(429, "rate_limit_error", "Slow down", retry_after=pause, x_should_retry="true")
    service.refusals = [busy]
    assert "429 Too Many Requests: Slow down" in (await refused(connect())).cause
    assert len(service.requests) == 1


async def test_nothing_is_sent_to_where_a_service_points(
    connect: Connect, service: Service, serve: Serve
) -> None:
    other = Service()
    service.refusals = [RedirectResponse(f"{serve(other.app)}/v1/messages", 307)]
    failure = await refused(connect())
    assert "307 Temporary Redirect" in failure.cause
    assert "MCP_RAG_ANTHROPIC_URL" in failure.remedy
    assert other.headers == []


# Failures.


async def test_a_service_that_is_not_there_is_named_without_its_password(connect: Connect) -> None:
    port = free_port()
    failure = await refused(connect(url=f"http://user:secret@127.0.0.1:{port}/claude?key=secret"))
    assert f"http://127.0.0.1:{port}/claude cannot be reached: " in failure.cause
    assert "MCP_RAG_ANTHROPIC_URL" in failure.remedy


@pytest.mark.parametrize("url", ["user:secret@localhost", "ftp://localhost", "http://[::1", "http://", ""])
async def test_an_address_that_is_none_is_refused(connect: Connect, url: str) -> None:
    failure = await refused(connect(url=url))
    assert "cannot be reached" in failure.cause
    assert "MCP_RAG_ANTHROPIC_URL" in failure.remedy


async def test_a_service_that_says_nothing_is_given_up(connect: Connect, service: Service) -> None:
    service.silent = True
    failure = await refused(connect(timeout=0.2))
    assert "said nothing for 0.2 seconds" in failure.cause
    assert "MCP_RAG_ANTHROPIC_MODEL" in failure.remedy
    assert await asyncio.to_thread(service.left.wait, 30)
    assert len(service.requests) == 1


async def test_a_service_that_falls_silent_is_given_up(connect: Connect, service: Service) -> None:
    service.says(*ANSWER, Hold())
    assert "said nothing for 0.2 seconds" in (await refused(connect(timeout=0.2))).cause


@pytest.mark.parametrize(
    ("pieces", "how", "said"),
    [
        ([Cut()], {}, "broke off in its answer."),
        ([Failure()], {}, "broke off in its answer: Overloaded."),
        ([Failure("api_error", f"Out of order, {KEY}")], {}, "broke off in its answer: Out of order, ***."),
        ([Raw("event: error\ndata: nonsense\n\n")], {}, "broke off in its answer."),
        ([], {"stops": False}, "broke off in its answer."),
        (
            [Raw("event: content_block_delta\ndata: {bad\n\n")],
            {},
            "answered with something that is no answer.",
        ),
        ([Raw("event: content_block_delta\ndata: []\n\n")], {}, "answered with an event of no kind."),
        ([Raw("event: content_block_delta\ndata: null\n\n")], {}, "answered with an event of no kind."),
        ([Raw("event: content_block_delta\ndata: 7\n\n")], {}, "answered with an event of no kind."),
        ([Raw('event: x\ndata: {"type": 5}\n\n')], {}, "answered with an event of no kind."),
        ([Raw("event: x\ndata: " + "[" * 50_000 + "\n\n")], {}, "answered with something that is no answer."),
        (
            [Raw('event: x\ndata: {"type": "content_block_delta"}\n\n')],
            {},
            "answered with a text that is none.",
        ),
        ([delta()], {}, "answered with a text that is none."),
        ([delta(text=7)], {}, "answered with a text that is none."),
    ],
)
async def test_a_stream_that_fails_says_how(
    connect: Connect, service: Service, pieces: list[Any], how: dict[str, Any], said: str
) -> None:
    service.says(*ANSWER, *pieces, **how)
    given = connect().write(brief())
    assert [await anext(given) for _ in range(2)][1] == CLAIMS[0]
    with pytest.raises(AnsweringFailed) as failure:
        await anext(given)
    assert failure.value.cause.endswith(said)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("content", ["<html>Welcome</html>", "", "data: {}\n\n"])
async def test_a_page_is_no_answer(connect: Connect, service: Service, content: str) -> None:
    service.refusals = [PlainTextResponse(content)]
    failure = await refused(connect())
    assert "answered with nothing that is an answer" in failure.cause
    assert "MCP_RAG_ANTHROPIC_URL" in failure.remedy


FIELDS = [
    "type",
    "delta",
    "message",
    "usage",
    "input_tokens",
    "output_tokens",
    "text",
    "content_block",
    "stop_reason",
    "stop_details",
    "explanation",
    "citation",
    "search_result_index",
    "cited_text",
]
WORDS = st.sampled_from(["text", "text_delta", "citations_delta", "refusal", "max_tokens"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)
KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]


@given(st.lists(st.tuples(st.sampled_from([*KINDS, "message_stop", "ping"]), JUNK), max_size=8))
def test_whatever_comes_it_is_an_answer_or_no_answer(events: list[tuple[str, Any]]) -> None:
    reading = Reading(brief(), Named("MCP_RAG_ANTHROPIC", "http://localhost", MODEL, KEY, 1.0))
    try:
        for kind, junk in events:
            reading.feed({**junk, "type": kind} if isinstance(junk, dict) else junk)
        reading.end()
    except AnsweringFailed:
        pass


async def test_closing_the_generator_stops_the_model(connect: Connect, service: Service) -> None:
    service.says(*ANSWER, Hold())
    pieces = connect().write(brief())
    while await anext(pieces) != CLAIMS[0]:
        pass
    assert not service.left.is_set()
    await pieces.aclose()
    assert await asyncio.to_thread(service.left.wait, 30)


async def test_cancelling_stops_the_model(connect: Connect, service: Service) -> None:
    service.says(*ANSWER, Hold())
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in connect().write(brief()):
            begun.set()

    work = asyncio.create_task(read())
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await asyncio.to_thread(service.left.wait, 30)


async def test_many_questions_share_a_connection_to_the_service(connect: Connect) -> None:
    answerer = connect()
    assert await asyncio.gather(*(written(answerer) for _ in range(8))) == [CLAIMS] * 8


async def test_a_closed_answerer_says_so(connect: Connect, service: Service) -> None:
    answerer = connect()
    await written(answerer)
    await answerer.close()
    assert "was closed" in (await refused(answerer)).cause
    never_used = connect()
    await never_used.close()
    assert "was closed" in (await refused(never_used)).cause


async def test_closing_the_answerer_ends_what_it_writes(connect: Connect, service: Service) -> None:
    service.says(*ANSWER, Hold())
    answerer = connect()
    pieces = answerer.write(brief())
    while await anext(pieces) != CLAIMS[0]:
        pass
    rest = asyncio.ensure_future(anext(pieces))
    await asyncio.sleep(0)
    await answerer.close()
    with pytest.raises(AnsweringFailed, match="broke off in its answer"):
        await rest


# The environment.


async def test_the_environment_says_nothing_about_where_to_send_and_as_whom(
    connect: Connect, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:1")
    monkeypatch.setenv("ANTHROPIC_PROFILE", "of-the-environment")
    monkeypatch.setenv(
        "ANTHROPIC_CUSTOM_HEADERS", f"x-from: environment\nx-api-key: {KEY}\nanthropic-version: 1"
    )
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content")
    assert await written(connect()) == CLAIMS
    assert "environment" not in json.dumps(service.headers[0])
    assert "x-api-key" not in service.headers[0]
    assert "traceparent" not in service.headers[0]
    await refused(connect(api_key=""))


def printed(code: str, **environment: str) -> str:
    """What a process of its own prints."""
    command = [sys.executable, "-c", code]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return ran.stdout.strip()


def test_no_sdk_is_imported_before_a_question_is_asked() -> None:
    modules = ["anthropic", "openai", "guarded", "instructions", "marked"]
    names = ", ".join(f"mcp_rag.answering.{module}" for module in modules)
    assert printed(f"import sys, {names}; print({{'anthropic', 'openai'}} & set(sys.modules))") == "set()"


@pytest.mark.parametrize("sdk", ["anthropic", "openai"])
def test_the_environment_does_not_make_an_sdk_log_what_people_said(sdk: str) -> None:
    code = f"import logging, mcp_rag.answering.{sdk}_sdk; print(logging.getLogger('{sdk}').level)"
    assert printed(code, ANTHROPIC_LOG="debug", OPENAI_LOG="debug") == str(logging.WARNING)
