// How numbers are written, how a state stands in an address, and what values a control admits.

/** A number as a reader wants it: four significant digits, no noise. */
export function format(x, digits = 4) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (Number.isInteger(x) && size < 1e7) return String(x).replace("-", "−");
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, power] = x.toExponential(2).split("e");
    return `${mantissa}·10${superscript(Number(power))}`.replace("-", "−");
  }
  return String(Number(x.toPrecision(digits))).replace("-", "−");
}

export function superscript(integer) {
  const signs = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  return String(integer).replace(/[-0-9]/g, (sign) => signs[sign]);
}

/** A share as a percentage with one digit. */
export function percent(x) {
  return Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : "–";
}

/** A difference of percentages. */
export function points(x) {
  return `${(100 * Math.abs(x)).toFixed(1)} points`;
}

// An address may hold anything: what cannot be decoded is taken as it stands.
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Split "#anchor&w=name:a=1,b=2&w=…" into the anchor and each widget's settings. */
export function parseFragment(fragment) {
  const widgets = new Map();
  let anchor = "";
  for (const part of fragment.replace(/^#/, "").split("&")) {
    if (!part.startsWith("w=")) {
      if (!anchor) anchor = part;
      continue;
    }
    const [name, ...rest] = part.slice(2).split(":");
    const settings = {};
    for (const pair of rest.join(":").split(",")) {
      const cut = pair.indexOf("=");
      if (cut > 0) settings[decoded(pair.slice(0, cut))] = decoded(pair.slice(cut + 1));
    }
    widgets.set(decoded(name), settings);
  }
  return { anchor, widgets };
}

/** The inverse of `parseFragment`. */
export function formatFragment({ anchor, widgets }) {
  const parts = anchor ? [anchor] : [];
  for (const [name, settings] of widgets) {
    const pairs = Object.entries(settings).map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`);
    parts.push(`w=${encodeURIComponent(name)}:${pairs.join(",")}`);
  }
  return parts.length ? `#${parts.join("&")}` : "";
}

/** Where a value stands on its slider (log sliders move in decades). */
export function toPosition(control, value) {
  return control.scale === "log" ? Math.log10(value) : value;
}

/** The value at a slider's position. */
export function fromPosition(control, position) {
  const value = control.scale === "log" ? 10 ** position : position;
  const bounded = Math.min(control.max, Math.max(control.min, value));
  return control.integer ? Math.round(bounded) : bounded;
}

/** A value from outside (an address, a preset) made admissible; undefined if it cannot be. */
export function admit(control, value) {
  if (control.kind === "toggle") return value === true || value === "true" || value === "1";
  if (control.kind === "choice") {
    const option = control.options.find((candidate) => String(candidate.value) === String(value));
    return option === undefined ? undefined : option.value;
  }
  const number = Number(value);
  if (!Number.isFinite(number) || value === "") return undefined;
  const bounded = Math.min(control.max, Math.max(control.min, number));
  return control.integer ? Math.round(bounded) : bounded;
}
