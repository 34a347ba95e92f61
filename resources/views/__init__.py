"""What a host can show of a result, beside its text: MCP Apps, each one document that needs no other.

Hosts that can show them say so when they connect. They hear which tool has which view, and see the views
among the resources; nobody else does. The result of a tool is the same for all.
"""

import re
from collections.abc import Collection
from importlib.resources import files
from typing import Any, NamedTuple

from mcp.server.apps import Apps, client_supports_apps
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

SCHEME = "ui://"
# What a page links to lies beside it.
_STYLE = re.compile(r'<link rel="stylesheet" href="([\w.]+)">')
_SCRIPT = re.compile(r'<script src="([\w.]+)"></script>')
_TOOLS = re.compile(r'(<meta name="tools" content=")([\w ]+)')


class View(NamedTuple):
    """A page for the results of a tool."""

    tool: str
    uri: str
    page: str
    title: str
    description: str


VIEWS = (
    View(
        "search",
        f"{SCHEME}mcp-rag/search",
        "search.html",
        "What was found",
        "The hits of a search; each opens in its conversation.",
    ),
    View(
        "ask",
        f"{SCHEME}mcp-rag/answer",
        "answer.html",
        "An answer with its sources",
        "An answer and what it quotes; each citation opens in its conversation.",
    ),
)
_OF_TOOL = {view.tool: view for view in VIEWS}


def extension(offered: Collection[str]) -> Apps:
    """The views of these tools; they call no others."""
    apps = Apps()
    for view in VIEWS:
        if view.tool in offered:
            apps.add_html_resource(
                view.uri,
                document(view.page, offered),
                name=view.uri.rpartition("/")[2] + "_view",
                title=view.title,
                description=view.description,
                # No `csp`: a host then lets it reach nothing, and loads nothing for it.
                prefers_border=True,
            )
    return apps


def document(page: str, offered: Collection[str]) -> str:
    """A page with all that it links to inside, and word of which tools it may call."""
    html = _STYLE.sub(lambda link: f"<style>\n{_read(link[1])}</style>", _read(page))
    html = _SCRIPT.sub(lambda link: f"<script>\n{_read(link[1])}</script>", html)
    return _TOOLS.sub(lambda meta: meta[1] + " ".join(_among(meta[2].split(), offered)), html)


async def only_for_hosts(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Name the views where tools and resources are listed for a host that can show them, and only there."""
    result = await call_next(ctx)
    if isinstance(result, dict):
        if ctx.method == "tools/list" and client_supports_apps(ctx):
            return {**result, "tools": [_with_view(tool) for tool in result["tools"]]}
        if ctx.method == "resources/list" and not client_supports_apps(ctx):
            return {**result, "resources": [each for each in result["resources"] if not _is_view(each)]}
    return result


def _read(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")


def _among(names: Collection[str], offered: Collection[str]) -> list[str]:
    return [name for name in names if name in offered]


def _with_view(tool: dict[str, Any]) -> dict[str, Any]:
    view = _OF_TOOL.get(tool["name"])
    return tool | {"_meta": tool.get("_meta", {}) | {"ui": {"resourceUri": view.uri}}} if view else tool


def _is_view(resource: dict[str, Any]) -> bool:
    return str(resource["uri"]).startswith(SCHEME)
