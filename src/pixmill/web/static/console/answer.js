// An answer of the service, shown: picture, match, clusters, exact colors. Knows the page's places
// by their ids; asks nothing.

import { element } from "../element.js";
import { ruler } from "./ruler.js";
import { swatch, swatches } from "./swatch.js";
import { count, distance, hexOf, percent, size } from "../words.js";

const METRICS = { srgb: "sRGB", lab: "Lab", oklab: "OKLab", ciede2000: "CIEDE2000" };
const MARKS = { Distance: "nearest", Tolerance: "bound", "Runner-up": "runner-up" }; // the ruler's
const NOTHING_SEEN = "Every pixel is transparent, so there is no color to show.";

const INLINE = "data:image/png;base64,";
const ROOM = { width: 384, height: 320 }; // CSS pixels
const GRAINY = 64; // pixels; sides up to this are enlarged so that each pixel stays a square

const place = (id) => document.getElementById(id);

/** Show `answer` and return the sentence that sums it up. */
export function show(answer) {
  showPicture(answer.image);
  const visible = answer.match !== null;
  for (const id of ["match", "dominant", "top"]) place(id).hidden = !visible;
  if (!visible) return NOTHING_SEEN;
  showMatch(answer.match);
  showClusters(answer.dominant.colors);
  place("exact").replaceChildren(...swatches(answer.top.colors, pixelsOf));
  return summary(answer.match);
}

function pixelsOf(color) {
  return color.count === 1 ? "1 pixel" : `${count(color.count)} px`;
}

function summary(match) {
  const told = `${match.nearest.name}, ${distance(match.nearest.distance)} away.`;
  if (match.found) return told;
  return `No color within ${distance(match.max_distance)}. The nearest is ${told}`;
}

function showPicture(image) {
  const preview = place("preview");
  const inline = typeof image.preview === "string" && image.preview.startsWith(INLINE);
  preview.hidden = !inline;
  if (inline) {
    preview.src = image.preview;
    fit(preview, image);
  }
  place("facts").replaceChildren(...[
    `${count(image.width)} × ${count(image.height)}`,
    String(image.format).toUpperCase(),
    size(image.bytes),
    `MD5 ${image.md5}`,
  ].map((fact) => element("span", {}, fact)));
}

// Every picture fills the same room, a single pixel as well as a photograph.
function fit(preview, { width, height }) {
  const scale = Math.min(ROOM.width / width, ROOM.height / height);
  preview.width = Math.max(1, Math.round(width * scale));
  preview.height = Math.max(1, Math.round(height * scale));
  preview.classList.toggle("grainy", Math.max(width, height) <= GRAINY);
}

function showMatch(match) {
  place("match").dataset.found = match.found;
  const { nearest } = match;
  const portion = match.summarizer === "mean" ? [] : [`${percent(match.color.share)} of it`];
  const identity = nearest.id === null ? [] : [`id ${nearest.id}`];
  place("pair").replaceChildren(...[
    swatch(match.color, { title: "Picture", notes: portion }),
    swatch(nearest, { title: nearest.name, notes: identity }),
  ].filter(Boolean));
  place("ruler").replaceChildren(...[ruler(match)].filter(Boolean));
  place("ledger").replaceChildren(...ledger(match).flatMap(([term, ...told]) => [
    element("dt", { "data-mark": MARKS[term] }, term), element("dd", {}, ...told),
  ]));
}

function ledger(match) {
  const { nearest, runner_up: second } = match;
  const verdict = match.found ? "so this is a match" : "so this is no match";
  const rows = [
    ["Distance", `${distance(nearest.distance)} in ${METRICS[match.metric] ?? match.metric}`],
    ["Tolerance", `${distance(match.max_distance)}, ${verdict}`],
  ];
  if (second) {
    const told = `${second.name} ${second.hex}, ${distance(second.distance)} away`;
    rows.push(["Runner-up", chip(second.hex), told]);
  }
  if (match.margin !== null) rows.push(["Margin", distance(match.margin)]);
  if (nearest.synonyms?.length) rows.push(["Also called", nearest.synonyms.join(", ")]);
  rows.push(["Palette", match.palette]);
  return rows;
}

function chip(hex) {
  const mark = element("span", { class: "chip" });
  mark.style.backgroundColor = hexOf(hex) ?? "transparent";
  return mark;
}

function showClusters(colors) {
  place("strip").replaceChildren(...colors.map((color) => {
    const part = element("span");
    part.style.backgroundColor = hexOf(color.hex) ?? "transparent";
    part.style.flexGrow = Number.isFinite(color.share) ? color.share : 0;
    return part;
  }));
  place("clusters").replaceChildren(...swatches(colors));
}
