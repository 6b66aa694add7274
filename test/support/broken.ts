/** Names of the promises that do not hold: for a property that promises several things, each in some cases only. */
export const broken = (promises: Readonly<Record<string, boolean>>): readonly string[] =>
  Object.keys(promises).filter((name) => promises[name] !== true);
