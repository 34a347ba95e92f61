"""Files with one JSON object per line, of any length, read in little memory."""

import codecs
import io
import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mcp_rag.importers.reading import Place, Unread, decode

Record = dict[str, Any]


class Group:
    """The records of one key, read from the file again each time."""

    def __init__(self, file: BinaryIO, key: str, spots: "array[int]") -> None:
        self.key = key
        self._file = file
        self._spots = spots

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        """Each record with the number of its line, in the order of the file."""
        for offset, number in zip(self._spots[::2], self._spots[1::2], strict=True):
            self._file.seek(offset)
            yield number, json.loads(self._file.readline())


def grouped(path: Path, key: Callable[[Record], str | None]) -> Iterator[Group | Unread]:
    """The records of a file by key, in the order of the keys' first lines, then word on each broken line.

    The file is read twice, and only the places of the lines are kept. Records without a key are passed over.
    """
    place = Place(path=path)
    groups: dict[str, array[int]] = defaultdict(lambda: array("Q"))
    unread = []
    with _opened(path) as file:
        for number, offset, record in _records(file):
            if not isinstance(record, dict):
                unread.append(place.within(f"line {number}").unread(record))
            elif name := key(record):
                groups[name].extend((offset, number))
        for name, spots in groups.items():
            yield Group(file, name, spots)
    yield from unread


def beginning(path: Path, count: int = 1000) -> Iterator[Record]:
    """The first records of a file, as far as they can be read."""
    with _opened(path) as file:
        for number, _, record in _records(file):
            if number > count:
                return
            if isinstance(record, dict):
                yield record


def is_lines(path: Path) -> bool:
    """Whether the file looks like objects on lines, rather than one JSON value over many."""
    with _opened(path) as file:
        first, second = file.readline().strip(), file.readline().strip()
    return first.startswith(b"{") and first.endswith(b"}") and second.startswith(b"{")


def _opened(path: Path) -> BinaryIO:
    """The file as UTF-8 from behind its byte order mark."""
    file = path.open("rb")
    mark = file.read(3)
    if mark[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        with file:
            return io.BytesIO(decode(mark + file.read()).encode("utf-8", "surrogatepass"))
    file.seek(3 if mark == codecs.BOM_UTF8 else 0)
    return file


def _records(file: BinaryIO) -> Iterator[tuple[int, int, Record | str]]:
    """Number, offset and record of each line that is not blank, or what is wrong with it."""
    offset = file.tell()
    for number, line in enumerate(file, 1):
        if not line.isspace():
            yield number, offset, _record(line)
        offset += len(line)


def _record(line: bytes) -> Record | str:
    try:
        record = json.loads(line.rstrip())
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except json.JSONDecodeError as error:
        return f"its JSON is broken at column {error.colno}: {error.msg}"
    except RecursionError:
        return "its JSON is nested too deeply"
    except ValueError as error:
        return str(error)
    return record if isinstance(record, dict) else "it is not a JSON object"
