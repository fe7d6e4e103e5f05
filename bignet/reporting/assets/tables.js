/* Every table that can be sorted also filters when it is long, folds when it is very long, and copies as CSV. */
const FOLD = 50;
const FILTER_FROM = 12;
const camel = (key) => key.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());
const rowsOf = (table) => all("tbody tr:not(.family)", table);

function sortable(table) {
  all("thead th[scope=col]:not([data-key]):not(.axis-head)", table).forEach((head) => {
    const button = element("button", "sort", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
  });
  for (const button of all(".family button", table)) button.addEventListener("click", () => toggleFamily(button));
  for (const button of all("thead .sort", table)) {
    button.addEventListener("click", () => sortBy(table, button.closest("th")));
  }
}

function toggleFamily(button) {
  const shut = button.closest("tbody").classList.toggle("shut");
  button.setAttribute("aria-expanded", String(!shut));
}

function valueOf(row, head) {
  const key = head.dataset.key && camel(head.dataset.key);
  if (key && key in row.dataset) return row.dataset[key];
  const text = row.cells[head.cellIndex]?.textContent.trim() ?? "";
  return head.classList.contains("num") ? plainNumber(text) : text;
}

/* "1,204", "6.3 %", "<0.001" and "−0.5" as numbers; "" for a dash. */
function plainNumber(text) {
  const found = text.replaceAll(",", "").replace("−", "-").match(/-?\d+(\.\d+)?/);
  return found ? found[0] : "";
}

function sortBy(table, head) {
  const numeric = head.classList.contains("num");
  const first = numeric ? "descending" : "ascending";
  const second = numeric ? "ascending" : "descending";
  const order = head.getAttribute("aria-sort") === first ? second : first;
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  for (const body of table.tBodies) {
    const rows = all("tr:not(.family)", body).map((row) => [row, valueOf(row, head)]);
    rows.sort((a, b) => compare(a[1], b[1], numeric, sign));
    body.append(...rows.map(([row]) => row));
  }
  refold(table);
}

function compare(a, b, numeric, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
}

/* A cell that a spreadsheet would run as a formula gets a quote in front. */
function csvCell(text) {
  const number = text !== "" && Number.isFinite(Number(text));
  const safe = !number && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/* The rows that the filter lets through, folded away or not. */
function csvOf(table) {
  const rows = rowsOf(table).filter((row) => !row.classList.contains("out"));
  const keys = Object.keys(rows[0]?.dataset ?? {});
  const heads = keys.length ? keys : all("thead th", table).map((head) => head.textContent.trim());
  const cells = (row) => (keys.length ? keys.map((key) => row.dataset[key] ?? "") : [...row.cells].map((cell) => cell.textContent.trim().replaceAll("−", "-")));
  return [heads.join(","), ...rows.map((row) => cells(row).map(csvCell).join(","))].join("\n");
}

/* Under the table: what copies it; above it, where it is long, what narrows it. */
function equip(table) {
  const n = rowsOf(table).length;
  const frame = table.closest(".scroll") ?? table;
  const under = frame.nextElementSibling?.classList.contains("tools") ? frame.nextElementSibling : element("p", "tools");
  if (!under.isConnected) frame.after(under);
  if (n > FILTER_FROM) frame.before(filterBox(table, n));
  if (n > FOLD + 10) under.prepend(foldButton(table, n));
  if (!find(`[data-csv="${table.id}"]`) && n > 1) under.append(csvButton(table));
}

function csvButton(table) {
  const button = element("button", "quiet", "Copy as CSV");
  button.type = "button";
  button.dataset.csv = table.id;
  return button;
}

function filterBox(table, n) {
  const label = element("label", "filter-box");
  const input = element("input");
  const count = element("span", "soft");
  Object.assign(input, { type: "search", placeholder: `Filter ${n.toLocaleString("en")} rows`, autocomplete: "off" });
  input.setAttribute("aria-label", `Filter the ${n.toLocaleString("en")} rows below`);
  input.dataset.filter = table.id;
  count.setAttribute("role", "status");
  input.addEventListener("input", () => {
    const left = filterRows(table, input.value);
    count.textContent = input.value.trim() ? `${left.toLocaleString("en")} of ${n.toLocaleString("en")}` : "";
  });
  label.append(input, count);
  return label;
}

function filterRows(table, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  table.classList.toggle("filtering", words.length > 0);
  for (const row of rowsOf(table)) {
    const line = `${row.textContent} ${Object.values(row.dataset).join(" ")}`.toLowerCase();
    const kept = words.every((word) => line.includes(word));
    row.classList.toggle("out", !kept);
    left += kept;
  }
  for (const body of table.tBodies) {
    find("tr.family", body)?.classList.toggle("out", !find("tr:not(.family):not(.out)", body));
  }
  refold(table);
  return left;
}

function refold(table) {
  const kept = rowsOf(table).filter((row) => !row.classList.contains("out"));
  kept.forEach((row, i) => row.classList.toggle("over", i >= FOLD));
}

function foldButton(table, n) {
  const button = element("button", "fold");
  button.type = "button";
  button.dataset.fold = table.id;
  const draw = (folded) => {
    table.classList.toggle("folded", folded);
    button.textContent = folded ? `Show all ${n.toLocaleString("en")}` : `Show the first ${FOLD}`;
  };
  button.addEventListener("click", () => draw(!table.classList.contains("folded")));
  refold(table);
  draw(true);
  return button;
}
