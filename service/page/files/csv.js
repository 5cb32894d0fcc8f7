// Text -> table. Complaints name the row, counted as a spreadsheet counts it, and the column.

export const MAX_BYTES = 6_000_000;
const MAX_COLUMNS = 1000;
const DELIMITERS = [",", ";", "\t"];

export class TableError extends Error {}

/** Gives a table as {header, rows, lines, delimiter}: texts, and the line that each row begins on. */
export function parse(text) {
  const content = text.replace(/^\uFEFF/, "");
  const delimiter = delimiterOf(content);
  const { records, lines } = recordsOf(content, delimiter);
  if (!records.length) throw new TableError("The file is empty.");
  const header = records[0].map((name) => name.trim());
  if (header.length < 2) throw new TableError(`There is one column, ${quoted(header[0])}: columns are separated by comma, semicolon or tab.`);
  if (header.length > MAX_COLUMNS) throw new TableError(`There are ${header.length} columns, at most ${MAX_COLUMNS} are read.`);
  header.forEach((name, column) => {
    if (!name && column) throw new TableError(`Column ${column + 1} has no name in row 1.`);
    if (header.indexOf(name) < column) throw new TableError(`Two columns are named ${quoted(name)}.`);
  });
  const rows = records.slice(1);
  if (!rows.length) throw new TableError("There is no row below the names of the columns.");
  rows.forEach((row, at) => {
    if (row.length !== header.length) throw new TableError(`Row ${lines[at + 1]} has ${row.length} cells, the first row has ${header.length}.`);
  });
  return { header, rows, lines: lines.slice(1), delimiter };
}

function delimiterOf(content) {
  const first = content.slice(0, content.search(/[\r\n]|$/)).replace(/"[^"]*"/g, "");
  const counts = DELIMITERS.map((one) => first.split(one).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))];
}

/** Gives the cells of each record that is not empty, and its line. Quoted cells may hold delimiters, quotes and lines. */
function recordsOf(content, delimiter) {
  const records = [], lines = [];
  const length = content.length;
  let at = 0, line = 1;
  while (at < length) {
    const record = [], began = line;
    for (;;) {
      let cell;
      if (content[at] === '"') {
        let end = at + 1;
        while ((end = content.indexOf('"', end)) >= 0 && content[end + 1] === '"') end += 2;
        if (end < 0) throw new TableError(`Row ${began}, column ${record.length + 1}: a quote is opened and never closed.`);
        const inside = content.slice(at + 1, end);
        line += inside.split("\n").length - 1;
        cell = inside.replaceAll('""', '"');
        at = end + 1;
        if (at < length && content[at] !== delimiter && !"\r\n".includes(content[at])) {
          throw new TableError(`Row ${began}, column ${record.length + 1}: there is text after a closing quote.`);
        }
      } else {
        const begin = at;
        while (at < length && content[at] !== delimiter && content[at] !== "\n" && content[at] !== "\r") at += 1;
        cell = content.slice(begin, at);
      }
      record.push(cell);
      if (content[at] !== delimiter) break;
      at += 1;
    }
    if (content[at] === "\r") at += 1;
    if (content[at] === "\n") at += 1;
    line += 1;
    if (record.length > 1 || record[0].trim()) {
      records.push(record);
      lines.push(began);
    }
  }
  return { records, lines };
}

export const quoted = (text) => `“${text}”`;
