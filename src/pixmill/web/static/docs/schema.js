// Reading the JSON Schemas of an OpenAPI 3.1 document: references, words for a type, an example.

const DEEPEST = 6;

/** Follow `$ref` in `document` and look through "or null"; what is not there is an empty schema. */
export function resolve(document, schema) {
  let found = schema ?? {};
  for (let step = 0; step < DEEPEST; step += 1) {
    if (typeof found.$ref === "string") found = { ...at(document, found.$ref), ...without(found) };
    else if (loneOption(found)) found = { ...loneOption(found), ...withoutOptions(found) };
    else break;
  }
  return found;
}

function at(document, reference) {
  if (!reference.startsWith("#/")) return {};
  let node = document;
  for (const step of reference.slice(2).split("/")) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    node = node && Object.hasOwn(node, name) ? node[name] : null;
  }
  return node ?? {};
}

function without({ $ref, ...rest }) {
  return rest;
}

function withoutOptions({ anyOf, oneOf, allOf, ...rest }) {
  return rest;
}

function loneOption(schema) {
  const all = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
  const options = all.filter((option) => option.type !== "null");
  return options.length === 1 ? options[0] : null;
}

/** Whether the schema is the bytes of a file. */
export function isFile(schema) {
  return schema.format === "binary" || schema.contentMediaType !== undefined;
}

/** A few words: integer from 1 to 1000, list of string, one of srgb, lab. */
export function words(document, schema) {
  const found = resolve(document, schema);
  if (isFile(found)) return "file";
  if (found.enum) return "choice";
  if (found.type === "array") return `list of ${words(document, found.items)}`;
  const type = [].concat(found.type ?? "any").filter((name) => name !== "null").join(" or ");
  return [type, range(found)].filter(Boolean).join(" ");
}

function range({ minimum, maximum, exclusiveMinimum }) {
  if (minimum !== undefined && maximum !== undefined) return `from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `from ${minimum}`;
  if (exclusiveMinimum !== undefined) return `above ${exclusiveMinimum}`;
  return maximum === undefined ? "" : `to ${maximum}`;
}

/** A value that the schema allows, as far as it says: its own example first. */
export function example(document, schema, depth = 0) {
  const found = resolve(document, schema);
  const given = found.example ?? found.examples?.[0]
    ?? found.default ?? found.const ?? found.enum?.[0];
  if (given !== undefined) return given;
  if (depth >= DEEPEST) return null;
  if (found.type === "array") return found.items ? [example(document, found.items, depth + 1)] : [];
  if (found.type === "object" || found.properties) return exampleObject(document, found, depth);
  const plain = { string: "string", integer: 0, number: 0, boolean: true };
  return plain[[].concat(found.type ?? "")[0]] ?? null;
}

function exampleObject(document, schema, depth) {
  const properties = Object.entries(schema.properties ?? {});
  return Object.fromEntries(properties.map(([name, inner]) => [
    name, example(document, inner, depth + 1),
  ]));
}
