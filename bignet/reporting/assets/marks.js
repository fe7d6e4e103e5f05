/* What a person thinks of the neighbours: kept in this browser, counted on the page, exported as a file. */
const MARKS = ["plausible", "implausible", "wrong label"];
const marks = memory.load();

const markKey = (line, tile) => `${report.items[line.q].id}>${report.items[tile[0]].id}`;

function mark(name) {
  const line = viewer.lines[viewer.at];
  const tile = tilesOf(line)[viewer.index];
  if (!tile) return;
  const key = markKey(line, tile);
  if (marks[key]?.mark === name) delete marks[key];
  else marks[key] = { query: report.items[line.q], neighbour: report.items[tile[0]], similarity: tile[1], relation: RELATIONS[tile[2]], mark: name };
  memory.save(marks);
  drawMarks();
}

/* Wilson's interval at 95 %: honest for a handful of marks too. */
function wilson(hits, n) {
  const z = 1.959963984540054;
  const centre = (hits + z * z / 2) / (n + z * z);
  const half = (z / (n + z * z)) * Math.sqrt(hits * (n - hits) / n + z * z / 4);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/* A right neighbour needs no judgement, and a wrong label is no mistake of the embedding. */
function humanPlausible(list) {
  const judged = list.filter((item) => item.relation !== RELATIONS[0] && item.mark !== "wrong label");
  const hits = judged.filter((item) => item.mark === "plausible").length;
  if (!judged.length) return null;
  const [lo, hi] = wilson(hits, judged.length);
  return { id: "human_plausible", value: hits / judged.length, lo, hi, ci: "wilson", level: 0.95, n_queries: judged.length };
}

const hundredth = (share) => `${Math.round(100 * share)}\u00a0%`;

/* At the top of the page and under the strips. */
function drawHuman(human) {
  const n = human?.n_queries;
  const kind = report.labelled ? "wrong " : "";
  for (const target of all(".human")) {
    target.hidden = !human;
    if (!human) continue;
    find("b", target).textContent = hundredth(human.value);
    find("span", target).textContent = ` of ${n} ${kind}${n === 1 ? "neighbour" : "neighbours"} you judged would do (${hundredth(human.lo)} to ${hundredth(human.hi)}, 95\u00a0% Wilson interval)`;
  }
}

function drawMarks() {
  const list = Object.values(marks);
  const parts = MARKS.map((name) => [list.filter((item) => item.mark === name).length, name]).filter(([n]) => n);
  const count = find("#marks-count");
  if (!count) return;
  count.textContent = parts.length ? parts.map(([n, name]) => `${n} ${name}`).join(", ") : "No marks yet";
  find("#marks-export").disabled = find("#marks-clear").disabled = !list.length;
  drawHuman(humanPlausible(list));
  for (const tile of all(".tile[data-mark]")) tile.removeAttribute("data-mark");
  report.strips.forEach((line, s) => tilesOf(line).forEach((tile, i) => {
    const made = marks[markKey(line, tile)];
    if (made) find(`[data-open="${s}.${i}"]`).parentElement.dataset.mark = made.mark;
  }));
}

function exportMarks() {
  const plain = (item) => ({ id: item.id, label: item.label ?? null, path: item.path });
  const list = Object.keys(marks).sort().map((key) => {
    const { query, neighbour, similarity, relation, mark: name } = marks[key];
    return { query: plain(query), neighbour: plain(neighbour), similarity, relation, mark: name };
  });
  const { store, store_uuid, embedding, embedding_fingerprint, fingerprint } = report;
  const human = humanPlausible(Object.values(marks));
  const origin = { store, store_uuid, embedding, embedding_fingerprint, fingerprint };
  const record = { schema_version: 1, kind: "bignet.marks", ...origin, human_plausible: human, marks: list };
  download("marks.json", `${JSON.stringify(record, null, 1)}\n`);
}

function startMarks() {
  find("#marks-export")?.addEventListener("click", exportMarks);
  find("#marks-clear")?.addEventListener("click", () => {
    if (!confirm("Remove all marks of this report?")) return;
    for (const key of Object.keys(marks)) delete marks[key];
    memory.save(marks);
    drawMarks();
  });
  drawMarks();
}
