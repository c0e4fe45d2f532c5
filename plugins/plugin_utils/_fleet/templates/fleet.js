/* SPDX-License-Identifier: GPL-3.0-or-later */
"use strict";
(() => {
  const table = document.getElementById("machines");
  const body = table.tBodies[0];
  const text = document.getElementById("text");
  const state = document.getElementById("state");
  const shown = document.getElementById("shown");
  const rows = Array.from(body.rows, (row) => ({ row, text: row.textContent.toLowerCase(), state: row.dataset.s }));
  const compare = new Intl.Collator("en", { numeric: true }).compare;

  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const item of rows) {
      const fits = (!state.value || item.state === state.value) && words.every((word) => item.text.includes(word));
      item.row.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length} machines`;
  };

  const sort = (heading, column) => {
    const order = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const keys = new Map(rows.map((item) => {
      const cell = item.row.cells[column];
      return [item, cell.dataset.k || cell.textContent.trim()];
    }));
    const sorted = [...rows].sort((one, other) => sign * compare(keys.get(one), keys.get(other)));
    body.append(...sorted.map((item) => item.row));
  };

  Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sort(heading, column));
    heading.replaceChildren(button);
  });
  text.addEventListener("input", filter);
  state.addEventListener("input", filter);
  document.getElementById("filter").hidden = false;
  filter();
})();
