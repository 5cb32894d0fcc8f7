// Elements, and how times and numbers are written. Texts are set as text, so nothing that a file holds becomes markup.

export const byId = (id) => document.getElementById(id);

/** Makes an element; properties are set, `aria-` and `data-` ones as attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "scope") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Makes a table that scrolls within itself; `head` are texts, cells texts or elements, the first of a row its head. */
export function table(caption, head, rows) {
  const cell = (content, tag, more = {}) => make(tag, more, content);
  const made = make("table", {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...head.map((text) => cell(text, "th", { scope: "col" })))),
    make("tbody", {}, ...rows.map(([first, ...rest]) => make("tr", {}, cell(first, "th", { scope: "row" }), ...rest.map((one) => cell(one, "td"))))));
  return make("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": caption }, made);
}

const FORMAT = new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: "min2" });
const LARGE = new Intl.NumberFormat("en", { maximumFractionDigits: 0, useGrouping: "min2" });

export function number(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1000 ? LARGE.format(value) : FORMAT.format(value);
}

export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`);

/** Gives how the times of an axis are written: the clock only where one of them is not midnight. */
export function clockOf(times) {
  const hasClock = times.some((time) => typeof time === "string" && !/T00:00:00(?!\.0*[1-9])/.test(time));
  return (time) => {
    if (typeof time === "number") return [String(time)];
    const [, date, clock] = time.match(/^([^T]+)T?(\d\d:\d\d(?::\d\d)?)?/);
    return hasClock && clock ? [date, clock.length > 5 ? clock.replace(/:00$/, "") : clock] : [date];
  };
}

/** Shows what went wrong in a section, or that nothing does any more. */
export function complain(section, text = "") {
  const place = section.querySelector(".problem");
  place.textContent = text;
  place.hidden = !text;
}

/** Tells those who do not see it what has changed. */
export const announce = (text) => { byId("news").textContent = text; };
