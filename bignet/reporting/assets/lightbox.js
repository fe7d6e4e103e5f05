/* One picture, large, and the way to the others of its group. */
const lightbox = { dialog: find("#lightbox"), group: [], at: 0 };

function itemOf(row) {
  return report.items[row] ?? { ...listed.item(row), size: [0, 0], missing: "no picture on this page" };
}

function drawLightbox() {
  const { row, note } = lightbox.group[lightbox.at];
  const item = itemOf(row);
  const stage = find("#lightbox-stage");
  stage.replaceChildren(item.missing ? placeholder(item.missing) : picture(row, stage));
  find("#lightbox-title").textContent = item.label ?? "no label";
  find("#lightbox-note").textContent = [note, lightbox.group.length > 1 ? `${lightbox.at + 1} of ${lightbox.group.length}` : ""].filter(Boolean).join(" · ");
  find("#lightbox-path").textContent = item.path ?? `id ${item.id}`;
}

function placeholder(text) {
  const made = element("span", "pic none");
  made.append(element("span", "", text));
  return made;
}

function openLightbox(group, at) {
  Object.assign(lightbox, { group, at });
  if (!lightbox.dialog.open) lightbox.dialog.showModal();
  lightbox.dialog.focus();
  drawLightbox();
}

/* Any button that names a row enlarges it; its neighbours in the same group follow with the arrow keys. */
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-enlarge]");
  if (!button) return;
  const buttons = all("[data-enlarge]", button.closest("[data-group]") ?? button.parentElement);
  const group = buttons.map((one) => ({ row: Number(one.dataset.enlarge), note: one.dataset.note ?? "" }));
  openLightbox(group, buttons.indexOf(button));
});
lightbox.dialog.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  lightbox.at = Math.min(lightbox.group.length - 1, Math.max(0, lightbox.at + by));
  drawLightbox();
});
lightbox.dialog.addEventListener("click", (event) => { if (event.target === lightbox.dialog) lightbox.dialog.close(); });
find("#lightbox-copy").addEventListener("click", (event) => {
  const item = itemOf(lightbox.group[lightbox.at].row);
  copy(item.paste ?? item.path ?? item.id, event.currentTarget);
});
