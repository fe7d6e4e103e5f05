/* A row's thumbnail as large as its stage has room for; where there is none, a word on why. */
function picture(row, stage) {
  const item = report.items[row];
  const [width, height] = item.size;
  if (item.missing) {
    const none = element("span", "pic none");
    none.append(element("span", "", item.missing));
    return none;
  }
  const made = element("span", `pic t${row}${Math.max(width, height) < 64 ? " crisp" : ""}`);
  const room = stage.getBoundingClientRect();
  const scale = Math.min((room.width || 300) / width, (room.height || 300) / height);
  made.style.width = `${Math.round(width * scale)}px`;
  made.style.height = `${Math.round(height * scale)}px`;
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", item.path);
  return made;
}
