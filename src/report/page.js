"use strict";
(() => {
  const body = document.querySelector("#run-table tbody");
  const heads = [...document.querySelectorAll("#run-table th")];
  const rows = [...body.rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const collator = new Intl.Collator(undefined, { numeric: true });
  const found = document.getElementById("found");
  const search = document.getElementById("search");

  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = !words.every((word) => texts[i].includes(word));
      if (!row.hidden) shown += 1;
    });
    found.textContent = words.length ? `${shown} of ${rows.length} runs` : "";
  });

  heads.forEach((head, column) => {
    head.firstElementChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map((row) => {
        const text = row.cells[column].textContent;
        return { row, text, number: Number(text) };
      });
      const compare = (a, b) => {
        const numbers = [Number.isNaN(a.number), Number.isNaN(b.number)];
        if (!numbers[0] && !numbers[1]) return a.number - b.number;
        if (numbers[0] !== numbers[1]) return numbers[0] ? 1 : -1;
        return collator.compare(a.text, b.text);
      };
      keyed.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
      body.append(...keyed.map((entry) => entry.row));
    });
  });

  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
