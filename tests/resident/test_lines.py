"""The wire: whole lines, whatever the chunks; and the ends of a message are enough to know it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_rag.lines import Lines, Oversized, ends, envelope, error_line

LARGE = 70_000


def cut(stream: bytes, size: int, limit: int = 1000) -> list[bytes | Oversized]:
    lines = Lines(limit)
    return [
        line for start in range(0, len(stream), size) for line in lines.feed(stream[start : start + size])
    ]


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line)), st.integers(1, 40))
def test_lines_do_not_depend_on_how_the_stream_was_cut(written: list[bytes], size: int) -> None:
    stream = b"".join(line + b"\n" for line in written)

    assert cut(stream, size) == [line for line in written if line.strip()]


@settings(max_examples=30)
@given(st.integers(1, 9000))
def test_of_a_line_too_long_only_the_ends_are_kept_and_the_next_line_is_whole(size: int) -> None:
    stream = b"head" + b"x" * 20_000 + b"tail\nnext\n"

    oversized, following = cut(stream, size)

    assert isinstance(oversized, Oversized)
    assert oversized.head.startswith(b"head") and oversized.tail.endswith(b"tail")
    assert len(oversized.head) + len(oversized.tail) < 10_000
    assert following == b"next"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TRICKY = st.sampled_from(['"id":7}', '\\"id\\":8}', ',"id":9', '","method":"x"}', "\\", '\\\\"', "{", "}"])


@settings(max_examples=60)
@given(
    identity=st.integers(0, 10**9) | st.text(max_size=12),
    payload=st.lists(JSON | TRICKY),
    order=st.permutations(["jsonrpc", "id", "method", "params"]),
    spaces=st.booleans(),
)
def test_a_large_request_is_known_by_its_ends(
    identity: int | str, payload: list[Any], order: list[str], spaces: bool
) -> None:
    parts = {
        "jsonrpc": "2.0",
        "id": identity,
        "method": "tools/call",
        "params": {"id": 1, "text": ["x" * LARGE, *payload, {"id": 2, "method": "nested"}]},
    }
    line = json.dumps({key: parts[key] for key in order}, separators=None if spaces else (",", ":")).encode()

    found = envelope(line)

    assert (found["id"], found["method"]) == (identity, "tools/call")


@settings(max_examples=30)
@given(identity=st.integers(0, 10**9), first=st.booleans(), kind=st.sampled_from(["result", "error"]))
def test_a_large_answer_is_known_by_its_ends(identity: int, first: bool, kind: str) -> None:
    payload = {kind: {"method": "x" * LARGE, "id": -1}}
    message = {"id": identity, **payload} if first else {**payload, "id": identity}

    found = envelope(json.dumps({"jsonrpc": "2.0", **message}).encode())

    assert found["id"] == identity
    assert kind in found and "method" not in found


def test_a_large_notification_has_no_id() -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/x", "params": {"a": "x" * LARGE, "id": 3}}

    assert "id" not in envelope(json.dumps(message).encode())


@pytest.mark.parametrize("line", [b"[1]", b"nonsense", b'{"id": 1', b"\xff\xfe", b"[" * LARGE])
def test_what_is_no_json_object_has_no_envelope(line: bytes) -> None:
    assert envelope(line) == {}


def test_a_broken_message_still_tells_its_id() -> None:
    assert ends(b'{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{', b"")["id"] == "a"


def test_an_error_is_one_line() -> None:
    line = error_line("a", -32600, "two\nlines")

    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert json.loads(line)["error"] == {"code": -32600, "message": "two\nlines"}
