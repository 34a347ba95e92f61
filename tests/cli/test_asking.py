"""`ask` with a model that writes: its words are shown as they come, and only what was verified."""

import json
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_rag.models import Answer, Reply
from tests.answering.openai_server import KEY, MODEL, Asked, Hold, Service
from tests.answering.openai_server import Reply as Written
from tests.cli.command import Command, stopped
from tests.serving import serve as serve

RENT = "What rent did we agree on for Hafenstraße 12?"
AGREED = "1,720 cold per month"
SENTENCE = "The rent is 1,720 a month. [1]"


@pytest.fixture
def model() -> Service:
    return Service()


@pytest.fixture
def written(reading: Command, serve: Callable[..., str], model: Service) -> Command:
    """The command line on the library, its answers written by the model."""
    return reading.with_environment(
        MCP_RAG_OPENAI_URL=f"{serve(model.app)}/v1", MCP_RAG_OPENAI_API_KEY=KEY, MCP_RAG_OPENAI_MODEL=MODEL
    )


def truthful(asked: Asked) -> str:
    sources = re.split(r"^Source (\d+)$", asked.said_by("user"), flags=re.MULTILINE)
    n = next(n for n, text in zip(sources[1::2], sources[2::2], strict=True) if AGREED in text)
    return f'The rent is 1,720 a month. [{n}: "{AGREED}"]'


def test_an_answer_is_shown_with_its_sources_and_who_wrote_it(written: Command, model: Service) -> None:
    model.writes = lambda asked: Written([f'{truthful(asked)} A lie. [1: "no such words"]'])
    told = written("ask", RENT)
    assert told.out.splitlines()[0] == SENTENCE
    assert "Lease for Hafenstraße 12" in told.out
    assert f"Confidence high, {MODEL}." in told.out
    assert "1 sentence left out" in told.out
    assert "A lie" not in told.out


def test_as_json_it_is_one_document(written: Command, model: Service) -> None:
    model.writes = lambda asked: Written([truthful(asked)])
    reply = Reply.model_validate(written("ask", RENT, "--json").document).root
    assert isinstance(reply, Answer)
    assert (reply.text, reply.account.model) == (SENTENCE, MODEL)


def test_a_sentence_is_shown_before_the_next_is_written(written: Command, model: Service) -> None:
    model.writes = lambda asked: Written([truthful(asked), " And there is more to come of this", Hold()])
    process = written.start("ask", RENT)
    shown = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        if process.stdout.read(len(SENTENCE)).decode() == SENTENCE:
            shown.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert shown.wait(120)
    reader.join()
    stopped(process, signal.SIGINT)
    assert model.left.wait(30)


def test_earlier_turns_are_read_from_a_file(reading: Command, tmp_path: Path) -> None:
    turns = tmp_path / "turns.json"
    turns.write_text(json.dumps([{"role": "user", "text": "How much did the repair of the deck oven cost?"}]))
    told = reading("ask", "How long is the warranty on that?", "--history", turns)
    assert "Oven error E14 on the deck oven" in told.out


@pytest.mark.parametrize(("content", "why"), [("{}", "valid array"), (None, "cannot be read")])
def test_a_file_of_turns_that_cannot_be_used_is_refused(
    reading: Command, tmp_path: Path, content: str | None, why: str
) -> None:
    turns = tmp_path / "turns.json"
    if content is not None:
        turns.write_text(content)
    assert why in reading("ask", RENT, "--history", turns, code=2).err


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"MCP_RAG_ANSWERER": "anthropic"}, "MCP_RAG_ANTHROPIC_API_KEY is not set"),
        ({"MCP_RAG_ANSWERER": "openai"}, "neither MCP_RAG_OPENAI_URL nor"),
        ({"MCP_RAG_REDIS_URL": "http://localhost"}, "MCP_RAG_REDIS_URL is no URL of a Redis"),
    ],
)
def test_a_writer_or_cache_that_is_not_set_up_is_told_at_the_start(
    reading: Command, environment: dict[str, str], why: str
) -> None:
    assert why in reading.with_environment(**environment)("ask", RENT, code=2).err
