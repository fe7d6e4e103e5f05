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
  const { clientWidth: wide, clientHeight: high } = atlas.canvas;
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
  const radius = atlas.n > 8000 ? 1.6 : atlas.n > 1500 ? 2.4 : atlas.n > 200 ? 3.4 : 5;
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

/* Pictures of a few images spread over the map; none over another. */
function drawPictures(pen) {
  const side = atlas.wide < 500 ? 28 : 40;
  const taken = new Set();
  for (let i = 0; i < atlas.n; i += 1) {
    const item = report.items[atlas.rows[i]];
    if (!item || item.missing) continue;
    const place = `${Math.floor(mapX(i) / (side + 2))},${Math.floor(mapY(i) / (side + 2))}`;
    if (taken.has(place)) continue;
    taken.add(place);
    const image = imageOf(atlas.rows[i]);
    if (image.complete && image.naturalWidth) drawPicture(pen, image, i, side);
  }
}

function drawPicture(pen, image, i, side) {
  const cut = Math.min(image.naturalWidth, image.naturalHeight);
  const [x, y] = [(Math.floor(mapX(i) / (side + 2)) + 0.5) * (side + 2) - side / 2, (Math.floor(mapY(i) / (side + 2)) + 0.5) * (side + 2) - side / 2];
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

/* Each coloured class's name stands at the middle of its points, moved off the others. */
function drawNames() {
  const room = find(".map-names");
  room.replaceChildren();
  const placed = [];
  for (const code of atlas.draw === "pictures" ? [] : atlas.on) {
    const own = [];
    for (let i = 0; i < atlas.n; i += 1) if (atlas.labels[i] === code) own.push(i);
    if (!own.length) continue;
    const middle = (place) => own.map(place).sort((a, b) => a - b)[own.length >> 1];
    const at = [middle(mapX), middle(mapY)];
    while (placed.some(([x, y]) => Math.abs(x - at[0]) < 90 && Math.abs(y - at[1]) < 19)) at[1] += 19;
    placed.push(at);
    const name = element("span", "", shortName(atlas.names[code]));
    name.style.left = `${Math.min(atlas.wide - 48, Math.max(48, at[0]))}px`;
    name.style.top = `${Math.min(atlas.high - 12, Math.max(12, at[1]))}px`;
    room.append(name);
  }
}

const shortName = (text) => (text.length > 22 ? `${text.slice(0, 12)}…${text.slice(-9)}` : text);

function nearestTo(x, y, most = 24) {
  let [best, least] = [-1, most * most];
  for (let i = 0; i < atlas.n; i += 1) {
    const far = (mapX(i) - x) ** 2 + (mapY(i) - y) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}
