import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TributaryError } from '../../core/errors.ts';
import { type Answer, Interrupted } from '../../core/sink-state.ts';
import type { Command } from '../../schemas/types.ts';
import { applied, budgetOn, SinkWorld } from '../support/sink-world.ts';

let world: SinkWorld;
beforeEach(async () => {
  world = await SinkWorld.open();
});
afterEach(() => world.close());

/** A platform that remembers what it was asked, in order. */
function recorder(answer: (command: Command) => Answer | Promise<Answer> = () => applied) {
  const ran: string[] = [];
  const execute = async (command: Command): Promise<Answer> => {
    ran.push(command.id);
    return answer(command);
  };
  return { ran, execute };
}

const gate = () => Promise.withResolvers<void>();

describe('epochs', () => {
  test('announces an epoch with its window for every partition, and runs what comes under it', async () => {
    const { ran, execute } = recorder();
    world.start({ execute });
    const epoch = await world.epoch();
    expect((await world.epochs())[0]).toMatchObject({ platform: 'intercom', n: 0, window: 100, bulkWindow: 70 });
    for (const partition of [1, 2, 3])
      await world.until(async () => expect((await world.epochs(partition)).length).toBeGreaterThan(0));
    const command = world.command(epoch);
    await world.send(command);
    expect(await world.resultOf(command.id)).toMatchObject({ ...applied, epoch, partition: 0, platform: 'intercom' });
    expect(ran).toEqual([command.id]);
  });

  test('runs nothing that was in the topic before, nor of another epoch, nor a command twice', async () => {
    const { ran, execute } = recorder();
    const before = world.command('of an epoch before');
    await world.send(before);
    world.start({ execute });
    const epoch = await world.epoch();
    const command = world.command(epoch);
    const last = world.command(epoch);
    await world.send(world.command('of another epoch'), command, command, { ...command }, last);
    await world.resultOf(last.id);
    expect(ran).toEqual([command.id, last.id]);
    expect((await world.results()).map((one) => one.command)).toEqual([command.id, last.id]);
  });

  test('rewinding the commands does nothing', async () => {
    const first = recorder();
    const sink = world.start(first);
    const old = await world.epoch();
    const command = world.command(old);
    await world.send(command);
    await world.resultOf(command.id);
    await sink.stop();
    const again = recorder();
    world.start(again);
    // The group was not asked where it stood; the old command once more is what a rewound topic would bring.
    const epoch = await world.epoch(old);
    const fresh = world.command(epoch);
    await world.send(command, fresh);
    await world.resultOf(fresh.id);
    expect(again.ran).toEqual([fresh.id]);
  });

  test('a sink whose partition another one holds makes no call, and joins the group again', async () => {
    const { ran, execute } = recorder();
    const budget = budgetOn(world.redis, world.prefix, 1_000);
    const sink = world.start({
      budget,
      execute: async (command, run) => {
        await budget.take('live', run.holder, run.signal);
        return execute(command);
      },
    });
    const epoch = await world.epoch();
    await world.until(async () => expect(sink.said.at(-1)).toEqual([true, 'running']));
    await budget.claim({ partition: 0, fence: Date.now() + 1 });
    const command = world.command(epoch);
    await world.send(command);
    const next = await world.epoch(epoch);
    expect(ran).toEqual([]);
    await world.send({ ...command, epoch: next });
    expect(await world.resultOf(command.id)).toMatchObject({ epoch: next, outcome: 'applied' });
  });

  test('killed in the middle of a call, its successor answers under a new epoch what unify sends again', async () => {
    const called: string[] = [];
    const platform = createServer((request) => called.push(request.url ?? ''));
    platform.listen(0, '127.0.0.1');
    await once(platform, 'listening');
    const { port } = platform.address() as AddressInfo;
    const script = fileURLToPath(new URL('../support/sink-child.ts', import.meta.url));
    const child = spawn(process.execPath, [script, world.prefix, `http://127.0.0.1:${port}`], { stdio: 'inherit' });
    try {
      const old = await world.epoch();
      const command = world.command(old);
      await world.send(command);
      await world.until(async () => expect(called).toEqual([`/${command.id}`]));
      child.kill('SIGKILL');
      await once(child, 'exit');
      const { ran, execute } = recorder();
      world.start({ execute });
      const epoch = await world.epoch(old);
      expect(await world.results()).toEqual([]);
      await world.send({ ...command, epoch });
      expect(await world.resultOf(command.id)).toMatchObject({ epoch, outcome: 'applied' });
      expect(ran).toEqual([command.id]);
    } finally {
      child.kill('SIGKILL');
      platform.closeAllConnections();
      platform.close();
    }
  });
});

