const PAGE = 8;
const strips = all(".strip");
const shown = { show: "", label: "", pages: 1, order: [] };

function placesOf(strip) {
  return Object.fromEntries(strip.dataset.places.split(" ").filter(Boolean).map((part) => {
    const cut = part.lastIndexOf(":");
    return [part.slice(0, cut), Number(part.slice(cut + 1))];
  }));
}

const places = new Map(strips.map((strip) => [strip, placesOf(strip)]));

function matching() {
  const wanted = strips.filter((strip) => !shown.label || strip.dataset.label === shown.label);
  if (shown.label) return wanted;
  return wanted
    .filter((strip) => shown.show in places.get(strip))
    .sort((a, b) => places.get(a)[shown.show] - places.get(b)[shown.show]);
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
  shown.pages = Math.max(1, Number(options.get("pages")) || 1);
  const select = find("#by-class");
  if (select) select.value = shown.label;
  drawStrips();
}

function keepFilter() {
  const options = { show: shown.show };
  if (shown.label) options.class = shown.label;
  if (shown.pages > 1) options.pages = shown.pages;
  writeState("neighbours", options);
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
  find("#more").addEventListener("click", () => {
    shown.pages += 1;
    keepFilter();
  });
}
