for (const head of document.querySelectorAll("th[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const falls = head.ariaSort !== "descending" && (head.ariaSort || head.dataset.sort === "number");
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.ariaSort = falls ? "descending" : "ascending";
    const value = (row) => {
      const cell = row.cells[head.cellIndex];
      return cell.dataset.value ?? cell.textContent.trim();
    };
    const isNumber = head.dataset.sort === "number";
    const compare = (a, b) => (isNumber ? a - b : a.localeCompare(b)) * (falls ? -1 : 1);
    const body = head.closest("table").tBodies[0];
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => (a === "") - (b === "") || compare(a, b));
    body.append(...rows.map(([, row]) => row));
  });
}
