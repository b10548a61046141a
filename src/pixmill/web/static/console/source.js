// Where the picture comes from: the URL field, a chosen or dropped file, the clipboard. One at a
// time; calls `changed` with {url} or {file} whenever there is a new one.

import { listenForDrops } from "../drops.js";
import { size } from "../words.js";

const INVITATION = "or drop or paste one anywhere on this page";
const NO_IMAGE_URL = "An image URL begins with http:// or https://.";
const NOTHING_GIVEN = "Give the URL of a picture, or choose a file.";

/** Listen for pictures; `refused` is called with a sentence where one can not be taken. */
export function listen(changed, refused) {
  const field = document.getElementById("url");
  const input = document.getElementById("file");
  const chosen = document.getElementById("chosen");
  const takeFile = (file) => {
    const limit = Number(input.dataset.maxBytes) || Infinity;
    field.value = "";
    chosen.textContent = `${file.name || "pasted picture"}, ${size(file.size)}`;
    if (file.size <= limit) changed({ file });
    else refused(`The file has ${size(file.size)}; at most ${size(limit)} are taken.`);
  };
  const takeUrl = (text) => {
    const url = text.trim();
    field.value = url;
    chosen.textContent = INVITATION;
    if (/^https?:\/\/[^/]/i.test(url)) changed({ url });
    else refused(url ? NO_IMAGE_URL : NOTHING_GIVEN);
  };
  field.form.addEventListener("submit", (event) => {
    event.preventDefault();
    takeUrl(field.value);
  });
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = ""; // so that choosing the same file again, once edited, is news
    if (file) takeFile(file);
  });
  listenForDrops((data) => take(data, takeFile, takeUrl));
  listenForPastes((data) => take(data, takeFile, takeUrl));
}

// A picture dragged or copied from another page comes as its address, its pixels, or both; the
// file is preferred, since those are the bytes that the user saw.
function take(data, takeFile, takeUrl) {
  const file = [...data.files][0];
  const text = data.getData("text/uri-list") || data.getData("text/plain");
  if (file) takeFile(file);
  else if (text) takeUrl(text.split("\n").find((line) => line && !line.startsWith("#")) ?? "");
}

function listenForPastes(pasted) {
  document.addEventListener("paste", (event) => {
    const typing = event.target.closest?.("input, textarea, select");
    if (typing && !event.clipboardData.files.length) return;
    event.preventDefault();
    pasted(event.clipboardData);
  });
}
