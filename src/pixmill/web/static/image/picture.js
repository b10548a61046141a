// A picture that the API makes: asked for, and shown with its size, bytes, time and download.

import { call } from "../api.js";
import { count } from "../words.js";

// What an <img> of this page would accept: `format=auto` heeds it.
const ACCEPT = "image/avif,image/webp,*/*;q=0.8";
const SHOWN = ["jpeg", "png", "webp", "avif", "gif"];
const ENDINGS = { jpeg: "jpg", tiff: "tif" };

const place = (id) => document.getElementById(id);
const image = place("result");

let addresses = [];

/**
 * Ask for the picture at `address`, a function of a format that is to be had instead of what is
 * asked for.
 *
 * Resolves to {blob, shown, type, ms}, `shown` a blob that browsers show, or to a trouble; rejects
 * as `call` does.
 */
export async function fetchPicture(address, signal) {
  const options = { signal, headers: { Accept: ACCEPT } };
  const begun = performance.now();
  const made = await call(address(), options);
  if (made.errors) return made;
  const ms = performance.now() - begun;
  const type = made.blob.type.replace("image/", "");
  if (SHOWN.includes(type)) return { blob: made.blob, shown: made.blob, type, ms };
  const stand = await call(address("png"), options);
  return stand.errors ? stand : { blob: made.blob, shown: stand.blob, type, ms };
}

/** Show a picture, unless `signal` is aborted; `name` is that of its file without the ending. */
export async function showPicture({ blob, shown, type, ms }, name, signal) {
  addresses.forEach((old) => URL.revokeObjectURL(old));
  const [whole, visible] = [URL.createObjectURL(blob), URL.createObjectURL(shown)];
  addresses = [whole, visible];
  image.src = visible;
  const isSeen = await image.decode().then(() => true, () => false);
  if (signal.aborted) return; // another is asked for
  const size = isSeen ? `${image.naturalWidth} × ${image.naturalHeight}` : "not shown by this browser";
  place("result-facts").textContent = [
    size,
    blob === shown ? type : `${type} (shown as png)`,
    `${count(blob.size)} bytes`,
    ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`,
  ].join(", ");
  image.hidden = !isSeen;
  place("nothing").hidden = true;
  const link = place("download");
  link.href = whole;
  link.download = `${name}-result.${ENDINGS[type] ?? type}`;
  place("result-links").hidden = false;
}

/** Say that what is shown is not, or not yet, of the chain as it stands. */
export function outdate() {
  place("result-plate").classList.add("stale");
  place("result-links").hidden = true;
}

/** Say that it is. */
export function renewed() {
  place("result-plate").classList.remove("stale");
}

/** Show that nothing is asked for. */
export function clearPicture() {
  image.hidden = true;
  image.removeAttribute("src");
  place("nothing").hidden = false;
  place("result-facts").textContent = "";
  place("result-links").hidden = true;
  renewed();
}
