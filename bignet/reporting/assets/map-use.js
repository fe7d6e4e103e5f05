/* Pointing, framing, colouring, and the list of what was chosen. */
const LIST = 48;
const start = { list: LIST };

function showHere(i) {
  if (i === atlas.at) return;
  atlas.at = i;
  drawMap();
  const here = find("#map-here");
  if (i < 0) {
    here.replaceChildren(element("p", "soft", "Point at the map, or move on it with the arrow keys."));
    return;
  }
  here.replaceChildren(thumbOf(atlas.rows[i]), wordsOf(atlas.rows[i]));
}

function thumbOf(row) {
  const item = itemOf(row);
  const button = element("button", "thumb");
  button.type = "button";
  button.dataset.enlarge = row;
  button.setAttribute("aria-label", `${item.label ?? "no label"}, enlarge`);
  const crisp = !item.missing && Math.max(...item.size) < 64 ? " crisp" : "";
  button.append(item.missing ? placeholder(item.missing) : element("span", `pic t${row}${crisp}`));
  return button;
}

function wordsOf(row) {
  const item = itemOf(row);
  const words = element("p", "here-words");
  words.append(element("strong", "", item.label ?? "no label"), element("span", "", item.path ?? `id ${item.id}`));
  return words;
}

function drawClasses() {
  const list = find("#map-classes");
  if (!list) return;
  const sizes = new Map();
  for (const code of atlas.labels) sizes.set(code, (sizes.get(code) ?? 0) + 1);
  list.replaceChildren(...atlas.on.map((code, slot) => {
    const line = element("li");
    const remove = element("button", "", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", `Stop colouring ${atlas.names[code]}`);
    remove.addEventListener("click", () => colour(atlas.on.filter((other) => other !== code)));
    const name = element("span", "", atlas.names[code]);
    name.title = atlas.names[code];
    line.append(shapeKey(slot), name, element("span", "soft", (sizes.get(code) ?? 0).toLocaleString("en")), remove);
    return line;
  }));
  const add = find("#map-add");
  const left = atlas.names.map((name, code) => [name, code]).filter(([, code]) => !atlas.on.includes(code));
  add.replaceChildren(new Option("a class …", ""), ...left.map(([name, code]) => new Option(name, code)));
  add.parentElement.hidden = !left.length;
  find(".grey-note").hidden = !left.length && !sizes.has(65535);
}

function shapeKey(slot) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "key");
  svg.setAttribute("aria-hidden", "true");
  const canvas = { d: "", moveTo(x, y) { this.d += `M${x} ${y}`; }, lineTo(x, y) { this.d += `L${x} ${y}`; }, closePath() { this.d += "Z"; },
    rect(x, y, w, h) { this.d += `M${x} ${y}h${w}v${h}h${-w}Z`; }, arc(x, y, r) { this.d += `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`; } };
  SHAPES[slot](canvas, 7, 7, 5);
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", canvas.d);
  path.setAttribute("fill", `var(--c${slot})`);
  svg.append(path);
  return svg;
}

function colour(codes) {
  atlas.on = codes.slice(-report.map.n_colours);
  drawClasses();
  drawMap();
  keepMap();
}

function choose(points) {
  atlas.chosen = points;
  start.list = LIST;
  drawChosen();
  drawMap();
}

const isPictured = (row) => report.items[row]?.missing === "";

