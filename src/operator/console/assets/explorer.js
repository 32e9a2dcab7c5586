// Sends what the explorer's form says to the API, as whoever is signed in, and shows what comes back.
(() => {
  "use strict";

  const form = document.getElementById("try");
  const answer = document.getElementById("answer");
  if (!form || !answer) return;
  form.querySelector("button[type=submit]").disabled = false;

  const shown = (title, text) => {
    const heading = document.createElement("h3");
    heading.textContent = title;
    const frame = document.createElement("div");
    frame.className = "codeblock";
    const block = document.createElement("pre");
    block.tabIndex = 0;
    block.textContent = text;
    frame.append(block);
    answer.replaceChildren(heading, frame);
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { method, csrf } = form.dataset;
    let path = form.dataset.path;
    const query = new URLSearchParams();
    let body;
    for (const field of form.querySelectorAll("[data-in]")) {
      if (field.dataset.in === "body") body = field.value.trim() || undefined;
      else if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
      else if (field.value) query.append(field.name, field.value);
    }
    const headers = { Accept: "application/json" };
    if (csrf) headers["X-CSRF-Token"] = csrf;
    if (body !== undefined && method !== "GET") headers["Content-Type"] = body.startsWith("<") ? "application/xml" : "application/json";
    const search = query.toString();
    try {
      const response = await fetch(search ? `${path}?${search}` : path, { method, headers, body: method === "GET" ? undefined : body, redirect: "manual" });
      shown(`${response.status} ${response.statusText}`, (await response.text()) || "No body.");
    } catch (error) {
      shown("Not sent", String(error));
    }
  });
})();
