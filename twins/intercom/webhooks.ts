/**
 * Carries the model's notifications to an endpoint: a signed POST each, five seconds for the answer, and the verdict back
 * to the model, which alone decides what becomes of it. On loopback only: a double must not call the world.
 */
import { createHmac } from 'node:crypto';
import { type Delivery, notificationBody } from './deliveries.ts';
import type { IntercomModel } from './model.ts';
import { refusals } from './types.ts';

const answerWithinMs = 5_000;
const connections = 20;
/** The clock may be moved by hand and the model written to without a call, so no sleep is trusted for longer. */
const longestSleepMs = 1_000;

/** Rails, which writes the platform's JSON, escapes these; whoever signs a re-serialised body finds another signature. */
const escaped = /[<>&\u007f-\uffff]/g;
const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The bytes posted, as text that is ASCII only. */
export const notificationText = (delivery: Delivery, workspaceId: string): string =>
  JSON.stringify(notificationBody(delivery, workspaceId)).replace(escaped, escape);

export const signature = (secret: string, bytes: Buffer): string =>
  `sha1=${createHmac('sha1', secret).update(bytes).digest('hex')}`;

export class WebhookCarrier {
  readonly #model: IntercomModel;
  readonly #secret: string;
  readonly #now: () => number;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #url: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param secret The app's `client_secret`, which signs. */
  constructor(model: IntercomModel, secret: string, now: () => number) {
    this.#model = model;
    this.#secret = secret;
    this.#now = now;
  }

  get url(): string | undefined {
    return this.#url;
  }

  /**
   * Subscribes an endpoint once it has answered a HEAD request, as the platform asks when the URL is saved.
   * @throws Refusal when the URL is not on loopback or does not answer
   */
  async subscribe(url: string, topics: readonly string[] | 'all'): Promise<void> {
    if (!isLoopback(url)) throw refusals.invalid('The endpoint must be http on loopback', 'url');
    const status = await fetch(url, { method: 'HEAD', signal: this.#deadline() }).then(
      (response) => response.status,
      () => 0,
    );
    if (status < 200 || status > 299)
      throw refusals.invalid(`The endpoint answers HEAD with ${status || 'nothing'}`, 'url');
    this.#url = url;
    this.#model.deliveries.subscribe(topics);
  }

  unsubscribe(): void {
    this.#url = undefined;
    this.#model.deliveries.unsubscribe();
  }

  /** Sends what is due and sets the timer for what is next; to be called whenever something may have become due. */
  wake(): void {
    clearTimeout(this.#timer);
    const url = this.#url;
    if (url === undefined || this.#closing.signal.aborted) return;
    const { deliveries } = this.#model;
    for (const delivery of deliveries.due(this.#now(), connections - this.#running.size)) {
      const run = this.#carry(url, delivery).finally(() => {
        this.#running.delete(run);
        this.wake();
      });
      this.#running.add(run);
    }
    // With every connection busy the end of one of them wakes us.
    if (this.#running.size >= connections) return;
    const next = deliveries.nextDueAt() ?? Number.POSITIVE_INFINITY;
    this.#timer = setTimeout(() => this.wake(), Math.min(Math.max(next - this.#now(), 1), longestSleepMs));
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closing.abort();
    await Promise.all(this.#running);
  }

  async #carry(url: string, delivery: Delivery): Promise<void> {
    const bytes = Buffer.from(notificationText(delivery, this.#model.workspaceId));
    const status = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        'user-agent': 'intercom-parrot-service-client/1.0',
        'x-hub-signature': signature(this.#secret, bytes),
      },
      body: bytes,
      redirect: 'manual',
      signal: this.#deadline(),
    }).then(
      async (response) => {
        await response.body?.cancel();
        return response.status;
      },
      // Refused, reset or too slow: all of them are an endpoint that did not answer.
      () => 'timeout' as const,
    );
    const { deliveries } = this.#model;
    if (status !== 'timeout' && status >= 200 && status < 300) deliveries.delivered(delivery.id);
    else deliveries.failed(delivery.id, status, this.#now());
  }

  #deadline(): AbortSignal {
    return AbortSignal.any([this.#closing.signal, AbortSignal.timeout(answerWithinMs)]);
  }
}

function isLoopback(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
}
