// Puts a live chart into the place of each drawing; if that fails, the drawing stays.
const specifications = JSON.parse(document.getElementById("chart-data").textContent);

function zoomed(view, signals, factor) {
  for (const [axis, signal] of Object.entries(signals)) {
    const scale = view.scale(axis);
    const [from, to] = scale.range();
    const middle = (from + to) / 2;
    const ends = [from, to].map((end) => scale.invert(middle + (end - middle) * factor));
    view.signal(signal, factor ? ends : null);
  }
  view.runAsync();
}

function button(word, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = word;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

for (const [name, specification] of Object.entries(specifications)) {
  const figure = document.getElementById("chart-" + name);
  const drawing = figure.querySelector(".drawing");
  const live = document.createElement("div");
  live.className = "live";
  live.setAttribute("role", "img");
  live.setAttribute("aria-label", drawing.getAttribute("aria-label"));
  const inner = live.appendChild(document.createElement("div")); // Vega gives it a role of its own
  drawing.after(live);
  figure.classList.add("is-live");
  const options = {
    mode: "vega-lite",
    ast: true,
    logLevel: 1, // errors only
    actions: false,
    renderer: "svg",
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true, theme: "custom" },
  };
  vegaEmbed(inner, specification, options).then(({ view }) => {
    const title = figure.querySelector("h3").textContent;
    const signals = specification.usermeta.zoom;
    const tools = document.createElement("p");
    tools.className = "tools";
    tools.append(
      button("+", "Zoom in: " + title, () => zoomed(view, signals, 1 / 1.5)),
      button("−", "Zoom out: " + title, () => zoomed(view, signals, 1.5)),
      button("reset", "Reset: " + title, () => zoomed(view, signals, 0)),
      "hover for values, drag, Ctrl + wheel",
    );
    live.after(tools);
  }).catch((error) => {
    live.remove();
    figure.classList.remove("is-live");
    console.error(error);
  });
}
