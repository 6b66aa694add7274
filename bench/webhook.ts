/**
 * How long Intercom waits for the answer to a notification, at a thousand a second: signed ones, over sockets, each answered
 * when Kafka has acknowledged it. They are made beforehand and sent evenly, whether or not those before were answered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { waitUntil } from '../cli/demo/waiting.ts';
import { notificationText, signature } from '../twins/intercom/webhooks.ts';
import { type Pipeline, withPipeline } from './pipeline.ts';
import type { Section } from './section.ts';
import { median, percentile } from './statistics.ts';

export const webhook: Section<'webhook1000.p99Ms' | 'webhook1000.lost'> = {
  name: 'webhook',
  about: 'acknowledging 1,000 signed notifications a second',
  figures: {
    'webhook1000.p99Ms': { about: 'from sending to the answer; the median of five runs', unit: 'ms', atMost: 50 },
    'webhook1000.lost': { about: 'answered with 200 and not in intercom.raw', unit: 'notifications', atMost: 0 },
  },
  run: (bench) =>
    withPipeline(bench, true, async (pipeline) => {
      await pipeline.platforms.startRoles(['connect-intercom']);
      const endpoint = await endpointOf(pipeline, bench.signal);
      const perSecond = bench.quick ? 100 : 1_000;
      const [runs, seconds] = bench.quick ? [1, 1] : [5, 10];
      const p99s: number[] = [];
      let lost = 0;
      // The one before the first warms up.
      for (let run = 0; run <= runs; run += 1) {
        const notifications = Array.from({ length: perSecond * seconds }, (_, n) =>
          made(endpoint, `bench-${run}-${n}`),
        );
        const [from = 0] = await endsOf(pipeline);
        const { latencies, taken } = await postEvenly(endpoint.url, notifications, perSecond, bench.signal);
        const missing = await missingIn(pipeline, from, taken);
        const p99 = percentile(latencies, 99);
        const sum = `${taken.length} of ${notifications.length} taken, ${missing} of them lost`;
        bench.log(`${sum}; p50 ${percentile(latencies, 50).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
        lost += missing;
        if (run > 0) p99s.push(p99);
      }
      return { 'webhook1000.p99Ms': median(p99s), 'webhook1000.lost': lost };
    }),
};

interface Endpoint {
  readonly url: string;
  readonly secret: string;
  readonly workspace: string;
  /** A person as Intercom tells of them. */
  readonly person: object;
}

const somebody = {
  role: 'user',
  email: 'somebody@bench.example',
  name: 'Some Body',
  phone: '+15551230000',
  custom_attributes: {},
};

/** Settles when notifications are taken: before it is known whose they are, they are put off. */
async function endpointOf({ platforms }: Pipeline, signal: AbortSignal): Promise<Endpoint> {
  await platforms.subscribe();
  const { env } = platforms;
  const id = await platforms.createInIntercom(somebody);
  const [{ workspaceId }, person] = [await platforms.intercomStore(), await platforms.showIntercom('contacts', id)];
  const url = `http://127.0.0.1:${env['INTERCOM_WEBHOOK_PORT'] ?? ''}/intercom`;
  const endpoint = { url, secret: env['INTERCOM_CLIENT_SECRET'] ?? '', workspace: workspaceId, person };
  const first = made(endpoint, 'first');
  const lacks = async (): Promise<string | undefined> => {
    const status = await post(url, first);
    return status === 200 ? undefined : `they are answered with ${status}`;
  };
  await waitUntil({ what: 'notifications are taken', limitMs: 60_000, signal, lacks });
  return endpoint;
}

interface Notification {
  /** Whom it tells of: another one each time, so that each is known again in the topic. */
  readonly contact: string;
  readonly bytes: Buffer;
  readonly signature: string;
}

function made({ secret, workspace, person }: Endpoint, contact: string): Notification {
  const at = Date.now();
  const item = { ...person, id: contact };
  const notification = { id: `notif_${contact}`, topic: 'contact.user.updated', created_ms: at, item };
  const bytes = Buffer.from(notificationText({ id: 0, notification, attempt: 1, first_sent_ms: at }, workspace));
  return { contact, bytes, signature: signature(secret, bytes) };
}

const agent = new Agent({ connections: 100, pipelining: 1 });

async function post(url: string, { bytes, signature: signed }: Notification): Promise<number> {
  const headers = { 'content-type': 'application/json', 'x-hub-signature': signed };
  const { statusCode, body } = await request(url, { dispatcher: agent, method: 'POST', headers, body: bytes });
  await body.dump();
  return statusCode;
}

async function postEvenly(
  url: string,
  notifications: readonly Notification[],
  perSecond: number,
  signal: AbortSignal,
): Promise<{ readonly latencies: readonly number[]; readonly taken: readonly string[] }> {
  const latencies: number[] = [];
  const taken: string[] = [];
  const begun = performance.now();
  const posts: Promise<void>[] = [];
  for (const [n, notification] of notifications.entries()) {
    const early = begun + (n * 1_000) / perSecond - performance.now();
    if (early >= 1) await sleep(early, undefined, { signal });
    const sent = performance.now();
    const answered = post(url, notification).then((status) => {
      latencies.push(performance.now() - sent);
      if (status === 200) taken.push(notification.contact);
    });
    posts.push(answered);
  }
  await Promise.all(posts);
  return { latencies, taken };
}

const endsOf = async ({ kafka }: Pipeline): Promise<readonly number[]> =>
  (await kafka.offsets('intercom.raw')).map(({ latest }) => latest);

async function missingIn(pipeline: Pipeline, from: number, taken: readonly string[]): Promise<number> {
  const [to = 0] = await endsOf(pipeline);
  const there = new Set<string>();
  await pipeline.kafka.read('intercom.raw', 0, from, to, (records) => {
    for (const { key } of records) there.add(String(key));
  });
  return taken.filter((contact) => !there.has(`contact:${contact}`)).length;
}
