// One kind of chart for the whole page, drawn by Chart.js: lines and bands over the steps of a series. A line of text
// above it reads out the step that the mouse, a finger or the arrow keys point at; a table below holds all numbers.

import { clockOf, make, number, table } from "./dom.js";

const drawn = new Map(); // canvas -> how it is drawn again, in other colours
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const [canvas, draw] of drawn) canvas.isConnected ? draw() : drawn.delete(canvas);
});

/**
 * Puts a chart into a place.
 *
 *   times    the time of each step
 *   lines    [{label, values, colour, width?, dashed?, band?: values of its other end, steps?, below?: on the lower axis}]
 *   marks    steps before which a line is drawn
 *   read     step -> what is read out of it
 *   rows     the table: {caption, head, cells}
 *   label    what the chart shows, for those who do not see it
 *   pick     step -> done with a click or Enter on it
 */
export function show(place, chart) {
  const canvas = make("canvas", { tabIndex: 0, role: "img", "aria-label": `${chart.label} Arrow keys read the values out.` });
  const readout = make("p", { className: "readout empty", "aria-live": "off" }, chart.hint ?? "Touch the chart, point at it or use the arrow keys to read its values.");
  const numbers = make("details", {}, make("summary", {}, "Numbers"));
  numbers.addEventListener("toggle", () => {
    if (numbers.open && numbers.childElementCount === 1) numbers.append(table(chart.rows.caption, chart.rows.head, chart.rows.cells()));
  });
  place.replaceChildren(legend(chart.lines), readout, make("div", { className: "canvas" }, canvas), numbers);
  const draw = () => {
    Chart.getChart(canvas)?.destroy();
    new Chart(canvas, configuration(canvas, chart, (step) => point(step)));
  };
  let pointed = null;
  const point = (step) => {
    if (step === pointed) return;
    pointed = step;
    readout.replaceChildren(...unbroken(chart.read(step)));
    readout.classList.remove("empty");
    const made = Chart.getChart(canvas);
    made.pointedStep = step;
    made.draw();
  };
  canvas.addEventListener("focus", () => readout.setAttribute("aria-live", "polite"));
  canvas.addEventListener("blur", () => readout.setAttribute("aria-live", "off"));
  canvas.addEventListener("keydown", (event) => {
    const last = chart.times.length - 1;
    const from = pointed ?? chart.marks?.[0] ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: pointed === null ? from : from + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      point(Math.min(last, Math.max(0, to)));
    } else if (event.key === "Enter" && pointed !== null) chart.pick?.(pointed);
  });
  drawn.set(canvas, draw);
  draw();
}

/** Gives the parts of what is read out, so that lines break between them alone. */
function unbroken(text) {
  return text.split(" · ").flatMap((part, at) => [at ? " · " : "", make("span", {}, part)]);
}

function legend(lines) {
  const named = lines.filter((line) => line.label);
  return make("ul", { className: "legend" }, ...named.map((line) => {
    const kind = line.band ? "band" : line.dashed ? "dashed" : "line";
    return make("li", {}, make("span", { className: `swatch ${kind} ${line.colour}` }), line.label);
  }));
}

