/** What the oracle expects of consent and of fields that are only filled. */
import { describe, expect, it } from 'vitest';
import { filled, isOptedOut } from './standing.ts';

const said = (at: number, platform: 'salesforce' | 'intercom', value: string | boolean | null) => ({
  at,
  platform,
  value,
});

describe('consent', () => {
  it('stays refused when the other side allows it later', () => {
    expect(isOptedOut([said(1, 'salesforce', true), said(2, 'intercom', false)])).toBe(true);
  });

  it('is not refused by nobody, nor held to where the same side took it back', () => {
    expect(isOptedOut([])).toBe(false);
    expect(isOptedOut([said(1, 'intercom', true), said(2, 'intercom', false)])).toBe(false);
  });
});

describe('a field that is only filled', () => {
  it('keeps the value of who filled it, who may change it', () => {
    const edits = [said(0, 'salesforce', 'a'), said(100, 'intercom', 'b'), said(200, 'salesforce', 'c')];
    expect(filled(edits, 50)?.value).toBe('c');
  });

  it('may be filled by anybody once it is empty again', () => {
    const edits = [said(0, 'salesforce', 'a'), said(100, 'salesforce', null), said(200, 'intercom', 'b')];
    expect(filled(edits, 50)?.value).toBe('b');
  });

  it('says nothing where nobody can tell who was first, or nobody filled it', () => {
    expect(filled([said(0, 'salesforce', 'a'), said(10, 'intercom', 'b')], 50)).toBeUndefined();
    expect(filled([], 50)).toBeUndefined();
  });
});
