/* Cards of one clustering at a time, in an order of choice, a page of them at first. */
const CARDS = 12;
const clusterings = all(".clustering");
const cards = { k: "", order: "size", n: CARDS };
const SUGGESTED = find("button[data-k][aria-pressed=true]")?.dataset.k ?? "";
const UPWARDS = new Set(["purity", "cohesion"]);

function cardOrder(a, b) {
  const [one, other] = [a.dataset[cards.order], b.dataset[cards.order]];
  if (one === "" || other === "") return (one === "") - (other === "");
  const by = UPWARDS.has(cards.order) ? Number(one) - Number(other) : Number(other) - Number(one);
  return by || Number(a.dataset.number) - Number(b.dataset.number);
}

function drawCards() {
  for (const one of clusterings) one.hidden = one.dataset.clustering !== cards.k;
  for (const button of all("button[data-k]")) button.setAttribute("aria-pressed", String(button.dataset.k === cards.k));
  for (const button of all("[data-order]")) button.setAttribute("aria-pressed", String(button.dataset.order === cards.order));
  const shownNow = clusterings.find((one) => !one.hidden);
  if (!shownNow) return;
  const order = all(".card", shownNow).sort(cardOrder);
  order.forEach((card, i) => card.classList.toggle("over", i >= cards.n));
  find(".cards", shownNow).append(...order);
  const more = find(".more-cards", shownNow);
  const left = order.length - cards.n;
  more.hidden = left <= 0;
  more.textContent = `Show ${Math.min(left, CARDS)} more of ${left}`;
}

function keepCards() {
  keepState("clusters", { k: cards.k === SUGGESTED ? "" : cards.k, order: cards.order === "size" ? "" : cards.order });
  drawCards();
}

function membersOf(k, number) {
  const own = unpack(report.clusters[k], Uint16Array);
  return [...own.keys()].filter((row) => own[row] === number);
}

function exportMembers(card, kind) {
  const number = Number(card.dataset.number);
  exportRows(membersOf(cards.k, number - 1), kind, `cluster-${number}-of-${cards.k}`, { what: "cluster", k: Number(cards.k), cluster: number });
}

function exportAllMembers(k) {
  const own = unpack(report.clusters[k], Uint16Array);
  const lines = [...own].map((number, row) => {
    const { id, label = "", path = "" } = listed.item(row);
    return [id, number === 65535 ? "" : String(number + 1), label, path].map(csvCell).join(",");
  });
  download(`clusters-${k}.csv`, `${["id,cluster,label,path", ...lines].join("\n")}\n`, "text/csv");
}

if (clusterings.length) {
  for (const button of all("button[data-k]")) button.addEventListener("click", () => { Object.assign(cards, { k: button.dataset.k, n: CARDS }); keepCards(); });
  for (const button of all("[data-order]")) button.addEventListener("click", () => { Object.assign(cards, { order: button.dataset.order, n: CARDS }); keepCards(); });
  for (const button of all(".more-cards")) button.addEventListener("click", () => { cards.n += CARDS; drawCards(); });
  for (const button of all("[data-members]")) button.addEventListener("click", () => exportMembers(button.closest(".card"), button.dataset.members));
  for (const button of all("[data-all-members]")) button.addEventListener("click", () => exportAllMembers(button.dataset.allMembers));
  follows("clusters", ["k", "order"], (options) => {
    const known = clusterings.map((one) => one.dataset.clustering);
    const orders = all("[data-order]").map((button) => button.dataset.order);
    cards.k = known.includes(options.get("k")) ? options.get("k") : SUGGESTED;
    cards.order = orders.includes(options.get("order")) ? options.get("order") : "size";
    drawCards();
  });
}
