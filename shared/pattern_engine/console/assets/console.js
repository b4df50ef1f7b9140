// What the pages do by themselves: times in the reader's zone, keys, looking for news, and charts.
// Everything works without this script; it never makes HTML out of text.
(() => {
  "use strict";

  // -- Times ---------------------------------------------------------------------------------
  const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const localize = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const when = new Date(time.dateTime);
      if (!Number.isNaN(when.getTime())) time.textContent = zone.format(when);
    }
    // A field for a point in time is in the reader's zone; the server gets the difference to UTC with it.
    for (const field of root.querySelectorAll("input[data-zone]")) field.value = String(new Date().getTimezoneOffset());
  };

  // What is left until a time, counted down.
  const countDown = () => {
    for (const element of document.querySelectorAll("[data-until]")) {
      const seconds = Math.round((new Date(element.dataset.until) - Date.now()) / 1000);
      const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
      const text = parts.filter(([number]) => number > 0).map(([number, unit]) => `${number} ${unit}`).slice(0, 2).join(" ");
      element.textContent = seconds > 0 ? text : "now";
    }
  };

  // -- Lists by keyboard ---------------------------------------------------------------------
  const items = () => [...document.querySelectorAll("[data-item]")];
  let current = null; // the id of the entry that the reader is at; stays through every update of a list

  const show = (item, scroll) => {
    for (const each of items()) each.classList.toggle("current", each === item);
    if (!item) return;
    current = item.dataset.item;
    if (scroll) {
      item.scrollIntoView({ block: "nearest" });
      item.querySelector("a")?.focus({ preventScroll: true });
    }
  };
  const move = (by) => {
    const all = items();
    const at = all.findIndex((item) => item.dataset.item === current);
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) show(next, true);
  };
  const of = (selector) => items().find((item) => item.dataset.item === current)?.querySelector(selector);
  const actions = {
    j: () => move(1),
    k: () => move(-1),
    Enter: () => of("a[href]")?.click(),
    x: () => of("input[type=checkbox]")?.click(),
    a: () => goTo("approve"),
    r: () => goTo("reject"),
    "/": () => document.querySelector("input[type=search]")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
  };
  // On a page with a decision the key leads to its form; in a list, to the page of the decision.
  const goTo = (decision) => {
    const here = document.querySelector(`[data-decision="${decision}"]`);
    if (here) {
      here.scrollIntoView({ block: "center" });
      (here.querySelector("textarea, button") ?? here).focus();
    } else {
      const link = of("a[data-review]");
      if (link) window.location.assign(`${link.href}#${decision}`);
    }
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("click", (event) => {
    const item = event.target.closest("[data-item]");
    if (item) show(item, false);
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens)?.showModal();
    const all = event.target.closest("input[data-checks]");
    if (all) for (const box of document.querySelectorAll(`input[name="${all.dataset.checks}"]`)) box.checked = all.checked;
  });

  // -- News ----------------------------------------------------------------------------------
  // Parts of a page with hx-trigger="news from:body" are fetched again when something happened.
  const SECONDS = 4;
  const body = document.body;
  let asking = false;
  const lookForNews = async () => {
    if (document.hidden || asking || !body.dataset.markUrl) return;
    asking = true;
    try {
      const address = `${body.dataset.markUrl}?since=${encodeURIComponent(body.dataset.mark)}`;
      const answer = await fetch(address, { headers: { "HX-Request": "true" }, redirect: "error" });
      if (answer.status === 401) {
        document.getElementById("session").innerHTML = await answer.text(); // a page of this server
        window.htmx?.process(document.getElementById("session"));
      } else if (answer.status === 200) {
        body.dataset.mark = await answer.text();
        document.getElementById("session").textContent = "";
        body.dispatchEvent(new CustomEvent("news"));
      }
    } catch {
      // The next look tries again.
    } finally {
      asking = false;
    }
  };

  // An update of a part leaves the reader where the reader was: boxes stay checked, the entry that the reader is at stays
  // marked and stays where it is on the screen. If that entry is gone, the one in its place is the next to go on from. What had
  // the focus has it again, which htmx sees to for elements with an id.
  let before = null;
  const byId = (box) => box.id || box.value;
  const place = (item) => item?.getBoundingClientRect().top ?? 0;
  body.addEventListener("htmx:beforeSwap", (event) => {
    const all = items();
    const visible = all.find((item) => place(item) >= 0);
    const at = all.findIndex((item) => item.dataset.item === current);
    const kept = at >= 0 && place(all[at]) >= 0 && place(all[at]) < window.innerHeight ? all[at] : visible;
    before = {
      at,
      kept: kept?.dataset.item,
      top: place(kept),
      checked: [...event.detail.target.querySelectorAll("input[type=checkbox]:checked")].map(byId),
    };
  });
  body.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    for (const box of target.querySelectorAll("input[type=checkbox]")) if (before?.checked.includes(byId(box))) box.checked = true;
    localize(target);
    draw(target);
    countDown();
    const all = items();
    if (before && before.at >= 0 && !all.some((item) => item.dataset.item === current)) {
      current = all[Math.min(before.at, all.length - 1)]?.dataset.item ?? null;
    }
    show(all.find((item) => item.dataset.item === current), false);
    const kept = all.find((item) => item.dataset.item === before?.kept);
    if (kept && window.scrollY > 0) window.scrollBy(0, place(kept) - before.top);
    before = null;
  });

  // -- Charts --------------------------------------------------------------------------------
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const releases = (marks) => ({
    hooks: {
      draw: (plot) => {
        const context = plot.ctx;
        context.save();
        context.strokeStyle = context.fillStyle = color("--quiet");
        context.font = `${11 * devicePixelRatio}px system-ui`;
        for (const { at, label } of marks) {
          const x = Math.round(plot.valToPos(at, "x", true));
          if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
          context.beginPath();
          context.moveTo(x, plot.bbox.top);
          context.lineTo(x, plot.bbox.top + plot.bbox.height);
          context.stroke();
          context.fillText(label.slice(0, 20), x + 4, plot.bbox.top + 12 * devicePixelRatio);
        }
        context.restore();
      },
    },
  });
  const draw = (root) => {
    if (!window.uPlot) return;
    for (const element of root.querySelectorAll("[data-chart]:empty")) {
      const { x, series, marks = [] } = JSON.parse(element.dataset.chart);
      if (!x.length) continue;
      const axis = () => ({ stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } });
      const options = {
        width: Math.max(element.clientWidth, 240),
        height: 200,
        // As wide as the longest number at it.
        axes: [axis(), { ...axis(), size: (_plot, labels) => 20 + 7 * Math.max(3, ...(labels ?? []).map((label) => label.length)) }],
        scales: { y: { range: (_plot, _least, most) => [0, Math.max(most, 1) * 1.1] } },
        plugins: [releases(marks)],
        series: [
          {},
          ...series.map(({ label, line }, place) => ({
            label,
            stroke: color(`--chart-${(place % 4) + 1}`),
            fill: line ? undefined : `${color(`--chart-${(place % 4) + 1}`)}44`,
            width: 2,
            paths: line ? undefined : window.uPlot.paths.stepped({ align: 1 }),
            points: { show: x.length < 40 },
          })),
        ],
      };
      const plot = new window.uPlot(options, [x, ...series.map(({ values }) => values)], element);
      new ResizeObserver(() => plot.setSize({ width: Math.max(element.clientWidth, 240), height: 200 })).observe(element);
    }
  };

  localize(document);
  countDown();
  draw(document);
  setInterval(countDown, 1000);
  setInterval(lookForNews, SECONDS * 1000);
  if (window.location.hash.length > 1) goTo(window.location.hash.slice(1));
})();
