"""What the doctor found: one line each, with the remedy where one is needed."""

from typing import Literal

from mcp_rag.errors import RagError
from mcp_rag.models import Frozen

Verdict = Literal["ok", "warn", "fail", "skip"]


class Check(Frozen):
    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def fine(name: str, found: str) -> Check:
    return Check(name=name, verdict="ok", found=found)


def poor(name: str, found: str, remedy: str) -> Check:
    """It works, but not as well as it could, or not for long."""
    return Check(name=name, verdict="warn", found=found, remedy=remedy)


def bad(name: str, found: str, remedy: str) -> Check:
    return Check(name=name, verdict="fail", found=found, remedy=remedy)


def skipped(name: str, found: str) -> Check:
    """It cannot be told, or does not matter here."""
    return Check(name=name, verdict="skip", found=found)


def failed(name: str, error: RagError) -> Check:
    return bad(name, error.cause, error.remedy)
