"""What the conformance suite calls to be asked back: results that want input first (2026-07-28)."""

import json
from typing import Any

from mcp.server.mcpserver import Context, UserMessage
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)

Ctx = Context[Any, Any]


def asked(message: str, field: str, kind: str = "string") -> ElicitRequest:
    """A question for the user, with one field to fill in."""
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampled(text: str) -> CreateMessageRequest:
    """A question for the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=100))


def filled_in(ctx: Ctx, request: str, field: str) -> Any:
    """What the user wrote, or None where there is no such answer yet."""
    answer = (ctx.input_responses or {}).get(request)
    return answer.content.get(field) if isinstance(answer, ElicitResult) and answer.content else None


def round_of(requests: dict[str, InputRequest], state: str | None = None) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


async def test_input_required_result_elicitation(ctx: Ctx) -> str | InputRequiredResult:
    """Asks the user."""
    name = filled_in(ctx, "user_name", "name")
    return f"Hello, {name}!" if name else round_of({"user_name": asked("What is your name?", "name")})


async def test_input_required_result_sampling(ctx: Ctx) -> str | InputRequiredResult:
    """Asks the client's model."""
    answer = (ctx.input_responses or {}).get("capital_question")
    if isinstance(answer, CreateMessageResult) and isinstance(answer.content, TextContent):
        return f"Model said: {answer.content.text}"
    return round_of({"capital_question": sampled("What is the capital of France?")})


async def test_input_required_result_list_roots(ctx: Ctx) -> str | InputRequiredResult:
    """Asks for the client's roots."""
    answer = (ctx.input_responses or {}).get("client_roots")
    if isinstance(answer, ListRootsResult):
        return f"The client has {len(answer.roots)} roots."
    return round_of({"client_roots": ListRootsRequest()})


async def test_input_required_result_request_state(ctx: Ctx) -> str | InputRequiredResult:
    """Gets its own state back."""
    if filled_in(ctx, "confirm", "ok") is not None and ctx.request_state == "nonce":
        return "state-ok: confirmation received"
    return round_of({"confirm": asked("Please confirm", "ok", "boolean")}, "nonce")


async def test_input_required_result_multiple_inputs(ctx: Ctx) -> str | InputRequiredResult:
    """Asks everybody at once."""
    requests: dict[str, InputRequest] = {
        "user_name": asked("What is your name?", "name"),
        "greeting": sampled("Generate a greeting"),
        "client_roots": ListRootsRequest(),
    }
    if requests.keys() <= (ctx.input_responses or {}).keys():
        return "All inputs received."
    return round_of(requests, "multiple-inputs")


async def test_input_required_result_multi_round(ctx: Ctx) -> str | InputRequiredResult:
    """Asks twice; its state says how far it is."""
    state: dict[str, Any] = json.loads(ctx.request_state or "{}")
    name = filled_in(ctx, "step1", "name") or state.get("name")
    color = filled_in(ctx, "step2", "color")
    if not state or not name:
        return round_of({"step1": asked("Step 1: What is your name?", "name")}, json.dumps({"round": 1}))
    if not color:
        question = asked("Step 2: What is your favorite color?", "color")
        return round_of({"step2": question}, json.dumps({"round": 2, "name": name}))
    return f"{name} likes {color}."


async def test_input_required_result_tampered_state(ctx: Ctx) -> str | InputRequiredResult:
    """Gets its own state back, or nobody else's."""
    if ctx.request_state is None:
        return round_of({"confirm": asked("Please confirm", "ok", "boolean")}, "round-1")
    return f"state-ok: {ctx.request_state}"


async def test_input_required_result_capabilities(ctx: Ctx) -> InputRequiredResult:
    """Asks only what the client can answer."""
    declared = ctx.client_capabilities
    requests: dict[str, InputRequest] = {}
    if declared is not None and declared.sampling is not None:
        requests["sample"] = sampled("Say hello")
    if declared is not None and declared.elicitation is not None:
        requests["ask"] = asked("What is your name?", "name")
    return round_of(requests, "capability-gated")


async def test_input_required_result_prompt(ctx: Ctx) -> list[UserMessage] | InputRequiredResult:
    """Asks the user before it is a prompt."""
    said = filled_in(ctx, "user_context", "context")
    if said is None:
        return round_of({"user_context": asked("What context should the prompt use?", "context")})
    return [UserMessage(f"Use the following context: {said}")]


TOOLS = (
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_tampered_state,
    test_input_required_result_capabilities,
)
PROMPTS = (test_input_required_result_prompt,)
