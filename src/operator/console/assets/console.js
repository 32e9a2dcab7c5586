// What the console does only where scripts run: shortcuts, copying, and telling when a live part has lost its line.
(() => {
  "use strict";

  document.documentElement.classList.add("scripted");

  // "/" goes to the search, as long as nobody is typing.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.querySelector("input[type=search]:not([hidden])");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.textContent);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 2000);
  });

  // Marks every row, or none if all are marked.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-mark]");
    if (!button) return;
    const boxes = [...button.form.querySelectorAll(`input[type=checkbox][name="${button.dataset.mark}"]`)];
    const all = boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = !all;
  });

  // A live part says so in its own words.
  const line = (on) => (event) => {
    const badge = event.target.querySelector?.("[data-line]") ?? document.querySelector(".head [data-line]");
    if (!badge) return;
    badge.dataset.line = on ? "on" : "off";
    badge.className = on ? "badge ok" : "badge warn";
    badge.textContent = on ? "Live" : "Not live: the connection is lost";
  };
  document.addEventListener("htmx:sseOpen", line(true));
  document.addEventListener("htmx:sseError", line(false));
})();
