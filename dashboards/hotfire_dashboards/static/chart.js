// Draws a series with uPlot from its JSON twin; the table below the chart holds the same points.
"use strict";
(() => {
  const host = document.querySelector("[data-chart]");
  if (!host) return;
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Every replicate as a faint dot behind the medians: the spread is part of the answer.
  const replicates = (series) => ({
    hooks: {
      draw: [(plot) => {
        const radius = 2.2 * devicePixelRatio;
        plot.ctx.save();
        plot.ctx.fillStyle = token("--soft");
        plot.ctx.globalAlpha = 0.45;
        series.points.forEach((point, index) => point.replicates.forEach((value) => {
          plot.ctx.beginPath();
          plot.ctx.arc(plot.valToPos(index, "x", true), plot.valToPos(value, "y", true), radius, 0, 7);
          plot.ctx.fill();
        }));
        plot.ctx.restore();
      }],
    },
  });

  // Where a change began, as a band over its interval, with the levels on either side.
  const changes = (series) => ({
    hooks: {
      drawClear: [(plot) => {
        const ctx = plot.ctx, x = (place) => plot.valToPos(place, "x", true), y = (value) => plot.valToPos(value, "y", true);
        const { top, height } = plot.bbox, tones = { worse: "--bad", better: "--good" };
        ctx.save();
        series.marks.forEach((mark) => {
          const colour = token(tones[mark.look] || "--soft");
          ctx.fillStyle = ctx.strokeStyle = colour;
          ctx.globalAlpha = mark.state === "alert" ? 0.18 : 0.1;
          ctx.fillRect(x(mark.after), top, Math.max(2, x(mark.until) - x(mark.after)), height);
          if (!mark.levels || mark.state === "withdrawn") return;
          ctx.globalAlpha = 0.9;
          ctx.lineWidth = 1.5 * devicePixelRatio;
          ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
          [[mark.levels[0], mark.from - 0.3, mark.at - 0.5], [mark.levels[1], mark.at - 0.5, mark.to + 0.3]].forEach(([level, begin, end]) => {
            ctx.beginPath();
            ctx.moveTo(x(begin), y(level));
            ctx.lineTo(x(end), y(level));
            ctx.stroke();
          });
        });
        ctx.restore();
      }],
    },
  });

  const range = (series) => {
    const all = series.points.flatMap((point) => [point.value, ...point.replicates]);
    const low = Math.min(...all), high = Math.max(...all), pad = (high - low || Math.abs(high) || 1) * 0.15;
    return [low - pad, high + pad];
  };

  const draw = (series) => {
    host.replaceChildren();
    if (!series.points.length) return;
    const axis = { stroke: token("--soft"), grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line"), width: 1 } };
    const label = (index) => (series.points[index] ? "#" + series.points[index].run : "");
    const plot = new uPlot({
      width: host.clientWidth, height: 320,
      cursor: { y: false },
      scales: { x: { time: false, range: [-0.5, series.points.length - 0.5] }, y: { range: range(series) } },
      axes: [
        { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100], values: (_, ticks) => ticks.map((t) => (Number.isInteger(t) ? label(t) : "")), label: "run", labelSize: 20, labelFont: "12px system-ui" },
        { ...axis, size: 70, label: series.display_unit, labelSize: 20, labelFont: "12px system-ui" },
      ],
      series: [
        { label: "run", value: (_, index) => (index == null ? "–" : label(index)) },
        { label: series.metric, stroke: token("--flame"), width: 2, points: { show: true, size: 9, fill: token("--flame") },
          value: (_, value) => (value == null ? "–" : value.toPrecision(4) + " " + series.display_unit) },
      ],
      plugins: [changes(series), replicates(series)],
    }, [series.points.map((_, index) => index), series.points.map((point) => point.value)], host);
    new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: 320 })).observe(host);
  };

  fetch(host.dataset.chart).then((answer) => answer.json()).then((series) => {
    draw(series);
    document.addEventListener("hotfire:theme", () => draw(series));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(series));
  });
})();
