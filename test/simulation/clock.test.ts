import { describe, expect, it } from 'vitest';
import { Clock } from './clock.ts';
import { Chance } from './random.ts';

describe('the virtual clock', () => {
  it('runs events in the order of their time, and of their scheduling within one moment', () => {
    const chance = new Chance(5);
    const clock = new Clock(0);
    const ran: { time: number; n: number }[] = [];
    const planned = Array.from({ length: 400 }, (_, n) => ({ time: chance.int('time', 0, 50), n }));
    for (const { time, n } of planned) clock.at(time, () => ran.push({ time: clock.now, n }));
    while (clock.step());
    expect(ran).toEqual(planned.toSorted((a, b) => a.time - b.time || a.n - b.n));
  });

  it('never goes back: what is scheduled for the past happens now', () => {
    const clock = new Clock(100);
    const seen: number[] = [];
    clock.at(200, () => clock.at(50, () => seen.push(clock.now)));
    while (clock.step());
    expect(seen).toEqual([200]);
  });

  it('is drained when nothing but background is to come, and idle since the last that was not', () => {
    const clock = new Clock(0);
    clock.at(10, () => undefined);
    clock.at(40, () => undefined, true);
    expect(clock.drained).toBe(false);
    clock.step();
    expect(clock.drained).toBe(true);
    clock.step();
    expect(clock.idleMs).toBe(30);
  });
});
