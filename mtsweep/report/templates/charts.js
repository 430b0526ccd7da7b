"use strict";
// Draws the page's charts once they come near the window, in the colours of the theme.
(() => {
  const figures = new Map(window.mtsweep.data.figures.map((figure) => [figure.name, figure]));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const painted = (value) => {
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner)]));
    if (typeof value !== "string" || value[0] !== "@") return value;
    if (value === "@level") return [[0, colour("--heat0")], [1, colour("--heat1")]];
    if (value === "@doubt") return [[0, colour("--heat1")], [0.25, colour("--heat1")], [1, colour("--heat0")]];
    const name = value.slice(1);
    return /^\d+$/.test(name) ? colour(`--c${Number(name) % 8}`) : colour(`--${name}`);
  };

  const axis = (own) => ({
    gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"),
    automargin: true, ...own,
  });

  const draw = (place) => {
    const figure = figures.get(place.dataset.figure);
    if (!figure) return;
    const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--ink") };
    const layout = painted(figure.layout);
    const shown = {
      ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis), font, height: layout.height || 340,
      margin: { l: 56, r: 12, t: 14, b: 48 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      legend: { orientation: "h", y: -0.22, font: { size: 11 } },
      hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font },
    };
    const config = {
      responsive: true, displaylogo: false,
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: figure.name },
    };
    place.dataset.drawn = "1";
    window.Plotly.react(place, painted(figure.data), shown, config);
  };

  const places = [...document.querySelectorAll("[data-figure]")];
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries)
      if (entry.isIntersecting && !entry.target.dataset.drawn) draw(entry.target);
  }, { rootMargin: "600px" });
  places.forEach((place) => near.observe(place));
  const again = () => places.filter((place) => place.dataset.drawn).forEach(draw);
  window.mtsweep.themed.push(again);
  window.addEventListener("beforeprint", () => {
    window.mtsweep.theme("light");
    places.forEach(draw);
  });
  window.addEventListener("afterprint", () => window.mtsweep.theme(window.mtsweep.chosen));
})();
