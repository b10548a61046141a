// Keeps a page of jobs live while something runs: the server draws it anew, and the part that
// changes is put in its place. When to ask is told by events where the page names some, and by the
// clock besides, since what stands between may hold events back.

import { call } from "../api.js";
import { clearTrouble, showTrouble } from "../trouble.js";

const EVERY_MS = { events: 3000, often: 3000, seldom: 30_000 };
const OVER = [401, 403, 404];

const place = (id) => document.getElementById(id);

let events = null;
let timer = 0;
let renewing = null;
let isStale = false; // something happened while the page was being asked for
let told = ""; // the trouble that is shown

/** Renew the page from time to time for as long as it says that something runs. */
export function follow(waitS = 0) {
  const { follow: way, events: path } = place("live").dataset;
  const isFollowed = Boolean(way) && !document.hidden;
  clearTimeout(timer);
  if (isFollowed) timer = setTimeout(renew, Math.max(EVERY_MS[way], waitS * 1000));
  listen(isFollowed ? path : undefined);
}

/** Show the page as it stands now, and follow on. */
export function renew() {
  isStale = true;
  renewing ??= renewAll().finally(() => { renewing = null; });
  return renewing;
}

async function renewAll() {
  let waitS = 0;
  while (isStale) {
    isStale = false;
    const outcome = await call(location.href, { headers: { Accept: "text/html" } });
    if (outcome.errors) fail(outcome);
    else show(new DOMParser().parseFromString(await outcome.blob.text(), "text/html"));
    if (OVER.includes(outcome.status)) {
      stop();
      return;
    }
    waitS = outcome.waitS ?? 0;
    if (waitS) break;
  }
  follow(waitS);
}

function show(page) {
  if (told) clearTrouble(place("trouble"));
  told = "";
  const before = place("live");
  const after = page.getElementById("live");
  if (before.outerHTML === after.outerHTML || isSelecting(before)) return;
  const focused = before.contains(document.activeElement) ? document.activeElement : null;
  const was = before.dataset.state;
  before.replaceWith(after);
  document.title = page.title;
  if (focused) (twin(focused, after) ?? place("title")).focus({ preventScroll: true });
  if (after.dataset.state !== was) place("state").textContent = `The job is ${after.dataset.state}.`;
}

/** What stands in the new part where `old` stood in the old one, which is what it leads to. */
function twin(old, part) {
  const same = ({ id, href, textContent }) => (
    id === old.id && href === old.href && textContent === old.textContent);
  return [...part.querySelectorAll(old.localName)].find(same);
}

function isSelecting(part) {
  const selection = getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
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
