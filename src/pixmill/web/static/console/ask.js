// Asking the service about one picture: the request, and what became of it as one plain object.
// Shows nothing and remembers nothing.

const PATH = "/console/look";
const DEADLINE_MS = 120_000;
const LONGEST_WAIT_S = 3600;
const NOT_UNDERSTOOD = "The service answered in a way that this page does not understand";
const FILE_NOT_TAKEN = [
  "The service did not take the file.",
  "It may be down, or the file is larger than it accepts or has changed since it was chosen.",
];

/**
 * Ask about `source` ({url} or {file}) under `choices` (parameter to text; empty ones left out).
 *
 * Resolves to {answer}, or to a trouble: {errors: [sentence], code, status, waitS}, `waitS` in
 * seconds or null.
 * Rejects with an AbortError where `signal` was aborted, and with nothing else.
 */
export async function ask(source, choices, csrfToken, signal) {
  const limit = AbortSignal.timeout(DEADLINE_MS);
  try {
    const response = await send(source, choices, csrfToken, AbortSignal.any([signal, limit]));
    return await read(response);
  } catch (error) {
    if (signal.aborted) throw new DOMException("another question was asked", "AbortError");
    return unanswered(source, limit.aborted);
  }
}

function send(source, choices, csrfToken, signal) {
  const query = new URLSearchParams();
  if (source.url !== undefined) query.set("url", source.url);
  for (const [name, value] of Object.entries(choices)) if (value !== "") query.set(name, value);
  const headers = { Accept: "application/json", "X-CSRF-Token": csrfToken };
  const request = { signal, redirect: "error", headers };
  if (source.file) {
    request.method = "POST";
    request.body = new FormData();
    request.body.append("image", source.file, source.file.name || "pasted");
  }
  return fetch(`${PATH}?${query}`, request);
}

async function read(response) {
  const body = await response.text();
  const json = parsed(body);
  if (response.ok && isAnswer(json)) return { answer: json };
  return trouble(
    sentencesOf(json) ?? [`${NOT_UNDERSTOOD} (status ${response.status}).`],
    typeof json?.code === "string" ? json.code : null,
    response.status,
    waitOf(response.headers.get("Retry-After")),
  );
}

function sentencesOf(json) {
  if (!Array.isArray(json?.errors)) return null;
  const sentences = json.errors.filter((line) => typeof line === "string");
  return sentences.length ? sentences : null;
}

function isAnswer(json) {
  return Boolean(json?.image)
    && Array.isArray(json.top?.colors)
    && Array.isArray(json.dominant?.colors)
    && (json.match === null || Boolean(json.match?.nearest && json.match.color));
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function unanswered(source, late) {
  const causes = source.file ? FILE_NOT_TAKEN : ["The service could not be reached."];
  return trouble(late ? ["The service did not answer within two minutes."] : causes, null, 0, null);
}

function trouble(errors, code, status, waitS) {
  return { errors, code, status, waitS };
}

/** Retry-After (RFC 9110, section 10.2.3), seconds or a date, as whole seconds; null if absent. */
function waitOf(header) {
  if (header === null) return null;
  const isNumber = /^\d+$/.test(header.trim());
  const seconds = isNumber ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) return null;
  return Math.min(Math.max(Math.ceil(seconds), 0), LONGEST_WAIT_S);
}
