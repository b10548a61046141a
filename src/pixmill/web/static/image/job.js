// A chain as a job: ordered, and followed to its end on the page.

import { callForJson } from "../api.js";
import { element } from "../element.js";

const FINISHED = ["succeeded", "failed", "canceled", "expired"];

/** Order `operations` at `path`; resolves to {json: job} or to a trouble. */
export function order(path, operations, word) {
  return callForJson(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": word },
    body: JSON.stringify({ operations }),
  });
}

/** Show `job` at the head of `list` and follow it; resolves when it has ended or is lost. */
export function follow(job, list) {
  const row = element("li");
  list.prepend(row);
  tell(row, job);
  if (FINISHED.includes(job.state)) return Promise.resolve();
  const events = new EventSource(job.links.events);
  return new Promise((done) => {
    const end = () => { events.close(); done(); };
    events.addEventListener("job", ({ data }) => {
      const news = JSON.parse(data);
      tell(row, news);
      if (FINISHED.includes(news.state)) end();
    });
    events.addEventListener("error", async () => {
      if (events.readyState !== EventSource.CLOSED) return; // it connects again by itself
      const outcome = await callForJson(job.links.self);
      if (outcome.errors) row.append(`: ${outcome.errors.join(" ")}`);
      else tell(row, outcome.json);
      end();
    });
  });
}

function tell(row, job) {
  const name = element("a", { href: job.links.self, class: "mono" }, job.id.slice(0, 12));
  const result = job.state === "succeeded" && job.links.result;
  row.replaceChildren(
    "Job ", name, `: ${job.state}`,
    ...(job.message ? [`, ${job.message}`] : []),
    ...(result ? [", ", element("a", { href: result }, "the result")] : []),
  );
}
