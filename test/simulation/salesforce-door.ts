/** Salesforce's REST API without sockets: the twin's own, so that real rows and errors are judged. */
import type { Exchange } from '../../connectors/salesforce/classify.ts';
import { callOf, type Row, type SalesforceRequest } from '../../connectors/salesforce/requests.ts';
import type { SalesforceObjects } from '../../sinks/salesforce/plan.ts';
import type { RestAnswer } from '../../twins/salesforce/answers.ts';
import type { SalesforceModel } from '../../twins/salesforce/model.ts';
import type { RestApi } from '../../twins/salesforce/rest.ts';
import { client, companyFields, givenName, markers, personFields } from './fields.ts';
import { wholeSecond } from './intercom-door.ts';
import type { Outcome } from './network.ts';
import type { Write } from './sink-process.ts';

const version = '67.0';

export const salesforceObjects: SalesforceObjects = {
  Contact: {
    marker: markers.salesforce,
    email: 'Email',
    fields: [
      'Id',
      givenName.salesforce,
      ...personFields.map((field) => field.salesforce),
      'AccountId',
      markers.salesforce,
    ],
    multiSelects: [],
  },
  Lead: {
    marker: markers.salesforce,
    email: 'Email',
    fields: ['Id', 'Email', 'LastName', markers.salesforce],
    multiSelects: [],
  },
  Account: {
    marker: markers.salesforce,
    email: null,
    fields: ['Id', ...companyFields.map((field) => field.salesforce), markers.salesforce],
    multiSelects: [],
  },
};

export function askOrg(api: RestApi, model: SalesforceModel, request: SalesforceRequest, now: number): RestAnswer {
  const { method, path, headers = {}, body } = callOf(request);
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return api.answer(
    {
      method,
      url: path.startsWith('/services/') ? path : `/services/data/v${version}${path}`,
      headers: { ...lower, 'sforce-call-options': `client=${client}` },
      body: body === undefined ? '' : JSON.stringify(body),
      userId: model.integrationUserId,
    },
    now,
  );
}

/** Rows that a request has written. */
export const rowsOf = (request: SalesforceRequest, { status, body }: RestAnswer): readonly Write[] => {
  const written = ({ Id = '', ...fields }: Row, id: string | undefined): Write => ({
    what: String(Id),
    record: id ?? String(Id),
    fields: Object.keys(fields),
    asked: fields,
  });
  if (status >= 300) return [];
  if (request.kind === 'upsertOne') return [written(request.row, (body as Answered | undefined)?.id)];
  if (request.kind !== 'update' && request.kind !== 'upsert') return [];
  const results = body as readonly Answered[];
  return request.rows.flatMap((row, n) => (results[n]?.success === true ? [written(row, results[n].id)] : []));
};

/** What the platform says of one row. */
interface Answered {
  readonly success: boolean;
  readonly id?: string;
}

const limitReached = [
  { errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.' },
];

/** `skewMs`: how far the org's clock is ahead. */
export function salesforceExchange(outcome: Outcome<RestAnswer>, skewMs = 0): Exchange {
  switch (outcome.kind) {
    case 'answered': {
      const { status, body } = outcome.value;
      // What a client has is parsed JSON, and not the twin's own objects.
      return answered(status, body, outcome.at + skewMs, outcome.begun + skewMs);
    }
    case 'throttled':
      return answered(403, limitReached, outcome.at + skewMs, outcome.begun + skewMs);
    case 'failed':
      return answered(outcome.status, undefined, outcome.at + skewMs, outcome.begun + skewMs);
    case 'silent':
      return { answered: false, cause: 'no answer within 15000 ms', sent: true };
  }
}

const answered = (status: number, body: unknown, at: number, begun: number): Exchange => ({
  answered: true,
  status,
  body,
  text: body === undefined && status >= 500 ? '<html>502</html>' : '',
  time: wholeSecond(at),
  sentAt: wholeSecond(begun),
});
