// Table -> series, and series -> what a request holds of them. What times and gaps mean is left to the service.

import { TableError, quoted } from "./csv.js";

const MISSING = new Set(["", "na", "nan", "null", "none", "-"]);
// Roughly: the service reads times, but does not know in which row of a file they stand.
const TIME_LIKE = /^\d{4}-?\d\d?(-?\d\d?)?([T ]\d\d(:?\d\d){0,2}([.,]\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)?$/i;
const [ID, TIME, TARGET] = ["unique_id", "ds", "y"];

/** Gives {layout, series, beside}: each series has id, stamps, target, and texts by column `beside` these. */
export function seriesOf(table) {
  return table.header.includes(TARGET) ? fromLong(table) : fromWide(table);
}

function fromLong(table) {
  const { header, rows, lines } = table;
  const [id, time, target] = [ID, TIME, TARGET].map((name) => header.indexOf(name));
  if (time < 0) throw new TableError(`There is a column ${quoted(TARGET)}, but none named ${quoted(TIME)} with the times.`);
  const beside = header.filter((name) => ![ID, TIME, TARGET].includes(name));
  const found = new Map();
  rows.forEach((row, at) => {
    const name = id < 0 ? TARGET : row[id].trim();
    if (!name) throw new TableError(`Row ${lines[at]}: ${quoted(ID)} is empty.`);
    if (!found.has(name)) found.set(name, { id: name, stamps: [], target: [], texts: new Map(beside.map((one) => [one, []])), lines: [] });
    const series = found.get(name);
    series.stamps.push(stamp(row[time], lines[at], TIME));
    series.target.push(number(row[target], lines[at], TARGET, table.delimiter));
    series.lines.push(lines[at]);
    for (const one of beside) series.texts.get(one).push(row[header.indexOf(one)]);
  });
  return { layout: "long", beside, series: [...found.values()].map(ended), delimiter: table.delimiter };
}

function fromWide(table) {
  const { header, rows, lines } = table;
  const time = Math.max(0, header.indexOf(TIME));
  const stamps = rows.map((row, at) => stamp(row[time], lines[at], header[time] || "1"));
  const series = header.flatMap((name, column) => {
    if (column === time) return [];
    const target = rows.map((row, at) => number(row[column], lines[at], name, table.delimiter));
    return [{ id: name, stamps, target, texts: new Map(), lines }];
  });
  return { layout: "wide", beside: [], series: series.map(ended), delimiter: table.delimiter };
}

/** Ends a series with its last value: rows after it hold what is known ahead. */
function ended(series) {
  const length = series.target.findLastIndex((value) => value !== null) + 1;
  if (!length) throw new TableError(`Series ${quoted(series.id)} has no value at all.`);
  const numbered = series.stamps.every((text) => /^-?\d{1,15}$/.test(text)) && !series.stamps.every((text) => /^\d{4}$/.test(text));
  return { ...series, length, ahead: series.target.length - length, stamps: numbered ? series.stamps.map(Number) : series.stamps };
}

/** Gives what a data report is made of. */
export function plainBody(series) {
  return { id: series.id, timestamps: series.stamps.slice(0, series.length), target: series.target.slice(0, series.length) };
}

/** Gives the series as a request to a model holds it, with the columns that this model reads, as far as there are any. */
export function bodyFor(series, covariates, delimiter) {
  const body = plainBody(series);
  const column = (name, end) => series.texts.get(name).slice(0, end).map((text, at) => number(text, series.lines[at], name, delimiter));
  const having = (names) => names.filter((name) => series.texts.has(name));
  body.past = Object.fromEntries(having(covariates.past).map((name) => [name, column(name, series.length)]));
  body.known = Object.fromEntries(having(covariates.known).map((name) => [name, column(name)]));
  body.static = Object.fromEntries([
    ...having(covariates.static).map((name) => [name, column(name, series.length).find((value) => value !== null) ?? null]),
    ...having(covariates.category).map((name) => [name, series.texts.get(name).find((text) => text.trim()) ?? null]),
  ]);
  return body;
}

function stamp(text, line, column) {
  const trimmed = text.trim();
  if (TIME_LIKE.test(trimmed) || /^-?\d+$/.test(trimmed)) return trimmed;
  throw new TableError(`Row ${line}, column ${quoted(column)}: ${quoted(trimmed)} is no time as ISO 8601 writes it, 2024-01-31T15:00 for one.`);
}

function number(text, line, column, delimiter) {
  const trimmed = text.trim();
  if (MISSING.has(trimmed.toLowerCase())) return null;
  const written = delimiter !== "," && /^[-+]?\d+,\d+$/.test(trimmed) ? trimmed.replace(",", ".") : trimmed;
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(written)) return Number(written);
  throw new TableError(`Row ${line}, column ${quoted(column)}: ${quoted(trimmed)} is no number.`);
}
