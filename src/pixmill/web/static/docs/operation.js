// One operation of the API as a fold: what it does, a form, the answer, the answers it documents.

import { element } from "../element.js";
import { bodyFields } from "./body.js";
import { field } from "./fields.js";
import { prose } from "./prose.js";
import { showReply } from "./reply.js";
import { build } from "./request.js";
import { example, resolve } from "./schema.js";

/**
 * The fold of `operation` ({method, path, id, about, inherited}); what is inside is made when it is
 * first opened. `credential()` gives what requests are sent with.
 */
export function fold(document, operation, credential) {
  const { method, path, about } = operation;
  const inside = element("div", { class: "inside" });
  const gist = `${about.summary ?? ""}${about.deprecated ? " (deprecated)" : ""}`;
  const kind = `operation${about.deprecated ? " deprecated" : ""}`;
  const node = element("details", { class: kind, id: operation.id },
    element("summary", {},
      element("span", { class: "method" }, method),
      element("span", { class: "path" }, path),
      element("span", { class: "gist" }, gist)),
    inside);
  node.addEventListener("toggle", () => {
    if (node.open && !inside.firstChild) inside.append(...fill(document, operation, credential));
  });
  return node;
}

function fill(document, operation, credential) {
  const reply = placeOfReply();
  return [
    description(operation.about.description),
    form(document, operation, credential, reply),
    reply.node,
    statuses(document, operation.about.responses ?? {}),
  ].filter(Boolean);
}

// The verdict alone is read out; a body of thousands of lines is there to be gone to.
function placeOfReply() {
  const verdict = element("p", { class: "verdict", role: "status" });
  const rest = element("div", { class: "rest" });
  return { node: element("div", { class: "reply", hidden: true }, verdict, rest), verdict, rest };
}

function description(text) {
  if (!text) return null;
  const paragraphs = text.split(/\n\s*\n/).map((part) => element("p", {}, prose(part)));
  return element("div", { class: "about" }, paragraphs);
}

function parametersOf(document, { about, inherited }) {
  const all = [...inherited, ...(about.parameters ?? [])].map((one) => resolve(document, one));
  const own = new Map(all.map((one) => [`${one.in} ${one.name}`, one]));
  return [...own.values()].filter((one) => one.in !== "cookie");
}

function form(document, operation, credential, reply) {
  const fields = parametersOf(document, operation).map((one) => [one, field(document, one)]);
  const body = bodyFields(document, operation.about.requestBody);
  const { method, path } = operation;
  const request = () => build(method, path, pairsOf(fields), body?.body() ?? null, credential());
  const command = element("pre", { tabindex: 0 });
  const tell = () => { command.textContent = request().curl; };
  const stop = element("button", { type: "button", class: "quiet", hidden: true }, "Stop");
  const send = sender(reply, stop);
  const node = element("form", { submit: (event) => { event.preventDefault(); send(request()); } },
    fields.map(([, { row }]) => row), body?.node,
    element("div", { class: "actions" }, element("button", { type: "submit" }, "Send"), stop),
    element("details", { class: "statuses", toggle: tell },
      element("summary", {}, "As a command"), command));
  node.addEventListener("input", tell);
  return node;
}

function pairsOf(fields) {
  return fields.flatMap(([one, { values }]) => values().map((value) => [one.in, one.name, value]));
}

// One request at a time: a newer one, or the button, ends the one under way.
function sender(reply, stop) {
  let current = null;
  stop.addEventListener("click", () => current?.abort());
  return async ({ url, options }) => {
    current?.abort();
    const mine = new AbortController();
    current = mine;
    stop.hidden = false;
    reply.node.hidden = false;
    reply.verdict.textContent = "Waiting…";
    reply.rest.replaceChildren();
    try {
      const response = await fetch(url, { ...options, signal: mine.signal });
      await showReply(reply, response);
      const bySession = options.credentials !== "omit";
      if (response.status === 401 && bySession && mine === current) reply.rest.prepend(wayIn());
    } catch (error) {
      if (mine !== current) return;
      const { aborted } = mine.signal;
      reply.verdict.textContent = aborted ? "Stopped." : `No whole answer: ${error.message}`;
    }
    if (mine === current) stop.hidden = true;
  };
}

function wayIn() {
  const link = element("a", { href: "/sign-in?next=/docs" }, "Sign in");
  return element("p", {}, "You are signed out: your session ended, or its key was revoked. ", link,
    " to go on.");
}

function statuses(document, responses) {
  const rows = Object.entries(responses).flatMap(([status, response]) => {
    const found = resolve(document, response);
    const [[type, media] = []] = Object.entries(found.content ?? {});
    const value = media?.example ?? (media?.schema && example(document, media.schema));
    const shown = type?.endsWith("json") && value !== undefined
      ? element("pre", { tabindex: 0 }, JSON.stringify(value, null, 2))
      : null;
    return [
      element("dt", { class: "mono" }, status),
      element("dd", {}, prose(found.description ?? ""), type ? `, ${type}` : null, shown),
    ];
  });
  if (!rows.length) return null;
  const summary = element("summary", {}, "Documented answers");
  return element("details", { class: "statuses" }, summary, element("dl", {}, rows));
}
