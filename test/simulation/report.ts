/** What a run has to say to people. */
import { isOurs, judge, promises, type Tally } from './judge.ts';
import type { Promise } from './promises.ts';
import { tell } from './trace.ts';
import type { Action, History } from './world.ts';

const ratio = (a: number, b: number): string => (b === 0 ? '-' : (a / b).toFixed(3));

/** A row per world. */
export function table(tallies: readonly Tally[]): string {
  const head = [
    'world',
    'histories',
    'edits',
    'w/edit S',
    'w/edit I',
    're-reads',
    'calls',
    'changes',
    'excused',
    'broken promises',
  ];
  const rows = tallies.map((one) => {
    const broken = [
      ...(one.threw.length > 0 ? [`threw ${one.threw.length}`] : []),
      ...(Object.keys(promises) as Promise[]).flatMap((name) =>
        one.broken[name] === undefined ? [] : [`${name} ${one.broken[name]}`],
      ),
    ];
    return [
      one.world,
      String(one.histories),
      String(one.edits),
      ratio(one.writes.salesforce, one.edits),
      ratio(one.writes.intercom, one.edits),
      String(one.rereads),
      String(one.calls),
      String(one.changes),
      String(Object.values(one.excused).reduce((sum, times) => sum + times, 0)),
      broken.join(', ') || 'none',
    ];
  });
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) =>
        i === 0 || i === cells.length - 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const excused = new Map<string, number>();
  for (const one of tallies)
    for (const [name, times] of Object.entries(one.excused)) excused.set(name, (excused.get(name) ?? 0) + times);
  const reasons = [...excused].map(([name, times]) => `  excused ${times} × ${name}`);
  return [line(head), ...rows.map(line), ...reasons].join('\n');
}

const did = (action: Action): string => {
  const { at, do: what, ...rest } = action;
  return `  +${at} ms ${what} ${JSON.stringify(rest)}`;
};

/** The first broken promise, the smallest history that breaks it, and what happened to the customer concerned. */
export function failure(world: string, promise: string, history: History, least: History): string {
  const again = `npm run simulate -- --runs 1 --seed ${history.seed} --world ${world}`;
  const head = [
    '',
    `BROKEN ${promise} by seed ${history.seed} in the world ${world}`,
    `shrunk to ${least.actions.length} of ${history.actions.length} actions, faults: ${[...least.world.on].join(',') || 'none'}`,
    `people ${JSON.stringify(least.people)} companies ${JSON.stringify(least.companies)}`,
    ...least.actions.map(did),
  ];
  try {
    const { ran, violations } = judge(least, true);
    const broken = violations.filter((one) => one.promise === promise && isOurs(one));
    const about = new Set((broken[0] ?? violations[0])?.about ?? []);
    const lines = ran.trace.lines.filter(
      ({ who, about: of, text }) =>
        who === 'person' || who === 'fault' || [...about].some((id) => of.includes(id) || text.includes(id)),
    );
    return [
      ...head,
      ...violations.map((one) => `${one.promise}: ${one.text}${one.excuse === '' ? '' : ` (excused: ${one.excuse})`}`),
      ...lines.slice(-120).map((line) => tell(line).slice(0, 300)),
      `again: ${again} --trace`,
    ].join('\n');
  } catch (error) {
    return [
      ...head,
      error instanceof Error ? (error.stack ?? error.message) : String(error),
      `again: ${again} --trace`,
    ].join('\n');
  }
}
