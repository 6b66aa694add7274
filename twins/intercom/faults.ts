/**
 * Faults on order. The pairs before/after are the point: after a time-out or a reset the client cannot know whether its
 * write was applied, and only a double that can do both shows what the client makes of it.
 */
import { z } from 'zod';

const faultKinds = [
  'timeout-before',
  'timeout-after',
  'reset-before',
  'reset-after',
  'html-502',
  'broken-json',
  'stall',
  'slow',
] as const;

const faultOrder = z.strictObject({
  match: z
    .string()
    .regex(/^(\*|[A-Z]+) \/\S*$/)
    .describe('Method and path, `*` for any run of characters: `PUT /contacts/*`, `* /companies*`.'),
  kind: z.enum(faultKinds).optional(),
  status: z.int().min(400).max(599).optional().describe('Answer this status with an error list instead of acting.'),
  code: z.string().optional().describe('Error code of the answer; by status if not given.'),
  applied: z.boolean().default(false).describe('With status or html-502: act first, then answer the error.'),
  delayMs: z.int().positive().default(3_000).describe('With kind slow: how late the answer is.'),
  times: z.int().positive().default(1),
});
export const faultOrders = z.array(
  faultOrder.refine((order) => (order.kind === undefined) !== (order.status === undefined), 'kind or status, not both'),
);

export type FaultOrder = z.output<typeof faultOrder>;
type Standing = { readonly order: FaultOrder; left: number };

export class Faults {
  #standing: Standing[] = [];

  order(orders: readonly FaultOrder[]): void {
    this.#standing.push(...orders.map((order) => ({ order, left: order.times })));
  }

  clear(): void {
    this.#standing = [];
  }

  list(): readonly (FaultOrder & { readonly left: number })[] {
    return this.#standing.map(({ order, left }) => ({ ...order, left }));
  }

  /** The oldest order that fits the call; one time of it is used up. */
  take(method: string, path: string): FaultOrder | undefined {
    const hit = this.#standing.find(({ order }) => fits(order.match, method, path));
    if (hit === undefined) return undefined;
    hit.left -= 1;
    if (hit.left === 0) this.#standing = this.#standing.filter((standing) => standing !== hit);
    return hit.order;
  }
}

function fits(match: string, method: string, path: string): boolean {
  const [wantedMethod = '', wantedPath = ''] = match.split(' ');
  if (wantedMethod !== '*' && wantedMethod !== method) return false;
  const parts = wantedPath.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`).test(path);
}

const codesByStatus: Readonly<Record<number, string>> = {
  400: 'parameter_invalid',
  401: 'unauthorized',
  402: 'api_plan_restricted',
  403: 'forbidden',
  404: 'not_found',
  408: 'request_timeout',
  409: 'conflict',
  422: 'unprocessable_entity',
  429: 'too_many_requests',
  500: 'server_error',
  503: 'service_unavailable',
  504: 'gateway_timeout',
};

export const faultCode = (order: FaultOrder): string =>
  order.code ??
  codesByStatus[order.status ?? 500] ??
  (order.status === undefined || order.status >= 500 ? 'server_error' : 'client_error');
