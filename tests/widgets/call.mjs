// Calls functions of widget modules: reads [{module, name, args}, …] and writes their results.
// An argument {"$table": [grid, values]} stands for the function that interpolates in the table.
import { readFileSync } from "node:fs";

const folder = new URL("../../prunelimit/widgets/", import.meta.url);
const { generator, interpolate } = await import(new URL("common.mjs", folder));

function argument(value) {
  if (value && value.$table) return (x) => interpolate(value.$table[0], value.$table[1], x);
  if (value && value.$generator !== undefined) return generator(value.$generator);
  if (value && value.$constant !== undefined) return () => value.$constant;
  return value;
}

const plain = (key, value) => {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (value instanceof Map) return Object.fromEntries(value);
  return ArrayBuffer.isView(value) ? [...value] : value;
};

const calls = JSON.parse(readFileSync(0, "utf8"));
const results = [];
for (const { module, name, args } of calls) {
  const file = await import(new URL(`${module}.mjs`, folder));
  results.push(file[name](...args.map(argument)));
}
process.stdout.write(JSON.stringify(results, plain));
