// Keeps a page of jobs live while something runs: the server draws it anew, and the part that
// changes is put in its place. When to ask is told by events where the page names some, and by the
// clock besides, since what stands between may hold events back.

import { call } from "../api.js";
import { clearTrouble, showTrouble } from "../trouble.js";

const OFTEN_MS = 3000;
const EVERY_MS = { events: OFTEN_MS, often: OFTEN_MS, seldom: 30_000 };
const OVER = [401, 403, 404];

const place = (id) => document.getElementById(id);

let events = null;
let timer = 0;
let renewing = null;
let isStale = false; // something happened while the page was being asked for
let isBehind = false; // the page as it stands now is not shown yet
let told = ""; // the trouble that is shown

/** Renew the page from time to time for as long as it says that something runs. */
export function follow(waitS = 0) {
  const { follow: way, events: path } = place("live").dataset;
  const isFollowed = (Boolean(way) || isBehind) && !document.hidden;
  clearTimeout(timer);
  if (isFollowed) timer = setTimeout(renew, Math.max(EVERY_MS[way] ?? OFTEN_MS, waitS * 1000));
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
  const isNew = before.outerHTML !== after.outerHTML;
  isBehind = isNew && isInUse(before);
  if (!isNew || isBehind) return;
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

/** Whether somebody selects text of the part, or is asked something and goes back there then. */
function isInUse(part) {
  const selection = getSelection();
  const isSelected = !selection.isCollapsed && selection.containsNode(part, true);
  return isSelected || document.querySelector("dialog[open]") !== null;
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

document.addEventListener("visibilitychange", () => {
  if (place("live").dataset.follow || isBehind) renew();
});
