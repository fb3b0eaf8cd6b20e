"use strict";
{
  // Times in the reader's zone; what stands in the page is UTC.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const told = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const inOwnZone = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (isNaN(moment)) continue;
      time.title = time.textContent;
      time.textContent = told.format(moment);
    }
  };

  // A button beside each query, where the browser lets a page copy.
  const withCopyButtons = (root) => {
    for (const query of navigator.clipboard ? root.querySelectorAll("[data-copy]") : []) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.setAttribute("aria-label", "Copy " + query.textContent);
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(query.textContent);
        button.textContent = "Copied";
      });
      query.after(" ", button);
    }
  };

  // The parts of the page that follow the daemon, as they came.
  const parts = new Map();
  for (const part of document.querySelectorAll("[data-live]")) parts.set(part.id, part.innerHTML);
  const enhance = (root) => { inOwnZone(root); withCopyButtons(root); };

  // A part is replaced only where it has changed; what was open stays open, and the focus where it
  // was.
  const replace = (id, next) => {
    const old = document.getElementById(id);
    const focused = old.contains(document.activeElement) && document.activeElement;
    const open = [...old.querySelectorAll("details[open]")].map((own) => own.dataset.key);
    const isNews = news(next) !== news(old);
    parts.set(id, next.innerHTML);
    enhance(next);
    for (const own of next.querySelectorAll("details")) own.open = open.includes(own.dataset.key);
    old.replaceWith(next);
    if (focused) {
      const named = (own) => [own.localName, own.getAttribute("href"), own.parentElement.dataset.key,
        own.getAttribute("aria-label")].join();
      const same = [...next.querySelectorAll("*")].find((own) => named(own) === named(focused));
      (same ?? next).focus({ preventScroll: true });
    }
    return isNews;
  };

  // What is worth telling somebody who cannot see it.
  const news = (part) => {
    const copy = part.cloneNode(true);
    for (const own of copy.querySelectorAll("[data-restless], button")) own.remove();
    for (const time of copy.querySelectorAll("time")) time.textContent = time.dateTime;
    return copy.textContent;
  };

  const state = document.createElement("span");
  state.setAttribute("role", "status");
  let tag = null;
  const refresh = async () => {
    if (document.hidden || !pause.checked) return;
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      const answer = await fetch(location.href, { headers, cache: "no-store" });
      if (answer.status === 304) { state.textContent = ""; return; }
      if (!answer.ok) {
        state.textContent = "What is shown is old: driftd answers " + answer.status + ".";
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      tag = answer.headers.get("ETag");
      // Other parts than before: the page shows something else now.
      const ids = [...page.querySelectorAll("[data-live]")].map((own) => own.id);
      if (ids.join() !== [...parts.keys()].join()) { location.reload(); return; }
      let isNew = false;
      for (const [id, shown] of parts) {
        const next = page.getElementById(id);
        if (!next || next.innerHTML === shown) continue;
        isNew = replace(id, document.adoptNode(next)) || isNew;
      }
      state.textContent = isNew ? "Updated at " + told.format(new Date()) + "." : "";
    } catch {
      state.textContent = "What is shown is old: driftd does not answer.";
    }
  };

  const pause = document.createElement("input");
  pause.type = "checkbox";
  pause.checked = true;
  const label = document.createElement("label");
  label.append(pause, " Follow what is new");
  document.querySelector("footer p").append(". Times are in ", zone, ". ", label, " ", state);
  enhance(document);
  setInterval(refresh, 10000);
  document.addEventListener("visibilitychange", refresh);
}
