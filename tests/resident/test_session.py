"""What a new resident hears when it takes over."""

import json
from typing import Any

from mcp_rag.session import Session


def line(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


INITIALIZE = line(id=0, method="initialize", params={})
INITIALIZED = line(method="notifications/initialized")
CALL = line(id=1, method="tools/call", params={})
OTHER_CALL = line(id="1", method="tools/call", params={})


def greeted() -> Session:
    session = Session()
    session.say(INITIALIZE)
    session.hear(line(id=0, result={}))
    session.say(INITIALIZED)
    return session


def test_a_new_resident_hears_the_handshake_and_then_what_is_unanswered_in_order() -> None:
    session = greeted()
    session.say(CALL)
    session.say(OTHER_CALL)
    session.lose()

    assert session.again() == [INITIALIZE, INITIALIZED, CALL, OTHER_CALL]


def test_the_client_hears_the_answer_to_the_handshake_once() -> None:
    session = greeted()
    session.say(CALL)
    session.lose()
    session.again()

    assert not session.hear(line(id=0, result={}))
    assert session.hear(line(id=1, result={}))


def test_a_handshake_that_was_never_answered_is_said_again_and_heard() -> None:
    session = Session()
    session.say(INITIALIZE)
    session.say(INITIALIZED)
    session.say(CALL)
    session.lose()

    assert session.again() == [INITIALIZE, INITIALIZED, CALL]
    assert session.hear(line(id=0, result={}))


def test_a_handshake_that_was_refused_is_not_said_again() -> None:
    session = Session()
    session.say(INITIALIZE)
    session.hear(line(id=0, error={"code": -32022, "message": "modern"}))
    session.say(CALL)
    session.lose()

    assert session.again() == [CALL]


def test_what_was_answered_or_cancelled_is_not_said_again() -> None:
    session = greeted()
    session.say(CALL)
    session.say(OTHER_CALL)
    session.hear(line(id="1", result={}))
    session.say(line(method="notifications/cancelled", params={"requestId": 1}))
    session.lose()

    assert session.again() == [INITIALIZE, INITIALIZED]


def test_what_was_subscribed_to_and_not_given_up_is_said_again_and_its_answer_heard_once() -> None:
    session = greeted()
    subscribe = [
        line(id=n, method="resources/subscribe", params={"uri": f"conversation://{n}"}) for n in (3, 4, 5)
    ]
    for said in subscribe:
        session.say(said)
    session.hear(line(id=3, result={}))
    session.hear(line(id=4, result={}))
    session.hear(line(id=5, error={"code": -32602, "message": "too many"}))
    session.say(line(id=6, method="resources/unsubscribe", params={"uri": "conversation://3"}))
    session.hear(line(id=6, result={}))
    session.lose()

    assert session.again() == [INITIALIZE, INITIALIZED, subscribe[1]]
    assert not session.hear(line(id=0, result={}))
    assert not session.hear(line(id=4, result={}))
    assert session.losses == 0


def test_the_level_of_the_log_that_was_granted_last_is_said_again() -> None:
    session = greeted()
    levels = [
        line(id=n, method="logging/setLevel", params={"level": level})
        for n, level in ((3, "debug"), (4, "error"), (5, "chatty"))
    ]
    answers = [{"result": {}}, {"result": {}}, {"error": {"code": -32602, "message": "no level"}}]
    for said, answer in zip(levels, answers, strict=True):
        session.say(said)
        session.hear(line(id=json.loads(said)["id"], **answer))
    session.lose()

    assert session.again() == [INITIALIZE, INITIALIZED, levels[1]]
    assert not session.hear(line(id=4, result={}))


def test_losses_count_only_over_unanswered_requests_and_since_the_last_answer() -> None:
    session = greeted()
    session.lose()
    assert session.losses == 0

    session.say(CALL)
    session.lose()
    session.lose()
    assert session.losses == 2

    session.hear(line(id=1, result={}))
    assert session.losses == 0


def test_questions_of_a_lost_resident_are_withdrawn_and_their_answers_go_nowhere() -> None:
    session = greeted()
    session.say(CALL)
    session.hear(line(id=7, method="elicitation/create", params={}))

    withdrawn = [json.loads(notice) for notice in session.lose()]

    assert [(each["method"], each["params"]) for each in withdrawn] == [
        ("notifications/cancelled", {"requestId": 7})
    ]
    assert not session.say(line(id=7, result={"action": "accept"}))


def test_answers_to_questions_of_the_living_resident_are_passed_on() -> None:
    session = greeted()
    session.hear(line(id=7, method="elicitation/create", params={}))

    assert session.say(line(id=7, result={"action": "accept"}))


def test_lines_that_are_no_messages_are_passed_on_for_the_resident_to_refuse() -> None:
    assert Session().say(b"nonsense\n")
