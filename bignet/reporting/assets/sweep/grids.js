/* Tables of cells say what they hold where they are pointed at. */
for (const table of all("[data-cells]")) {
  const readout = find("#layers-readout");
  readGrid(table, (i, j, cell) => readout.replaceChildren(cell.dataset.read ?? ""));
}

function distancesReader(table) {
  const names = all("tbody th", table).map((head) => head.title);
  readGrid(table, (i, j, cell) => {
    const pair = i === j ? `within ${names[i]}` : `${names[i]} to ${names[j]}`;
    find("#distances-readout").replaceChildren(element("b", "", cell.textContent), ` ${pair}`);
  });
}

if (find("#distances")) distancesReader(find("#distances"));
