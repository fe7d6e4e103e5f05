/* What every page does once its own parts are ready: tables, copying, the address, the contents, printing. */
for (const table of all("table.sortable")) {
  sortable(table);
  equip(table);
}
for (const button of all("[data-csv]")) {
  button.addEventListener("click", () => copy(csvOf(find(`#${button.dataset.csv}`)), button));
}
for (const button of all("[data-copy]")) {
  button.addEventListener("click", () => copy(button.dataset.copy, button));
}
function followAddress(scroll) {
  const { place } = readState();
  followAll(scroll);
  if (scroll && location.hash.includes("?") && place) document.getElementById(place)?.scrollIntoView();
}
addEventListener("popstate", () => followAddress(false));
followAddress(true);

const menu = find(".menu");
const narrow = matchMedia("(max-width: 1100px)");
const fitMenu = () => { menu.open = !narrow.matches; };
narrow.addEventListener("change", fitMenu);
fitMenu();
for (const link of all(".menu a")) link.addEventListener("click", () => { if (narrow.matches) menu.open = false; });

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of all(".menu a")) {
      if (link.hash === `#${entry.target.id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
}, { rootMargin: "-15% 0px -80% 0px" });
for (const section of all("main > section")) watcher.observe(section);

/* What is folded away on the screen is printed. */
let opened = [];
addEventListener("beforeprint", () => {
  opened = all("main details:not([open])");
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
