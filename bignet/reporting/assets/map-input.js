/* Mouse, finger and keys on the map. */
const AROUND = 30;

function pointAt(event) {
  const room = atlas.canvas.getBoundingClientRect();
  return [event.clientX - room.left, event.clientY - room.top];
}

function framing(canvas) {
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || (event.pointerType !== "mouse" && !canvas.classList.contains("framing"))) return;
    from = pointAt(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = pointAt(event);
    if (!from) { showHere(nearestTo(x, y)); return; }
    atlas.box = boxOf(from, [x, y]);
    drawFrame();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!from) { showHere(nearestTo(...pointAt(event))); return; }
    const to = pointAt(event);
    const moved = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const box = boxOf(from, to);
    from = null;
    if (moved > 6) { frame(box); keepMap(); return; }
    drawFrame();
    const i = nearestTo(...to);
    showHere(i);
    if (i < 0) { frame(null); keepMap(); } else enlargeHere();
  });
  canvas.addEventListener("pointercancel", () => { from = null; drawFrame(); });
}

function boxOf([x0, y0], [x1, y1]) {
  return [unitX(Math.min(x0, x1)), unitY(Math.max(y0, y1)), unitX(Math.max(x0, x1)), unitY(Math.min(y0, y1))];
}

function enlargeHere() {
  if (atlas.at >= 0) openLightbox([{ row: atlas.rows[atlas.at], note: "" }], 0);
}

/* The next image in a direction: the nearest within a quarter circle that way. */
function step(dx, dy) {
  const from = atlas.at < 0 ? nearestTo(atlas.wide / 2, atlas.high / 2, 1e6) : atlas.at;
  if (atlas.at < 0) return from;
  let [best, least] = [from, Infinity];
  for (let i = 0; i < atlas.n; i += 1) {
    const [x, y] = [mapX(i) - mapX(from), mapY(i) - mapY(from)];
    const along = x * dx + y * dy;
    const aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (along > 0.5 && aside <= along && along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
  }
  return best;
}

/* A frame that holds about thirty images around the one pointed at. */
function frameAround() {
  if (atlas.at < 0) return;
  const [x, y] = [atlas.x[atlas.at], atlas.y[atlas.at]];
  const far = Array.from({ length: atlas.n }, (_, i) => Math.max(Math.abs(atlas.x[i] - x), Math.abs(atlas.y[i] - y))).sort((a, b) => a - b);
  const reach = far[Math.min(AROUND, atlas.n) - 1];
  const inside = (value) => Math.min(65535, Math.max(0, value));
  frame([inside(x - reach), inside(y - reach), inside(x + reach), inside(y + reach)]);
  keepMap();
  say(find("#map-count").textContent);
}

function mapKey(event) {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const actions = { Enter: enlargeHere, " ": frameAround, Escape: () => { frame(null); keepMap(); } };
  if (!(event.key in ways) && !(event.key in actions)) return;
  event.preventDefault();
  if (actions[event.key]) { actions[event.key](); return; }
  showHere(step(...ways[event.key]));
  const item = itemOf(atlas.rows[atlas.at]);
  say(`${item.label ?? "no label"}, ${item.path ?? item.id}`);
}

/* Nothing is unpacked or drawn until the map comes near the window. */
function whenSeen() {
  let waiting = new URLSearchParams();
  let near = false;
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    near = true;
    followMap(waiting);
  }, { rootMargin: "400px" }).observe(atlas.canvas);
  return (options) => {
    waiting = options;
    if (near) followMap(options);
  };
}

function startMap() {
  framing(atlas.canvas);
  atlas.canvas.addEventListener("pointerleave", () => { if (!find(".frame-box").hidden || matchMedia("(hover: hover)").matches) drawMap(); });
  atlas.canvas.addEventListener("keydown", mapKey);
  for (const button of all("button[data-layout]")) button.addEventListener("click", () => { layOut(button.dataset.layout); drawClasses(); frame(null); keepMap(); });
  for (const button of all("[data-draw]")) button.addEventListener("click", () => { atlas.draw = button.dataset.draw; layOut(atlas.by); drawMap(); keepMap(); });
  find("#map-add")?.addEventListener("change", (event) => { if (event.target.value) colour([...atlas.on, Number(event.target.value)]); });
  find("#map-frame").addEventListener("click", (event) => {
    const on = atlas.canvas.classList.toggle("framing");
    event.currentTarget.setAttribute("aria-pressed", String(on));
    say(on ? "Drag on the map to choose images" : "");
  });
  for (const button of all("[data-chosen]")) button.addEventListener("click", () => exportRows(atlas.chosen.map((i) => atlas.rows[i]), button.dataset.chosen, "map-selection", { what: "map", layout: atlas.by }));
  find("#map-clear").addEventListener("click", () => { frame(null); keepMap(); atlas.canvas.focus(); });
  find("#map-more").addEventListener("click", () => { start.list += LIST; drawChosen(); });
  follows("map", ["by", "draw", "on", "box"], whenSeen());
  new ResizeObserver(() => { if (atlas.rows && atlas.canvas.clientWidth !== atlas.wide) { fitMap(); drawMap(); drawFrame(); } }).observe(atlas.canvas);
  for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", drawMap);
}

if (atlas.canvas && report.map) startMap();
