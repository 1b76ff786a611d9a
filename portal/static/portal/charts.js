// Draws the service page's charts with uPlot, in the stylesheet's colours, from what was observed.

const DASH = [2, 3];
const section = document.querySelector("[data-series]");

function colour(name) {
  // A custom property holds light-dark(); only a used value resolves it.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function draw(place, height, series, rows, { from, to }) {
  return new uPlot({
    width: place.clientWidth, height, padding: [4, 0, 0, 0], legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { setScale: false } },
    scales: { x: { time: true, range: [from, to] }, y: { range: (_, low, high) => [0, Math.max(1, high) * 1.08] } },
    axes: [{ show: false }, { show: false }], series: [{}, ...series],
  }, rows, place);
}

function fill(name, text) {
  section.querySelector(`[data-figure="${name}"]`).textContent = text;
}

function perSpan(at, restarted, span, from) {
  const sums = new Map();
  at.forEach((moment, index) => {
    const begin = from + Math.floor((moment - from) / span) * span;
    sums.set(begin, (sums.get(begin) ?? 0) + restarted[index]);
  });
  return sums;
}

async function show() {
  const answer = await fetch(section.dataset.series, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const seen = await answer.json();
  const places = Object.fromEntries([...section.querySelectorAll("[data-plot]")].map((place) => [place.dataset.plot, place]));
  for (const place of Object.values(places)) place.replaceChildren();
  section.querySelector("[data-empty]").hidden = seen.at.length > 0;
  for (const figure of section.querySelectorAll("figure")) figure.hidden = seen.at.length === 0;
  if (!seen.at.length) return;

  const low = Math.min(...seen.ready.map((ready, index) => ready - seen.wanted[index]));
  const short = seen.ready.filter((ready, index) => ready < seen.wanted[index]).length;
  const stepped = uPlot.paths.stepped({ align: 1 });
  const { now } = seen;
  fill("length", seen.length);
  fill("bar", seen.bar_length);
  for (const axis of section.querySelectorAll("[data-axis]")) seen.axis.forEach((label, index) => { axis.children[index].textContent = label; });
  fill("ready", `${now.ready} of ${now.wanted}`);
  draw(places.ready, 72, [
    { stroke: colour("--ad-ink-2"), width: 1.25, fill: colour("--ad-sunken"), paths: stepped, points: { show: false } },
    { stroke: colour("--ad-ink-3"), width: 1, dash: DASH, paths: stepped, points: { show: false } },
  ], [[...seen.at, seen.to], [...seen.ready, now.ready], [...seen.wanted, now.wanted]], seen);
  places.ready.setAttribute("aria-label", short
    ? `Fewer replicas ready than wanted in ${short} of ${seen.at.length} spans, at most ${-low} fewer; ${now.ready} of ${now.wanted} now`
    : `As many replicas ready as wanted whenever we looked; ${now.ready} of ${now.wanted} now`);

  const sums = perSpan(seen.at, seen.restarted, seen.bar, seen.from);
  const total = [...sums.values()].reduce((sum, value) => sum + value, 0);
  fill("restarts", total ? `${total} in ${seen.length}` : `None in ${seen.length}`);
  places.restarts.setAttribute("aria-label", total
    ? `${total} container restarts; at most ${Math.max(...sums.values())} in ${seen.bar_length}`
    : "No container restarts");
  draw(places.restarts, 36, [
    { stroke: "transparent", fill: colour("--ad-ink-2"), paths: uPlot.paths.bars({ size: [0.6, 8], align: 1 }), points: { show: false } },
  ], [[...sums.keys()], [...sums.values()]], seen);
}

if (section) {
  show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  let width = section.clientWidth;
  new ResizeObserver(() => {
    if (section.clientWidth !== width) { width = section.clientWidth; show(); }
  }).observe(section);
}
