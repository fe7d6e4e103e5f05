/* The figure of quality over speed: it reads out the choice pointed at, and shows what the weights pick. */
const WEIGHED = ["speed", "size"];
const UNWEIGHED = { speed: 0, size: 0 };
const figure = { chart: find("#front-chart"), spots: new Map(), order: [], at: -1, weights: { ...UNWEIGHED }, pick: -1 };

/* A name breaks after a slash, and elsewhere only where no line could hold it. */
function brokenName(name) {
  const parts = name.split(/(?<=\/)/);
  return parts.flatMap((part, i) => (i ? [element("wbr"), part] : [part]));
}

function showChoice(number, why) {
  const choice = report.choices[number];
  if (!choice || !find("#here-choice")) return;
  find("#here-why").textContent = why;
  find("#here-name").replaceChildren(...brokenName(choice.name));
  find("#here-facts").replaceChildren(...choice.lines.map(([key, value]) => {
    const line = element("div");
    line.append(element("dt", "", key), element("dd", "", value));
    return line;
  }));
  find("#here-row").dataset.row = number;
}

function pointTo(number) {
  figure.spots.get(figure.at)?.classList.remove("at");
  figure.at = number;
  const spot = figure.spots.get(number);
  spot.classList.add("at");
  spot.parentElement.append(spot);
  showChoice(number, number === report.taken ? "recommended" : `choice ${number + 1} of ${report.choices.length}`);
}

function pointAway() {
  figure.spots.get(figure.at)?.classList.remove("at");
  figure.at = -1;
  showChoice(report.taken, "recommended");
}

/* The table may be folded or filtered: the row is brought to light whatever it takes. */
function showRow(number) {
  const row = find(`#choice-${number}`);
  const table = row.closest("table");
  const filter = find(`[data-filter="${table.id}"]`);
  if (filter?.value && row.classList.contains("out")) {
    filter.value = "";
    filter.dispatchEvent(new Event("input"));
  }
  if (row.classList.contains("over")) find(`[data-fold="${table.id}"]`)?.click();
  for (const other of all("tr.picked", table)) other.classList.remove("picked");
  row.classList.add("picked");
  row.scrollIntoView({ block: "center" });
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
}

function nearestSpot(event) {
  const room = find(".plot", figure.chart).getBoundingClientRect();
  let [best, least] = [-1, 40 ** 2];
  for (const [number, spot] of figure.spots) {
    const x = room.left + (parseFloat(spot.getAttribute("x")) / 100) * room.width - event.clientX;
    const y = room.top + (parseFloat(spot.getAttribute("y")) / 100) * room.height - event.clientY;
    if (x * x + y * y < least) [best, least] = [number, x * x + y * y];
  }
  return best;
}

function frontKey(event) {
  const here = figure.order.indexOf(figure.at < 0 ? report.taken : figure.at);
  const to = { ArrowLeft: here - 1, ArrowRight: here + 1, ArrowUp: here + 1, ArrowDown: here - 1, Home: 0, End: figure.order.length - 1 }[event.key];
  if (event.key === "Enter" && figure.at >= 0) showRow(figure.at);
  if (to === undefined) return;
  event.preventDefault();
  pointTo(figure.order[Math.min(figure.order.length - 1, Math.max(0, to))]);
  say(`${report.choices[figure.at].name}: ${report.choices[figure.at].lines.map((line) => line.join(" ")).join(", ")}`);
}

function startFront() {
  for (const spot of all(".spot", figure.chart)) figure.spots.set(Number(spot.dataset.choice), spot);
  const across = (number) => parseFloat(figure.spots.get(number).getAttribute("x"));
  figure.order = [...figure.spots.keys()].sort((a, b) => across(a) - across(b) || a - b);
  figure.chart.classList.toggle("many", figure.spots.size > 60);
  const plot = find(".plot", figure.chart);
  const over = (event) => {
    const number = nearestSpot(event);
    if (number !== figure.at) (number < 0 ? pointAway : pointTo)(number);
  };
  plot.addEventListener("pointermove", over);
  plot.addEventListener("pointerdown", over);
  plot.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") pointAway(); });
  plot.addEventListener("click", (event) => { if (event.detail && nearestSpot(event) >= 0 && matchMedia("(hover: hover)").matches) showRow(nearestSpot(event)); });
  figure.chart.addEventListener("focus", () => { if (figure.chart.matches(":focus-visible")) pointTo(figure.spots.has(report.taken) ? report.taken : figure.order[0]); });
  figure.chart.addEventListener("blur", pointAway);
  figure.chart.addEventListener("keydown", frontKey);
  find("#here-row").addEventListener("click", (event) => showRow(Number(event.currentTarget.dataset.row)));
  showChoice(report.taken, "recommended");
}

function drawPick() {
  for (const key of WEIGHED) {
    find(`#weigh-${key}`).value = figure.weights[key];
    find(`#${key}-out`).value = figure.weights[key].toFixed(3);
  }
  figure.pick = weighedPick(report.choices, figure.weights);
  for (const old of all(".pick-halo", figure.chart ?? document)) old.remove();
  const { name, lines } = report.choices[figure.pick];
  const said = Object.fromEntries(lines);
  const figures = [lines[0][1], said.speed, said.size, ...(said.weights.startsWith("random") ? [said.weights] : []), ...(figure.pick === report.taken ? ["the recommended one"] : [])];
  const picked = element("b");
  picked.append(...brokenName(name));
  find("#pick").replaceChildren("Then take ", picked, ` · ${figures.join(" · ")}`);
  const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  ring.setAttribute("class", "pick-halo");
  ring.setAttribute("r", "21");
  figure.spots.get(figure.pick)?.append(ring);
}

function keepWeights() {
  const changed = WEIGHED.some((key) => figure.weights[key] !== UNWEIGHED[key]);
  keepState("front", changed ? figure.weights : {});
  drawPick();
}

function startWeights() {
  for (const slider of all("[data-weigh]")) {
    slider.addEventListener("input", () => { figure.weights[slider.dataset.weigh] = Number(slider.value); drawPick(); });
    slider.addEventListener("change", keepWeights);
  }
  find("#weigh-reset").addEventListener("click", () => { Object.assign(figure.weights, UNWEIGHED); keepWeights(); });
  find("#weigh-row").addEventListener("click", () => showRow(figure.pick));
  follows("front", WEIGHED, (options) => {
    for (const key of WEIGHED) {
      const wanted = Number(options.get(key) ?? NaN);
      figure.weights[key] = wanted >= 0 && wanted <= 0.1 ? wanted : UNWEIGHED[key];
    }
    drawPick();
  });
}

if (figure.chart) startFront();
if (find("#weigh")) startWeights();
