/* Two pictures side by side, large. It walks a list of lines: a query and what was found for it. */
const RELATIONS = ["same label", "same parent", "different label", "unlabelled"];
const viewer = { dialog: find("#viewer"), lines: [], at: 0, index: -1, opener: null };

const tilesOf = (line) => [...line.nn, ...(line.far ? [line.far] : [])];

function caption(target, item, text) {
  target.replaceChildren(element("b", "", text), item.label ?? "no label");
}

function score(value) {
  return value === null ? "–" : value.toFixed(3).replace("-", "−");
}

function placeName(line) {
  if (line.pair) return "Pair";
  return viewer.index < line.nn.length ? `Rank ${viewer.index + 1}` : "Farthest";
}

function drawViewer() {
  const line = viewer.lines[viewer.at];
  const tile = tilesOf(line)[viewer.index];
  const row = tile ? tile[0] : line.q;
  const item = report.items[row];
  const title = tile ? placeName(line) : "Query";
  const tag = tile ? ` similarity ${score(tile[1])}, ${RELATIONS[tile[2]]}` : "";
  find("#viewer-title").replaceChildren(title, element("span", "tag", tag));
  const stage = find("#viewer-query");
  stage.replaceChildren(picture(line.q, stage));
  caption(find("#viewer-query-text"), report.items[line.q], "Query");
  find("#viewer-other").parentElement.hidden = !tile;
  find("#viewer-other").replaceChildren(...(tile ? [picture(row, stage)] : []));
  find("#viewer-other").className = tile ? `stage rel-${tile[2]}` : "stage";
  if (tile) caption(find("#viewer-other-text"), item, title);
  find("#viewer-path").textContent = item.path;
  find("#viewer-judge").hidden = !tile;
  const made = tile && marks[markKey(line, tile)];
  for (const button of all("[data-mark]", find("#viewer-judge"))) {
    button.setAttribute("aria-pressed", String(button.dataset.mark === made?.mark));
  }
}

function openViewer(lines, at, index, opener) {
  Object.assign(viewer, { lines, at, index, opener });
  if (!viewer.dialog.open) {
    viewer.dialog.showModal();
    viewer.dialog.focus();
  }
  drawViewer();
}

function stepSideways(by) {
  const line = viewer.lines[viewer.at];
  viewer.index = Math.min(tilesOf(line).length - 1, Math.max(-1, viewer.index + by));
}

function stepLines(by) {
  viewer.at = Math.min(viewer.lines.length - 1, Math.max(0, viewer.at + by));
  stepSideways(0);
}

function viewerKey(event) {
  const actions = {
    ArrowLeft: () => stepSideways(-1), ArrowRight: () => stepSideways(1),
    ArrowUp: () => stepLines(-1), ArrowDown: () => stepLines(1),
    1: () => mark("plausible"), 2: () => mark("implausible"), 3: () => mark("wrong label"),
  };
  const action = event.ctrlKey || event.metaKey || event.altKey ? null : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
  drawViewer();
}

/* The strips on show, in their order, so that up and down follow what the eye sees. */
function openStrip(button) {
  const [number, index] = button.dataset.open.split(".").map(Number);
  const lines = shown.order.filter((strip) => !strip.hidden).map((strip) => report.strips[strip.dataset.number]);
  openViewer(lines, lines.indexOf(report.strips[number]), index, button);
}

function startViewer() {
  for (const button of all("[data-open]")) button.addEventListener("click", () => openStrip(button));
  viewer.dialog.addEventListener("keydown", viewerKey);
  viewer.dialog.addEventListener("click", (event) => { if (event.target === viewer.dialog) viewer.dialog.close(); });
  viewer.dialog.addEventListener("close", () => viewer.opener?.focus());
  for (const button of all("[data-mark]", find("#viewer-judge"))) button.addEventListener("click", () => { mark(button.dataset.mark); drawViewer(); });
  find("#viewer-copy").addEventListener("click", (event) => {
    const line = viewer.lines[viewer.at];
    const item = report.items[(tilesOf(line)[viewer.index] || [line.q])[0]];
    copy(item.paste ?? item.path, event.currentTarget);
  });
}
