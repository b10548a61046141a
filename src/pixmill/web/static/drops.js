// What is dropped anywhere on a page.

/**
 * Call `dropped` with the data of each drop; the page is marked while something is dragged. Fields
 * that match `own` take text that is dropped on them themselves.
 */
export function listenForDrops(dropped, own = ":not(*)") {
  const root = document.documentElement;
  let depth = 0;
  const stop = () => { depth = 0; root.classList.remove("dragging"); };
  document.addEventListener("dragenter", () => { depth += 1; root.classList.add("dragging"); });
  document.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) stop(); });
  const isForField = ({ target, dataTransfer }) => (
    target.closest?.(own) && !dataTransfer.types.includes("Files"));
  document.addEventListener("dragover", (event) => {
    if (!isForField(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    stop();
    if (isForField(event)) return;
    event.preventDefault();
    dropped(event.dataTransfer);
  });
}
