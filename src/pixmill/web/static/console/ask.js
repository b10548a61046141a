// Asking the service about one picture: the request, and what became of it as one plain object.
// Shows nothing and remembers nothing.

import { callForJson, misunderstood } from "../api.js";

const PATH = "/console/look";
const FILE_NOT_TAKEN = [
  "The service did not take the file.",
  "It may be down, or the file is larger than it accepts or has changed since it was chosen.",
];

/**
 * Ask about `source` ({url} or {file}) under `choices` (parameter to text; empty ones left out).
 *
 * Resolves to {answer}, or to a trouble as `api.js` has it. Rejects with an AbortError where
 * `signal` was aborted, and with nothing else.
 */
export async function ask(source, choices, signal) {
  const query = new URLSearchParams();
  if (source.url !== undefined) query.set("url", source.url);
  for (const [name, value] of Object.entries(choices)) if (value !== "") query.set(name, value);
  const path = `${PATH}?${query}`;
  const outcome = source.file
    ? await callForJson(path, { signal, ...upload(source.file) }, FILE_NOT_TAKEN)
    : await callForJson(path, { signal });
  if (outcome.errors) return outcome;
  return isAnswer(outcome.json) ? { answer: outcome.json } : misunderstood({ status: 200 });
}

function upload(file) {
  const body = new FormData();
  body.append("image", file, file.name || "pasted");
  return { method: "POST", body };
}

function isAnswer(json) {
  return Boolean(json?.image)
    && Array.isArray(json.top?.colors)
    && Array.isArray(json.dominant?.colors)
    && (json.match === null || Boolean(json.match?.nearest && json.match.color));
}
