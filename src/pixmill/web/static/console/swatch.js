// A color as a button that copies its hex.

import { copy } from "../clipboard.js";
import { element } from "../element.js";
import { hexOf, percent } from "../words.js";

const TOLD_MS = 1500;

/**
 * A button showing `color` ({hex, share}) with `notes` under the hex and `title` over it.
 * Null where the hex is no color.
 */
export function swatch(color, { title = null, notes = [], spoken = notes.join(", ") } = {}) {
  const hex = hexOf(color?.hex);
  if (hex === null) return null;
  const patch = element("span", { class: "patch" });
  patch.style.backgroundColor = hex;
  const shown = element("span", { class: "hex" }, hex);
  const text = element("span", { class: "text" },
    title && element("span", { class: "title" }, title), shown,
    notes.map((note) => element("span", { class: "note" }, note)));
  const name = [title, hex, spoken, "copy"].filter(Boolean).join(", ");
  return element("button", {
    type: "button",
    class: "swatch",
    "aria-label": name,
    title: `Copy ${hex}`,
    click: () => copyHex(hex, shown),
  }, patch, text);
}

/** Many swatches as list items, with shares and, where known, counts. */
export function swatches(colors, countOf = () => "") {
  return colors.map((color) => {
    const share = percent(color.share);
    const counted = countOf(color);
    const spoken = [share && `${share} of the picture`, counted].filter(Boolean).join(", ");
    const button = swatch(color, { notes: [share, counted].filter(Boolean), spoken });
    return button && element("li", {}, button);
  }).filter(Boolean);
}

async function copyHex(hex, shown) {
  const done = await copy(hex);
  const outcome = done ? "copied" : "could not be copied, but is selected";
  document.getElementById("copied").textContent = `${hex} ${outcome}`;
  if (!done) {
    getSelection().selectAllChildren(shown);
    return;
  }
  shown.textContent = "Copied";
  setTimeout(() => { shown.textContent = hex; }, TOLD_MS);
}
