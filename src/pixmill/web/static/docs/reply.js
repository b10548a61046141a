// What came back, shown: status, headers, and the body as JSON, text, a picture or a file to save.
// A body is read up to a bound; an event stream is shown as it grows.

import { element } from "../element.js";

const MOST_BYTES = 16_000_000;
const MOST_SHOWN = 200_000;
const PICTURES = /^image\/(png|jpeg|gif|webp|avif|bmp)\b/;
const TEXTS = /json|^text\/|xml|csv/;

/** Show `response` in `reply` ({verdict, rest}); rejects where the connection breaks. */
export async function showReply(reply, response) {
  const type = response.headers.get("Content-Type") ?? "";
  const body = element("div");
  reply.verdict.textContent = `${response.status} ${response.statusText}`.trim();
  reply.rest.replaceChildren(
    element("details", {},
      element("summary", {}, "Headers"), element("pre", { tabindex: 0 }, headerLines(response))),
    body,
  );
  const isStream = type.startsWith("text/event-stream");
  const grew = (text) => body.replaceChildren(preformatted(text));
  const read = await drain(response, isStream ? grew : null);
  body.replaceChildren(...bodyNodes(read, type));
}

function headerLines(response) {
  return [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
}

async function drain(response, grew) {
  const chunks = [];
  let bytes = 0;
  if (response.body) {
    for await (const chunk of pieces(response.body.getReader())) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (grew) grew(await new Blob(chunks).text());
      if (bytes > MOST_BYTES) return { blob: new Blob(chunks), cut: true };
    }
  }
  return { blob: new Blob(chunks), cut: false };
}

async function* pieces(reader) {
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function bodyNodes({ blob, cut }, type) {
  if (blob.size === 0) return [element("p", { class: "hint" }, "No body.")];
  if (cut) return [element("p", { class: "hint" }, `The body goes on after ${blob.size} bytes.`)];
  const typed = new Blob([blob], { type });
  if (PICTURES.test(type)) return [pictureOf(typed), saveButton(typed)];
  if (TEXTS.test(type)) return [later(typed, type)];
  return [saveButton(typed)];
}

function pictureOf(blob) {
  const address = URL.createObjectURL(blob);
  const forget = () => URL.revokeObjectURL(address);
  return element("img", { alt: "The body, a picture", src: address, load: forget, error: forget });
}

function saveButton(blob) {
  const save = () => {
    const address = URL.createObjectURL(blob);
    element("a", { href: address, download: "body" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  const attributes = { type: "button", class: "quiet", click: save };
  return element("p", {}, element("button", attributes, `Save ${blob.size} bytes`));
}

function later(blob, type) {
  const node = preformatted("");
  const shaped = type.includes("json") ? indented : String;
  blob.text().then((text) => { node.textContent = cutText(shaped(text)); });
  return node;
}

function preformatted(text) {
  return element("pre", { tabindex: 0 }, cutText(text));
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function cutText(text) {
  if (text.length <= MOST_SHOWN) return text;
  return `${text.slice(0, MOST_SHOWN)}\n… ${text.length - MOST_SHOWN} characters more`;
}
