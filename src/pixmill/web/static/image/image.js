// An image's page: a chain of operations tried on it, and had as a file, a URL or a job. The newest
// question alone counts; whatever an older one brings is dropped.

import { newWord } from "../api.js";
import { copyOnClick } from "../clipboard.js";
import { clearTrouble, showTrouble } from "../trouble.js";
import { jobLines, operationsOf, placed, queryOf } from "./chain.js";
import { insertLine, numberLines, showMistakes } from "./editor.js";
import { follow, order } from "./job.js";
import { clearPicture, fetchPicture, outdate, renewed, showPicture } from "./picture.js";

const PAUSE_MS = 400;

const place = (id) => document.getElementById(id);
const form = place("chain");
const button = place("order"); // there for keys that may have jobs

let question = null;
let pause = 0;
let current = null; // what the picture shown is of: {operations, format, quality, type}
let isOrdering = false;

function read() {
  const { text, format, quality } = form.elements;
  return {
    operations: operationsOf(text.value),
    format: format.value,
    quality: quality.value.trim(),
  };
}

function addressOf({ operations, format, quality }, instead) {
  const query = instead ? queryOf(operations, instead) : queryOf(operations, format, quality);
  return `${form.dataset.render}?${query}`;
}

function forget() {
  clearTimeout(pause);
  question?.abort();
  question = null;
  current = null;
  tellOrder();
}

function tellOrder() {
  if (button) button.disabled = isOrdering || current === null;
}

async function look() {
  forget();
  const wish = read();
  clearTrouble(place("trouble"));
  if (!wish.operations.length && !wish.format && !wish.quality) {
    showMistakes([]);
    clearPicture();
    return;
  }
  const mine = new AbortController();
  question = mine;
  outdate();
  try {
    const outcome = await fetchPicture((instead) => addressOf(wish, instead), mine.signal);
    if (mine === question) await present(outcome, wish, mine);
  } catch (error) {
    if (error.name !== "AbortError") throw error; // a newer question was asked
  }
}

async function present(outcome, wish, mine) {
  const isMistaken = outcome.errors && outcome.status === 400 && outcome.code === "invalid_request";
  showMistakes(isMistaken ? placed(outcome.errors, wish.operations) : []);
  if (outcome.errors) {
    place("result-facts").textContent = "";
    if (!isMistaken) showTrouble(place("trouble"), outcome, look);
    return;
  }
  await showPicture(outcome, form.dataset.md5, mine.signal);
  if (mine !== question) return;
  renewed();
  current = { ...wish, type: outcome.type };
  tellOrder();
}

function lookSoon() {
  forget();
  outdate();
  pause = setTimeout(look, PAUSE_MS);
}

async function orderJob() {
  const { operations, format, quality, type } = current;
  const lines = jobLines(operations, format, quality, type);
  const word = newWord();
  const send = async () => {
    isOrdering = true;
    tellOrder();
    clearTrouble(place("order-trouble"));
    const outcome = await order(form.dataset.order, lines, word);
    isOrdering = false;
    tellOrder();
    if (outcome.errors) showTrouble(place("order-trouble"), outcome, send);
    else follow(outcome.json, place("jobs"));
  };
  await send();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  look();
});
form.addEventListener("input", lookSoon);
document.addEventListener("click", ({ target }) => {
  const { line } = target.closest("[data-line]")?.dataset ?? {};
  if (line) insertLine(line);
});
button?.addEventListener("click", orderJob);
copyOnClick(
  place("copy-url"),
  () => `${location.origin}${addressOf(current)}`,
  place("copied"),
);
numberLines();
look(); // at what was typed before this ran
place("all").open = matchMedia("(min-width: 56rem)").matches;
