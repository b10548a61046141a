// Keeps a page of jobs live while something runs: the server draws it anew, and the part that
// changes is put in its place. When to ask is told by events where the page names some, and by the
// clock besides, since what stands between may hold events back.

import { call } from "../api.js";
import { clearTrouble, showTrouble } from "../trouble.js";

const EVERY_MS = 3000;
const OVER = [401, 403, 404];

const place = (id) => document.getElementById(id);

let events = null;
let timer = 0;
let renewing = null;
let isStale = false; // something happened while the page was being asked for
let told = ""; // the trouble that is shown

/** Renew the page from time to time for as long as it says that something runs. */
export function follow() {
  const { follow: way, events: path } = place("live").dataset;
  const isFollowed = Boolean(way) && !document.hidden;
  clearTimeout(timer);
  if (isFollowed) timer = setTimeout(renew, EVERY_MS);
  listen(isFollowed ? path : undefined);
}

/** Show the page as it stands now, and follow on. */
export function renew() {
  isStale = true;
  renewing ??= renewAll().finally(() => { renewing = null; });
  return renewing;
}

async function renewAll() {
  while (isStale) {
    isStale = false;
    const outcome = await call(location.href, { headers: { Accept: "text/html" } });
    if (outcome.errors) fail(outcome);
    else show(new DOMParser().parseFromString(await outcome.blob.text(), "text/html"));
    if (OVER.includes(outcome.status)) {
      stop();
      return;
    }
  }
  follow();
}

function show(page) {
  if (told) clearTrouble(place("trouble"));
  told = "";
  const before = place("live");
  const after = page.getElementById("live");
  if (before.outerHTML === after.outerHTML) return;
  const focused = before.contains(document.activeElement) ? document.activeElement.id : null;
  const was = before.dataset.state;
  before.replaceWith(after);
  document.title = page.title;
  if (focused !== null) (place(focused) ?? place("title")).focus();
  if (after.dataset.state !== was) place("state").textContent = `The job is ${after.dataset.state}.`;
}

// Said once, or a screen reader would read it every few seconds.
function fail(trouble) {
  const words = trouble.errors.join(" ");
  if (words !== told) showTrouble(place("trouble"), trouble, renew);
  told = words;
}

function listen(path) {
  if (!path) stopListening();
  else events ??= listening(path);
}

function listening(path) {
  const source = new EventSource(path);
  source.addEventListener("job", renew);
  return source;
}

function stopListening() {
  events?.close();
  events = null;
}

function stop() {
  clearTimeout(timer);
  stopListening();
}

document.addEventListener("visibilitychange", () => { if (place("live").dataset.follow) renew(); });
