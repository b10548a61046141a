// A tolerance belongs to its metric.

/** Forget the tolerance where the metric changes: 10 is little in Lab and everything in sRGB. */
export function followMetric(form, name) {
  const tolerance = form.elements.max_distance;
  const follow = () => {
    const chosen = form.querySelector(`input[name=${name}]:checked, select[name=${name}] :checked`);
    tolerance.placeholder = chosen.dataset.tolerance;
  };
  form.addEventListener("change", (event) => {
    if (event.target.name !== name) return;
    tolerance.value = "";
    follow();
  });
  follow();
}
