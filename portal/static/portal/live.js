// Turns the stream of /live into DOM events on <body>, and polls while there is no stream. See portal/web/live.py.

const POLL = 4000;
const source = document.getElementById("live");
let connected = false;

function fire(name) {
  document.body.dispatchEvent(new CustomEvent(name));
}

// Everything that a fragment of this page listens to: `changed`, `request-17`.
function wanted() {
  const names = new Set(["changed"]);
  for (const element of document.querySelectorAll("[hx-trigger*='from:body']")) {
    for (const match of element.getAttribute("hx-trigger").matchAll(/\b(request-\d+) from:body/g)) names.add(match[1]);
  }
  return names;
}

if (source) {
  source.addEventListener("htmx:sse:after:connection", () => { connected = true; wanted().forEach(fire); });
  for (const end of ["htmx:sse:error", "htmx:sse:close"]) source.addEventListener(end, () => { connected = false; });
  setInterval(() => { if (!connected && !document.hidden) wanted().forEach(fire); }, POLL);
}