describe('commands', () => {
  test('an expired one is answered without a call', async () => {
    const { ran, execute } = recorder();
    world.start({ execute });
    const epoch = await world.epoch();
    const late = world.command(epoch, { expiresAt: Date.now() - 1 });
    await world.send(late);
    expect(await world.resultOf(late.id)).toMatchObject({ outcome: 'expired', calls: 0 });
    expect(ran).toEqual([]);
  });

  test('one that expires while it waits behind another is answered too', async () => {
    const hold = gate();
    const { ran, execute } = recorder(async () => {
      await hold.promise;
      return applied;
    });
    world.start({ execute, concurrency: 1 });
    const epoch = await world.epoch();
    const first = world.command(epoch);
    const late = world.command(epoch, { expiresAt: Date.now() + 1_500 });
    await world.send(first, late);
    expect(await world.resultOf(late.id)).toMatchObject({ outcome: 'expired', calls: 0 });
    hold.resolve();
    await world.resultOf(first.id);
    expect(ran).toEqual([first.id]);
  });

  test('of one record one after the other, of different records together, live before bulk', async () => {
    const begun = gate();
    const hold = gate();
    let together = 0;
    const { ran, execute } = recorder(async () => {
      together++;
      if (together === 2) begun.resolve();
      await hold.promise;
      return applied;
    });
    world.start({ execute, concurrency: 2 });
    const epoch = await world.epoch();
    const a1 = world.command(epoch, { ref: 'intercom:contact:a' });
    const a2 = world.command(epoch, { ref: 'intercom:contact:a' });
    const bulk = world.command(epoch, { lane: 'bulk' });
    const b = world.command(epoch);
    await world.send(a1, b, a2, bulk);
    await begun.promise;
    expect(ran).toEqual([a1.id, b.id]);
    hold.resolve();
    await world.resultOf(bulk.id);
    expect(ran).toEqual([a1.id, b.id, a2.id, bulk.id]);
  });

  test('a refusal goes to the dead letters with code, field, value and the platform’s text', async () => {
    const message = 'parameter_invalid: name is too long';
    const refusals = [{ field: 'name', code: 'PLATFORM_REFUSED', message }];
    world.start(recorder(() => ({ ...applied, outcome: 'refused', refusals })));
    const command = world.command(await world.epoch());
    await world.send(command);
    expect(await world.resultOf(command.id)).toMatchObject({ outcome: 'refused', refusals });
    await world.until(async () =>
      expect(await world.deadLetters()).toEqual([
        expect.objectContaining({
          stage: 'sinks',
          code: 'PLATFORM_REFUSED',
          field: 'name',
          value: '"New"',
          ref: command.ref,
          message,
          topic: 'intercom.commands',
        }),
      ]),
    );
  });

  test('a command that cannot be read goes to the dead letters, and the next one runs', async () => {
    const { execute } = recorder();
    world.start({ execute });
    const epoch = await world.epoch();
    await world.sendBytes(Buffer.from('not avro'));
    const command = world.command(epoch);
    await world.send(command);
    await world.resultOf(command.id);
    await world.until(async () =>
      expect(await world.deadLetters()).toEqual([expect.objectContaining({ stage: 'sinks', ref: '' })]),
    );
  });

  test('a command that this sink cannot do is refused, alone', async () => {
    world.start(
      recorder((command) => {
        if (command.object === 'ticket') throw new TributaryError('RECORD_POISON', 'no tickets here');
        return applied;
      }),
    );
    const epoch = await world.epoch();
    const odd = world.command(epoch, { object: 'ticket' });
    const good = world.command(epoch);
    await world.send(odd, good);
    expect(await world.resultOf(odd.id)).toMatchObject({ outcome: 'refused', refusals: [{ code: 'RECORD_POISON' }] });
    expect(await world.resultOf(good.id)).toMatchObject({ outcome: 'applied' });
  });
});

