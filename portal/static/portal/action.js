// The form of an action: steppers, what changed against now, and the waits of the plan beside it. See portal/web/action.py.

const form = document.getElementById("ask");
const plan = document.getElementById("plan");
const deck = document.getElementById("deck");
const SLOW = 3000;
let slowly;

const button = () => document.getElementById("ask-button");

// One number and its old value: "8 now, −60 %".
function compare(output) {
  const input = document.getElementById(output.dataset.was);
  const now = Number(input.dataset.now);
  const wanted = Number(input.value);
  const change = Math.round(((wanted - now) * 100) / now);
  const known = input.value.trim() !== "" && Number.isFinite(change) && change !== 0;
  output.textContent = known ? `${now} now, ${change > 0 ? "+" : "−"}${Math.abs(change)} %` : `${input.dataset.now} now`;
}

function compareAll() {
  document.querySelectorAll("[data-was]").forEach(compare);
}

function step(input, by) {
  const least = Number(input.dataset.min ?? -Infinity);
  const most = Number(input.dataset.max ?? Infinity);
  const from = Number.isFinite(Number(input.value)) ? Math.trunc(Number(input.value)) : 0;
  const next = Math.min(most, Math.max(least, from + by));
  if (String(next) === input.value) return;
  input.value = next;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

// Put what was offered into the form, and show where.
function fill(values) {
  for (const [name, value] of Object.entries(values)) {
    const input = form.elements[name];
    const fold = input.closest("details");
    if (fold) fold.open = true;
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.focus();
  }
}

// What the bar says: "ready" what the server said, "waiting" for a plan, or "lost" when none came.
function say(when) {
  plan.setAttribute("aria-busy", String(when === "waiting"));
  for (const part of deck.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== when;
  if (when !== "ready") button().disabled = true;
  clearTimeout(slowly);
  plan.querySelector(".ad-slow")?.remove();
}

form.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-step]");
  if (pressed) step(pressed.parentElement.querySelector("input"), Number(pressed.dataset.step));
  const fills = event.target.closest("[data-fill]");
  if (fills) fill(JSON.parse(fills.dataset.fill));
  if (event.target.closest("[data-replan]")) plan.dispatchEvent(new CustomEvent("replan"));
});
form.addEventListener("keydown", (event) => {
  const input = event.target.closest(".ad-num input");
  if (!input || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
  event.preventDefault();
  step(input, event.key === "ArrowUp" ? 1 : -1);
});
form.addEventListener("input", compareAll);
form.addEventListener("submit", () => { setTimeout(() => { button().disabled = true; }); });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || button().disabled) return;
  event.preventDefault();
  form.requestSubmit(button());
});
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

for (const part of ["params", "how"]) document.getElementById(part).addEventListener("input", () => say("waiting"));
// The plan's own requests; what is asked for inside of it, such as an offer, holds nothing up.
const ofPlan = (event) => event.target === plan;
plan.addEventListener("htmx:before:request", (event) => {
  if (!ofPlan(event)) return;
  const since = new Date();
  say("waiting");
  slowly = setTimeout(() => {
    const note = document.getElementById("plan-slow").content.cloneNode(true);
    note.querySelector("[data-ticking]").dataset.ticking = since.toISOString();
    plan.prepend(note);
  }, SLOW);
});
plan.addEventListener("htmx:after:swap", (event) => {
  if (!ofPlan(event)) return;
  say("ready");
  const more = document.querySelector("#params .ad-advanced");
  if (more && plan.querySelector(".ad-verdict[data-state=failed]")) more.open = true; // what is missing may be in there
  for (const problem of document.querySelectorAll(":is(#params, #how) .ad-problem")) {
    const input = document.getElementById(problem.id.replace("problem-", "f-"));
    if (problem.textContent.trim()) input?.setAttribute("aria-invalid", "true");
    else input?.removeAttribute("aria-invalid");
  }
});
plan.addEventListener("htmx:error", (event) => {
  const gaveUp = event.detail.ctx?.request.signal.reason === "timeout" || event.detail.error?.name === "TypeError";
  if (!gaveUp || !ofPlan(event)) return;
  say("lost");
  plan.replaceChildren(document.getElementById("plan-lost").content.cloneNode(true));
});
compareAll();
if (!plan.querySelector("[name=digest], .ad-verdict")) say("waiting");
