/* A table of cells is read by pointing and with the arrow keys; a click or Enter chooses. Gives what moves to a cell. */
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function readGrid(table, show, choose = () => {}) {
  const rows = all("tbody tr", table).map((row) => all("td", row));
  let at = null;
  const move = (i, j) => {
    if (at) rows[at[0]][at[1]].classList.remove("at");
    const line = Math.min(rows.length - 1, Math.max(0, i));
    at = [line, Math.min(rows[line].length - 1, Math.max(0, j))];
    const cell = rows[at[0]][at[1]];
    cell.classList.add("at");
    show(...at, cell);
  };
  const over = (event) => {
    const cell = event.target.closest("tbody td");
    return cell && [cell.parentElement.sectionRowIndex, cell.cellIndex - 1];
  };
  table.addEventListener("pointerover", (event) => { if (over(event)) move(...over(event)); });
  table.addEventListener("click", (event) => {
    if (!over(event)) return;
    move(...over(event));
    choose(...at);
  });
  table.addEventListener("focus", () => { if (!at) move(0, 0); });
  table.addEventListener("keydown", (event) => {
    const by = ARROWS[event.key];
    if (!by && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (by) move(at[0] + by[0], at[1] + by[1]);
    else choose(...at);
  });
  return move;
}
