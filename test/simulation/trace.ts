/** What happened, in order of virtual time, for people; nothing is put into words unless somebody reads it. */
import type { Clock } from './clock.ts';

export interface Line {
  /** Ms since the start. */
  readonly at: number;
  /** Who speaks: person, salesforce, intercom, changes, unify, sink, fault. */
  readonly who: string;
  readonly text: string;
  /** The record concerned, for telling one customer's history. */
  readonly about: string;
}

export class Trace {
  readonly lines: Line[] = [];
  readonly on: boolean;
  readonly #clock: Clock;
  readonly #start: number;

  constructor(on: boolean, clock: Clock, start: number) {
    this.on = on;
    this.#clock = clock;
    this.#start = start;
  }

  say(who: string, about: string, text: string): void {
    if (this.on) this.lines.push({ at: this.#clock.now - this.#start, who, about, text });
  }
}

const two = (n: number): string => String(n).padStart(2, '0');

/** `1:02.345`, minutes, seconds and milliseconds. */
export function span(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const abs = Math.abs(ms);
  const rest = String(Math.floor(abs) % 1000).padStart(3, '0');
  return `${sign}${Math.floor(abs / 60_000)}:${two(Math.floor(abs / 1000) % 60)}.${rest}`;
}

export const tell = ({ at, who, text }: Line): string => `${span(at).padStart(10)}  ${who.padEnd(10)} ${text}`;

export const short = (fields: Readonly<Record<string, unknown>>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name.replace('custom_attributes.', '')}=${JSON.stringify(value)}`)
    .join(' ');
