import type { Random } from '../common/random.ts';
import { answer, answerHeaders, type RestAnswer, refusedAnswer, rowJson, type WrittenRow } from './answers.ts';
import { describeObject, summarizeObject } from './describe.ts';
import type { Dml, RowResult } from './dml.ts';
import { RequestRefused, refusal, refuse } from './errors.ts';
import { normalizeId } from './ids.ts';
import { findField, type ObjectType } from './metadata.ts';
import type { Caller, SalesforceModel } from './model.ts';
import { type JsonRow, type Path, projectRow, resolvePath, wholeRow } from './rows.ts';
import type { Session } from './sessions.ts';
import { runQuery } from './soql.ts';
import type { StoredRecord } from './store.ts';

/** A signed-in call as it comes over the wire. */
export interface RestCall {
  readonly method: string;
  /** Path and query: `/services/data/v67.0/query?q=…`. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly userId: string;
}

export interface RestRequest {
  readonly method: string;
  /** Below `/services/data/vNN.N`, split and decoded. */
  readonly path: readonly string[];
  readonly version: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly session: Pick<Session, 'userId'>;
}

const nothingThere = () => refuse(404, 'NOT_FOUND', 'The requested resource does not exist');
const tooMany = (limit: number) =>
  refuse(
    400,
    'EXCEEDED_ID_LIMIT',
    `record limit reached. cannot submit more than ${limit} records in the current call`,
  );
const wrongMethod = (method: string) =>
  refuse(405, 'METHOD_NOT_ALLOWED', `HTTP Method '${method}' not allowed. Allowed are HEAD,GET,POST,PATCH,DELETE`);

/** The REST API over the model: pure, and all of it without a socket. */
export class RestApi {
  readonly #model: SalesforceModel;
  readonly #random: Random;
  /** Results still being paged through; the platform, too, forgets the oldest. */
  readonly #cursors = new Map<string, readonly JsonRow[]>();

  constructor(model: SalesforceModel, random: Random) {
    this.#model = model;
    this.#random = random;
  }

