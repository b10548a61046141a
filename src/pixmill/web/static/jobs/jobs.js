// The pages of jobs: they renew themselves while something runs, and their buttons ask the API.

import { callForJson } from "../api.js";
import { clearTrouble, showTrouble } from "../trouble.js";
import { follow, renew } from "./follow.js";

const ACTIONS = {
  cancel: { method: "DELETE", path: "" },
  drop: { method: "DELETE", path: "" },
  redrive: { method: "POST", path: "/redrive" },
  retry: { method: "POST", path: "/retry" },
};
const QUESTIONS = {
  cancel: {
    title: "Cancel the job?",
    text: "What it has done so far is cleared away. This can not be undone.",
    label: "Cancel the job",
  },
  drop: {
    title: "Drop the result?",
    text: "Its files are deleted. This can not be undone.",
    label: "Drop the result",
  },
};

const place = (id) => document.getElementById(id);
const question = place("question");

let asked = null; // what the question is about: {action, path}
const busy = new Set(); // the jobs that are being asked for

function ask(order) {
  const words = QUESTIONS[order.action];
  asked = order;
  place("question-title").textContent = words.title;
  place("question-text").textContent = words.text;
  place("question-do").textContent = words.label;
  question.returnValue = "";
  question.showModal();
}

async function carryOut(order) {
  if (busy.has(order.path)) return;
  busy.add(order.path);
  const { method, path } = ACTIONS[order.action];
  const outcome = await callForJson(order.path + path, { method });
  clearTrouble(place("trouble"));
  getSelection().removeAllRanges(); // which would keep the page as it was
  await renew();
  busy.delete(order.path);
  if (outcome.errors) showTrouble(place("trouble"), outcome, () => carryOut(order));
  else place("state").textContent = `The job is ${outcome.json.state}.`;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-action]");
  if (!button) return;
  const order = { action: button.dataset.action, path: button.dataset.path };
  if (QUESTIONS[order.action]) ask(order);
  else carryOut(order);
});
question.addEventListener("close", () => {
  if (question.returnValue === "do") carryOut(asked);
});
follow();
