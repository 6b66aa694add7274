/**
 * The address that Intercom posts its notifications to, and anybody else whatever they like: nothing is believed before its
 * signature holds, no body is kept beyond the bound, and none may take longer than the platform itself would wait.
 *
 * What is refused is read to its end and dropped: whoever still sends would otherwise find a broken connection in place of
 * the answer. Never answered is 410, which ends the subscription for good.
 */
import type { IncomingMessage } from 'node:http';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';
import { fault } from '../../core/faults.ts';
import { metrics } from '../../core/metrics.ts';
import type { Intake, Taken } from './intake.ts';
import { hasSignatureForm, verifySignature } from './webhook.ts';

/** From the first byte to the last; Intercom has given up by then. */
const receiveMs = 5_000;
const connections = 1_000;
/** A body that is dropped may be so many times too long before the connection is. */
const patience = 8;
/** What keeping a piece takes besides its bytes: somebody may send them one by one. */
const pieceBytes = 256;
/** Strangers may post as they like: one line in so long says how many did. */
const sayEveryMs = 60_000;

export type Outcome = Taken | 'unsigned' | 'oversized' | 'broken';
const status = { accepted: 200, rejected: 200, busy: 429, unsigned: 401, oversized: 413 } as const;

export interface Endpoint {
  readonly url: string;
  /** Answers what is in hand, then closes. */
  close(): Promise<void>;
}

export interface EndpointOptions {
  readonly webhook: Config['intercom']['webhook'];
  readonly secret: string;
  readonly intake: Intake;
  readonly log: Logger;
  /** How long a body may take, ms. */
  readonly receiveMs?: number;
}

/** @throws TributaryError HTTP_TAKEN */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const { webhook } = options;
  const server = Fastify({
    logger: false,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    requestTimeout: options.receiveMs ?? receiveMs,
    http: { connectionsCheckingInterval: 500, headersTimeout: options.receiveMs ?? receiveMs },
  });
  server.server.maxConnections = connections;
  server.removeAllContentTypeParsers();
  // The signature is of the very bytes, whatever they call themselves.
  server.addContentTypeParser('*', (_request, _payload, done) => done(null));
  const strangers = tally(options.log);
  server.head(webhook.path, (_request, reply) => reply.send());
  const onResponse = async (): Promise<void> => fault('answer:after');
  server.post(webhook.path, { onResponse }, async (request, reply) => {
    const seconds = metrics.notificationSeconds.startTimer();
    const outcome = await receive(options, request.raw);
    metrics.notifications.inc({ outcome });
    if (outcome === 'unsigned') strangers();
    seconds();
    await fault('answer:before');
    return answer(reply, request, outcome);
  });
  server.get(webhook.path, (_request, reply) => reply.code(405).header('allow', 'POST, HEAD').send());
  try {
    const url = await server.listen({ host: webhook.host, port: webhook.port });
    return { url: `${url}${webhook.path}`, close: () => server.close() };
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    const text = `${webhook.host}:${webhook.port} cannot be listened on (${why})`;
    throw new TributaryError('HTTP_TAKEN', text, { cause: error, field: 'intercom.webhook.port' });
  }
}

function answer(reply: FastifyReply, { raw }: FastifyRequest, outcome: Outcome): FastifyReply {
  if (outcome === 'broken') return reply.hijack();
  // Of a body that is still coming, nobody reads the rest.
  if (!raw.complete) reply.header('connection', 'close');
  return reply.code(status[outcome]).send();
}

async function receive({ webhook, secret, intake }: EndpointOptions, request: IncomingMessage): Promise<Outcome> {
  const given = request.headers['x-hub-signature'];
  const signature = typeof given === 'string' ? given : undefined;
  const body = new Body(webhook.maxBytes, intake);
  if (!hasSignatureForm(signature)) body.drop('unsigned');
  if (Number(request.headers['content-length'] ?? 0) > webhook.maxBytes) body.drop('oversized');
  const why = await body.read(request);
  if (why !== undefined) return why === 'busy' ? intake.refuse() : why;
  const bytes = body.bytes();
  if (verifySignature(secret, bytes, signature)) return intake.take(bytes);
  intake.release(bytes.length);
  return 'unsigned';
}

/** Bytes as they come, held in the intake's room until they are too many, or of no use any more. */
class Body {
  readonly #most: number;
  readonly #intake: Intake;
  #chunks: Buffer[] = [];
  #length = 0;
  /** Of the intake's room. */
  #held = 0;
  #dropped: Outcome | undefined;

  constructor(most: number, intake: Intake) {
    this.#most = most;
    this.#intake = intake;
  }

  drop(why: Outcome): void {
    this.#dropped ??= why;
    this.#intake.release(this.#held);
    this.#held = 0;
    this.#chunks = [];
  }

  /** All of it as one piece, which holds so many bytes of the room and no more. */
  bytes(): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    this.#intake.release(this.#held - bytes.length);
    this.#held = bytes.length;
    this.#chunks = [];
    return bytes;
  }

  /** Settles at the end, with why it was dropped. */
  read(request: IncomingMessage): Promise<Outcome | undefined> {
    return new Promise((resolve) => {
      const end = (): void => {
        request.off('data', take).off('end', end).off('close', broken).off('error', broken);
        resolve(this.#dropped);
      };
      const broken = (): void => {
        this.drop('broken');
        this.#dropped = 'broken';
        end();
      };
      const take = (chunk: Buffer): void => {
        this.#length += chunk.length;
        if (this.#length > this.#most) this.drop('oversized');
        if (this.#length > this.#most * patience) return end();
        if (this.#dropped !== undefined) return;
        if (!this.#intake.hold(chunk.length + pieceBytes)) return this.drop('busy');
        this.#held += chunk.length + pieceBytes;
        this.#chunks.push(chunk);
      };
      request.on('data', take).on('end', end).on('close', broken).on('error', broken);
    });
  }
}

/** A wrong secret looks like this too, and then nothing is ever taken. */
function tally(log: Logger): () => void {
  let count = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  return () => {
    count += 1;
    if (performance.now() - saidAt < sayEveryMs) return;
    log.warn(
      { count },
      'posts to the webhook are not signed with INTERCOM_CLIENT_SECRET; if Intercom sent them, it is wrong',
    );
    saidAt = performance.now();
    count = 0;
  };
}
