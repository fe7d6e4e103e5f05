const camel = (key) => key.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());

function sortable(table) {
  const body = find("tbody", table);
  for (const head of all("th[data-key]", table)) {
    find("button", head).addEventListener("click", () => sortBy(table, body, head));
  }
}

function sortBy(table, body, head) {
  const numeric = head.classList.contains("num");
  const first = numeric ? "descending" : "ascending";
  const second = numeric ? "ascending" : "descending";
  const order = head.getAttribute("aria-sort") === first ? second : first;
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const key = camel(head.dataset.key);
  body.append(...all("tr", body).sort((a, b) => compare(a.dataset[key] ?? "", b.dataset[key] ?? "", numeric, sign)));
  refold(table);
}

function compare(a, b, numeric, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b));
}

/* A cell that a spreadsheet would run as a formula gets a quote in front. */
function csvCell(text) {
  const number = text !== "" && Number.isFinite(Number(text));
  const safe = !number && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csvOf(table) {
  const rows = all("tbody tr", table);
  const keys = Object.keys(rows[0]?.dataset ?? {});
  const lines = rows.map((row) => keys.map((key) => csvCell(row.dataset[key] ?? "")).join(","));
  return [keys.join(","), ...lines].join("\n");
}

const FOLD = 50;

function refold(table) {
  all("tbody tr", table).forEach((row, i) => row.classList.toggle("over", i >= FOLD));
}

function foldable(button) {
  const table = find(`#${button.dataset.fold}`);
  const n = all("tbody tr", table).length;
  if (n <= FOLD + 10) return;
  const draw = (folded) => {
    table.classList.toggle("folded", folded);
    button.textContent = folded ? `Show all ${n.toLocaleString("en")}` : `Show the first ${FOLD}`;
  };
  refold(table);
  button.hidden = false;
  button.addEventListener("click", () => draw(!table.classList.contains("folded")));
  draw(true);
}

function matrixReader(table) {
  const names = all("tbody th", table).map((head) => head.title);
  const rows = all("tbody tr", table).map((row) => all("td", row));
  const readout = find("#readout");
  let at = null;
  const show = (i, j) => {
    at?.classList.remove("at");
    at = rows[i][j];
    at.classList.add("at");
    const pair = i === j ? `within ${names[i]}` : `${names[i]} to ${names[j]}`;
    readout.replaceChildren(element("b", "", at.textContent), ` ${pair}`);
    table.dataset.at = `${i},${j}`;
  };
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("tbody td");
    if (cell) show(cell.parentElement.sectionRowIndex, cell.cellIndex - 1);
  });
  table.addEventListener("focus", () => { if (!at) show(0, 0); });
  table.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [i, j] = (table.dataset.at || "0,0").split(",").map(Number);
    const inside = (value) => Math.min(names.length - 1, Math.max(0, value));
    show(inside(i + move[0]), inside(j + move[1]));
  });
}
