// The choices of the form as request parameters, kept sensible: a tolerance belongs to its metric,
// and nothing is asked with a number that is none.

import { count } from "../words.js";

const NAMES = ["palette", "color_space", "max_distance", "summarizer", "n"];
const FAULTS = {
  max_distance: "The tolerance is a number, 0 or more.",
  n: "The number of colors is a whole number from 1 to 24.",
};

/** Parameter to text. */
export function read(form) {
  const data = new FormData(form);
  return Object.fromEntries(NAMES.map((name) => [name, data.get(name) ?? ""]));
}

/** Sentences about fields that make no sense; marks those fields. */
export function faults(form) {
  return Object.entries(FAULTS).filter(([name]) => {
    const bad = !form.elements[name].checkValidity();
    form.elements[name].setAttribute("aria-invalid", bad);
    return bad;
  }).map(([, sentence]) => sentence);
}

/** Forget the tolerance where the metric changes: 10 is little in Lab and everything in sRGB. */
export function followMetric(form) {
  const tolerance = form.elements.max_distance;
  const follow = () => {
    tolerance.placeholder = form.querySelector("input[name=color_space]:checked").dataset.tolerance;
  };
  form.addEventListener("change", (event) => {
    if (event.target.name !== "color_space") return;
    tolerance.value = "";
    follow();
  });
  follow();
}

/** Offer the palettes that exist now, with their sizes; those of the page stay where that fails. */
export async function refreshPalettes(select, csrfToken) {
  try {
    const headers = { Accept: "application/json", "X-CSRF-Token": csrfToken };
    const response = await fetch("/palettes", { headers });
    if (!response.ok) return;
    const { palettes } = await response.json();
    const chosen = select.value;
    select.replaceChildren(...palettes.map(
      ({ name, entries }) => new Option(`${name} (${count(entries)} colors)`, name),
    ));
    select.value = chosen;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  } catch {
    // the page's own list is good enough
  }
}
