const viewer = { dialog: find("#viewer"), answer: 0, rank: 0, opener: null };

/* Hits have ranks from 1; 0, -1, ... are the pictures of the query. */
const queryRow = (answer) => answer.query[Math.max(0, -viewer.rank)];
const shownRow = () => {
  const answer = report.answers[viewer.answer];
  return viewer.rank > 0 ? answer.hits[viewer.rank - 1][0] : queryRow(answer);
};

function drawViewer() {
  const answer = report.answers[viewer.answer];
  const hit = viewer.rank > 0 ? answer.hits[viewer.rank - 1] : null;
  const item = report.items[shownRow()];
  const words = hit ? ` score ${hit[1]}` : ` ${answer.text}`;
  find("#viewer-title").replaceChildren(hit ? `Rank ${viewer.rank}` : "Query", element("span", "tag", words));
  const query = find("#viewer-query");
  const other = find("#viewer-other");
  query.parentElement.hidden = !answer.query.length;
  other.parentElement.hidden = !hit;
  query.className = "stage asked-for";
  query.replaceChildren(...(answer.query.length ? [picture(queryRow(answer), query)] : []));
  find("#viewer-query-text").replaceChildren(element("b", "", "Query"), answer.text);
  other.replaceChildren(...(hit ? [picture(hit[0], other)] : []));
  if (hit) find("#viewer-other-text").replaceChildren(element("b", "", item.label ?? "no label"), `id ${hit[2]}`);
  find("#viewer-path").textContent = item.path;
  history.replaceState(null, "", `#q${viewer.answer + 1}.${viewer.rank}`);
}

function openViewer(answer, rank, opener) {
  Object.assign(viewer, { answer, rank, opener });
  if (!viewer.dialog.open) {
    viewer.dialog.showModal();
    viewer.dialog.focus();
  }
  drawViewer();
}

const least = (answer) => 1 - answer.query.length;

function step(by) {
  const answer = report.answers[viewer.answer];
  viewer.rank = Math.min(answer.hits.length, Math.max(least(answer), viewer.rank + by));
}

function stepAnswers(by) {
  const next = viewer.answer + by;
  const answer = report.answers[next];
  if (!answer || !(answer.hits.length || answer.query.length)) return;
  viewer.answer = next;
  step(0);
}

function viewerKey(event) {
  const actions = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => stepAnswers(-1), ArrowDown: () => stepAnswers(1),
  };
  const action = event.ctrlKey || event.metaKey || event.altKey ? null : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
  drawViewer();
}

for (const button of all("[data-open]")) {
  const [answer, rank] = button.dataset.open.split(".").map(Number);
  button.addEventListener("click", () => openViewer(answer - 1, rank, button));
}
viewer.dialog.addEventListener("keydown", viewerKey);
viewer.dialog.addEventListener("click", (event) => { if (event.target === viewer.dialog) viewer.dialog.close(); });
viewer.dialog.addEventListener("close", () => {
  history.replaceState(null, "", `#q${viewer.answer + 1}`);
  viewer.opener?.focus();
});
find("#viewer-copy").addEventListener("click", (event) => {
  const item = report.items[shownRow()];
  copy(item.paste ?? item.path, event.currentTarget);
});
const linked = location.hash.match(/^#q(\d+)\.(-?\d+)$/);
const opener = linked && find(`[data-open="${linked[1]}.${linked[2]}"]`);
if (opener) openViewer(Number(linked[1]) - 1, Number(linked[2]), opener);
