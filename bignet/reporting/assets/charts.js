/* A figure says its numbers where it is pointed at, or step by step with the arrow keys. */
function readable(chart, points) {
  const plot = find(".plot", chart);
  const cross = find(".cross", chart);
  const box = find(".tip-box", chart);
  let at = -1;
  const show = (i) => {
    at = Math.min(points.length - 1, Math.max(0, i));
    const [place, text] = points[at];
    cross.style.left = box.style.left = `${place}%`;
    box.classList.toggle("left", place > 55);
    box.textContent = text;
    cross.hidden = box.hidden = false;
  };
  const hide = () => { cross.hidden = box.hidden = true; };
  plot.addEventListener("pointermove", (event) => {
    const room = plot.getBoundingClientRect();
    const wanted = (100 * (event.clientX - room.left)) / room.width;
    let best = 0;
    points.forEach(([place], i) => { if (Math.abs(place - wanted) < Math.abs(points[best][0] - wanted)) best = i; });
    show(best);
  });
  plot.addEventListener("pointerleave", hide);
  chart.addEventListener("blur", hide);
  chart.addEventListener("focus", () => { if (chart.matches(":focus-visible")) show(Math.max(0, at)); });
  chart.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
    say(box.textContent);
  });
}

for (const [id, points] of Object.entries(report.charts ?? {})) {
  const chart = document.getElementById(id);
  if (chart && points.length) readable(chart, points);
}
