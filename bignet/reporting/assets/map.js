/* The map: points on a canvas. Coloured classes have a shape of their own as well; the rest is grey. */
const SHAPES = [
  (p, x, y, r) => { p.moveTo(x + r, y); p.arc(x, y, r, 0, 7); },
  (p, x, y, r) => p.rect(x - r * 0.88, y - r * 0.88, r * 1.76, r * 1.76),
  (p, x, y, r) => polygon(p, [[x, y - r * 1.2], [x + r * 1.1, y + r * 0.8], [x - r * 1.1, y + r * 0.8]]),
  (p, x, y, r) => polygon(p, [[x, y - r * 1.25], [x + r * 1.25, y], [x, y + r * 1.25], [x - r * 1.25, y]]),
  (p, x, y, r) => polygon(p, [[x, y + r * 1.2], [x + r * 1.1, y - r * 0.8], [x - r * 1.1, y - r * 0.8]]),
  (p, x, y, r) => { p.rect(x - r * 1.15, y - r * 0.4, r * 2.3, r * 0.8); p.rect(x - r * 0.4, y - r * 1.15, r * 0.8, r * 2.3); },
  (p, x, y, r) => p.rect(x - r * 1.2, y - r * 0.5, r * 2.4, r),
  (p, x, y, r) => p.rect(x - r * 0.5, y - r * 1.2, r, r * 2.4),
  (p, x, y, r) => polygon(p, [[x + r * 1.2, y], [x - r * 0.8, y + r * 1.1], [x - r * 0.8, y - r * 1.1]]),
  (p, x, y, r) => polygon(p, [[x - r * 1.2, y], [x + r * 0.8, y + r * 1.1], [x + r * 0.8, y - r * 1.1]]),
];
const MARGIN = 16;
const atlas = {
  canvas: find("#map-canvas"), names: [], on: [], by: "", draw: "points", at: -1, box: null, chosen: [],
  n: 0, x: null, y: null, rows: null, labels: null, scale: 1, left: 0, top: 0, wide: 0, high: 0, decoded: {}, images: new Map(),
};

function polygon(path, points) {
  points.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
  path.closePath();
}

function decodeMap(by) {
  const found = report.map.maps[by];
  atlas.decoded[by] ??= {
    x: unpack(found.x, Uint16Array), y: unpack(found.y, Uint16Array), rows: unpack(found.rows, Uint32Array),
    share: [found.wide, found.high],
  };
  const made = atlas.decoded[by];
  const { labels, names } = listed.all;
  Object.assign(atlas, { x: made.x, y: made.y, rows: made.rows, n: made.rows.length, names, share: made.share });
  atlas.labels = Uint16Array.from(made.rows, (row) => labels[listed.place(row)]);
}

/* Both axes on one scale, in the middle of the room there is. */
function fitMap() {
  const { clientWidth: wide } = atlas.canvas;
  const most = Math.min(600, innerHeight * 0.78, Math.max(wide, 300));
  const high = Math.round(Math.min(most, Math.max(300, ((wide - 2 * MARGIN) * atlas.share[1]) / Math.max(atlas.share[0], 1e-6) + 2 * MARGIN)));
  atlas.canvas.style.height = `${high}px`;
  const dense = devicePixelRatio || 1;
  atlas.canvas.width = wide * dense;
  atlas.canvas.height = high * dense;
  const [across, up] = atlas.share.map((share) => Math.max(share, 1e-6));
  const scale = Math.min((wide - 2 * MARGIN) / across, (high - 2 * MARGIN) / up) / 65535;
  Object.assign(atlas, { wide, high, dense, scale });
  atlas.left = (wide - scale * 65535 * across) / 2;
  atlas.top = (high + scale * 65535 * up) / 2;
}

const mapX = (i) => atlas.left + atlas.x[i] * atlas.scale;
const mapY = (i) => atlas.top - atlas.y[i] * atlas.scale;
const colourOf = (slot) => getComputedStyle(root).getPropertyValue(slot < 0 ? "--c-rest" : `--c${slot}`).trim();

function drawMap() {
  if (!atlas.rows) return;
  const pen = atlas.canvas.getContext("2d");
  pen.setTransform(atlas.dense, 0, 0, atlas.dense, 0, 0);
  pen.clearRect(0, 0, atlas.wide, atlas.high);
  const radius = (atlas.wide < 500 ? 0.8 : 1) * (atlas.n > 8000 ? 1.7 : atlas.n > 3000 ? 2.4 : atlas.n > 300 ? 3.2 : 5);
  drawPoints(pen, radius);
  if (atlas.draw === "pictures") drawPictures(pen);
  drawRings(pen, radius);
  drawNames();
}

function drawPoints(pen, radius) {
  const slot = new Int8Array(65536).fill(-1);
  atlas.on.forEach((code, i) => { slot[code] = i; });
  const paths = Array.from({ length: atlas.on.length + 1 }, () => new Path2D());
  for (let i = 0; i < atlas.n; i += 1) {
    const own = slot[atlas.labels[i]];
    (own < 0 ? SHAPES[0] : SHAPES[own])(paths[own + 1], mapX(i), mapY(i), own < 0 ? radius * 0.8 : radius);
  }
  paths.forEach((path, i) => {
    pen.globalAlpha = i ? 0.85 : atlas.on.length ? 0.4 : 0.6;
    pen.fillStyle = colourOf(i - 1);
    pen.fill(path);
  });
  pen.globalAlpha = 1;
}

