// A trouble, shown: what went wrong in the service's own sentences, its code, and what to do next.

import { element } from "./element.js";

const SIGN_IN = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
const SIGNED_OUT = "You are signed out: your session ended, or its key was revoked.";

/** Show `trouble` in `place`; `again` is called where the user asks for another try. */
export function showTrouble(place, trouble, again) {
  clearInterval(place.countdown);
  place.hidden = false;
  place.replaceChildren(
    ...sentences(trouble).map((line) => element("p", {}, line)),
    ...wayOut(place, trouble, again),
    ...codeOf(trouble),
  );
}

// What the API says of missing credentials is meant for programs.
function sentences({ status, errors }) {
  return status === 401 ? [SIGNED_OUT] : errors;
}

function wayOut(place, trouble, again) {
  if (trouble.status === 401) {
    return [element("p", {}, element("a", { href: SIGN_IN }, "Sign in"), " to go on.")];
  }
  return mayHelp(trouble) ? [wait(place, trouble.waitS ?? 0, again)] : [];
}

function codeOf({ code }) {
  return code ? [element("p", { class: "code" }, "Code: ", element("code", {}, code))] : [];
}

/** Nothing is wrong any more. */
export function clearTrouble(place) {
  clearInterval(place.countdown);
  place.hidden = true;
  place.replaceChildren();
}

function mayHelp({ status }) {
  return status === 0 || status === 429 || status >= 500;
}

// Counted down for the eye alone: a screen reader is told once.
function wait(place, seconds, again) {
  const button = element("button", { type: "button", class: "quiet", click: again }, "Try again");
  if (seconds <= 0) return element("p", {}, button);
  const left = element("span", { "aria-hidden": "true" });
  const told = element("span", { class: "unseen" }, `Try again in ${seconds} seconds.`);
  const until = Date.now() + seconds * 1000;
  const tick = () => {
    const rest = Math.ceil((until - Date.now()) / 1000);
    button.disabled = rest > 0;
    left.textContent = rest > 0 ? ` Try again in ${rest} s.` : "";
    if (rest > 0) return;
    told.remove();
    clearInterval(place.countdown);
  };
  place.countdown = setInterval(tick, 250);
  tick();
  return element("p", {}, button, left, told);
}
