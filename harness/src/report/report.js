"use strict";
// Only comfort: without it all cases are shown, and details are opened by hand.
const controls = document.querySelector(".controls");
const search = controls.querySelector("input[type=search]");
const boxes = [...controls.querySelectorAll("input[type=checkbox]")];
const rows = [...document.querySelectorAll(".grid tbody tr")];
function choose() {
  const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.name));
  for (const row of rows) {
    const name = row.querySelector("code").textContent;
    const verdicts = row.dataset.verdicts.split(" ");
    row.hidden = !name.includes(search.value) || !verdicts.some((verdict) => wanted.has(verdict));
  }
}
function open() {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}
controls.hidden = false;
controls.addEventListener("input", choose);
controls.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", open);
open();