function configuration(canvas, chart, point) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const write = clockOf(chart.times);
  const stepAt = (event, made) => Math.min(chart.times.length - 1, Math.max(0, made.scales.x.getValueForPixel(event.x)));
  const font = { family: style.fontFamily, size: 12 };
  const axis = { border: { display: false }, ticks: { color: colour("muted"), font, padding: 6 }, grid: { color: colour("rule") } };
  const hasLower = chart.lines.some((line) => line.below);
  // The topmost label of the lower axis would touch the lowest of the upper one.
  const lower = (value, at, ticks) => (at === ticks.length - 1 ? "" : chart.lower(value));
  const scales = {
    x: {
      ...axis, type: "category", grid: { display: false },
      ticks: { ...axis.ticks, maxRotation: 0, autoSkipPadding: 28, callback: (step) => write(chart.times[step]) },
    },
    y: { ...axis, position: "left", grace: "4%", stack: "all", stackWeight: 3, weight: 1, ticks: { ...axis.ticks, maxTicksLimit: 7, callback: number } },
  };
  if (hasLower) scales.lower = { ...axis, position: "left", stack: "all", stackWeight: 1.6, grace: "4%", ticks: { ...axis.ticks, maxTicksLimit: 5, callback: lower } };
  return {
    type: "line",
    data: { labels: chart.times, datasets: chart.lines.flatMap((line, at) => datasets(line, colour, -at)) },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      normalized: true,
      events: ["mousemove", "click", "touchstart", "touchmove"],
      elements: { point: { hitRadius: 0, hoverRadius: 0 }, line: { borderJoinStyle: "round" } },
      plugins: { legend: { display: false }, tooltip: { enabled: false } },
      onHover: (event, _, made) => point(stepAt(event, made)),
      onClick: (event, _, made) => {
        if (event.native.pointerType !== "touch") chart.pick?.(stepAt(event, made)); // a finger reads, and no more
      },
      scales,
    },
    plugins: [rules(chart, colour)],
  };
}

/** A line is one dataset; a band is two, of which the second is filled towards the first. */
function datasets(line, colour, order) {
  const made = {
    order, // the last line on top
    data: line.values,
    label: line.label ?? "",
    borderColor: colour(line.colour),
    borderWidth: line.width ?? 2,
    borderDash: line.dashed ? [5, 4] : [],
    pointRadius: line.values.map((value, at) => Number(!line.steps && value !== null && isLone(line.values, at)) * 1.5),
    pointBackgroundColor: colour(line.colour),
    yAxisID: line.below ? "lower" : "y",
    stepped: line.steps ? "middle" : false,
    fill: line.steps ? { target: "origin", above: colour(`${line.colour}-fill`), below: colour("down-fill") } : false,
  };
  if (!line.band) return [made];
  const edge = { ...made, borderWidth: 0, pointRadius: 0 };
  return [{ ...edge, data: line.band, label: "" }, { ...edge, fill: { target: "-1", above: colour(line.colour), below: colour(line.colour) } }];
}

const isLone = (values, at) => (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;

function rules(chart, colour) {
  const rule = (made, step, shade, dash) => {
    const { ctx, chartArea, scales } = made;
    const x = Math.round(scales.x.getPixelForValue(step)) + 0.5;
    ctx.save();
    ctx.strokeStyle = colour(shade);
    ctx.setLineDash(dash);
    ctx.beginPath();
    ctx.moveTo(x, chartArea.top);
    ctx.lineTo(x, chartArea.bottom);
    ctx.stroke();
    ctx.restore();
  };
  return {
    id: "rules",
    beforeDatasetsDraw: (made) => chart.marks?.forEach((step) => rule(made, step, "muted", [2, 4])),
    afterDatasetsDraw: (made) => made.pointedStep !== undefined && rule(made, made.pointedStep, "ink", []),
  };
}

/** Gives a small picture of values, as an image within a line of text. */
export function sparkline(values) {
  const [width, height] = [120, 28];
  const seen = values.filter((value) => value !== null);
  const low = Math.min(...thinned(seen)), high = Math.max(...thinned(seen));
  const y = (value) => (high > low ? height - 2 - ((value - low) / (high - low)) * (height - 4) : height / 2);
  let pen = "M";
  const path = thinned(values).map((value, at, all) => {
    if (value === null) { pen = "M"; return ""; }
    const part = `${pen}${((at / Math.max(1, all.length - 1)) * width).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
    return part;
  });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("class", "sparkline");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg.namespaceURI, "path");
  line.setAttribute("d", path.join(""));
  svg.append(line);
  return svg;
}

const thinned = (values) => {
  const stride = Math.ceil(values.length / 240);
  return stride === 1 ? values : values.filter((_, at) => at % stride === 0);
};
