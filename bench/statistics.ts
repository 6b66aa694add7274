/** What many measurements come to. */

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The value that so many percent do not pass; between two of them in proportion. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = ((sorted.length - 1) * percent) / 100;
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  if (below === undefined || above === undefined) throw new RangeError('nothing was measured');
  return below + (above - below) * (at - Math.floor(at));
}

/**
 * Both as A B B A, so that a machine that grows slower or faster meanwhile does so to both. One after the other: what is
 * compared never shares the processors.
 */
export async function alternating<A, B>(
  runs: number,
  a: () => Promise<A>,
  b: () => Promise<B>,
): Promise<{ readonly a: readonly A[]; readonly b: readonly B[] }> {
  const results = { a: [] as A[], b: [] as B[] };
  for (let run = 0; run < runs; run += 1) {
    results.a.push(await a());
    results.b.push(await b());
    results.b.push(await b());
    results.a.push(await a());
  }
  return results;
}
