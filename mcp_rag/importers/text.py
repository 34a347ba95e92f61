"""Markdown and plain text: a file is a document."""

import re
from pathlib import Path

from mcp_rag.errors import UnreadableSource
from mcp_rag.importers.reading import Items, decode, file_id, moment, string
from mcp_rag.models import NewConversation, NewMessage

SOURCE = "text"
SUFFIXES = frozenset((".md", ".markdown", ".mdx", ".txt", ".text", ".rst", ".org", ".adoc"))

_LONGEST_TITLE = 200
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n((?:[^\n]*+\n)*?)---[ \t]*(?:\r?\n|\Z)")
_ENTRY = re.compile(r"^([A-Za-z_-]+)[ \t]*:([^\n]*+)((?:\n[ \t]*-[ \t][^\n]*+)*+)", re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(?s:.*?)(?:^ {0,3}\1|\Z)", re.MULTILINE)
_HEADING = re.compile(
    r"^ {0,3}#{1,6}[ \t]([^\n]*+)|^([^\s#>|`~-][^\n]*+)\n(?:={3,}|-{3,})[ \t\r]*$", re.MULTILINE
)


def read(path: Path) -> Items:
    """The document in a file, its text to the letter, with the title, date and tags of its front matter.

    Raises:
        UnreadableSource: the file is not text, or has none.
    """
    text = decode(path.read_bytes())
    if not text.strip():
        raise UnreadableSource("it is empty", remedy="Write something in it first.")
    front, body = _front_matter(text)
    title = _scalar(front.get("title", "")) or _heading(body) or path.name
    yield NewConversation(
        conversation_id=file_id(path),
        title=title[:_LONGEST_TITLE],
        source=SOURCE,
        kind="document",
        tags=_tags(front.get("tags", "")),
        messages=(NewMessage(text=text, sent_at=moment(_scalar(front.get("date", "")))),),
    )


def _heading(text: str) -> str | None:
    """The first heading outside of code, without its marks."""
    for match in _HEADING.finditer(_FENCE.sub("", text)):
        words = (match[1] or match[2] or "").split()
        if words and set(words[-1]) == {"#"}:
            words.pop()
        if words:
            return " ".join(words)
    return None


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    """The entries between the first two `---` as written, and what comes after them."""
    matter = _FRONT_MATTER.match(text)
    if matter is None:
        return {}, text
    entries = {entry[1].lower(): entry[2].strip() + entry[3] for entry in _ENTRY.finditer(matter[1])}
    return entries, text[matter.end() :]


def _scalar(written: str) -> str | None:
    return string(written.strip().strip("\"'"))


def _tags(written: str) -> tuple[str, ...]:
    """Tags in any of YAML's three habits: `[a, b]`, `a, b`, or one `- a` per line."""
    items = re.split(r"\n[ \t]*-[ \t]" if written.startswith("\n") else ",", written.strip("[] \t"))
    return tuple(tag for item in items if (tag := _scalar(item)))
