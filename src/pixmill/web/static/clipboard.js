// Putting text into the clipboard, which is closed to pages that did not come over TLS or from this
// machine; there the old way is tried.

import { element } from "./element.js";

const TOLD_MS = 1500;

/** Copy `text`; resolves to whether that was done. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text);
  }
}

// Within an open dialog nothing outside can be selected.
function copyTheOldWay(text) {
  const before = document.activeElement;
  const field = element("textarea", { class: "unseen", readonly: true, tabindex: -1 });
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}

/**
 * Let a button copy what `text()` gives, and say so in its place and to a screen reader through
 * `status`; `shown` is selected where copying is not allowed.
 */
export function copyOnClick(button, text, status, shown = null) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const done = await copy(text());
    status.textContent = done ? "Copied." : "Could not be copied.";
    if (!done && shown) getSelection().selectAllChildren(shown);
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = label; status.textContent = ""; }, TOLD_MS);
  });
}
