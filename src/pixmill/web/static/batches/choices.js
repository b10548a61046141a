// The choices of the form, kept sensible: a kind has its own options, a file its reference.

const NO_WORD = /[^A-Za-z0-9_.-]+/g;

/** Show the options of the chosen kind; those of others are not sent. */
export function followKind(form) {
  const follow = () => {
    for (const part of form.querySelectorAll("fieldset[data-kind]")) {
      part.disabled = part.dataset.kind !== form.elements.kind.value;
      part.hidden = part.disabled;
    }
  };
  form.addEventListener("change", follow);
  follow();
}

/** Fill the reference with a file's name, unless somebody has written one. */
export function suggestReference(field, name) {
  if (field.value !== (field.dataset.suggested ?? "")) return;
  const stem = name.replace(/\.[^.]*$/, "").replace(NO_WORD, "-").replace(/^[.-]+|-+$/g, "");
  field.value = stem.slice(0, 100);
  field.dataset.suggested = field.value;
}
