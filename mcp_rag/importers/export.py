"""JSON files of conversations, as the chat services export them, and the archives they come in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile
from zlib import error as DeflateError

from mcp_rag.errors import UnreadableSource
from mcp_rag.importers import chatgpt, claude, jsonl
from mcp_rag.importers.reading import Items, Place, Unread, decode_json, elements, string


class _Form(NamedTuple):
    recognises: Callable[[object], bool]
    read: Callable[[dict[str, Any], Place], Items]


_FORMS = (
    _Form(claude.recognises, claude.read),
    _Form(chatgpt.recognises, chatgpt.read),
    _Form(jsonl.recognises, jsonl.read_object),
)


def read(path: Path) -> Items:
    """The conversations of a JSON file; a broken one, or a broken end, does not lose the others.

    Raises:
        UnreadableSource: no conversation was found.
    """
    yield from _conversations(decode_json(path.read_bytes()), Place(path=path))


def read_archive(path: Path) -> Items:
    """The conversations of a .zip, as it was downloaded.

    Raises:
        UnreadableSource: the archive is damaged or locked, or has no conversations in it.
    """
    with _unpacking():
        archive = ZipFile(path)
    with archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        exports = [name for name in names if _is_export(name)]
        if not exports:
            raise UnreadableSource(
                "it has no conversations.json in it", remedy="Unpack it and import the folder."
            )
        for name in exports:
            with _unpacking():
                content = archive.read(name)
            yield from _conversations(decode_json(content), Place(path=path, place=name))
    if left := len(names) - len(exports):
        yield Unread(path=path, reason=f"{left} other files in it hold no conversations", passed_over=True)


@contextmanager
def _unpacking() -> Iterator[None]:
    try:
        yield
    except (BadZipFile, DeflateError, EOFError) as error:
        raise UnreadableSource(f"the archive is damaged: {error}", remedy="Download it again.") from error
    except (RuntimeError, NotImplementedError) as error:
        # What zipfile says of a password or of a compression that it does not know.
        raise UnreadableSource(
            f"the archive is locked: {error}", remedy="Unpack it and import the folder."
        ) from error


def _is_export(name: str) -> bool:
    base = name.rpartition("/")[2]
    return base.startswith("conversations") and base.endswith(".json")


def _conversations(text: str, place: Place) -> Items:
    unread: list[Unread] = []
    number, found = 0, False
    try:
        for number, item in enumerate(elements(text), 1):
            here = place.within(_name(number, item))
            form = next((form for form in _FORMS if form.recognises(item)), None)
            if form is None:
                unread.append(here.unread("it is not a conversation in a form that is known"))
            else:
                found = True
                yield from form.read(item, here)
    except UnreadableSource as error:
        if not found:
            raise
        unread.append(place.unread(f"nothing after conversation {number} could be read: {error.cause}"))
    if not found:
        raise UnreadableSource("it holds no conversation in a form that is known")
    yield from unread


def _name(number: int, item: object) -> str:
    title = string(item.get("name")) or string(item.get("title")) if isinstance(item, dict) else None
    return f"conversation {number} ({title})" if title else f"conversation {number}"
