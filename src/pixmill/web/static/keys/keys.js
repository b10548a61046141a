// The page of keys: one is made and shown once, one is revoked after a question.

import { call, callForJson } from "../api.js";
import { copyOnClick } from "../clipboard.js";
import { clearTrouble, showTrouble } from "../trouble.js";

// By scope: what asks the service for something that a key with it may have.
const TRIES = [
  ["match", "", "/colours/match?url=https://example.org/picture.jpg"],
  ["read", "", "/images"],
  ["write", "-F image=@picture.jpg ", "/images"],
  ["jobs", "", "/jobs"],
  ["metrics", "", "/metrics"],
];

const place = (id) => document.getElementById(id);
const form = place("make");
const question = place("question");

let asked = null; // what the question is about: the data of its button

function commandFor({ name, scopes, key }) {
  const isOpen = ([scope]) => scopes.includes(scope) || scopes.includes("admin");
  const [, flags, path] = TRIES.find(isOpen);
  return `curl -u '${name}:${key}' ${flags}'${location.origin}${path}'`;
}

async function make() {
  const data = new FormData(form);
  const body = JSON.stringify({ name: data.get("name").trim(), scopes: data.getAll("scopes") });
  const headers = { "Content-Type": "application/json" };
  const outcome = await busily(form.querySelector("button"), callForJson("/keys", {
    method: "POST", headers, body,
  }));
  clearTrouble(place("make-trouble"));
  form.elements.name.removeAttribute("aria-invalid");
  if (outcome.errors) {
    form.elements.name.setAttribute("aria-invalid", outcome.status === 400 || outcome.status === 409);
    showTrouble(place("make-trouble"), outcome, make);
    await renew(); // it may have been made, and its answer lost
    return;
  }
  present(outcome.json);
  form.reset();
  await renew();
}

function present(made) {
  place("made-name").textContent = made.name;
  place("made-key").textContent = made.key;
  place("made-command").textContent = commandFor(made);
  place("made").hidden = false;
  place("status").textContent = "";
  place("made-title").focus();
  place("made").scrollIntoView({ block: "nearest" });
}

function ask({ dataset }) {
  asked = dataset;
  place("question-name").textContent = dataset.name;
  place("question-own").hidden = dataset.own === undefined;
  question.returnValue = "";
  question.showModal();
}

async function revoke(key) {
  const path = `/keys/${encodeURIComponent(key.prefix)}`;
  const outcome = await callForJson(path, { method: "DELETE" });
  clearTrouble(place("list-trouble"));
  place("status").textContent = "";
  if (outcome.errors) {
    showTrouble(place("list-trouble"), outcome, () => revoke(key));
    return;
  }
  if (key.own !== undefined) {
    location.assign("/sign-in?next=/keys");
    return;
  }
  place("status").textContent = `The key ${key.name} is revoked.`;
  if (place("made-key").textContent.startsWith(`${key.prefix}_`)) place("made").hidden = true;
  await renew();
  place("list-title").focus();
}

// The server draws the list anew, and it is put in the place of the old one.
async function renew() {
  const outcome = await call("/keys", { headers: { Accept: "text/html" } });
  if (outcome.errors) {
    showTrouble(place("list-trouble"), outcome, renew);
    return;
  }
  clearTrouble(place("list-trouble"));
  const page = new DOMParser().parseFromString(await outcome.blob.text(), "text/html");
  place("list").replaceWith(page.getElementById("list"));
}

async function busily(button, work) {
  button.disabled = true;
  try {
    return await work;
  } finally {
    button.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  make();
});
document.addEventListener("click", ({ target }) => {
  if (target.matches("#list button")) ask(target);
});
question.addEventListener("close", () => {
  if (question.returnValue === "revoke") revoke(asked);
});
copyOnClick(place("copy-key"), () => place("made-key").textContent, place("copied"), place("made-key"));
copyOnClick(
  place("copy-command"),
  () => place("made-command").textContent,
  place("copied"),
  place("made-command"),
);
