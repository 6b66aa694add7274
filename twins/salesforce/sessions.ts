import type { Random } from '../common/random.ts';
import { normalizeId } from './ids.ts';
import type { SalesforceModel } from './model.ts';

export interface Session {
  readonly token: string;
  readonly clientId: string;
  readonly userId: string;
  readonly expiresAt: number;
}

export interface Client {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly userId: string;
}

/** Connected apps and the access tokens they were given. */
export class Sessions {
  readonly #model: SalesforceModel;
  readonly #clients: readonly Client[];
  readonly #ttlMs: number;
  readonly #random: Random;
  readonly #sessions = new Map<string, Session>();

  constructor(model: SalesforceModel, clients: readonly Client[], ttlMs: number, random: Random) {
    this.#model = model;
    this.#clients = clients;
    this.#ttlMs = ttlMs;
    this.#random = random;
  }

  /** The token endpoint: form in, JSON out, its errors shaped unlike those of the rest of the API. */
  grant(form: URLSearchParams, instanceUrl: string, now: number): { status: number; body: Record<string, string> } {
    const refuse = (error: string, text: string) => ({ status: 400, body: { error, error_description: text } });
    if (form.get('grant_type') !== 'client_credentials')
      return refuse('unsupported_grant_type', 'grant type not supported');
    const client = this.#clients.find(({ clientId }) => clientId === form.get('client_id'));
    if (client === undefined) return refuse('invalid_client_id', 'client identifier invalid');
    if (client.clientSecret !== form.get('client_secret'))
      return refuse('invalid_client', 'invalid client credentials');
    const { orgId } = this.#model;
    for (const [old, { expiresAt }] of this.#sessions) if (expiresAt <= now) this.#sessions.delete(old);
    const token = `${orgId.slice(0, 15)}!${this.#random.hex(96)}`;
    this.#sessions.set(token, {
      token,
      clientId: client.clientId,
      userId: client.userId,
      expiresAt: now + this.#ttlMs,
    });
    const body = {
      access_token: token,
      signature: Buffer.from(this.#random.hex(64), 'hex').toString('base64'),
      scope: 'api',
      instance_url: instanceUrl,
      id: `${instanceUrl}/id/${orgId}/${client.userId}`,
      token_type: 'Bearer',
      issued_at: String(now),
    };
    return { status: 200, body };
  }

  find(token: string | undefined, now: number): Session | undefined {
    const session = this.#sessions.get(token ?? '');
    return session && session.expiresAt > now ? session : undefined;
  }

  expireAll(): void {
    this.#sessions.clear();
  }

  isOrg(tenantId: string): boolean {
    return normalizeId(tenantId) === this.#model.orgId;
  }
}
