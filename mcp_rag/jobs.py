"""What is left of a large ingest once it is committed, and the address to look at. Pure.

A passage without a vector is the work list itself, so a job is no row that somebody keeps up: its address
names the conversation, and any process can count what is left, after a restart too.
"""

import base64
import binascii

from mcp_rag.errors import UnknownJob
from mcp_rag.models import Job

SCHEME = "rag://jobs/"
WORTHWHILE = 50
"""More passages than this wait for longer than somebody takes to look."""


def uri(conversation_id: str) -> str:
    named = base64.urlsafe_b64encode(conversation_id.encode()).decode().rstrip("=")
    return f"{SCHEME}{named}"


def conversation_id(job_id: str) -> str:
    """Whose passages a job counts.

    Raises:
        UnknownJob: no ingest can have been told this.
    """
    try:
        # The decoder would pass over what is no letter of its alphabet.
        named = base64.b64decode(job_id + "=" * (-len(job_id) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise UnknownJob from error
    if uri(named) != f"{SCHEME}{job_id}":
        raise UnknownJob
    return named


def job(conversation_id: str, *, passages: int, embedded: int, set_aside: int) -> Job:
    """How far it is: passages set aside are not waited for."""
    waiting = passages - embedded - set_aside
    return Job(
        uri=uri(conversation_id),
        conversation_id=conversation_id,
        state="running" if waiting else "failed" if set_aside else "done",
        passages=passages,
        embedded=embedded,
        waiting=waiting,
        set_aside=set_aside,
    )
