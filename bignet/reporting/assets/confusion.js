/* The matrix of shares: numbers where it is pointed at, and from a cell to the strips of its class. */
function sharesReader(table) {
  const names = all("tbody th", table).map((head) => head.title);
  const rows = all("tbody tr", table).map((row) => all("td", row));
  const readout = find("#shares-readout");
  const held = new Map();
  for (const strip of strips) held.set(strip.dataset.label, (held.get(strip.dataset.label) ?? 0) + 1);
  let at = null;
  const show = (i, j) => {
    if (at) rows[at[0]][at[1]].classList.remove("at");
    at = [i, j];
    rows[i][j].classList.add("at");
    const share = rows[i][j].dataset.share;
    const text = i === j ? `of the places of ${names[i]} are its own` : `of the places of ${names[i]} are held by ${names[j]}`;
    const n = held.get(names[i]) ?? 0;
    readout.replaceChildren(element("strong", "", share), ` ${text} `, element("span", "shares-go", n ? `${n} of its strips are on this page` : "none of its strips is on this page"));
  };
  const go = () => {
    if (!at || !held.has(names[at[0]])) return;
    keepState("neighbours", { class: names[at[0]] });
    followAll();
    find("#neighbours").scrollIntoView();
  };
  rows.forEach((row, i) => { if (held.has(names[i])) for (const cell of row) cell.classList.add("has-strips"); });
  const placeOf = (event) => {
    const cell = event.target.closest("tbody td");
    return cell ? [cell.parentElement.sectionRowIndex, cell.cellIndex - 1] : null;
  };
  table.addEventListener("pointerover", (event) => { const place = placeOf(event); if (place) show(...place); });
  table.addEventListener("click", (event) => { const place = placeOf(event); if (place) { show(...place); go(); } });
  table.addEventListener("focus", () => { if (!at) show(0, 0); });
  table.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go();
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move || !at) return;
    event.preventDefault();
    const inside = (value) => Math.min(names.length - 1, Math.max(0, value));
    show(inside(at[0] + move[0]), inside(at[1] + move[1]));
  });
}

if (find("#shares")) sharesReader(find("#shares"));
