"use strict";

const figures = JSON.parse(document.getElementById("figure-data").textContent);
const system = window.matchMedia("(prefers-color-scheme: dark)");
const views = new Map();
const FRAME = 650; // milliseconds that a step of a playing slider stays

const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";

/** The value of the chart's parameter that a radio button or a slider stands for. */
function valueOf(input) {
  const control = figures.controls[input.dataset.chart][input.dataset.param];
  return input.type === "range" ? control.values[Number(input.value)] : input.value;
}

function say(input) {
  if (input.type !== "range") return;
  const words = figures.controls[input.dataset.chart][input.dataset.param].words[Number(input.value)];
  input.setAttribute("aria-valuetext", words);
  input.parentElement.querySelector("output").textContent = words;
}

const inputsOf = (name) => document.querySelectorAll(`input[data-chart="${name}"]:is([type=range], :checked)`);

async function draw(element) {
  const name = element.dataset.figure;
  const theme = isDark() ? "dark" : "light";
  if (views.has(name)) views.get(name).finalize();
  const result = await vegaEmbed(element, figures.specs[name], {
    actions: false, renderer: "svg", config: figures[theme], tooltip: {theme},
  });
  views.set(name, result);
  for (const input of inputsOf(name)) result.view.signal(input.dataset.param, valueOf(input));
  await result.view.runAsync();
  for (const svg of element.querySelectorAll("svg")) svg.setAttribute("aria-hidden", "true");
}

async function drawAll() {
  document.documentElement.dataset.drawn = "";
  await Promise.all([...document.querySelectorAll("[data-figure]")].map(draw));
  document.documentElement.dataset.drawn = "all";
}

function change(input) {
  say(input);
  const found = views.get(input.dataset.chart);
  if (found) found.view.signal(input.dataset.param, valueOf(input)).runAsync();
}

for (const input of document.querySelectorAll("input[data-chart]")) {
  input.addEventListener("input", () => change(input));
  say(input);
}

for (const button of document.querySelectorAll("button.play")) {
  const input = document.getElementById(button.dataset.slider);
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  };
  button.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (Number(input.value) >= Number(input.max)) input.value = 0;
    change(input);
    button.textContent = "Pause";
    timer = setInterval(() => {
      if (Number(input.value) >= Number(input.max)) return stop();
      input.value = Number(input.value) + 1;
      change(input);
    }, FRAME);
  });
  input.addEventListener("pointerdown", () => timer !== null && stop());
}

for (const input of document.querySelectorAll("input[name=theme]")) {
  input.addEventListener("input", () => {
    if (input.value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = input.value;
    drawAll();
  });
}
system.addEventListener("change", drawAll);
drawAll();
