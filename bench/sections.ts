/** Every section, in the order in which they run. A new one is its line here. */
import { edits } from './edits.ts';
import { passThrough } from './pass-through.ts';
import { quota } from './quota.ts';
import type { Section } from './section.ts';
import { takeOver } from './take-over.ts';
import { webhook } from './webhook.ts';

export const sections: readonly Section[] = [passThrough, edits, webhook, takeOver, quota];
