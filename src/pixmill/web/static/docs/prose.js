// Sentences of the API's description as nodes: of Markdown, what they use, words between backticks.

import { element } from "../element.js";

/** The text as a list of texts and `code` elements. */
export function prose(text) {
  return text.split("`").map((piece, index) => (index % 2 ? element("code", {}, piece) : piece));
}