describe('a sink whose calls carry many commands', () => {
  test('gives a turn what came together, and what comes during a call the next', async () => {
    const hold = gate();
    const turns: number[] = [];
    world.startBatches({
      perCall: 50,
      execute: async (commands) => {
        turns.push(commands.length);
        await hold.promise;
        return new Map(commands.map(({ id }) => [id, applied]));
      },
    });
    const epoch = await world.epoch();
    await world.send(...Array.from({ length: 20 }, () => world.command(epoch)));
    await world.until(async () => expect(turns).toEqual([20]));
    await world.send(...Array.from({ length: 30 }, () => world.command(epoch)));
    await world.send(...Array.from({ length: 40 }, () => world.command(epoch)));
    const last = world.command(epoch, { lane: 'bulk' });
    await world.send(last);
    // Bulk ones have a turn of their own: when it has begun, all before it is waiting.
    await world.until(async () => expect(turns).toEqual([20, 1]));
    hold.resolve();
    await world.until(async () => expect(await world.results()).toHaveLength(91));
    expect(turns).toEqual([20, 1, 50, 20]);
  });

  test('answers those that were called, and calls the others again', async () => {
    const turns: (readonly string[])[] = [];
    world.startBatches({
      perCall: 50,
      execute: async (commands) => {
        turns.push(commands.map(({ id }) => id));
        return new Map(commands.slice(0, 1).map(({ id }) => [id, applied]));
      },
    });
    const epoch = await world.epoch();
    const commands = [world.command(epoch), world.command(epoch)];
    await world.send(...commands);
    for (const { id } of commands) expect(await world.resultOf(id)).toMatchObject({ outcome: 'applied' });
    const [first = '', second = ''] = commands.map(({ id }) => id);
    expect(turns).toEqual([[first, second], [second]]);
  });

  test('a defect that one record brings out is that record’s refusal, and no other’s', async () => {
    world.startBatches({
      perCall: 50,
      execute: async (commands) => {
        if (commands.some(({ lane }) => lane === 'urgent')) throw new TypeError('not a function');
        return new Map(commands.map(({ id }) => [id, applied]));
      },
    });
    const epoch = await world.epoch();
    const [good, odd, other] = [world.command(epoch), world.command(epoch, { lane: 'urgent' }), world.command(epoch)];
    await world.send(good, odd, other);
    expect(await world.resultOf(odd.id)).toMatchObject({ outcome: 'refused', refusals: [{ code: 'INTERNAL' }] });
    for (const { id } of [good, other]) expect(await world.resultOf(id)).toMatchObject({ outcome: 'applied' });
  });
});

