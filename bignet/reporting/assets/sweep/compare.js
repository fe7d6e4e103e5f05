/* Strips of the same queries: which choices stand side by side, and how many queries. */
const BLOCKS = 4;
const blocks = all(".block");
const compared = { on: [], shown: 1 };

function drawBlocks() {
  const on = new Set(compared.on);
  for (const button of all("[data-compare]")) button.setAttribute("aria-pressed", String(on.has(Number(button.dataset.compare))));
  for (const line of all("[data-line]")) line.hidden = !on.has(Number(line.dataset.line));
  blocks.forEach((block, i) => { block.hidden = i >= BLOCKS * compared.shown; });
  const left = blocks.length - BLOCKS * compared.shown;
  const more = find("#more-blocks");
  more.hidden = left <= 0;
  more.textContent = `Show ${Math.min(left, BLOCKS)} more of ${left}`;
}

/* One more than fits takes the place of the one that has been there longest; the last one stays. */
function toggleCompared(number) {
  const there = compared.on.includes(number);
  if (there && compared.on.length === 1) return;
  compared.on = there ? compared.on.filter((one) => one !== number) : [...compared.on, number].slice(-report.at_a_time);
  keepCompared();
}

function keepCompared() {
  const all_on = compared.on.join() === firstCompared().join();
  keepState("strips", { ...(all_on ? {} : { with: compared.on.join(".") }), ...(compared.shown > 1 ? { queries: compared.shown } : {}) });
  drawBlocks();
}

const firstCompared = () => all("[data-compare]").map((button) => Number(button.dataset.compare)).slice(0, report.at_a_time);

function startCompare() {
  for (const button of all("[data-compare]")) button.addEventListener("click", () => toggleCompared(Number(button.dataset.compare)));
  find("#more-blocks").addEventListener("click", () => { compared.shown += 1; keepCompared(); });
  follows("strips", ["with", "queries"], (options) => {
    const known = new Set(all("[data-compare]").map((button) => Number(button.dataset.compare)));
    const wanted = (options.get("with") ?? "").split(".").filter(Boolean).map(Number).filter((number) => known.has(number));
    compared.on = wanted.length ? wanted.slice(0, report.at_a_time) : firstCompared();
    compared.shown = Math.max(1, Math.floor(Number(options.get("queries"))) || 1);
    drawBlocks();
  });
}

if (blocks.length) startCompare();
