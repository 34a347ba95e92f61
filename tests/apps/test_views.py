"""The views in a real browser, shown by the official host side of MCP Apps, on the product's own server."""

from typing import Any

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.apps import colours
from tests.apps.conftest import EVIL
from tests.apps.host import Host
from tests.serve_process import Serving

pytestmark = [pytest.mark.apps, pytest.mark.asyncio(loop_scope="module")]

OPENING = {"query": "opening of the café"}
WHICH_DAY = {"question": "To which day was the opening of the café moved?"}
MOVED = "We moved the opening of the café to 14 March, because the oven comes late."
ON_MARS = {"question": "Who won the race on Mars?"}
each_theme = pytest.mark.parametrize("theme", ["light", "dark"])


async def texts(locator: Locator) -> list[str]:
    await locator.first.wait_for()
    return await locator.all_inner_texts()


async def opened(host: Host) -> Locator:
    """The message that a view was asked to show in its conversation."""
    message = host.css(".messages > .asked")
    await expect(message).to_be_focused()
    return message


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_hits_are_shown_with_speaker_and_date_and_the_words_that_were_asked_for_marked(
    host: Host, mode: str
) -> None:
    await host.open("search", OPENING, mode=mode)
    first = host.css(".cards > li").first
    await expect(host.view.get_by_role("heading", level=1)).to_have_text("opening of the café")
    await expect(host.view.get_by_role("status")).to_have_text("8 of 67 hits")
    await expect(first.get_by_role("heading")).to_have_text("[1] Opening of the harbour café")
    await expect(first.locator(".line")).to_have_text("Ben · 1 Feb 2026")
    await expect(first.locator(".said")).to_have_text(MOVED)
    assert await texts(first.locator("mark")) == ["opening", "café"]
    assert (await host.heard("view"))["name"] == "mcp-rag search"
    assert (await host.heard("capabilities")) == {"availableDisplayModes": ["inline", "fullscreen"]}


async def test_a_hit_opens_in_its_conversation_and_escape_leads_back_to_it(host: Host) -> None:
    await host.open("search", OPENING)
    second = host.css(".cards > li").nth(1)
    await second.locator(".said").click()
    await opened(host)
    await host.press("Escape")
    await expect(second.get_by_role("button")).to_be_focused()
    await host.button("Opening of the harbour café").first.click()
    message = await opened(host)
    await expect(message).to_contain_text(MOVED)
    assert await texts(message.locator("mark")) == ["opening", "café"]
    await expect(host.css(".messages > li")).to_have_count(8)
    await expect(host.css("main")).to_be_hidden()
    await host.press("Escape")
    await expect(host.css("section")).to_be_hidden()
    await expect(host.button("Opening of the harbour café").first).to_be_focused()


async def test_a_conversation_can_be_read_on_in_both_directions(host: Host) -> None:
    await host.open("search", {"query": "invoice of supplier 11", "limit": 1})
    await host.css(".title").first.click()
    await opened(host)
    before = await host.css(".messages > li").count()
    await host.button("Later messages").press("Enter")
    await expect(host.css(".messages > li")).not_to_have_count(before)
    while await host.button("Earlier messages").count():
        first = await host.css(".messages > li").first.get_attribute("id")
        await host.button("Earlier messages").press("Enter")
        await expect(host.css(".messages > li").first).not_to_have_attribute("id", str(first))
    ids = [await each.get_attribute("id") for each in await host.css(".messages > li").all()]
    assert ids == [f"message-{n}" for n in range(len(ids))]
    await expect(host.css("#message-0")).to_contain_text("Shall we talk about the harbour café?")


async def test_more_hits_follow_and_the_first_of_them_has_the_focus(host: Host) -> None:
    await host.open("search", {"query": "walrus pier", "limit": 3})
    await host.button("More").click()
    await expect(host.css(".cards > li")).to_have_count(6)
    await expect(host.css(".cards > li").nth(3).locator("button")).to_be_focused()
    await expect(host.view.get_by_role("status")).to_contain_text("6 of ")
    titles = await texts(host.css(".cards .title"))
    assert len(set(titles)) == 6


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_citation_opens_its_conversation_with_the_quote_marked(host: Host, mode: str) -> None:
    await host.open("ask", WHICH_DAY, mode=mode)
    source = host.css(".cards > li").first
    await expect(source.locator(".line")).to_have_text("Ben · 1 Feb 2026 · ✓ verified")
    await expect(source.locator("blockquote")).to_have_text(MOVED)
    await expect(host.css(".answer")).to_contain_text("14 March")
    await expect(host.css("#shown > .line")).to_contain_text("no model wrote this")
    citation = host.button("Source 1: Opening of the harbour café")
    await citation.click()
    assert await texts((await opened(host)).locator("mark")) == [MOVED]
    await host.button("Back to the answer").click()
    await expect(citation).to_be_focused()


