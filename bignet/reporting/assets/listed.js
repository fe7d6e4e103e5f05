/* Ids, labels and paths of many rows, packed; read when they are first asked for. */
function unpack(text, Kind) {
  const bytes = atob(text);
  const room = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += 1) room[i] = bytes.charCodeAt(i);
  return new Kind(room.buffer);
}

const listed = {
  get all() {
    const { rows, ids, labels, names, paths, n } = report.listed;
    const made = {
      n, names, paths,
      ids: unpack(ids, BigInt64Array),
      labels: unpack(labels, Uint16Array),
      place: rows === null ? null : new Map([...unpack(rows, Uint32Array)].map((row, i) => [row, i])),
    };
    Object.defineProperty(this, "all", { value: made });
    return made;
  },
  place(row) {
    return this.all.place === null ? row : this.all.place.get(row);
  },
  item(row) {
    const { ids, labels, names, paths } = this.all;
    const i = this.place(row);
    const item = { id: String(ids[i]) };
    if (labels[i] < names.length) item.label = names[labels[i]];
    if (paths) item.path = paths[i];
    return item;
  },
};

function listAsCsv(rows) {
  const lines = rows.map((row) => {
    const { id, label = "", path = "" } = { ...listed.item(row), ...pathOf(row) };
    return [id, label, path].map(csvCell).join(",");
  });
  return ["id,label,path", ...lines].join("\n");
}

function pathOf(row) {
  const item = report.items[row];
  return item ? { path: item.path } : {};
}

function exportRows(rows, kind, name, chosen) {
  if (kind === "csv") {
    download(`${name}.csv`, `${listAsCsv(rows)}\n`, "text/csv");
    return;
  }
  const images = rows.map((row) => ({ label: null, path: null, ...listed.item(row), ...pathOf(row) }));
  const { store, embedding, fingerprint } = report;
  const record = { schema_version: 1, kind: "bignet.selection", store, embedding, fingerprint, chosen, images };
  download(`${name}.json`, `${JSON.stringify(record, null, 1)}\n`);
}
