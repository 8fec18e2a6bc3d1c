"use strict";
// Lets tables be sorted and filtered. Without it they are as they are.
(function () {
  function value(row, column) {
    var cell = row.cells[column];
    return cell.hasAttribute("data-v") ? Number(cell.getAttribute("data-v")) : cell.textContent.trim();
  }
  function compare(one, other) {
    if (typeof one === "number" && typeof other === "number") { return one - other; }
    return String(one).localeCompare(String(other), undefined, {numeric: true});
  }
  function sort(table, column, header) {
    var rows = Array.prototype.slice.call(table.tBodies[0].rows);
    var down = header.getAttribute("aria-sort") !== "descending";
    rows.sort(function (one, other) {
      return (down ? -1 : 1) * compare(value(one, column), value(other, column));
    });
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell) {
      cell.removeAttribute("aria-sort");
    });
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    rows.forEach(function (row) { table.tBodies[0].appendChild(row); });
  }
  function filter(table, text) {
    var wanted = text.toLowerCase();
    Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
      row.hidden = row.textContent.toLowerCase().indexOf(wanted) < 0;
    });
  }
  document.querySelectorAll("table.sort").forEach(function (table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (header, column) {
      var button = document.createElement("button");
      button.type = "button";
      while (header.firstChild) { button.appendChild(header.firstChild); }
      button.addEventListener("click", function () { sort(table, column, header); });
      header.appendChild(button);
    });
    if (table.tBodies[0].rows.length < 8) { return; }
    var input = document.createElement("input");
    input.type = "search";
    input.className = "filter";
    input.placeholder = "filter rows";
    input.setAttribute("aria-label", "Filter rows of: " + table.getAttribute("data-name"));
    input.addEventListener("input", function () { filter(table, input.value); });
    table.parentNode.parentNode.insertBefore(input, table.parentNode);
  });
}());