async def test_all_of_it_is_reached_by_the_keyboard_alone(host: Host) -> None:
    await host.open("search", {"query": "opening of the café", "limit": 2})
    await host.button("More").wait_for()
    await host.page.locator("iframe").focus()
    seen = []
    for _ in range(3):
        await host.press("Tab")
        seen.append(await host.focused.inner_text())
        assert await colours.outlined(host.focused)
    assert seen == ["Opening of the harbour café", "Opening of the harbour café", "More"]
    await host.press("Shift+Tab", "Shift+Tab", "Enter")
    assert await colours.outlined(await opened(host))
    await host.press("Shift+Tab")
    await expect(host.button("Back to what was found")).to_be_focused()
    await host.press("Enter")
    await expect(host.button("Opening of the harbour café").first).to_be_focused()


@each_theme
@pytest.mark.parametrize("said_by", ["host", "system"])
async def test_both_themes_can_be_read(host: Host, theme: Any, said_by: str) -> None:
    if said_by == "system":
        await host.page.emulate_media(color_scheme=theme)
    context = {"theme": theme} if said_by == "host" else {}
    for tool, args in (("search", OPENING), ("ask", WHICH_DAY), ("ask", ON_MARS)):
        await host.again()
        await host.open(tool, args, context=context)
        await host.css(".cards > li").first.wait_for()
        assert await colours.is_dark(host.css("html")) == (theme == "dark")
        assert await colours.unreadable(host.css("html")) == []
    await host.css(".title").first.click()
    await opened(host)
    assert await colours.unreadable(host.css("html")) == []


async def test_the_view_follows_the_host_in_theme_and_style(host: Host) -> None:
    await host.open("search", OPENING, context={"theme": "light"})
    await host.css(".cards > li").first.wait_for()
    assert not await colours.is_dark(host.css("html"))
    await host.change(theme="dark")
    await expect(host.css("html")).to_have_css("color-scheme", "dark")
    assert await colours.is_dark(host.css("html"))
    await host.change(styles={"variables": {"--color-text-primary": "light-dark(#010203, #fafbfc)"}})
    await expect(host.css("body")).to_have_css("color", "rgb(250, 251, 252)")
    await host.page.emulate_media(reduced_motion="no-preference")
    await expect(host.css(".title").first).not_to_have_css("transition-duration", "0s")
    await host.page.emulate_media(reduced_motion="reduce")
    await expect(host.css(".title").first).to_have_css("transition-duration", "0s")


async def test_what_was_stored_stays_text(host: Host) -> None:
    await host.open("search", {"query": "walrus password"})
    first = host.css(".cards > li").first
    await expect(first.locator(".title")).to_have_text("<script>alert(1)</script>")
    await expect(first.locator(".line")).to_have_text("<i>Mallory</i>")
    assert await first.locator(".said").inner_text() == EVIL
    await first.locator(".title").click()
    message = await opened(host)
    assert await message.locator(".said").inner_text() == EVIL
    for inserted in ("b", "i", "img", "section script"):
        await expect(host.css(inserted)).to_have_count(0)
    assert await host.css("title").inner_text() == "What was found"


async def test_the_host_hears_how_large_the_view_is(host: Host) -> None:
    await host.open("search", OPENING)
    await host.css(".cards > li").first.wait_for()
    frame, inner = host.page.locator("iframe"), host.css("html")
    await expect(frame).to_have_css("height", f"{await inner.evaluate('e => e.scrollHeight')}px")
    long = (await host.heard("sizes"))[-1]
    assert long["width"] == 700
    await host.css(".title").first.click()
    await opened(host)
    await expect(frame).not_to_have_css("height", f"{long['height']}px")
    assert await inner.evaluate("e => e.scrollHeight == e.clientHeight")


async def test_nothing_overflows_on_a_narrow_screen(host: Host) -> None:
    await host.page.set_viewport_size({"width": 320, "height": 640})
    for tool, args in (("search", {"query": "walrus password"}), ("ask", WHICH_DAY)):
        await host.again()
        await host.open(tool, args)
        await host.css(".title").first.wait_for()
        assert await host.css("html").evaluate("e => e.scrollWidth") == 320
        await host.css(".title").first.click()
        await opened(host)
        assert await host.css("html").evaluate("e => e.scrollWidth") == 320


