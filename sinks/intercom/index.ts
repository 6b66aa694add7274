/** The role that writes to Intercom. */
import { identifyWorkspace, openIntercom } from '../../connectors/intercom/client.ts';
import { requireSettings } from '../../core/config.ts';
import { patiently } from '../../core/patience.ts';
import type { Role } from '../../core/role.ts';
import { runSink } from '../../core/sink-loop.ts';
import { drive } from '../drive.ts';
import { executeEach } from './execute.ts';
import { preflight } from './preflight.ts';

export const intercomSink: Role = {
  async run(context) {
    const { config, log, kafka, codec, signal } = context;
    requireSettings(config, ['intercom.baseUrl', 'intercom.token']);
    const { access, budget } = openIntercom(context);
    try {
      const workspace = await patiently(context, async () => {
        const id = await identifyWorkspace(context, access);
        await preflight(config, access, { lane: 'live', holder: null, signal }, (model, name) =>
          log.info({ model, attribute: name }, 'data attribute created in Intercom'),
        );
        return id;
      });
      log.info({ workspace }, 'writing to Intercom');
      const { customer, account } = config.entities;
      const markers = { contact: customer.intercom.marker, company: account.intercom.marker };
      await runSink({
        kafka,
        codec,
        platform: 'intercom',
        budget,
        concurrency: config.intercom.budget.concurrency,
        perCall: 1,
        execute: (commands, run) =>
          drive(executeEach(markers, commands), run, (caller, request) => access.call(caller, request)),
        signal,
        ready: (state, why) => context.ready(state, why),
        log,
        now: () => performance.now(),
      });
    } catch (error) {
      // Stopped while it waited for a server: nothing was taken in, so there is nothing to drain.
      if (!signal.aborted) throw error;
    } finally {
      await access.close();
    }
  },
};
