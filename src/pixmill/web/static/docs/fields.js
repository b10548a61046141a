// One field of a form for one parameter, and what the user put in it.

import { element } from "../element.js";
import { prose } from "./prose.js";
import { isFile, resolve, words } from "./schema.js";

let made = 0;

/**
 * A row {row, values} for `parameter` ({name, in, schema, required, description}).
 *
 * `values()` gives what is to be sent: texts or files, none where the field was left empty.
 */
export function field(document, parameter) {
  const schema = resolve(document, parameter.schema);
  made += 1;
  const id = `field-${made}`;
  const control = make(document, schema, parameter, id);
  const about = parameter.description ?? schema.description;
  if (about) control.setAttribute("aria-describedby", `${id}-about`);
  const wide = control.tagName === "TEXTAREA" ? " wide" : "";
  const hint = about && element("p", { class: "hint", id: `${id}-about` }, prose(about));
  const row = element("div", { class: `parameter${wide}` },
    element("label", { class: "label", for: id }, parameter.name,
      element("small", {}, kind(document, parameter))),
    element("div", {}, control, hint));
  return { row, values: () => valuesOf(control) };
}

function kind(document, parameter) {
  const parts = [words(document, parameter.schema), parameter.in === "query" ? "" : parameter.in];
  if (parameter.required) parts.push("required");
  return parts.filter(Boolean).join(", ");
}

function make(document, schema, parameter, id) {
  const common = { id, required: parameter.required, autocomplete: "off", spellcheck: "false" };
  if (isFile(schema)) return element("input", { ...common, type: "file" });
  if (schema.type === "array") return makeList(document, schema, common);
  if (schema.enum || schema.type === "boolean") {
    return makeSelect(schema, common, parameter.required);
  }
  if (parameter.multiline) return makeText(parameter, common);
  const isNumber = schema.type === "integer" || schema.type === "number";
  return element("input", {
    ...common,
    type: "text",
    inputmode: isNumber ? "decimal" : null,
    value: parameter.required ? schema.default ?? parameter.example : null,
    placeholder: schema.default ?? parameter.example ?? schema.examples?.[0],
  });
}

function makeText(parameter, common) {
  const rows = Math.min(16, 2 + parameter.text.split("\n").length);
  const area = element("textarea", { ...common, rows });
  area.value = parameter.text;
  return area;
}

function makeList(document, schema, common) {
  const items = resolve(document, schema.items);
  if (isFile(items)) return element("input", { ...common, type: "file", multiple: true });
  return element("textarea", { ...common, rows: 3, placeholder: "one a line", "data-lines": true });
}

function makeSelect(schema, common, required) {
  const options = schema.enum ?? [true, false];
  const unset = schema.default === undefined ? "" : ` (${schema.default})`;
  return element("select", common,
    required ? null : element("option", { value: "" }, `not given${unset}`),
    options.map((value) => element(
      "option", { value, selected: required && value === schema.default }, String(value),
    )));
}

function valuesOf(control) {
  if (control.type === "file") return [...control.files];
  if (control.dataset.lines !== undefined) {
    return control.value.split("\n").filter((line) => line !== "");
  }
  return control.value === "" ? [] : [control.value];
}
