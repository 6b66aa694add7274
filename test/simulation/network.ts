/** Calls to a platform over a network that fails: what was applied and what was answered are two things. */
import type { Clock } from './clock.ts';
import type { PlatformName } from './fields.ts';
import type { Chance } from './random.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

/** What became of a call, before anybody judges it. `applied`: for the oracle alone. */
export type Outcome<T> =
  | {
      readonly kind: 'answered';
      readonly value: T;
      readonly at: number;
      readonly begun: number;
      /** When the answer came. */
      readonly ended: number;
    }
  | { readonly kind: 'throttled'; readonly resetMs: number; readonly at: number; readonly begun: number }
  | {
      readonly kind: 'failed';
      readonly status: number;
      readonly applied: boolean;
      readonly at: number;
      readonly begun: number;
    }
  | { readonly kind: 'silent' };

const slowest = { there: 120, back: 60 };
/** Of a call that is answered. */
export const slowestMs = slowest.there + slowest.back;

/** As the clients have it: no answer within this is none. */
const timeoutMs = 15_000;

export class Network {
  /** Begun, by platform: for the quota. */
  readonly begun: Readonly<Record<PlatformName, number[]>> = { salesforce: [], intercom: [] };
  /** Calls of which the caller cannot know what they did. */
  doubtful = 0;
  /** Calls that were carried out long after they had timed out. */
  /** Calls that were carried out long after they timed out, by the clock of the platform. */
  readonly late: { readonly platform: PlatformName; readonly at: number }[] = [];
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #trace: Trace;
  readonly #world: World;
  readonly #troubled: boolean;

  constructor(clock: Clock, chance: Chance, trace: Trace, world: World) {
    this.#clock = clock;
    this.#chance = chance;
    this.#trace = trace;
    this.#world = world;
    this.#troubled = (['429', '5xx', 'timeout-before', 'timeout-after', 'late'] as const).some((one) =>
      world.on.has(one),
    );
  }

  /** `label`: names the call for chance and trace; `perform`: what the platform does with it when it gets there. */
  call<T>(platform: PlatformName, label: string, perform: () => T, answer: (outcome: Outcome<T>) => void): void {
    const clock = this.#clock;
    const chance = this.#chance;
    this.begun[platform].push(clock.now);
    const begun = clock.now;
    const there = this.#lasts(`there ${platform}`, 5, slowest.there);
    const back = this.#lasts(`back ${platform}`, 2, slowest.back);
    const fate = this.#troubled ? this.#fate(label) : 'well';
    if (fate !== 'well') this.#trace.say('fault', label, `${platform} ${label}: ${fate}`);
    switch (fate) {
      case 'well':
        clock.after(there, () => {
          const value = perform();
          const at = clock.now;
          clock.after(back, () => answer({ kind: 'answered', value, at, begun, ended: clock.now }));
        });
        return;
      case '429':
        clock.after(there + back, () =>
          answer({
            kind: 'throttled',
            resetMs: chance.int(`reset ${platform}`, 500, 8_000),
            at: clock.now - back,
            begun,
          }),
        );
        return;
      case '5xx':
      case '5xx applied': {
        const applied = fate === '5xx applied';
        if (applied) this.doubtful += 1;
        clock.after(there, () => {
          if (applied) perform();
          const at = clock.now;
          clock.after(back, () => answer({ kind: 'failed', status: 502, applied, at, begun }));
        });
        return;
      }
      case 'timeout-before':
        this.doubtful += 1;
        clock.after(timeoutMs, () => answer({ kind: 'silent' }));
        return;
      case 'timeout-after':
      case 'late':
        this.doubtful += 1;
        clock.after(fate === 'late' ? timeoutMs + chance.int(`late ${platform}`, 1, 60_000) : there, () => {
          if (fate === 'late') {
            this.late.push({ platform, at: platform === 'salesforce' ? clock.salesforceNow : clock.now });
            this.#trace.say('fault', label, `${platform} ${label} is applied late`);
          }
          perform();
        });
        clock.after(timeoutMs, () => answer({ kind: 'silent' }));
        return;
    }
  }

  #lasts(label: string, least: number, most: number): number {
    const isSlow = this.#world.on.has('slow') && this.#chance.is(`slow ${label}`, 0.3);
    return isSlow ? this.#chance.int(`slowly ${label}`, most, 6_000) : this.#chance.int(label, least, most);
  }

  #fate(label: string): 'well' | '429' | '5xx' | '5xx applied' | 'timeout-before' | 'timeout-after' | 'late' {
    const { on } = this.#world;
    const roll = this.#chance.next(`fate ${label}`);
    if (roll < 0.04) return on.has('429') ? '429' : 'well';
    if (roll < 0.08) return on.has('5xx') ? '5xx' : 'well';
    if (roll < 0.1) return on.has('5xx') ? '5xx applied' : 'well';
    if (roll < 0.12) return on.has('timeout-before') ? 'timeout-before' : 'well';
    if (roll < 0.15) return on.has('timeout-after') ? 'timeout-after' : 'well';
    return roll < 0.19 && on.has('late') ? 'late' : 'well';
  }
}
