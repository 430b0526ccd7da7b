"use strict";
// Theme, tables and the browser of translations. Text gets into the page as text only.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("page-data").textContent);
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const app = { data, themed: [], chosen: dark.matches ? "dark" : "light" };
  window.mtsweep = app;

  app.theme = (name) => {
    root.dataset.theme = name;
    app.themed.forEach((redraw) => redraw());
  };
  const choose = (name) => { app.chosen = name; app.theme(name); };
  choose(app.chosen);
  dark.addEventListener("change", (event) => choose(event.matches ? "dark" : "light"));
  $("theme").addEventListener("click", () => choose(app.chosen === "dark" ? "light" : "dark"));

  for (const button of document.querySelectorAll("button.copy"))
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        window.getSelection().selectAllChildren(code);
      }
    });

  for (const table of document.querySelectorAll("table.sortable"))
    table.querySelectorAll("thead button").forEach((button) =>
      button.addEventListener("click", () => sort(table, button.closest("th"))));

  function sort(table, head) {
    const column = head.cellIndex;
    const way = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
    table.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", way);
    const sign = way === "descending" ? -1 : 1;
    const value = (row) => {
      const text = row.cells[column]?.dataset.value;
      return text === undefined || text === "" ? null : Number(text);
    };
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => (a === null) - (b === null) || sign * (a - b));
    body.append(...rows.map(([, row]) => row));
  }

  if (data.sets.length && window.DecompressionStream) browse().catch((error) => console.error(error));

  async function unpack(name) {
    const raw = Uint8Array.from(atob($(`block-${name}`).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  async function browse() {
    const kept = new Map();
    const block = (name) => {
      if (!kept.has(name)) kept.set(name, unpack(name));
      return kept.get(name);
    };
    const label = new Map(data.runs.map((run) => [run.id, run.label]));
    const bases = new Set(data.runs.filter((run) => run.kind === "base").map((run) => run.id));
    const at = { set: 0, order: [], chosen: 0, down: true, texts: null, scores: null, outputs: new Map() };
    const HEIGHT = 56;
    const list = $("list"), detail = $("detail"), query = $("query");

    const option = (value, text) => {
      const made = document.createElement("option");
      made.value = value;
      made.textContent = text;
      return made;
    };
    data.sets.forEach((set, number) =>
      $("set").append(option(number, `${set.name} (${set.source.lang} → ${set.target.lang})`)));
    $("setpick").hidden = data.sets.length === 1;

    async function open(number) {
      at.set = number;
      const set = data.sets[number];
      [at.texts, at.scores] = await Promise.all([block(`${number}-texts`), block(`${number}-scores`)]);
      const tuned = set.runs.filter((run) => !bases.has(run));
      const first = tuned.includes(data.best) ? data.best : tuned[0] || set.runs[0];
      const second = set.runs.find((run) => bases.has(run)) || set.runs.find((run) => run !== first) || first;
      for (const [id, chosen] of [["one", first], ["two", second]]) {
        $(id).replaceChildren(...set.runs.map((run) => option(run, label.get(run) || run)));
        $(id).value = chosen;
      }
      const shown = set.runs.length <= 12 ? set.runs : [...new Set([second, first, ...tuned.slice(0, 6)])];
      $("picker").replaceChildren(...set.runs.map((run) => {
        const made = document.createElement("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        box.value = run;
        box.checked = shown.includes(run);
        box.addEventListener("change", refresh);
        made.append(box, ` ${label.get(run) || run}`);
        return made;
      }));
      await refresh();
    }

    const visible = () => [...$("picker").querySelectorAll("input:checked")].map((box) => box.value);

    async function refresh() {
      const runs = visible();
      $("which").querySelector("summary").textContent = `Runs shown: ${runs.length} of ${data.sets[at.set].runs.length}`;
      const number = at.set;
      const outputs = await Promise.all(runs.map((run) => block(`${number}-${run}`)));
      if (number !== at.set) return;
      at.outputs = new Map(runs.map((run, index) => [run, outputs[index]]));
      arrange();
    }

    const difference = (index) =>
      (at.scores[$("one").value]?.[index] ?? 0) - (at.scores[$("two").value]?.[index] ?? 0);

    function arrange(keep = true) {
      const before = keep ? at.order[at.chosen] : undefined;
      const words = query.value.trim().toLocaleLowerCase();
      const [, sources, references] = at.texts;
      const has = (text) => text.toLocaleLowerCase().includes(words);
      let order = sources.map((_, index) => index);
      if (words)
        order = order.filter((index) => has(sources[index]) || has(references[index]) || has(String(at.texts[0][index])) ||
          [...at.outputs.values()].some((texts) => has(texts[index])));
      const key = { gap: difference, worst: (index) => at.scores[$("one").value]?.[index] ?? 0 }[$("order").value];
      if (key) {
        const values = new Map(order.map((index) => [index, key(index)]));
        const sign = at.down ? -1 : 1;
        order.sort((a, b) => sign * (values.get(a) - values.get(b)) || a - b);
      } else if (!at.down) order.reverse();
      at.order = order;
      at.chosen = Math.max(0, order.indexOf(before));
      const set = data.sets[at.set];
      const left = set.shown < set.all ? ` (the first ${set.shown} of ${set.all} are in this file)` : "";
      $("count").textContent = `${order.length} of ${set.shown} segments${left}`;
      scrollTo(at.chosen);
      paint();
      show();
    }

    function scrollTo(place) {
      const top = place * HEIGHT;
      if (top < list.scrollTop) list.scrollTop = top;
      else if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
    }

    function paint() {
      const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - 5);
      const last = Math.min(at.order.length, Math.ceil((list.scrollTop + (list.clientHeight || 500)) / HEIGHT) + 5);
      const spacer = document.createElement("div");
      spacer.style.height = `${at.order.length * HEIGHT}px`;
      const items = [];
      for (let place = first; place < last; place++) items.push(item(place));
      list.replaceChildren(spacer, ...items);
      list.setAttribute("aria-activedescendant", at.order.length ? `segment-${at.order[at.chosen]}` : "");
    }

    function item(place) {
      const index = at.order[place];
      const made = element("div", "item");
      made.id = `segment-${index}`;
      made.style.top = `${place * HEIGHT}px`;
      made.setAttribute("role", "option");
      made.setAttribute("aria-selected", place === at.chosen);
      const gap = element("span", "gap", signed(difference(index) / 10));
      gap.classList.add(difference(index) > 0 ? "up" : difference(index) < 0 ? "down" : "soft");
      const text = element("span", "text", at.texts[1][index]);
      text.dir = data.sets[at.set].source.dir;
      text.lang = data.sets[at.set].source.lang;
      made.append(gap, text, element("span", "id", at.texts[0][index]));
      made.addEventListener("click", () => go(place));
      return made;
    }

    function go(place) {
      if (!at.order.length) return;
      at.chosen = Math.min(Math.max(place, 0), at.order.length - 1);
      scrollTo(at.chosen);
      paint();
      show();
    }

    function show() {
      const index = at.order[at.chosen];
      if (index === undefined) {
        detail.replaceChildren(element("p", "soft", "No segment has that."));
        return;
      }
      const set = data.sets[at.set];
      const [, sources, references] = at.texts;
      const base = set.runs.find((run) => bases.has(run));
      const compared = { reference: references[index], base: at.outputs.get(base)?.[index] }[$("against").value];
      const parts = [
        said("source", sources[index], set.source),
        said("reference", references[index], set.target),
      ];
      for (const [run, texts] of at.outputs) {
        const own = $("against").value === "base" && run === base ? undefined : compared;
        parts.push(said(label.get(run) || run, texts[index], set.target, at.scores[run]?.[index], own));
      }
      detail.replaceChildren(...parts);
      detail.scrollTop = 0;
    }

    function said(who, text, how, score, compared) {
      const made = element("div", "said");
      const head = element("div", "who");
      head.append(element("b", "", who));
      if (score !== undefined) head.append(element("span", "", `chrF ${(score / 10).toFixed(1)}`));
      const what = element("div", "what");
      what.lang = how.lang;
      what.dir = how.dir;
      if (!text) what.append(element("span", "empty", "(empty)"));
      else for (const [piece, differs] of pieces(text, compared, how.lang)) {
        const place = differs ? element("mark") : what;
        found(place, piece);
        if (differs) what.append(place);
      }
      made.append(head, what);
      return made;
    }

    function found(place, text) {
      const words = query.value.trim();
      const low = text.toLocaleLowerCase(), wanted = words.toLocaleLowerCase();
      if (!wanted || low.length !== text.length) return place.append(text);
      let from = 0;
      for (let hit = low.indexOf(wanted); hit >= 0; hit = low.indexOf(wanted, from)) {
        place.append(text.slice(from, hit), element("mark", "found", text.slice(hit, hit + wanted.length)));
        from = hit + wanted.length;
      }
      place.append(text.slice(from));
    }

    list.addEventListener("scroll", paint);
    query.addEventListener("input", () => arrange());
    for (const id of ["order", "one", "two"]) $(id).addEventListener("change", () => arrange(false));
    $("against").addEventListener("change", show);
    $("set").addEventListener("change", () => open(Number($("set").value)));
    const turn = () => {
      at.down = !at.down;
      $("turn").textContent = at.down ? "↓" : "↑";
      arrange(false);
    };
    $("turn").addEventListener("click", turn);
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
      if (event.key === "Escape" && event.target === query) {
        query.value = "";
        arrange();
        list.focus();
        return;
      }
      if (event.key === "Enter" && event.target === query) return list.focus();
      if (typing) return;
      const inside = event.target === list;
      const move = { j: 1, k: -1, ...(inside ? { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity, End: Infinity } : {}) }[event.key];
      if (move !== undefined) go(at.chosen + move);
      else if (event.key === "/") query.focus();
      else if (event.key === "r") turn();
      else if (event.key === "s") {
        $("order").selectedIndex = ($("order").selectedIndex + 1) % $("order").options.length;
        arrange(false);
      } else return;
      event.preventDefault();
    });
    $("browser").hidden = false;
    await open(0);
    list.dataset.ready = "1";
  }

  function element(tag, kind = "", text = "") {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== "") made.textContent = text;
    return made;
  }

  function signed(value) {
    return `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(value).toFixed(1)}`;
  }

  function words(text, lang) {
    if (!window.Intl?.Segmenter) return text.match(/\s+|[^\s]+/g) || [];
    return [...new Intl.Segmenter(lang, { granularity: "word" }).segment(text)].map((part) => part.segment);
  }

  // Pieces of a text, each with whether it stands outside of the longest common word sequence.
  function pieces(text, other, lang) {
    if (other === undefined) return [[text, false]];
    const mine = words(text, lang), theirs = words(other, lang).filter((word) => word.trim());
    if (mine.length * theirs.length > 400000) return [[text, false]];
    const own = mine.flatMap((word, index) => (word.trim() ? [index] : []));
    const width = theirs.length + 1;
    const best = new Uint16Array((own.length + 1) * width);
    for (let a = own.length - 1; a >= 0; a--)
      for (let b = theirs.length - 1; b >= 0; b--)
        best[a * width + b] = mine[own[a]] === theirs[b]
          ? best[(a + 1) * width + b + 1] + 1
          : Math.max(best[(a + 1) * width + b], best[a * width + b + 1]);
    const shared = new Set();
    for (let a = 0, b = 0; a < own.length && b < theirs.length;) {
      if (mine[own[a]] === theirs[b]) { shared.add(own[a]); a++; b++; }
      else if (best[(a + 1) * width + b] >= best[a * width + b + 1]) a++;
      else b++;
    }
    return mine.map((word, index) => [word, word.trim() !== "" && !shared.has(index)]);
  }
})();
