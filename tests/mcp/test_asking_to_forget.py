"""`forget` of more than one conversation asks the person first, where their client can."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, ElicitRequestFormParams, ElicitResult

from mcp_rag.models import NewMessage
from mcp_rag.rag import Rag

each_era = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
TWO = {"source": "phone", "dry_run": False}
QUESTION = "Forget 2 conversations with 3 messages for good?"
YES = ElicitResult(action="accept", content={"forget": True})
REFUSALS = [
    ElicitResult(action="decline"),
    ElicitResult(action="cancel"),
    ElicitResult(action="accept", content={"forget": False}),
]


class Person:
    """Whoever sits before the client: is asked, may do something meanwhile, and says this."""

    def __init__(self, says: ElicitResult, *, first: Callable[[], Awaitable[object]] | None = None) -> None:
        self.says, self.first, self.asked = says, first, list[str]()

    async def __call__(self, _: Any, params: Any) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.asked.append(params.message)
        if self.first is not None:
            first, self.first = self.first, None
            await first()
        return self.says


@pytest.fixture
async def phone(rag: Rag) -> None:
    """Two conversations of one source, and one of another."""
    diary = [NewMessage(text="We saw a capercaillie."), NewMessage(text="Tomorrow the glacier.")]
    await rag.ingest("diary", diary, source="phone")
    await rag.ingest("list", [NewMessage(text="Buy gaiters.")], source="phone")
    await rag.ingest("work", [NewMessage(text="The audit is on Monday.")], source="desk")


async def left(rag: Rag) -> set[str]:
    return {each.conversation_id for each in (await rag.list_conversations()).conversations}


async def forget(server: MCPServer[Any], era: str, person: Person, **arguments: Any) -> CallToolResult:
    async with Client(server, mode=era, elicitation_callback=person) as client:
        return await client.call_tool("forget", arguments)


@each_era
@pytest.mark.parametrize("named", [{"source": "phone"}, {"conversation_ids": ["diary", "list"]}])
async def test_who_agrees_has_them_forgotten_and_is_asked_once(
    mcp_server: MCPServer[Any], rag: Rag, phone: None, era: str, named: dict[str, Any]
) -> None:
    person = Person(YES)
    reply = await forget(mcp_server, era, person, **named, dry_run=False)
    assert person.asked == [QUESTION]
    assert (reply.structured_content["dry_run"], reply.structured_content["messages"]) == (False, 3)
    assert await left(rag) == {"work"}


@each_era
@pytest.mark.parametrize("says", REFUSALS)
async def test_who_does_not_agree_loses_nothing_and_the_model_is_told(
    mcp_server: MCPServer[Any], rag: Rag, phone: None, era: str, says: ElicitResult
) -> None:
    person = Person(says)
    reply = await forget(mcp_server, era, person, **TWO)
    assert person.asked == [QUESTION]
    assert reply.content[0].text == "Nothing was removed: the user was asked, and did not agree."
    assert reply.structured_content["dry_run"] is True
    assert await left(rag) == {"diary", "list", "work"}


@each_era
async def test_an_agreement_without_its_word_removes_nothing(
    mcp_server: MCPServer[Any], rag: Rag, phone: None, era: str
) -> None:
    reply = await forget(mcp_server, era, Person(ElicitResult(action="accept", content={})), **TWO)
    assert reply.is_error
    assert await left(rag) == {"diary", "list", "work"}


@each_era
@pytest.mark.parametrize(
    "arguments",
    [
        {"source": "phone"},
        {"conversation_ids": ["diary"], "dry_run": False},
        {"conversation_ids": ["diary", "diary"], "dry_run": False},
        {"conversation_ids": ["diary"], "position": 0, "dry_run": False},
        {"source": "desk", "dry_run": False},
    ],
)
async def test_nobody_is_asked_about_one_conversation_or_before_it_is_meant(
    mcp_server: MCPServer[Any], phone: None, era: str, arguments: dict[str, Any]
) -> None:
    person = Person(YES)
    reply = await forget(mcp_server, era, person, **arguments)
    assert not reply.is_error
    assert person.asked == []


@each_era
async def test_a_client_that_cannot_ask_is_obeyed(
    mcp_server: MCPServer[Any], rag: Rag, phone: None, era: str
) -> None:
    async with Client(mcp_server, mode=era) as client:
        reply = await client.call_tool("forget", TWO)
    assert reply.structured_content["dry_run"] is False
    assert await left(rag) == {"work"}


@pytest.mark.parametrize(
    "late", [("diary", "And a new day."), ("new", "Another one.")], ids=["message", "conversation"]
)
async def test_what_came_while_the_person_was_asked_is_not_removed_with_the_rest(
    mcp_server: MCPServer[Any], rag: Rag, phone: None, late: tuple[str, str]
) -> None:
    name, text = late
    person = Person(YES, first=lambda: rag.ingest(name, [NewMessage(text=text)], source="phone"))
    reply = await forget(mcp_server, "legacy", person, **TWO)
    assert reply.is_error
    assert "3 messages were agreed to, and by now it would be 4 of" in reply.content[0].text
    assert {"diary", "list", "work"} <= await left(rag)


async def test_a_conversation_that_took_the_place_of_another_was_not_agreed_to(
    mcp_server: MCPServer[Any], rag: Rag, phone: None
) -> None:
    async def exchange() -> None:
        await rag.forget(conversation_ids=["list"], dry_run=False)
        await rag.ingest("new", [NewMessage(text="Another one.")], source="phone")

    reply = await forget(mcp_server, "legacy", Person(YES, first=exchange), **TWO)
    assert reply.is_error
    assert await left(rag) == {"diary", "new", "work"}


async def test_in_the_newest_revision_the_question_is_asked_anew_when_there_is_more(
    mcp_server: MCPServer[Any], rag: Rag, phone: None
) -> None:
    late = [NewMessage(text="And a new day.")]
    person = Person(YES, first=lambda: rag.ingest("diary", late, source="phone"))
    reply = await forget(mcp_server, "2026-07-28", person, **TWO)
    assert person.asked == [QUESTION, "Forget 2 conversations with 4 messages for good?"]
    assert reply.structured_content["messages"] == 4
    assert await left(rag) == {"work"}