describe('stopping', () => {
  test('SIGTERM lets the call under way end and sends its result; what had not begun is not answered', async () => {
    const begun = gate();
    const hold = gate();
    const sink = world.start({
      concurrency: 1,
      execute: async (_command, run) => {
        begun.resolve();
        await hold.promise;
        if (!run.signal.aborted) throw new Interrupted();
        return applied;
      },
    });
    const epoch = await world.epoch();
    const first = world.command(epoch);
    const second = world.command(epoch);
    await world.send(first, second);
    await begun.promise;
    const stopped = sink.stop();
    hold.resolve();
    await stopped;
    expect((await world.results()).map((one) => one.command)).toEqual([first.id]);
  });

  test('a run of refusals in the same words stops the sink: window 0, not ready, the rest waits', async () => {
    const refusals = [{ field: '', code: 'PLATFORM_REFUSED', message: 'parameter_invalid: the plan ended' }];
    const { ran, execute } = recorder(() => ({ ...applied, outcome: 'refused', refusals }));
    const sink = world.start({ execute, concurrency: 1 });
    const epoch = await world.epoch();
    await world.send(...Array.from({ length: 40 }, () => world.command(epoch)));
    await world.until(async () => expect((await world.epochs()).at(-1)).toMatchObject({ window: 0, bulkWindow: 0 }));
    expect(sink.said.at(-1)).toEqual([false, 'the platform refuses everything: PLATFORM_REFUSED parameter_invalid']);
    expect(ran).toHaveLength(20);
    expect(await world.results()).toHaveLength(20);
  });

  test('a platform that does not answer stops the sink until it does', async () => {
    const tried = gate();
    const hold = gate();
    const sink = world.start({
      execute: async (_command, run) => {
        for (let n = 0; n < 5; n++) run.trouble('PLATFORM_UNAVAILABLE', 'HTTP 503');
        tried.resolve();
        await hold.promise;
        return applied;
      },
    });
    const command = world.command(await world.epoch());
    await world.send(command);
    await tried.promise;
    await world.until(async () => expect((await world.epochs()).at(-1)).toMatchObject({ window: 0 }));
    expect(sink.said.at(-1)).toEqual([false, 'the platform does not answer: PLATFORM_UNAVAILABLE']);
    hold.resolve();
    await world.resultOf(command.id);
    await world.until(async () => expect((await world.epochs()).at(-1)).toMatchObject({ window: 100 }));
    expect(sink.said.at(-1)).toEqual([true, 'running']);
  });

  test('a defect that one record brings out is that record’s refusal', async () => {
    const { execute } = recorder((command) => {
      if (command.lane === 'urgent') throw new TypeError('not a function');
      return applied;
    });
    world.start({ execute });
    const epoch = await world.epoch();
    const odd = world.command(epoch, { lane: 'urgent' });
    const good = world.command(epoch);
    await world.send(odd, good);
    expect(await world.resultOf(odd.id)).toMatchObject({ outcome: 'refused', refusals: [{ code: 'INTERNAL' }] });
    expect(await world.resultOf(good.id)).toMatchObject({ outcome: 'applied' });
  });

  test('credentials refused while running end the sink with that error', async () => {
    const sink = world.start({
      execute: () => Promise.reject(new TributaryError('CREDENTIALS_REFUSED', 'token revoked')),
    });
    await world.send(world.command(await world.epoch()));
    await expect(sink.done).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    expect(await world.results()).toEqual([]);
  });
});

describe('two sinks', () => {
  test('share the partitions and one budget', async () => {
    const given: { readonly at: number; readonly sink: number }[] = [];
    for (const sink of [0, 1]) {
      const budget = budgetOn(world.redis, world.prefix, 20);
      world.start({
        budget,
        execute: async (_command, run) => {
          await budget.take('live', run.holder, run.signal);
          given.push({ at: performance.now(), sink });
          return applied;
        },
      });
    }
    // Unify's part, for each partition: a new epoch gets the open asks again, until each is answered.
    const partitions = [0, 1, 2, 3];
    const open = partitions.map(
      () => new Map(Array.from({ length: 15 }, () => world.command('')).map((one) => [one.id, one])),
    );
    const sentUnder = partitions.map(() => '');
    await world.until(async () => {
      for (const { command } of await world.results()) for (const asks of open) asks.delete(command);
      for (const partition of partitions) {
        const newest = (await world.epochs(partition)).findLast(({ n }) => n === 0)?.epoch ?? '';
        if (newest === '' || newest === sentUnder[partition]) continue;
        sentUnder[partition] = newest;
        const asks = [...(open[partition]?.values() ?? [])];
        await world.sendTo(partition, ...asks.map((one) => ({ ...one, epoch: newest })));
      }
      expect(open.map((asks) => asks.size)).toEqual([0, 0, 0, 0]);
    });
    expect(new Set(given.map(({ sink }) => sink))).toEqual(new Set([0, 1]));
    for (const { at: from } of given)
      expect(given.filter(({ at }) => at >= from && at < from + 950).length).toBeLessThanOrEqual(20);
  });
});
