// The button says how many it approves, and approves none.

const form = document.getElementById("alike");
const button = document.getElementById("approve-alike");

function count() {
  const ticked = form.querySelectorAll("[name=item]:checked").length;
  button.textContent = `Approve ${ticked}`;
  button.disabled = !ticked;
}

form.addEventListener("change", count);
addEventListener("pageshow", count); // also when the browser brings back ticks from before
count();
