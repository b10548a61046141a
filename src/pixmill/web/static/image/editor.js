// The field of the chain: its lines numbered, mistakes at their lines, lines put in by buttons.

import { element } from "../element.js";

const field = document.getElementById("text");
const gutter = document.getElementById("gutter");
const list = document.getElementById("mistakes");

let wrong = new Set();

/** Number the lines, now and as they change. */
export function numberLines() {
  field.addEventListener("input", draw);
  field.addEventListener("scroll", () => { gutter.scrollTop = field.scrollTop; });
  draw();
}

function draw() {
  const count = field.value.split("\n").length;
  gutter.replaceChildren(...Array.from({ length: count }, (_, index) => {
    const isWrong = wrong.has(index + 1);
    return element("span", { class: isWrong && "wrong" }, String(index + 1));
  }));
  gutter.scrollTop = field.scrollTop;
}

/** Show mistakes ({number, sentence}), none of which takes the old ones away. */
export function showMistakes(mistakes) {
  wrong = new Set(mistakes.map(({ number }) => number));
  field.setAttribute("aria-invalid", mistakes.length > 0);
  list.replaceChildren(...mistakes.map(({ number, sentence }) => element("li", {},
    number && element("button", { type: "button", class: "line", click: () => select(number) },
      `Line ${number}`),
    number ? ` ${sentence}` : sentence)));
  draw();
}

function select(number) {
  const lines = field.value.split("\n");
  const start = lines.slice(0, number - 1).reduce((sum, line) => sum + line.length + 1, 0);
  field.focus();
  field.setSelectionRange(start, start + lines[number - 1].length);
}

/** Put a line behind the one that the caret is in, or in its place where that one is blank. */
export function insertLine(line) {
  const { value, selectionEnd } = field;
  const found = value.indexOf("\n", selectionEnd);
  const end = found < 0 ? value.length : found;
  const start = value.lastIndexOf("\n", end - 1) + 1;
  const isBlank = value.slice(start, end).trim() === "";
  field.setRangeText(isBlank ? line : `\n${line}`, isBlank ? start : end, end, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
