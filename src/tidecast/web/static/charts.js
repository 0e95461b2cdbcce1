// Turns the figures that the server marked up into charts one can point at. Without this script the
// drawings stay as they are; nothing else depends on it.
"use strict";

(() => {
  const POLL_SECONDS = 15;
  const CONCURRENT = 4;
  const SHORTEST = 20; // steps
  const GUTTER = 56; // as in base.css
  const PALETTE = {
    light: ["#0a6c8f", "#c2571a", "#3d7a3a", "#7a4fb0", "#a83262", "#6b6f1f", "#33475b", "#8a5a2b"],
    dark: ["#56b6d6", "#f0975a", "#86c983", "#b99af0", "#f08ab2", "#cfd16a", "#b9c6d2", "#d6a878"],
  };
  const night = matchMedia("(prefers-color-scheme: dark)");

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const palette = (index) => PALETTE[night.matches ? "dark" : "light"][index % 8];
  const faded = (hex, alpha) => hex + Math.round(alpha * 255).toString(16).padStart(2, "0");

  // ---- How values and times read ----

  const scaled = (value, base, names) => {
    let power = 0;
    let size = Math.abs(value);
    while (size >= base * 0.9995 && power < names.length - 1) {
      size /= base;
      power += 1;
    }
    return `${value < 0 ? "-" : ""}${+size.toPrecision(size >= 1000 ? 4 : 3)}${names[power]}`;
  };
  const BINARY = [" B", " KiB", " MiB", " GiB", " TiB", " PiB"];
  const DECIMAL = ["", " k", " M", " G", " T"];

  const told = (value, unit) => {
    if (value == null || Number.isNaN(value)) return "–";
    if (unit === "ratio") return `${+(value * 100).toPrecision(3)} %`;
    if (unit === "bytes") return scaled(value, 1024, BINARY);
    if (unit === "bytes_per_second") return `${scaled(value, 1024, BINARY)}/s`;
    return scaled(value, 1000, DECIMAL);
  };
  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const two = (number) => String(number).padStart(2, "0");
  const day = (date) => `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  const clock = (date) => `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  const utc = (seconds) => new Date(seconds * 1000);
  const tick = (seconds, step) => {
    const date = utc(seconds);
    if (step < 86400) return date.getUTCHours() || date.getUTCMinutes() ? clock(date) : day(date);
    return date.getUTCMonth() === 0 && date.getUTCDate() === 1
      ? `${MONTHS[0]} ${date.getUTCFullYear()}`
      : day(date);
  };
  const roomFor = (plot, at) => {
    const x = plot.valToPos(at, "x", true) / devicePixelRatio;
    return x > plot.bbox.left / devicePixelRatio + 18 && x < plot.width - 18;
  };
  const inUtc = (seconds) => uPlot.tzDate(utc(seconds), "Etc/UTC");

  // ---- What all charts share ----

  const axes = (unit, binary, size) => {
    const look = {
      stroke: colour("--soft"),
      font: `11px ${colour("--sans")}`,
      grid: { stroke: colour("--rule"), width: 1 },
      ticks: { show: false },
    };
    const value = { ...look, size, gap: 8, space: 34, values: (_, ticks) => ticks.map((at) => told(at, unit)) };
    if (binary) value.incrs = Array.from({ length: 60 }, (_, power) => 2 ** power);
    const time = {
      ...look,
      size: 26,
      gap: 4,
      space: 72,
      grid: { show: false },
      values: (plot, ticks, __, ___, step) => ticks.map((at) => (roomFor(plot, at) ? tick(at, step) : "")),
    };
    return [time, value];
  };
  const when = { label: "", value: (_, at) => (at == null ? "" : `${day(utc(at))} ${clock(utc(at))}`) };

  // ---- The fan chart ----

  const fan = (figure) => {
    const drawing = figure.querySelector("svg");
    const data = JSON.parse(figure.querySelector("script").textContent);
    const relative = data.unit !== "ratio" && data.limit > 0;
    const scale = relative ? data.limit : 1;
    const unit = relative ? "ratio" : data.unit;
    const columns = joined(data.history, data.forecast ?? []).map((column, index) =>
      index === 0 ? column : column.map((value) => (value == null ? null : value / scale)));
    const mark = data.mark == null ? null : data.mark / scale;
    const later = data.later_marks.map(([at, value]) => [at, value / scale]);
    const top = ceiling(columns, mark, later, relative || unit === "ratio" ? 1 : null);
    const tide = colour("--tide");
    const told80 = (plot, value, series, at) => range(plot.data[series][at], plot.data[series + 1][at], unit);
    const line = (label, stroke, width) => ({
      label, stroke, width, points: { show: false }, value: (_, value) => told(value, unit),
    });
    const edge = (label) => ({ label, stroke: "transparent", points: { show: false } });
    const series = [when, line("Usage", colour("--history"), 1.4)];
    const bands = [];
    if (columns.length > 2) {
      series.push(
        line("Forecast", tide, 1.8),
        { ...edge("80 %"), value: (plot, value, __, at) => told80(plot, value, 3, at) },
        edge("upper 80 %"),
        { ...edge("95 %"), value: (plot, value, __, at) => told80(plot, value, 5, at) },
        edge("upper 95 %"),
      );
      bands.push(
        { series: [6, 5], fill: faded(tide, 0.13) },
        { series: [4, 3], fill: faded(tide, 0.24) },
      );
    }
    const height = drawing.getBoundingClientRect().height;
    const plot = new uPlot({
      width: figure.clientWidth,
      height: height,
      padding: [18, 0, 0, 0],
      tzDate: inUtc,
      scales: { y: { range: () => [0, top] } },
      axes: axes(unit, unit === "bytes", GUTTER),
      series,
      bands,
      cursor: { y: false, drag: { x: false, y: false } },
      legend: { markers: { width: 0, fill: (_, index) => [null, colour("--history"), tide, faded(tide, 0.45), null, faded(tide, 0.25)][index] } },
      hooks: { draw: [(plot) => drawStrange(plot, data), (plot) => drawChanges(plot, data), (plot) => drawMark(plot, data, mark, later, unit)] },
    }, columns, figure);
    hideUpperEdges(plot);
    drawing.setAttribute("hidden", "");
    figure.querySelector("figcaption")?.removeAttribute("hidden");
    return { plot, drawing, height };
  };

  // One table of both: the past knows no forecast, and the forecast no usage.
  const joined = ([times, usage], [ahead = [], ...edges]) => [
    [...times, ...ahead],
    [...usage, ...ahead.map(() => null)],
    ...edges.map((edge) => [...times.map(() => null), ...edge]),
  ];

  const range = (low, high, unit) => (low == null ? "–" : `${told(low, unit)} to ${told(high, unit)}`);

  const ceiling = (columns, mark, later, full) => {
    const highest = (column) => (column ?? []).reduce((top, value) => Math.max(top, value ?? 0), 0);
    let top = Math.max(highest(columns[1]), mark ?? 0);
    top = Math.max(top, ...later.map(([, value]) => value).filter((value) => value <= top * 1.6));
    if (full != null && full <= top * 1.6) top = Math.max(top, full);
    const likely = Math.max(top, highest(columns[2]));
    return Math.min(Math.max(top, highest(columns[6])), likely * 1.15) * 1.02 || 1;
  };

  const hideUpperEdges = (plot) => {
    plot.root.querySelectorAll(".u-series").forEach((row, index) => {
      if (index === 4 || index === 6) row.hidden = true;
    });
  };

  const drawMark = (plot, data, mark, later, unit) => {
    if (mark == null) return;
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    const red = colour("--mark");
    const within = (seconds) => Math.min(Math.max(plot.valToPos(seconds, "x", true), bbox.left), bbox.left + bbox.width);
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = red;
    ctx.font = `${11 * ratio}px ${colour("--sans")}`;
    // Planned changes move it: it is drawn in stretches.
    const starts = [bbox.left, ...later.map(([at]) => within(at)), bbox.left + bbox.width];
    const heights = [mark, ...later.map(([, value]) => value)].map((value) => plot.valToPos(value, "y", true));
    heights.forEach((height, place) => {
      if (height > bbox.top) stroke(ctx, starts[place], starts[place + 1], height, 1.2 * ratio, [5 * ratio, 4 * ratio]);
    });
    const holding = (seconds) => heights[later.filter(([at]) => seconds >= at).length];
    let y = heights[0];
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    label(ctx, `mark ${told(mark, unit)}`, bbox.left + 8 * ratio, y - 5 * ratio);
    if (data.p50 != null) y = holding(data.p50);
    if (data.p10 != null && data.p50 != null) {
      ctx.globalAlpha = 0.45;
      ctx.lineCap = "round";
      stroke(ctx, within(data.p10), data.p90 == null ? bbox.left + bbox.width : within(data.p90), y, 4 * ratio, []);
      ctx.globalAlpha = 1;
    }
    if (data.p50 != null) {
      const x = within(data.p50);
      ctx.beginPath();
      ctx.arc(x, y, 4.5 * ratio, 0, 2 * Math.PI);
      ctx.fill();
      ctx.font = `600 ${12 * ratio}px ${colour("--sans")}`;
      ctx.textAlign = x > bbox.left + bbox.width * 0.9 ? "right" : "center";
      label(ctx, day(utc(data.p50)), x, y - 9 * ratio);
    }
    ctx.restore();
  };

  // Anomalies are ticks at the foot of the chart, lasting shifts dashed lines.
  const drawStrange = (plot, data) => {
    const { ctx, bbox } = plot;
    const foot = bbox.top + bbox.height;
    const upright = (seconds, top, width, dash) => {
      const x = plot.valToPos(seconds, "x", true);
      ctx.lineWidth = width * devicePixelRatio;
      ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(x, foot);
      ctx.lineTo(x, top);
      ctx.stroke();
    };
    ctx.save();
    ctx.strokeStyle = colour("--amber");
    for (const at of data.anomalies) upright(at, foot - 10 * devicePixelRatio, 2, []);
    for (const at of data.shifts) upright(at, bbox.top, 1, [3, 3]);
    ctx.restore();
  };

  // Recorded changes are dotted lines with their titles at the top, as far as there is room.
  const drawChanges = (plot, data) => {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    const end = bbox.left + bbox.width;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--soft");
    ctx.font = `${11 * ratio}px ${colour("--sans")}`;
    ctx.textBaseline = "alphabetic";
    let free = bbox.left;
    for (const { at, title } of data.changes) {
      const x = plot.valToPos(at, "x", true);
      if (x < bbox.left || x > end) continue;
      ctx.lineWidth = 1.4 * ratio;
      ctx.setLineDash([1 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const text = title.length > 24 ? `${title.slice(0, 23)}…` : title;
      const width = ctx.measureText(text).width;
      const left = Math.min(Math.max(x - width / 2, bbox.left), end - width);
      if (left < free) continue;
      ctx.textAlign = "left";
      label(ctx, text, left, bbox.top - 6 * ratio);
      free = left + width + 8 * ratio;
    }
    ctx.restore();
  };

  const label = (ctx, text, x, y) => {
    const ink = ctx.strokeStyle;
    ctx.setLineDash([]);
    ctx.lineJoin = "round";
    ctx.lineWidth = 4 * devicePixelRatio;
    ctx.strokeStyle = colour("--paper");
    ctx.strokeText(text, x, y);
    ctx.fillText(text, x, y);
    ctx.strokeStyle = ink;
  };

  const stroke = (ctx, from, to, y, width, dash) => {
    ctx.lineWidth = width;
    ctx.setLineDash(dash);
    ctx.beginPath();
    ctx.moveTo(from, y);
    ctx.lineTo(to, y);
    ctx.stroke();
  };

  // ---- Live charts ----

  const live = (figure) => {
    const queries = JSON.parse(figure.querySelector("script").textContent);
    return { figure, queries, unit: figure.dataset.unit, full: "full" in figure.dataset, plot: null, names: "" };
  };

  const fetchRange = async (query, span) => {
    const end = Math.floor(Date.now() / 1000 / POLL_SECONDS) * POLL_SECONDS;
    const step = Math.max(POLL_SECONDS, Math.ceil(span / 240 / POLL_SECONDS) * POLL_SECONDS);
    const start = end - Math.floor(span / step) * step;
    const asked = new URLSearchParams({ query, start, end, step });
    const answer = await fetch(`/api/v1/query_range?${asked}`, { headers: { accept: "application/json" } });
    if (answer.status === 401 || answer.status === 403) throw new Error("This server asks for a token: live charts need the scope read.");
    const body = await answer.json();
    if (body.status !== "success") throw new Error(body.error || `The server answered ${answer.status}.`);
    return { start, end, step, result: body.data.result };
  };

  const legend = (pattern, labels) => pattern.replace(/\{(\w+)\}/g, (_, name) => labels[name] ?? "");

  const columnsOf = (answers, queries) => {
    const { start, end, step } = answers[0];
    const times = Array.from({ length: Math.round((end - start) / step) + 1 }, (_, index) => start + index * step);
    const names = [];
    const columns = [times];
    answers.forEach((answer, index) => {
      for (const series of answer.result) {
        const column = new Array(times.length).fill(null);
        for (const [at, value] of series.values) column[Math.round((at - start) / step)] = Number(value);
        names.push(legend(queries[index].legend, series.metric));
        columns.push(column);
      }
    });
    return { names, columns: sinceFirst(columns) };
  };

  // A host that reports since a minute shows that minute large, not an empty hour.
  const sinceFirst = (columns) => {
    const lengths = columns.slice(1).map((column) => column.findIndex((value) => value != null));
    const first = Math.min(...lengths.filter((index) => index >= 0), columns[0].length);
    const from = Math.max(Math.min(first - 1, columns[0].length - SHORTEST), 0);
    return from > 0 ? columns.map((column) => column.slice(from)) : columns;
  };

  const note = (chart, text) => {
    let shown = chart.figure.querySelector(".note");
    if (!shown) {
      shown = document.createElement("p");
      shown.className = "note";
      chart.figure.append(shown);
    }
    shown.textContent = text;
    shown.hidden = text === "";
  };

  const refresh = async (chart, span) => {
    const answers = await Promise.all(chart.queries.map(({ query }) => fetchRange(query, span)));
    const { names, columns } = columnsOf(answers, chart.queries);
    if (names.length === 0) {
      chart.plot?.destroy();
      chart.plot = null;
      note(chart, "No samples in this time.");
      return;
    }
    note(chart, "");
    if (chart.plot && chart.names === names.join("\n")) {
      chart.plot.setData(columns);
      return;
    }
    chart.plot?.destroy();
    chart.names = names.join("\n");
    chart.plot = livePlot(chart, names, columns);
  };

  const livePlot = (chart, names, columns) => new uPlot({
    width: chart.figure.clientWidth,
    height: 176,
    padding: [10, 8, 0, 0],
    tzDate: inUtc,
    scales: { y: { range: (_, __, highest) => [0, chart.full ? Math.max(1, highest) : highest * 1.08 || 1] } },
    axes: axes(chart.unit, chart.unit.startsWith("bytes"), chart.unit === "bytes_per_second" ? 76 : 64),
    series: [when, ...names.map((label, index) => ({
      label,
      stroke: palette(index),
      width: 1.5,
      points: { show: false },
      value: (plot, value, series, at) => told(at == null ? newest(plot.data[series]) : value, chart.unit),
    }))],
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: "host" } },
    legend: { markers: { width: 0, fill: (_, index) => palette(index - 1) } },
  }, columns, chart.figure);

  const newest = (column) => column.findLast((value) => value != null);

  const inTurns = async (tasks) => {
    const queue = [...tasks];
    const worker = async () => {
      for (let task = queue.shift(); task; task = queue.shift()) await task();
    };
    await Promise.all(Array.from({ length: CONCURRENT }, worker));
  };

  const watch = (charts) => {
    const message = document.querySelector(".live-message");
    const spans = document.querySelector(".spans");
    let span = 3600;
    let busy = false;
    const poll = async () => {
      if (busy || document.hidden) return;
      busy = true;
      let problem = "";
      await inTurns(charts.map((chart) => async () => {
        try {
          await refresh(chart, span);
        } catch (error) {
          problem = error instanceof TypeError ? "The server does not answer; trying again every 15 seconds." : error.message;
        }
      }));
      message.textContent = problem;
      busy = false;
    };
    spans.hidden = false;
    spans.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      span = Number(button.dataset.span);
      for (const other of spans.children) other.setAttribute("aria-pressed", String(other === button));
      poll();
    });
    document.addEventListener("visibilitychange", poll);
    setInterval(poll, POLL_SECONDS * 1000);
    poll();
  };

  // ---- Start ----

  const fans = new Map();
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting && !fans.has(target)) fans.set(target, fan(target));
    }
  }, { rootMargin: "200px" });
  document.querySelectorAll("figure[data-chart=fan]").forEach((figure) => seen.observe(figure));

  const charts = [...document.querySelectorAll("figure[data-chart=live]")].map(live);
  if (charts.length > 0) watch(charts);

  const redrawFans = () => {
    for (const [figure, { plot, drawing }] of fans) {
      plot.destroy();
      drawing.removeAttribute("hidden");
      fans.set(figure, fan(figure));
    }
  };
  const resize = () => {
    for (const [figure, { plot, height }] of fans) plot.setSize({ width: figure.clientWidth, height });
    for (const { figure, plot } of charts) plot?.setSize({ width: figure.clientWidth, height: 176 });
  };
  addEventListener("resize", resize);
  night.addEventListener("change", () => {
    redrawFans();
    for (const chart of charts) chart.names = "";
  });
  const asDrawings = (shown) => {
    for (const { plot, drawing } of fans.values()) {
      drawing.toggleAttribute("hidden", !shown);
      plot.root.hidden = shown;
    }
  };
  addEventListener("beforeprint", () => asDrawings(true));
  addEventListener("afterprint", () => asDrawings(false));
})();
