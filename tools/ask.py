from contextlib import aclosing
from datetime import UTC, datetime, time
from typing import Annotated, Any

from mcp.server.mcpserver import Context, Resolve, Sample
from mcp.types import CallToolResult, CreateMessageResult, SamplingMessage, TextContent
from pydantic import Field

from mcp_rag.models import Answer, Delta, Done, Drafted, Filters, NoAnswer, Reply, Sources, Turn
from mcp_rag.tools import rendering
from mcp_rag.tools.client_log import ClientLog, Logged
from mcp_rag.tools.door import Service, lending
from mcp_rag.tools.parameters import ConversationId, Since, Source, Speaker, Tags, Until
from mcp_rag.tools.progress import Reported

History = Annotated[
    list[Turn] | None, Field(description="Earlier turns of this chat, if the question leans on them.")
]


async def sampled(
    ctx: Context[Any, Any],
    rag: Service,
    question: str,
    conversation_id: ConversationId,
    speaker: Speaker,
    source: Source,
    tags: Tags,
    since: Since,
    until: Until,
    history: History,
) -> Sample | None:
    """What the client's own model is asked to write, where it is the one to answer."""
    declared = ctx.client_capabilities
    if not rag.asks_the_client or declared is None or declared.sampling is None:
        return None
    if lending.get() == "declined":
        return None
    # Asked for again in a later round it must be the same to the letter, so the time of day is left out.
    today = datetime.combine(datetime.now(UTC).date(), time(tzinfo=UTC))
    filters = Filters.of(
        conversation_id=conversation_id, speaker=speaker, source=source, tags=tags, since=since, until=until
    )
    request = await rag.prompt(question, filters=filters, history=history or (), now=today)
    if request is None:
        return None
    lending.set("asked")
    message = SamplingMessage(role="user", content=TextContent(type="text", text=request.user))
    return Sample([message], system_prompt=request.system, max_tokens=request.max_tokens)


async def ask(
    question: Annotated[str, Field(description="One question, in plain words.")],
    rag: Service,
    progress: Reported,
    log: Logged,
    drafted: Annotated[CreateMessageResult | None, Resolve(sampled)],
    conversation_id: ConversationId = None,
    speaker: Speaker = None,
    source: Source = None,
    tags: Tags = None,
    since: Since = None,
    until: Until = None,
    history: History = None,
) -> Annotated[CallToolResult, Reply]:
    """Answer a question from past conversations, with quotes that were checked word for word.

    Use it when the user wants the answer rather than a list; cite the addresses it gives. When nothing in
    the store answers, it says so and shows the nearest misses: tell the user that, do not guess.
    """
    filters = Filters.of(
        conversation_id=conversation_id, speaker=speaker, source=source, tags=tags, since=since, until=until
    )
    events = rag.answering(
        question, filters=filters, history=history or (), drafted=_draft(drafted) if drafted else None
    )
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                _log(event.reply, log)
                return _answer(event.reply) if isinstance(event.reply, Answer) else _no_answer(event.reply)
            if isinstance(event, Sources | Delta):
                progress.say(_step(event))
    raise AssertionError("The last event is `Done`.")


def _log(reply: Answer | NoAnswer, log: ClientLog) -> None:
    found = f"answered, {len(reply.citations)} citations" if isinstance(reply, Answer) else "not in the store"
    account = reply.account
    wrote = f"{account.model}, {account.tokens_in} tokens read, {account.tokens_out} written"
    log("info", f"{found}; {wrote if account.model else 'no model wrote'}.")
    if account.notice:
        log("warning", account.notice)


def _draft(drafted: CreateMessageResult) -> Drafted:
    blocks = drafted.content if isinstance(drafted.content, list) else [drafted.content]
    text = "\n".join(block.text for block in blocks if isinstance(block, TextContent))
    return Drafted(text=text, model=drafted.model)


def _step(event: Sources | Delta) -> str:
    if isinstance(event, Sources):
        return f"Reading {len(event.hits)} passages"
    return f"Verified: {rendering.headline(event.text)}"


def _answer(answer: Answer) -> CallToolResult:
    """With quotes that are cut where they are too long together; and then the text, if it is made of them.

    A text that a model wrote is as long as whoever set that up wants it, up to what any result may have.
    """
    shorter = [answer, *(_quoting(answer, length) for length in (300, 150, 80))]
    within = rendering.first_fitting(map(_answered, shorter), rendering.DEFAULT)
    budget = rendering.MOST if answer.account.model else rendering.DEFAULT
    lengths = (12_000, 6_000, 3_000, 2_000, 1_000, 500)
    cut = (shorter[-1].model_copy(update={"text": _begun(answer.text, length)}) for length in lengths)
    return rendering.first_fitting((within, *map(_answered, cut)), budget)


def _quoting(answer: Answer, length: int) -> Answer:
    """The beginning of a quote stands in the message as the whole does."""
    citations = (c.model_copy(update={"quote": _beginning(c.quote, length)}) for c in answer.citations)
    return answer.model_copy(update={"citations": tuple(citations)})


def _beginning(text: str, length: int) -> str:
    """Whole words of it, where it has words."""
    if len(text) <= length:
        return text
    return text[: length + 1].rsplit(maxsplit=1)[0][:length]


def _begun(text: str, length: int) -> str:
    part = _beginning(text, length)
    return text if part == text else f"{part}… [{len(text) - len(part)} characters more]"


def _answered(answer: Answer) -> CallToolResult:
    sources = [
        f"[{c.n}] {rendering.headline(c.title, c.speaker, rendering.day(c.date), c.uri)}"
        for c in answer.citations
    ]
    lines = [rendering.QUOTED, rendering.quoted(answer.text), "Sources, every quote verified:", *sources]
    return rendering.result(Reply(answer), "\n".join([*lines, *_notice(answer)]))


def _no_answer(miss: NoAnswer) -> CallToolResult:
    """With as many of the nearest misses as there is room for."""
    fewer = (miss.nearest[:count] for count in range(len(miss.nearest), -1, -1))
    shorter = (miss.model_copy(update={"nearest": nearest}) for nearest in fewer)
    return rendering.first_fitting(map(_missed, shorter), rendering.DEFAULT)


def _missed(miss: NoAnswer) -> CallToolResult:
    lines = [f"Not in the store: {miss.reason}", *_notice(miss)]
    if miss.nearest:
        lines.append(f"Nearest misses. {rendering.QUOTED}")
    for hit in miss.nearest:
        lines += [rendering.source(hit), rendering.quoted(hit.text)]
    return rendering.result(Reply(miss), "\n".join(lines))


def _notice(reply: Answer | NoAnswer) -> list[str]:
    return [reply.account.notice] if reply.account.notice else []
