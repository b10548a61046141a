// The choices of the form as request parameters: nothing is asked with a number that is none.

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
