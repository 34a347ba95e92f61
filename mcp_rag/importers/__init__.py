"""Reads conversations from the files that people have: exports, session logs, notes.

read(path)  ── folder ──▶ each file in it
            ── .zip ────▶ export.py ──▶ claude.py, chatgpt.py, jsonl.py
            ── .json ───▶ export.py
            ── .jsonl ──▶ claude_code.py, jsonl.py
            ── text ────▶ text.py
"""

import os
import re
from pathlib import Path

from mcp_rag.errors import InvalidInput, UnreadableSource
from mcp_rag.importers import claude_code, export, jsonl, lines, text
from mcp_rag.importers.reading import Items, Unread

__all__ = ["Items", "Unread", "forms", "one_conversation", "read"]

_LINES = (".jsonl", ".ndjson")
_HEAD = 4096
_JSON_BEGINS = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*["}]|\[\s*[{\]])')


def forms() -> dict[str, str]:
    """The forms that can be read, by the name that becomes the `source`, each with what it looks like."""
    return {
        "claude": "a Claude.ai data export: conversations.json, or the .zip it came in",
        "chatgpt": "a ChatGPT data export: conversations.json, or the .zip it came in",
        "claude-code": "Claude Code sessions: .jsonl, as under ~/.claude/projects",
        "jsonl": "one JSON object per line: text; if known conversation_id, speaker, sent_at, message_id",
        "text": f"one document: {', '.join(sorted(text.SUFFIXES))}",
    }


def read(path: Path, *, conversation_id: str | None = None) -> Items:
    """The conversations in a file or, file by file, in a folder; and word on all that was left out.

    A document is named by its file name and a mark of the folder it is in, unless `conversation_id` names it.

    Raises:
        UnreadableSource: while iterating, when the file has nothing that can be imported.
        InvalidInput: while iterating, when `conversation_id` is given and there are several conversations.
    """
    items = _folder(path) if path.is_dir() else _only(path)
    return items if conversation_id is None else _named(items, conversation_id)


def _only(path: Path) -> Items:
    try:
        yield from _file(path)
    except UnreadableSource as error:
        raise UnreadableSource(f"{path} cannot be imported: {error.cause}.", remedy=error.remedy) from error


def _folder(root: Path) -> Items:
    unlisted: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=unlisted.append):
        hidden = [name for name in (*folders, *files) if name.startswith(".")]
        yield from (
            Unread(path=Path(folder, name), reason="it is hidden", passed_over=True)
            for name in sorted(hidden)
        )
        folders[:] = sorted(set(folders).difference(hidden))
        for name in folders:
            if Path(folder, name).is_symlink():
                yield Unread(path=Path(folder, name), reason="it is a link to a folder", passed_over=True)
        for name in sorted(set(files).difference(hidden)):
            yield from _member(Path(folder, name))
    for error in unlisted:
        yield Unread(path=Path(error.filename), reason=f"it cannot be opened: {error.strerror}")


def _member(path: Path) -> Items:
    suffix = path.suffix.lower()
    if suffix not in text.SUFFIXES.union(_LINES, (".json", ".zip")):
        reason = f"{suffix or 'a file without suffix'} is not a kind that is imported"
        yield Unread(path=path, reason=reason, passed_over=True)
        return
    try:
        yield from _file(path)
    except UnreadableSource as error:
        yield Unread(path=path, reason=error.cause)


def _file(path: Path) -> Items:
    try:
        yield from _content(path)
    except OSError as error:
        raise UnreadableSource(
            f"it cannot be opened: {error.strerror or error}",
            remedy="Check that it is there and may be read.",
        ) from error


def _content(path: Path) -> Items:
    """By suffix, and where that says nothing, by how the content begins."""
    if path.exists() and not path.is_file():
        raise UnreadableSource("it is neither a file nor a folder")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if suffix == ".zip" or head.startswith(b"PK\x03\x04"):
        return export.read_archive(path)
    if suffix in text.SUFFIXES:
        return text.read(path)
    if (suffix in _LINES and not head.lstrip().startswith(b"[")) or _is_lines(path, head):
        return _lines(path)
    if suffix in (".json", *_LINES) or _JSON_BEGINS.match(head):
        return export.read(path)
    return text.read(path)


def _is_lines(path: Path, head: bytes) -> bool:
    return _JSON_BEGINS.match(head) is not None and lines.is_lines(path)


def _lines(path: Path) -> Items:
    for record in lines.beginning(path):
        if claude_code.recognises(record):
            return claude_code.read(path)
        if jsonl.recognises(record):
            return jsonl.read(path)
    raise UnreadableSource("none of its lines is a message in a form that is known")


def _named(items: Items, conversation_id: str) -> Items:
    """The one conversation under the given id."""
    remedy = "Leave conversation_id out: each keeps the name that it has in the source."
    for item in one_conversation(items, f"be named {conversation_id!r}", remedy):
        yield (
            item if isinstance(item, Unread) else item.model_copy(update={"conversation_id": conversation_id})
        )


def one_conversation(items: Items, purpose: str, remedy: str) -> Items:
    """The same items, if only one conversation is among them, which comes last.

    Raises:
        InvalidInput: there are several, which cannot all be what the `purpose` says.
    """
    only = None
    for item in items:
        if isinstance(item, Unread):
            yield item
        elif only is None:
            only = item
        else:
            raise InvalidInput(f"There are several conversations, which cannot all {purpose}.", remedy=remedy)
    if only is not None:
        yield only
