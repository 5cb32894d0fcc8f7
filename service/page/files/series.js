// Table -> series, and series -> what a request holds of them. What times and gaps mean is left to the service.

import { TableError, quoted } from "./csv.js";

const MISSING = new Set(["", "na", "nan", "null", "none", "-"]);
// Roughly: the service reads times, but does not know in which row of a file they stand.
const TIME_LIKE = /^\d{4}-?\d\d?(-?\d\d?)?([T ]\d\d(:?\d\d){0,2}([.,]\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)?$/i;
const [FIRST_YEAR, LAST_YEAR] = [1678, 2261]; // of whole years that times can be read in
const [ID, TIME, TARGET, GROUP] = ["unique_id", "ds", "y", "group"];

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

/** Gives a series with where its last value stands: rows after it are missing values, or hold what is known ahead. */
function ended(series) {
  const length = series.target.findLastIndex((value) => value !== null) + 1;
  if (!length) throw new TableError(`Series ${quoted(series.id)} has no value at all.`);
  const areSteps = series.stamps.every((text) => /^-?\d{1,15}$/.test(text)) && !series.stamps.every(isDate);
  return { ...series, length, ahead: series.target.length - length, stamps: areSteps ? series.stamps.map(Number) : series.stamps };
}

/** Says of digits whether they read as a year, or as year, month and day without anything between them. */
function isDate(digits) {
  const year = Number(digits.match(/^(\d{4})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/)?.[1]);
  return /^\d{4}$/.test(digits) || (FIRST_YEAR <= year && year <= LAST_YEAR);
}

/** Gives what a data report is made of. */
export const plainBody = (series) => upTo(series, series.target.length);

const upTo = (series, end) => ({ id: series.id, timestamps: series.stamps.slice(0, end), target: series.target.slice(0, end) });

/**
 * Gives the series as a request to a model holds it, with the columns that this model reads, as far as there are any.
 * It ends with its last value for a model that reads what is known ahead, and with its last row for any other.
 */
export function bodyFor(series, model, delimiter) {
  const { covariates } = model;
  const end = covariates.known.length ? series.length : series.target.length;
  const body = upTo(series, end);
  const numeric = (name) => (text, at) => number(text, series.lines[at], name, delimiter);
  const column = (name, end) => series.texts.get(name).slice(0, end).map(numeric(name));
  const having = (names) => names.filter((name) => series.texts.has(name));
  body.past = Object.fromEntries(having(covariates.past).map((name) => [name, column(name, end)]));
  body.known = Object.fromEntries(having(covariates.known).map((name) => [name, column(name)]));
  body.static = Object.fromEntries([
    ...having(covariates.static).map((name) => [name, onlyValue(series, name, numeric(name))]),
    ...having(covariates.category).map((name) => [name, onlyValue(series, name, category)]),
  ]);
  if (model.reads_groups && series.texts.has(GROUP)) body.group = onlyValue(series, GROUP, category);
  return body;
}

/** Gives the one value that a series has in a column, as `read` makes it of the texts of its rows; null where it has none. */
function onlyValue(series, name, read) {
  const texts = series.texts.get(name), values = texts.map(read);
  const first = values.findIndex((value) => value !== null);
  const other = values.findIndex((value) => value !== null && value !== values[first]);
  if (other < 0) return values[first] ?? null;
  const [here, there] = [first, other].map((at) => `${quoted(texts[at])} in row ${series.lines[at]}`);
  throw new TableError(`Series ${quoted(series.id)}, column ${quoted(name)}: ${here} and ${there}, wanted is one value per series.`);
}

const category = (text) => (text.trim() ? text : null);

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
