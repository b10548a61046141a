// Where the list comes from: a chosen or dropped file, or the field of URLs. One at a time; tells
// its size and number of lines, and calls `changed` with {body, type, name}, or null for nothing.

import { listenForDrops } from "../drops.js";
import { count, size } from "../words.js";

const TYPES = {
  txt: "text/plain",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  jsonl: "application/jsonl",
};
const INVITATION = "or drop one anywhere on this page: .txt, .csv, .tsv or .jsonl";
const NO_LIST = "A list is a file whose name ends in .txt, .csv, .tsv or .jsonl.";
const ONE = "One list at a time: drop a single file.";
const UNREADABLE = "The file can not be read: choose it again.";
const NEWLINE = 10;
const SPACES = [9, 13, 32];

const place = (id) => document.getElementById(id);

let newest = 0; // what is counted while something else is chosen is not told any more

/** Listen for lists; `refused` is called with a sentence where one can not be taken. */
export function listen(changed, refused) {
  const most = Number(place("file").dataset.maxBytes);
  const refuse = (sentence) => {
    newest += 1;
    tell("Nothing is chosen yet.");
    refused(sentence);
  };
  const take = async (blob, type, name) => {
    newest += 1;
    const mine = newest;
    if (blob.size > most) {
      refuse(`The list has ${size(blob.size)}; at most ${size(most)} are taken.`);
      return;
    }
    changed({ body: blob, type, name });
    tell(`${size(blob.size)}, counting lines…`);
    try {
      const lines = await countLines(blob);
      if (mine === newest) tell(`${linesOf(lines)}, ${size(blob.size)}`);
    } catch {
      if (mine === newest) refuse(UNREADABLE);
    }
  };
  const takeFile = (file) => {
    place("urls").value = "";
    place("chosen").textContent = file.name;
    const type = TYPES[file.name.toLowerCase().split(".").pop()];
    if (type) take(file, type, file.name);
    else refuse(NO_LIST);
  };
  const takeText = () => {
    place("chosen").textContent = INVITATION;
    const text = place("urls").value;
    if (text.trim()) {
      take(new Blob([text]), TYPES.txt, null);
      return;
    }
    newest += 1;
    tell("Nothing is chosen yet.");
    changed(null);
  };
  place("file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    target.value = ""; // so that choosing the same file again, once edited, is news
    if (file) takeFile(file);
  });
  place("urls").addEventListener("input", takeText);
  listenForDrops((data) => {
    const text = data.getData("text/uri-list") || data.getData("text/plain");
    if (data.files.length > 1) refuse(ONE);
    else if (data.files.length) takeFile(data.files[0]);
    else if (text) {
      const before = place("urls").value.trimEnd();
      place("urls").value = before ? `${before}\n${text}` : text;
      takeText();
    }
  }, "textarea, input:not([type=radio], [type=checkbox], [type=file])");
}

function tell(words) {
  place("told").textContent = words;
}

function linesOf(number) {
  return number === 1 ? "1 line" : `${count(number)} lines`;
}

/** Count the lines that hold something. */
async function countLines(blob) {
  let lines = 0;
  let isBlank = true;
  const reader = blob.stream().getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    for (const byte of piece.value) {
      if (byte === NEWLINE) {
        lines += isBlank ? 0 : 1;
        isBlank = true;
      } else if (isBlank && !SPACES.includes(byte)) {
        isBlank = false;
      }
    }
  }
  return lines + (isBlank ? 0 : 1);
}
