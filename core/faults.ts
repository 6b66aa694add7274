/**
 * Places where a test may end, break or hang the process, because the promises of the transactional loop are about
 * exactly these moments. A place is compiled in but does nothing unless the environment names it:
 *
 *   TRIBUTARY_FAULTS=mirror:before-commit:3:kill,takeover:after-epoch:1:hang
 *
 * point, the how many-th passing, and what happens: kill (SIGKILL, nothing is flushed), hang (never returns) or
 * throw=CODE (that error of ours).
 */
import { codes, type ErrorCode, TributaryError } from './errors.ts';

export const faultPoints = {
  'takeover:after-epoch': 'the older producer is fenced, the position not yet read',
  'takeover:after-position': 'the position is read, no record decided yet',
  'repair:begun': 'the mirror is marked as being rebuilt, nothing is changed yet',
  'repair:wiping': 'some keys of an unusable mirror are gone',
  'repair:folding': 'a chunk of unify.state is in the mirror',
  'repair:before-end': 'everything is in the mirror, its position not yet',
  'transaction:before': 'a micro-batch is decided, nothing is written',
  'transaction:before-commit': 'everything is written, nothing of it is committed',
  'transaction:after': 'the transaction is committed, the answer not yet believed',
  'mirror:before-commit': 'the transaction is committed, the mirror is behind by it',
  'mirror:between-chunks': 'a part of a large commit is in the mirror',
  'mirror:after-commit': 'everything of the micro-batch stands',
} as const;

export type FaultPoint = keyof typeof faultPoints;
/** Passing a point. Costs a call of an empty function where no fault is set. */
export type Fault = (point: FaultPoint) => Promise<void> | void;

interface Planned {
  readonly point: FaultPoint;
  readonly action: 'kill' | 'hang' | { readonly code: ErrorCode };
  left: number;
}

export const noFaults: Fault = () => undefined;

/** @throws TributaryError USAGE for a point or action that does not exist: a misspelt fault would prove nothing. */
export function plannedFaults(plan: string | undefined, kill: () => void): Fault {
  if (plan === undefined || plan === '') return noFaults;
  const planned = plan.split(',').map(parse);
  return async (point) => {
    for (const one of planned) {
      if (one.point !== point) continue;
      one.left -= 1;
      if (one.left !== 0) continue;
      if (one.action === 'kill') kill();
      if (one.action === 'kill' || one.action === 'hang') await new Promise<never>(() => undefined);
      else throw new TributaryError(one.action.code, `fault set at ${point}`);
    }
  };
}

function parse(text: string): Planned {
  const [, point = '', count = '', action = ''] = /^(.+):(\d+):([^:]+)$/.exec(text.trim()) ?? [];
  const code = action.startsWith('throw=') ? action.slice('throw='.length) : undefined;
  if (!isPoint(point)) throw new TributaryError('USAGE', `no fault point "${point}" in "${text}"`);
  if (Number(count) < 1) throw new TributaryError('USAGE', `a fault happens at the 1st passing or later: "${text}"`);
  if (action === 'kill' || action === 'hang') return { point, action, left: Number(count) };
  if (code !== undefined && isCode(code)) return { point, action: { code }, left: Number(count) };
  throw new TributaryError('USAGE', `a fault does kill, hang or throw=CODE: "${text}"`);
}

const isPoint = (text: string): text is FaultPoint => Object.hasOwn(faultPoints, text);
const isCode = (text: string): text is ErrorCode => Object.hasOwn(codes, text);

/** The faults that the environment asks for. */
export const fault: Fault = plannedFaults(process.env['TRIBUTARY_FAULTS'], () => process.kill(process.pid, 'SIGKILL'));
