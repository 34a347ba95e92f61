from .conftest import Write
from .sources import chatgpt_conversation, chatgpt_node, everything


def test_only_the_branch_that_is_shown_is_read(write: Write) -> None:
    nodes = [
        chatgpt_node("root", None, None),
        chatgpt_node("s", "root", "", "system"),
        chatgpt_node("q", "s", "question"),
        chatgpt_node("a1", "q", "first try", "assistant"),
        chatgpt_node("a2", "q", "second try", "assistant"),
        chatgpt_node("q2", "a2", "thanks"),
    ]
    ((talk,), unread) = everything(write("c.json", [chatgpt_conversation(*nodes, current="q2")]))
    assert [(m.speaker, m.text, m.message_id) for m in talk.messages] == [
        ("user", "question", "q"),
        ("assistant", "second try", "a2"),
        ("user", "thanks", "q2"),
    ]
    assert (talk.conversation_id, talk.title, talk.source, unread) == ("g1", "Tree", "chatgpt", [])
    assert str(talk.messages[0].sent_at) == "2025-10-09 08:53:20.500000+00:00"


def test_without_a_current_node_the_latest_leaf_is_taken(write: Write) -> None:
    nodes = [
        chatgpt_node("q", None, "question"),
        chatgpt_node("new", "q", "new", "assistant", create_time=1_760_000_900),
        chatgpt_node("old", "q", "old", "assistant", create_time=1_760_000_100),
        chatgpt_node("undated", "q", "undated", "assistant", create_time=None),
    ]
    ((talk,), _) = everything(write("c.json", [chatgpt_conversation(*nodes)]))
    assert [m.text for m in talk.messages] == ["question", "new"]


def test_tools_code_and_hidden_messages_are_left_out_and_speech_is_kept(write: Write) -> None:
    spoken = {"content_type": "audio_transcription", "text": "said aloud"}
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file://x"}
    nodes = [
        chatgpt_node("h", None, "profile", metadata={"is_visually_hidden_from_conversation": True}),
        chatgpt_node(
            "v",
            "h",
            "",
            content={"content_type": "multimodal_text", "parts": [picture, spoken, "typed", None]},
        ),
        chatgpt_node("c", "v", "", "assistant", content={"content_type": "code", "text": "search('x')"}),
        chatgpt_node("p", "c", "print(1)", "assistant", recipient="python"),
        chatgpt_node("t", "p", "1", "tool"),
        chatgpt_node("th", "t", "", "assistant", content={"content_type": "thoughts", "thoughts": []}),
        chatgpt_node("a", "th", "It is 1.", "assistant"),
    ]
    ((talk,), _) = everything(write("c.json", [chatgpt_conversation(*nodes, current="a")]))
    assert [m.text for m in talk.messages] == ["said aloud\n\ntyped", "It is 1."]


def test_a_conversation_of_ten_thousand_turns_is_no_deeper_than_one(write: Write) -> None:
    nodes = [chatgpt_node(str(n), str(n - 1) if n else None, f"turn {n}") for n in range(10_000)]
    ((talk,), _) = everything(write("c.json", [chatgpt_conversation(*nodes, current="9999")]))
    assert [m.text for m in talk.messages] == [f"turn {n}" for n in range(10_000)]


def test_damaged_trees_give_what_hangs_together(write: Write) -> None:
    ring = chatgpt_conversation(
        chatgpt_node("a", "b", "a"), chatgpt_node("b", "a", "b"), current="b", conversation_id="ring"
    )
    orphan = chatgpt_conversation(chatgpt_node("x", "gone", "x"), current="lost", conversation_id="orphan")
    odd = chatgpt_conversation(chatgpt_node("y", None, "y"), current="y", conversation_id="odd")
    odd["mapping"] |= {"z": 5, "w": {"message": "text", "parent": 3}}
    conversations, unread = everything(
        write("c.json", [ring, orphan, odd, chatgpt_conversation(), {"mapping": []}])
    )
    assert [[m.text for m in c.messages] for c in conversations] == [["a", "b"], ["x"], ["y"]]
    assert [item.reason for item in unread] == ["it has no message with text", "it has no id"]
