"""A host of MCP Apps in a real browser: its page has the official bridge, its sandbox the prescribed rules.

Both are given out here, under names that nobody else has; `/mcp` of the first goes on to the product's
server. Whatever else is asked for is refused and noted.
"""

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import which
from typing import Any, Self

from playwright.async_api import Browser, ConsoleMessage, FrameLocator, Locator, Page, Route, async_playwright

NODE = Path(__file__).parent / "node"
HOST, SANDBOX = "https://host.example", "https://sandbox.example"
# What the specification has a host let a view do that declares nothing.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; media-src 'self' data:; connect-src 'none'; frame-src 'none'; "
    "object-src 'none'; base-uri 'self'"
)


def bundle() -> str:
    """The script of the host's page, with all that it imports."""
    done = subprocess.run(
        [NODE / "node_modules/.bin/esbuild", "host.js", "--bundle", "--format=iife", "--log-level=error"],
        cwd=NODE,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # The tests may run as root, which Chromium's own sandbox does not allow.
        browser = await playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        yield browser
        await browser.close()


class Host:
    """A host that shows one view."""

    def __init__(self, page: Page, server: str, script: str) -> None:
        self.page = page
        self._server, self._script = server, script
        self.strangers: list[str] = []
        """What was asked for that is neither of the host's pages nor the server."""
        self.complaints: list[str] = []
        """What scripts threw and the browser complained of."""

    async def __aenter__(self) -> Self:
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        await self.page.route("**/*", self._answer)
        await self.again()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.page.close()

    async def again(self) -> None:
        """From the beginning, with no view."""
        await self.page.goto(f"{HOST}/")

    async def open(self, tool: str, args: Mapping[str, Any], **options: Any) -> Self:
        """Call the tool, and show its result in its view."""
        told = {"tool": tool, "args": args, "sandboxOrigin": SANDBOX, **options}
        await self.page.evaluate("told => host.open(told)", told)
        return self

    async def call(self, tool: str, **args: Any) -> Any:
        """The host calls a tool by itself."""
        return await self.page.evaluate("([tool, args]) => host.call(tool, args)", [tool, args])

    async def change(self, **context: Any) -> None:
        await self.page.evaluate("context => host.change(context)", context)

    async def heard(self, what: str) -> Any:
        return await self.page.evaluate("what => host.heard[what]", what)

    @property
    def view(self) -> FrameLocator:
        return self.page.frame_locator("iframe").frame_locator("iframe")

    def css(self, selector: str) -> Locator:
        return self.view.locator(selector)

    def button(self, name: str) -> Locator:
        return self.view.get_by_role("button", name=name)

    @property
    def focused(self) -> Locator:
        return self.css("*:focus")

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    def _hear(self, said: ConsoleMessage) -> None:
        # A stream of news is refused below, and the browser notes it.
        if said.type == "error" and said.location["url"] != f"{HOST}/mcp":
            self.complaints.append(said.text)

    async def _answer(self, route: Route) -> None:
        url = route.request.url
        if url == f"{HOST}/mcp":
            await self._pass_on(route)
        elif url == f"{HOST}/host.js":
            await route.fulfill(body=self._script, content_type="text/javascript")
        elif url == f"{HOST}/":
            await route.fulfill(path=NODE / "host.html")
        elif url == f"{SANDBOX}/sandbox.html":
            policy = {"Content-Security-Policy": POLICY, "Content-Type": "text/html"}
            await route.fulfill(path=NODE / "sandbox.html", headers=policy)
        else:
            self.strangers.append(url)
            await route.abort()

    async def _pass_on(self, route: Route) -> None:
        if route.request.method == "GET":
            # It does not listen to news.
            await route.fulfill(status=405)
            return
        headers = {name: value for name, value in route.request.headers.items() if name != "origin"}
        answer = await route.fetch(url=self._server, headers=headers, timeout=0)
        await route.fulfill(response=answer)