/* In each cell of a grid the picture nearest to its middle; none over another. */
function drawPictures(pen) {
  const side = atlas.wide < 500 ? 28 : 40;
  const cell = side + 2;
  const best = new Map();
  for (let i = 0; i < atlas.n; i += 1) {
    if (!(report.items[atlas.rows[i]]?.missing === "")) continue;
    const [column, line] = [Math.floor(mapX(i) / cell), Math.floor(mapY(i) / cell)];
    const far = Math.hypot(mapX(i) - (column + 0.5) * cell, mapY(i) - (line + 0.5) * cell);
    const key = `${column},${line}`;
    if (far < (best.get(key)?.far ?? Infinity)) best.set(key, { i, far, x: column * cell + 1, y: line * cell + 1 });
  }
  for (const { i, x, y } of best.values()) {
    const image = imageOf(atlas.rows[i]);
    if (image.complete && image.naturalWidth) drawPicture(pen, image, i, [Math.min(x, atlas.wide - side), Math.min(y, atlas.high - side), side]);
  }
}

function drawPicture(pen, image, i, [x, y, side]) {
  const cut = Math.min(image.naturalWidth, image.naturalHeight);
  pen.drawImage(image, (image.naturalWidth - cut) / 2, (image.naturalHeight - cut) / 2, cut, cut, x, y, side, side);
  const own = atlas.on.indexOf(atlas.labels[i]);
  pen.lineWidth = own < 0 ? 1 : 3;
  pen.strokeStyle = colourOf(own);
  pen.strokeRect(x + pen.lineWidth / 2, y + pen.lineWidth / 2, side - pen.lineWidth, side - pen.lineWidth);
}

function imageOf(row) {
  if (!atlas.images.has(row)) {
    const probe = element("span", `t${row}`);
    document.body.append(probe);
    const image = new Image();
    image.addEventListener("load", () => { clearTimeout(atlas.soon); atlas.soon = setTimeout(drawMap, 30); });
    image.src = getComputedStyle(probe).backgroundImage.slice(5, -2);
    probe.remove();
    atlas.images.set(row, image);
  }
  return atlas.images.get(row);
}

function drawRings(pen, radius) {
  pen.strokeStyle = getComputedStyle(root).getPropertyValue("--ink");
  pen.lineWidth = 1;
  if (atlas.chosen.length < 400) {
    for (const i of atlas.chosen) { pen.beginPath(); pen.arc(mapX(i), mapY(i), radius + 2, 0, 7); pen.stroke(); }
  }
  if (atlas.at < 0) return;
  pen.lineWidth = 2.5;
  pen.beginPath();
  pen.arc(mapX(atlas.at), mapY(atlas.at), radius + 5, 0, 7);
  pen.stroke();
}

/* Each coloured class's name stands at the middle of its points, or below; where there is no room it is left to the list. */
function drawNames() {
  const room = find(".map-names");
  room.replaceChildren();
  const taken = [];
  for (const code of atlas.draw === "pictures" ? [] : atlas.on) {
    const at = middleOf(code);
    if (!at) continue;
    const name = element("span", "", shortName(atlas.names[code]));
    name.title = atlas.names[code];
    room.append(name);
    const half = name.offsetWidth / 2 + 2;
    const x = Math.min(atlas.wide - half, Math.max(half, at[0]));
    const free = (at[2] < 4 ? [18, -18, 36, -36] : [0, 20, -20, 40, -40, 60]).map((by) => at[1] + by)
      .find((y) => y > 12 && y < atlas.high - 12 && taken.every(([left, right, line]) => Math.abs(line - y) >= 20 || x + half < left || x - half > right));
    if (free === undefined) { name.remove(); continue; }
    taken.push([x - half, x + half, free]);
    name.style.left = `${x}px`;
    name.style.top = `${free}px`;
  }
}

function middleOf(code) {
  const own = [];
  for (let i = 0; i < atlas.n; i += 1) if (atlas.labels[i] === code) own.push(i);
  if (own.length && own.length < 4) return [mapX(own[0]), mapY(own[0]), own.length];
  const middle = (place) => own.map(place).sort((a, b) => a - b)[own.length >> 1];
  return own.length ? [middle(mapX), middle(mapY), own.length] : null;
}

/* The last part of a path says most, and its middle least. */
function shortName(text) {
  const last = text.split("#").at(-1) || text;
  return last.length > 20 ? `${last.slice(0, 10)}…${last.slice(-9)}` : last;
}

function nearestTo(x, y, most = 24) {
  let [best, least] = [-1, most * most];
  for (let i = 0; i < atlas.n; i += 1) {
    const far = (mapX(i) - x) ** 2 + (mapY(i) - y) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}
