// The distances of an answer on one line: how far the nearest color is, the runner-up, and how far
// is still a match. A drawing for the eye; the ledger beside it says the same in words.

import { drawing } from "../element.js";

const EDGE = 2; // percent of the width, so that a dot at an end stays whole
const HEIGHT = 20;
const MIDDLE = HEIGHT / 2;

/** The drawing of a match, or null where a distance is no number. */
export function ruler(match) {
  const bound = match.max_distance;
  const nearest = match.nearest.distance;
  const second = match.runner_up?.distance;
  const farthest = Math.max(bound, nearest, second ?? 0);
  if (![bound, nearest, farthest].every(Number.isFinite)) return null;
  const at = (value) => `${EDGE + (100 - 2 * EDGE) * (farthest > 0 ? value / farthest : 0)}%`;
  return drawing("svg", { width: "100%", height: HEIGHT },
    drawing("line", { class: "track", x1: at(0), x2: at(farthest), y1: MIDDLE, y2: MIDDLE }),
    drawing("line", { class: "within", x1: at(0), x2: at(bound), y1: MIDDLE, y2: MIDDLE }),
    drawing("line", { class: "bound", x1: at(bound), x2: at(bound), y1: 2, y2: HEIGHT - 2 }),
    Number.isFinite(second) ? dot("runner-up", at(second), 4) : null,
    dot("nearest", at(nearest), 5));
}

function dot(kind, cx, r) {
  return drawing("circle", { class: kind, cx, cy: MIDDLE, r });
}
