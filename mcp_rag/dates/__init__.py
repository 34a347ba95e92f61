"""The time a text speaks of: the periods a question asks for, and the days a message means. Pure.

English; a text in another language speaks of no time here.
"""

from mcp_rag.dates.events import Relation, relations
from mcp_rag.dates.messages import resolved
from mcp_rag.dates.questions import Period, periods

__all__ = ["Period", "Relation", "periods", "relations", "resolved"]
