// Shows new results without a reload: the server says that something changed, this script fetches
// the same page and replaces its content. Without it, a reload does the same.
"use strict";
(() => {
  const note = document.getElementById("live");
  const main = document.getElementById("main");
  if (!note || !window.EventSource) return;
  let pending = false;
  let last = 0;

  async function refresh() {
    pending = false;
    last = Date.now();
    const answer = await fetch(location.href, { credentials: "omit" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("main");
    if (!fresh || fresh.innerHTML === main.dataset.seen) return;
    main.dataset.seen = fresh.innerHTML;
    const open = [...main.querySelectorAll("details")].map((d) => d.open);
    main.replaceChildren(...fresh.childNodes);
    [...main.querySelectorAll("details")].forEach((d, n) => { d.open = Boolean(open[n]); });
    document.title = page.title;
  }

  function changed() {
    if (pending) return;
    pending = true;
    setTimeout(() => refresh().catch(() => {}), Math.max(0, 2000 - (Date.now() - last)));
  }

  let missed = false;
  const events = new EventSource("/events");
  events.addEventListener("open", () => {
    note.textContent = " Live.";
    if (missed) changed();
    missed = false;
  });
  events.addEventListener("error", () => {
    note.textContent = " Not live; reload to see more.";
    missed = true;
  });
  events.addEventListener("changed", changed);
})();
