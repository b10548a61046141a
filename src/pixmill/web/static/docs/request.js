// An operation with its values, as a request to send and as a command line that sends the same.

/**
 * Build {url, options, curl} of `method` and `path` (a template with `{names}`).
 *
 * `pairs` are [place, name, value] with place path, query or header; `body` is null or what
 * `bodyFields` gives; `credential` is {key} (sent as Bearer, without the session) or {csrfToken}.
 */
export function build(method, path, pairs, body, credential) {
  const url = addressOf(path, pairs);
  const headers = Object.fromEntries(inPlace(pairs, "header"));
  const curl = Object.entries(headers).map(([name, value]) => ["-H", `${name}: ${value}`]);
  if (body?.type) headers["Content-Type"] = body.type;
  if (credential.key) headers.Authorization = `Bearer ${credential.key}`;
  else headers["X-CSRF-Token"] = credential.csrfToken;
  const credentials = credential.key ? "omit" : "same-origin";
  const options = { method, headers, body: body?.content ?? undefined, credentials };
  return { url, options, curl: commandOf(method, url, [...curl, ...(body?.curl ?? [])]) };
}

function inPlace(pairs, wanted) {
  return pairs.filter(([place]) => place === wanted).map(([, name, value]) => [name, value]);
}

function addressOf(path, pairs) {
  const filled = path.replace(/\{([^}]+)\}/g, (_, name) => {
    const found = inPlace(pairs, "path").find(([other]) => other === name);
    return encodeURIComponent(found?.[1] ?? "");
  });
  const query = new URLSearchParams(inPlace(pairs, "query"));
  return `${location.origin}${filled}${query.size ? `?${query}` : ""}`;
}

// The key itself never stands in the command: what is shown on a page is soon in a chat.
function commandOf(method, url, more) {
  const parts = ["curl"];
  if (method !== "GET") parts.push(`-X ${method}`);
  parts.push('-H "Authorization: Bearer $PIXMILL_KEY"');
  parts.push(...more.map(([flag, text]) => `${flag} ${quoted(text)}`));
  parts.push(quoted(url));
  return parts.join(" \\\n  ");
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
