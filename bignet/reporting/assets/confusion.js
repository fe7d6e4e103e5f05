/* The matrix of shares: numbers where it is pointed at, and from a cell to the strips of its class. */
function sharesReader(table) {
  const names = all("tbody th", table).map((head) => head.title);
  const rows = all("tbody tr", table).map((row) => all("td", row));
  const readout = find("#shares-readout");
  const held = new Map();
  for (const strip of strips) held.set(strip.dataset.label, (held.get(strip.dataset.label) ?? 0) + 1);
  const show = (i, j, cell) => {
    const text = i === j ? `of the places of ${names[i]} are its own` : `of the places of ${names[i]} are held by ${names[j]}`;
    const n = held.get(names[i]) ?? 0;
    readout.replaceChildren(element("strong", "", cell.dataset.share), ` ${text} `, element("span", "shares-go", n ? `${n} of its strips are on this page` : "none of its strips is on this page"));
  };
  const go = (i) => {
    if (!held.has(names[i])) return;
    keepState("neighbours", { class: names[i] });
    followAll();
    find("#neighbours").scrollIntoView();
  };
  rows.forEach((row, i) => { if (held.has(names[i])) for (const cell of row) cell.classList.add("has-strips"); });
  readGrid(table, show, go);
}

if (find("#shares")) sharesReader(find("#shares"));
