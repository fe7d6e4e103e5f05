const RELATIONS = ["same label", "same parent", "different label", "unlabelled"];
const viewer = { dialog: find("#viewer"), strip: 0, index: -1, opener: null };
let marks = memory.load();

const tilesOf = (strip) => [...strip.nn, ...(strip.far ? [strip.far] : [])];
const markKey = (strip, tile) => `${report.items[strip.q].id}>${report.items[tile[0]].id}`;

function caption(target, item, text) {
  target.replaceChildren(element("b", "", text), item.label ?? "no label");
}

function score(value) {
  return value === null ? "–" : value.toFixed(3).replace("-", "−");
}

function placeName(strip) {
  return viewer.index < strip.nn.length ? `Rank ${viewer.index + 1}` : "Farthest";
}

function drawViewer() {
  const strip = report.strips[viewer.strip];
  const tile = tilesOf(strip)[viewer.index];
  const row = tile ? tile[0] : strip.q;
  const item = report.items[row];
  const title = tile ? placeName(strip) : "Query";
  const tag = tile ? ` similarity ${score(tile[1])}, ${RELATIONS[tile[2]]}` : "";
  find("#viewer-title").replaceChildren(title, element("span", "tag", tag));
  const stage = find("#viewer-query");
  stage.replaceChildren(picture(strip.q, stage));
  caption(find("#viewer-query-text"), report.items[strip.q], "Query");
  find("#viewer-other").parentElement.hidden = !tile;
  find("#viewer-other").replaceChildren(...(tile ? [picture(row, stage)] : []));
  find("#viewer-other").className = tile ? `stage rel-${tile[2]}` : "stage";
  if (tile) caption(find("#viewer-other-text"), item, title);
  find("#viewer-path").textContent = item.path;
  find("#viewer-judge").hidden = !tile;
  const mark = tile && marks[markKey(strip, tile)];
  for (const button of all("[data-mark]", find("#viewer-judge"))) {
    button.setAttribute("aria-pressed", String(button.dataset.mark === mark?.mark));
  }
}

function openViewer(strip, index, opener) {
  Object.assign(viewer, { strip, index, opener });
  if (!viewer.dialog.open) {
    viewer.dialog.showModal();
    viewer.dialog.focus();
  }
  drawViewer();
}

function stepSideways(by) {
  const last = tilesOf(report.strips[viewer.strip]).length - 1;
  viewer.index = Math.min(last, Math.max(-1, viewer.index + by));
}

function stepStrips(by) {
  const numbers = shown.order.filter((strip) => !strip.hidden).map((strip) => report.strips.findIndex((s) => s.q === Number(strip.dataset.query)));
  const at = numbers.indexOf(viewer.strip) + by;
  if (at < 0 || at >= numbers.length) return;
  viewer.strip = numbers[at];
  stepSideways(0);
}

function mark(name) {
  const strip = report.strips[viewer.strip];
  const tile = tilesOf(strip)[viewer.index];
  if (!tile) return;
  const key = markKey(strip, tile);
  if (marks[key]?.mark === name) delete marks[key];
  else marks[key] = { query: report.items[strip.q], neighbour: report.items[tile[0]], similarity: tile[1], relation: RELATIONS[tile[2]], mark: name };
  memory.save(marks);
  drawMarks();
  drawViewer();
}

function drawMarks() {
  const list = Object.values(marks);
  const names = ["plausible", "implausible", "wrong label"];
  const parts = names.map((name) => [list.filter((item) => item.mark === name).length, name]).filter(([n]) => n);
  const count = find("#marks-count");
  if (!count) return;
  count.textContent = parts.length ? parts.map(([n, name]) => `${n} ${name}`).join(", ") : "No marks yet";
  find("#marks-export").disabled = find("#marks-clear").disabled = !list.length;
  for (const tile of all(".tile[data-mark]")) tile.removeAttribute("data-mark");
  report.strips.forEach((strip, s) => tilesOf(strip).forEach((tile, i) => {
    const made = marks[markKey(strip, tile)];
    if (made) find(`[data-open="${s}.${i}"]`).parentElement.dataset.mark = made.mark;
  }));
}

function exportMarks() {
  const plain = (item) => ({ id: item.id, label: item.label ?? null, path: item.path });
  const list = Object.keys(marks).sort().map((key) => {
    const { query, neighbour, similarity, relation, mark: name } = marks[key];
    return { query: plain(query), neighbour: plain(neighbour), similarity, relation, mark: name };
  });
  const { store, embedding, fingerprint } = report;
  const record = { schema_version: 1, kind: "bignet.marks", store, embedding, fingerprint, marks: list };
  download("marks.json", `${JSON.stringify(record, null, 1)}\n`);
}

function viewerKey(event) {
  const actions = {
    ArrowLeft: () => stepSideways(-1), ArrowRight: () => stepSideways(1),
    ArrowUp: () => stepStrips(-1), ArrowDown: () => stepStrips(1),
    1: () => mark("plausible"), 2: () => mark("implausible"), 3: () => mark("wrong label"),
  };
  const action = event.ctrlKey || event.metaKey || event.altKey ? null : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
  drawViewer();
}

function startViewer() {
  for (const button of all("[data-open]")) {
    const [strip, index] = button.dataset.open.split(".").map(Number);
    button.addEventListener("click", () => openViewer(strip, index, button));
  }
  viewer.dialog.addEventListener("keydown", viewerKey);
  viewer.dialog.addEventListener("click", (event) => { if (event.target === viewer.dialog) viewer.dialog.close(); });
  viewer.dialog.addEventListener("close", () => viewer.opener?.focus());
  for (const button of all("[data-mark]", find("#viewer-judge"))) button.addEventListener("click", () => mark(button.dataset.mark));
  find("#viewer-copy").addEventListener("click", (event) => {
    const strip = report.strips[viewer.strip];
    const item = report.items[(tilesOf(strip)[viewer.index] || [strip.q])[0]];
    copy(item.paste ?? item.path, event.currentTarget);
  });
  find("#marks-export")?.addEventListener("click", exportMarks);
  find("#marks-clear")?.addEventListener("click", () => {
    if (!confirm("Remove all marks of this report?")) return;
    marks = {};
    memory.save(marks);
    drawMarks();
  });
  drawMarks();
}
