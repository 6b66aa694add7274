/** The role that writes to Salesforce. */
import { callSalesforce, identifyOrg, openSalesforce } from '../../connectors/salesforce/client.ts';
import { mostRows } from '../../connectors/salesforce/requests.ts';
import { requireSettings } from '../../core/config.ts';
import { patiently } from '../../core/patience.ts';
import type { Role } from '../../core/role.ts';
import { runSink } from '../../core/sink-loop.ts';
import { drive } from '../drive.ts';
import { executeBatch } from './execute.ts';
import { writtenObjects } from './preflight.ts';

/** A call of each kind for each partition of commands. The platform lets 25 calls run that take longer than 20 seconds. */
const concurrency = 8;

export const salesforceSink: Role = {
  async run(context) {
    const { config, log, kafka, codec, signal } = context;
    requireSettings(config, ['salesforce.loginUrl', 'salesforce.clientId', 'salesforce.clientSecret']);
    const opening = openSalesforce(context);
    const { rest, budget } = opening;
    try {
      const objects = await patiently(context, async () => {
        await identifyOrg(context, opening);
        return writtenObjects(opening, config);
      });
      log.info({ objects: Object.keys(objects) }, 'writing to Salesforce');
      await runSink({
        kafka,
        codec,
        platform: 'salesforce',
        budget,
        concurrency,
        perCall: mostRows,
        execute: (commands, run) =>
          drive(executeBatch(objects, commands), run, (caller, request) => callSalesforce(opening, caller, request)),
        signal,
        ready: (state, why) => context.ready(state, why),
        log,
        now: () => performance.now(),
      });
    } catch (error) {
      // Stopped while it waited for a server: nothing was taken in, so there is nothing to drain.
      if (!signal.aborted) throw error;
    } finally {
      await rest.close();
    }
  },
};
