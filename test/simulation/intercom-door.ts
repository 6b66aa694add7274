/** Intercom's REST API without sockets: the twin's own routes, so that real statuses and bodies are judged. */
import type { Exchange } from '../../connectors/intercom/classify.ts';
import type { IntercomRequest } from '../../connectors/intercom/requests.ts';
import { type Answer, answerCall } from '../../twins/intercom/answer.ts';
import type { Workspace } from '../../twins/intercom/routes.ts';
import type { Outcome } from './network.ts';
import type { Write } from './sink-process.ts';

export const intercomVersion = '2.14';

type Wire = readonly [method: string, path: string, body?: Readonly<Record<string, unknown>>];

/** What the official client makes of a request, as far as the twin looks at it. */
function wireOf(request: IntercomRequest): Wire {
  switch (request.kind) {
    case 'createContact':
      return ['POST', '/contacts', request.body];
    case 'updateContact':
      return ['PUT', `/contacts/${request.id}`, request.body];
    case 'findContact':
      return ['GET', `/contacts/${request.id}`];
    case 'searchContacts':
      return ['POST', '/contacts/search', request.body];
    case 'listCompaniesOf':
      return ['GET', `/contacts/${request.contact}/companies?page=${request.page}&per_page=60`];
    case 'upsertCompany':
      return ['POST', '/companies', request.body];
    case 'updateCompany':
      return ['PUT', `/companies/${request.id}`, request.body];
    case 'findCompany':
      return ['GET', `/companies/${request.id}`];
    case 'attach':
      return ['POST', `/contacts/${request.contact}/companies`, { id: request.company }];
    case 'detach':
      return ['DELETE', `/contacts/${request.contact}/companies/${request.company}`];
    default:
      throw new Error(`no history asks ${request.kind}`);
  }
}

export function written(request: IntercomRequest, { status, body }: Answer): readonly Write[] {
  if (wireOf(request)[0] === 'GET' || request.kind === 'searchContacts' || status >= 300) return [];
  if ('contact' in request)
    return [{ what: request.contact, record: request.contact, fields: ['companies'], asked: {} }];
  const asked = 'body' in request ? valuesOf(request.body) : {};
  const what = 'id' in request ? request.id : '';
  const record = what === '' ? String((body as { readonly id?: string }).id ?? '') : what;
  return [{ what, record, fields: Object.keys(asked), asked }];
}

const valuesOf = ({
  custom_attributes: custom = {},
  ...body
}: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
  ...body,
  ...Object.fromEntries(Object.entries(custom as object).map(([name, value]) => [`custom_attributes.${name}`, value])),
});

export function askTwin(workspace: Workspace, request: IntercomRequest, now: number): Answer {
  const [method, path, body] = wireOf(request);
  return answerCall(workspace, { method, path, body, client: 'app', version: intercomVersion, now });
}

/** The platform's clock as its answers tell it. */
export const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

const failure = (code: string): object => ({ type: 'error.list', errors: [{ code, message: 'a fault' }] });

/** What the client's transport would have kept of it. */
export function exchangeOf(outcome: Outcome<Answer>): Exchange {
  switch (outcome.kind) {
    case 'answered':
      return {
        ...answered(outcome.value.status, outcome.value.body, outcome.at, undefined),
        sentAt: wholeSecond(outcome.at) - (outcome.ended - outcome.begun),
        link: outcome.value.headers['Link'],
      };
    case 'throttled':
      return answered(429, failure('rate_limit_exceeded'), outcome.at, outcome.resetMs);
    case 'failed':
      return answered(outcome.status, failure('server_error'), outcome.at, undefined);
    case 'silent':
      return { answered: false, cause: 'no answer within 15000 ms', sent: true };
  }
}

const answered = (
  status: number,
  body: unknown,
  at: number,
  resetMs: number | undefined,
): Extract<Exchange, { answered: true }> => {
  const time = wholeSecond(at);
  return { answered: true, status, body, text: '', time, sentAt: time, resetMs, link: undefined };
};
