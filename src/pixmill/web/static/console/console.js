// The console: a picture and choices in, a question to the service, its answer on the page. The
// newest question alone counts; whatever an older one brings is dropped.

import { followMetric } from "../metric.js";
import { clearTrouble, showTrouble } from "../trouble.js";
import { show } from "./answer.js";
import { ask } from "./ask.js";
import { faults, read, refreshPalettes } from "./choices.js";
import { listen } from "./source.js";

const PAUSE_MS = 250;
const NOT_UNDERSTOOD = "The service answered in a way that this page does not understand.";

const place = (id) => document.getElementById(id);
const form = place("choices");
const csrfToken = document.querySelector("meta[name=csrf-token]").content;

let source = null;
let question = null;
let pause = 0;

function forget() {
  clearTimeout(pause);
  question?.abort();
  question = null;
}

function busy(yes) {
  place("busy").hidden = !yes;
  place("answer").setAttribute("aria-busy", yes);
  if (yes) place("status").textContent = "Looking…";
}

function fail(trouble) {
  place("status").textContent = "";
  place("answer").hidden = true;
  place("empty").hidden = true;
  showTrouble(place("trouble"), trouble, look);
}

function refuse(...sentences) {
  forget();
  busy(false);
  fail({ errors: sentences, code: null, status: null, waitS: null });
}

async function look() {
  forget();
  const wrong = faults(form);
  if (source === null) return;
  if (wrong.length) {
    refuse(...wrong);
    return;
  }
  question = new AbortController();
  await follow(question);
}

async function follow(mine) {
  clearTrouble(place("trouble"));
  busy(true);
  let outcome;
  try {
    outcome = await ask(source, read(form), mine.signal);
  } catch {
    return; // a newer question was asked
  }
  if (mine !== question) return;
  busy(false);
  if (outcome.answer) present(outcome.answer);
  else fail(outcome);
}

function present(answer) {
  let summary;
  try {
    summary = show(answer);
  } catch {
    fail({ errors: [NOT_UNDERSTOOD], code: null, status: null, waitS: null });
    return;
  }
  place("empty").hidden = true;
  place("status").textContent = summary;
  place("answer").hidden = false;
}

// On a narrow screen the results stand under the form: a new picture leads there.
function reveal() {
  const { top } = place("status").getBoundingClientRect();
  if (top > innerHeight * 0.75) place("status").scrollIntoView({ block: "start" });
}

function lookSoon() {
  forget();
  pause = setTimeout(look, PAUSE_MS);
}

listen(
  (found) => { source = found; look(); reveal(); },
  (sentence) => { source = null; refuse(sentence); },
);
followMetric(form, "color_space");
for (const name of ["input", "change"]) {
  form.addEventListener(name, (event) => { if (event.target.name) lookSoon(); });
}
refreshPalettes(form.elements.palette, csrfToken);
