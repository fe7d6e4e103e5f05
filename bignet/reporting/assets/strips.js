const PAGE = 8;
const strips = all(".strip");
const shown = { show: "", label: "", sort: "", pages: 1, order: [] };

/* Strips without the number come last. */
const number = (strip, key) => (strip.dataset[key] === "" ? Infinity : Number(strip.dataset[key]));
const SORTS = {
  worst: (a, b) => number(a, "precision") - number(b, "precision"),
  best: (a, b) => number(b, "precision") - number(a, "precision"),
  near: (a, b) => number(b, "first") - number(a, "first"),
  far: (a, b) => number(a, "first") - number(b, "first"),
  label: (a, b) => a.dataset.label.localeCompare(b.dataset.label, undefined, { numeric: true }),
};

function placesOf(strip) {
  return Object.fromEntries(strip.dataset.places.split(" ").filter(Boolean).map((part) => {
    const cut = part.lastIndexOf(":");
    return [part.slice(0, cut), Number(part.slice(cut + 1))];
  }));
}

const places = new Map(strips.map((strip) => [strip, placesOf(strip)]));

function matching() {
  const wanted = strips.filter((strip) => (shown.label ? strip.dataset.label === shown.label : shown.show in places.get(strip)));
  const place = (strip) => places.get(strip)[shown.show] ?? Number(strip.dataset.number);
  return wanted.sort((a, b) => SORTS[shown.sort]?.(a, b) || place(a) - place(b));
}

function drawStrips() {
  shown.order = matching();
  const visible = shown.order.slice(0, PAGE * shown.pages);
  for (const strip of strips) strip.hidden = true;
  for (const strip of visible) strip.hidden = false;
  const list = find(".strips");
  if (list) list.append(...shown.order);
  for (const button of all("[data-show]")) {
    const on = !shown.label && button.dataset.show === shown.show;
    button.setAttribute("aria-pressed", String(on));
    if (on) find("#filter-meaning").textContent = button.title;
  }
  if (shown.label) find("#filter-meaning").textContent = `queries of class ${shown.label} in this selection`;
  drawMore(visible.length);
}

function drawMore(n) {
  const more = find("#more");
  if (!more) return;
  const left = shown.order.length - n;
  more.hidden = left <= 0;
  more.textContent = `Show ${Math.min(left, PAGE)} more of ${left}`;
  find("#no-strips").hidden = n > 0;
}

function filterFrom(options) {
  const known = all("[data-show]").map((button) => button.dataset.show);
  const labels = new Set(strips.map((strip) => strip.dataset.label));
  const label = options.get("class") || "";
  shown.show = known.includes(options.get("show")) ? options.get("show") : known[0];
  shown.label = labels.has(label) ? label : "";
  shown.sort = options.get("sort") in SORTS ? options.get("sort") : "";
  shown.pages = Math.max(1, Number(options.get("pages")) || 1);
  const select = find("#by-class");
  if (select) select.value = shown.label;
  if (find("#sort-by")) find("#sort-by").value = shown.sort;
  drawStrips();
}

function keepFilter() {
  const options = { show: shown.show };
  if (shown.label) options.class = shown.label;
  if (shown.sort) options.sort = shown.sort;
  if (shown.pages > 1) options.pages = shown.pages;
  keepState("neighbours", options);
  drawStrips();
}

function startStrips() {
  if (!strips.length) return;
  for (const button of all("[data-show]")) {
    button.addEventListener("click", () => {
      Object.assign(shown, { show: button.dataset.show, label: "", pages: 1 });
      const select = find("#by-class");
      if (select) select.value = "";
      keepFilter();
    });
  }
  find("#by-class")?.addEventListener("change", (event) => {
    Object.assign(shown, { label: event.target.value, pages: 1 });
    keepFilter();
  });
  find("#sort-by")?.addEventListener("change", (event) => {
    Object.assign(shown, { sort: event.target.value, pages: 1 });
    keepFilter();
  });
  find("#more").addEventListener("click", () => {
    shown.pages += 1;
    keepFilter();
  });
  follows("neighbours", ["show", "class", "sort", "pages"], filterFrom);
}
