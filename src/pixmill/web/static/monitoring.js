// Keeps the page live: the server draws it anew, and the part that changes is put in its place.

const EVERY_MS = 5000;
const state = document.querySelector("#state");
const words = state.textContent;

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, {
      headers: { Accept: "text/html" },
      credentials: "same-origin",
      redirect: "error",
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("#live").replaceWith(page.querySelector("#live"));
    if (state.textContent !== words) state.textContent = words;
  } catch {
    state.textContent = `${words}; not renewed just now`;
  }
}

setInterval(renew, EVERY_MS);
document.addEventListener("visibilitychange", renew);