  /** One call as the wire would answer it: counted, refused in the platform's own shape, with the headers of any answer. */
  answer(call: RestCall, now: number): RestAnswer {
    const { pathname, searchParams } = new URL(call.url, 'http://org');
    const [, version = '', path = ''] = /^\/services\/data\/v(\d+\.0)\/(.+?)\/?$/.exec(pathname) ?? [];
    const request = {
      ...call,
      path: path.split('/').map(decodeURIComponent),
      version,
      query: searchParams,
      session: { userId: call.userId },
    };
    const done = this.#answerOrRefuse(request, now);
    return { ...done, headers: { ...answerHeaders(this.#model, now), ...done.headers } };
  }

  #answerOrRefuse(request: RestRequest, now: number): RestAnswer {
    try {
      if (!(Number(request.version) >= 31 && Number(request.version) <= 67)) throw nothingThere();
      if (this.#model.usage(now) >= this.#model.dailyLimit) {
        throw refuse(403, 'REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.');
      }
      this.#model.countCall(now);
      return this.handle(request, now);
    } catch (error) {
      if (error instanceof RequestRefused) return refusedAnswer(error, request.version);
      throw error;
    }
  }

  /** What a call does. Refusals leave as RequestRefused. */
  handle(request: RestRequest, now: number): RestAnswer {
    const [resource, ...rest] = request.path;
    switch (resource) {
      case 'limits':
        return answer(200, this.#limits(now));
      case 'query':
      case 'queryAll':
        return this.#query(request, resource === 'queryAll', rest[0]);
      case 'sobjects':
        return rest[0] === undefined
          ? answer(200, this.#catalogue(request.version))
          : this.#sobject(request, rest, now);
      case 'composite':
        if (rest[0] !== 'sobjects') throw nothingThere();
        return rest[1] === undefined
          ? this.#collection(request, now)
          : this.#typedCollection(request, rest.slice(1), now);
      default:
        throw nothingThere();
    }
  }

  #limits(now: number): JsonRow {
    const { dailyLimit, deliveryLimit } = this.#model;
    return {
      DailyApiRequests: { Max: dailyLimit, Remaining: Math.max(dailyLimit - this.#model.usage(now), 0) },
      DailyDeliveredPlatformEvents: { Max: deliveryLimit, Remaining: this.#model.deliveriesLeft(now) },
      DailyBulkApiBatches: { Max: 15_000, Remaining: 15_000 },
      DailyBulkV2QueryJobs: { Max: 10_000, Remaining: 10_000 },
    };
  }

  #catalogue(version: string): JsonRow {
    const sobjects = this.#model.objects().map((object) => summarizeObject(object, version));
    return { encoding: 'UTF-8', maxBatchSize: 200, sobjects };
  }

  #query(request: RestRequest, all: boolean, locator: string | undefined): RestAnswer {
    if (request.method !== 'GET') throw wrongMethod(request.method);
    const size = pageSize(request.headers['sforce-query-options']);
    if (locator !== undefined) {
      const [id = '', offset = ''] = locator.split('-');
      const rows = this.#cursors.get(id);
      if (rows === undefined) throw refuse(400, 'INVALID_QUERY_LOCATOR', 'invalid query locator');
      return this.#page(request.version, id, rows, Number(offset), size);
    }
    const soql = request.query.get('q');
    if (soql === null) throw refuse(400, 'MALFORMED_QUERY', 'A query string has to be specified');
    const { totalSize, records } = runQuery(this.#model, soql, { all, version: request.version });
    if (records.length <= size) return answer(200, { totalSize, done: true, records }, records.length);
    const id = `01gTw${this.#random.hex(13)}`;
    this.#cursors.set(id, records);
    const [oldest] = this.#cursors.keys();
    if (this.#cursors.size > 50 && oldest !== undefined) this.#cursors.delete(oldest);
    return this.#page(request.version, id, records, 0, size);
  }

  #page(version: string, id: string, rows: readonly JsonRow[], offset: number, size: number): RestAnswer {
    const records = rows.slice(offset, offset + size);
    const next = offset + records.length;
    const done = next >= rows.length;
    const more = done ? {} : { nextRecordsUrl: `/services/data/v${version}/query/${id}-${next}` };
    return answer(200, { totalSize: rows.length, done, ...more, records }, records.length);
  }

  #object(name: string): ObjectType {
    const object = this.#model.object(name);
    if (object === undefined) throw nothingThere();
    return object;
  }

  #sobject(request: RestRequest, [name = '', key, ...more]: readonly string[], now: number): RestAnswer {
    const object = this.#object(name);
    if (key === undefined) {
      if (request.method === 'GET')
        return answer(200, { objectDescribe: summarizeObject(object, request.version), recentItems: [] });
      if (request.method !== 'POST') throw wrongMethod(request.method);
      return this.#one(request, { op: 'create', object: object.name, row: readObject(request.body) }, now);
    }
    if (key === 'describe' && request.method === 'GET') return this.#describe(object, request);
    const value = more[0];
    if (value !== undefined) return this.#byExternalId(object, request, key, value, now);
    const record = this.#model.record(object, key);
    if (record === undefined || record.deleted) throw gone(record, key);
    switch (request.method) {
      case 'GET':
        return answer(200, this.#read(object, record, request.query.get('fields'), request.version), 1);
      case 'PATCH':
        return this.#one(
          request,
          { op: 'update', object: object.name, id: record.id, row: readObject(request.body) },
          now,
        );
      case 'DELETE':
        return this.#one(request, { op: 'delete', object: object.name, id: record.id }, now);
      default:
        throw wrongMethod(request.method);
    }
  }

  /** Conditional: whoever has described the object since the metadata changed last is told so, without a body. */
  #describe(object: ObjectType, request: RestRequest): RestAnswer {
    const modified = new Date(this.#model.metadataAt).toUTCString();
    const since = Date.parse(String(request.headers['if-modified-since']));
    if (since >= Date.parse(modified)) return answer(304);
    return { ...answer(200, describeObject(object, request.version)), headers: { 'Last-Modified': modified } };
  }

  #byExternalId(object: ObjectType, request: RestRequest, key: string, value: string, now: number): RestAnswer {
    if (request.method === 'PATCH') {
      return this.#one(
        request,
        { op: 'upsert', object: object.name, field: key, value, row: readObject(request.body) },
        now,
      );
    }
    if (request.method !== 'GET') throw wrongMethod(request.method);
    const field = findField(object, key);
    const [record, second] = field?.idLookup ? this.#model.store.find(object, field.name, value) : [];
    if (record === undefined) throw nothingThere();
    if (second !== undefined) throw refuse(300, 'MULTIPLE_CHOICES', 'more than one record found');
    return answer(200, this.#read(object, record, request.query.get('fields'), request.version), 1);
  }

  #read(object: ObjectType, record: StoredRecord, fields: string | null, version: string): JsonRow {
    if (fields === null) return wholeRow(this.#model, object, record, version);
    return projectRow(this.#model, object, record, this.#paths(object, fields.split(',')), version);
  }

  #paths(object: ObjectType, names: readonly string[]): readonly Path[] {
    return names.map((name) => {
      const path = resolvePath(this.#model, object, name.trim().split('.'));
      if (path === undefined)
        throw refuse(400, 'INVALID_FIELD', `No such column '${name}' on sobject of type ${object.name}`);
      return path;
    });
  }

  /** A call for a single record: its refusal is the refusal of the call. */
  #one(request: RestRequest, dml: Dml, now: number): RestAnswer {
    const [result] = this.#model.execute([dml], callerOf(request), now);
    if (result === undefined) throw new Error('one row, one result');
    if (!result.success) {
      if (result.matches) {
        const base = `/services/data/v${request.version}/sobjects/${dml.object}`;
        return answer(
          300,
          result.matches.map((id) => `${base}/${id}`),
        );
      }
      const [first] = result.refusals;
      throw new RequestRefused(first?.code === 'ENTITY_IS_DELETED' ? 404 : 400, result.refusals);
    }
    const written = writtenRows([dml], [result]);
    if (dml.op === 'create') return answer(201, { id: result.id, success: true, errors: [] }, 1, written);
    if (dml.op !== 'upsert') return answer(204, undefined, 1, written);
    return answer(
      result.created ? 201 : 200,
      { id: result.id, success: true, errors: [], created: result.created },
      1,
      written,
    );
  }

  #collection(request: RestRequest, now: number): RestAnswer {
    if (request.method === 'DELETE') {
      const ids = (request.query.get('ids') ?? '').split(',').filter((id) => id !== '');
      const rows = ids.map((id) => ({ op: 'delete' as const, object: this.#objectOfId(id), id }));
      return this.#many(request, rows, request.query.get('allOrNone') === 'true', now);
    }
    const { records, allOrNone } = readCollection(request.body);
    const wish = ({ attributes, ...row }: JsonRow): Dml => {
      const object = typeOf(attributes);
      if (request.method === 'POST') return { op: 'create', object, row };
      return { op: 'update', object, id: scalar(row['id'] ?? row['Id']), row };
    };
    if (request.method !== 'POST' && request.method !== 'PATCH') throw wrongMethod(request.method);
    return this.#many(request, records.map(wish), allOrNone, now);
  }

  #typedCollection(request: RestRequest, [name = '', key]: readonly string[], now: number): RestAnswer {
    const object = this.#object(name);
    if (key !== undefined) {
      if (request.method !== 'PATCH') throw wrongMethod(request.method);
      const { records, allOrNone } = readCollection(request.body);
      const rows = records.map(({ [key]: value, ...row }): Dml => {
        return { op: 'upsert', object: object.name, field: key, value: scalar(value), row };
      });
      return this.#many(request, rows, allOrNone, now);
    }
    const body = request.method === 'POST' ? readObject(request.body) : undefined;
    const list = (part: string): readonly string[] =>
      body ? [body[part] ?? []].flat().map(String) : (request.query.get(part) ?? '').split(',');
    if (body === undefined && request.method !== 'GET') throw wrongMethod(request.method);
    const paths = this.#paths(object, ['Id', ...list('fields').filter((field) => field.toLowerCase() !== 'id')]);
    const ids = list('ids');
    if (ids.length > (body ? 2000 : 200)) throw tooMany(body ? 2000 : 200);
    const rows = ids.map((id) => {
      const record = this.#model.record(object, id);
      return record && !record.deleted ? projectRow(this.#model, object, record, paths, request.version) : null;
    });
    return answer(200, rows, rows.length);
  }

  /** Up to 200 rows, each answered in its place; a record named twice is taken once. */
  #many(request: RestRequest, rows: readonly Dml[], allOrNone: boolean, now: number): RestAnswer {
    if (rows.length > 200) throw tooMany(200);
    const seen = new Set<string>();
    const repeated = rows.map((row) => {
      const name =
        row.op === 'create'
          ? undefined
          : `${row.object}:${row.op === 'upsert' ? row.value.toLowerCase() : normalizeId(row.id)}`;
      const again = name !== undefined && seen.has(name);
      if (name !== undefined) seen.add(name);
      return again;
    });
    const accepted = rows.filter((_, index) => !repeated[index]);
    const done = [...this.#model.execute(accepted, callerOf(request), now, allOrNone)];
    const results = rows.map((row, index): RowResult => {
      const result = repeated[index] ? undefined : done.shift();
      const id = 'id' in row ? row.id : null;
      return (
        result ?? {
          success: false,
          id,
          refusals: [refusal('DUPLICATE_VALUE', `duplicate record in one call: ${id ?? ''}`)],
        }
      );
    });
    const { rowsNameDuplicates } = this.#model.habits;
    return answer(
      200,
      results.map((result, index) =>
        rowJson(result, rows[index]?.op === 'upsert', rowsNameDuplicates, request.version),
      ),
      rows.length,
      writtenRows(rows, results),
    );
  }

  #objectOfId(id: string): string {
    return this.#model.objects().find(({ keyPrefix }) => id.startsWith(keyPrefix))?.name ?? '';
  }
}

/** The client id of the call options ends up in the change events of what the call did. */
export function clientOf(headers: RestRequest['headers']): string | undefined {
  const options = headers['sforce-call-options'];
  return /(?:^|[;,]\s*)client=([^;,]*)/.exec(typeof options === 'string' ? options : '')?.[1]?.trim();
}

function callerOf(request: RestRequest): Caller {
  const client = clientOf(request.headers);
  return {
    userId: request.session.userId,
    changeOrigin: `com/salesforce/api/rest/${request.version}${client === undefined ? '' : `;client=${client}`}`,
    allowDuplicates: /allowSave\s*=\s*true/i.test(String(request.headers['sforce-duplicate-rule-header'])),
  };
}

function gone(record: StoredRecord | undefined, id: string): RequestRefused {
  return record === undefined
    ? refuse(404, 'NOT_FOUND', `Provided external ID field does not exist or is not accessible: ${id}`)
    : refuse(404, 'ENTITY_IS_DELETED', 'entity is deleted');
}

function pageSize(header: string | string[] | undefined): number {
  const size = Number(/batchSize=(\d+)/.exec(String(header))?.[1] ?? 2000);
  return Math.min(Math.max(size, 200), 2000);
}

const isObject = (value: unknown): value is JsonRow =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const scalar = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';
const typeOf = (attributes: unknown): string => (isObject(attributes) ? scalar(attributes['type']) : '');

function readObject(body: string): JsonRow {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw refuse(
      400,
      'JSON_PARSER_ERROR',
      `${error instanceof Error ? error.message : String(error)} at [line:1, column:1]`,
    );
  }
  if (!isObject(value)) throw refuse(400, 'JSON_PARSER_ERROR', 'The value is not a JSON object at [line:1, column:1]');
  return value;
}

function readCollection(body: string): { records: readonly JsonRow[]; allOrNone: boolean } {
  const { records, allOrNone } = readObject(body);
  if (!Array.isArray(records) || !records.every(isObject)) {
    throw refuse(
      400,
      'JSON_PARSER_ERROR',
      "The request body needs a list of objects as 'records' at [line:1, column:2]",
    );
  }
  return { records, allOrNone: allOrNone === true };
}

const writtenRows = (asked: readonly Dml[], results: readonly RowResult[]): readonly WrittenRow[] =>
  results.flatMap((result, n) => {
    if (!result.success) return [];
    const { id, created, changed } = result;
    const dml = asked[n];
    return [{ id, created, changed, fields: dml !== undefined && 'row' in dml ? Object.keys(dml.row ?? {}) : [] }];
  });
