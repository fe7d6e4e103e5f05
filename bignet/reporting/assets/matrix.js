/* The matrix of distances: pointing and arrow keys read a number, a click or Enter shows the closest pairs. */
function matrixReader(table) {
  const names = all("tbody th", table).map((head) => head.textContent);
  const rows = all("tbody tr", table).map((row) => all("td", row));
  const readout = find("#readout");
  let at = null;
  const pairName = (i, j) => (i === j ? `within ${names[i]}` : `${names[i]} to ${names[j]}`);
  const show = (i, j) => {
    at?.classList.remove("at");
    at = rows[i][j];
    at.classList.add("at");
    readout.replaceChildren(element("b", "", at.textContent), ` ${pairName(i, j)}`);
    table.dataset.at = `${i},${j}`;
  };
  const place = () => (table.dataset.at || "0,0").split(",").map(Number);
  const over = (event) => {
    const cell = event.target.closest("tbody td");
    return cell && [cell.parentElement.sectionRowIndex, cell.cellIndex - 1];
  };
  const choose = (i, j) => {
    drawPairs(i, j, names, pairName(i, j));
    say(find("#pairs h3").textContent);
  };
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("pointerover", (event) => { if (over(event)) show(...over(event)); });
  table.addEventListener("click", (event) => {
    if (!over(event)) return;
    show(...over(event));
    choose(...place());
  });
  table.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    const [i, j] = place();
    const inside = (value) => Math.min(names.length - 1, Math.max(0, value));
    if (move) show(inside(i + move[0]), inside(j + move[1]));
    else choose(i, j);
  });
  const [i, j] = table.dataset.start.split(",").map(Number);
  show(i, j);
  drawPairs(i, j, names, pairName(i, j));
}

function drawPairs(i, j, names, title) {
  const found = report.cells[`${Math.min(i, j)},${Math.max(i, j)}`] ?? [];
  const lines = found.map(([a, b, similarity, relation]) => (i <= j ? { q: a, nn: [[b, similarity, relation]] } : { q: b, nn: [[a, similarity, relation]] }));
  for (const line of lines) Object.assign(line, { far: null, pair: true });
  const list = element("ul", "pairs");
  lines.forEach((line, at) => list.append(pairOf(lines, line, at)));
  const empty = element("p", "soft", i === j ? `No two images of ${names[i]} stand in each other's lists.` : `No images of ${names[i]} and ${names[j]} stand in each other's lists.`);
  const hint = element("p", "soft", "Click another cell, or press Enter on it.");
  find("#pairs").replaceChildren(element("h3", "", `Closest pairs, ${title}`), hint, lines.length ? list : empty);
}

function pairOf(lines, line, at) {
  const [other, similarity, relation] = line.nn[0];
  const item = element("li");
  const button = element("button", `twin rel-border-${relation}`);
  button.type = "button";
  button.setAttribute("aria-label", `Pair ${at + 1}, similarity ${score(similarity)}: ${report.items[line.q].path} and ${report.items[other].path}`);
  button.append(small(line.q), small(other));
  button.addEventListener("click", () => openViewer(lines, at, 0, button));
  item.append(button, element("span", "score", score(similarity)));
  return item;
}

function small(row) {
  const item = report.items[row];
  const made = element("span", item.missing ? "pic none" : `pic t${row}${Math.max(...item.size) < 64 ? " crisp" : ""}`);
  if (item.missing) made.append(element("span", "", item.missing));
  return made;
}
