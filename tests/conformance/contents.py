"""What the conformance suite calls, reads and picks by name: every kind of content that MCP has."""

import base64
import json
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer, UserMessage
from mcp.server.mcpserver.prompts.base import Prompt
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    EmbeddedResource,
    ImageContent,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
KEYWORDS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""The keywords of JSON Schema 2020-12 that the suite wants to see again."""

SINGLE = ["active", "inactive", "pending"]
LEVELS = [{"const": level, "title": f"{level.title()} priority"} for level in ("low", "medium", "high")]
KINDS = [{"const": kind, "title": kind.title()} for kind in ("feature", "bug", "docs")]


class Response(BaseModel):
    response: str = Field(description="The user's response")


class Defaults(BaseModel):
    """A default for each primitive type."""

    name: str = Field("John Doe", description="Name")
    age: int = Field(30, description="Age")
    score: float = Field(95.5, description="Score")
    status: str = Field("active", description="Status", json_schema_extra={"enum": SINGLE})
    verified: bool = Field(True, description="Whether it was verified")


class Choices(BaseModel):
    """Each way to say what may be chosen."""

    untitledSingle: str = Field(json_schema_extra={"enum": SINGLE})
    titledSingle: str = Field(json_schema_extra={"oneOf": LEVELS})
    untitledMulti: list[str] = Field(
        json_schema_extra={"items": {"type": "string", "enum": ["read", "write", "execute"]}}
    )
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": KINDS}})
    legacyEnum: str = Field(json_schema_extra={"enum": ["s", "m"], "enumNames": ["Small", "Medium"]})


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


def image() -> ImageContent:
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


async def test_simple_text() -> str:
    """A text."""
    return "This is a simple text response for testing."


async def test_image_content() -> list[ImageContent]:
    """An image."""
    return [image()]


async def test_audio_content() -> list[AudioContent]:
    """A sound."""
    return [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")]


async def test_embedded_resource() -> list[EmbeddedResource]:
    """A resource within the result."""
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """A text, an image and a resource."""
    return [
        TextContent(type="text", text="Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}'),
    ]


async def test_error_handling() -> str:
    """Fails."""
    raise RuntimeError("This tool intentionally returns an error for testing")


async def test_tool_with_logging(ctx: Context[Any, Any]) -> str:
    """Logs to the client, three times."""
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(said)
    return "Tool with logging executed successfully"


async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
    """Reports progress, three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100, f"Completed step {done} of 100")
    return "Done"


async def test_sampling(prompt: str, ctx: Context[Any, Any]) -> str:
    """Asks the client's model."""
    question = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    # Not related to a request it would go to a stream that the client may not have opened.
    answer = await ctx.session.create_message([question], max_tokens=100, related_request_id=ctx.request_id)
    assert isinstance(answer.content, TextContent)
    return f"LLM response: {answer.content.text}"


async def _elicited(ctx: Context[Any, Any], message: str, schema: type[BaseModel]) -> str:
    answer = await ctx.elicit(message, schema)
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return f"User response: action={answer.action}, content={content}"


async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
    """Asks the user."""
    return await _elicited(ctx, message, Response)


async def test_elicitation_sep1034_defaults(ctx: Context[Any, Any]) -> str:
    """Asks the user, and suggests an answer."""
    return await _elicited(ctx, "Please provide user information", Defaults)


async def test_elicitation_sep1330_enums(ctx: Context[Any, Any]) -> str:
    """Asks the user to choose."""
    return await _elicited(ctx, "Please select values", Choices)


async def test_x_mcp_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "<none>",
) -> str:
    """Takes an argument that is in a header as well."""
    return f"region={region}"


async def test_missing_capability(ctx: Context[Any, Any]) -> str:
    """Refuses clients that cannot sample."""
    declared = ctx.client_capabilities
    if declared is None or declared.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool requires the client 'sampling' capability",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "The client can sample."


async def test_reconnection(ctx: Context[Any, Any]) -> str:
    """Hangs up in the middle of the call."""
    await ctx.info("Before disconnect")
    await ctx.close_sse_stream()
    await ctx.info("After reconnect")
    return "Reconnection test completed"


async def json_schema_2020_12_tool() -> str:
    """Has a schema with every keyword of the dialect."""
    return "json_schema_2020_12_tool"


async def test_trigger_tool_change(ctx: Context[Any, Any]) -> str:
    """Changes what tools there are."""
    server: MCPServer[Any] = ctx.mcp_server
    server.add_tool(test_simple_text, name="test_dynamic_tool")
    server.remove_tool("test_dynamic_tool")
    await ctx.notify_tools_changed()
    return "tool list changed"


async def test_trigger_prompt_change(ctx: Context[Any, Any]) -> str:
    """Changes what prompts there are."""
    server: MCPServer[Any] = ctx.mcp_server
    server.add_prompt(Prompt.from_function(test_simple_prompt, name="test_dynamic_prompt"))
    server.remove_prompt("test_dynamic_prompt")
    await ctx.notify_prompts_changed()
    return "prompt list changed"


def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    """An image."""
    return base64.b64decode(PIXEL)


def template(id: str) -> str:
    """Its parameter, in JSON."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def watched() -> str:
    """A text that can be subscribed to."""
    return "Watched resource content"


def test_simple_prompt() -> list[UserMessage]:
    """A text."""
    return [UserMessage("This is a simple prompt for testing.")]


def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
    """Its arguments."""
    return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
    """A resource within the prompt."""
    content = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(content), UserMessage("Please process the embedded resource above.")]


def test_prompt_with_image() -> list[UserMessage]:
    """An image."""
    return [UserMessage(image()), UserMessage("Please analyze the image above.")]


TOOLS = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_logging,
    test_tool_with_progress,
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_x_mcp_header,
    test_missing_capability,
    test_reconnection,
    json_schema_2020_12_tool,
    test_trigger_tool_change,
    test_trigger_prompt_change,
)
PROMPTS = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
)
RESOURCES = {
    "test://static-text": static_text,
    "test://static-binary": static_binary,
    "test://template/{id}/data": template,
    "test://watched-resource": watched,
}
