"""How a call comes in: the service it is given, and how what went wrong is told to a model."""

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter
from typing import Annotated, Any, Literal, get_args

from mcp.server.mcpserver import Context, Resolve
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import ValidationError

from mcp_rag import telemetry
from mcp_rag.errors import AccessDenied, InvalidInput, NotAllowed, NotFound, RagError, TooMuch
from mcp_rag.identity import Scope, require
from mcp_rag.log import request_id
from mcp_rag.rag import Rag
from mcp_rag.telemetry import ToolCall
from mcp_rag.tools import client_log, rendering
from mcp_rag.tools.client_log import ClientLog
from mcp_rag.tools.schemas import compact, inlined, strict, terse


async def current_rag(ctx: Context[Any, Any]) -> Rag:
    """The service, as soon as its database answers."""
    rag: Rag = await ctx.request_context.lifespan_context()
    return rag


Service = Annotated[Rag, Resolve(current_rag)]

lending: ContextVar[Literal["not asked", "asked", "declined"]] = ContextVar("lending", default="not asked")
"""Whether the client was asked for its model in this call, and would not lend it."""


class Arguments(FuncMetadata):
    """Lists are read out of strings, as some clients send them; a text stays one, even one like JSON."""

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        fields = self.arg_model.model_fields
        texts = {name for name in data if name in fields and str in get_args(fields[name].annotation)}
        return super().pre_parse_json(data) | {name: data[name] for name in texts}


class RagTool(Tool):
    """A tool that refuses callers without its scope and arguments it does not know.

    Errors are told as one cause and one remedy.
    """

    scope: Scope

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> Any:
        rendering.as_json.set(_is_chatgpt(context))
        log, begun = client_log.current(), perf_counter()
        with telemetry.tool_call(self.name) as call:
            try:
                require(self.scope)
                self._refuse_unknown(arguments)
                result = await self._run(arguments, context, convert_result)
                call.outcome = "ok"
            except (InvalidInput, NotAllowed, ToolError) as error:
                result = _refused(error, call, log)
        ended = "asks its client" if isinstance(result, InputRequiredResult) else call.outcome
        log("debug", f"{ended} after {perf_counter() - begun:.3f} s")
        return result

    async def _run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool) -> Any:
        """Once more without the client's model, where the client or its user declines to lend it."""
        lending.set("not asked")
        try:
            return await super().run(arguments, context, convert_result)
        except MCPError:
            if lending.get() != "asked":
                raise
        lending.set("declined")
        return await super().run(arguments, context, convert_result)

    def _refuse_unknown(self, arguments: dict[str, Any]) -> None:
        known = self.parameters["properties"]
        if unknown := sorted(arguments.keys() - known.keys()):
            raise InvalidInput(
                f"{self.name} has no argument {unknown[0]!r}.", remedy=f"It has: {', '.join(known)}."
            )


def offer(function: Callable[..., Any], *, title: str, annotations: ToolAnnotations, scope: Scope) -> RagTool:
    """A function as a tool: its docstring is what a model reads, its signature is the schema."""
    tool = Tool.from_function(function, title=title, annotations=annotations)
    if tool.fn_metadata.output_schema is not None:
        tool.fn_metadata.output_schema = terse(compact(inlined(tool.fn_metadata.output_schema)))
    parts = {name: getattr(tool, name) for name in Tool.model_fields}
    parts["description"] = " ".join(inspect.cleandoc(tool.description).split())
    parts["parameters"] = strict(compact(inlined(tool.parameters)))
    parts["fn_metadata"] = Arguments(**dict(tool.fn_metadata))
    return RagTool(**parts, scope=scope)


def _refused(error: RagError | ToolError, call: ToolCall, log: ClientLog) -> CallToolResult:
    """Tells the model, the log and what is measured.

    Raises:
        ToolError: it is a defect, whose cause the SDK logs.
    """
    reason = _reason(error)
    if isinstance(reason, InvalidInput | NotFound | AccessDenied | TooMuch):
        call.outcome = "refused"
    log("warning" if call.outcome == "refused" else "error", str(reason))
    if isinstance(reason, ToolError):
        raise reason from error.__cause__
    return told(reason)


def _reason(error: RagError | ToolError) -> RagError | ToolError:
    if isinstance(error.__cause__, RagError):
        return error.__cause__
    if isinstance(error, UnexpectedToolError):
        return UnexpectedToolError(str(_defect()))
    return _invalid(error.__cause__) if isinstance(error.__cause__, ValidationError) else error


def _defect() -> RagError:
    """All that a model learns of a defect of ours."""
    known = request_id()
    where = f"the log has the reason, under request_id {known}" if known else "the log has the reason"
    return RagError(
        "The server failed.", remedy=f"Other arguments do not help. Tell the user of it; {where}."
    )


def told(error: RagError) -> CallToolResult:
    """An error as a tool's result: the model reads why, and what to do next."""
    return CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True)


def _invalid(error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "The arguments"
    return InvalidInput(f"{where}: {first['msg'].rstrip('.')}.")


def _is_chatgpt(context: Context[Any, Any]) -> bool:
    params = context.request_context.session.client_params
    return params is not None and params.client_info.name.lower().startswith(("openai", "chatgpt"))
