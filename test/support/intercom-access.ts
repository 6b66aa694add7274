/** The Intercom client of ours in front of the twin, with a budget that always grants and remembers what it was told. */
import { connectIntercom, type IntercomAccess } from '../../connectors/intercom/client.ts';
import type { Budget, LimitTold } from '../../core/budget.ts';
import { type Config, checkConfig } from '../../core/config.ts';
import type { IntercomTwin } from '../../twins/intercom/server.ts';

export function openBudget(): Budget & { readonly told: LimitTold[] } {
  const told: LimitTold[] = [];
  return {
    told,
    take: (_lane, _holder, signal) => {
      signal.throwIfAborted();
      return Promise.resolve();
    },
    claim: () => Promise.resolve(),
    tell: (limit) => {
      told.push(limit);
      return Promise.resolve();
    },
    level: () => ({ perWindow: 1000, windowMs: 10_000, pausedMs: 0, left: 100, away: false }),
  };
}

export function configFor(
  twin: { readonly url: string; readonly token: string },
  given: object = {},
  clientSecret?: string,
): Config {
  return checkConfig(given, {
    INTERCOM_BASE_URL: twin.url,
    INTERCOM_TOKEN: twin.token,
    INTERCOM_CLIENT_SECRET: clientSecret,
  });
}

export function accessTo(
  twin: { readonly url: string; readonly token: string },
  budget: Budget = openBudget(),
  timeoutMs = 250,
): IntercomAccess {
  return connectIntercom({ intercom: configFor(twin).intercom, budget, timeoutMs });
}

export async function twinControl(twin: Pick<IntercomTwin, 'url'>, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${twin.url}/__twin/${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

interface Called {
  readonly call: string;
  readonly noop: boolean;
}

/** Writes and reads that our token made, ids left out. */
export async function callsOf(twin: Pick<IntercomTwin, 'url'>): Promise<readonly Called[]> {
  const log = (await twinControl(twin, 'calls')) as {
    readonly client: string;
    readonly method: string;
    readonly path: string;
    readonly noop: boolean;
  }[];
  return log
    .filter(({ client }) => client === 'app')
    .map(({ method, path, noop }) => ({ call: `${method} ${path.replace(/[0-9a-f]{24}/g, '*')}`, noop }));
}
