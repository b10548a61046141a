// The body of a request: a form part for each property, a text, or a file as it is.

import { element } from "../element.js";
import { field } from "./fields.js";
import { example, resolve } from "./schema.js";

/**
 * The fields of `requestBody` as {node, body}; `body()` gives {content, type, curl}, where `type`
 * is the media type to send (null where the browser writes it) and `curl` the words for a command.
 * Null where the operation takes no body.
 */
export function bodyFields(document, requestBody) {
  const found = requestBody && resolve(document, requestBody);
  const kinds = Object.entries(found?.content ?? {});
  if (!kinds.length) return null;
  const node = element("div", { class: "inside-body" });
  let current = null;
  const pick = (index) => {
    current = oneKind(document, kinds[index], found.required === true);
    node.replaceChildren(...(kinds.length > 1 ? [chooser] : []), ...current.rows);
  };
  const chooser = chooserOf(kinds.map(([type]) => type), pick);
  pick(0);
  return { node, body: () => current.body() };
}

function chooserOf(types, pick) {
  const select = element(
    "select",
    { "aria-label": "Media type of the body", change: () => pick(select.selectedIndex) },
    types.map((type) => element("option", {}, type)),
  );
  const label = element("span", { class: "label" }, "body");
  return element("div", { class: "parameter" }, label, select);
}

function oneKind(document, [type, media], required) {
  const schema = resolve(document, media.schema);
  if (type.startsWith("multipart/")) return formKind(document, schema, null);
  if (type === "application/x-www-form-urlencoded") return formKind(document, schema, type);
  if (type.endsWith("json") || type.startsWith("text/")) {
    return textKind(document, type, media, required);
  }
  return fileKind(document, type, required);
}

function formKind(document, schema, type) {
  const named = Object.entries(schema.properties ?? {}).map(([name, inner]) => {
    const required = schema.required?.includes(name);
    return [name, field(document, { name, in: "form", schema: inner, required })];
  });
  const body = () => {
    const pairs = named.flatMap(([name, { values }]) => values().map((value) => [name, value]));
    const content = type ? new URLSearchParams(pairs) : new FormData();
    if (!type) for (const [name, value] of pairs) content.append(name, value);
    const curl = pairs.map(([name, value]) => [
      type ? "--data-urlencode" : "-F",
      `${name}=${value instanceof File ? `@${value.name}` : value}`,
    ]);
    return { content, type: null, curl };
  };
  return { rows: named.map(([, { row }]) => row), body };
}

function textKind(document, type, media, required) {
  const isJson = type.endsWith("json");
  const [first] = Object.values(media.examples ?? {});
  const given = media.example ?? first?.value ?? example(document, media.schema);
  const text = isJson ? JSON.stringify(given, null, 2) : String(given ?? "");
  const { row, values } = field(document, {
    name: "body",
    in: type,
    schema: { type: isJson ? "object" : "string" },
    required,
    multiline: true,
    text,
  });
  const body = () => {
    const [content = ""] = values();
    return { content, type, curl: [["-H", `Content-Type: ${type}`], ["--data-binary", content]] };
  };
  return { rows: [row], body };
}

function fileKind(document, type, required) {
  const schema = { format: "binary" };
  const { row, values } = field(document, { name: "body", in: type, schema, required });
  const body = () => {
    const [content = null] = values();
    const known = type.includes("*") ? content?.type || "application/octet-stream" : type;
    const curl = [["-H", `Content-Type: ${known}`], ["--data-binary", `@${content?.name ?? ""}`]];
    return { content, type: known, curl };
  };
  return { rows: [row], body };
}
