/** Figures against their bounds: for people as a table, for programs as JSON. */
import { table } from '../cli/output.ts';
import type { Figure, Section } from './section.ts';

export interface Measured {
  readonly name: string;
  readonly figure: Figure;
  readonly value: number;
}

export function measured(section: Section, values: Readonly<Record<string, number>>): Measured[] {
  return Object.entries(section.figures).map(([name, figure]) => ({ name, figure, value: values[name] ?? Number.NaN }));
}

/** A value that is no number misses every bound. */
export function misses({ figure: { atMost, atLeast }, value }: Measured): boolean {
  if (atMost !== undefined && !(value <= atMost)) return true;
  return atLeast !== undefined && !(value >= atLeast);
}

export function printFigures(all: readonly Measured[]): string {
  return table([
    ['FIGURE', 'VALUE', 'UNIT', 'BOUND', 'GOAL', ''],
    ...all.map((one) => [
      one.name,
      short(one.value),
      one.figure.unit,
      boundOf(one.figure),
      goalOf(one),
      verdictOf(one),
    ]),
  ]);
}

function boundOf({ atMost, atLeast }: Figure): string {
  if (atMost !== undefined) return `at most ${short(atMost)}`;
  return atLeast === undefined ? '' : `at least ${short(atLeast)}`;
}

const goalOf = ({ figure: { goal } }: Measured): string => (goal === undefined ? '' : short(goal));

function verdictOf(one: Measured): string {
  const { atMost, atLeast, goal } = one.figure;
  if (atMost === undefined && atLeast === undefined) return '';
  if (misses(one)) return 'MISSED';
  if (goal === undefined) return 'met';
  return (atMost === undefined ? one.value >= goal : one.value <= goal) ? 'met, and the goal' : 'met';
}

/** Three digits that count are more than any measurement here has. */
function short(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en');
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
}

/** Each figure by its name, so that a program needs to know nothing else; a dot makes an object. */
export function asJson(all: readonly Measured[]): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const { name, value } of all) {
    const [outer = name, inner] = name.split('.');
    if (inner === undefined) result[outer] = value;
    else result[outer] = { ...(result[outer] as object | undefined), [inner]: value };
  }
  return result;
}
