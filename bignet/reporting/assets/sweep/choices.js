/* Tables that can be saved as a file. */
for (const button of all("[data-save]")) {
  button.addEventListener("click", () => download(`${report.name}-${button.dataset.save}.csv`, csvOf(find(`#${button.dataset.save}`)), "text/csv"));
}
