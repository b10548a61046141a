// The page that sends a list: what is to be done with it goes into the query, the list is the body.
// One word names the order for as long as nothing of it changes, so that it becomes one job however
// often it is sent.

import { callForJson, newWord, trouble } from "../api.js";
import { followMetric } from "../metric.js";
import { clearTrouble, showTrouble } from "../trouble.js";
import { followKind, suggestReference } from "./choices.js";
import { listen } from "./list.js";

const DEADLINE_MS = 3_600_000; // a long list over a slow line
const NOTHING = "Choose a file with URLs, drop one, or paste URLs.";
const NOT_TAKEN = [
  "The service did not take the list.",
  "It may be down, or the file has changed since it was chosen: choose it again.",
];

const place = (id) => document.getElementById(id);
const form = place("batch");

let list = null; // {body, type}
let word = null;
let isSending = false;

function query() {
  const given = [...new FormData(form)].map(([name, value]) => [name, value.trim()]);
  return new URLSearchParams(given.filter(([, value]) => value !== ""));
}

async function send() {
  if (isSending) return;
  clearTrouble(place("trouble"));
  if (list === null) {
    fail(trouble([NOTHING], null, 400));
    return;
  }
  const wrong = [...form.elements].find((field) => !field.checkValidity());
  if (wrong) {
    wrong.setAttribute("aria-invalid", "true");
    fail(trouble([`${wrong.labels[0].textContent.trim()}: ${wrong.validationMessage}`], null, 400));
    wrong.focus();
    return;
  }
  word ??= newWord();
  busy(true);
  const outcome = await callForJson(`/jobs?${query()}`, {
    method: "POST",
    headers: { "Content-Type": list.type, "Idempotency-Key": word },
    body: list.body,
    deadlineMs: DEADLINE_MS,
  }, NOT_TAKEN);
  if (!outcome.errors) {
    location.assign(outcome.json.links.self); // nothing is sent any more until the page is left
    return;
  }
  busy(false);
  fail(outcome);
}

function busy(yes) {
  isSending = yes;
  place("send").disabled = yes;
  place("sending").textContent = yes ? "Sending…" : "";
}

function fail(what) {
  showTrouble(place("trouble"), what, send);
  place("trouble").scrollIntoView({ block: "nearest" });
}

function changed() {
  word = null;
}

listen(
  (found) => {
    list = found;
    changed();
    clearTrouble(place("trouble"));
    if (found?.name) suggestReference(form.elements.reference, found.name);
  },
  (sentence) => {
    list = null;
    fail(trouble([sentence], null, 400));
  },
);
followKind(form);
followMetric(form, "space");
for (const name of ["input", "change"]) {
  form.addEventListener(name, ({ target }) => {
    target.removeAttribute("aria-invalid");
    changed();
  });
}
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  changed(); // who comes back wants another job
  busy(false);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
