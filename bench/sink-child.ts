/**
 * The loop of a sink and its decisions, on a platform that answers at once: HTTP and the platform's client are not in it,
 * for their cost is that of the calls and not of the changes.
 */
import type { Verdict } from '../connectors/intercom/classify.ts';
import type { SalesforceVerdict } from '../connectors/salesforce/classify.ts';
import { connectBudget } from '../core/budget.ts';
import { metrics } from '../core/metrics.ts';
import { runSink, type SinkOptions } from '../core/sink-loop.ts';
import { intercomId } from '../processors/decode/intercom.ts';
import { drive } from '../sinks/drive.ts';
import { executeEach } from '../sinks/intercom/execute.ts';
import { executeBatch } from '../sinks/salesforce/execute.ts';
import { asChild } from './child.ts';
import { count, measure } from './measuring.ts';
import type { Moved } from './pass-through.ts';
import type { SinkTask } from './stages.ts';
import { contactAnswer } from './voices.ts';
import { openWorld } from './world.ts';

const markers = { contact: 'custom_attributes.tributary_id', company: 'company_id' };
const contacts = { marker: 'Tributary_Id__c', email: 'Email', fields: [], multiSelects: [] };
const time = 1_790_000_000_000;

type Platform = Pick<SinkOptions, 'platform' | 'perCall' | 'concurrency' | 'execute'>;

const intercom: Platform = {
  platform: 'intercom',
  perCall: 1,
  concurrency: 20,
  execute: (commands, run) =>
    drive(executeEach(markers, commands), run, async (): Promise<Verdict> => {
      const n = Number(intercomId(commands[0].ref).slice(-12));
      return { kind: 'ok', body: contactAnswer(n), time, sentAt: time };
    }),
};

const salesforce: Platform = {
  platform: 'salesforce',
  perCall: 200,
  concurrency: 8,
  execute: (commands, run) =>
    drive(executeBatch({ Contact: contacts }, commands), run, async (_caller, request): Promise<SalesforceVerdict> => {
      const rows = request.kind === 'update' ? request.rows : [];
      return { kind: 'ok', body: rows.map(({ Id }) => ({ id: Id, success: true, errors: [] })), time, sentAt: time };
    }),
};

async function run({ platform, records, ...deployment }: SinkTask): Promise<Moved> {
  const { kafka, codec, redis, log, config } = await openWorld(deployment);
  const stop = new AbortController();
  const budget = connectBudget({
    redis,
    key: `${config.prefix}bench`,
    windowMs: 1_000,
    perWindow: 1_000_000,
    share: 1,
    reserveLive: 0.3,
  });
  const role = runSink({
    kafka,
    codec,
    budget,
    ...(platform === 'intercom' ? intercom : salesforce),
    signal: stop.signal,
    ready: () => undefined,
    log,
    now: () => performance.now(),
  });
  const moved = await measure(role, records, () => count(metrics.results, { platform, outcome: 'applied' }));
  stop.abort();
  await role;
  return moved;
}

await asChild(run);
