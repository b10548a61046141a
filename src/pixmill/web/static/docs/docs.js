// The browsable API: reads /openapi.json, lays its operations out by tag, and keeps the key that
// requests are sent with. The key lives in this page's memory alone.

import { element } from "../element.js";
import { fold } from "./operation.js";
import { prose } from "./prose.js";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const place = (id) => document.getElementById(id);
const csrfToken = document.querySelector("meta[name=csrf-token]").content;

let key = "";

function credential() {
  return key ? { key } : { csrfToken };
}

function operationsOf(description) {
  return Object.entries(description.paths ?? {}).flatMap(([path, item]) => METHODS
    .filter((method) => item[method])
    .map((method) => ({
      method: method.toUpperCase(),
      path,
      id: item[method].operationId ?? `${method}${path}`,
      about: item[method],
      inherited: item.parameters ?? [],
    })));
}

function grouped(operations) {
  const groups = new Map();
  for (const operation of operations) {
    const tag = operation.about.tags?.[0] ?? "other";
    groups.set(tag, [...(groups.get(tag) ?? []), operation]);
  }
  return groups;
}

function lay(description) {
  const { title = "", version = "", description: about = "" } = description.info ?? {};
  place("api-title").textContent = `${title} API ${version}`.trim();
  place("api-about").replaceChildren(...prose(about));
  const sections = [...grouped(operationsOf(description))].map(([tag, operations]) => element(
    "section",
    { class: "group" },
    element("h2", {}, tag),
    operations.map((operation) => fold(description, operation, credential)),
  ));
  place("operations").replaceChildren(...sections);
  openNamed();
}

// /docs#operation opens that operation, and an opened one writes its name there.
function openNamed() {
  const node = place(decodeURIComponent(location.hash.slice(1)));
  if (node?.tagName !== "DETAILS") return;
  node.open = true;
  node.scrollIntoView();
}

async function load() {
  const headers = { Accept: "application/json", "X-CSRF-Token": csrfToken };
  const response = await fetch("/openapi.json", { headers });
  if (response.status === 401) throw new Error("You are signed out.");
  if (!response.ok) {
    throw new Error(`The description of the API could not be read (status ${response.status}).`);
  }
  lay(await response.json());
}

function listenForKey() {
  const asSession = place("as").textContent;
  place("credential").addEventListener("submit", (event) => {
    event.preventDefault();
    key = place("key").value.trim();
    place("as").textContent = key ? "with the key you gave" : asSession;
  });
}

listenForKey();
addEventListener("hashchange", openNamed);
try {
  await load();
} catch (error) {
  place("trouble").hidden = false;
  place("trouble").append(element("p", {}, error.message),
    element("p", {}, element("a", { href: "/sign-in?next=/docs" }, "Sign in"), " or try again."));
}
place("loading").hidden = true;
