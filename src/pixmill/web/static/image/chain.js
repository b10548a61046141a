// A chain as its text: the lines that count, what is asked of the API by them, and which line a
// mistake is of. Pure.

const OF_OPERATION = /^operation (\d+): (.*)$/s;
const LOSSLESS = ["png", "tiff"];

/** The lines with an operation, as {number, text}: blank ones and comments are passed over. */
export function operationsOf(text) {
  return text.split("\n")
    .map((line, index) => ({ number: index + 1, text: line.trim() }))
    .filter((line) => line.text !== "" && !line.text.startsWith("#"));
}

/** The query of a picture; `format` and `quality` are left out where they are empty. */
export function queryOf(operations, format, quality) {
  const query = new URLSearchParams(operations.map(({ text }) => ["op", text]));
  if (format) query.set("format", format);
  if (quality) query.set("quality", quality);
  return query;
}

/** The lines of a job for the picture whose format turned out to be `type`. */
export function jobLines(operations, format, quality, type) {
  const lines = operations.map(({ text }) => text);
  if (!format && !quality) return lines;
  return [...lines, `convert ${type}${quality && !LOSSLESS.includes(type) ? ` ${quality}` : ""}`];
}

/** The API's sentences, each as {number, sentence}; `number` is null for those of no one line. */
export function placed(sentences, operations) {
  return sentences.map((whole) => {
    const [, count, sentence] = OF_OPERATION.exec(whole) ?? [];
    const line = operations[count - 1];
    return line ? { number: line.number, sentence } : { number: null, sentence: whole };
  });
}
