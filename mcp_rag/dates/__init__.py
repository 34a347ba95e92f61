"""The time a text speaks of: the periods a question asks for, and the days a message means. Pure.

English; a text in another language speaks of no time here.
"""

from mcp_rag.dates.events import Relation, relations
from mcp_rag.dates.messages import resolved
from mcp_rag.dates.questions import Period, periods
from mcp_rag.dates.saying import asks_when, says_when

__all__ = ["Period", "Relation", "asks_when", "periods", "relations", "resolved", "says_when"]
