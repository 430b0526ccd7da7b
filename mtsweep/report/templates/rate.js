"use strict";
// One item at a time; ratings are kept in the browser where it allows that, and saved as CSV.
(() => {
  const $ = (id) => document.getElementById(id);
  const sheet = JSON.parse($("sheet").textContent);
  const pairs = sheet.kind === "pairs";
  const scales = pairs ? ["preference"] : ["adequacy", "fluency"];
  const choices = pairs ? ["A", "B", "TIE"] : ["1", "2", "3", "4", "5"];
  const names = { A: "A is better", B: "B is better", TIE: "neither" };
  const place = `mtsweep-${sheet.name}`;
  let kept = {};
  try { kept = JSON.parse(localStorage.getItem(place)) || {}; } catch { /* not allowed here */ }
  for (const line of sheet.lines) Object.assign(line, kept[line.item]);
  const done = (line) => scales.every((scale) => line[scale]);
  let at = Math.max(0, sheet.lines.findIndex((line) => !done(line)));

  function element(tag, kind, text) {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text) made.textContent = text;
    return made;
  }

  function shown(text, language) {
    const made = element("p", "", text || "(empty)");
    made.lang = language;
    made.dir = "auto";
    return made;
  }

  function show() {
    const line = sheet.lines[at];
    $("progress").textContent = `item ${at + 1} of ${sheet.lines.length}, ${sheet.lines.filter(done).length} rated`;
    for (const [id, language] of [["source", 0], ["reference", 1]]) {
      $(id).textContent = line[id];
      $(id).lang = sheet.languages[language];
      $(id).dir = "auto";
    }
    const cards = (pairs ? ["A", "B"] : ["output"]).map((name) => {
      const card = element("section", "card");
      card.append(element("h2", "", name), shown(line[name], sheet.languages[1]));
      return card;
    });
    const rows = scales.map((scale) => {
      const row = element("div", "scale");
      row.append(element("span", "", scale));
      for (const choice of choices) {
        const button = element("button", "", names[choice] || choice);
        button.type = "button";
        button.setAttribute("aria-pressed", line[scale] === choice);
        button.setAttribute("aria-label", `${scale} ${names[choice] || choice}`);
        button.addEventListener("click", () => rate(scale, choice));
        row.append(button);
      }
      return row;
    });
    $("outputs").replaceChildren(...cards, ...rows);
  }

  function rate(scale, choice) {
    const line = sheet.lines[at];
    line[scale] = choice;
    kept[line.item] = Object.fromEntries(scales.map((each) => [each, line[each]]));
    try { localStorage.setItem(place, JSON.stringify(kept)); } catch { /* not allowed here */ }
    if (done(line) && at < sheet.lines.length - 1) at += 1;
    show();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const line = sheet.lines[at];
    const key = event.key === "0" && pairs ? "TIE" : event.key.toUpperCase();
    if (choices.includes(key)) rate(scales.find((scale) => !line[scale]) || scales[0], key);
    else if (event.key === "ArrowRight") { at = Math.min(at + 1, sheet.lines.length - 1); show(); }
    else if (event.key === "ArrowLeft") { at = Math.max(at - 1, 0); show(); }
    else return;
    event.preventDefault();
  });

  $("save").addEventListener("click", () => {
    const columns = ["item", ...scales];
    const cell = (text) => `"${String(text || "").replaceAll('"', '""')}"`;
    const rows = [columns, ...sheet.lines.map((line) => columns.map((name) => line[name]))];
    const text = rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = `${sheet.name}-ratings.csv`;
    link.click();
  });
  show();
})();
