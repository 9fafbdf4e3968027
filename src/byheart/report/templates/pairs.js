// Pairs and lists: find by name, sort, and look at a picture closely. Without it all still stands.
function labelled(element, label) {
  element.setAttribute("aria-label", label);
  return element;
}

function finder(what, items, textOf) {
  const field = labelled(document.createElement("input"), "Find in " + what);
  field.type = "search";
  field.placeholder = "find";
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const item of items) item.hidden = !textOf(item).toLowerCase().includes(wanted);
  });
  return field;
}

function compared(a, b) {
  const [x, y] = [a, b].map((text) => Number(text.replace(/,/g, "")));
  return Number.isNaN(x - y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
}

for (const gallery of document.querySelectorAll(".gallery")) {
  const grids = [...gallery.querySelectorAll(".pairs")];
  const pairs = [...gallery.querySelectorAll(".pair")];
  if (pairs.length < 2) continue;
  const title = gallery.querySelector("h3").textContent;
  const order = labelled(document.createElement("select"), "Sort " + title);
  for (const word of ["closest first", "farthest first", "by name"]) order.add(new Option(word));
  order.addEventListener("change", () => {
    const name = (pair) => pair.querySelector("figcaption b").textContent;
    const sorted = [...pairs];
    if (order.selectedIndex == 1) sorted.reverse();
    if (order.selectedIndex == 2) sorted.sort((a, b) => compared(name(a), name(b)));
    const first = grids[0].children.length;
    sorted.forEach((pair, i) => grids[i < first ? 0 : 1].append(pair));
  });
  const field = finder(title, pairs, (pair) => pair.querySelector("figcaption").textContent);
  const rest = gallery.querySelector("details.more");
  if (rest) field.addEventListener("input", () => { rest.open = field.value != ""; });
  const tools = document.createElement("p");
  tools.className = "finders";
  tools.append(field, order);
  grids[0].before(tools);
}

for (const table of document.querySelectorAll(".list table")) {
  const body = table.tBodies[0];
  const tools = document.createElement("p");
  tools.className = "finders";
  const what = table.closest(".scroll").getAttribute("aria-label");
  tools.append(finder(what, [...body.rows], (row) => row.textContent));
  table.closest(".scroll").before(tools);
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const word = head.textContent;
    let sign = 1;
    head.replaceChildren(button(word, "Sort by " + word, () => {
      const text = (row) => row.cells[column].textContent;
      body.append(...[...body.rows].sort((a, b) => sign * compared(text(a), text(b))));
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      sign = -sign;
    }));
  });
}

if (document.querySelector(".thumbs")) {
  const shown = labelled(document.createElement("dialog"), "Pair, enlarged");
  shown.className = "zoom";
  shown.addEventListener("click", () => shown.close());
  document.body.append(shown);
  for (const thumbs of document.querySelectorAll(".thumbs")) {
    const caption = thumbs.parentElement.querySelector("figcaption");
    caption.append(" ", button("enlarge", "Enlarge " + caption.querySelector("b").textContent, () => {
      shown.replaceChildren(thumbs.cloneNode(true), button("close", "Close", () => shown.close()));
      shown.showModal();
    }));
  }
}
