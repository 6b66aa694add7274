/** One thread of a proof: its share of the defences, one after the other, and word of each. */
import { parentPort, workerData } from 'node:worker_threads';
import { defences } from './defences.ts';
import type { Share } from './proof.ts';
import { confirm, search } from './search.ts';
import { isTest, witnesses } from './witness.ts';

const { names, runs } = workerData as Share;
const recorded = witnesses();
for (const defence of defences.filter(({ name }) => names.includes(name))) {
  const witness = recorded[defence.name];
  const found =
    runs !== null
      ? await search(defence, runs)
      : witness === undefined || isTest(witness)
        ? { name: defence.name, witness: null, histories: 0 }
        : await confirm(defence, witness);
  parentPort?.postMessage(found);
}
