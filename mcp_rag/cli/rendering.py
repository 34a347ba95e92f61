"""Results as people read them."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from mcp_rag.cli.output import Rows, Shown, block, on_one_line, visible
from mcp_rag.models import (
    Answer,
    Citation,
    ConversationPage,
    Erasure,
    Explanation,
    Extract,
    Hit,
    Message,
    Miss,
    NoAnswer,
    SearchResult,
    Standing,
    Status,
    Understood,
)

CONFIDENCE = {"high": "green", "low": "yellow", "none": "red"}


def search_result(found: SearchResult) -> Iterator[Shown]:
    yield from hits(found.results)
    if found.results:
        yield block("")
    if found.notice:
        yield block((found.notice, "yellow"))
    shown = f"{len(found.results)} of {found.total} hits, confidence "
    yield block(shown, (found.confidence, CONFIDENCE[found.confidence]), f", {found.mode}.")
    if found.next_cursor:
        yield block((f"More: --cursor {found.next_cursor}", "dim"))


def hits(found: Iterable[Miss]) -> Iterator[Shown]:
    for n, hit in enumerate(found, 1):
        if n > 1:
            yield block("")
        origin = _origin(hit.title, hit.speaker, hit.date)
        yield block(f"{n}. ", *origin, (f"  {hit.score:.2f}", "dim"))
        yield block((hit.url, "cyan"), indent=3)
        before, after, why = (hit.before, hit.after, hit.why) if isinstance(hit, Hit) else ((), (), None)
        yield from map(_beside, before)
        yield block(visible(hit.text.strip()), indent=3)
        yield from map(_beside, after)
        if why:
            yield _reasons(why)


def explanation(found: Explanation) -> Iterator[Shown]:
    yield from _understood(found.question)
    yield block("")
    yield from search_result(found.result)
    if found.message:
        yield block("")
        yield from _standing(found.message)


def _understood(question: Understood) -> Iterator[Shown]:
    words = ", ".join(
        f"{visible(word.word)} {word.share:.0%} (in {word.passages:,})" for word in question.words
    )
    facts = (
        ("Meaning of", visible(question.embedded_as)),
        ("Words", words or "none that tell"),
        ("About", ", ".join(f"{visible(name)} x {sure:g}" for name, sure in question.speakers.items())),
        ("Time", "; ".join(map(visible, question.times))),
        ("Asks when", "yes" if question.asks_when else ""),
        ("Also asked", "; ".join(map(visible, question.parts))),
    )
    for name, fact in facts:
        if fact:
            yield block((f"{name}: ", "dim"), fact)


def _standing(message: Standing) -> Iterator[Shown]:
    place = f"is number {message.rank}" if message.rank else "was not found"
    yield block((message.uri, "cyan"), (f" {place}", "bold"), f", its score {message.score:.2f}.")
    if message.why:
        yield _reasons(message.why)
    for reason in message.reasons:
        yield block(f"- {visible(reason)}", indent=3)


def reply(given: Answer | NoAnswer, *, begun: bool = False) -> Iterator[Shown]:
    """`begun`: the text of the answer stands there already, without the end of its line."""
    if isinstance(given, NoAnswer):
        yield block(("Not in the store. ", "bold yellow"), given.reason)
        if given.account.notice:
            yield block((given.account.notice, "dim"))
        if given.nearest:
            yield block(("Nearest misses, which do not answer it:", "dim"))
            yield block("")
        yield from hits(given.nearest)
        return
    yield block("" if begun else visible(given.text))
    yield block("")
    for citation in given.citations:
        yield from _citation(citation)
    yield block("")
    confidence = (given.confidence, CONFIDENCE[given.confidence])
    yield block("Confidence ", confidence, f", {given.account.model or given.account.provider}.")
    if given.account.notice:
        yield block((given.account.notice, "dim"))


def extract(read: Extract) -> Iterator[Shown]:
    of = read.conversation
    yield block((on_one_line(of.title or of.conversation_id), "bold"))
    facts = (f"{of.message_count} messages", of.source, ", ".join(of.tags), of.uri)
    yield block((" · ".join(on_one_line(fact) for fact in facts if fact), "dim"))
    for message in read.messages:
        yield from _message(message)
    if read.next_position is not None:
        yield block((f"\nMore: --from {read.next_position}", "dim"))


def conversations(page: ConversationPage) -> Iterator[Shown]:
    rows = tuple(
        (
            on_one_line(c.conversation_id),
            str(c.message_count),
            day(c.ended_at),
            on_one_line(c.source or ""),
            on_one_line(c.title or ""),
        )
        for c in page.conversations
    )
    if rows:
        yield Rows(("Id", "Messages", "Last", "Source", "Title"), rows)
    if page.next_cursor:
        yield block((f"More: --cursor {page.next_cursor}", "dim"))


def erasure(receipt: Erasure) -> Iterator[Shown]:
    for conversation_id in receipt.conversation_ids:
        yield block(on_one_line(conversation_id), indent=3)
    count = len(receipt.conversation_ids)
    counts = (
        f"{receipt.messages} messages, {receipt.passages} passages and {receipt.vectors} vectors "
        f"of {count} conversation{'' if count == 1 else 's'}"
    )
    if receipt.dry_run:
        yield block(("Nothing was removed. ", "bold"), f"With --yes, this removes {counts} for good.")
    else:
        yield block(("Removed for good: ", "bold"), f"{counts}.")


def status(now: Status) -> Iterator[Shown]:
    model = f"{now.model.name}, {now.model.dimensions} dimensions" if now.model else "none"
    yield Rows(
        ("", f"mcp-rag {now.version}"),
        (
            ("Conversations", f"{now.conversations:,}"),
            ("Messages", f"{now.messages:,}"),
            ("Passages", f"{now.passages:,}"),
            ("Waiting for a vector", f"{now.pending:,}"),
            ("Set aside", f"{now.set_aside:,}"),
            ("Model", model),
            ("Search", now.mode),
            ("Database", now.database),
        ),
    )
    if now.notice:
        yield block((now.notice, "yellow"))
    if now.set_aside:
        yield block(("Not embedded, found by words only; `mcp-rag worker --retry` tries again:", "yellow"))
        for each in now.failures:
            when = f"{each.failed_at:%Y-%m-%d %H:%M}"
            yield block((each.uri, "cyan"), f" {visible(each.error)} ", (when, "dim"))


def day(date: datetime | None) -> str:
    return f"{date:%Y-%m-%d}" if date else ""


def _origin(title: str, speaker: str | None, date: datetime | None) -> tuple[tuple[str, str], ...]:
    """Where words are from, as parts of a line."""
    facts = [on_one_line(fact) for fact in (speaker or "", day(date)) if fact]
    return ((on_one_line(title), "bold"), *((f" · {fact}", "dim") for fact in facts))


def _beside(text: str) -> Shown:
    """A message before or after a hit."""
    return block((f"· {on_one_line(text)}", "dim"), indent=3)


def _reasons(why: dict[str, float]) -> Shown:
    parts = sorted(why.items(), key=lambda part: -part[1])
    return block(("why: " + ", ".join(f"{name} {value:.2f}" for name, value in parts), "dim"), indent=3)


def _citation(citation: Citation) -> Iterator[Shown]:
    origin = _origin(citation.title, citation.speaker, citation.date)
    yield block(f"[{citation.n}] ", *origin, ("  ✓ verified" if citation.verified else "", "green"))
    yield block((citation.uri, "cyan"), indent=4)


def _message(message: Message) -> Iterator[Shown]:
    at = f"{message.sent_at:%Y-%m-%d %H:%M}" if message.sent_at else ""
    facts = (f"#{message.position}", on_one_line(message.speaker or ""), at)
    yield block(("\n" + " · ".join(fact for fact in facts if fact), "bold cyan"))
    yield block(visible(message.text))
