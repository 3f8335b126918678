// What the pages do beyond HTML: keys, ticking all, the choice of the refresh, and not disturbing a person during a refresh.
(() => {
  "use strict";

  const isTyping = (element) => element.closest("input, select, textarea, [contenteditable]") !== null;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "r") return location.reload();
    if (event.key === "/") {
      const search = document.getElementById("search");
      if (search) {
        search.focus();
        event.preventDefault();
      } else {
        document.querySelector('[data-key="m"]')?.click();
      }
      return;
    }
    for (const link of document.querySelectorAll("[data-key]")) {
      if (link.dataset.key === event.key) return link.click();
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.id === "every") {
      const root = document.querySelector(".logo").getAttribute("href");
      document.cookie = `fq_every=${event.target.value}; path=${root}; max-age=31536000; samesite=lax`;
      location.reload();
    }
    if (event.target.id === "tick-all") {
      for (const box of document.querySelectorAll('input[name="id"]')) box.checked = event.target.checked;
    }
  });

  // A double click sends a form once.
  const sent = new WeakSet();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (sent.has(form)) event.preventDefault();
    sent.add(form);
    setTimeout(() => sent.delete(form), 2000);
  });

  // A refresh while somebody chooses messages or reads a selection would take them away.
  const isBusy = () =>
    document.querySelector('input[name="id"]:checked, input[name="all"]:checked') !== null ||
    document.querySelector("#main :focus:is(input:not([type=checkbox]), select, textarea)") !== null ||
    String(getSelection()) !== "";
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (isBusy()) event.preventDefault();
  });

  if (window.htmx) {
    htmx.registerExtension("fq", {
      htmx_before_morph_attr: (element, detail) => !(element.tagName === "DETAILS" && detail.attrName === "open"),
    });
  }
})();
