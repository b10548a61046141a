// Requests of a page to the API, with the session's token and under a deadline; what went wrong
// comes as one plain object, which `trouble.js` shows. Shows nothing and remembers nothing.

const DEADLINE_MS = 120_000;
const LONGEST_WAIT_S = 3600;
const NOT_UNDERSTOOD = "The service answered in a way that this page does not understand";
const UNREACHED = ["The service could not be reached."];

const csrfToken = document.querySelector("meta[name=csrf-token]").content;

/**
 * Send a request; `options` are those of fetch, and `deadlineMs`, two minutes without; `unreached`
 * is what is said where no answer comes.
 *
 * Resolves to {response, blob}, or to a trouble: {errors: [sentence], code, status, waitS},
 * `waitS` in seconds or null. Rejects with an AbortError where `options.signal` was aborted, and
 * with nothing else.
 */
export async function call(path, options = {}, unreached = UNREACHED) {
  const { deadlineMs = DEADLINE_MS } = options;
  const limit = AbortSignal.timeout(deadlineMs);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  const headers = { Accept: "application/json", "X-CSRF-Token": csrfToken, ...options.headers };
  try {
    const response = await fetch(path, { ...options, signal, headers, redirect: "error" });
    const blob = await response.blob();
    return response.ok ? { response, blob } : failure(response, parsed(await blob.text()));
  } catch (error) {
    if (options.signal?.aborted) throw new DOMException("not asked any more", "AbortError");
    return trouble(limit.aborted ? [late(deadlineMs)] : unreached);
  }
}

/** Send a request whose answer is JSON; resolves to {json} or to a trouble, rejects as `call`. */
export async function callForJson(path, options = {}, unreached = UNREACHED) {
  const outcome = await call(path, options, unreached);
  if (outcome.errors) return outcome;
  const json = parsed(await outcome.blob.text());
  return json === null ? misunderstood(outcome.response) : { json };
}

/** A word that names one order, so that sending it again makes no second job. */
export function newWord() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The trouble of an answer that is not what it should be. */
export function misunderstood({ status }) {
  return trouble([`${NOT_UNDERSTOOD} (status ${status}).`], null, status);
}

/** A trouble of the page's own making. */
export function trouble(errors, code = null, status = 0, waitS = null) {
  return { errors, code, status, waitS };
}

function late(deadlineMs) {
  return `The service did not answer within ${deadlineMs / 60_000} minutes.`;
}

function failure(response, json) {
  const sentences = sentencesOf(json);
  if (sentences === null) return misunderstood(response);
  const code = typeof json.code === "string" ? json.code : null;
  return trouble(sentences, code, response.status, waitOf(response.headers.get("Retry-After")));
}

function sentencesOf(json) {
  if (!Array.isArray(json?.errors)) return null;
  const sentences = json.errors.filter((line) => typeof line === "string");
  return sentences.length ? sentences : null;
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** Retry-After (RFC 9110, section 10.2.3), seconds or a date, as whole seconds; null if absent. */
function waitOf(header) {
  if (header === null) return null;
  const isNumber = /^\d+$/.test(header.trim());
  const seconds = isNumber ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) return null;
  return Math.min(Math.max(Math.ceil(seconds), 0), LONGEST_WAIT_S);
}