async def test_that_the_store_has_no_answer_is_said_with_the_nearest_misses(host: Host) -> None:
    await host.open("ask", ON_MARS)
    await expect(host.view.get_by_role("status")).to_have_text("The store holds nothing that answers this.")
    await expect(host.css("h2.label")).to_have_text("Nearest misses, which do not answer")
    await host.css(".cards .title").first.click()
    await opened(host)


async def test_hits_that_do_not_answer_are_called_misses(host: Host) -> None:
    await host.open("search", {"query": "zebra quantum saxophone"})
    await expect(host.view.get_by_role("status")).to_contain_text("Nothing in the store answers this.")


async def test_an_error_of_the_tool_is_shown_with_what_to_do(host: Host) -> None:
    await host.open("search", {"query": "café", "cursor": "nonsense"})
    await expect(host.view.get_by_role("alert")).to_contain_text("Repeat the call without `cursor`")


async def test_a_call_that_was_called_off_is_said_to_be(host: Host) -> None:
    await host.open("search", OPENING, cancelled="the user stopped it")
    await expect(host.view.get_by_role("status")).to_have_text("Called off: the user stopped it")


async def test_what_was_erased_meanwhile_is_said_where_it_was_opened(host: Host) -> None:
    await host.open("search", {"query": "dodo attic"})
    await host.call("ingest", conversation_id="gone", content="The dodo is in the attic.")
    await host.again()
    await host.open("search", {"query": "dodo attic", "limit": 1})
    await host.button("gone").wait_for()
    await host.call("forget", conversation_ids=["gone"], dry_run=False)
    await host.button("gone").click()
    alert = host.css(".cards > li").get_by_role("alert")
    await expect(alert).to_contain_text("gone")
    await expect(alert).to_contain_text("You can ask in the chat to read conversation://gone/messages/0.")


async def test_that_a_host_refuses_a_call_is_said_where_it_was_made(host: Host) -> None:
    await host.open("search", {**OPENING, "limit": 1}, refusal="The user said no.")
    await host.css(".title").first.click()
    alert = host.css(".cards > li").get_by_role("alert")
    await expect(alert).to_contain_text(
        "The client refused: The user said no. You can ask in the chat to read conversation://"
    )
    await expect(host.css("main")).to_be_visible()
    await host.button("More").click()
    await expect(host.css("#shown > [role=alert]")).to_contain_text("You can ask for more in the chat.")
    await expect(host.button("More")).to_be_enabled()


async def test_a_view_offers_nothing_where_the_host_passes_no_calls_on(host: Host) -> None:
    await host.open("ask", WHICH_DAY, capabilities={})
    await expect(host.css(".citation").first).to_have_text("[1]")
    await expect(host.view.get_by_role("button")).to_have_count(0)


async def test_a_result_without_values_is_shown_as_its_text(host: Host) -> None:
    await host.open("search", OPENING, result={"content": [{"type": "text", "text": "2 hits <b>only</b>"}]})
    await expect(host.css("pre")).to_have_text("2 hits <b>only</b>")


async def test_values_that_came_as_text_are_read(host: Host) -> None:
    values = '{"answered": true, "text": "Yes [1].", "confidence": "low", "citations": []}'
    await host.open("ask", WHICH_DAY, result={"content": [{"type": "text", "text": values}]})
    await expect(host.css(".answer")).to_have_text("Yes [1].")
    await expect(host.view.get_by_role("status")).to_contain_text("not certain")


async def test_the_view_answers_its_host(host: Host) -> None:
    await host.open("search", OPENING)
    assert await host.page.evaluate("host.ping()") == {}
    assert await host.page.evaluate("host.leave()") == {}


@pytest.fixture(scope="module")
def only_search(store_url: str) -> Any:
    with Serving(MCP_RAG_DATABASE_URL=store_url, MCP_RAG_TOOLS="search") as server:
        yield server


async def test_a_view_does_not_offer_what_the_server_does_not(
    browser: Browser, only_search: Serving, script: str
) -> None:
    async with Host(await browser.new_page(), only_search.url("mcp"), script) as host:
        await host.open("search", {**OPENING, "limit": 2})
        await expect(host.css(".cards .title").first).to_have_text("Opening of the harbour café")
        await expect(host.view.get_by_role("button")).to_have_count(1)
        await host.button("More").click()
        await expect(host.css(".cards > li")).to_have_count(4)
