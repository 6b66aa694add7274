/** Whether a history's unify came to what its changes come to, however they are cut and whatever befell it meanwhile. */
import { positionText } from '../../core/mirror-state.ts';
import { memoryCodec } from '../../core/registry.ts';
import { createUnify } from '../../processors/unify/index.ts';
import { rulesOf } from './fields.ts';
import type { Violation } from './promises.ts';
import type { Ran } from './simulate.ts';
import { applyPuts, type Decider, type Emitted, encodedDecider, plainDecider } from './writer.ts';

/** Every so many histories are folded again in other batches, the first of each run of the tests among them. */
const foldedAgain = 50;

const codec = memoryCodec();

const broken = (text: string): Violation => ({ promise: 'bytes', text, about: [], excuse: '' });

/** Of two values without cycles; a field that is undefined is one that is not there. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a, b] as Readonly<Record<string, unknown>>[];
  if (left === undefined || right === undefined) return false;
  return (
    Object.keys(left).every((key) => isSame(left[key], right[key])) &&
    Object.keys(right).every((key) => right[key] === undefined || left[key] !== undefined)
  );
}

const told = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

/** Where two states differ, if they do. */
function differenceOf(is: ReadonlyMap<string, object>, due: ReadonlyMap<string, object>): string | undefined {
  const key = [...new Set([...is.keys(), ...due.keys()])].find((one) => !isSame(is.get(one), due.get(one)));
  return key === undefined ? undefined : `${key} is ${told(is.get(key))} and not ${told(due.get(key))}`;
}

/** The outputs and the state of the history are those of its changes, folded in batches of this size. */
function again({ log, unify }: Ran, name: string, decider: Decider, size: number): readonly Violation[] {
  const state = new Map<string, object>();
  const outputs: Emitted[] = [];
  for (let from = 0; from < log.records.length; from += size) {
    const decided = decider(log.records.slice(from, from + size), state);
    applyPuts(state, decided.puts);
    for (const output of decided.outputs) outputs.push(output);
  }
  const n = outputs.findIndex((output, i) => !isSame(unify.outputs[i], output));
  if (n >= 0) {
    return [broken(`folded again ${name}, output ${n} is ${told(outputs[n])}, it was ${told(unify.outputs[n])}`)];
  }
  if (unify.outputs.length > outputs.length) {
    return [
      broken(`folded again ${name}, there is no output ${outputs.length}: ${told(unify.outputs[outputs.length])}`),
    ];
  }
  const difference = differenceOf(unify.committed, state);
  return difference === undefined ? [] : [broken(`folded again ${name}, ${difference}`)];
}

/** The mirror says of itself what is true of it. */
function mirrored({ unify: { mirror, stands, committed } }: Ran): readonly Violation[] {
  if (stands === undefined || mirror.position !== positionText(stands)) return [];
  const difference = differenceOf(mirror.values, committed);
  return difference === undefined ? [] : [broken(`in the mirror at ${mirror.position} ${difference}`)];
}

/** What something befell is always folded again, the others now and then. */
export function refolded(ran: Ran): readonly Violation[] {
  const { seed, world } = ran.history;
  const isDue = seed % foldedAgain === 1;
  if (!isDue && ran.unify.struck === 0) return [];
  const fold = createUnify(rulesOf(world));
  const whole = seed % (foldedAgain * 5) === 1 ? encodedDecider(fold, codec) : plainDecider(fold);
  return [
    ...mirrored(ran),
    ...again(ran, 'as a whole', whole, ran.log.records.length + 1),
    ...(isDue ? again(ran, 'one by one', plainDecider(fold), 1) : []),
  ];
}
