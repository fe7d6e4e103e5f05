/* The matrix of distances: pointing and arrow keys read a number, a click or Enter shows the closest pairs. */
function matrixReader(table) {
  const names = all("tbody th", table).map((head) => head.textContent);
  const readout = find("#readout");
  const pairName = (i, j) => (i === j ? `within ${names[i]}` : `${names[i]} to ${names[j]}`);
  const show = (i, j, cell) => readout.replaceChildren(element("b", "", cell.textContent), ` ${pairName(i, j)}`);
  const [i, j] = table.dataset.start.split(",").map(Number);
  readGrid(table, show, (a, b) => {
    drawPairs(a, b, names, pairName(a, b));
    say(find("#pairs h3").textContent);
  })(i, j);
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
