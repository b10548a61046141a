// What is dropped anywhere on a page.

/** Call `dropped` with the data of each drop; the page is marked while something is dragged. */
export function listenForDrops(dropped) {
  const root = document.documentElement;
  let depth = 0;
  const stop = () => { depth = 0; root.classList.remove("dragging"); };
  document.addEventListener("dragenter", () => { depth += 1; root.classList.add("dragging"); });
  document.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) stop(); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    stop();
    dropped(event.dataTransfer);
  });
}
