/** What a run of the demo came to: both stores judged, both call logs weighed against the edits. */
import type { LoggedCall } from '../../twins/intercom/calls.ts';
import type { LoggedCall as SalesforceCall } from '../../twins/salesforce/control.ts';
import { judge } from './judge.ts';
import {
  conflictsIn,
  countWrites,
  type Each,
  intercomWrites,
  latencies,
  type MadeEdit,
  minimumEditCalls,
  outcomes,
  percentiles,
  type Report,
  salesforceWrites,
} from './report.ts';
import type { World } from './world.ts';

/** Numbers of the last calls that each double had received. */
export type Mark = Each<number>;

export const mark = async (world: World): Promise<Mark> => ({
  salesforce: (await world.salesforceCalls()).at(-1)?.n ?? 0,
  intercom: (await world.intercomCalls()).at(-1)?.n ?? 0,
});

export interface Phases {
  /** Before the services were started, when people began to edit, when the import began. */
  readonly services: Mark;
  readonly live: Mark;
  readonly burst: Mark;
  readonly linkSeconds: number;
}

/** Of the services, after one mark and up to another. */
function ours(calls: { readonly salesforce: readonly SalesforceCall[]; readonly intercom: readonly LoggedCall[] }) {
  return (from: Mark, to?: Mark) => ({
    salesforce: calls.salesforce.filter(
      ({ n, origin }) => origin === 'tributary' && n > from.salesforce && n <= (to?.salesforce ?? Infinity),
    ),
    intercom: calls.intercom.filter(
      ({ n, client }) => client === 'app' && n > from.intercom && n <= (to?.intercom ?? Infinity),
    ),
  });
}

export async function report(
  world: World,
  edits: readonly MadeEdit[],
  phases: Phases,
  seconds: number,
): Promise<{ readonly report: Report; readonly details: readonly string[] }> {
  const [salesforceStore, intercomStore, intercom, salesforce] = await Promise.all([
    world.salesforceStore(),
    world.intercomStore(),
    world.intercomCalls(),
    world.salesforceCalls(),
  ]);
  const between = ours({ salesforce, intercom });
  const all = between(phases.services);
  const link = between(phases.services, phases.live);
  const live = between(phases.live, phases.burst);
  const burst = between(phases.burst);
  const verdict = judge({ salesforceStore, intercomStore, calls: intercom, salesforceCalls: all.salesforce });

  const conflicts = conflictsIn(edits);
  const contended = new Set(conflicts.map(({ id }) => id));
  /** Whoever came new takes writes besides: both platforms' ids. */
  const plain = edits.filter(
    ({ id, intercomId, shows }) => shows.length > 0 && intercomId !== '' && !contended.has(id),
  );
  /** Records that they concern, on either platform. */
  const weighed = new Set(plain.flatMap(({ id, intercomId }) => [id, intercomId]));
  const from = (side: MadeEdit['on']): readonly MadeEdit[] => plain.filter(({ on }) => on === side);
  const companies = new Set(
    intercomStore.companies.map((one) => String(one.custom_attributes['salesforce_account_id'])),
  );
  const isWeighed = ({ path, objectId }: LoggedCall): boolean =>
    weighed.has(/^\/(?:contacts|companies)\/([^/]+)/.exec(path)?.[1] ?? objectId ?? '');
  const toIntercom = live.intercom.filter(isWeighed);
  const toSalesforce = salesforceWrites(live.salesforce).filter(({ record }) => weighed.has(record));
  const late = {
    intercom: latencies(from('salesforce'), intercomWrites(live.intercom)),
    salesforce: latencies(from('intercom'), salesforceWrites(live.salesforce)),
  };
  const per = (writes: number, count: number): number => (count === 0 ? 0 : Math.round((writes / count) * 1000) / 1000);
  const rows = new Map(salesforceStore.Contact.concat(salesforceStore.Account).map((row) => [row['Id'], row]));
  const burstWrites = burst.salesforce.filter(({ written }) => written.length > 0);
  return {
    details: verdict.details,
    report: {
      people: verdict.people,
      sharing: verdict.sharing,
      edits: {
        salesforce: edits.filter(({ on }) => on === 'salesforce').length,
        intercom: edits.filter(({ on }) => on === 'intercom').length,
      },
      firstLink: {
        seconds: Math.round(phases.linkSeconds),
        written: {
          salesforce: new Set(salesforceWrites(link.salesforce).map(({ record }) => record)).size,
          intercom: new Set(intercomWrites(link.intercom).map(({ record }) => record)).size,
        },
        calls: {
          salesforce: link.salesforce.filter(({ written }) => written.length > 0).length,
          intercom: intercomWrites(link.intercom).length,
        },
      },
      writesPerEdit: {
        salesforce: per(toSalesforce.length, from('intercom').length),
        intercom: per(countWrites(toIntercom), from('salesforce').length),
      },
      conflicts: outcomes(conflicts, (id, field) => rows.get(id)?.[field]),
      duplicates: verdict.duplicates,
      differences: verdict.differences,
      latencyMs: {
        salesforce: percentiles(late.salesforce.values),
        intercom: percentiles(late.intercom.values),
      },
      calls: {
        salesforce: live.salesforce.filter(({ written }) => written.some(({ id }) => weighed.has(id))).length,
        intercom: toIntercom.length,
      },
      minimumCalls: {
        salesforce: from('intercom').length,
        intercom: minimumEditCalls(from('salesforce'), (id) => companies.has(id)),
      },
      burst: {
        rows: burstWrites.reduce((sum, { written }) => sum + written.length, 0),
        calls: burstWrites.length,
      },
      noopWrites: verdict.noopWrites,
      coalesced: late.salesforce.coalesced + late.intercom.coalesced,
      seconds: Math.round(seconds),
      residentMiB: world.residentMiB,
    },
  };
}
