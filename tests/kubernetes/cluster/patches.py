"""The three ways to say what is to change, as far as kubectl uses them here."""

import copy
import json
from collections.abc import Callable
from typing import Any

MERGE_KEYS = ("name", "containerPort", "mountPath")


class Refused(Exception):
    """What the API server says no to, and how."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


def patched(value: Any, patch: Any, content_type: str) -> Any:
    return APPLY[content_type](copy.deepcopy(value), patch)


def merged(value: Any, patch: Any) -> Any:
    """RFC 7396: what is null goes away, a list takes the place of another."""
    if not isinstance(patch, dict):
        return patch
    result = value if isinstance(value, dict) else {}
    for key, each in patch.items():
        if each is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), each)
    return result


def merged_strategically(value: Any, patch: Any) -> Any:
    """As `merged`, but lists of things that have a name are merged by it."""
    if isinstance(patch, list):
        return _merged_lists(value or [], patch)
    if not isinstance(patch, dict):
        return patch
    result = value if isinstance(value, dict) else {}
    for key, each in patch.items():
        if key.startswith("$"):
            continue
        if each is None:
            result.pop(key, None)
        else:
            result[key] = merged_strategically(result.get(key), each)
    return result


def _merged_lists(value: list[Any], patch: list[Any]) -> list[Any]:
    key = next((k for k in MERGE_KEYS if patch and all(isinstance(e, dict) and k in e for e in patch)), None)
    if key is None:
        return patch
    changes = {each[key]: each for each in patch}
    present = [merged_strategically(each, changes.pop(each.get(key), {})) for each in value]
    return [*present, *changes.values()]


def patched_by_steps(value: Any, steps: Any) -> Any:
    """RFC 6902."""
    for step in steps:
        try:
            value = _stepped(value, step)
        except (KeyError, IndexError) as missing:
            raise _invalid(f"{step['op']} of a missing path: {step['path']}") from missing
    return value


def _stepped(value: Any, step: dict[str, Any]) -> Any:
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    inner = value
    for part in parents:
        inner = inner[int(part) if isinstance(inner, list) else part]
    place: Any = int(last) if isinstance(inner, list) and last != "-" else last
    if step["op"] == "test" and inner[place] != step["value"]:
        raise _invalid(f"testing value {step['path']} failed: {json.dumps(inner[place])}")
    if step["op"] == "replace":
        inner[place]
    if step["op"] == "remove":
        del inner[place]
    elif step["op"] in ("add", "replace"):
        inner[place] = step["value"]
    return value


def _invalid(message: str) -> Refused:
    return Refused(
        422, "Invalid", f"the server rejected our request due to an error in our request: {message}"
    )


APPLY: dict[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": patched_by_steps,
    "application/merge-patch+json": merged,
    "application/strategic-merge-patch+json": merged_strategically,
}
