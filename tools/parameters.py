"""Parameters that several tools share, described once."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from mcp_rag.tools.rendering import MOST

ConversationId = Annotated[str | None, Field(description="Only in this conversation.")]
Speaker = Annotated[str | None, Field(description="Who said it, e.g. 'user'.")]
Source = Annotated[str | None, Field(description="Where it came from, e.g. 'claude'.")]
Tags = Annotated[list[str] | None, Field(description="With all these tags.")]
Since = Annotated[datetime | None, Field(description="Only from then on, ISO 8601.")]
Until = Annotated[datetime | None, Field(description="Only before then, ISO 8601.")]
Cursor = Annotated[str | None, Field(description="next_cursor of a page.")]
MaxTokens = Annotated[int, Field(ge=400, le=MOST, description="For the whole result.")]
