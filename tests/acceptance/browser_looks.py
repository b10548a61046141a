"""What every state of a page must look like: readable in light and dark, whole on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.acceptance.browser_site import NARROW

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playwright.sync_api import Page

_LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3
# [text, contrast (WCAG 2.2, "relative luminance")] of all that is written on the page.
_CONTRASTS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], ground) => [r, g, b].map((c, i) => c * a + ground[i] * (1 - a));
  const ground = (node) => {
    if (node === null) return channels(getComputedStyle(document.body).backgroundColor);
    const own = channels(getComputedStyle(node).backgroundColor);
    return own[3] === undefined ? own : over(own, ground(node.parentElement));
  };
  const linear = (c) => (c / 255 <= 0.04045 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const parts = [0.2126, 0.7152, 0.0722];
  const luminance = (rgb) => rgb.reduce((sum, c, i) => sum + linear(c) * parts[i], 0);
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const faded = (node) => (node ? getComputedStyle(node).opacity * faded(node.parentElement) : 1);
  const written = (node) => node.matches("input:not([type=radio], [type=file]), select, textarea")
    || [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const seen = (node) => node.checkVisibility() && node.getBoundingClientRect().width > 1;
  const asHint = (node) => (node.placeholder && !node.value ? "::placeholder" : null);
  return [...document.body.querySelectorAll("*")].filter((node) => written(node) && seen(node))
    .map((node) => {
      const below = ground(node);
      const [r, g, b, a = 1] = channels(getComputedStyle(node, asHint(node)).color);
      const text = node.value || node.placeholder || node.textContent.trim();
      return [text, contrast(over([r, g, b, a * faded(node)], below), below)];
    });
}"""
# Fields, buttons and links of which a part is out of reach: beside the page, or of no size.
_UNREACHABLE = """() =>
  [...document.querySelectorAll("a, button, input, select, textarea, summary")]
  .filter((node) => node.checkVisibility() && !node.matches(".skip, .unseen, [type=hidden]"))
  .map((node) => [node.outerHTML.slice(0, 80), node.getBoundingClientRect()])
  .filter(([, { left, right, width, height }]) => left < 0 || right > innerWidth + 0.5
    || width < 8 || height < 8)
  .map(([html]) => html)"""
# Bars of what has no end known go on for ever.
_AT_REST = """() => document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().endTime < Infinity)
  .forEach((one) => one.finish())"""
_DARK_GROUND = "rgb(23, 23, 23)"


def check_looks(page: Page, states: Iterable[str]) -> None:
    """Look at each state in light and dark, and as narrow as a phone."""
    wide = page.viewport_size
    assert wide is not None
    for state in states:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(_AT_REST)
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (scheme == "dark") == (ground == _DARK_GROUND), ground
            written = page.evaluate(_CONTRASTS)
            assert len(written) >= 3
            faint = [pair for pair in written if pair[1] < _LEAST_CONTRAST]
            assert (state, scheme, faint) == (state, scheme, [])
        expect(page.locator("meta[name=viewport]")).to_have_count(1)
        page.set_viewport_size(NARROW)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert (state, width) == (state, NARROW["width"])
        assert (state, page.evaluate(_UNREACHABLE)) == (state, [])
        page.set_viewport_size(wide)
