"""Colours as a browser has computed them, by the formulas of WCAG 2.2."""

from playwright.async_api import Locator

LEAST = 4.5
"""The contrast that text must have (level AA)."""

_PALETTE = """
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
const seen = (colour) => (channels(colour)[3] ?? 1) > 0;
const luminance = (colour) => {
    const [red, green, blue] = channels(colour).slice(0, 3).map((channel) => channel / 255)
        .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return seen(colour) ? colour : behind(element.parentElement);
};
const contrast = (one, other) => {
    const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (lighter + 0.05) / (darker + 0.05);
};
"""


async def is_dark(page: Locator) -> bool:
    return bool(await page.evaluate(f"root => {{ {_PALETTE} return luminance(behind(root)) < 0.2; }}"))


async def unreadable(page: Locator) -> list[str]:
    """The texts that do not stand out from what is behind them."""
    found: list[str] = await page.evaluate(
        f"""(root, least) => {{ {_PALETTE}
        const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const dim = [];
        while (texts.nextNode()) {{
            const element = texts.currentNode.parentElement;
            const text = texts.currentNode.data.trim();
            if (!text || !element.checkVisibility() || element.closest("script")) continue;
            const found = contrast(getComputedStyle(element).color, behind(element));
            if (found < least) dim.push(`${{text}}: ${{found.toFixed(2)}}`);
        }}
        return dim; }}""",
        LEAST,
    )
    return found


async def outlined(element: Locator) -> bool:
    """Whether it can be seen that it has the focus: 3 to 1 is enough for what is no text."""
    return bool(
        await element.evaluate(
            f"""element => {{ {_PALETTE}
            const style = getComputedStyle(element);
            const drawn = style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2;
            return drawn && contrast(style.outlineColor, behind(element)) >= 3; }}"""
        )
    )
