/** Every section, in the order in which they run. A new one is its line here. */
import { customers } from './customers.ts';
import { edits } from './edits.ts';
import { quota } from './quota.ts';
import type { Section } from './section.ts';
import { stages } from './stages.ts';
import { takeOver } from './take-over.ts';
import { unify } from './unify.ts';
import { webhook } from './webhook.ts';

export const sections: readonly Section[] = [unify, stages, edits, webhook, takeOver, quota, customers];
