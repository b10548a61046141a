// Numbers as people read them.

const HEX = /^#[0-9A-F]{6}$/i;

/** The text where it is `#RRGGBB`, else null: what is set as a style must be a color. */
export function hexOf(text) {
  return typeof text === "string" && HEX.test(text) ? text.toUpperCase() : null;
}

/** A share of 0 to 1 as percent: 48.2%, 0.037%. */
export function percent(share) {
  if (!Number.isFinite(share)) return "";
  const value = share * 100;
  return `${value >= 1 || value === 0 ? trim(value.toFixed(1)) : Number(value.toPrecision(2))}%`;
}

function trim(digits) {
  return digits.replace(/\.0$/, "");
}

/** A distance with three digits that matter. */
export function distance(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "unknown";
}

/** A whole number with its thousands apart. */
export function count(value) {
  return Number.isFinite(value) ? value.toLocaleString("en-US") : "";
}

/** A size in bytes, kB or MB (powers of 1000). */
export function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