function drawChosen() {
  const { chosen } = atlas;
  find("#map-chosen").hidden = !chosen.length;
  if (!chosen.length) return;
  const counts = new Map();
  for (const i of chosen) counts.set(atlas.labels[i], (counts.get(atlas.labels[i]) ?? 0) + 1);
  const made = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([code, n]) => `${n.toLocaleString("en")} ${atlas.names[code] ?? "unlabelled"}`);
  find("#map-count").textContent = `${chosen.length.toLocaleString("en")} ${chosen.length === 1 ? "image" : "images"} chosen`;
  find("#map-makeup").textContent = `${made.join(", ")}${counts.size > 6 ? ` and ${counts.size - 6} more labels` : ""}`;
  const rows = chosen.slice(0, start.list).map((i) => atlas.rows[i]);
  find("#map-list").replaceChildren(...rows.filter(isPictured).map((row) => {
    const line = element("li");
    line.append(thumbOf(row), element("span", "who", itemOf(row).label ?? "no label"));
    return line;
  }));
  find("#map-rest").replaceChildren(...rows.filter((row) => !isPictured(row)).map((row) => {
    const item = itemOf(row);
    const line = element("li");
    line.append(element("span", "", item.label ?? "no label"), element("code", "soft", item.path ?? `id ${item.id}`));
    line.title = item.path ?? item.id;
    return line;
  }));
  const left = chosen.length - start.list;
  find("#map-more").hidden = left <= 0;
  find("#map-more").textContent = `Show ${Math.min(left, LIST)} more of ${left.toLocaleString("en")}`;
}

/* Pictured images first, then by place in the store. */
function within([x0, y0, x1, y1]) {
  const inside = [];
  for (let i = 0; i < atlas.n; i += 1) if (atlas.x[i] >= x0 && atlas.x[i] <= x1 && atlas.y[i] >= y0 && atlas.y[i] <= y1) inside.push(i);
  return inside.sort((a, b) => isPictured(atlas.rows[b]) - isPictured(atlas.rows[a]) || a - b);
}

const unitX = (x) => Math.round(Math.min(65535, Math.max(0, (x - atlas.left) / atlas.scale)));
const unitY = (y) => Math.round(Math.min(65535, Math.max(0, (atlas.top - y) / atlas.scale)));

function frame(box) {
  atlas.box = box;
  choose(box ? within(box) : []);
  drawFrame();
}

function drawFrame() {
  const shape = find(".frame-box");
  shape.hidden = !atlas.box;
  if (!atlas.box) return;
  const [x0, y0, x1, y1] = atlas.box;
  shape.style.left = `${atlas.left + x0 * atlas.scale - 3}px`;
  shape.style.top = `${atlas.top - y1 * atlas.scale - 3}px`;
  shape.style.width = `${(x1 - x0) * atlas.scale + 6}px`;
  shape.style.height = `${(y1 - y0) * atlas.scale + 6}px`;
}

function keepMap() {
  const usual = report.map.classes.map((name) => atlas.names.indexOf(name)).join(".");
  keepState("map", {
    by: atlas.by === Object.keys(report.map.maps)[0] ? "" : atlas.by,
    draw: atlas.draw === "points" ? "" : atlas.draw,
    on: atlas.on.join(".") === usual ? "" : atlas.on.join(".") || "none",
    box: atlas.box ? atlas.box.join(".") : "",
  });
}

function layOut(by) {
  if (atlas.by !== by) atlas.at = -1;
  atlas.by = by;
  atlas.canvas.dataset.layout = by;
  decodeMap(by);
  fitMap();
  const button = find(`button[data-layout="${by}"]`);
  if (button) find("#map-reading").textContent = button.title;
  for (const other of all("button[data-layout]")) other.setAttribute("aria-pressed", String(other === button));
  for (const other of all("[data-draw]")) other.setAttribute("aria-pressed", String(other.dataset.draw === atlas.draw));
}

function followMap(options) {
  const maps = Object.keys(report.map.maps);
  atlas.draw = options.get("draw") === "pictures" ? "pictures" : "points";
  layOut(maps.includes(options.get("by")) ? options.get("by") : maps[0]);
  const usual = report.map.classes.map((name) => atlas.names.indexOf(name));
  const asked = options.has("on") ? options.get("on").split(".").map(Number).filter((code) => code in atlas.names) : usual;
  atlas.on = [...new Set(asked)].filter((code) => code >= 0).slice(0, report.map.n_colours);
  drawClasses();
  const box = (options.get("box") ?? "").split(".").map(Number);
  frame(box.length === 4 && box.every(Number.isFinite) ? box : null);
}
